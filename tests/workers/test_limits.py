"""Clients that send too much, too little or nothing, against a real worker: each is held to its limit, others go on."""

import contextlib
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from protocol import native
from protocol.settings import DEFAULTS
from tests.server import LIMIT_S, Peer, Server, meeting, serving, until
from tests.workers.bench import Bench, become

MakePeer = Callable[..., Peer]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One impatient server for the whole module; every test has rooms and nicks of its own."""
    data = tmp_path_factory.mktemp("limits") / "data"
    with serving(data, "--workers", "1", "--intro-first", "1", "--intro-whole", "2") as running:
        yield running


@pytest.fixture
def meet(shared: Server) -> Iterator[MakePeer]:
    yield from meeting(shared)


@contextlib.contextmanager
def raw(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as sock:
        yield sock


def rest_of(sock: socket.socket) -> bytes:
    """Read until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while chunk := sock.recv(1 << 16):
            found += chunk
    return found


def drip(sock: socket.socket, what: bytes) -> bytes:
    """Write byte by byte, ever slower than a line needs, until the server has enough; return its words."""
    sock.settimeout(0.02)
    found, at = b"", 0
    end = time.monotonic() + LIMIT_S
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < end:
            sock.sendall(what[at : at + 1])
            at += at + 1 < len(what)
            with contextlib.suppress(TimeoutError):
                chunk = sock.recv(1 << 16)
                if not chunk:
                    return found
                found += chunk
    return found


def rss(server: Server) -> int:
    return int(psutil.Process(server.pids("worker")[-1]).memory_info().rss)


# --- before being introduced


def test_the_defaults_are_those_of_the_design() -> None:
    assert (DEFAULTS.max_line, DEFAULTS.max_text) == (16 << 10, 4000)
    assert (DEFAULTS.intro_first, DEFAULTS.intro_whole) == (10.0, 30.0)
    assert (DEFAULTS.flood_burst, DEFAULTS.flood_rate, DEFAULTS.max_unanswered) == (10, 2.0, 32)
    assert (DEFAULTS.sendq_soft, DEFAULTS.sendq_hard, DEFAULTS.sendq_stall) == (64 << 10, 512 << 10, 10.0)
    assert DEFAULTS.max_per_address == 64
    assert (DEFAULTS.fun_input, DEFAULTS.fun_time, DEFAULTS.fun_memory) == (200, 0.25, 128 << 20)


def test_a_program_that_writes_byte_by_byte_is_closed_and_told_why(shared: Server) -> None:
    with raw(shared) as sock:
        began = time.monotonic()
        words = drip(sock, b'{"op":"hello","nick":"' + b"x" * 10_000)
        assert 0.9 < time.monotonic() - began < 10
    error = native.decode_event(words)
    assert isinstance(error, native.Error)
    assert error.code == "not-introduced"
    assert error.text == "no hello within 1 seconds; connect again when you are ready"


def test_a_person_who_types_byte_by_byte_without_end_is_closed_too(shared: Server) -> None:
    with raw(shared) as sock:
        words = drip(sock, b"x" * 10_000)
    assert words.splitlines()[-1] == b"! no nick within 2 seconds; connect again when you are ready"


def test_silence_is_greeted_and_then_closed(shared: Server) -> None:
    with raw(shared) as sock:
        words = rest_of(sock).decode()
    assert words.startswith("Welcome to moot")
    assert words.endswith("! no nick within 2 seconds; connect again when you are ready\n")


def test_half_a_hello_after_the_greeting_is_closed_like_one_before_it(shared: Server) -> None:
    with raw(shared) as sock:
        assert sock.recv(1 << 16).startswith(b"Welcome to moot")
        sock.sendall(b'{"op":"hel')
        words = rest_of(sock)
    assert b"no hello within 1 seconds" in words.splitlines()[-1]
    assert words.splitlines()[-1].startswith(b'{"ev":"error"')


def test_who_is_greeted_and_types_a_nick_is_a_person(shared: Server) -> None:
    with raw(shared) as sock:
        assert sock.recv(1 << 16).startswith(b"Welcome to moot")
        sock.sendall(b"greeted\n/quit\n")
        assert b"* Hello greeted, this is moot" in rest_of(sock)


