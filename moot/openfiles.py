"""The limit of open files: every connection is one. Unix only; import it where a server starts."""

import resource
from typing import Final

ENOUGH: Final = 256  # below this the processes themselves and a few people hardly fit
SPARE: Final = 64  # descriptors that a worker needs for itself, about


def raise_limit() -> int:
    """Raise the soft limit of open files as far as it goes; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    if soft == endless:
        return 1 << 20
    # macOS says "infinite" and then refuses more than kern.maxfilesperproc, so go down from a million.
    for wanted in (hard if hard != endless else 1 << 20, 1 << 18, 1 << 16, 10240, 4096, 1024):
        if soft < wanted and (hard == endless or wanted <= hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (ValueError, OSError):
                continue
            return wanted
    return soft


def complaint(limit: int) -> str | None:
    """Return what to say when a server cannot work with ``limit`` open files, else None."""
    if limit >= ENOUGH:
        return None
    return f"only {limit} files may be open at once and a server needs {ENOUGH}; run `ulimit -n 4096` first"
