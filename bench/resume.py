"""Clients that come back after very many messages: whether they get all of them, how long it takes, what others feel.

A room is filled before the server starts. Then people talk at a steady rate, in that room too, while one client and
then ten resume from the room's first message, page by page, each in a process of its own. Prints the holes in what
they got, the time it took them, and the talkers' latency from the moment a message was due until members had it,
without and with them.
"""

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.durable import Step, Talk
from bench.server import moot
from broker.log import Log
from protocol import native

ROOM: Final = "#r0"  # one of those that are talked in
PAGE: Final = 500
LIMIT_S: Final = 300.0
_TEXT: Final = re.compile(rb'"text":"(\d+) ')


class Others(Talk):
    """Talkers, timed by what they hear."""

    def _take(self, lines: bytes, result: Step) -> None:
        now = time.monotonic()
        result.heard_ms += [(now - self.due[int(number)]) * 1000 for number in _TEXT.findall(lines)]
        super()._take(lines, result)


class Resumer:
    """One client that has missed everything in the room. Applies what comes as the protocol says."""

    def __init__(self, port: int, number: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self.rest = b""
        self.last = 0  # seq of the newest message got without a hole before it
        self.newest = 0  # seq of the newest that is known to exist
        self.held: set[int] = set()  # live ones beyond it
        self.holes = 0
        self.got = 0
        self._write(native.Hello(id=0, nick=f"late{number}"))

    def run(self) -> dict[str, float]:
        """Resume; return what came of it."""
        began = time.monotonic()
        caught_up = False
        while not caught_up:
            chunk = self.sock.recv(1 << 18)
            if not chunk:
                raise SystemExit("the server closed the connection")
            *lines, self.rest = (self.rest + chunk).split(b"\n")
            for line in lines:
                self._take(native.decode_event(line))
            caught_up = 0 < self.newest <= self.last
        return {"seconds": time.monotonic() - began, "holes": self.holes, "got": self.got}

    def _take(self, event: native.Event) -> None:
        match event:
            case native.Welcome():
                self._write(native.Join(id=1, room=ROOM, after=0, epoch=event.epoch))
            case native.Room():
                if event.reset:
                    raise SystemExit("the server started the room anew")
                self.newest = max(self.newest, event.seq)
                self._page(event.messages, event.gaps)
            case native.HistoryPage():
                self._page(event.messages, event.gaps)
            case native.Msg() if event.room == ROOM:
                self.newest = max(self.newest, event.seq)
                self.held.add(event.seq)
                self._drain()
            case native.Error() | native.Bye():
                raise SystemExit(f"the server refused: {event}")

    def _page(self, messages: list[native.Msg], gaps: list[native.Gap]) -> None:
        self.holes += sum(last - first + 1 for first, last in gaps)
        for msg in messages:
            if msg.seq > self.last:
                self.holes += msg.seq - self.last - 1
                self.got += 1
                self.last = msg.seq
        self._drain()
        if self.last < self.newest:
            self._write(native.History(id=2, room=ROOM, after=self.last, limit=PAGE))

    def _drain(self) -> None:
        while self.last + 1 in self.held:
            self.last += 1
            self.got += 1
            self.held.discard(self.last)

    def _write(self, request: native.Request) -> None:
        self.sock.sendall(native.encode(request))


def fill(data: Path, count: int, size: int) -> None:
    """Put ``count`` messages into the room of a log that no server has yet."""
    data.mkdir(mode=0o700)
    log = Log(data / "moot.db")
    for number in range(count):
        text = f"{number} ".ljust(size, "x")
        log.append(ROOM, b"0123456789abcdef", f"f{number}", 1_700_000_000_000 + number, "past", "text", text)
        if number % 5000 == 4999:
            log.commit()
    log.commit()
    log.close()


def resume(port: int, others: Others, clients: int, rate: float) -> tuple[Step, list[dict[str, float]]]:
    """Let ``clients`` resume while the others talk; return what these felt, and what each client says."""
    command = [sys.executable, "-m", "bench.resume", "--port", str(port), "--resumer"]
    started = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, start_new_session=True)
        for number in range(clients)
    ]
    felt = others.step(rate, LIMIT_S, lambda: all(process.poll() is not None for process in started))
    if any(process.poll() is None for process in started):
        for process in started:
            process.kill()
        raise SystemExit(f"clients had not resumed after {LIMIT_S:g} s")
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a client could not resume")
    return felt, [json.loads(line) for line in said]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000, help="missed")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 10], help="that resume at once")
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second that the others say")
    parser.add_argument("--others", type=int, default=40)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--size", type=int, default=100, help="characters in a message")
    parser.add_argument("--seconds", type=float, default=10.0, help="of talk without anybody resuming")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="on the disk to be measured")
    parser.add_argument("--resumer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.resumer is not None:
        print(json.dumps(Resumer(options.port, options.resumer).run()))
        return 0
    holes = 0
    with tempfile.TemporaryDirectory(prefix="moot-resume-", dir=options.directory) as kept:
        data = Path(kept, "server")
        fill(data, options.messages, options.size)
        print(
            f"{options.messages:,} messages missed; {options.others} others in {options.rooms} rooms say "
            f"{options.rate:g} a second",
            file=sys.stderr,
        )
        print(f"{'resume':>6} {'holes':>6} {'got':>10} {'seconds':>8} {'others p50 ms':>14} {'p99 ms':>7} {'ratio':>6}")
        with moot(options.workers, "--data", str(data)) as server:
            others = Others(server.port, options.others, options.rooms, options.size)
            others.step(options.rate, 1.0)  # warm
            alone = others.step(options.rate, options.seconds).heard()
            print(
                f"{0:>6} {'':>6} {'':>10} {'':>8} {alone.quantile(0.5):>14.1f} {alone.quantile(0.99):>7.1f}", flush=True
            )
            for clients in options.clients:
                felt, said = resume(server.port, others, clients, options.rate)
                heard = felt.heard()
                missed, got = (sum(int(one[key]) for one in said) for key in ("holes", "got"))
                holes += missed
                print(
                    f"{clients:>6} {missed:>6} {got:>10,} {max(one['seconds'] for one in said):>8.1f} "
                    f"{heard.quantile(0.5):>14.1f} {heard.quantile(0.99):>7.1f} "
                    f"{heard.quantile(0.99) / alone.quantile(0.99):>6.1f}",
                    flush=True,
                )
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
