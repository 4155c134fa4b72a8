"""The data directory of a server: made, private to its owner, and locked for one server alone. Knows no chat."""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

log = logging.getLogger("moot.supervisor")

LOOKED_AT_S: Final = 0.5


class StartError(Exception):
    """The server cannot run; the text says why and what to do."""


def prepare_directory(directory: Path) -> Path:
    """Return the data directory ``directory``, made if need be, private to its owner. Raises `StartError`."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if directory.stat().st_mode & 0o077:  # it was there before; closing it to others is its owner's business
            log.warning("others may look into the data directory %s; run: chmod 700 %s", directory, directory)
        probe = directory / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as err:
        text = f"cannot write to the data directory {directory}: {err.strerror}; choose another with --data DIR"
        raise StartError(text) from err
    return directory


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the data directory for this server alone; the lock goes with the process, however it ends.

    Raises `StartError` when another server holds it, or a command that reads its log.
    """
    path = directory / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)  # what a link names is not ours
    except OSError as err:
        raise StartError(f"cannot open {path}: {err.strerror}; it should be a file of moot's own, remove it") from err
    try:
        _lock(descriptor, directory)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    """Take the lock. Who only looks whether a server is there has it for a moment, and is waited for."""
    until = time.monotonic() + LOOKED_AT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            if not _only_read(descriptor):
                holder = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
                text = f"another moot (pid {holder}) uses {directory}; stop it, or choose another directory with"
                raise StartError(f"{text} --data DIR") from err
            if time.monotonic() >= until:
                text = (
                    f"the log in {directory} is being read by moot check, backup or export; wait until that has ended"
                )
                raise StartError(text) from err
            time.sleep(0.02)
        else:
            return


def _only_read(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
