"""How a log that is to take another's place gets there: at every moment the one or the other is there, whole.

Owns the names a restore gives files, and the order of its steps. Knows nothing of what is in a log.

What takes the place lies ready, whole and synced, as `moot.db.<time>.restoring`: from then on it is decided. Whoever
is next to open the log, alone, finishes it: what was there is renamed to `moot.db.<time>.old`, with its write-ahead
log, which must never be applied to another; when none of it is left, the new one gets the log's name. Each step may be
done again.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

READY: Final = ".restoring"
KEPT: Final = ".old"


class Absent(Exception):
    """The log is not there, though what was kept of it is; the text says what to do."""


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk. Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(log: Path) -> None:
    """Remove a log that nobody is to see, and what SQLite left beside it. Raises `OSError`."""
    for side in ("", "-wal", "-shm", "-journal"):
        Path(f"{log}{side}").unlink(missing_ok=True)


def ready_name(log: Path) -> Path:
    """Return the name for a log that is ready to take the place of ``log``; it is not taken, nor what it will keep."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        name = f"{log.name}.{stamp}" if number == 1 else f"{log.name}.{stamp}-{number}"
        if not any(log.with_name(name + end).exists() for end in (READY, KEPT)):
            return log.with_name(name + READY)
        number += 1


def kept_name(ready: Path) -> Path:
    """Return the name under which the log is kept whose place ``ready`` takes."""
    return ready.with_name(ready.name.removesuffix(READY) + KEPT)


def waiting(log: Path) -> list[Path]:
    """Return what is ready to take the place of ``log``, oldest first: a restore was interrupted. Raises `OSError`."""
    return _named(log, READY)


def finish(log: Path) -> None:
    """Finish what was decided. Nobody else may have the log open. Raises `OSError`; then it may be called again."""
    for ready in waiting(log):
        kept = kept_name(ready)
        for side in ("-wal", "-journal", ""):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{log}{side}", f"{kept}{side}")
        Path(f"{log}-shm").unlink(missing_ok=True)
        sync(log.parent)  # no power loss may leave the new log beside the old one's write-ahead log
        os.replace(ready, log)
        sync(log.parent)


def prepare(log: Path) -> None:
    """Make ``log`` ready to be opened. Nobody else may have it open. Raises `Absent`, `OSError`."""
    finish(log)
    kept = _named(log, KEPT)
    if kept and not log.exists():
        raise Absent(
            f"it is not there, but {kept[-1]} is, which a restore kept. Put that back under the log's name, with the"
            f" {kept[-1].name}-wal beside it if there is one, or run moot restore with a backup; to start anew, move it"
            " to another directory"
        )


def _named(log: Path, end: str) -> list[Path]:
    try:
        names = sorted(os.listdir(log.parent))
    except FileNotFoundError:
        return []
    return [log.with_name(name) for name in names if name.startswith(f"{log.name}.") and name.endswith(end)]
