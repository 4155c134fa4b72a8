"""Saying something: PRIVMSG, NOTICE, TAGMSG.

A NOTICE is answered with no error at all, for a program might answer that again.
"""

from typing import TYPE_CHECKING

from protocol import names, native
from protocol.native import Event
from workers.dialects.irc import services
from workers.dialects.irc.mapping import is_channel, room
from workers.dialects.irc.server import MAX_TARGETS
from workers.dialects.irc.service import hear
from workers.dialects.irc.text import action, fun_line, is_ctcp, plain

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn


def privmsg(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    targets = [target for target in dict.fromkeys((params or ("",))[0].split(",")) if target]
    text = params[1] if len(params) > 1 else ""
    if not targets:
        irc.say(turn, "411", irc.me, f"No recipient given ({turn.command})")
    elif not text:
        irc.reply(turn, "412")
    elif len(targets) > MAX_TARGETS:
        irc.reply(turn, "407", targets[MAX_TARGETS])
    elif is_ctcp(text) and action(text) is None:
        for target in targets:
            number = "404" if is_channel(target) else "531"
            irc.say(turn, number, irc.me, target, "CTCP is not passed on here, but for ACTION; ask in plain words")
    else:
        for target in targets:
            if (to := services.service(target)) is not None:
                hear(irc, turn, to, plain(text))
            else:
                _say(irc, turn, target, text)


def notice(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if len(params) < 2 or not params[1] or is_ctcp(params[1]):
        return
    for target in [target for target in dict.fromkeys(params[0].split(",")) if target][:MAX_TARGETS]:
        if services.service(target) is None:
            _send(irc, turn, target, plain(params[1]), "notice")


def _say(irc: "Irc", turn: "Turn", target: str, text: str) -> None:
    doing = action(text)
    if doing is not None:
        _send(irc, turn, target, plain(doing), "me")
        return
    text = plain(text)
    if (line := fun_line(text, irc.fun)) is not None:
        if (to := _to(irc, turn, target)) is not None:
            _ask_fun(irc, turn, target, native.Fun(cmid=irc.new_cmid(), to=to, line=line))
        return
    _send(irc, turn, target, text, "text")
    if not is_channel(target):
        irc.ask(turn, native.Whois(nick=target), lambda event: _tell_away(irc, turn, event))


def _tell_away(irc: "Irc", turn: "Turn", event: Event) -> None:
    if isinstance(event, native.Profile) and event.away is not None:
        irc.reply(turn, "301", event.nick, event.away)


def _to(irc: "Irc", turn: "Turn", target: str) -> str | None:
    """Return what ``target`` is called in moot; None: there can be none, and that was said."""
    try:
        return room(target) if is_channel(target) else f"@{names.nick(target)}"
    except names.BadName:
        _refuse(irc, turn, target, "403" if is_channel(target) else "401")
        return None


def _refuse(irc: "Irc", turn: "Turn", target: str, number: str) -> None:
    if turn.command != "NOTICE":
        irc.reply(turn, number, target)


def _send(irc: "Irc", turn: "Turn", target: str, text: str, kind: native.Kind) -> None:
    to = _to(irc, turn, target)
    if to is None or kind not in ("text", "me", "notice"):
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.awaits_echo(turn, event, wanted="echo-message" in irc.caps)
        elif isinstance(event, native.Error):
            _refused(irc, turn, target, event)

    irc.ask(turn, native.Send(cmid=irc.new_cmid(), to=to, text=text, kind=kind), answered)


def _refused(irc: "Irc", turn: "Turn", target: str, error: native.Error) -> None:
    if error.code == "bad-request":  # nothing was left of the text
        if turn.command != "NOTICE":
            irc.reply(turn, "412")
        return
    numbers = {"not-in-room": "404", "bad-room": "403"}
    _refuse(irc, turn, target, numbers.get(error.code, "401"))


def _ask_fun(irc: "Irc", turn: "Turn", target: str, request: native.Fun) -> None:
    def answered(event: Event) -> None:
        match event:
            case native.Shown(text=text):
                for line in text.split("\n"):
                    irc.say(turn, "NOTICE", irc.me, line or " ")
            case native.Ok():
                irc.awaits_echo(turn, event, wanted=True)
            case native.Error():
                _refused(irc, turn, target, event)

    irc.ask(turn, request, answered)


def tagmsg(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """Nothing is left of it: all tags of clients are denied, as 005 says."""
