"""How far a room's oldest messages may go, and where its chain of sums begins then. Pure over the log's rows."""

from typing import Any, Protocol

from broker import chain
from broker.heads import Head


class Rows(Protocol):
    """What is asked of the log; both raise `LogError`."""

    def rows_behind(self, room: Head, seq: int, limit: int) -> list[tuple[Any, ...]]:
        """Return seq and time of the next rows as they are stored."""

    def sound(self, room: Head, first: int, last: int) -> dict[int, tuple[chain.Columns, bytes]]:
        """Return the sound rows from ``first`` to ``last`` by seq, each with the sum it follows from."""


def outdated(rows: Rows, room: Head, upto: int, before_ms: int, limit: int) -> int:
    """Return the seq of the last row behind ``upto`` that is older than ``before_ms``, as are those before it.

    Looks at ``limit`` rows. Of a damaged one neither the seq nor the time says anything: it goes when a later one does.
    """
    for count in (1, limit - 1):  # mostly there is nothing to do
        behind = rows.rows_behind(room, upto, 1) if before_ms > 0 and limit > 0 else []
        for first, _time in behind:
            for seq, (columns, _before) in rows.sound(room, first, min(room.last, first + count - 1)).items():
                if columns[1] >= before_ms:
                    return upto
                upto = seq
    return upto


def base(rows: Rows, room: Head, seq: int) -> bytes:
    """Return the sum from which the row behind ``seq`` follows."""
    if seq == room.last:
        return room.head
    sound = rows.sound(room, seq, seq + 1)
    if seq + 1 in sound:
        return sound[seq + 1][1]
    if seq in sound:
        columns, before = sound[seq]
        return chain.link(before, columns)
    return chain.start(room.name)
