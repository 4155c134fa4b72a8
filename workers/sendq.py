"""A connection's own send queue: what its socket does not take yet, as whole lines, and what of that the log has too.

Used only while the socket is full; whoever reads never meets it. Pure: knows no sockets and sets no limits, for what
is to happen at a limit depends on who reads (`workers.conn`).
"""

from collections import deque
from typing import NamedTuple


class Logged(NamedTuple):
    """Output that can be had from the log again: what a room heard after a seq, and who came and went meanwhile."""

    room: str  # `@`: the inbox; empty: a room that the reader has left
    after: int


class SendQueue:
    """Oldest first. `size` is in bytes."""

    __slots__ = ("_lines", "size")

    def __init__(self) -> None:
        self._lines: deque[tuple[bytes, Logged | None]] = deque()
        self.size = 0

    def add(self, lines: bytes, logged: Logged | None = None) -> None:
        """Put whole lines at the end; without ``logged``, they are nowhere else."""
        self._lines.append((lines, logged))
        self.size += len(lines)

    def take(self, limit: int) -> bytes:
        """Remove and return what was added first: ``limit`` bytes or less, but at least what was added in one go."""
        taken: list[bytes] = []
        room = limit
        while self._lines and (not taken or len(self._lines[0][0]) <= room):
            lines, _logged = self._lines.popleft()
            taken.append(lines)
            room -= len(lines)
        self.size -= limit - room
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def free(self) -> dict[str, int]:
        """Drop what the log has. Return, for each room, the seq after which something is missing now."""
        missing: dict[str, int] = {}
        kept: deque[tuple[bytes, Logged | None]] = deque()
        for lines, logged in self._lines:
            if logged is None:
                kept.append((lines, None))
                continue
            self.size -= len(lines)
            if logged.room:
                missing[logged.room] = min(logged.after, missing.get(logged.room, logged.after))
        self._lines = kept
        return missing

    def left(self, room: str) -> None:
        """The reader has left ``room``: what it heard before that need not be had again once it is dropped."""
        nowhere = Logged("", 0)
        self._lines = deque(
            (lines, nowhere if logged is not None and logged.room == room else logged) for lines, logged in self._lines
        )

    def retitled(self, old: str, name: str) -> None:
        """The room ``old`` has another name."""
        self._lines = deque(
            (lines, Logged(name, logged.after) if logged is not None and logged.room == old else logged)
            for lines, logged in self._lines
        )

    def clear(self) -> None:
        self._lines.clear()
        self.size = 0
