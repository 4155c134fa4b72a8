"""How long `moot --version` and `moot serve` take until they answer, best and median of several runs."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from bench.server import moot

READY_S: Final = 1.0  # what `moot serve` may take, the median


def version() -> None:
    subprocess.run([sys.executable, "-m", "moot", "--version"], check=True, stdout=subprocess.DEVNULL)


def timed(start: Callable[[], float], runs: int) -> tuple[str, float]:
    """Return what to say of so many starts, and their median, seconds."""
    times = [start() for _ in range(runs)]
    median = statistics.median(times)
    return f"best {min(times):.2f} s, median {median:.2f} s of {runs}", median


def version_once() -> float:
    begin = time.monotonic()
    version()
    return time.monotonic() - begin


def serve_once() -> float:
    begin = time.monotonic()
    with moot(2):
        return time.monotonic() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    print(f"moot --version: {timed(version_once, options.runs)[0]}")
    said, median = timed(serve_once, options.runs)
    print(f"moot serve, until it serves: {said}")
    if median > READY_S:
        print(f"that is more than the {READY_S:g} s it may take", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
