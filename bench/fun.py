"""How long a cow takes through the sandbox: forked, caged, drawn and answered, and what a looping command costs."""

import argparse
import sys
import time
from pathlib import Path

from funcmds.trial import Trial
from protocol.settings import Settings

PLUGINS = Path(__file__).parent.parent / "tests" / "plugins"  # has a command that loops


def timed(trial: Trial, line: str) -> float:
    begin = time.monotonic()
    trial.render(line)
    return (time.monotonic() - begin) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    sys.path.append(str(PLUGINS))
    with Trial(Settings()) as trial:
        times = sorted(timed(trial, "/cowsay -f tux hello there") for _ in range(options.runs))
        loop_ms = timed(trial, "/loop")
        print(
            f"a cow: p50 {times[len(times) // 2]:.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms of {len(times)}; "
            f"the error for a command that loops: {loop_ms:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
