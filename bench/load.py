"""An open-loop load generator: senders keep to a schedule whatever the server does, so waiting is part of the latency.

One process, one thread, epoll. Most members only count the lines they get; the probes decode all of theirs and check
that seq has no holes and time how long each message took since the moment it was due.
"""

import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from protocol import native

ROOM: Final = "#bench"
PROBES: Final = 4
DRAIN_S: Final = 10.0


def quantile(values: Iterable[float], q: float) -> float:
    """Return the value that the part ``q`` of all does not exceed; not a number for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


@dataclass
class Result:
    """What one steady load gave."""

    sent: int = 0
    delivered: int = 0
    expected: int = 0
    out_of_order: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0  # of the server
    own_cpu_s: float = 0.0  # of this generator
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.expected - self.delivered

    def quantile(self, q: float) -> float:
        return quantile(self.latencies_ms, q)


class Member:
    """One connection in the room."""

    def __init__(self, port: int, number: int, probe: bool) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.probe = probe
        self.rest = b""
        self.messages = 0
        self.last = 0
        self.out = b""
        self.ask(native.Hello(id=0, nick=f"m{number}"), native.Welcome)

    def join(self, room: str) -> None:
        answer = self.ask(native.Join(id=0, room=room), native.Room)
        assert isinstance(answer, native.Room)
        self.last = answer.seq

    def ask(self, request: native.Request, wanted: type) -> native.Event:
        """Send one request and wait for its answer, blocking."""
        self.sock.sendall(native.encode(request))
        while True:
            *lines, self.rest = (self.rest + self.sock.recv(1 << 16)).split(b"\n")
            for line in lines:
                event = native.decode_event(line)
                if isinstance(event, native.Error):
                    raise SystemExit(f"the server refused: {event.text}")
                if isinstance(event, wanted):
                    return event

    def write(self, chunk: bytes) -> None:
        self.out += chunk
        try:
            sent = self.sock.send(self.out)
        except BlockingIOError:
            return
        self.out = self.out[sent:]


def received(selector: selectors.BaseSelector, timeout: float) -> Iterator[tuple[Member, bytes]]:
    """Wait for members' sockets, and yield who has got what."""
    for key, _events in selector.select(timeout):
        member: Member = key.data
        try:
            chunk = member.sock.recv(1 << 18)
        except BlockingIOError:
            continue
        if not chunk:
            raise SystemExit(f"the server closed the connection of m{member.number}")
        yield member, chunk


def fill_room(port: int, size: int) -> list[Member]:
    members = [Member(port, number, probe=number < PROBES) for number in range(size)]
    for member in members:
        member.join(ROOM)
    for member in members:  # every join notice is out of the way
        member.ask(native.Ping(id=0), native.Pong)
        member.rest = b""
        member.sock.setblocking(False)
    return members


class Load:
    """Drive ``members`` at ``rate`` messages a second in all, from the last ``senders`` of them."""

    def __init__(self, members: list[Member], senders: int, size: int) -> None:
        self.members = members
        self.senders = members[-senders:]
        self.size = size
        self.result = Result()
        self.selector = selectors.EpollSelector()
        for member in members:
            self.selector.register(member.sock, selectors.EVENT_READ, member)
        self.turn = 0

    def run(self, rate: float, seconds: float) -> Result:
        result = self.result
        for member in self.members:
            member.messages = 0
        start = time.monotonic()
        due, step = start, 1.0 / rate
        end = start + seconds
        while (now := time.monotonic()) < end:
            while due <= now:
                self._send(due)
                due += step
            self._receive(max(0.0, min(due, end) - time.monotonic()))
        result.seconds = time.monotonic() - start
        result.expected = result.sent * len(self.members)
        until = time.monotonic() + DRAIN_S
        while self._delivered() < result.expected and time.monotonic() < until:
            self._receive(0.1)
        result.delivered = self._delivered()
        self.selector.close()
        return result

    def _delivered(self) -> int:
        return sum(member.messages for member in self.members)

    def _send(self, due: float) -> None:
        sender = self.senders[self.turn % len(self.senders)]
        self.turn += 1
        self.result.sent += 1
        text = f"{due:.6f} ".ljust(self.size, "x")
        cmid = f"b{self.turn}-{id(self)}"
        sender.write(native.encode(native.Send(id=self.turn, cmid=cmid, to=ROOM, text=text)))

    def _receive(self, timeout: float) -> None:
        for member, chunk in received(self.selector, timeout):
            if member.probe:
                self._check(member, chunk)
            else:
                # Only messages are counted: an ack has no text. A pattern may lie across two reads.
                whole = member.rest + chunk
                member.messages += whole.count(b'"ev":"msg"')
                member.rest = whole[-9:] if not whole.endswith(b"\n") else b""
        for sender in self.senders:
            if sender.out:
                sender.write(b"")

    def _check(self, member: Member, chunk: bytes) -> None:
        now = time.monotonic()
        *lines, member.rest = (member.rest + chunk).split(b"\n")
        for line in lines:
            event = native.decode_event(line)
            if isinstance(event, native.Msg):
                member.messages += 1
                self.result.out_of_order += event.seq != member.last + 1
                member.last = event.seq
                self.result.latencies_ms.append((now - float(event.text.split(" ", 1)[0])) * 1000)
            elif isinstance(event, native.Error):
                raise SystemExit(f"the server refused: {event.text}")
