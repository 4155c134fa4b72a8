"""Events as lines for a person with `nc`: sentences, no control characters, nothing that moves.

Lines end with a bare newline: a terminal turns it into CRLF by itself, and what is piped on to `grep` or a file has
no litter at its ends. Lines after the first of a message are indented, so no text can pass for somebody else's line.
What is said outside `#lobby` begins with the room's name; so every member of a room reads the same bytes.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from protocol import accounts, moderation, native, sentences
from protocol.native import Event, Msg, Person
from protocol.text import clean

LOBBY: Final = "#lobby"
_INDENT: Final = "    "
_NAMES_SHOWN: Final = 60


def encode(event: Event, offset_s: int | None = None) -> bytes:
    """Return what every plain member of a room gets of an event, maybe nothing.

    Times are HH:MM, ``offset_s`` seconds east of UTC; None takes the server's zone as it was at the message's time.
    """
    return as_bytes(say(event, offset_s))


def as_bytes(lines: Iterable[str]) -> bytes:
    """Return the lines, each harmless and ended by a newline."""
    return "".join(f"{_harmless(line)}\n" for line in lines).encode()


def say(event: Event, offset_s: int | None = None) -> list[str]:
    """Return an event that happened in a room as lines."""
    match event:
        case native.Msg():
            return message(event, offset_s)
        case native.Joined():
            return [f"* {event.who.nick} joined {event.room}"]
        case native.Left(by=str()):
            return [f"* {sentences.kicked(event)}"]
        case native.Left():
            what = "left the chat" if event.quit else f"left {event.room}"
            return [f"* {event.nick} {what}" + (f" ({_flat(event.reason)})" if event.reason else "")]
        case native.Renamed():
            return [f"* {event.old} is now {event.nick}"]
        case moderation.Modes():
            return [f"* {line}" for line in sentences.modes(event)]
        case moderation.Invited():
            return [f"* {sentences.invited(event, '')}"]
        case moderation.Retitled():
            return [f"* {sentences.retitled(event)}"]
        case native.Changed(who=Person(away=str(away))):
            return [f"* {event.who.nick} is away: {_flat(away)}"]
        case _:
            return []


def message(msg: Msg, offset_s: int | None = None, me: str = "") -> list[str]:
    """Return a message as lines; ``me`` is the reader's nick, for direct messages."""
    when = f"{_local(msg.time, offset_s):%H:%M} "
    if msg.room not in (LOBBY, native.INBOX):
        when += f"{msg.room} "
    who = msg.nick
    if msg.to is not None:
        who += " (to you)" if msg.to == me else f" (to {msg.to})"
    if msg.kind == "topic":
        text = _flat(msg.text)
        return [f"{when}* {who} " + (f"set the topic: {text}" if text else "removed the topic")]
    if msg.redacted:
        return [f"{when}* a {'reaction' if msg.kind == 'react' else 'message'} of {who} was taken back"]
    if msg.kind == "react":
        return [f"{when}* {who} answers with {_flat(msg.text)}"]
    if msg.kind == "redact":  # its text is the sentence
        return [f"{when}* {who} {_flat(msg.text)}"]
    if msg.audience is not None:
        who += f" (to each {msg.audience} and above)"
    first, *more = clean(msg.text).split("\n")
    if msg.kind == "fun" and more:
        return [f"{when}{who}:", *(_INDENT + line for line in (first, *more))]
    return [
        when + {"me": f"* {who} ", "notice": f"-{who}- "}.get(msg.kind, f"{who}: ") + first,
        *(_INDENT + line for line in more),
    ]


def messages(
    found: Iterable[Msg], offset_s: int | None = None, me: str = "", gaps: Iterable[native.Gap] = (), place: str = ""
) -> list[str]:
    """Return earlier messages as lines, the day before each day's first. ``gaps``: those of ``place`` that are lost."""
    lines: list[str] = []
    lost = sorted(gaps, reverse=True)
    day = ""
    for msg in found:
        while lost and lost[-1][0] < msg.seq:
            lines.append(_lost(place, *lost.pop()))
        on = f"{_local(msg.time, offset_s):%Y-%m-%d}"
        if on != day:
            day = on
            lines.append(f"--- {day}")
        lines += message(msg, offset_s, me)
    return lines + [_lost(place, *gap) for gap in reversed(lost)]


def _lost(place: str, first: int, last: int) -> str:
    where = "of your direct messages" if place == native.INBOX else f"of {place}"
    which = f"message {first:,} {where} is" if first == last else f"messages {first:,} to {last:,} {where} are"
    return f"* {which} no longer kept"


def people(found: native.People) -> list[str]:
    """Return who is here."""
    where = f"in {found.room}" if found.room else "here"
    return [f"{_count(found.count, 'person', 'people')} {where}: {_names(found.people, found.count)}"]