def test_half_a_line_and_silence_is_no_hello(shared: Server) -> None:
    with raw(shared) as sock:
        sock.sendall(b'{"op":"hel')
        assert b"no hello within 1 seconds" in rest_of(sock)


def test_asking_for_other_things_does_not_put_it_off(shared: Server) -> None:
    with raw(shared) as sock:
        words = drip(sock, b'{"op":"ping"}\n' * 1000)
    assert b"within" in words
    assert words.endswith(b'connect again when you are ready"}\n')


# --- lines


def test_an_endless_line_is_one_error_and_takes_no_memory(shared: Server, meet: MakePeer) -> None:
    ann = meet("ann1", "#a")
    before = rss(shared)
    ann.sock.sendall(b'{"op":"send","text":"')
    for _ in range(200):
        ann.sock.sendall(b"x" * 100_000)
    ann.sock.sendall(b'"}\n')
    assert ann.ask(native.Send(cmid="c1", to="#a", text="on we go"), native.Ok).seq == 1
    assert [error.code for error in ann.gather(native.Error)] == ["too-long"]
    assert rss(shared) - before < 4 << 20


@pytest.mark.parametrize(
    "line", [b"\0\0\0\0", b'{"op":"ping\0"}', b"\xff\xfe\xfd", b'{"op":"send","to":"#b","cmid":"c","text":"\xc3"}']
)
def test_nuls_and_what_is_no_utf8_are_an_error_and_the_connection_stays(meet: MakePeer, line: bytes) -> None:
    ann = meet("ann2", "#b")
    ann.sock.sendall(line + b"\n")
    assert ann.next(native.Error).code == "bad-request"
    assert isinstance(ann.ask(native.Ping(), native.Pong), native.Pong)


def test_a_person_s_nuls_and_broken_characters_harm_nobody(shared: Server, meet: MakePeer) -> None:
    ann = meet("ann3", "#lobby")
    with raw(shared) as sock:
        sock.sendall(b"eve3\n")
        ann.next(native.Joined)
        sock.sendall(b"a\0b\xc3\xe9c\x1b[31m\n")
        assert ann.next(native.Msg).text == "ab\ufffd\ufffdc[31m"


def test_a_paste_of_many_lines_is_one_line_to_the_flood_limit(meet: MakePeer) -> None:
    ann = meet("ann4", "#d")
    began = time.monotonic()
    for number in range(8):
        ann.ask(native.Send(cmid=f"c4{number}", to="#d", text="line\n" * 300), native.Ok)
    assert time.monotonic() - began < 5
    assert ann.gather(native.Msg)[-1].text.count("\n") == 299


def test_joining_and_leaving_all_the_time_is_refused_as_a_flood(meet: MakePeer) -> None:
    ann, eve = meet("ann5", "#e"), meet("eve5")
    for number in range(100):
        eve.write(native.Join(id=f"j{number}", room="#e"))
        eve.write(native.Leave(id=f"l{number}", room="#e"))
    refused = [eve.next(native.Error) for _ in range(160)]
    assert {error.code for error in refused} == {"flood"}
    assert len(ann.gather(native.Joined)) < 10


