"""Reading messages from the log's file, verified: a damaged row is never given out as sound."""

import logging
from collections.abc import Iterator
from typing import Any, Final

import apsw
import msgspec

from broker import chain, pages, rows
from broker.chain import Columns
from broker.heads import Head
from broker.pages import Page
from protocol.native import Msg

log = logging.getLogger("moot.broker")

_LEAD: Final = (1, 32)  # rows read before those asked for, to know the sum of the row before; more when that is damaged
_REPORTED: Final = 10_000  # damaged rows remembered, so that each is logged once

_RANGE: Final = f"SELECT {rows.COLUMNS} FROM messages WHERE room = ? AND seq BETWEEN ? AND ? ORDER BY seq"
_ONE: Final = f"SELECT {rows.BYTES} FROM messages WHERE room = ? AND seq = ?"

Row = tuple[int, Columns | None, Any]  # seq; columns, None: not decodable; sum as found


class Reader:
    """Reads ranges of a room through the connection given to each call."""

    def __init__(self) -> None:
        self._reported: set[tuple[int, int]] = set()

    def page(self, db: apsw.Connection, room: Head, first: int, last: int) -> Page:
        """Return the messages from ``first`` to ``last``, which lie within what the room has; the others as gaps.

        Raises `apsw.Error` when the file cannot be read.
        """
        verified = self.verified(db, room, first, last)
        messages: list[Msg] = []
        for columns, _before in verified.values():
            try:
                messages.append(rows.message(room.name, columns))
            except (msgspec.DecodeError, TypeError, ValueError):
                continue  # as it was written, so by a moot that knew more
        if len(messages) == last - first + 1:
            return Page(messages)
        there = {msg.seq for msg in messages}
        absent = [seq for seq in range(first, last + 1) if seq not in there]
        for seq in absent:
            self._report(room, seq)
        return Page(messages, pages.gaps(absent))

    def verified(self, db: apsw.Connection, room: Head, first: int, last: int) -> dict[int, tuple[Columns, bytes]]:
        """Return the sound rows from ``first`` to ``last`` by seq, each with the sum it follows from."""
        sound: dict[int, tuple[Columns, bytes]] = {}
        for lead in _LEAD:
            begin = max(room.pruned + 1, first - lead)
            walk = chain.Walk(room.name, begin - 1, room.base if begin == room.pruned + 1 else None, room.origins)
            sound = {
                seq: (columns, walk.before)
                for seq, columns, stored in _rows(db, room.id, begin, last)
                if walk.sound(seq, columns, stored) and columns is not None and seq >= first
            }
            if first in sound or begin == room.pruned + 1:
                break
        return sound

    def knows_damaged(self, room: Head, seq: int) -> bool:
        """Return whether this row was found damaged before."""
        return (room.id, seq) in self._reported

    def _report(self, room: Head, seq: int) -> None:
        if (room.id, seq) not in self._reported and len(self._reported) < _REPORTED:
            self._reported.add((room.id, seq))
            log.error("message %d of room %s is damaged or missing; nobody is sent it. See moot check", seq, room.name)


def _rows(db: apsw.Connection, room: int, first: int, last: int) -> Iterator[Row]:
    """Return the rows that can be read: all at once, or one by one where the file or a row's text is damaged."""
    try:
        found: list[Any] = db.execute(_RANGE, (room, first, last)).fetchall()
    except (UnicodeDecodeError, apsw.CorruptError):
        return _one_by_one(db, room, first, last)
    return ((row[0], row[:8], row[8]) for row in found)


def _one_by_one(db: apsw.Connection, room: int, first: int, last: int) -> Iterator[Row]:
    for seq in range(first, last + 1):
        try:
            found = db.execute(_ONE, (room, seq)).fetchall()
        except apsw.CorruptError:
            continue
        for row in found:
            yield (seq, *rows.from_bytes(row))
