"""What the server's admins do: OPER, KILL, WALLOPS. Source: Modern IRC, "Operator Messages", "OPER message".

An IRC operator is an admin of the server, who is one by logging in to an account that is; OPER is that too.
"""

from typing import TYPE_CHECKING, Final

from protocol import accounts, moderation, native
from protocol.native import Event
from protocol.text import clean
from workers.dialects.irc import errors
from workers.dialects.irc.accounts import logged_in, plain, prove
from workers.dialects.irc.text import plain as without_codes

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

MAX_WALLOPS: Final = 400  # characters; it must fit a line


def oper(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    name, password = params[:2]

    def answered(event: Event) -> None:
        if isinstance(event, accounts.LoggedIn):
            logged_in(irc, turn, event)
            irc.reply(turn, *(("381",) if event.admin else ("491",)))
        elif isinstance(event, native.Error) and event.code == "login-failed":
            irc.reply(turn, "464")
        elif isinstance(event, native.Error):
            irc.say(turn, "491", irc.me, event.text)

    prove(irc, turn, plain(name, password), answered)


def kill(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    nick = params[0]
    reason = _words(params[1] if len(params) > 1 else "")[: native.MAX_REMARK]

    def answered(event: Event) -> None:
        if isinstance(event, native.Error):
            _refused(irc, turn, request, event, nick)

    request = moderation.Kick(nick=nick, reason=reason)
    irc.ask(turn, request, answered)


def wallops(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    text = _words(params[0])[:MAX_WALLOPS]
    if not text:
        irc.reply(turn, "461", turn.command)
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Error):
            _refused(irc, turn, request, event, "")

    request = moderation.Announce(text=text, admins=True)
    irc.ask(turn, request, answered)


def _words(text: str) -> str:
    return clean(without_codes(text), newlines=False)


def _refused(irc: "Irc", turn: "Turn", request: moderation.Request, error: native.Error, nick: str) -> None:
    match error.code:
        case "no-such-nick" | "bad-nick":
            irc.reply(turn, "401", nick)
        case "not-allowed":
            irc.reply(turn, "481")
        case _:
            errors.unexpected(irc, turn, request, error)
