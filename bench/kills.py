"""Kill a process of the server again and again under load, and say what its clients noticed.

`python -m bench.kills broker --count 200`: acknowledged messages lost and doubled, clients disconnected, and the pause:
each client's longest wait for an acknowledgement around each kill. `python -m bench.kills worker --count 200`: lost
and doubled, other workers' clients that were disconnected too, and how long until the victim's clients were back.
"""

import argparse
import asyncio
import secrets
import sys

from chaos.campaign import Outcome, Plan, run
from chaos.report import Row, quantile, rows, table


def figures(kind: str, row: Row, outcome: Outcome) -> str:
    """Return the figures in one line."""
    lost = sum(one.kind == "lost" for one in outcome.violations)
    doubled = sum(one.kind == "doubled" for one in outcome.violations)
    head = f"kill -9 of a {kind} x {row.count} under {outcome.plan.rate:g} messages/s: {lost} lost, {doubled} doubled"
    if kind == "worker":
        back = [quantile(row.returns, q) for q in (0.5, 0.99, 1.0)]
        return (
            f"{head}, {row.disturbed} clients of other workers disconnected; {row.disconnected} clients of the victims "
            f"back after p50 {back[0]:.2f} s, p99 {back[1]:.2f} s, at most {back[2]:.2f} s"
        )
    pause = [quantile(row.pauses, q) for q in (0.5, 0.99, 1.0)]
    return (
        f"{head}, {row.disconnected} clients disconnected; pause p50 {pause[0]:.2f} s, p99 {pause[1]:.2f} s, "
        f"at most {pause[2]:.2f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("broker", "worker", "sandbox", "supervisor"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second, all clients together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    plan = Plan(
        seed=secrets.randbelow(1 << 32) if options.seed is None else options.seed,
        faults=(f"kill-{options.kind}",),
        times=options.count,
        clients=options.clients,
        plain=min(10, options.clients // 10),
        proxied=0,
        impatient=0,
        rate=options.rate,
        workers=options.workers,
    )
    outcome = asyncio.run(run(plan))
    for row in rows(outcome):
        print(figures(options.kind, row, outcome))
    if not outcome.sound:
        print(table(outcome))
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
