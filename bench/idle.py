"""How much memory idle connections cost: PSS of all server processes before and after, over their number."""

import argparse
import sys

from bench.load import Member
from bench.server import moot
from protocol import native


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with moot(options.workers) as server:
        first = Member(server.port, 0, probe=False)
        for _ in range(200):  # let everything that is loaded lazily be loaded
            first.ask(native.Ping(id=0), native.Pong)
        before = server.pss_kib()
        members = [Member(server.port, number, probe=False) for number in range(1, options.connections + 1)]
        first.ask(native.Ping(id=0), native.Pong)
        after = server.pss_kib()
        introduced = (after - before) / len(members)
        for number, member in enumerate(members):
            member.join(f"#idle{number % 500}")
        first.ask(native.Ping(id=0), native.Pong)
        joined = (server.pss_kib() - before) / len(members)
        print(
            f"{len(members)} idle connections over {options.workers} workers: {introduced:.1f} KiB each introduced, "
            f"{joined:.1f} KiB each in a room of 10; the empty server {before / 1024:.0f} MiB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
