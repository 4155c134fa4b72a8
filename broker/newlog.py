"""Makes log files: a consistent copy of one in use, and one written anew from messages. Knows no formats but the log's.

A file is made beside its place under another name, verified, synced and put there whole, readable for its owner only.
Each has an epoch of its own, so that clients that come back to it start anew instead of mixing two histories. How one
takes the place of a log that is there is for `broker.placing`.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw

from broker import chain, meta
from broker.audit import Audit, connect
from broker.chain import Columns
from broker.log import Log, LogError
from broker.placing import READY, finish, kept_name, ready_name, remove, sync


class NewLogError(Exception):
    """The file cannot be made; the text says why and what to do."""


class Conflict(Exception):
    """A message or room is in the log already; the text says which."""


@contextlib.contextmanager
def placed(path: Path, *, replace: bool, source: Path | None = None) -> Iterator[Path]:
    """Yield the name under which to make a file; when the block ends well, it is synced and becomes ``path``.

    Raises `NewLogError`: it is there already and ``replace`` is false, it is the log ``source`` that it is made from,
    or it cannot be written.
    """
    if source is not None and path.exists() and path.samefile(source):
        raise NewLogError(f"{path} is the log itself; name another file")
    if path.is_dir():
        raise NewLogError(f"{path} is a directory; name a file in it")
    if path.exists() and not replace:
        raise NewLogError(f"{path} is there already; name another file, or replace it with --force")
    made: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        os.close(handle)
        made = Path(name)
        yield made
        sync(made)
        os.replace(made, path)
        sync(path.parent)
    except OSError as error:
        raise NewLogError(f"cannot write {path}: {error.strerror or error}") from error
    except apsw.FullError as error:  # whose text may be "not an error"
        raise NewLogError(f"cannot write {path}: the disk is full") from error
    except apsw.Error as error:
        raise NewLogError(f"cannot write {path}: {error}") from error
    except LogError as error:
        raise NewLogError(f"cannot write {path}: {error.__cause__ or error}") from error
    finally:
        if made is not None:
            remove(made)


def verified(path: Path, origin: str) -> int:
    """Return how many messages a log has. Raises `NewLogError` when anything in it is damaged."""
    with Audit(path, live=False) as audit:
        for _ in audit.rows():
            pass
        audit.structure()
        if audit.damage:
            more = f", and {len(audit.damage) - 1} more" if len(audit.damage) > 1 else ""
            raise NewLogError(f"{origin} is damaged ({audit.damage[0]}{more}); `moot check` names all of it")
        return audit.messages


def copy(source: Path, to: Path, *, live: bool, verify: bool) -> int | None:
    """Copy the log ``source`` into the empty file ``to``; return its number of messages, None without ``verify``.

    The copy is of one moment: a server that has the log open goes on writing, and its write-ahead log, which cannot be
    begun anew meanwhile, grows by what it writes. Raises `NewLogError`, `AuditError`, `apsw.Error`.
    """
    with Audit(source, live=live) as audit:
        if audit.wal.damaged and not live:  # SQLite would copy what it would recover: without the rest
            raise NewLogError(f"the log {source} is damaged ({audit.damage[0]}); `moot check --repair` saves the rest")
    reading = connect(source, live=live)
    try:
        try:
            reading.execute("SELECT 1 FROM meta, rooms, messages LIMIT 1").fetchall()
        except apsw.Error as error:
            text = f"cannot read the log {source}: {error}; if it is one, `moot check --repair` saves what is sound"
            raise NewLogError(text) from error
        writing = apsw.Connection(str(to))
        try:
            with writing.backup("main", reading, "main") as backup:
                backup.step(-1)  # in parts it would begin anew whenever the server writes in between
            reading.close()
            writing.execute("PRAGMA journal_mode=DELETE").fetchall()  # one file; a server makes it WAL again
            meta.renew_epoch(writing)
        finally:
            writing.close()
    finally:
        reading.close()
    return verified(to, f"the log {source}") if verify else None


class Writer:
    """Adds rooms with all their messages to a log, in one transaction; the chains are made anew.

    Seqs are kept. Where some are missing, the chain starts anew, and readers see a gap.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the log, which no server has open. Raises `broker.log.LogError`, `apsw.Error`."""
        log = Log(path)
        self._names = set(log.rooms())
        log.close()
        self._db = apsw.Connection(str(path))
        self._db.execute("BEGIN IMMEDIATE")
        meta.renew_epoch(self._db)
        self._id: int = self._db.execute("SELECT COALESCE(MAX(id), 0) FROM rooms").get
        self._room: tuple[str, int] | None = None  # name and pruned
        self._topic: str | None = None  # None: that of the newest message of kind topic
        self._said = ""
        self._last = 0
        self._sum = b""
        self.messages = 0
        self.rooms = 0
        self.values = 0

    def room(self, name: str, topic: str | None, pruned: int) -> None:
        """Begin a room; its messages follow. Raises `Conflict`.

        ``topic``: None for that of its newest message of kind topic.
        """
        self._end_room()
        if name in self._names:
            raise Conflict(f"the room {name} is in the log already")
        self._names.add(name)
        self._id += 1
        self._room, self._topic, self._said = (name, pruned), topic, ""
        self._last, self._sum = pruned, chain.start(name)

    def message(self, columns: Columns) -> None:
        """Add a message to the room, with a greater seq than the one before. Raises `Conflict`, `apsw.Error`."""
        assert self._room is not None
        seq, _time, _sender, _cmid, _nick, kind, text, _extra = columns
        before = self._sum if seq == self._last + 1 else chain.start(self._room[0])
        self._sum = chain.link(before, columns)
        self._last = seq
        try:
            self._db.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (self._id, *columns, self._sum)
            )
        except apsw.ConstraintError as error:
            raise Conflict("a message of the same sender and cmid is in the log already") from error
        if kind == "topic":
            self._said = text
        self.messages += 1

    def value(self, key: str, value: str) -> None:
        """Add something that the server remembers. Raises `Conflict`, `apsw.Error`."""
        if key.startswith(chain.ORIGINS):  # the rows are chained anew, under the names that their rooms have now
            return
        try:
            there = meta.fetch(self._db, key)
        except meta.Spoilt as error:
            raise Conflict(f"{error}; repair the log first") from error
        if there is not None and there[0] != value:
            raise Conflict(f"the log has another value under {key!r} already")
        meta.put(self._db, key, value)
        self.values += 1

    def _end_room(self) -> None:
        if self._room is None or self._last == 0:
            return
        name, pruned = self._room
        topic = self._said if self._topic is None else self._topic
        base = chain.start(name)
        sum_ = chain.of_room(name, topic, pruned, base, self._last, self._sum)
        row = (self._id, name, topic, pruned, base, self._last, self._sum, sum_)
        self._db.execute("INSERT INTO rooms VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._room = None
        self.rooms += 1

    def commit(self, *, alone: bool = False) -> None:
        """Write all of it. ``alone``: leave one file without a write-ahead log. Raises `apsw.Error`."""
        self._end_room()
        self._db.execute("COMMIT")
        if alone:
            self._db.execute("PRAGMA journal_mode=DELETE").fetchall()

    def close(self) -> None:
        """End; what was not committed was never there."""
        self._db.close()


def restored(source: Path, log: Path) -> tuple[int, Path]:
    """Put a copy of ``source`` in the place of ``log``; return its number of messages, and as what the old log is kept.

    Killed at any moment, it leaves the old log, or the new one for whoever opens it next: see `broker.placing`. No
    server may have either open. Raises `NewLogError`, `AuditError`.
    """
    if source.exists() and log.exists() and source.samefile(log):
        raise NewLogError(f"{source} is the log that is to be replaced; name a backup")
    for copy_cut_off in log.parent.glob(f".{log.name}.*{READY}.*"):  # by a kill; nobody else restores here now
        copy_cut_off.unlink(missing_ok=True)
    ready = ready_name(log)
    with placed(ready, replace=False) as made:
        messages = copy(source, made, live=False, verify=True)
        assert messages is not None
    try:
        finish(log)
    except OSError as error:
        why = error.strerror or error
        text = f"cannot put {ready} in the place of {log}: {why}; nothing is lost, and the next start goes on with it"
        raise NewLogError(text) from error
    return messages, kept_name(ready)
