"""How many messages a second the server acknowledges, each synced to disk before, and how late: rising rates.

Connections in small rooms talk open-loop, so latency counts from the moment a message was due to its `ok`. Beside it
stands what the disk itself takes in the same minute: a bare SQLite loop that commits whatever is due by then, on the
same schedule, and one that commits each message by itself. At the end the server is stopped, and every message that
it acknowledged must be in its database, with the seq that was told.
"""

import argparse
import re
import selectors
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

from bench.load import Member, quantile, received
from bench.server import Server, moot
from protocol import native

AIM_MS: Final = 25.0  # p99 of an acknowledgement
SHARE: Final = 0.99  # of the rate asked for that must be acknowledged for a step to count; of what was said, all
DRAIN_S: Final = 5.0
_OK: Final = re.compile(rb'\{"ev":"ok","room":"(#\w+)","seq":(\d+),"time":\d+,"id":(\d+)\}')
_SCHEMA: Final = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;
CREATE TABLE messages (room INTEGER, seq INTEGER, time INTEGER, sender BLOB, cmid TEXT, nick TEXT, kind TEXT, text TEXT,
    PRIMARY KEY (room, seq)) WITHOUT ROWID;
CREATE UNIQUE INDEX once ON messages (sender, cmid);
"""


@dataclass
class Step:
    """What one rate gave."""

    sent: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)  # of acknowledgements
    heard_ms: list[float] = field(default_factory=list)  # of deliveries, when they are timed
    broker_cpu: float = 0.0  # of a core
    workers_cpu: float = 0.0
    own_cpu: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def quantile(self, q: float) -> float:
        return quantile(self.latencies_ms, q)

    def heard(self) -> "Step":
        """Return the same with the latencies of deliveries in the place of those of acknowledgements."""
        return Step(self.sent, self.seconds, self.heard_ms)

    def holds(self, rate: float) -> bool:
        whole = len(self.latencies_ms) == self.sent  # else those that never came are missing among the late ones
        return whole and self.per_s >= SHARE * rate and self.quantile(0.99) <= AIM_MS


class Talk:
    """Connections in rooms, and what they were acknowledged."""

    def __init__(self, port: int, members: int, rooms: int, size: int) -> None:
        self.size = size
        self.members = [Member(port, number, probe=False) for number in range(members)]
        self.room_of = [f"#r{number % rooms}" for number in range(members)]
        self.selector = selectors.EpollSelector()
        for member, room in zip(self.members, self.room_of, strict=True):
            member.join(room)
        for member in self.members:
            member.ask(native.Ping(id=0), native.Pong)  # every join notice is out of the way
            member.rest = b""
            member.sock.setblocking(False)
            self.selector.register(member.sock, selectors.EVENT_READ, member)
        self.due: list[float] = []  # by id of a message
        self.stored: dict[tuple[str, int], int] = {}  # acknowledged: room and seq -> id

    def step(self, rate: float, seconds: float, ended: Callable[[], bool] = lambda: False) -> Step:
        """Say ``rate`` messages a second for ``seconds`` or until ``ended``, and wait for what is still owed."""
        result = Step()
        began = time.monotonic()
        due, end = began, began + seconds
        while (now := time.monotonic()) < end and not ended():
            while due <= now:
                self._say(due)
                result.sent += 1
                due += 1.0 / rate
            self._receive(max(0.0, min(due, end) - time.monotonic()), result)
        result.seconds = time.monotonic() - began
        until = time.monotonic() + DRAIN_S
        while len(result.latencies_ms) < result.sent and time.monotonic() < until:
            self._receive(0.05, result)
        return result

    def _say(self, due: float) -> None:
        number = len(self.due)
        self.due.append(due)
        index = number % len(self.members)
        text = f"{number} ".ljust(self.size, "x")
        send = native.Send(id=number, cmid=f"c{number}", to=self.room_of[index], text=text)
        self.members[index].write(native.encode(send))

    def _receive(self, timeout: float, result: Step) -> None:
        for member, chunk in received(self.selector, timeout):
            whole, _, member.rest = (member.rest + chunk).rpartition(b"\n")
            self._take(whole, result)
        for member in self.members:
            if member.out:
                member.write(b"")

    def _take(self, lines: bytes, result: Step) -> None:
        now = time.monotonic()
        for room, seq, number in _OK.findall(lines):
            index = int(number)
            result.latencies_ms.append((now - self.due[index]) * 1000)
            self.stored[room.decode(), int(seq)] = index
        if b'"ev":"error"' in lines:
            raise SystemExit(f"the server refused: {lines[lines.index(b'error') - 7 :][:200]!r}")


def missing(stored: dict[tuple[str, int], int], path: Path) -> int:
    """Return how many acknowledged messages are not in the database at ``path`` as they were acknowledged."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    query = "SELECT rooms.name, seq, cmid FROM messages JOIN rooms ON rooms.id = messages.room"
    kept = {(room, seq): cmid for room, seq, cmid in db.execute(query)}
    db.close()
    return sum(kept.get(key) != f"c{number}" for key, number in stored.items())


