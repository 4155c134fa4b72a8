"""Some of many clients stop reading: what that costs the server in memory, and the others in latency.

Clients sit in rooms of equal size and talk at a steady rate, each below the flood limit, for the server runs with its
limits. First all read; then a part of them does not, for some time; at last those read again, and every message must
be there once and in order. One process, one thread, epoll; latency counts from the moment a message was due.
"""

import argparse
import selectors
import sys
import time

from bench.load import Member, quantile, received
from bench.server import Server, moot
from protocol import native

REPORT_S = 10.0
CATCH_UP_S = 120.0


class Reader(Member):
    """A member that counts, or decodes what it reads."""

    def __init__(self, port: int, number: int, room: str) -> None:
        super().__init__(port, number, probe=False)
        self.room = room
        self.join(room)

    def take(self, chunk: bytes, latencies_ms: list[float] | None) -> None:
        """Decode ``chunk`` if this is one of those that are looked at; note the latencies if somebody wants them."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        if not self.probe:
            return
        now = time.monotonic()
        for line in lines:
            event = native.decode_event(line)
            for msg in [event] if isinstance(event, native.Msg) else getattr(event, "messages", []):
                if msg.seq != self.last + 1:
                    raise SystemExit(f"m{self.number} got {msg.seq} of {msg.room} after {self.last}")
                self.last = msg.seq
                if latencies_ms is not None:
                    latencies_ms.append((now - float(msg.text.split(" ", 1)[0])) * 1000)


class Crowd:
    """Everybody, and the talk."""

    def __init__(self, port: int, clients: int, rooms: int, slow: int, size: int) -> None:
        self.readers = [Reader(port, number, f"#r{number % rooms}") for number in range(clients)]
        self.size = size
        self.sent = dict.fromkeys((reader.room for reader in self.readers), 0)
        self.selector = selectors.EpollSelector()
        for number, reader in enumerate(self.readers):
            reader.ask(native.Ping(id=0), native.Pong)  # every join notice is out of the way
            reader.rest = b""
            reader.sock.setblocking(False)
            reader.probe = number < 2 * rooms or number >= clients - slow
            self.selector.register(reader.sock, selectors.EVENT_READ, reader)
        self.slow = self.readers[clients - slow :]
        self.turn = 0

    def talk(self, rate: float, seconds: float) -> list[float]:
        """Say ``rate`` messages a second; return the latencies of the first members, in milliseconds."""
        latencies: list[float] = []
        due = time.monotonic()
        end = due + seconds
        while (now := time.monotonic()) < end:
            while due <= now:
                self._say(due)
                due += 1.0 / rate
            self._receive(max(0.0, min(due, end) - time.monotonic()), latencies)
        return latencies

    def _say(self, due: float) -> None:
        quick = len(self.readers) - len(self.slow)
        sender = self.readers[self.turn % quick]
        self.turn += 1
        self.sent[sender.room] += 1
        text = f"{due:.6f} ".ljust(self.size, "x")
        sender.write(native.encode(native.Send(cmid=f"c{self.turn}", to=sender.room, text=text)))

    def _receive(self, timeout: float, latencies: list[float] | None) -> None:
        for reader, chunk in received(self.selector, timeout):
            assert isinstance(reader, Reader)
            reader.take(chunk, latencies)

    def stop_reading(self) -> None:
        for reader in self.slow:
            self.selector.unregister(reader.sock)

    def catch_up(self) -> float:
        """Let everybody read to the end of what was said; return how long that took."""
        began = time.monotonic()
        for reader in self.slow:
            self.selector.register(reader.sock, selectors.EVENT_READ, reader)
        while any(reader.last < self.sent[reader.room] for reader in self.readers if reader.probe):
            self._receive(0.1, None)
            if time.monotonic() - began > CATCH_UP_S:
                behind = [reader for reader in self.slow if reader.last < self.sent[reader.room]]
                raise SystemExit(f"{len(behind)} clients did not catch up within {CATCH_UP_S:g} s")
        return time.monotonic() - began


def measure(server: Server, options: argparse.Namespace) -> int:
    print(f"{options.clients} clients in {options.rooms} rooms come in", file=sys.stderr, flush=True)
    crowd = Crowd(server.port, options.clients, options.rooms, options.slow, options.size)
    crowd.talk(options.rate, 2.0)  # warm
    before = quantile(crowd.talk(options.rate, options.before), 0.99)
    memory = server.pss_kib()
    print(f"all read: p99 {before:.1f} ms, {memory / 1024:.1f} MiB", flush=True)
    crowd.stop_reading()
    latencies: list[float] = []
    grown, began, seconds = 0, time.monotonic(), options.minutes * 60
    while (left := began + seconds - time.monotonic()) > 0:
        part = crowd.talk(options.rate, min(REPORT_S, left))
        latencies += part
        now = server.pss_kib() - memory
        grown = max(grown, now)
        print(
            f"{time.monotonic() - began:5.0f} s without {options.slow} of them: p99 {quantile(part, 0.99):.1f} ms, "
            f"memory {now / 1024:+.1f} MiB",
            flush=True,
        )
    after = quantile(latencies, 0.99)
    took = crowd.catch_up()
    print(
        f"{options.slow} of {options.clients} did not read for {options.minutes:g} min: "
        f"memory {grown / 1024:+.1f} MiB at most, "
        f"p99 of the others {after:.1f} ms ({after / before:.2f} times {before:.1f} ms); "
        f"replayed in {took:.1f} s, nothing lost or doubled"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200.0, help="messages a second in all")
    parser.add_argument("--size", type=int, default=1000, help="characters in a message")
    parser.add_argument("--before", type=float, default=15.0, help="seconds while all read")
    parser.add_argument("--minutes", type=float, default=1.0, help="while some do not")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    patience = str(options.minutes * 60 + 300)  # nobody is to be closed before the end
    with moot(options.workers, "--lag-limit", patience, limits=True) as server:
        return measure(server, options)


if __name__ == "__main__":
    sys.exit(main())
