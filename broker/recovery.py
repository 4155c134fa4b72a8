"""Going on after an I/O error: the disk must prove itself, and the log is compared with what was acknowledged.

A failed fsync is never simply tried again: the kernel may have dropped what it could not write and marked it clean, so
that the next fsync succeeds without it (https://wiki.postgresql.org/wiki/Fsync_Errors). What was committed before is
safe, for its own fsync had succeeded. What failed must go, or it rises again on the next start: by then its sender was
told that it was not said. So, over a new connection, with the old one still open (SQLite's shared memory then knows
which frames of the write-ahead log count):

1. a checkpoint writes all that counts into the main file anew, syncs it, and cuts the write-ahead log to nothing;
2. a commit writes the beginning of that log anew, under new salts, and syncs it: whatever may be left of the failed
   transaction is void from here on, and the disk has shown that it works;
3. where the rooms end, and their newest rows, is compared with memory.
"""

import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path

import apsw

from broker import btree, heads, meta, pages, walfile
from broker.heads import CACHED, Head
from broker.reading import Reader


class Lost(Exception):
    """What was acknowledged is not in the log any more; the text names it."""


def check_wal_header(path: Path) -> None:
    """Raises `Lost` when the beginning of the write-ahead log is damaged and something in it is nowhere else.

    Must come before SQLite opens the log: closing a handle of a file drops every POSIX lock this process has on it, and
    without them the next `moot check` would take itself for the last user and delete the write-ahead log.
    """
    with contextlib.suppress(FileNotFoundError), path.with_name(path.name + "-wal").open("rb") as file:
        if not walfile.header_is_sound(file.read(walfile.HEADER.size)):
            with path.open("rb") as main:
                if walfile.holds_more(file, main, btree.page_bytes(main.read(100))):
                    raise Lost("its write-ahead log is damaged at its beginning, and all of it would be dropped")


def check_wal(db: apsw.Connection, path: Path) -> None:
    """Raises `Lost` when SQLite would drop synced transactions of the write-ahead log: damage, no crash, does that.

    Must come before anything is written: the next checkpoint would take away what `moot check --repair` can still save.
    """
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    frames, _ = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    with contextlib.suppress(FileNotFoundError), path.with_name(path.name + "-wal").open("rb") as file:
        commits = walfile.commits_behind(file, max(0, frames))
        if commits > 1:
            raise Lost(f"its write-ahead log is damaged, and the {commits} last transactions of it would be dropped")
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def prove(db: apsw.Connection) -> None:
    """Write what counts anew, and sync it. Raises `apsw.Error` when the disk does not do that."""
    # Busy: somebody reads an older state, a backup perhaps. What can be written was written, and the commit voids
    # what failed all the same, for it overwrites its beginning.
    with contextlib.suppress(apsw.BusyError):
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    with db:
        meta.put(db, "proof", secrets.token_hex(8))


def compare(db: apsw.Connection, rooms: dict[str, Head], doubtful: Iterable[Head], reader: Reader) -> None:
    """Raises `Lost` when the log has not what memory says, `apsw.Error` when it cannot be read.

    ``rooms``: as they are after the last commit. ``doubtful``: those whose newest rows are read too.
    """
    try:
        stored, mended = heads.read(db)
    except heads.Astray as err:
        raise Lost(f"parts of its inner structure ({err})") from err
    for name, room in rooms.items():
        found = stored.get(name)
        end = 0 if found is None else found.last
        if end < room.last:
            raise Lost(f"messages {end + 1} to {room.last} of room {name}")
    for room in doubtful:
        first = max(room.pruned, room.last - CACHED) + 1
        if first > room.last:
            continue
        known = {seq for seq in range(first, room.last + 1) if reader.knows_damaged(room, seq)}
        absent = (range(begin, last + 1) for begin, last in reader.page(db, room, first, room.last).gaps)
        new = pages.gaps(seq for seqs in absent for seq in seqs if seq not in known)
        if new:
            listed = ", ".join(str(begin) if begin == last else f"{begin} to {last}" for begin, last in new)
            raise Lost(f"messages {listed} of room {room.name}")
    for name, room in rooms.items():
        found = stored[name] if room.last else room
        if found.last != room.last or (found.head != room.head and found not in mended):
            raise Lost(f"what was said in room {name} around message {room.last}")
