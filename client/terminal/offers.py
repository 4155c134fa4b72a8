"""Gather what there is to complete from: commands, people, rooms, emoji, as they are now."""

from client.terminal import speaking
from client.terminal.completion import Sources
from client.terminal.entries import Post
from client.terminal.themes import NAMES
from client.terminal.tracker import Tracker
from protocol.text import clean

_RECENT = 200  # entries in which those who spoke last are looked for


def sources(tracker: Tracker) -> Sources:
    """Return the sources for the current view. Nicks: who spoke last, who is here, whom else we know."""
    session = tracker.session
    spoke = [e.nick for e in reversed(tracker.view.entries[-_RECENT:]) if isinstance(e, Post) and not e.own]
    room = session.rooms.get(tracker.view.name)
    here = sorted(room.people, key=str.casefold) if room else []
    known = [nick for other in session.rooms.values() for nick in other.people]
    nicks = dict.fromkeys([*spoke, *here, tracker.view.peer, *known])
    commands = speaking.offers(tracker)
    return Sources(
        commands=commands,
        nicks=[clean(nick, newlines=False) for nick in nicks if nick and nick != session.nick],
        rooms=[name for name in tracker.views if name.startswith("#")],
        emoji=_emoji,
        words={"theme": NAMES, "help": [item.insert[1:] for item in commands]},
    )


def _emoji(prefix: str, limit: int) -> list[tuple[str, str]]:
    from funcmds import emojis  # its tables take a while to load

    return [(name, char) for name, char in emojis.complete(prefix, limit) if "skin_tone" not in name]
