"""One room, a few senders, rising rates: how fast, how late, at what cost. `make bench` runs it.

Prints, for each rate, deliveries a second, how many were lost, latency from the moment a message was due to the moment
a member had read it, and the server's CPU (all its processes) per delivery, beside a bare broadcast server.
"""

import argparse
import json
import sys
import time
from contextlib import AbstractContextManager

from bench.load import Load, Result, fill_room
from bench.server import Server, baseline, moot


def measure(server: Server, size: int, senders: int, rate: int, seconds: float, text: int) -> Result:
    """Drive one rate, in deliveries a second, and return what came of it."""
    members = fill_room(server.port, size)
    load = Load(members, senders, text)
    cpu, own = server.cpu_seconds(), time.process_time()
    result = load.run(rate / size, seconds)
    result.cpu_s = server.cpu_seconds() - cpu
    result.own_cpu_s = time.process_time() - own
    for member in members:
        member.sock.close()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--senders", type=int, default=5)
    parser.add_argument("--size", type=int, default=100, help="characters in a message")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each rate")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--rates", type=int, nargs="+", default=[20_000, 100_000, 400_000, 1_000_000, 1_500_000, 2_000_000]
    )
    parser.add_argument("--baseline-up-to", type=int, default=400_000, help="rates the bare server is tried at")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(
        f"a room of {options.members}, {options.senders} senders, {options.size}-character messages, "
        f"{options.seconds:g} s each; moot with {options.workers} workers, every message synced to disk",
        file=sys.stderr,
    )
    print(
        f"{'':>5} {'asked/s':>10} {'delivered/s':>12} {'lost':>6} {'order':>6} {'p50 ms':>7} {'p99 ms':>7} "
        f"{'CPU us/delivery':>16} {'load CPU':>9} {'vs bare':>8}"
    )
    for rate in options.rates:
        bare_cost = None
        for name in ("bare", "moot") if rate <= options.baseline_up_to else ("moot",):
            server_of: AbstractContextManager[Server] = baseline() if name == "bare" else moot(options.workers)
            with server_of as server:
                result = measure(server, options.members, options.senders, rate, options.seconds, options.size)
            cost = result.cpu_s / max(1, result.delivered) * 1e6
            ratio = f"{cost / bare_cost:.2f}" if bare_cost else ""
            if name == "bare":
                bare_cost = cost
            per_s = result.delivered / result.seconds
            own = result.own_cpu_s / result.seconds
            print(
                f"{name:>5} {rate:>10,} {per_s:>12,.0f} {result.lost:>6} {result.out_of_order:>6} "
                f"{result.quantile(0.5):>7.1f} {result.quantile(0.99):>7.1f} {cost:>16.2f} {own:>8.0%} {ratio:>8}",
                flush=True,
            )
            if options.json:
                print(
                    json.dumps({"server": name, "asked": rate, "delivered": per_s, "lost": result.lost, "cpu_us": cost})
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