def room(entered: native.Room, offset_s: int | None = None, me: str = "") -> list[str]:
    """Return what one is told on entering a room: what was said, who is there."""
    begin = entered.messages[0].seq if entered.messages else 0
    within = [gap for gap in entered.gaps if gap[0] > begin]  # what was said before these is nobody's question
    lines = messages(entered.messages, offset_s, me, within, entered.room)
    lines.append(f"* You are in {entered.room}, {_count(entered.count, 'person', 'people')}: "
                 f"{_names(entered.people, entered.count)}")  # fmt: skip
    if entered.topic:
        lines.append(f"* The topic is: {_flat(entered.topic)}")
    return lines


def profile(found: native.Profile, offset_s: int | None = None) -> list[str]:
    """Return what is known about one person."""
    lines = [
        f"{found.nick} is here since {_local(found.since, offset_s):%Y-%m-%d %H:%M}, silent for {_span(found.idle)}"
    ]
    if found.away is not None:
        lines.append(f"{found.nick} is away: {_flat(found.away)}")
    if found.rooms:
        words = [" ".join(filter(None, (room, _role(found.roles.get(room, []))))) for room in found.rooms]
        lines.append(f"You both are in {', '.join(words)}")
    if found.account is not None:
        lines.append(f"Logged in as {found.account}" + (", an admin of this server" if found.admin else ""))
    if found.bot:
        lines.append(f"{found.nick} is a program")
    if found.address is not None:
        lines.append(f"Comes from {found.address}" + (" through TLS" if found.secure else ""))
    if found.client or found.dialect:
        lines.append(f"Client: {_flat(' '.join(part for part in (found.client, found.dialect) if part))}")
    return lines


def policy(found: moderation.RoomPolicy, offset_s: int | None = None) -> list[str]:
    """Return what holds in a room."""
    return sentences.policy(found, _clock(offset_s))


def account(found: accounts.AccountInfo, offset_s: int | None = None) -> list[str]:
    """Return what is known of an account."""
    return sentences.account(found, _clock(offset_s))


def _clock(offset_s: int | None) -> sentences.Clock:
    return lambda time_ms: f"{_local(time_ms, offset_s):%Y-%m-%d %H:%M}"


def _role(roles: Iterable[str]) -> str:
    """Return the highest role in brackets; "" for none."""
    role = sentences.highest(roles)
    return f"({role})" if role is not None else ""


def rooms(found: native.RoomList) -> list[str]:
    """Return the list of rooms."""
    if not found.rooms:
        return ["There is no room yet. Make one with /join #room"]
    width = min(24, max(len(line.room) for line in found.rooms))
    lines = [
        f"{line.room:<{width}}  {_count(line.people, 'person', 'people')}  {_flat(line.topic)}".rstrip()
        for line in found.rooms
    ]
    left_out = found.count - len(found.rooms)
    return [*lines, f"and {left_out} more"] if left_out > 0 else lines


def clock(pong: native.Pong, offset_s: int | None = None) -> list[str]:
    """Return the server's time."""
    return [f"The server's time is {_local(pong.time, offset_s):%Y-%m-%d %H:%M:%S}"]


def notice(event: native.Notice) -> list[str]:
    """Return what the server says to people, or one of its admins."""
    text = _flat(event.text)
    if event.by is None:
        return [f"* {text}"]
    return [f"* {event.by} tells {'the admins' if event.admins else 'everybody'}: {text}"]


def goodbye(bye: native.Bye) -> list[str]:
    """Return the last words."""
    reason = _flat(bye.reason).rstrip(".")
    last = f"* Goodbye: {reason}." if reason.lower() not in ("", "goodbye") else "* Goodbye."
    return [last + (f" Come back in {bye.retry:g} seconds." if bye.retry is not None else "")]


def _local(time_ms: int, offset_s: int | None) -> datetime:
    try:
        if offset_s is None:
            offset_s = time.localtime(time_ms // 1000).tm_gmtoff
        return datetime.fromtimestamp(time_ms // 1000, UTC) + timedelta(seconds=offset_s)
    except (ValueError, OverflowError, OSError):  # a time no calendar has
        return datetime(1970, 1, 1, tzinfo=UTC)


def _names(found: Iterable[Person], count: int) -> str:
    listed = [sentences.sign(p) + p.nick + (" (away)" if p.away is not None else "") for p in found][:_NAMES_SHOWN]
    return ", ".join(listed) + (f" and {count - len(listed)} more" if count > len(listed) else "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _span(seconds: int) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return _count(seconds // size, unit, unit + "s")
    return _count(seconds, "second", "seconds")


def _flat(text: str) -> str:
    return clean(text, newlines=False)


def _harmless(line: str) -> str:
    """Return ``line`` without anything a terminal obeys; tabs become spaces."""
    if line.isascii() and line.isprintable():
        return line
    return clean("." + line).replace("\n", " ")[1:].expandtabs(4)  # the dot keeps spaces in front