@contextmanager
def bare(directory: Path) -> Iterator[apsw.Connection]:
    """A database as bare as can be, with the log's durability."""
    path = directory / "bare.db"
    db = apsw.Connection(str(path))
    db.execute(_SCHEMA).fetchall()
    try:
        yield db
    finally:
        db.close()
        for file in directory.glob("bare.db*"):
            file.unlink()


def bare_step(directory: Path, rate: float, seconds: float, size: int) -> Step:
    """Commit whatever is due, again and again, on the same schedule."""
    result = Step()
    with bare(directory) as db:
        began = time.monotonic()
        due, end, seq = began, began + seconds, 0
        while (now := time.monotonic()) < end:
            rows = []
            first = due
            while due <= now:
                seq += 1
                rows.append((1, seq, int(now), b"0123456789abcdef", f"c{seq}", "nick", "text", "x" * size))
                due += 1.0 / rate
            if not rows:
                time.sleep(max(0.0, due - time.monotonic()))
                continue
            with db:
                db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            done = time.monotonic()
            result.latencies_ms += [(done - first - number / rate) * 1000 for number in range(len(rows))]
        result.sent, result.seconds = seq, time.monotonic() - began
    return result


def bare_singly(directory: Path, seconds: float, size: int) -> float:
    """Return the commits a second of one message each."""
    with bare(directory) as db:
        began, seq = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < seconds:
            seq += 1
            row = (1, seq, 0, b"0123456789abcdef", f"c{seq}", "nick", "text", "x" * size)
            db.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return seq / elapsed


def cpu(server: Server) -> tuple[float, float]:
    """Return the CPU seconds so far of the broker, and of the workers together. The broker is who has the log open."""
    broker = workers = 0.0
    for process in server.processes()[1:]:
        used = sum(process.cpu_times()[:2])
        if any(file.path.endswith("moot.db") for file in process.open_files()):
            broker += used
        else:
            workers += used
    return broker, workers


def measured(server: Server, talk: Talk, rate: int, seconds: float) -> Step:
    broker, workers = cpu(server)
    own = time.process_time()
    step = talk.step(rate, seconds)
    broker_after, workers_after = cpu(server)
    step.broker_cpu = (broker_after - broker) / step.seconds
    step.workers_cpu = (workers_after - workers) / step.seconds
    step.own_cpu = (time.process_time() - own) / step.seconds
    return step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--size", type=int, default=100, help="characters in a message")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each rate")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rates", type=int, nargs="+", default=[10_000, 12_500, 15_000, 20_000, 25_000, 30_000])
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="on the disk to be measured")
    options = parser.parse_args()
    best, lost = 0, 0
    with tempfile.TemporaryDirectory(prefix="moot-durable-", dir=options.directory) as kept:
        data = Path(kept)
        singly = bare_singly(data, min(3.0, options.seconds), options.size)
        print(
            f"{options.connections} connections in {options.rooms} rooms, {options.size}-character messages, "
            f"{options.seconds:g} s each; this disk syncs {singly:,.0f} single messages/s",
            file=sys.stderr,
        )
        print(
            f"{'asked/s':>8} {'acked/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7} {'bare p99':>8} {'ratio':>6} "
            f"{'broker':>7} {'workers':>8} {'load':>5}"
        )
        with moot(options.workers, "--data", str(data / "server")) as server:
            talk = Talk(server.port, options.connections, options.rooms, options.size)
            talk.step(1000, 1.0)  # warm
            for rate in options.rates:
                floor = bare_step(data, rate, min(5.0, options.seconds), options.size)
                step = measured(server, talk, rate, options.seconds)
                print(
                    f"{rate:>8,} {step.per_s:>8,.0f} {step.quantile(0.5):>7.1f} {step.quantile(0.99):>7.1f} "
                    f"{step.quantile(1.0):>7.1f} {floor.quantile(0.99):>8.1f} "
                    f"{step.quantile(0.99) / floor.quantile(0.99):>6.1f} "
                    f"{step.broker_cpu:>7.0%} {step.workers_cpu:>8.0%} {step.own_cpu:>5.0%}",
                    flush=True,
                )
                if not step.holds(rate):
                    break
                best = rate
        lost = missing(talk.stored, data / "server" / "moot.db")
    print(
        f"held {best:,} messages/s with p99 <= {AIM_MS:g} ms; of {len(talk.stored):,} acknowledged {lost} are missing"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
