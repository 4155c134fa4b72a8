"""How long a normal person waits to come in while thousands of connections drip single bytes and some flood lines.

The server runs with its limits; this machine's own address is exempt from the limit per address alone, so the attack
is as large as asked for. Who is closed for being too slow comes back at once, as an attacker would.
"""

import argparse
import selectors
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench.load import quantile
from bench.server import moot
from protocol import native

DRIP_S = 5.0  # between two bytes of one connection
JOIN_S = 0.05  # between two people, whether those before them are in or not
LINE = native.encode(native.Hello(nick="x" * 20, client="x" * 40))
PERSON_LIMIT_S = 60.0
READY = "under attack"


class Attack:
    """Keeps so many connections open, a byte now and then on each, and floods lines on a few more."""

    def __init__(self, port: int, loris: int, floods: int) -> None:
        self.port = port
        self.selector = selectors.EpollSelector()
        self.opened = 0
        self.dripping: dict[socket.socket, int] = {}  # bytes of the line it has sent; the longest untouched first
        for number in range(loris):
            self._open()
            if number % 100 == 0:
                self._read(0)
        self.flooding = [self._connect() for _ in range(floods)]

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ)
        self.opened += 1
        return sock

    def _open(self) -> None:
        self.dripping[self._connect()] = 0

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        due, step = time.monotonic(), DRIP_S / max(1, len(self.dripping))
        while time.monotonic() < end:
            while due <= time.monotonic():
                due += step
                self._drip()
            for sock in self.flooding:
                self._flood(sock)
            self._read(0.001)

    def _drip(self) -> None:
        sock = next(iter(self.dripping))
        sent = self.dripping.pop(sock)
        try:
            sock.send(LINE[sent : sent + 1])
        except OSError:
            self._close(sock)
            self._open()
            return
        self.dripping[sock] = min(sent + 1, len(LINE) - 2)

    def _flood(self, sock: socket.socket) -> None:
        try:
            sock.send(native.encode(native.Ping(id=1)) * 200)
        except BlockingIOError:
            pass
        except OSError:
            self._close(sock)
            self.flooding[self.flooding.index(sock)] = self._connect()

    def _read(self, timeout: float) -> None:
        for key, _events in self.selector.select(timeout):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            try:
                if sock.recv(1 << 16):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            self._close(sock)
            if self.dripping.pop(sock, None) is not None:
                self._open()
            else:
                self.flooding[self.flooding.index(sock)] = self._connect()

    def _close(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        sock.close()


def come_in(port: int, number: int, due: float) -> float:
    """Connect, say hello and join as a person would; return how long after ``due`` that was done, in seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=PERSON_LIMIT_S) as sock, sock.makefile("rb") as lines:
        sock.sendall(native.encode(native.Hello(id=1, nick=f"p{number}")))
        sock.sendall(native.encode(native.Join(id=2, room=f"#r{number % 20}")))
        for line in lines:
            event = native.decode_event(line)
            if isinstance(event, native.Error):
                raise SystemExit(f"the server refused: {event.text}")
            if isinstance(event, native.Room):
                return time.monotonic() - due
    raise SystemExit("the server closed the connection of a normal person")


def joins(port: int, count: int) -> list[float]:
    """Let ``count`` people come in, each when it is their turn; return how long each took, in milliseconds."""
    begin = time.monotonic()
    with ThreadPoolExecutor(count) as people:
        came = []
        for number in range(count):
            due = begin + number * JOIN_S
            time.sleep(max(0.0, due - time.monotonic()))
            came.append(people.submit(come_in, port, number, due))
        return [one.result() * 1000 for one in came]


def show(what: str, took: list[float]) -> None:
    p50, p99 = quantile(took, 0.5), quantile(took, 0.99)
    print(f"{what}: {len(took)} joins, p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(took):.1f} ms")


def attack(port: int, loris: int, floods: int, seconds: float) -> int:
    """The attacker's process."""
    made = Attack(port, loris, floods)
    print(READY, flush=True)
    made.run(seconds)
    print(f"{made.opened} connections were opened")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--floods", type=int, default=10, help="connections that flood lines")
    parser.add_argument("--joins", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--attack", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=120.0, help="the longest that the attack lasts")
    options = parser.parse_args()
    if options.attack:
        return attack(options.attack, options.connections, options.floods, options.seconds)
    with moot(options.workers, limits=True) as server:
        show("before", joins(server.port, min(100, options.joins)))
        command = [sys.executable, "-m", "bench.slowloris", "--attack", str(server.port)]
        command += ["--connections", str(options.connections), "--floods", str(options.floods)]
        command += ["--seconds", str(options.seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
            try:
                assert attacker.stdout is not None
                if attacker.stdout.readline().strip() != READY:
                    raise SystemExit("the attack did not begin")
                show(
                    f"{options.connections} slow lorises and {options.floods} floods", joins(server.port, options.joins)
                )
                if attacker.poll() is not None:
                    raise SystemExit("the attack ended too early; give it more --seconds")
            finally:
                attacker.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
