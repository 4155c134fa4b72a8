"""What happens in rooms, as IRC messages: the same for all clients of one variant. Pure.

moot's text is plain and may have several lines and thousands of characters; IRC's is one line of at most 512 bytes,
source and target included. So a message may become several; the first has its msgid.
"""

from datetime import UTC, datetime
from typing import Final

from protocol import moderation, native
from protocol.metadata import Metadatum
from protocol.moderation import Change, Invited, Modes
from protocol.msgids import msgid
from protocol.native import Event, Msg
from workers.dialects.irc import changes, mapping, metadata
from workers.dialects.irc.lines import MAX_BODY, body, encode, split
from workers.dialects.irc.mapping import NOBODY, Host
from workers.dialects.irc.turns import Line, tagged

MODES_SHOWN: Final = 12  # changes in one MODE message; "maximum number of message parameters is 15"
_UNASKED: Final = ("connection closed", "connection lost", "Ping timeout: ")  # reasons that nobody typed, about
_VERBS: Final = {"notice": "NOTICE"}  # by kind; the others are PRIVMSG


def shared(event: Event, host: Host, flags: str, epoch: str) -> bytes:
    """Return what every member of a room gets of ``event``. ``flags``: letters of `caps.CAPS`."""
    return b"".join(encode(text, tags) for tags, text in lines_of(event, host, flags, epoch))


def lines_of(event: Event, host: Host, flags: str, epoch: str) -> list[Line]:
    """Return an event that happened in a room as messages, maybe none."""
    match event:
        case Msg():
            return message(event, host, flags, epoch)
        case native.Joined(room=room, who=who):
            away = changes.away(who, host) if "a" in flags and who.away is not None else []
            return [join_line(room, who, host, flags), *role_lines(room, who, host), *away]
        case native.Left(nick=nick, reason=reason, quit=True):
            said = reason if reason.startswith(_UNASKED) else f"Quit: {reason}"
            return [("", body(host.mask(nick, event.account), "QUIT", said))]
        case native.Left(room=room, nick=nick, reason=reason, by=str(by)):
            return [("", body(host.mask(by, event.by_account), "KICK", room, nick, reason or by))]
        case native.Left(room=room, nick=nick, reason=reason):
            params = (room, reason) if reason else (room,)
            return [("", body(host.mask(nick, event.account), "PART", *params))]
        case native.Renamed(old=old, nick=nick):
            return [("", body(host.mask(old, event.account), "NICK", nick))]
        case Modes():
            return mode_lines(event, host)
        case Invited(by=by, nick=nick, room=room):
            return [("", body(host.mask(by, event.by_account), "INVITE", nick, room))] if "i" in flags else []
        case native.Changed(who=who, was=was):
            return changes.lines(who, was, host, flags)
        case Metadatum(target=target, key=key, value=value):
            return metadata.changed(host, flags, target, key, value)
        case native.Notice(text=text):
            return [("", body(host.name, "NOTICE", NOBODY, line)) for line in text.split("\n")]
        case _:
            return []  # who is there, told again after a broker's end: IRC has no word for it


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


def message(msg: Msg, host: Host, flags: str, epoch: str) -> list[Line]:
    """Return a message of a room or an inbox as lines, the first with its msgid."""
    source = host.mask(msg.nick, msg.account)
    target = msg.to if msg.room == native.INBOX and msg.to is not None else msg.room
    time = f"time={timestamp(msg.time)}" if "t" in flags else ""
    if msg.kind == "topic":
        texts = [body(source, "TOPIC", target, msg.text)]
    else:
        verb = _VERBS.get(msg.kind, "PRIVMSG")
        begin, end = ("\1ACTION ", "\1") if msg.kind == "me" else ("", "")
        room_left = MAX_BODY - len(f":{source} {verb} {target} :{begin}{end}".encode("utf-8", "replace"))
        limit = max(room_left, 16)  # bytes; no name is so long that less were left
        said = [piece for line in msg.text.split("\n") for piece in split(line or " ", limit)]
        texts = [body(source, verb, target, f"{begin}{piece}{end}") for piece in said]
    first = tagged(time, f"msgid={msgid(epoch, msg)}" if "m" in flags else "")
    return [(time if number else first, text) for number, text in enumerate(texts)]


def timestamp(time_ms: int) -> str:
    """Return a time as server-time has it: YYYY-MM-DDThh:mm:ss.sssZ, UTC."""
    try:
        when = datetime.fromtimestamp(time_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a time no calendar has
        when = datetime(1970, 1, 1, tzinfo=UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z" if when.year >= 1000 else "1970-01-01T00:00:00.000Z"


def milliseconds(stamp: str) -> int | None:
    """Return the time that a `timestamp` tells, milliseconds since 1970; None: it is none."""
    try:
        when = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    whole = int((when.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return whole * 1000 + when.microsecond // 1000
