"""`python -m chaos`: run one campaign, print what each fault cost, and exit 1 when a promise was broken."""

import argparse
import asyncio
import secrets
import signal
import sys
from pathlib import Path

from chaos.campaign import FAULTS, Plan, run
from chaos.report import table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats a campaign's dice; default: a new one, printed")
    parser.add_argument("--seconds", type=float, default=100.0, help="how long faults are inflicted")
    parser.add_argument("--times", type=int, default=0, help="instead: until each fault was inflicted so often")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--plain", type=int, default=10, help="of the clients: people with nc")
    parser.add_argument("--proxied", type=int, default=20, help="of the clients: behind the fault proxy")
    parser.add_argument("--rooms", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second, all clients together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--disk", type=int, default=192, help="MiB of the disk that is filled")
    parser.add_argument("--keep", type=Path, help="directory for the evidence; it is kept in any case")
    options = parser.parse_args()
    plan = Plan(
        seed=secrets.randbelow(1 << 32) if options.seed is None else options.seed,
        seconds=options.seconds,
        faults=tuple(options.faults),
        times=options.times,
        clients=options.clients,
        plain=options.plain,
        proxied=options.proxied,
        rooms=options.rooms,
        rate=options.rate,
        workers=options.workers,
        disk_mib=options.disk,
        keep=options.keep,
    )
    print(f"seed {plan.seed}", file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a server and mounts must not outlive us
    try:
        outcome = asyncio.run(run(plan))
    except KeyboardInterrupt:
        return 130
    print(table(outcome))
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
