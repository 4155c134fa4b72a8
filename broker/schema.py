"""The log's tables, and how an older log becomes one of today. Knows no messages but as rows.

The format's version is SQLite's `user_version`. Migrations go forward only. Before each, the log is copied to
`moot.db.v<version>.bak`; then it is one transaction, so that a crash at any moment leaves the one or the other whole.
"""

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import apsw

from broker import chain, meta, rows
from broker.placing import sync

log = logging.getLogger("moot.broker")

VERSION: Final = 2
_PAGES: Final = 10_000
_EPOCH: Final = re.compile(rb"[0-9a-f]{16}")

_ROOMS: Final = """
CREATE TABLE rooms (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    pruned INTEGER NOT NULL,  -- newest seq removed on purpose; 0: none
    base BLOB NOT NULL,  -- chain sum at `pruned`
    last INTEGER NOT NULL,  -- newest seq
    head BLOB NOT NULL,  -- chain sum at `last`
    sum BLOB NOT NULL  -- chain.of_room
) STRICT
"""
_MESSAGES: Final = """
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
    sum BLOB NOT NULL,  -- chain.link
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID
"""
_REDACTIONS: Final = "CREATE INDEX IF NOT EXISTS messages_redact ON messages (room, seq) WHERE kind = 'redact'"
_INDEX: Final = "CREATE UNIQUE INDEX messages_once ON messages (sender, cmid) WHERE cmid IS NOT NULL"


class TooNew(Exception):
    """The log was written by a newer moot, or says so."""


def prepare(db: apsw.Connection, path: Path | str, vfs: str | None, alive: Callable[[], None]) -> None:
    """Make the log one of this version: create it, or migrate it. Raises `TooNew`, `apsw.Error`, `OSError`.

    ``alive``: called while the copy is made; ``db`` gives signs of life of its own.
    """
    version: int = db.pragma("user_version")
    if version > VERSION:
        raise TooNew(
            f"it has format {version}, newer than this moot knows ({VERSION}); update moot, or see whether `moot check`"
            " calls that number damaged"
        )
    if version == VERSION:
        db.execute(_REDACTIONS)  # an older moot of this format had none; of no entries it has no entry
        return
    if version < VERSION and _has_sums(db):  # a migration would give what is damaged new sums
        log.error("the log says that it has format %d, and has that of %d: that number was damaged", version, VERSION)
        db.execute(_REDACTIONS)
        db.pragma("user_version", VERSION)
        return
    if version < 0:
        raise TooNew(f"it has format {version}, which there never was: the file is damaged; restore a backup")
    if version == 1:
        saved = back_up(db, Path(f"{path}.v1.bak"), vfs, alive)
        log.info("the log %s is brought to format %d; its copy of before is %s", path, VERSION, saved)
    with db:
        if version == 0:
            for statement in (meta.TABLE, _ROOMS, _MESSAGES, _INDEX):
                db.execute(statement)
            meta.renew_epoch(db)
        else:
            _from_1(db)
        db.execute(_REDACTIONS)
        db.pragma("user_version", VERSION)


def _has_sums(db: apsw.Connection) -> bool:
    return any(column[1] == "sum" for column in db.execute("PRAGMA table_info(messages)"))


def back_up(db: apsw.Connection, to: Path, vfs: str | None, alive: Callable[[], None]) -> Path:
    """Copy the whole log to ``to``, readable for its owner only and synced. Raises `apsw.Error`, `OSError`."""
    part = to.with_name(to.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        copy = apsw.Connection(str(part), vfs=vfs)
        try:
            with copy.backup("main", db, "main") as backup:
                while not backup.step(_PAGES):
                    alive()
        finally:
            copy.close()
        sync(part)
        os.replace(part, to)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync(to.parent)
    return to


def _from_1(db: apsw.Connection) -> None:
    """Format 1 had no sums, and of a room only its name and topic."""
    epoch = db.execute("SELECT CAST(value AS BLOB) FROM meta WHERE key = 'epoch'").get
    db.execute("DROP TABLE meta")
    db.execute(meta.TABLE)
    if isinstance(epoch, bytes) and _EPOCH.fullmatch(epoch):
        meta.put(db, "epoch", epoch.decode())
    db.execute("ALTER TABLE rooms RENAME TO rooms_1; ALTER TABLE messages RENAME TO messages_1")
    db.execute("DROP INDEX messages_once")
    db.execute(_ROOMS)
    db.execute(_MESSAGES)
    rooms: list[Any] = db.execute("SELECT id, name, topic FROM rooms_1").fetchall()
    for id_, name, topic in rooms:
        seq, head = 0, chain.start(name)

        def chained(id_: int = id_, name: str = name) -> Iterator[tuple[Any, ...]]:
            nonlocal seq, head
            # Text as bytes: what is not UTF-8 must cost its own row, not the start of the server.
            columns = rows.BYTES.removesuffix("CAST(sum AS BLOB)") + "NULL"
            for row in db.execute(f"SELECT {columns} FROM messages_1 WHERE room = ? ORDER BY seq", (id_,)):
                decoded, _ = rows.from_bytes(row)
                if decoded is None:
                    log.error("message %s of %s is damaged and was left out; the copy has it", row[0], name)
                    continue
                head = chain.link(head if decoded[0] == seq + 1 else chain.start(name), decoded)
                seq = decoded[0]
                yield (id_, *decoded, head)

        db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", chained())
        base = chain.start(name)
        sum_ = chain.of_room(name, topic, 0, base, seq, head)
        db.execute("INSERT INTO rooms VALUES (?, ?, ?, 0, ?, ?, ?, ?)", (id_, name, topic, base, seq, head, sum_))
    db.execute("DROP TABLE messages_1; DROP TABLE rooms_1")
    db.execute(_INDEX)
