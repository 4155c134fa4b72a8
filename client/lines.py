"""What happens in a chat as lines of plain text, for pipes and screen readers. Pure: text in, text out."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from protocol import native, sentences
from protocol.text import clean

INDENT = "    "


def clock(ms: int, zone: tzinfo | None = None, *, date: bool = False) -> str:
    """Return a time (milliseconds since 1970, UTC) as "12:34", or with the date and seconds; local unless ``zone``."""
    try:
        when = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        return "????-??-?? ??:??:??" if date else "??:??"
    return when.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M")


def one_line(text: str) -> str:
    """Return ``text`` safe to print and without line ends."""
    return clean(text, newlines=False)


def indented(text: str) -> list[str]:
    """Return the lines of ``text`` safe to print, indented; what a picture needs to stay one."""
    return [(INDENT + line.expandtabs(4)).rstrip() for line in clean(text).split("\n")]


def message(msg: native.Msg, *, me: str = "", place: str = "", stamp: str = "", about: str = "") -> list[str]:
    """Return ``msg`` as lines, who said it first; several lines of text and pictures follow indented.

    ``me`` is our nick, ``place`` the room to name (empty: none), ``stamp`` its time as shown, and ``about`` how the
    message began that this one is about (empty: it is named by its number).
    """
    who = one_line(msg.nick)
    head = " ".join(part for part in (stamp, place) if part)
    head = f"{head} " if head else ""
    if msg.to is not None:
        if msg.nick == me:
            who = f"you to {one_line(msg.to)}"
        else:
            who = f"{who} to {'you' if msg.to == me else one_line(msg.to)}"
    about = about or f"message {msg.reply}"
    if msg.kind == "react":
        return [f"{head}{who} answers {one_line(msg.text)} to {about}"]
    if msg.kind == "redact":
        return [f"{head}{who} took back {about}" + (f" ({one_line(msg.reason)})" if msg.reason else "")]
    if msg.audience is not None:
        who += f" (to {msg.audience}s and above)"
    if msg.reply is not None:
        who += f" (answering {about})" if not about.startswith("message ") else f" (answering {msg.reply})"
    if msg.redacted:
        return [f"{head}{who}: (taken back)"]
    if msg.kind == "topic":
        return [f"{head}{who} set the topic: {one_line(msg.text)}" if msg.text else f"{head}{who} removed the topic"]
    text = clean(msg.text)
    if msg.kind == "fun":
        return [f"{head}{who}: {one_line(msg.cmd or '')}".rstrip(), *indented(msg.text)]
    sign, colon = {"me": ("* ", ""), "notice": ("-", "-")}.get(msg.kind, ("", ":"))
    if "\n" in text:
        return [f"{head}{sign}{who}{colon}", *indented(msg.text)]
    return [f"{head}{sign}{who}{colon} {text}"]


def presence(event: native.Joined | native.Left | native.Renamed | native.Changed) -> list[str]:
    """Return what to say of somebody coming, going or being renamed; nothing of being away or coloured."""
    room = one_line(event.room)
    match event:
        case native.Joined():
            return [f"{one_line(event.who.nick)} joined {room}"]
        case native.Left(by=str()):
            return [sentences.kicked(event)]
        case native.Left():
            why = f": {one_line(event.reason)}" if event.reason else ""
            return [f"{one_line(event.nick)} left {'the chat' if event.quit else room}{why}"]
        case native.Renamed():
            return [f"{one_line(event.old)} is now {one_line(event.nick)}"]
    return []


def missing(first: int, last: int) -> str:
    """Return a sentence about messages that the server will never send."""
    if first == last:
        return f"message {first} is no longer kept"
    return f"messages {first:,} to {last:,} are no longer kept"


def people(persons: Iterable[native.Person], count: int) -> str:
    """Return "2 people: ann, bob (away: lunch)"."""
    shown = [sentences.sign(person) + one_line(person.nick) + _away(person) for person in persons]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{count} {'person' if count == 1 else 'people'}: {', '.join(shown)}{more}"


def _away(person: native.Person) -> str:
    if not person.away:
        return ""
    return " (away)" if person.away == "away" else f" (away: {one_line(person.away)})"


def profile(person: native.Profile, zone: tzinfo | None = None) -> list[str]:
    """Return what is known about somebody."""
    lines = [
        f"{one_line(person.nick)}: here since {clock(person.since, zone, date=True)}, silent for {span(person.idle)}"
    ]
    if person.away:
        lines.append(f"{INDENT}away: {one_line(person.away)}")
    if person.rooms:
        lines.append(f"{INDENT}in {', '.join(map(one_line, person.rooms))}")
    if person.account:
        admin = ", an admin of the server" if person.admin else ""
        lines.append(f"{INDENT}account: {one_line(person.account)}{admin}")
    if person.bot:
        lines.append(f"{INDENT}is a program")
    for room, roles in person.roles.items():
        if roles:
            lines.append(f"{INDENT}{', '.join(roles)} of {one_line(room)}")
    if person.client or person.dialect:
        lines.append(f"{INDENT}uses {' over '.join(one_line(x) for x in (person.client, person.dialect) if x)}")
    return lines


def span(seconds: int) -> str:
    """Return a length of time: "5 s", "3 min", "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def room_list(listed: native.RoomList) -> list[str]:
    """Return the rooms there are."""
    lines = [f"{listed.count} {'room' if listed.count == 1 else 'rooms'}"]
    for room in listed.rooms:
        topic = f": {one_line(room.topic)}" if room.topic else ""
        lines.append(f"{INDENT}{one_line(room.room)} ({room.people}){topic}")
    return lines
