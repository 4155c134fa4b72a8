"""What happens in rooms, as IRC messages: the same for all clients of one variant. Pure.

What is said there is in `speech`.
"""

from typing import Final

from protocol import moderation, native, tags
from protocol.metadata import Metadatum
from protocol.moderation import Change, Invited, Modes
from protocol.native import Event, Msg
from workers.dialects.irc import changes, mapping, metadata, speech
from workers.dialects.irc.lines import MAX_BODY, body, encode
from workers.dialects.irc.mapping import NOBODY, Host
from workers.dialects.irc.turns import Line, tagged

MODES_SHOWN: Final = 12  # changes in one MODE message; "maximum number of message parameters is 15"
UNASKED: Final = (
    "connection closed",
    "connection lost",
    "Ping timeout: ",
    "put off the server by ",
)  # reasons that nobody typed, about


def shared(event: Event, host: Host, flags: str, epoch: str) -> bytes:
    """Return what every member of a room gets of ``event``. ``flags``: letters of `caps.CAPS`."""
    return b"".join(encode(text, tags) for tags, text in lines_of(event, host, flags, epoch))


def lines_of(event: Event, host: Host, flags: str, epoch: str) -> list[Line]:
    """Return an event that happened in a room as messages, maybe none."""
    match event:
        case Msg():
            return speech.message(event, host, flags, epoch)
        case native.IsTyping(room=room) | native.Tagged(room=room):
            return speech.hint(event, room, host, flags)
        case native.Joined(room=room, who=who):
            away = changes.away(who, host) if "a" in flags and who.away is not None else []
            done = [join_line(room, who, host, flags)], away
            joined, gone = (of_somebody(lines, who.account, flags, bot=who.bot) for lines in done)
            return [*joined, *role_lines(room, who, host), *gone]
        case native.Left(nick=nick, reason=reason, quit=True):
            said = reason if reason.startswith(UNASKED) else f"Quit: {reason}"
            return of_somebody([("", body(host.mask(nick, event.account), "QUIT", said))], event.account, flags)
        case native.Left(room=room, nick=nick, reason=reason, by=str(by)):
            kick = body(host.mask(by, event.by_account), "KICK", room, nick, reason or by)
            return of_somebody([("", kick)], event.by_account, flags)
        case native.Left(room=room, nick=nick, reason=reason):
            params = (room, reason) if reason else (room,)
            return of_somebody([("", body(host.mask(nick, event.account), "PART", *params))], event.account, flags)
        case native.Renamed(old=old, nick=nick):
            return of_somebody([("", body(host.mask(old, event.account), "NICK", nick))], event.account, flags)
        case Modes():
            return of_somebody(mode_lines(event, host), event.by_account, flags)
        case Invited(by=by, nick=nick, room=room):
            invite = body(host.mask(by, event.by_account), "INVITE", nick, room)
            return of_somebody([("", invite)], event.by_account, flags) if "i" in flags else []
        case native.Changed(who=who, was=was):
            account = who.account if was is None else was.account  # "@account=hax0r :user ACCOUNT bob"
            return of_somebody(changes.lines(who, was, host, flags), account, flags, bot=who.bot)
        case Metadatum(target=target, key=key, value=value):
            return metadata.changed(host, flags, target, key, value)
        case native.Notice(text=text):
            return [("", body(host.name, "NOTICE", NOBODY, line)) for line in text.split("\n")]
        case _:
            return []  # who is there, told again after a broker's end: IRC has no word for it


def of_somebody(lines: list[Line], account: str | None, flags: str, *, bot: bool = False) -> list[Line]:
    """Return what somebody does, tagged with who that is: "added by the ircd to all commands sent by a user"."""
    who = tagged(
        f"account={tags.escape(account)}" if account is not None and "g" in flags else "",
        "bot" if bot and "m" in flags else "",
    )
    return [(tagged(who, own), text) for own, text in lines] if who else lines


def join_line(room: str, who: native.Person, host: Host, flags: str) -> Line:
    params = (room, who.account or NOBODY, who.name or who.nick) if "j" in flags else (room,)
    return "", body(host.mask(who.nick, who.account), "JOIN", *params)


def role_lines(room: str, who: native.Person, host: Host) -> list[Line]:
    """Return what tells the others which roles somebody has who came in."""
    changes = [Change(role, arg=who.nick) for role in moderation.ROLES if role in who.roles]
    return mode_lines(Modes(room=room, by="", changes=changes), host) if changes else []


def mode_lines(event: Modes, host: Host) -> list[Line]:
    """Return changes of a room's modes as messages of at most `MODES_SHOWN` each."""
    source = host.mask(event.by, event.by_account) if event.by else host.name
    limit = MAX_BODY - len(f":{source} MODE {event.room} ".encode("utf-8", "replace"))
    told = mapping.modestrings(mapping.steps(event.changes), limit, MODES_SHOWN)
    return [("", body(source, "MODE", event.room, *params)) for params in told]
