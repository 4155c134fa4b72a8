"""The last messages of each room, for what is said about them: answers, reactions, and what was taken back. Bounded."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from protocol.native import INBOX, Msg
from protocol.text import clean

KEPT: Final = 100  # messages of a room
MAX_ROOMS: Final = 200
START: Final = 40  # characters that are quoted


class Recent:
    """See the module."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[int, Msg]] = {}

    def note(self, msg: Msg) -> None:
        """``msg`` was shown."""
        room = self._rooms.setdefault(msg.room, {})
        if msg.kind == "redact":
            if (about := room.get(msg.reply or 0)) is not None:
                room[about.seq] = replace(about, text="", cmd=None, redacted=True)
        elif msg.kind != "react":
            room[msg.seq] = msg
            if len(room) > KEPT:
                del room[min(room)]
        if len(self._rooms) > MAX_ROOMS:
            del self._rooms[next(iter(self._rooms))]

    def moved(self, old: str, name: str) -> None:
        """A room has another name."""
        if old in self._rooms:
            self._rooms[name] = {seq: replace(msg, room=name) for seq, msg in self._rooms.pop(old).items()}

    def of(self, place: str) -> Iterable[Msg]:
        """Return those of a room, or with one person (`@nick`), oldest first."""
        if not place.startswith("@"):
            return [msg for _, msg in sorted(self._rooms.get(place, {}).items())]
        peer = place[1:].casefold()
        return [
            msg
            for _, msg in sorted(self._rooms.get(INBOX, {}).items())
            if peer in (msg.nick.casefold(), (msg.to or "").casefold())
        ]

    def start(self, room: str, seq: int | None) -> str:
        """Return "ann: how it began" of a message; its number, when it is no longer known."""
        msg = self._rooms.get(room, {}).get(seq or 0)
        if msg is None:
            return f"message {seq}"
        nick = clean(msg.nick, newlines=False)
        if msg.redacted:
            return f"what {nick} took back"
        text = clean(msg.cmd or msg.text, newlines=False)
        return f"{nick}: {text[:START]}{'…' * (len(text) > START)}"
