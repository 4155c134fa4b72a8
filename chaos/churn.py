"""An hour of coming and going: does any process of the server grow? `python -m chaos.churn --seconds 3600`.

Clients connect, join, say, are refused, leave and vanish, always new ones; every few seconds memory (RSS) and open
descriptors of each server process are sampled. The later part of the samples must be flat, no process may have been
replaced, and nearly all clients must have been served.
"""

import argparse
import asyncio
import contextlib
import random
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from chaos.server import Target, attacked
from client.net import ChatError, connect

EVERY_S: Final = 5.0  # between two samples
SETTLED: Final = 0.4  # of the time is left out: what is filled once and then kept
GROWTH: Final = 0.05  # of the mean, that memory may grow from the beginning to the end of what is looked at
SLACK_MIB: Final = 4.0  # so much is no growth: what an allocator takes at once
PROCESSES: Final = 5  # supervisor, broker, sandbox and two workers
FDS: Final = 8.0  # descriptors, likewise
SERVED: Final = 0.9  # of the visits go as they should; the others are in each other's way


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure of one process over time: the straight line that fits it best."""

    name: str
    unit: str
    first: float  # of the line, where the looked at part begins
    last: float  # and ends
    samples: int

    @property
    def flat(self) -> bool:
        allowed = FDS if self.unit == "descriptors" else max(SLACK_MIB, GROWTH * self.first)
        return self.last - self.first <= allowed

    def __str__(self) -> str:
        verdict = "flat" if self.flat else "GROWS"
        return f"{self.name:<12} {self.first:>8.1f} -> {self.last:>8.1f} {self.unit:<11} {verdict}"


def trend(name: str, unit: str, samples: Sequence[tuple[float, float]]) -> Trend:
    """Fit a line through the later part of ``samples`` (seconds, value) by least squares."""
    kept = samples[int(len(samples) * SETTLED) :]
    count = len(kept)
    mean_t = sum(t for t, _ in kept) / count
    mean_v = sum(v for _, v in kept) / count
    spread = sum((t - mean_t) ** 2 for t, _ in kept)
    slope = sum((t - mean_t) * (v - mean_v) for t, v in kept) / spread if spread else 0.0
    begin, end = (mean_v + slope * (kept[at][0] - mean_t) for at in (0, -1))
    return Trend(name, unit, begin, end, count)


async def visit(target: Target, rng: random.Random, number: int, rooms: int) -> bool:
    """Be one short-lived client: come, say a few things, leave politely or not. Return whether all of it went well."""
    token = f"visitor-{number % 5000:016d}"  # some come back as who they were
    host = target.address()
    room = f"#r{rng.randrange(rooms)}"
    try:
        async with asyncio.timeout(20):
            async with connect(str(host), nick=f"v{number}", rooms=[room], token=token, any_nick=True) as chat:
                for turn in range(rng.randrange(1, 6)):
                    await chat.send(room, f"message {turn} of {number}")
                    await asyncio.sleep(rng.uniform(0, 0.5))
                if rng.random() < 0.3:
                    await chat.leave(room)
                if rng.random() < 0.05:
                    await chat.fun(room, "/cowsay hello")
    except (ChatError, TimeoutError, OSError):
        return False  # replaced by the next one with the same token, refused, or in a room it has left
    return True


@dataclass(slots=True)
class Outcome:
    """How the server fared."""

    trends: list[Trend] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)  # processes that did not live to the end
    visits: int = 0  # that ended by themselves
    served: int = 0  # of them

    @property
    def sound(self) -> bool:
        return all(one.flat for one in self.trends) and not self.replaced and self.served >= SERVED * self.visits > 0


async def churn(seconds: float, rate: float, seed: int, rooms: int) -> Outcome:
    """Let ``rate`` clients a second come and go."""
    rng = random.Random(seed)
    series: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    visits: set[asyncio.Task[bool]] = set()
    outcome = Outcome()

    def ended(visit: asyncio.Task[bool]) -> None:
        visits.discard(visit)
        if not visit.cancelled():
            outcome.visits += 1
            outcome.served += visit.result()

    with tempfile.TemporaryDirectory(prefix="moot-churn-") as place:
        target = Target(Path(place) / "data", Path(place) / "log", "--no-limits", "--workers", "2")
        async with attacked(target):
            await target.until(lambda: len(target.processes()) == PROCESSES, "all processes to be ready")
            first = target.processes()
            begin, count, next_sample = time.monotonic(), 0, 0.0
            while (now := time.monotonic() - begin) < seconds:
                while count < now * rate:
                    count += 1
                    task = asyncio.create_task(visit(target, rng, count, rooms))
                    visits.add(task)
                    task.add_done_callback(ended)
                if now >= next_sample:
                    next_sample = now + EVERY_S
                    _sample(target, now, series)
                await asyncio.sleep(0.02)
            last = target.processes()
            outcome.replaced = [name for name, pid in first.items() if last.get(name) != pid]
            for task in visits:
                task.cancel()
            await asyncio.gather(*visits, return_exceptions=True)
    outcome.trends = [trend(name, unit, samples) for (name, unit), samples in sorted(series.items())]
    return outcome


def _sample(target: Target, now: float, series: dict[tuple[str, str], list[tuple[float, float]]]) -> None:
    for name, pid in target.processes().items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            series[name, "MiB"].append((now, process.memory_info().rss / (1 << 20)))
            series[name, "descriptors"].append((now, float(process.num_fds())))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.churn", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--rate", type=float, default=30.0, help="new clients a second")
    parser.add_argument("--rooms", type=int, default=50)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    outcome = asyncio.run(churn(options.seconds, options.rate, seed, options.rooms))
    for one in outcome.trends:
        print(one)
    for name in outcome.replaced:
        print(f"{name:<12} DID NOT LIVE to the end")
    print(
        f"{options.seconds:g} s of {options.rate:g} clients a second, {outcome.served:,} of {outcome.visits:,} served: "
        f"{'sound' if outcome.sound else 'NOT SOUND'}; seed {seed}"
    )
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
