"""What a delivery costs by what its reader speaks: IRC without capabilities, with all, in several variants; native.

A room hears messages at a steady rate from two native senders. Each kind of reader is measured beside people with `nc`
whose messages are padded until they get as many bytes a delivery, one after the other, some rounds; the figures are
medians. The aim is that IRC with all capabilities costs at most twice that.
"""

import argparse
import contextlib
import json
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.load import DRAIN_S, ROOM, Member
from bench.server import moot
from protocol import native

MARK: Final = b"qzq"  # in every message, and in nothing else
SENDERS: Final = 2
AIM: Final = 2.0  # at most; cost of IRC with all capabilities against the bytes-equal plain case
# Capabilities that change nothing of what a room hears, or would have the client do something first.
UNASKED: Final = ("sasl", "sts")
MIXTURE: Final = (
    (),
    ("server-time",),
    ("message-tags",),
    ("server-time", "message-tags"),
    ("server-time", "account-tag"),
    ("message-tags", "server-time", "account-tag", "draft/message-redaction"),
    ("multi-prefix", "away-notify", "extended-join", "account-notify"),
    ("batch", "server-time", "message-tags", "draft/multiline", "echo-message", "labeled-response"),
)


class Reader:
    """Somebody in the room, who only counts."""

    def __init__(self, port: int, number: int, enter: "Enter") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.messages = 0
        self.bytes = 0
        self._rest = b""
        enter(self, number)
        self.sock.setblocking(False)

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def until(self, words: str) -> str:
        """Wait for ``words``; return the text up to them."""
        got = b""
        while words.encode() not in got:
            chunk = self.sock.recv(1 << 16)
            if not chunk:
                raise SystemExit(f"the server closed the connection of reader {self.number}: {got!r}")
            got += chunk
        return got.decode(errors="replace")

    def read(self) -> None:
        try:
            chunk = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        if not chunk:
            raise SystemExit(f"the server closed the connection of reader {self.number}")
        self.bytes += len(chunk)
        whole = self._rest + chunk
        self.messages += whole.count(MARK)
        self._rest = whole[-len(MARK) + 1 :]


Enter = Callable[[Reader, int], None]


def with_nc(reader: Reader, number: int) -> None:
    reader.say(f"p{number}")
    reader.until("#lobby")
    reader.say(f"/join {ROOM}")
    reader.until(f"in {ROOM}")


def with_irc(caps: Sequence[str] | None) -> Enter:
    """``caps``: None, and all are asked for that the server offers."""

    def enter(reader: Reader, number: int) -> None:
        reader.say("CAP LS 302", f"NICK i{number}", f"USER i{number} 0 * :Reader")
        offered = [word.partition("=")[0] for line in _lists(reader) for word in line.split()]
        asked = [cap for cap in offered if cap not in UNASKED] if caps is None else list(caps)
        while asked:
            reader.say(f"CAP REQ :{' '.join(asked[:8])}")
            if " ACK " not in reader.until(f"{asked[:8][-1]}"):
                raise SystemExit(f"the server refused a capability of {asked[:8]}")
            del asked[:8]
        reader.say("CAP END", f"JOIN {ROOM}", "PING :entered")
        reader.until("entered")

    return enter


def _lists(reader: Reader) -> list[str]:
    """Return what CAP LS brings, line by line; every line but the last has a star."""
    text = ""
    while not (lines := [line for line in text.split("\r\n")[:-1] if " LS " in line]) or " LS * :" in lines[-1]:
        text += reader.until("\r\n")
    return [line.partition(" :")[2] for line in lines]


def with_native(reader: Reader, number: int) -> None:
    reader.sock.sendall(native.encode(native.Hello(nick=f"n{number}")) + native.encode(native.Join(room=ROOM)))
    reader.sock.sendall(native.encode(native.Ping(id="entered")))
    reader.until('"id":"entered"')


def mixed(*ways: Enter) -> Enter:
    return lambda reader, number: ways[number % len(ways)](reader, number)


KINDS: Final[dict[str, Enter]] = {
    "IRC, no capabilities": with_irc(()),
    "IRC, all capabilities": with_irc(None),
    f"IRC, {len(MIXTURE)} variants": mixed(*map(with_irc, MIXTURE)),
    "native": with_native,
    "native, nc, IRC in 2": mixed(with_native, with_nc, with_irc(()), with_irc(None)),
}


@dataclass(frozen=True)
class Cost:
    """What one steady load cost."""

    us: float  # of CPU of the server, a delivery
    bytes: float  # a delivery
    per_s: float  # deliveries
    lost: int


