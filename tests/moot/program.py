"""The commands of the program, run as a person would."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

MOOT: Final = (sys.executable, "-m", "moot")


def moot(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal to its end; return what came of it."""
    return subprocess.run(
        [*MOOT, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
        check=False,
    )
