"""The log: every message, in order, on disk. One SQLite file, one writing connection, in the broker.

This is the seam where another engine could take SQLite's place: append to a transaction, commit it, read a range, find
what a retry asks about. The log numbers messages: per room 1, 2, 3 … in the order of `append`, and a rolled-back
transaction gives its numbers back. Direct messages lie in the inboxes of both people, rooms named `~<uid in hex>`.

`synchronous=FULL` makes a commit wait for fsync of the write-ahead log, so what `commit` returned from survives a
power loss; with NORMAL it would not (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import secrets
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from protocol.native import Anim, Kind, Msg

SCHEMA_VERSION: Final = 1
CACHED: Final = 100  # newest messages kept in memory for each room in use
CACHE_CHARS: Final = 32 * 1024 * 1024  # of text; then all caches are emptied and fill again as they are used

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rooms (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic TEXT NOT NULL) STRICT;
CREATE TABLE messages (
    room INTEGER NOT NULL REFERENCES rooms (id),
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,  -- milliseconds since 1970, UTC
    sender BLOB NOT NULL,  -- uid, 16 bytes
    cmid TEXT,  -- NULL in the receiver's copy of a direct message
    nick TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    extra TEXT,  -- JSON of Extra
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_once ON messages (sender, cmid) WHERE cmid IS NOT NULL;
"""

_COLUMNS: Final = "seq, time, nick, kind, text, extra"


class LogError(Exception):
    """The log cannot be opened, read or written; the text says why, for an operator."""


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few messages have."""

    to: str | None = None
    reply: int | None = None
    cmd: str | None = None
    anim: Anim | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a retry is answered from."""

    room: str  # the log's name
    msg: Msg


@dataclass(slots=True)
class _Room:
    id: int
    name: str
    topic: str
    last: int  # newest seq, this transaction's included
    recent: deque[Msg] | None = None  # the newest, without holes; None: not read yet


_extra_encoder = msgspec.json.Encoder()
_extra_decoder: msgspec.json.Decoder[Extra] = msgspec.json.Decoder(Extra)


def inbox_name(uid: bytes) -> str:
    """Return the log's name for the direct messages of ``uid``."""
    return "~" + uid.hex()


