"""Coming in and going: CAP, NICK, USER, PING, PONG, QUIT, and what a newcomer is told."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.native import Event
from workers.dialects import HangUp
from workers.dialects.irc import accounts, caps, errors, events, metadata, server
from workers.dialects.irc.lines import MAX_BODY, body, words_in
from workers.dialects.irc.mapping import NOBODY

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

VALUES: Final = 302  # the version of CAP LS from which on capabilities have values, and lists several lines


@dataclass(slots=True)
class Introduction:
    """What a client has told of itself."""

    nick: str = ""
    user: str = ""
    realname: str = ""
    away: str | None = None
    waits: bool = False  # all is there; a login that is under way comes first
    negotiating: bool = False  # "the server MUST not complete registration until the client sends a CAP END command"
    version: int = 0  # of CAP LS, the highest


def knock(irc: "Irc", turn: "Turn") -> None:
    """Say hello to the broker when all is there that it takes."""
    from workers.dialects.irc.session import Stage

    intro = irc.intro
    if irc.stage is not Stage.NAMELESS or not (intro.nick and intro.user) or intro.negotiating:
        return
    irc.stage = Stage.KNOCKING
    intro.waits = bool(irc.login.password) and accounts.use_password(irc, turn)
    if intro.waits:
        return
    accounts.interrupted(irc, turn)
    away = None if intro.away is None else intro.away[: native.MAX_REMARK]
    hello = native.Hello(nick=intro.nick, name=intro.realname[: native.MAX_PERSON] or None, away=away)

    def answered(event: Event) -> None:
        if isinstance(event, native.Welcome):
            irc.come_in(event)
            server.welcome(irc, turn, event)
            return
        irc.stage = Stage.NAMELESS
        refused, intro.nick = intro.nick, ""
        if isinstance(event, native.Error):
            if event.code in errors.NAMES:
                refuse_nick(irc, turn, refused, event)
            elif event.code == "flood":
                errors.unexpected(irc, turn, hello, event)
            else:
                irc.say(turn, "ERROR", f"Closing link: {event.text}")
                irc.also(HangUp())

    irc.ask(turn, hello, answered)


def nick(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if not params or not params[0]:
        irc.reply(turn, "431")
        return
    try:
        wanted = names.nick(params[0])
    except names.BadName:
        irc.reply(turn, "432", params[0])
        return
    if not irc.nick:
        irc.intro.nick = wanted
        knock(irc, turn)
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok) and event.nick is not None:
            if event.nick != irc.nick:
                turn.lines.append(("", body(irc.mask, "NICK", event.nick)))
            irc.nick = event.nick
        elif isinstance(event, native.Error):
            refuse_nick(irc, turn, wanted, event)

    irc.ask(turn, native.Nick(nick=wanted), answered)


def refuse_nick(irc: "Irc", turn: "Turn", wanted: str, error: native.Error) -> None:
    irc.reply(turn, "433" if error.code in ("nick-taken", "nick-reserved") else "432", wanted)
    if error.code != "nick-reserved":
        return
    how = error.text
    if not names.is_reserved(wanted):
        how += ". On IRC one logs in with SASL, with PASS account:password before NICK, or with another nick and"
        how += " /msg NickServ IDENTIFY account password"
    if "standard-replies" in irc.caps:
        irc.say(turn, "FAIL", "NICK", "NICKNAME_RESERVED", wanted, how)
    else:
        irc.say(turn, "NOTICE", irc.me, how)


def user(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if irc.nick:
        irc.reply(turn, "462")
    elif not params[0]:
        irc.reply(turn, "461", "USER")
    else:
        irc.intro.user, irc.intro.realname = params[0], params[3]
        knock(irc, turn)


def ping(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if not params[0]:
        irc.reply(turn, "409")
    elif not irc.nick:
        irc.say(turn, "PONG", irc.host.name, params[0])
    else:
        irc.ask(turn, native.Ping(), lambda _pong: irc.say(turn, "PONG", irc.host.name, params[0]))


def nothing(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """What a client says and nobody answers."""


def quit_(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    reason = params[0] if params else ""
    irc.leave(f"Quit: {reason}" if reason.startswith(events.UNASKED) else reason)  # nobody passes for the server


# --- CAP


def cap(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    subcommand, *rest = params
    match subcommand.upper():
        case "LS":
            _ls(irc, turn, rest)
        case "LIST":
            _list(irc, turn, "LIST", sorted(irc.caps))
        case "REQ":
            _request(irc, turn, rest[-1] if rest else "")
        case "END":
            irc.intro.negotiating = False
            knock(irc, turn)
        case _:
            irc.reply(turn, "410", subcommand or NOBODY)


def _ls(irc: "Irc", turn: "Turn", rest: list[str]) -> None:
    irc.intro.negotiating = not irc.nick
    version = int(rest[0]) if rest and rest[0].isascii() and rest[0].isdigit() and len(rest[0]) < 6 else 0
    irc.intro.version = max(irc.intro.version, version)
    if version >= VALUES:
        irc.take_caps(irc.caps | {"cap-notify"})
    offered = caps.offered(irc.settings, irc.peer)
    if version < VALUES:
        offered = {name: "" for name in offered if caps.BY_NAME[name].asked}
    _list(irc, turn, "LS", [f"{name}={value}" if value else name for name, value in offered.items()])


def _list(irc: "Irc", turn: "Turn", subcommand: str, words: list[str]) -> None:
    room_left = MAX_BODY - len(body(irc.host.name, "CAP", irc.me, subcommand, "*", "").encode())
    lines = words_in(words, room_left if irc.intro.version >= VALUES else 10 * MAX_BODY) or [""]
    for number, line in enumerate(lines, 1):
        irc.say(turn, "CAP", irc.me, subcommand, *((line,) if number == len(lines) else ("*", line)))


def _repeat(irc: "Irc", turn: "Turn", subcommand: str, words: list[str]) -> None:
    """Say what was asked for again, whole: "If an ACK reply originating from the server is spread across multiple
    lines" is all that the text has of more than one.
    """
    for line in words_in(words, MAX_BODY - len(body(irc.host.name, "CAP", irc.me, subcommand, "").encode())) or [""]:
        irc.say(turn, "CAP", irc.me, subcommand, line)


def _request(irc: "Irc", turn: "Turn", wanted: str) -> None:
    irc.intro.negotiating = not irc.nick
    enabled = set(irc.caps)
    offered = {name for name in caps.offered(irc.settings, irc.peer) if caps.BY_NAME[name].asked}
    known = True
    for word in wanted.split():
        name = word.removeprefix("-")
        known &= name in offered and not (word == "-cap-notify" and irc.intro.version >= VALUES)
        (enabled.discard if word.startswith("-") else enabled.add)(name)
    _repeat(irc, turn, "ACK" if known else "NAK", wanted.split())
    if known:
        had = metadata.enabled(irc)
        irc.take_caps(frozenset(enabled))
        if not metadata.enabled(irc):
            irc.subscribed.clear()
        elif irc.nick and not had:
            metadata.greet(irc, turn)
