"""Say an answer of the server in words: who is where, who somebody is, which rooms there are, what went wrong."""

from typing import NamedTuple

from client.terminal.entries import Tone
from client.terminal.formatting import local
from protocol import accounts, moderation, native, sentences


class Report(NamedTuple):
    """A text for the person who asked."""

    text: str
    tone: Tone = "info"


def report(request: native.Request, event: native.Event) -> Report | None:
    """Return what to say about ``event``, the answer to ``request``; None when it shows by itself."""
    match event:
        case native.Error():
            return Report(event.text, "error")
        case native.Shown():
            return Report(event.text, "art")
        case native.People():
            return Report(_people(event))
        case native.Profile():
            return Report(_profile(event))
        case native.RoomList():
            return Report(_rooms(event))
        case native.Pong():
            return Report(f"The server's clock says {local(event.time):%H:%M:%S}.")
        case accounts.AccountInfo():
            return Report("\n".join(sentences.account(event, _clock)), "art")
        case accounts.LoggedIn():
            return Report(sentences.logged_in(event))
        case moderation.RoomPolicy():
            return Report("\n".join(sentences.policy(event, _clock)), "art")
        case native.Ok():
            return _done(request, event)
    return None


def _done(request: native.Request, event: native.Ok) -> Report | None:
    match request:
        case native.Away(text=text):
            return Report(f"You are away: {text}" if text else "You are back.")
        case native.Color(color=color):
            return Report(f"Your colour is {color}." if color else "Your colour is made from your nick.")
        case native.Nick(nick=nick):
            return Report(f"You are {event.nick or nick} now.")
    said = sentences.done(request, event.nick)
    return Report(said) if said else None


def record(page: native.HistoryPage) -> str:
    """Return what was done to keep order in a room, a line each."""
    lines = [f"{_clock(msg.time)}  {msg.nick}: {msg.text}" for msg in page.messages]
    return "\n".join(lines) or "Nothing was done to keep order yet."


def _clock(time: int) -> str:
    return f"{local(time):%d.%m.%Y %H:%M}"


def _people(event: native.People) -> str:
    where = f"in {event.room}" if event.room else "on the server"
    nicks = [person.nick + (" (away)" if person.away else "") for person in event.people]
    more = event.count - len(nicks)
    return f"{event.count} {where}: {', '.join(nicks)}" + (f" and {more} other{'s' * (more > 1)}" if more > 0 else "")


def _profile(event: native.Profile) -> str:
    since = local(event.since)
    rows = [
        event.nick + (f" is away: {event.away}" if event.away else ""),
        f"  here since {since:%d.%m.%Y %H:%M}, silent for {_span(event.idle)}",
        f"  rooms: {', '.join(event.rooms) or 'none that you are in'}",
    ]
    if event.account:
        rows.append(f"  account: {event.account}" + (", an admin of the server" if event.admin else ""))
    if event.bot:
        rows.append("  is a program")
    rows += [f"  {', '.join(roles)} of {room}" for room, roles in event.roles.items() if roles]
    if event.client or event.dialect:
        rows.append(f"  with {' over '.join(filter(None, (event.client, event.dialect)))}")
    return "\n".join(rows)


def _rooms(event: native.RoomList) -> str:
    if not event.rooms:
        return "There are no rooms yet; /join #name makes one."
    width = max(len(line.room) for line in event.rooms)
    rows = [f"{line.room:<{width}}  {line.people:>4}  {line.topic}".rstrip() for line in event.rooms]
    more = event.count - len(rows)
    return "\n".join(rows) + (f"\nand {more} other{'s' * (more > 1)}" if more > 0 else "")


def _span(seconds: int) -> str:
    """Return "42 s", "5 min", "3 h" or "2 d"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
