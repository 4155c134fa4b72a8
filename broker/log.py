"""The log: every message, in order, on disk. One SQLite file, one writing connection, in the broker.

This is the seam where another engine could take SQLite's place: append to a transaction, commit it, read a range, find
what a retry asks about. The log numbers messages: per room 1, 2, 3 … in the order of `append`, and a rolled-back
transaction gives its numbers back. Direct messages lie in the inboxes of both people, rooms named `~<uid in hex>`.
Every row has a checksum, chained per room (`broker.chain`); what is read is verified, and what is damaged is a gap.

`synchronous=FULL` makes a commit wait for fsync of the write-ahead log, so what `commit` returned from survives a
power loss; with NORMAL it would not (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from broker import chain, heads, meta, opening, pages, placing, pruning, recovery, redactions, rows, schema
from broker.heads import CACHED, Head
from broker.logged import Damaged, LogError, LogLost, Said, Stored, inbox_name
from broker.meta import Spoilt
from broker.pages import Page
from broker.reading import Reader
from broker.rows import Extra
from broker.values import Values
from protocol.native import Kind, Msg

log = logging.getLogger("moot.broker")

__all__ = ["CACHED", "Damaged", "Extra", "Log", "LogError", "LogLost", "Said", "Spoilt", "Stored", "inbox_name"]

_MARKING: Final = frozenset({"topic", redactions.KIND})
CACHE_CHARS: Final = 32 * 1024 * 1024  # of text; then all caches are emptied and fill again as they are used


class Log:
    """The open log. `append` and `set_topic` collect; nothing is durable, and nothing may be told, before `commit`."""

    def __init__(
        self,
        path: Path | str,
        *,
        vfs: str | None = None,
        alive: Callable[[], None] = lambda: None,
        looked_through: bool = False,
    ) -> None:
        """Open or create the log; ``":memory:"`` keeps it in memory. Raises `LogError`.

        ``vfs``: the name of the file system layer SQLite uses, None for its own. ``alive`` is called again and again
        while something takes a while: an older log is migrated, a damaged one looked through. ``looked_through``: an
        earlier process of this server has mended keys, which takes a second with 100,000 accounts, and people wait.
        """
        self._path, self._vfs, self._alive = str(path), vfs, alive
        with opening.explained(Path(path)):
            if vfs is None:
                placing.prepare(Path(path))
                recovery.check_wal_header(Path(path))
            self._db = self._connect()
            if vfs is None:
                recovery.check_wal(self._db, Path(path))
            schema.prepare(self._db, path, vfs, alive)
            if not looked_through:
                meta.mend(self._db)
            self.epoch = opening.epoch(self._db)
            self._rooms, mended = heads.read(self._db)
            used = "SELECT MAX(id) FROM rooms UNION SELECT MAX(room) FROM messages UNION SELECT 0"
            self._next_room_id = 1 + max(id_ for (id_,) in self._query(used, ()) if isinstance(id_, int))
        self.rollbacks = 0
        """Grows when a transaction is rolled back that had something."""
        self.suspect: str | None = None
        """Why nothing can be written until `recover` has succeeded; None: all is well."""
        self._doubtful: set[str] = set()  # rooms whose newest rows `recover` has to look at
        self._reader = Reader()
        self._room_count: int = sum(name[0] == "#" for name in self._rooms)
        self._cached = 0  # characters of text taken into memory since the caches were emptied
        self._names = {room.id: name for name, room in self._rooms.items()}
        self._values = Values()
        for key, value in self.recall_under(chain.ORIGINS):
            if (room := self._rooms.get(key.removeprefix(chain.ORIGINS))) is not None:
                room.origins = chain.origins_in(value)
        self._rows: list[tuple[Any, ...]] = []
        self._begun = False
        self._added: list[str] = []  # rooms made in this transaction
        self._fresh: dict[tuple[bytes, str], Stored] = {}  # appended in this transaction
        self._released: set[str] = set()  # in this transaction, of those it wrote to
        self._undo: dict[str, Head] = {}  # rooms this transaction wrote to, as they were before
        self._mended = {room.name for room in mended}  # to be written with the next transaction
        for room in mended:
            room.topic = self._newest_topic(room)
        self._db.set_progress_handler(None)
        try:
            # A broker that was killed may have left a transaction in the write-ahead log that was never synced. It
            # counts from here on, people are told of it: so it must be on the disk first.
            recovery.prove(self._db)
        except apsw.Error as err:
            self.suspect = str(err) or "disk I/O error"

    def _connect(self) -> apsw.Connection:
        return opening.connect(self._path, self._vfs, self._alive)

    def recover(self) -> None:
        """Go on after an I/O error, with a new connection, once the disk and what is on it have proven sound.

        Raises `LogError` while that fails (try again later; reading goes on), `LogLost` when acknowledged messages
        are not there any more.
        """
        assert not self._begun
        if self.suspect is None:
            return
        doubtful = [room for name, room in self._rooms.items() if name in self._doubtful or room.recent]
        db = None
        try:
            db = self._connect()
            db.set_busy_timeout(200)  # people wait
            recovery.prove(db)
            recovery.compare(db, self._rooms, doubtful, self._reader)
            if (missing := self._values.missing(db)) is not None:
                raise recovery.Lost(f"what was kept under {missing!r}")
            db.set_busy_timeout(2000)
            db.set_progress_handler(None)
        except (apsw.Error, recovery.Lost) as err:
            if db is not None:
                db.close(True)
            if isinstance(err, recovery.Lost):
                raise LogLost(
                    f"after an I/O error the log {self._path} has lost {err}, though acknowledged. Nothing more is"
                    " written. Copy the directory, look at the disk, run moot check; then start again with what is"
                    " there, or with a backup"
                ) from err
            raise LogError(f"the log cannot be written yet: {err}") from err
        with contextlib.suppress(apsw.Error):
            self._db.close(True)
        self._db = db
        self.suspect = None
        self._doubtful.clear()

    def _newest_topic(self, room: Head) -> str:
        """Return the topic as the messages tell it."""
        query = "SELECT CAST(seq AS INTEGER) FROM messages WHERE room = ? AND seq BETWEEN 1 AND ? AND kind = 'topic'"
        for (seq,) in self._query(query + " ORDER BY seq DESC", (room.id, room.last)):
            for msg in self._page(room, seq, seq).messages:
                return msg.text
        return ""

    # --- reading; sees what this transaction has appended

    def names(self) -> list[tuple[str, str]]:
        """Return the rooms people can join, as (name, topic), those with messages only."""
        rooms = self._rooms.values()
        return [(room.name, room.topic) for room in rooms if room.name[0] == "#" and not room.left]

    @property
    def room_count(self) -> int:
        """How many rooms people can join have messages."""
        return self._room_count

    def rooms(self) -> list[str]:
        """Return the names of all rooms and inboxes."""
        return list(self._rooms)

    def pruned(self, room: str) -> int:
        """Return the newest seq of ``room`` that was removed on purpose; 0 for none."""
        known = self._rooms.get(room)
        return known.pruned if known else 0

    def recall(self, key: str) -> str | None:
        """Return what was kept by `remember`, None if there is none. Raises `Spoilt`, `LogError`."""
        try:
            return self._values.recall(self._db, key)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err

    def recall_under(self, prefix: str, limit: int = -1) -> list[tuple[str, str]]:
        """Return all that was kept under keys that begin with ``prefix``, as (key, value), by key.

        What is spoilt is left out, and told to the operator. ``limit``: the first that many; negative: all. Raises
        `LogError`.
        """
        try:
            return self._values.under(self._db, prefix, limit)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err

    def count_under(self, prefix: str) -> int:
        """Return how many values `recall_under` would look at; some 10 ms for 100,000. Raises `LogError`."""
        try:
            return meta.count(self._db, prefix)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err

    def last(self, room: str) -> int:
        """Return the newest seq of ``room``; 0 when it has no messages."""
        known = self._rooms.get(room)
        return known.last if known else 0

    def former_names(self, room: str) -> tuple[str, ...]:
        """Return what ``room`` was called before, as far as it had messages then."""
        known = self._rooms.get(room)
        return known.origins if known else ()

    def topic(self, room: str) -> str:
        known = self._rooms.get(room)
        return known.topic if known else ""

    def find(self, sender: bytes, cmid: str) -> Stored | None:
        """Return what ``sender`` said under ``cmid``, if it is kept. Raises `Damaged`, `LogError`."""
        fresh = self._fresh.get((sender, cmid))
        if fresh is not None:
            return fresh
        if self.suspect is None:
            self._begin()  # nearly always an append follows; and a look-up in a transaction costs a fifth
        query = "SELECT CAST(room AS INTEGER), CAST(seq AS INTEGER) FROM messages WHERE sender = ? AND cmid = ?"
        found = self._query(query, (sender, cmid))
        if not found:
            return None
        id_, seq = found[0]
        room = self._rooms.get(self._names.get(id_, ""))
        if room is None or seq not in range(1, room.last + 1):
            raise Damaged(room.name if room else f"number {id_}", seq)
        verified = self._verified(room, seq)
        if verified is None or verified[2:4] != (sender, cmid):
            raise Damaged(room.name, seq)
        return Stored(room.name, rows.message(room.name, verified))

    def sender(self, room: str, seq: int) -> bytes | None:
        """Return who said a message, if it is kept. Raises `LogError`."""
        known = self._rooms.get(room)
        verified = self._verified(known, seq) if known is not None else None
        return verified[2] if verified is not None else None

    def said(self, room: str, seq: int) -> Said | None:
        """Return a message and whose it is; None when it is not there, or damaged. Raises `LogError`."""
        known = self._rooms.get(room)
        if known is None or not known.pruned < seq <= known.last:
            return None
        verified = self._verified(known, seq)
        if verified is None:
            return None
        msg = rows.message(room, verified)
        if seq in self._redacted(known):
            msg = redactions.masked(msg)
        return Said(verified[2], msg, rows.peer(verified))

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
        return pages.behind(page, seq + 1, known.pruned)

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
        return pages.behind(page, 1, known.pruned) if first == known.pruned + 1 else page

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
            found = self.rows_behind(known, middle, 1)
            if not found or not isinstance(found[0][1], int) or found[0][1] >= time_ms:
                high = middle
            else:
                low = max(found[0][0], middle + 1)  # where seqs are damaged they need not ascend
        return low

    def release(self, room: str) -> None:
        """Forget what is kept in memory of a room nobody is in."""
        known = self._rooms.get(room)
        if room in self._undo:
            self._released.add(room)
        elif known is not None:
            known.recent = known.redacted = None

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
            page = self._reader.page(self._db, room, first, last)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err
        redacted = self._redacted(room)
        return redactions.hide(page, redacted) if redacted else page

    def _redacted(self, room: Head) -> set[int]:
        if room.redacted is None:
            self._flush()
            try:
                room.redacted = redactions.of_room(self._db, room.id, room.pruned)
            except apsw.Error as err:
                raise LogError(f"cannot read the log: {err}") from err
        return room.redacted

    def _verified(self, room: Head, seq: int) -> chain.Columns | None:
        found = self.sound(room, seq, seq).get(seq)
        return found[0] if found else None

    def sound(self, room: Head, first: int, last: int) -> dict[int, tuple[chain.Columns, bytes]]:
        """Return the sound rows from ``first`` to ``last`` by seq, each with the sum it follows from."""
        self._flush()
        try:
            return self._reader.verified(self._db, room, first, last)
        except apsw.Error as err:
            raise LogError(f"cannot read the log: {err}") from err

    def rows_behind(self, room: Head, seq: int, limit: int) -> list[tuple[Any, ...]]:
        """Return seq and time of the next rows as they are stored, without a look at their sums."""
        query = (
            "SELECT CAST(seq AS INTEGER), CAST(time AS INTEGER) FROM messages"
            " WHERE room = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        )
        return self._query(query, (room.id, seq, room.last, limit))

    def _query(self, sql: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, args).fetchall()
        except (apsw.Error, UnicodeDecodeError) as err:
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
        """Add a message to this transaction as the next of ``room`` and return it. Raises `LogError`."""
        if self.suspect is not None:
            raise LogError(f"cannot write the log: {self.suspect}")
        known = self._rooms.get(room) or self._add_room(room)
        if room not in self._undo:
            self._undo[room] = replace(known, recent=None, redacted=None)
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
        if kind in _MARKING:
            self._mark(known, msg)
        return msg

    def _mark(self, room: Head, msg: Msg) -> None:
        """``msg`` says something of the room, or of another message."""
        if msg.kind == "topic":
            room.topic = msg.text
        elif isinstance(msg.reply, int):
            self._redacted(room).add(msg.reply)
            recent = room.recent or ()
            place = msg.reply - recent[0].seq if recent else -1
            if room.recent is not None and 0 <= place < len(room.recent):
                room.recent[place] = redactions.masked(room.recent[place])

    def remember(self, key: str, value: str) -> None:
        """Keep a value of the server's own, with this transaction. Raises `LogError`."""
        self._write(*self._values.remember(key, value))

    def forget(self, key: str) -> None:
        """Keep it no more, with this transaction, if it was kept at all. Raises `LogError`."""
        self._write(*self._values.forget(key))

    def retitle(self, names: Iterable[tuple[str, str]]) -> None:
        """Give rooms other names; pairs of old and new. Commits this transaction, or rolls it back.

        The old name is another room's from then on. Its first seq is greater than any that was told of under it, so
        that nobody who comes back later takes its messages for those of the room that had the name. Nothing may have
        been appended in this transaction, and no room of a new name have messages. Raises `LogError`.
        """
        assert not self._undo
        renamed: list[tuple[str, Head, Head]] = []
        try:
            for old, new in names:
                if (room := self._rooms.get(old)) is not None:
                    renamed.append((old, *self._renamed(room, new, self._next_room_id + len(renamed))))
        except LogError:
            self.rollback()
            raise
        self.commit()
        self._next_room_id += len(renamed)
        for old, room, left in renamed:
            if (before := self._rooms.get(room.name)) is not None:
                del self._names[before.id]
                self._room_count -= before.name[0] == "#"
            self._rooms[room.name], self._rooms[old] = room, left
            self._names[room.id], self._names[left.id] = room.name, old
            self._room_count += old[0] == "#"

    def _renamed(self, room: Head, name: str, id_: int) -> tuple[Head, Head]:
        """Write ``room`` under another name, and what is left at its own as number ``id_``; return both."""
        there = self._rooms.get(name)
        assert there is None or there.last == there.pruned
        if there is not None:  # what another room left behind there
            self._write("DELETE FROM rooms WHERE id = ?", (there.id,))
        origins = tuple(dict.fromkeys((*room.origins, room.name)))
        new = replace(room, name=name, recent=None, redacted=None, origins=origins)
        end = room.last + 1
        start = chain.left_behind(room.name, end)
        left = Head(id_, room.name, "", end, start, end, start)
        self._write("UPDATE rooms SET name = ?, sum = ? WHERE id = ?", (name, new.columns()[-1], room.id))
        self._write("INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (id_, left.name, *left.columns()))
        self.remember(chain.ORIGINS + name, msgspec.json.encode(origins).decode())
        self.forget(chain.ORIGINS + room.name)
        return new, left

    def prune(self, room: str, keep: int, before_ms: int, limit: int) -> int:
        """Remove the oldest messages of ``room``, at most ``limit``; return how many seqs, 0: none is to go.

        ``keep``: the newest that many stay, 0: all. ``before_ms``: what is older goes, up to the first that is not;
        milliseconds since 1970. Nothing may have been appended in this transaction. Raises `LogError`.
        """
        known = self._rooms[room]
        upto = max(known.pruned, min(known.last - keep if keep else 0, known.pruned + limit))
        upto = pruning.outdated(self, known, upto, before_ms, known.pruned + limit - upto)
        removed = upto - known.pruned
        if removed <= 0:
            return 0
        base = pruning.base(self, known, upto)
        self._write("DELETE FROM messages WHERE room = ? AND seq <= ?", (known.id, upto))
        if room not in self._undo:
            self._undo[room] = replace(known, recent=None, redacted=None)
        known.pruned, known.base = upto, base
        while known.recent and known.recent[0].seq <= upto:
            known.recent.popleft()
        return removed

    def commit(self) -> None:
        """Make this transaction durable, fsync included. Raises `LogError`; then all of it is rolled back."""
        if not self._rows and not self._begun:
            return
        try:
            self._flush()
            self._write_heads()
            self._db.execute("COMMIT")
        except apsw.Error as err:
            failure = self._failed(err)
            self.rollback()
            raise failure from err
        except LogError:
            self.rollback()
            raise
        self._begun = False
        self._mended.clear()
        self._values.committed()
        for name in self._released:
            self._rooms[name].recent = self._rooms[name].redacted = None
        if self._cached > CACHE_CHARS:
            self._cached = 0
            for room in self._rooms.values():
                room.recent = room.redacted = None
        for pending in (self._added, self._fresh, self._undo, self._released):
            pending.clear()

    @property
    def pending(self) -> bool:
        """Whether this transaction has messages, or values of the server."""
        return bool(self._undo) or self._values.pending

    @property
    def written(self) -> int:
        """Grows with each value that is remembered or forgotten."""
        return self._values.written

    def rollback(self) -> None:
        """Forget this transaction, its numbers too."""
        self.rollbacks += self.pending
        if self._begun and self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except apsw.Error as err:
                self.suspect = str(err) or "disk I/O error"
        self._begun = False
        self._values.rolled_back()
        self._rooms.update(self._undo)
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
            raise self._failed(err) from err
        self._rows.clear()

    def _write(self, sql: str, args: tuple[Any, ...]) -> None:
        if self.suspect is not None:
            raise LogError(f"cannot write the log: {self.suspect}")
        self._begin()
        try:
            self._db.execute(sql, args)
        except apsw.Error as err:
            raise self._failed(err) from err

    def _write_heads(self) -> None:
        """Write where the rooms end that this transaction wrote to, and what was mended. Raises `apsw.Error`."""
        for sql, args in self._values.mended():
            self._db.execute(sql, args)
        if self._added:
            made = [self._rooms[name] for name in self._added]
            new = [(room.id, room.name, *room.columns()) for room in made]
            self._db.executemany("INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?)", new)
        there = [self._rooms[name] for name in (self._undo.keys() | self._mended) - set(self._added)]
        changed = [(*room.columns(), room.id) for room in there]
        update = "UPDATE rooms SET topic = ?, pruned = ?, base = ?, last = ?, head = ?, sum = ? WHERE id = ?"
        self._db.executemany(update, changed)

    def _begin(self) -> None:
        if self._begun:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except apsw.Error as err:
            raise self._failed(err) from err
        self._begun = True

    def _failed(self, err: apsw.Error) -> LogError:
        """Return what a failed write is told as; after an I/O error nothing is written before `recover`."""
        if isinstance(err, apsw.IOError):
            self.suspect = str(err) or "disk I/O error"
            self._doubtful |= self._undo.keys() - set(self._added)
        return LogError(f"cannot write the log: {err}")

    def _add_room(self, name: str) -> Head:
        start = chain.start(name)
        room = Head(self._next_room_id, name, "", 0, start, 0, start, deque(maxlen=CACHED))
        self._next_room_id += 1
        self._added.append(name)
        self._rooms[name] = room
        self._names[room.id] = name
        self._room_count += name[0] == "#"
        return room