class Log:
    """The open log. `append` and `set_topic` collect; nothing is durable, and nothing may be told, before `commit`."""

    def __init__(self, path: Path | str, *, vfs: str | None = None) -> None:
        """Open or create the log; ``":memory:"`` keeps it in memory. Raises `LogError`.

        ``vfs``: the name of the file system layer SQLite uses, None for its own.
        """
        try:
            self._db = apsw.Connection(str(path), vfs=vfs, statementcachesize=100)
            self._db.set_busy_timeout(2000)
            self._db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32768")
            self._db.execute("PRAGMA locking_mode=NORMAL; PRAGMA wal_autocheckpoint=4000; PRAGMA foreign_keys=OFF")
            self._migrate(path)
            self.epoch = self._meta("epoch")
            self._rooms = {
                name: _Room(id_, name, topic, last or 0)
                for id_, name, topic, last in self._db.execute(
                    "SELECT id, name, topic, (SELECT MAX(seq) FROM messages WHERE room = rooms.id) FROM rooms"
                )
            }
        except apsw.Error as err:
            raise LogError(
                f"cannot open the log {path}: {err}; restore a backup, or move it away to start anew"
            ) from err
        self._room_count: int = sum(name[0] == "#" for name in self._rooms)
        self._cached = 0  # characters of text taken into memory since the caches were emptied
        self._next_room_id = 1 + max((room.id for room in self._rooms.values()), default=0)
        self._new_rooms: list[tuple[int, str]] = []
        self._topics: dict[int, str] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._begun = False
        self._added: list[str] = []  # rooms made in this transaction
        self._fresh: dict[tuple[bytes, str], Stored] = {}  # appended in this transaction
        self._released: set[str] = set()  # in this transaction, of those it wrote to
        self._undo: dict[str, tuple[int, str]] = {}  # room -> last and topic before this transaction

    def _migrate(self, path: Path | str) -> None:
        version = self._db.pragma("user_version")
        if version > SCHEMA_VERSION:
            raise LogError(
                f"the log {path} has format {version}, newer than this moot knows ({SCHEMA_VERSION}); update moot"
            )
        if version == 0:
            with self._db:
                self._db.execute(_SCHEMA)
                self._db.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
                self._db.pragma("user_version", SCHEMA_VERSION)

    def _meta(self, key: str) -> str:
        value: str = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
        return value

    # --- reading; sees what this transaction has appended

    def names(self) -> list[tuple[str, str]]:
        """Return the rooms people can join, as (name, topic), those with messages only."""
        return [(room.name, room.topic) for room in self._rooms.values() if room.name[0] == "#"]

    @property
    def room_count(self) -> int:
        """How many rooms people can join have messages."""
        return self._room_count

    def last(self, room: str) -> int:
        """Return the newest seq of ``room``; 0 when it has no messages."""
        known = self._rooms.get(room)
        return known.last if known else 0

    def topic(self, room: str) -> str:
        known = self._rooms.get(room)
        return known.topic if known else ""

    def find(self, sender: bytes, cmid: str) -> Stored | None:
        """Return what ``sender`` said under ``cmid``, if it is kept."""
        fresh = self._fresh.get((sender, cmid))
        if fresh is not None:
            return fresh
        self._begin()  # nearly always an append follows; and a look-up in a transaction costs a fifth
        found = self._query("SELECT room, seq FROM messages WHERE sender = ? AND cmid = ?", (sender, cmid))
        if not found:
            return None
        id_, seq = found[0]
        ((name,),) = self._query("SELECT name FROM rooms WHERE id = ?", (id_,))
        (row,) = self._query(f"SELECT {_COLUMNS} FROM messages WHERE room = ? AND seq = ?", (id_, seq))
        return Stored(name, _message(name, row))

    def newest(self, room: str, limit: int) -> list[Msg]:
        """Return the newest ``limit`` messages, oldest first. At most `CACHED` of them come from memory."""
        known = self._rooms.get(room)
        if known is None or limit <= 0:
            return []
        if limit > CACHED:
            return self.before(room, known.last + 1, limit)
        recent = self._recent(known)
        return list(recent)[-limit:]

    def after(self, room: str, seq: int, limit: int) -> list[Msg]:
        """Return up to ``limit`` messages with a greater seq, oldest first."""
        known = self._rooms.get(room)
        if known is None or seq >= known.last:
            return []
        if known.recent and known.recent[0].seq <= seq + 1:
            return list(known.recent)[seq + 1 - known.recent[0].seq :][:limit]
        return self._read(known, "seq > ? ORDER BY seq LIMIT ?", (seq, limit))

    def before(self, room: str, seq: int, limit: int) -> list[Msg]:
        """Return the newest ``limit`` messages with a smaller seq, oldest first."""
        known = self._rooms.get(room)
        if known is None:
            return []
        return self._read(known, "seq < ? ORDER BY seq DESC LIMIT ?", (seq, limit))[::-1]

    def seq_since(self, room: str, time_ms: int) -> int:
        """Return the seq before the first message at or after ``time_ms``.

        A binary search over seq, so it costs a few look-ups in a log of any size; where the clock was set back in
        between, it finds one of the places that fit.
        """
        known = self._rooms.get(room)
        if known is None:
            return 0
        self._flush()
        low, high = 0, known.last
        while low < high:
            middle = (low + high) // 2
            rows = self._query(
                "SELECT seq, time FROM messages WHERE room = ? AND seq > ? ORDER BY seq LIMIT 1", (known.id, middle)
            )
            if not rows or rows[0][1] >= time_ms:
                high = middle
            else:
                low = rows[0][0]
        return low

    def release(self, room: str) -> None:
        """Forget what is kept in memory of a room nobody is in."""
        known = self._rooms.get(room)
        if room in self._undo:
            self._released.add(room)
        elif known is not None:
            known.recent = None

    def _recent(self, room: _Room) -> deque[Msg]:
        if room.recent is None:
            rows = self._read(room, "seq <= ? ORDER BY seq DESC LIMIT ?", (room.last, CACHED))
            room.recent = deque(reversed(rows), maxlen=CACHED)
            self._cached += sum(len(msg.text) for msg in rows)
        return room.recent

    def _read(self, room: _Room, where: str, args: tuple[int, int]) -> list[Msg]:
        self._flush()
        rows = self._query(f"SELECT {_COLUMNS} FROM messages WHERE room = ? AND {where}", (room.id, *args))
        return [_message(room.name, row) for row in rows]

    def _query(self, sql: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, args).fetchall()
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err

    # --- writing

    def append(
        self,
        room: str,
        sender: bytes,
        cmid: str | None,
        time_ms: int,
        nick: str,
        kind: Kind,
        text: str,
        extra: Extra | None = None,
    ) -> Msg:
        """Add a message to this transaction as the next of ``room`` and return it."""
        known = self._rooms.get(room) or self._add_room(room)
        if room not in self._undo:
            self._undo[room] = (known.last, known.topic)
        if known.recent is None:
            self._recent(known)
        known.last += 1
        shown = "@" if room[0] == "~" else room
        if extra is None:
            msg = Msg(room=shown, seq=known.last, time=time_ms, nick=nick, text=text, kind=kind)
            packed = None
        else:
            msg = _with_extra(shown, known.last, time_ms, nick, kind, text, extra)
            packed = _extra_encoder.encode(extra).decode()
        self._rows.append((known.id, known.last, time_ms, sender, cmid, nick, kind, text, packed))
        if cmid is not None:
            self._fresh[sender, cmid] = Stored(room, msg)
        assert known.recent is not None
        known.recent.append(msg)
        self._cached += len(text)
        if kind == "topic":
            known.topic = text
            self._topics[known.id] = text
        return msg

    def commit(self) -> None:
        """Make this transaction durable, fsync included. Raises `LogError`; then all of it is rolled back."""
        if not self._rows and not self._begun:
            return
        try:
            self._flush()
            self._db.execute("COMMIT")
        except (apsw.Error, LogError) as err:
            self.rollback()
            raise LogError(f"cannot write the log: {err}") from err
        self._begun = False
        for name in self._released:
            self._rooms[name].recent = None
        if self._cached > CACHE_CHARS:
            self._cached = 0
            for room in self._rooms.values():
                room.recent = None
        for pending in (self._added, self._fresh, self._undo, self._released):
            pending.clear()

    def rollback(self) -> None:
        """Forget this transaction, its numbers too."""
        if self._begun and self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._begun = False
        for name, (last, topic) in self._undo.items():
            room = self._rooms[name]
            room.last, room.topic, room.recent = last, topic, None
        for name in self._added:
            del self._rooms[name]
            self._room_count -= name[0] == "#"
        for pending in (self._new_rooms, self._topics, self._rows, self._added, self._fresh):
            pending.clear()
        self._undo.clear()
        self._released.clear()

    def close(self) -> None:
        self._db.close()

    def _flush(self) -> None:
        """Hand what was collected to SQLite, so that its queries see it. Raises `LogError`."""
        if not self._rows:
            return
        self._begin()
        try:
            self._db.executemany("INSERT INTO rooms VALUES (?, ?, '')", self._new_rooms)
            self._db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
            self._db.executemany("UPDATE rooms SET topic = ?2 WHERE id = ?1", list(self._topics.items()))
        except apsw.Error as err:
            raise LogError(str(err)) from err
        self._new_rooms.clear()
        self._rows.clear()
        self._topics.clear()

    def _begin(self) -> None:
        if self._begun:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.Error as err:
            raise LogError(str(err)) from err
        self._begun = True

    def _add_room(self, name: str) -> _Room:
        room = _Room(self._next_room_id, name, "", 0, deque(maxlen=CACHED))
        self._next_room_id += 1
        self._new_rooms.append((room.id, name))
        self._added.append(name)
        self._rooms[name] = room
        self._room_count += name[0] == "#"
        return room


def _message(room: str, row: tuple[Any, ...]) -> Msg:
    seq, time_ms, nick, kind, text, packed = row
    shown = "@" if room[0] == "~" else room
    if packed is None:
        return Msg(room=shown, seq=seq, time=time_ms, nick=nick, text=text, kind=kind)
    return _with_extra(shown, seq, time_ms, nick, kind, text, _extra_decoder.decode(packed))


def _with_extra(room: str, seq: int, time_ms: int, nick: str, kind: Kind, text: str, extra: Extra) -> Msg:
    return Msg(
        room=room,
        seq=seq,
        time=time_ms,
        nick=nick,
        text=text,
        kind=kind,
        to=extra.to,
        reply=extra.reply,
        cmd=extra.cmd,
        anim=extra.anim,
    )
