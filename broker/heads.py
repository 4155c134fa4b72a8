"""What the log says of each room beside its messages: name, topic, where it begins and ends. Verified at opening.

A damaged entry is mended from the messages as far as they tell. What matters most is that no seq is ever used twice.
"""

import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import apsw

from broker import chain
from protocol.native import Msg

log = logging.getLogger("moot.broker")

CACHED: Final = 100  # newest messages kept in memory for each room in use

_STRAY: Final = 10_000  # seqs: a row further behind the end than this is taken for a damaged number, not for the end

_A_SEQ: Final = f"seq BETWEEN 1 AND {1 << 53}"  # no text, which is greater than any number
_ENTRIES: Final = f"""
SELECT rooms.id, CAST(name AS BLOB), CAST(topic AS BLOB), CAST(pruned AS INTEGER), CAST(base AS BLOB),
    CAST(last AS INTEGER), CAST(head AS BLOB), CAST(rooms.sum AS BLOB), newest.seq, CAST(newest.sum AS BLOB)
FROM rooms NOT INDEXED LEFT JOIN messages AS newest
ON newest.room = rooms.id AND newest.seq = (
    SELECT MAX(seq) FROM messages WHERE room = rooms.id AND {_A_SEQ}
)
"""
_END: Final = f"SELECT MAX(seq), CAST(sum AS BLOB) FROM messages WHERE room = ? AND {_A_SEQ}"
_OLDEST: Final = "SELECT MIN(seq) FROM messages WHERE room = ? AND seq BETWEEN 1 AND ?"
# What integrity_check says of damage within one row, which loses nothing else.
_OF_A_ROW: Final = ("missing from index", "wrong # of entries in index", " value in ", "non-unique entry in index")
# The index of UNIQUE has a copy of every name, and this reads only the index.
_NAMES: Final = "SELECT id, CAST(name AS BLOB) FROM rooms INDEXED BY sqlite_autoindex_rooms_1"


class Astray(Exception):
    """The file's inner structure is damaged, so that what is written to it might not be found again."""


@dataclass(slots=True)
class Head:
    """One room of the log, as it is with what the current transaction has appended."""

    id: int
    name: str
    topic: str
    pruned: int  # newest seq removed on purpose; 0: none
    base: bytes  # chain sum at `pruned`
    last: int  # newest seq
    head: bytes  # chain sum at `last`
    recent: deque[Msg] | None = None  # the newest, without holes up to `last`; None: not read yet
    redacted: set[int] | None = None  # seqs that were taken back; None: not read yet
    origins: tuple[str, ...] = ()  # what it was called before

    @property
    def left(self) -> bool:
        """Whether it is only what is left of a room that has another name now."""
        return 0 < self.last == self.pruned and self.base == chain.left_behind(self.name, self.last)

    def columns(self) -> tuple[Any, ...]:
        """Return topic, pruned, base, last, head and sum, as they are stored."""
        sum_ = chain.of_room(self.name, self.topic, self.pruned, self.base, self.last, self.head)
        return self.topic, self.pruned, self.base, self.last, self.head, sum_


def read(db: apsw.Connection) -> tuple[dict[str, Head], list[Head]]:
    """Return all rooms, and those among them whose entry was damaged; their topics are for the caller to find.

    Everything wrong is logged. Raises `apsw.Error`, `Astray`.
    """
    rooms: dict[str, Head] = {}
    mended: list[Head] = []
    suspicious = False
    names = dict(_fetched(db, _NAMES))
    entries = _fetched(db, _ENTRIES)
    for id_ in names.keys() - {entry[0] for entry in entries}:
        log.error("the log has lost its entry of room %s", _text(names[id_]))
        entries += [(id_, None, None, None, None, None, None, None, *end) for end in _fetched(db, _END, (id_,))]
    for id_, raw_name, raw_topic, *numbers, newest, newest_sum in entries:
        name, topic = _text(raw_name), _text(raw_topic)
        sound = _sound(name, topic, numbers)
        newest = newest if isinstance(newest, int) else 0
        if not sound:
            name = _text(names.get(id_)) or name
            sound = _sound(name, topic, numbers)
            log.error("the log's entry of room %s is damaged%s", name, " in its name" * sound)
        if name is None or name in rooms:
            log.error("the log has a room (its number is %d) whose name is damaged; nobody can read it", id_)
            continue
        pruned, base, last, head, _sum = numbers
        if sound:
            room = Head(id_, name, topic or "", pruned, base, last, head)
            suspicious |= not _ends_well(room, newest or pruned, newest_sum)
        else:
            ((oldest,),) = _fetched(db, _OLDEST, (id_, newest))
            room = _mended(id_, name, numbers, oldest, newest, newest_sum)
            mended.append(room)
            suspicious = True
            log.error("room %s goes on behind seq %d; its topic is looked for in its messages", name, room.last)
        rooms[name] = room
    if suspicious:
        _check_structure(db)
    return rooms, mended


def _fetched(db: apsw.Connection, sql: str, args: tuple[Any, ...] = ()) -> list[Any]:
    return db.execute(sql, args).fetchall()


def _text(raw: Any) -> str | None:
    try:
        return raw.decode() if isinstance(raw, bytes) else None
    except UnicodeDecodeError:
        return None


def _sound(name: str | None, topic: str | None, numbers: list[Any]) -> bool:
    pruned, base, last, head, sum_ = numbers
    if name is None or topic is None:
        return False
    try:
        found: bool = chain.of_room(name, topic, pruned, base, last, head) == sum_
    except (OverflowError, TypeError):
        return False
    return found


def _check_structure(db: apsw.Connection) -> None:
    """Raises `Astray`. Reads the whole file, so it is done only when something is wrong."""
    try:
        found = [line for (text,) in _fetched(db, "PRAGMA integrity_check") for line in text.splitlines()]
    except (apsw.CorruptError, UnicodeDecodeError) as err:
        found = [str(err)]
    for line in found:
        if line != "ok" and not line.startswith("***") and not any(harmless in line for harmless in _OF_A_ROW):
            raise Astray(line)


def _ends_well(room: Head, newest: int, newest_sum: Any) -> bool:
    """The entry is sound: its messages must end where it says. What does not is logged, and the room goes on."""
    if newest == room.last and (newest_sum == room.head or newest == room.pruned):
        return True
    if newest < room.last:
        log.error("room %s has lost its messages %d to %d", room.name, newest + 1, room.last)
    elif newest == room.last:
        log.error("message %d of room %s is damaged", newest, room.name)
    elif newest <= room.last + _STRAY:
        log.error("room %s ends at seq %d, but has a message %d; it goes on behind it", room.name, room.last, newest)
        room.last = newest
    else:
        log.error("room %s ends at seq %d, but has a message %d; that is ignored", room.name, room.last, newest)
        return False
    room.head = chain.start(room.name)
    return False


def _mended(id_: int, name: str, numbers: list[Any], oldest: int | None, newest: int, newest_sum: Any) -> Head:
    _pruned, base, last, head, _sum = numbers
    start = chain.start(name)
    ends_there = newest > 0 and newest_sum == head
    if not ends_there and isinstance(last, int) and newest <= last <= newest + _STRAY:
        newest = last
    elif oldest is None and isinstance(last, int):
        newest = max(0, min(last, 1 << 52))  # all of its messages were pruned, and nothing else tells
    gone = newest if oldest is None else max(0, oldest - 1)
    if gone == 0 or not isinstance(base, bytes) or len(base) != chain.SUM_BYTES:
        base = start
    return Head(id_, name, "", gone, base, newest, head if ends_there else start)
