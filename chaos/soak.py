"""`make soak`: the long proof. Hours by default; every part takes its size as an argument, to be run in minutes.

Kills and stops of each kind, each kind in a campaign of its own; all faults mixed; simulated power losses; churn.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from chaos.campaign import FAULTS


def parts(options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """Return the commands, by name."""
    times = {fault: options.kills if fault.startswith("kill-") else options.others for fault in options.faults}
    found = [(fault, ["chaos", "--faults", fault, "--times", str(count)]) for fault, count in times.items() if count]
    if options.mixed:
        found.append(("all mixed", ["chaos", "--seconds", str(options.mixed), "--disk", "2048"]))
    if options.powerlosses:
        found.append(("power losses", ["chaos.powerloss", "--count", str(options.powerlosses)]))
    if options.churn:
        found.append(("churn", ["chaos.churn", "--seconds", str(options.churn)]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of each kind of process")
    parser.add_argument("--others", type=int, default=50, help="of each other fault")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--mixed", type=float, default=1800.0, help="seconds of all faults together; 0: none")
    parser.add_argument("--powerlosses", type=int, default=10_000)
    parser.add_argument("--churn", type=float, default=3600.0, help="seconds; 0: none")
    options = parser.parse_args()
    failed = []
    for name, arguments in parts(options):
        begin = time.monotonic()
        print(f"=== {name}: python -m {' '.join(arguments)}", flush=True)
        status = subprocess.run([sys.executable, "-m", *arguments], cwd=Path(__file__).parent.parent, check=False)
        print(f"=== {name}: exit status {status.returncode} after {time.monotonic() - begin:.0f} s", flush=True)
        if status.returncode:
            failed.append(name)
    print(f"FAILED: {', '.join(failed)}" if failed else "every promise held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
