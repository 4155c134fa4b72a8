"""The attendance sheet: who is here and where, in a memory that outlives the broker. Knows no decisions.

A new broker learns from the workers who sits with them. What no worker can tell it stands here: those who linger, for
their worker died or sent them over, and those whose worker died together with the broker. Without it they would come
back as strangers, or stay as ghosts in everybody's list. It is a file in memory that the supervisor holds: nothing of
it is on disk, and it goes with the server. Entries are appended; the last one of a device counts. When too many are
outdated, those that count are written anew, behind the others or before them, and only then does the head of the file
say that the sheet begins there: whenever a broker is killed, one whole sheet stands.
"""

import errno
import logging
import os
import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from broker.people import Device
from protocol.moderation import Role

log = logging.getLogger("moot.broker")

_LENGTH: Final = struct.Struct("!I")
_HEAD: Final = struct.Struct("!4sQ")  # where the entries begin; missing until they were written anew: at 0
_MAGIC: Final = b"moot"  # as the length of an entry it would be too much
_END: Final = _LENGTH.pack(0)  # no entry: what follows is outdated
_SPARE: Final = 1 << 20  # bytes of outdated entries that are kept at least before the sheet is written anew


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One device with its person, or (without `rooms`) that it is gone. As `broker.people` has them."""

    uid: bytes  # of the device
    person: bytes = b""  # uid of the person
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
    name: str | None = None
    bot: bool = False
    secure: bool = False
    certfp: str = ""
    watches: list[str] = []
    account: str | None = None
    beside: list[str] = []  # rooms of the person that this device does not hear
    granted: dict[str, list[Role]] = {}  # roles for as long as the person is in a room, by room
    exposed: bool = False


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Entry)


class Attendance:
    """The sheet in the file ``fd``, or none (None): then nothing is kept."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._begin = 0
        self._end = 0
        self._live: dict[bytes, int] = {}  # uid -> bytes of the entry that counts
        self._live_bytes = 0

    def read(self) -> list[Entry]:
        """Return who was here when the last broker ended. An entry cut off by its death is left out."""
        if self._fd is None:
            return []
        content = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        here: dict[bytes, Entry] = {}
        if content.startswith(_MAGIC) and len(content) >= _HEAD.size:
            _magic, self._begin = _HEAD.unpack_from(content)
            self._end = self._begin
        while len(content) - self._end >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(content, self._end)
            end = self._end + _LENGTH.size + length
            if end > len(content):
                break
            try:
                entry = _decoder.decode(content[self._end + _LENGTH.size : end])
            except msgspec.DecodeError:  # the end, or a broker of another version wrote it
                break
            here.pop(entry.uid, None)
            if entry.rooms is not None:
                here[entry.uid] = entry
            self._count(entry.uid, end - self._end if entry.rooms is not None else 0)
            self._end = end
        os.ftruncate(self._fd, self._end)
        return list(here.values())

    def write(self, changed: dict[bytes, Device | None], everybody: Iterable[Device]) -> None:
        """Note those who changed, by uid (None: gone). ``everybody`` is asked for when the sheet is written anew."""
        if self._fd is None or not changed:
            return
        try:
            self._put(self._entries(changed.items()), self._end)
            if self._end - self._begin > self._live_bytes * 4 + _SPARE:
                self._write_anew(everybody)
        except OSError as err:
            log.error("who is here is not noted any more: %s", err)
            self._fd = None

    def _write_anew(self, everybody: Iterable[Device]) -> None:
        assert self._fd is not None
        self._live_bytes = 0
        self._live.clear()
        entries = self._entries((device.uid, device) for device in everybody)
        before = _HEAD.size + len(entries) + len(_END) <= self._begin
        begin = _HEAD.size if before else self._end
        self._put(entries + _END if before else entries, begin)
        self._begin, self._end = begin, begin + len(entries)
        os.pwrite(self._fd, _HEAD.pack(_MAGIC, begin), 0)  # too short to be cut off by a kill
        os.ftruncate(self._fd, self._end)

    def _put(self, entries: bytes, at: int) -> None:
        assert self._fd is not None
        written = os.pwrite(self._fd, entries, at)
        if written < len(entries):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end = at + written

    def _entries(self, devices: Iterable[tuple[bytes, Device | None]]) -> bytes:
        """Return the entries of ``devices``, which count from now on."""
        out = bytearray()
        for uid, device in devices:
            line = _encoder.encode(Entry(uid) if device is None else _entry(device))
            out += _LENGTH.pack(len(line)) + line
            self._count(uid, 0 if device is None else _LENGTH.size + len(line))
        return bytes(out)

    def _count(self, uid: bytes, size: int) -> None:
        """The entry of ``uid`` that counts has ``size`` bytes from now on; 0: there is none."""
        self._live_bytes += size - self._live.pop(uid, 0)
        if size:
            self._live[uid] = size


def _entry(device: Device) -> Entry:
    person = device.person
    return Entry(
        uid=device.uid,
        person=person.uid,
        conn=device.conn,
        nick=person.nick,
        addr=device.addr,
        dialect=device.dialect,
        client=device.client,
        since=device.since,
        color=person.color,
        away=person.away,
        spoke=person.spoke,
        returns=device.returns,
        rooms=list(device.rooms),
        name=person.name,
        bot=person.bot,
        secure=device.secure,
        certfp=device.certfp,
        watches=list(device.watches.values()),
        account=person.account,
        beside=[name for name in person.rooms if name not in device.rooms],
        granted={name: room.granted[person.uid] for name, room in person.rooms.items() if person.uid in room.granted},
        exposed=device.exposed,
    )
