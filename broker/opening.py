"""How the log's file is opened, and what an operator is told when it cannot be. Knows no messages."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import apsw

from broker import heads, meta, placing, recovery, schema
from broker.logged import LogError

log = logging.getLogger("moot.broker")

_PRAGMAS: Final = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "cache_size": -8192,  # KiB; the operating system keeps the file in memory besides
    "wal_autocheckpoint": 4000,  # pages
}
_REPAIR: Final = (
    "write what is sound into a new log with `moot check --repair NEW`, and put that in its place with"
    " `moot restore NEW`"
)
ALIVE_STEPS: Final = 100_000  # of SQLite's machine between two signs of life: some milliseconds


def connect(path: str, vfs: str | None, alive: Callable[[], None]) -> apsw.Connection:
    """Return a connection that calls ``alive`` again and again, until it has been looked at. Raises `apsw.Error`.

    ``vfs``: the name of the file system layer SQLite uses, None for its own.
    """

    def go_on() -> bool:
        alive()
        return False

    db = apsw.Connection(path, vfs=vfs, statementcachesize=100)
    db.set_progress_handler(go_on, ALIVE_STEPS)
    db.set_busy_timeout(2000)
    for name, value in _PRAGMAS.items():
        db.pragma(name, value)
    return db


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """While the log at ``path`` is opened: whatever goes wrong is raised as `LogError`, with what can be done."""
    try:
        yield
    except recovery.Lost as err:
        raise LogError(f"cannot open the log {path}: {err}. Nothing was changed; {_REPAIR}") from err
    except (schema.TooNew, placing.Absent) as err:
        raise LogError(f"cannot open the log {path}: {err}") from err
    except (heads.Astray, apsw.CorruptError, apsw.NotADBError, apsw.SQLError, UnicodeDecodeError) as err:
        raise LogError(
            f"cannot open the log {path}: it is damaged inside ({err}), so that new messages might get lost in it;"
            f" {_REPAIR}, or restore a backup"
        ) from err
    except (apsw.Error, OSError) as err:
        raise LogError(f"cannot open the log {path}: {err}; restore a backup, or move it away to start anew") from err


def epoch(db: apsw.Connection) -> str:
    """Return the log's epoch. Raises `apsw.Error`."""
    found = meta.get(db, "epoch")
    if found is None:
        log.error("the log's epoch is damaged; it gets another, and all clients begin anew")
        found = meta.renew_epoch(db)
    return found
