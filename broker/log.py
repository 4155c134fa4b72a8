"""The log: every message, in order, on disk. One SQLite file, one writing connection, in the broker.

This is the seam where another engine could take SQLite's place: append to a transaction, commit it, read a range, find
what a retry asks about. The log numbers messages: per room 1, 2, 3 … in the order of `append`, and a rolled-back
transaction gives its numbers back. Direct messages lie in the inboxes of both people, rooms named `~<uid in hex>`.
Every row has a checksum, chained per room (`broker.chain`); what is read is verified, and what is damaged is a gap.

`synchronous=FULL` makes a commit wait for fsync of the write-ahead log, so what `commit` returned from survives a
power loss; with NORMAL it would not (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from broker import chain, heads, pages, rows, schema
from broker.heads import Head
from broker.pages import Page
from broker.reading import Reader
from broker.rows import Extra
from protocol.native import Kind, Msg

__all__ = ["CACHED", "Damaged", "Extra", "Log", "LogError", "Stored", "inbox_name"]

CACHED: Final = 100  # newest messages kept in memory for each room in use
CACHE_CHARS: Final = 32 * 1024 * 1024  # of text; then all caches are emptied and fill again as they are used


class LogError(Exception):
    """The log cannot be opened, read or written; the text says why, for an operator."""


class Damaged(Exception):
    """What was asked for is there, but is not as it was written."""

    def __init__(self, room: str, seq: int) -> None:
        super().__init__(f"message {seq} of room {room} is damaged in the server's log")
        self.room, self.seq = room, seq  # the log's name


@dataclass(frozen=True, slots=True)
class Stored:
    """What a retry is answered from."""

    room: str  # the log's name
    msg: Msg


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
            # A broker that was killed may have left a transaction in the write-ahead log that was never synced. It
            # counts from here on, people are told of it: so it must be on the disk first.
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
            schema.prepare(self._db, path, vfs)
            self.epoch = self._meta("epoch")
            self._rooms, self._mended = heads.read(self._db)
            self._next_room_id: int = 1 + (self._db.execute("SELECT MAX(id) FROM rooms").get or 0)
        except schema.TooNew as err:
            raise LogError(f"cannot open the log {path}: {err}") from err
        except (apsw.Error, OSError, UnicodeDecodeError) as err:
            raise LogError(
                f"cannot open the log {path}: {err}; restore a backup, or move it away to start anew"
            ) from err
        self._reader = Reader()
        self._room_count: int = sum(name[0] == "#" for name in self._rooms)
        self._cached = 0  # characters of text taken into memory since the caches were emptied
        self._names = {room.id: name for name, room in self._rooms.items()}
        self._rows: list[tuple[Any, ...]] = []
        self._begun = False
        self._added: list[str] = []  # rooms made in this transaction
        self._fresh: dict[tuple[bytes, str], Stored] = {}  # appended in this transaction
        self._released: set[str] = set()  # in this transaction, of those it wrote to
        self._undo: dict[str, tuple[int, bytes, str]] = {}  # room -> last, head and topic before this transaction
        for room in self._mended:
            room.topic = self._newest_topic(room)

    def _meta(self, key: str) -> str:
        value: str = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
        return value

    def _newest_topic(self, room: Head) -> str:
        """Return the topic as the messages tell it."""
        query = "SELECT seq FROM messages WHERE room = ? AND kind = 'topic' ORDER BY seq DESC"
        for (seq,) in self._query(query, (room.id,)):
            for msg in self._page(room, seq, seq).messages:
                return msg.text
        return ""

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
        """Return what ``sender`` said under ``cmid``, if it is kept. Raises `Damaged`, `LogError`."""
        fresh = self._fresh.get((sender, cmid))
        if fresh is not None:
            return fresh
        self._begin()  # nearly always an append follows; and a look-up in a transaction costs a fifth
        found = self._query("SELECT room, seq FROM messages WHERE sender = ? AND cmid = ?", (sender, cmid))
        if not found:
            return None
        id_, seq = found[0]
        room = self._rooms.get(self._names.get(id_, ""))
        if room is None or not 1 <= seq <= room.last:
            raise Damaged(room.name if room else f"number {id_}", seq)
        verified = self._verified(room, seq)
        if verified is None or verified[2:4] != (sender, cmid):
            raise Damaged(room.name, seq)
        return Stored(room.name, rows.message(room.name, verified))

    def newest(self, room: str, limit: int) -> Page:
        """Return the newest ``limit`` messages. At most `CACHED` of them come from memory."""
        known = self._rooms.get(room)
        if known is None or limit <= 0:
            return Page()
        recent = self._recent(known)
        if len(recent) < min(limit, known.last - known.pruned):
            return self.before(room, known.last + 1, limit)
        messages = list(recent)[-limit:]
        return Page(messages, pages.gaps((), 1, known.pruned if len(messages) == known.last - known.pruned else 0))

    def after(self, room: str, seq: int, limit: int) -> Page:
        """Return what follows ``seq``: up to ``limit`` seqs, and before them what was pruned."""
        known = self._rooms.get(room)
        if known is None or seq >= known.last:
            return Page()
        first = max(seq, known.pruned) + 1
        recent = known.recent
        if recent and recent[0].seq <= first:
            begin = first - recent[0].seq
            page = Page(list(recent)[begin : begin + limit])
        elif first <= known.last:
            page = self._page(known, first, min(known.last, first + limit - 1))
        else:
            page = Page()
        if seq < known.pruned:
            absent = [each for begin, end in page.gaps for each in range(begin, end + 1)]
            return Page(page.messages, pages.gaps(absent, seq + 1, known.pruned))
        return page

    def before(self, room: str, seq: int, limit: int) -> Page:
        """Return what precedes ``seq``: up to ``limit`` seqs, and before them what was pruned, if they reach it."""
        known = self._rooms.get(room)
        last = min(seq - 1, known.last) if known is not None else 0
        if known is None or last < 1 or limit <= 0:
            return Page()
        if last <= known.pruned:
            return Page([], [(1, last)])
        first = max(known.pruned + 1, last - limit + 1)
        page = self._page(known, first, last)
        if first == known.pruned + 1 > 1:
            absent = [each for begin, end in page.gaps for each in range(begin, end + 1)]
            return Page(page.messages, pages.gaps(absent, 1, known.pruned))
        return page

    def seq_since(self, room: str, time_ms: int) -> int:
        """Return the seq before the first message at or after ``time_ms``.

        A binary search over seq, so it costs a few look-ups in a log of any size; where the clock was set back in
        between, it finds one of the places that fit.
        """
        known = self._rooms.get(room)
        if known is None:
            return 0
        self._flush()
        low, high = known.pruned, known.last
        while low < high:
            middle = (low + high) // 2
            found = self._query(
                "SELECT seq, time FROM messages WHERE room = ? AND seq > ? ORDER BY seq LIMIT 1", (known.id, middle)
            )
            if not found or not isinstance(found[0][1], int) or found[0][1] >= time_ms:
                high = middle
            else:
                low = found[0][0]
        return low

    def release(self, room: str) -> None:
        """Forget what is kept in memory of a room nobody is in."""
        known = self._rooms.get(room)
        if room in self._undo:
            self._released.add(room)
        elif known is not None:
            known.recent = None

    def _recent(self, room: Head) -> deque[Msg]:
        if room.recent is None:
            first = max(room.pruned, room.last - CACHED) + 1
            page = self._page(room, first, room.last) if first <= room.last else Page()
            whole = page.gaps[-1][1] if page.gaps else 0
            room.recent = deque((msg for msg in page.messages if msg.seq > whole), maxlen=CACHED)
            self._cached += sum(len(msg.text) for msg in room.recent)
        return room.recent

    def _page(self, room: Head, first: int, last: int) -> Page:
        self._flush()
        try:
            return self._reader.page(self._db, room, first, last)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err

    def _verified(self, room: Head, seq: int) -> chain.Columns | None:
        self._flush()
        try:
            found = self._reader.verified(self._db, room, seq, seq).get(seq)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err
        return found[0] if found else None

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
            self._undo[room] = (known.last, known.head, known.topic)
        if known.recent is None:
            self._recent(known)
        seq = known.last + 1
        msg = rows.build(room, seq, time_ms, nick, kind, text, extra)
        columns = (seq, time_ms, sender, cmid, nick, kind, text, rows.packed(extra))
        known.head = chain.link(known.head, columns)
        known.last = seq
        self._rows.append((known.id, *columns, known.head))
        if cmid is not None:
            self._fresh[sender, cmid] = Stored(room, msg)
        assert known.recent is not None
        known.recent.append(msg)
        self._cached += len(text)
        if kind == "topic":
            known.topic = text
        return msg

    def commit(self) -> None:
        """Make this transaction durable, fsync included. Raises `LogError`; then all of it is rolled back."""
        if not self._rows and not self._begun:
            return
        try:
            self._flush()
            self._write_heads()
            self._db.execute("COMMIT")
        except (apsw.Error, LogError) as err:
            self.rollback()
            raise LogError(f"cannot write the log: {err}") from err
        self._begun = False
        self._mended.clear()
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
        for name, (last, head, topic) in self._undo.items():
            room = self._rooms[name]
            room.last, room.head, room.topic, room.recent = last, head, topic, None
        for name in self._added:
            del self._names[self._rooms.pop(name).id]
            self._room_count -= name[0] == "#"
        for pending in (self._rows, self._added, self._fresh, self._undo, self._released):
            pending.clear()

    def close(self) -> None:
        self._db.close()

    def _flush(self) -> None:
        """Hand what was collected to SQLite, so that its queries see it. Raises `LogError`."""
        if not self._rows:
            return
        self._begin()
        try:
            self._db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)
        except apsw.Error as err:
            raise LogError(str(err)) from err
        self._rows.clear()

    def _write_heads(self) -> None:
        """Write where the rooms end that this transaction wrote to, and what was mended. Raises `apsw.Error`."""
        if self._added:
            made = [self._rooms[name] for name in self._added]
            new = [(room.id, room.name, *room.columns()) for room in made]
            self._db.executemany("INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?)", new)
        there = [self._rooms[name] for name in self._undo.keys() - set(self._added)]
        changed = [(*room.columns(), room.id) for room in there + self._mended]
        update = "UPDATE rooms SET topic = ?, pruned = ?, base = ?, last = ?, head = ?, sum = ? WHERE id = ?"
        self._db.executemany(update, changed)

    def _begin(self) -> None:
        if self._begun:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.Error as err:
            raise LogError(str(err)) from err
        self._begun = True

    def _add_room(self, name: str) -> Head:
        start = chain.start(name)
        room = Head(self._next_room_id, name, "", 0, start, 0, start, deque(maxlen=CACHED))
        self._next_room_id += 1
        self._added.append(name)
        self._rooms[name] = room
        self._names[room.id] = name
        self._room_count += name[0] == "#"
        return room