def measure(enter: Enter, options: argparse.Namespace, text: int) -> Cost:
    """Drive a room of readers that came by ``enter`` with messages of ``text`` characters."""
    with moot(options.workers, "--backlog", "0") as server:
        readers = [Reader(server.port, number, enter) for number in range(options.members)]
        senders = [Member(server.port, number, probe=False) for number in range(SENDERS)]
        for sender in senders:
            sender.join(ROOM)
            sender.sock.setblocking(False)
        with selectors.EpollSelector() as selector:
            for reader in readers:
                selector.register(reader.sock, selectors.EVENT_READ, reader)
            settle(selector, readers)
            cpu = server.cpu_seconds()
            sent, seconds = drive(selector, senders, options.rate / options.members, options.seconds, text)
            until = time.monotonic() + DRAIN_S
            while sum(reader.messages for reader in readers) < sent * len(readers) and time.monotonic() < until:
                poll(selector, 0.1)
            cpu = server.cpu_seconds() - cpu
        delivered = sum(reader.messages for reader in readers)
        for sock in [reader.sock for reader in readers] + [sender.sock for sender in senders]:
            sock.close()
    size = sum(reader.bytes for reader in readers) / max(1, delivered)
    return Cost(cpu / max(1, delivered) * 1e6, size, delivered / seconds, sent * len(readers) - delivered)


def settle(selector: selectors.BaseSelector, readers: list[Reader]) -> None:
    """Let everybody read of all who came."""
    quiet = time.monotonic() + 0.5
    while time.monotonic() < quiet:
        if poll(selector, 0.1):
            quiet = time.monotonic() + 0.5
    for reader in readers:
        reader.messages = reader.bytes = 0


def poll(selector: selectors.BaseSelector, timeout: float) -> bool:
    ready = selector.select(timeout)
    for key, _events in ready:
        reader: Reader = key.data
        reader.read()
    return bool(ready)


def drive(
    selector: selectors.BaseSelector, senders: list[Member], rate: float, seconds: float, text: int
) -> tuple[int, float]:
    """Send ``rate`` messages a second; return how many were sent, and in what time."""
    start = time.monotonic()
    due, step, count = start, 1.0 / rate, 0
    words = MARK.decode().ljust(text, "x")
    while (now := time.monotonic()) < start + seconds:
        while due <= now:
            sender = senders[count % len(senders)]
            count += 1
            sender.write(native.encode(native.Send(id=count, cmid=f"v{count}", to=ROOM, text=words)))
            due += step
        poll(selector, max(0.0, min(due, start + seconds) - time.monotonic()))
        for sender in senders:
            with contextlib.suppress(BlockingIOError):
                sender.sock.recv(1 << 18)  # acknowledgements, and what the room says
            if sender.out:
                sender.write(b"")
    return count, time.monotonic() - start


def compare(enter: Enter, options: argparse.Namespace) -> tuple[Cost, Cost]:
    """Return the cost by medians: of these readers, and of people with `nc` who get as many bytes."""
    of_kind: list[Cost] = []
    of_plain: list[Cost] = []
    overhead = measure(with_nc, _short(options), options.size).bytes - options.size
    for _ in range(options.rounds):
        of_kind.append(measure(enter, options, options.size))
        of_plain.append(measure(with_nc, options, max(len(MARK), round(of_kind[-1].bytes - overhead))))
    return _median(of_kind), _median(of_plain)


def _short(options: argparse.Namespace) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), "seconds": 1.0, "members": 20})


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.us for cost in costs),
        statistics.median(cost.bytes for cost in costs),
        statistics.median(cost.per_s for cost in costs),
        max(cost.lost for cost in costs),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--size", type=int, default=100, help="characters in a message")
    parser.add_argument("--rate", type=int, default=100_000, help="deliveries a second")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="only this one; repeatable")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(
        f"a room of {options.members}, {SENDERS} native senders, {options.size}-character messages, "
        f"{options.rate:,} deliveries/s, {options.seconds:g} s each, medians of {options.rounds}",
        file=sys.stderr,
    )
    heads = ("delivered/s", "lost", "bytes", "CPU us/delivery", "nc, as many bytes", "ratio")
    print(f"{'':>24} {heads[0]:>12} {heads[1]:>6} {heads[2]:>6} {heads[3]:>16} {heads[4]:>18} {heads[5]:>6}")
    over = 0
    for kind in options.kind or KINDS:
        cost, plain = compare(KINDS[kind], options)
        ratio = cost.us / plain.us
        over += kind == "IRC, all capabilities" and ratio > AIM
        print(
            f"{kind:>24} {cost.per_s:>12,.0f} {cost.lost:>6} {cost.bytes:>6.0f} {cost.us:>16.2f} {plain.us:>18.2f} "
            f"{ratio:>6.2f}",
            flush=True,
        )
        if options.json:
            print(json.dumps({"kind": kind, "cpu_us": cost.us, "plain_us": plain.us, "bytes": cost.bytes}))
    if over:
        print(f"IRC with all capabilities costs more than {AIM:g} times the bytes-equal plain case", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
