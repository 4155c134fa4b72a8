"""How long `moot --version` and `moot serve` take until they answer, best and median of several runs."""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench.server import moot


def version() -> None:
    subprocess.run([sys.executable, "-m", "moot", "--version"], check=True, stdout=subprocess.DEVNULL)


def timed(start: Callable[[], float], runs: int) -> str:
    times = [start() for _ in range(runs)]
    return f"best {min(times):.2f} s, median {statistics.median(times):.2f} s of {runs}"


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
    print(f"moot --version: {timed(version_once, options.runs)}")
    print(f"moot serve, until it serves: {timed(serve_once, options.runs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
