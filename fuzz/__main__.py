"""Run the fuzz targets under atheris, each in a process of its own, and say what came of it.

`python -m fuzz --seconds 30 [target ...]`. Exit status 1 when a target found something; its input is saved in
`.fuzz/found/` and shown, and `python -m fuzz --replay FILE target` runs it again.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.table import TARGETS

STATE: Final = Path(".fuzz")  # what earlier runs learned and found; not kept in the repository
GRACE_S: Final = 120.0  # to import everything and read the corpus
SLOW_S: Final = 2  # for one input
MAX_BYTES: Final = 1024  # of one input


@dataclass(frozen=True)
class Outcome:
    """What a run of one target gave."""

    name: str
    runs: int
    edges: int  # covered
    found: list[Path]
    output: str


def fuzz(name: str, seconds: int) -> Outcome:
    """Run one target for ``seconds``."""
    corpus, seeds, found = (STATE / part / name for part in ("corpus", "seeds", "found"))
    for directory in (corpus, seeds, found):
        directory.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    target = TARGETS[name]
    for number, one in enumerate([*target.seeds, *target.found(name)]):
        (seeds / f"{number:03}").write_bytes(one)
    words = STATE / f"{name}.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*target.words, "ann")))
    command = [
        *(sys.executable, "-m", "fuzz.one", name, str(corpus), str(seeds)),
        *(f"-max_total_time={seconds}", f"-artifact_prefix={found}/", f"-timeout={SLOW_S}", f"-max_len={MAX_BYTES}"),
        *(f"-dict={words}", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1"),
    ]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds + GRACE_S,
            env=_environment(),
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        broken = done.returncode != 0
    except subprocess.TimeoutExpired as err:
        output, broken = (err.stdout or b"").decode(errors="replace") + "\nthe target did not end in time", True
    new = sorted(set(found.iterdir()) - before)
    if broken and not new:
        new = [found / "no-input-was-saved"]
    runs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", output)
    edges = re.findall(r"\bcov: (\d+)", output)
    return Outcome(name, int(runs[-1]) if runs else 0, int(edges[-1]) if edges else 0, new, output)


def _excerpt(output: str) -> str:
    """Return the traceback in ``output``, else its end."""
    _, here, after = output.partition("=== Uncaught Python exception: ===")
    lines = after.partition("==")[0].splitlines() if here else output.splitlines()
    return "\n".join(lines[-40:])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0", "MOOT_CONFIG": ""}


def _escaped(word: str) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in word.encode())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="targets at once")
    parser.add_argument("--replay", type=Path, help="run one target on the input in this file, without atheris")
    options = parser.parse_args()
    chosen: list[str] = options.targets or list(TARGETS)
    if options.replay is not None:
        TARGETS[chosen[0]].run(options.replay.read_bytes())
        print(f"{chosen[0]} holds for {options.replay}")
        return 0
    failed = 0
    print(f"{'target':<13} {'runs':>10} {'edges':>7}  found", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(lambda name: fuzz(name, options.seconds), chosen):
            shown = " ".join(map(str, outcome.found)) or "nothing"
            print(f"{outcome.name:<13} {outcome.runs:>10,} {outcome.edges:>7,}  {shown}", flush=True)
            if outcome.found:
                failed += 1
                print(_excerpt(outcome.output), file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