def test_ten_thousand_joins_fill_no_more_than_a_hundred_rooms(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server:
        eve = Peer(server.port)
        eve.enter("eve")
        for first in range(0, 10_000, 100):
            for number in range(first, first + 100):
                eve.write(native.Join(id=number, room=f"#room{number}"))
            for _ in range(100):
                answer = eve.next(lambda event: isinstance(event, native.Room | native.Error))
                assert isinstance(answer, native.Room) == (answer.id < 100)
                assert isinstance(answer, native.Room) or answer.code == "too-many-rooms"
        assert eve.ask(native.Rooms(), native.RoomList).count == 100
        eve.close()


def test_who_does_not_read_is_not_read_from(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server:
        ann, eve = Peer(server.port), Peer(server.port)
        ann.enter("ann")
        eve.enter("eve")
        before, sent, ping = rss(server), 0, native.encode(native.Ping(id="0123456789" * 50))
        eve.sock.settimeout(1)
        rest = b""
        with contextlib.suppress(TimeoutError):
            while sent < 200_000:
                rest = ping * 100
                while rest:
                    rest = rest[eve.sock.send(rest) :]
                sent += 100
        assert sent < 200_000
        assert rss(server) - before < 8 << 20
        began = time.monotonic()
        assert isinstance(ann.ask(native.Ping(), native.Pong), native.Pong)
        assert time.monotonic() - began < 1
        eve.sock.settimeout(LIMIT_S)
        for _ in range(sent):
            eve.next(native.Pong)
        ann.close()
        eve.close()


def test_what_is_held_back_is_bounded_in_total(tmp_path: Path) -> None:
    options = ("--workers", "1", "--held-total", str(1 << 20), "--max-text", "15000")
    slow = ("--flood-burst", "1", "--flood-delay", "30")  # so that nearly all is held back, and little is echoed
    with serving(tmp_path / "data", *options, *slow) as server:
        before, peers = rss(server), [Peer(server.port) for _ in range(10)]
        for number, peer in enumerate(peers):
            peer.enter(f"n{number}", f"#f{number}")
        for room, peer in enumerate(peers):
            for number in range(25):
                peer.write(native.Send(id=number, cmid=f"c{number}-{room}", to=f"#f{room}", text="x" * 14_000))
        refused = peers[-1].next(native.Error)
        assert refused.code == "flood"
        assert refused.text == "the server holds back too much of what people send; try again in a few seconds"
        assert refused.wait == 5.0
        late = Peer(server.port)
        late.enter("late", "#f")
        assert late.ask(native.Send(cmid="late", to="#f", text="x"), native.Ok).room == "#f"
        assert rss(server) - before < 16 << 20
        for peer in [*peers, late]:
            peer.close()


# --- connections


def test_beyond_the_most_connections_one_is_told_and_closed(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--max-conns", "20") as server:
        peers = [Peer(server.port) for _ in range(30)]
        for number, peer in enumerate(peers[:20]):
            peer.enter(f"n{number}")
        for peer in peers[20:]:
            assert rest_of(peer.sock) == b"! the server has 20 connections, the most it takes; try again later\n"
        peers[0].close()
        until(lambda: "n0" not in [p.nick for p in peers[1].ask(native.Who(), native.People).people], "n0 to go")
        late = Peer(server.port)
        late.enter("late")
        for peer in [*peers, late]:
            peer.close()


def test_when_files_run_out_those_who_come_are_closed_and_the_worker_does_not_spin(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--max-conns", "100000") as server:
        ann = Peer(server.port)
        ann.enter("ann")
        worker = psutil.Process(server.pids("worker")[-1])
        used = worker.num_fds()
        worker.rlimit(resource.RLIMIT_NOFILE, (used + 30, used + 30))
        socks = [socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) for _ in range(200)]
        closed = [sock for sock in socks if _is_closed(sock)]
        assert len(closed) >= 165
        cpu, began = sum(worker.cpu_times()[:2]), time.monotonic()
        until(lambda: time.monotonic() > began + 0.5, "half a second")
        assert isinstance(ann.ask(native.Ping(), native.Pong), native.Pong)
        assert sum(worker.cpu_times()[:2]) - cpu < 0.2
        for sock in socks:
            sock.close()
        until(lambda: worker.num_fds() <= used, "the others to go")
        eve = Peer(server.port)
        eve.enter("eve")
        for peer in (ann, eve):
            peer.close()


def _is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        return not sock.recv(1000)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_five_hundred_silent_ones_and_a_flood_delay_nobody(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server, contextlib.ExitStack() as stack:
        for number in range(500):
            sock = stack.enter_context(raw(server))
            sock.sendall(b'{"op"' if number % 2 else b"x")
        flood = stack.enter_context(raw(server))
        flood.sendall(native.encode(native.Hello(nick="flood")))
        flood.setblocking(False)
        line = native.encode(native.Away(text="x" * 1000))
        took = []
        for number in range(20):
            with contextlib.suppress(BlockingIOError):
                flood.send(line * 100)
            began = time.monotonic()
            peer = Peer(server.port)
            peer.enter(f"n{number}", "#g")
            took.append(time.monotonic() - began)
            peer.close()
        assert max(took) < 2


# --- a broker that answers nothing


async def test_no_more_waits_for_a_stalled_broker_than_each_connection_may_ask() -> None:
    stalled = Bench()
    await stalled.start()
    conns = [await stalled.client() for _ in range(3)]
    for client in conns:
        client.write(native.Hello(nick="n"), *(native.Ping(id=number) for number in range(80)))
    most = DEFAULTS.max_unanswered
    await become(lambda: len(stalled.worker.pending) == 3 * most)
    assert [conn.unanswered for conn in stalled.worker.conns.values()] == [most] * 3
    for client in conns:
        client.reset()
    await become(lambda: not stalled.worker.conns)
    assert not stalled.worker.pending
    assert len(stalled.worker.leaving) == 3  # counted as connections until the broker has forgotten them
    assert stalled.worker.requested == 0
    await stalled.stop()


# --- peers that are gone without a word


HERE: Final = "10.231.7.1"
THERE: Final = "10.231.7.2"
IN_NAMESPACE: Final = """
import socket, sys
socks = []
for line in sys.stdin:
    source, host, port, *words = line.split()
    sock = socket.create_connection((host, int(port)), source_address=(source, 0), timeout=20)
    sock.sendall(" ".join(words).encode() + b"\\n")
    socks.append(sock)
    print(sock.recv(100).decode(errors="replace").split("\\n")[0], flush=True)
"""


class Elsewhere:
    """Another machine: a network namespace with a cable to here."""

    def __init__(self, name: str) -> None:
        self.name, self.cable = name, f"{name}h"
        far = f"{name}f"
        self._ip("netns", "add", name)
        self._ip("link", "add", self.cable, "type", "veth", "peer", "name", far, "netns", name)
        self._ip("addr", "add", f"{HERE}/24", "dev", self.cable)
        self._ip("-6", "addr", "add", "fd5e:7::1/48", "dev", self.cable, "nodad")
        self._ip("link", "set", self.cable, "up")
        self._ip("-n", name, "addr", "add", f"{THERE}/24", "dev", far)
        for net in (1, 2):
            for host in (1, 2, 3):
                self._ip("-n", name, "-6", "addr", "add", f"fd5e:7:0:{net}::{host}/48", "dev", far, "nodad")
        self._ip("-n", name, "link", "set", far, "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-u", "-c", IN_NAMESPACE]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    def connect(self, source: str, host: str, port: int, words: str) -> str:
        """Connect from there and say something; return the first line of the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{source} {host} {port} {words}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def cut(self) -> None:
        """From now on nothing gets through."""
        self._ip("link", "set", self.cable, "down")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._ip("link", "del", self.cable)  # with the namespace alone it would go a little later
        self._ip("netns", "del", self.name)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces are Linux's, need root and the ip command")
    try:
        made = Elsewhere(f"mt{os.getpid()}")
    except subprocess.CalledProcessError as err:
        pytest.skip(f"this system makes no network namespace: {err}")
    yield made
    made.close()


def other_port(server: Server, address: str) -> int:
    return int(until(lambda: re.search(rf"listening on {re.escape(address)}:(\d+)", server.log), "it to listen")[1])


def test_a_machine_that_is_cut_off_is_gone_after_a_while(elsewhere: Elsewhere, tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--dead-after", "2", "--listen", f"{HERE}:0") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#h")
        port = other_port(server, HERE)
        assert '"welcome"' in elsewhere.connect(THERE, HERE, port, '{"op":"hello","nick":"far"}')
        assert [p.nick for p in ann.ask(native.Who(), native.People).people] == ["ann", "far"]
        elsewhere.cut()
        began = time.monotonic()
        until(lambda: len(ann.ask(native.Who(), native.People).people) == 1, "who is cut off to be gone", 15)
        assert 1 < time.monotonic() - began < 10
        ann.close()


def test_an_ipv6_network_of_64_bits_counts_as_one_address(elsewhere: Elsewhere, tmp_path: Path) -> None:
    options = ("--workers", "1", "--max-per-address", "2", "--listen", "[fd5e:7::1]:0")
    with serving(tmp_path / "data", *options) as server:
        port = other_port(server, "[fd5e:7::1]")
        answers = [
            elsewhere.connect(f"fd5e:7:0:{net}::{host}", "fd5e:7::1", port, '{"op":"ping"}')
            for net, host in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3))
        ]
        assert ["too many connections from your address" in answer for answer in answers] == [
            *(False, False, True),
            *(False, False, True),
        ]
