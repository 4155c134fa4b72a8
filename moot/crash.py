"""The outermost edge: a person sees one sentence, the traceback goes to a file. Imports nothing heavy."""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path


def report(error: BaseException, argv: list[str]) -> str:
    """Write ``error``'s traceback to a file of its own; return the sentence for the person."""
    what = f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    lines = [f"moot {' '.join(argv)}\nPython {sys.version}\n{sys.platform}\n\n", *traceback.format_exception(error)]
    for directory in _places():
        path = directory / f"crash-{stamp}-{os.getpid()}.txt"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", errors="replace") as file:
                file.writelines(lines)
        except OSError:
            continue
        return f"moot: internal error ({what}); please report it with the file {path}"
    return f"moot: internal error ({what}); nowhere to write the traceback, run again with a writable {_places()[0]}"


def _places() -> list[Path]:
    places = [Path(tempfile.gettempdir())]
    try:
        from moot.config import state_dir

        places.insert(0, state_dir())
    except Exception:
        pass  # what broke may be the very modules that know the place
    return places
