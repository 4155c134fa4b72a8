"""The attendance sheet: who is here and where, in a memory that outlives the broker. Knows no decisions.

A new broker learns from the workers who sits with them. What no worker can tell it stands here: those who linger, for
their worker died or sent them over, and those whose worker died together with the broker. Without it they would come
back as strangers, or stay as ghosts in everybody's list. It is a file in memory that the supervisor holds: nothing of
it is on disk, and it goes with the server. Entries are appended; the last one of a person counts.
"""

import logging
import os
import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from broker.people import Person

log = logging.getLogger("moot.broker")

_LENGTH: Final = struct.Struct("!I")
_SPARE: Final = 1 << 20  # bytes of outdated entries that are kept at least before the sheet is written anew


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One person, or (without `rooms`) that they are gone. As `broker.people.Person` has it."""

    uid: bytes
    conn: int = 0
    nick: str = ""
    addr: str = ""
    dialect: str = ""
    client: str = ""
    since: int = 0
    color: str | None = None
    away: str | None = None
    spoke: int = 0
    returns: bool = False
    rooms: list[str] | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Entry)


class Attendance:
    """The sheet in the file ``fd``, or none (None): then nothing is kept."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._size = 0
        self._live: dict[bytes, int] = {}  # uid -> bytes of the entry that counts
        self._live_bytes = 0

    def read(self) -> list[Entry]:
        """Return who was here when the last broker ended. An entry cut off by its death is left out."""
        if self._fd is None:
            return []
        content = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        here: dict[bytes, Entry] = {}
        while len(content) - self._size >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(content, self._size)
            end = self._size + _LENGTH.size + length
            if end > len(content):
                break
            try:
                entry = _decoder.decode(content[self._size + _LENGTH.size : end])
            except msgspec.DecodeError:  # a broker of another version wrote it
                break
            here.pop(entry.uid, None)
            if entry.rooms is not None:
                here[entry.uid] = entry
            self._count(entry.uid, end - self._size if entry.rooms is not None else 0)
            self._size = end
        os.ftruncate(self._fd, self._size)
        return list(here.values())

    def write(self, changed: dict[bytes, Person | None], everybody: Iterable[Person]) -> None:
        """Note those who changed, by uid (None: gone). ``everybody`` is asked for when the sheet is written anew."""
        if self._fd is None or not changed:
            return
        self._put(changed.items())
        if self._fd is not None and self._size > self._live_bytes * 4 + _SPARE:
            os.ftruncate(self._fd, 0)
            self._size = self._live_bytes = 0
            self._live.clear()
            self._put((person.uid, person) for person in everybody)

    def _put(self, people: Iterable[tuple[bytes, Person | None]]) -> None:
        assert self._fd is not None
        out = bytearray()
        for uid, person in people:
            line = _encoder.encode(Entry(uid) if person is None else _entry(person))
            out += _LENGTH.pack(len(line)) + line
            self._count(uid, 0 if person is None else _LENGTH.size + len(line))
        try:
            os.pwrite(self._fd, out, self._size)
        except OSError as err:
            log.error("who is here is not noted any more: %s", err)
            self._fd = None
        self._size += len(out)

    def _count(self, uid: bytes, size: int) -> None:
        """The entry of ``uid`` that counts has ``size`` bytes from now on; 0: there is none."""
        self._live_bytes += size - self._live.pop(uid, 0)
        if size:
            self._live[uid] = size


def _entry(person: Person) -> Entry:
    return Entry(
        uid=person.uid,
        conn=person.conn,
        nick=person.nick,
        addr=person.addr,
        dialect=person.dialect,
        client=person.client,
        since=person.since,
        color=person.color,
        away=person.away,
        spoke=person.spoke,
        returns=person.returns,
        rooms=list(person.rooms),
    )
