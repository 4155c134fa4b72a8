"""The server that runs on this machine: who holds a data directory, and how to stop it. Unix only.

The supervisor locks the file `lock` of its data directory and writes its process id into it. The lock goes with the
process, however that ends, so a file left behind means nothing.
"""

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Final

STOP_LIMIT_S: Final = 15.0  # the supervisor itself gives its children less


class Refused(Exception):
    """It cannot be done; the text is for people and says what to do."""


def holder(data: Path) -> int | None:
    """Return the process id of the server that holds ``data``, or None."""
    try:
        with (data / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read(32))
    except (OSError, ValueError):
        pass
    return None


def stop(data: Path, limit_s: float = STOP_LIMIT_S) -> int:
    """Ask the server of ``data`` to finish, wait until it has, and return its process id.

    Raises Refused: there is none, it is not ours to stop, or it still runs after ``limit_s`` seconds.
    """
    pid = holder(data)
    if pid is None:
        raise Refused(f"no server uses the data directory {data}; name the right one with --data DIR")
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return pid
    except PermissionError:
        raise Refused(f"process {pid} is not yours to stop; ask its owner, or use sudo") from None
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if holder(data) != pid:
            return pid
        time.sleep(0.02)
    raise Refused(f"process {pid} has not stopped after {limit_s:.0f} s; `kill -9 {pid}` ends it by force")


def last_line(log: Path, limit: int = 8192) -> str:
    """Return the last line of a log file, "" when there is none; reads at most ``limit`` bytes of it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - limit))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
