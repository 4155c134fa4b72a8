"""The data directory of a server: made, private to its owner, and locked for one server alone. Knows no chat."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from protocol.settings import Settings

log = logging.getLogger("moot.supervisor")


class StartError(Exception):
    """The server cannot run; the text says why and what to do."""


def prepare_directory(settings: Settings) -> Path:
    """Return the data directory, made if need be, private to its owner. Raises `StartError`."""
    if settings.data:
        directory = Path(settings.data).expanduser()
    else:
        from platformdirs import user_data_path

        directory = user_data_path("moot", appauthor=False)
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

    Raises `StartError` when another server holds it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
            text = f"another moot (pid {holder}) uses {directory}; stop it, or choose another directory with --data DIR"
            raise StartError(text) from err
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
