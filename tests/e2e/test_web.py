"""HTTP and WebSocket on the port of everything else: real sockets, `curl`, the client of the `websockets` package."""

import contextlib
import http.client
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.frames import CLOSE, CONT, PING, PONG, TEXT, Close, Frame, Opcode
from websockets.protocol import CLIENT, Protocol
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from protocol import native
from tests.server import LIMIT_S, Peer, Server, serving, until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
NC = shutil.which("nc")


class WebPeer(Peer):
    """A native peer whose messages go through WebSocket."""

    def __init__(self, port: int, **options: Any) -> None:
        self.events, self.ids = [], 0
        uri = f"ws://127.0.0.1:{port}/ws"
        self._stack = contextlib.ExitStack()
        connected = connect(uri, compression=None, max_size=None, close_timeout=5, **options)
        self.socket: ClientConnection = self._stack.enter_context(connected)

    def write(self, request: native.Request) -> None:
        self.socket.send(native.encode(request).decode())

    def _read(self) -> native.Event:
        message = self.socket.recv(timeout=LIMIT_S)
        assert isinstance(message, str)
        assert "\n" not in message
        return native.decode_event(message.encode())

    def closed(self) -> Close:
        """Read to the end; return how the server closed."""
        try:
            while True:
                self.events.append(self._read())
        except ConnectionClosed as end:
            close = end.rcvd
        assert close is not None
        return close

    def close(self) -> None:
        self._stack.close()


class Raw:
    """A WebSocket connection that says exactly what it is told to."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.sock.sendall(HANDSHAKE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1 << 16)
        assert head.startswith(b"HTTP/1.1 101 ")
        self._client = Protocol(CLIENT, max_size=None)
        self._client.receive_data(head.partition(b"\r\n\r\n")[2])

    def send(self, data: bytes, opcode: Opcode = TEXT, *, fin: bool = True) -> None:
        self.sock.sendall(Frame(opcode, data, fin).serialize(mask=True))

    def frames(self) -> Iterator[Frame]:
        """Give out what comes, to the end of the connection. Pings are not answered."""
        while chunk := self.sock.recv(1 << 16):
            self._client.receive_data(chunk)
            yield from (event for event in self._client.events_received() if isinstance(event, Frame))

    def events(self) -> list[native.Event]:
        return [native.decode_event(bytes(frame.data)) for frame in self.frames() if frame.opcode is TEXT]


MakeWeb = Callable[..., WebPeer]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as it is; every test has rooms and nicks of its own."""
    with serving(tmp_path_factory.mktemp("web") / "data", "--workers", "2", "--intro-first", "1") as running:
        yield running


@contextlib.contextmanager
def web(server: Server, nick: str = "", *rooms: str, **options: Any) -> Iterator[WebPeer]:
    peer = WebPeer(server.port, **options)
    try:
        if nick:
            peer.enter(nick, *rooms)
        yield peer
    finally:
        peer.close()


@contextlib.contextmanager
def raw(server: Server) -> Iterator[Raw]:
    made = Raw(server.port)
    try:
        yield made
    finally:
        made.sock.close()


def get(server: Server, path: str, limit_s: float = LIMIT_S) -> tuple[int, str]:
    conn = http.client.HTTPConnection("127.0.0.1", server.port, timeout=limit_s)
    try:
        conn.request("GET", path)
        answer = conn.getresponse()
        return answer.status, answer.read().decode()
    finally:
        conn.close()


def told(server: Server, sent: bytes) -> bytes:
    """Send bytes; return all that comes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as sock:
        sock.sendall(sent)
        return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def named(value: object) -> str:
    """Return how a test's parameter is called: some of the bytes are random."""
    return (
        value.decode()
        if isinstance(value, bytes) and len(value) == 3
        else str(value)
        if isinstance(value, int)
        else "sent"
    )


# --- the chat


def test_everybody_hears_the_same_whatever_they_brought(shared: Server) -> None:
    with web(shared, "ann1", "#same") as ann, web(shared, "eve1", "#same") as eve:
        bob = Peer(shared.port)
        bob.enter("bob1", "#same")
        ann.ask(native.Send(cmid="a1", to="#same", text="hello from a page 🐮"), native.Ok)
        bob.ask(native.Fun(cmid="b1", to="#same", line="/cowsay moo"), native.Ok)
        eve.ask(native.Send(cmid="e1", to="#same", text="x" * 4000), native.Ok)
        heard = [[peer.next(native.Msg) for _ in range(3)] for peer in (ann, bob, eve)]
        bob.close()
    assert heard[0] == heard[1] == heard[2]
    assert [(msg.seq, msg.nick) for msg in heard[0]] == [(1, "ann1"), (2, "bob1"), (3, "eve1")]


def test_whois_says_websocket(shared: Server) -> None:
    with web(shared, "ann2") as ann:
        assert ann.ask(native.Whois(nick="ann2"), native.Profile).dialect == "websocket"


def test_quitting_and_closing_end_with_1000(shared: Server) -> None:
    with web(shared, "ann3") as ann, web(shared, "bob3") as bob:
        ann.write(native.Quit())
        assert ann.closed() == Close(1000, "goodbye")
        assert isinstance(ann.events[-1], native.Bye)
        assert ann.socket.close_code == 1000
        bob.socket.close(1000, "enough")
        assert bob.closed() == Close(1000, "enough")


def test_what_was_said_just_before_closing_is_acknowledged(shared: Server) -> None:
    with raw(shared) as ann:
        ann.sock.sendall(
            b"".join(
                Frame(opcode, data).serialize(mask=True)
                for opcode, data in (
                    (TEXT, b'{"op":"hello","nick":"ann4"}'),
                    (TEXT, b'{"op":"join","room":"#last"}'),
                    (TEXT, b'{"op":"send","id":7,"cmid":"c","to":"#last","text":"goodbye"}'),
                    (CLOSE, b"\x03\xe8"),
                )
            )
        )
        *frames, last = ann.frames()
    events = [native.decode_event(bytes(frame.data)) for frame in frames]
    assert [event.seq for event in events if isinstance(event, native.Ok)] == [1]
    assert Close.parse(last.data).code == 1000


def test_a_client_that_says_no_more_still_reads_its_answers(shared: Server) -> None:
    with raw(shared) as ann:
        ann.send(b'{"op":"hello","nick":"ann5"}')
        ann.send(b'{"op":"ping"}')
        ann.sock.shutdown(socket.SHUT_WR)
        assert [type(event) for event in ann.events()] == [native.Welcome, native.Pong, native.Bye]


def test_a_page_of_another_origin_may_not_chat(shared: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        WebPeer(shared.port, origin="https://evil.example")
    assert refused.value.response.status_code == 403
    with web(shared, "ann6", origin=f"http://127.0.0.1:{shared.port}") as ann:
        ann.ask(native.Ping(), native.Pong)


def test_no_compression_is_agreed_on(shared: Server) -> None:
    with connect(f"ws://127.0.0.1:{shared.port}/ws") as socket_:  # which offers it
        assert socket_.protocol.extensions == []


def test_one_without_a_name_is_told_and_closed(shared: Server) -> None:
    with web(shared) as nobody:
        assert nobody.closed() == Close(
            1008, "not-introduced: no hello within 1 seconds; connect again when you are ready"
        )


@pytest.mark.parametrize("subprotocol", ["text.ircv3.net", "binary.ircv3.net"])
def test_irc_is_spoken_where_it_is_asked_for(shared: Server, subprotocol: str) -> None:
    """IRCv3 WebSocket: "each message MUST consist of a single IRC line" and "MUST NOT include trailing \\r or \\n"."""
    kind = bytes if subprotocol.startswith("binary") else str
    room, nick = f"#irc-{subprotocol[:4]}", f"irene-{subprotocol[:4]}"
    uri = f"ws://127.0.0.1:{shared.port}/ws"
    with connect(uri, subprotocols=[Subprotocol("soap"), Subprotocol(subprotocol)], compression=None) as irene:
        assert irene.subprotocol == subprotocol

        def say(line: str) -> None:
            irene.send(line if kind is str else line.encode())

        def hear(wanted: str) -> str:
            while True:
                message = irene.recv(LIMIT_S)
                assert type(message) is kind
                line = message if isinstance(message, str) else message.decode()
                assert not set(line) & set("\r\n")
                if f" {wanted} " in line:
                    return line

        for line in ("CAP LS 302", f"NICK {nick}", "USER u 0 * :Irene", "CAP END"):
            say(line)
        assert nick in hear("001")
        say(f"JOIN {room}")
        hear("366")
        with web(shared, f"ann-{subprotocol[:4]}", room) as ann:
            ann.ask(native.Send(cmid="c1", to=room, text="hello from a page 🐮"), native.Ok)
            assert hear("PRIVMSG").endswith("hello from a page 🐮")
            say(f"PRIVMSG {room} :hello back")
            assert ann.next(lambda event: isinstance(event, native.Msg) and event.text == "hello back").nick == nick
        say("QUIT")
        hear("ERROR")
        with pytest.raises(ConnectionClosedOK):
            irene.recv(LIMIT_S)


# --- through TLS


def test_through_tls_it_is_the_same(tmp_path: Path) -> None:
    insecure = ssl.create_default_context()
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
    with serving(tmp_path / "data", "--workers", "1", "--plaintext", "none") as server:
        at = f"127.0.0.1:{server.port}"
        with connect(f"wss://{at}/ws", ssl=insecure, origin=Origin(f"https://{at}")) as ann:
            ann.send('{"op":"hello","nick":"ann"}')
            assert '"ev":"welcome"' in str(ann.recv(LIMIT_S))
            ann.send('{"op":"quit"}')
            assert '"ev":"bye"' in str(ann.recv(LIMIT_S))
            with pytest.raises(ConnectionClosedOK):
                ann.recv(LIMIT_S)
        conn = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=LIMIT_S, context=insecure)
        conn.request("GET", "/healthz")
        assert conn.getresponse().read() == b"ok\n"
        conn.close()
        status, text = get(server, "/")
        assert status == 403
        assert text.startswith("this server wants TLS")


# --- odd frames, over real sockets


def test_byte_by_byte_it_is_the_same(shared: Server) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=LIMIT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        frames = [(b'{"op":"hello","nick":"ann7"}', TEXT), (b'{"op":"quit"}', TEXT)]
        for byte in HANDSHAKE + b"".join(Frame(opcode, data).serialize(mask=True) for data, opcode in frames):
            sock.sendall(bytes([byte]))
        found = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    assert found.startswith(b"HTTP/1.1 101 ")
    assert b'"ev":"welcome"' in found
    assert b'"ev":"bye"' in found


def test_fragments_with_a_ping_between_them(shared: Server) -> None:
    with raw(shared) as ann:
        ann.send(b'{"op":"hello",', fin=False)
        ann.send(b"still there?", PING)
        ann.send('"nick":"ännä8"}'.encode()[:10], CONT, fin=False)
        ann.send('"nick":"ännä8"}'.encode()[10:], CONT)
        pong, welcome = itertools.islice(ann.frames(), 2)
    assert (pong.opcode, bytes(pong.data)) == (PONG, b"still there?")
    assert '"nick":"ännä8"'.encode() in bytes(welcome.data)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Frame(TEXT, b"x" * 20_000).serialize(mask=True), 1009),
        (
            Frame(TEXT, b"x" * 10_000, fin=False).serialize(mask=True)
            + Frame(CONT, b"x" * 10_000).serialize(mask=True),
            1009,
        ),
        (Frame(TEXT, b"\xff").serialize(mask=True), 1007),
        (Frame(Opcode.BINARY, b"{}").serialize(mask=True), 1003),
        (Frame(TEXT, b"{}").serialize(mask=False), 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b'{"op":"hello","nick":"ann9"}\n', 1002),
        (Frame(PONG, b"").serialize(mask=True) * 5000, 1008),
    ],
    ids=named,
)
def test_a_wrong_frame_is_told_with_its_code_however_much_follows_it(shared: Server, wrong: bytes, code: int) -> None:
    with raw(shared) as eve:
        eve.sock.sendall(wrong + b"\x81\x80\0\0\0\0" * 50_000)
        *told_, last = eve.frames()
    assert Close.parse(last.data).code == code
    assert isinstance(native.decode_event(bytes(told_[-1].data)), native.Error)


def test_pings_without_end_are_flooding(shared: Server) -> None:
    with raw(shared) as eve:
        eve.sock.sendall(Frame(PING, b"x").serialize(mask=True) * 100)
        *pongs, error, last = eve.frames()
    assert {frame.opcode for frame in pongs} == {PONG}
    assert len(pongs) < 50
    assert b'"code":"flood"' in bytes(error.data)
    assert Close.parse(last.data).code == 1008


# --- processes come and go


def test_a_killed_broker_costs_websocket_clients_nothing(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "data", "--workers", "2") as server,
        web(server, "ann", "#tea") as ann,
        web(server, "bob", "#tea") as bob,
    ):
        ann.ask(native.Send(cmid="c1", to="#tea", text="before"), native.Ok)
        server.kill("broker")
        ann.ask(native.Send(cmid="c2", to="#tea", text="during"), native.Ok)
        bob.ask(native.Send(cmid="c3", to="#tea", text="after"), native.Ok)
        for peer in (ann, bob):
            assert [peer.next(native.Msg).text for _ in range(3)] == ["before", "during", "after"]
        assert get(server, "/healthz") == (200, "ok\n")


def test_a_restart_tells_clients_to_come_back_at_once_and_they_miss_nothing(tmp_path: Path) -> None:
    token = "a token of ann's own"
    with serving(tmp_path / "data", "--workers", "1", "--restart-spread", "0") as server, web(server) as ann:
        welcome = ann.ask(native.Hello(nick="ann", token=token), native.Welcome)
        ann.ask(native.Join(room="#tea"), native.Room)
        ann.ask(native.Send(cmid="c1", to="#tea", text="before"), native.Ok)
        command = [sys.executable, "-m", "moot", "restart", "--data", str(server.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        end = ann.closed()
        assert (end.code, end.reason.split(" ")[0]) == (1001, "retry=0")
        assert isinstance(bye := ann.events[-1], native.Bye)
        assert bye.retry == 0.0
        with web(server) as again:
            assert again.ask(native.Hello(nick="ann", token=token), native.Welcome).resumed
            room = again.ask(native.Join(room="#tea", after=0, epoch=welcome.epoch), native.Room)
            assert [msg.text for msg in room.messages] == ["before"]


def test_a_stop_says_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server, web(server, "ann") as ann:
        with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as late:
            late.sendall(b"GET / HTTP/1.1\r\n")
            until(lambda: server.log.count("connected") >= 2, "the late one to be there")
            ann.ask(native.Ping(), native.Pong)
            assert server.stop() == 0
            assert late.recv(1 << 16).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        end = ann.closed()
        assert end.code == 1001
        assert end.reason.startswith("retry=")


def test_a_slow_reader_is_replayed_in_frames(tmp_path: Path) -> None:
    small = ("--workers", "1", "--no-limits", "--sendq-soft", "16384", "--sendq-hard", "65536")
    with serving(tmp_path / "data", *small) as server, web(server, "slow", "#one") as slow:
        ann = Peer(server.port)
        ann.enter("ann", "#one")
        count = 0
        while "lags behind" not in server.log:
            for _ in range(30):
                count += 1
                ann.write(native.Send(cmid=f"c{count}", to="#one", text="x" * 3000))
            ann.gather(native.Msg)
            ann.events.clear()
            assert count < 20_000
        seqs: list[int] = []
        pages = 0
        while not seqs or seqs[-1] < count:
            match slow._read():
                case native.Msg(seq=seq):
                    seqs.append(seq)
                case native.HistoryPage(id=None, messages=messages):
                    pages += 1
                    seqs += [msg.seq for msg in messages]
        assert seqs == list(range(1, count + 1))
        assert pages
        ann.ask(native.Send(cmid="live", to="#one", text="live"), native.Ok)
        assert slow.next(native.Msg).text == "live"
        ann.close()


def test_a_client_that_gives_no_sign_of_life_is_pinged_and_closed(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "data", "--workers", "1", "--dead-after", "2") as server,
        web(server, "bob") as bob,  # whose library answers pings
        raw(server) as ann,
    ):
        ann.send(b'{"op":"hello","nick":"ann"}')
        began = time.monotonic()
        welcome, *pings, last = ann.frames()
        assert b'"welcome"' in bytes(welcome.data)
        assert {frame.opcode for frame in pings} == {PING}
        assert Close.parse(last.data) == Close(1001, "no sign of life for 2 seconds")
        assert 1.9 < time.monotonic() - began < 5
        bob.ask(native.Ping(), native.Pong)


# --- HTTP


def test_the_page_and_health_for_a_browser(shared: Server) -> None:
    status, page = get(shared, "/")
    assert status == 200
    assert f"nc 127.0.0.1 {shared.port}" in page
    assert get(shared, "/healthz") == (200, "ok\n")
    assert get(shared, "/nothing")[0] == 404


def test_health_is_that_of_the_broker(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        assert get(server, "/healthz")[0] == 200
        pid = server.kill("broker", signal.SIGSTOP)
        began = time.monotonic()
        status, text = get(server, "/healthz")
        assert (status, text.split(";")[0]) == (503, "the broker has not answered for 2 seconds")
        assert 1.9 < time.monotonic() - began < 3.5
        os.kill(pid, signal.SIGCONT)
        until(lambda: get(server, "/healthz")[0] == 200, "health")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_what_it_asks_for(shared: Server) -> None:
    def curl(*args: str) -> str:
        command = ["curl", "-sS", "-m", "10", "-i", *args]
        done = subprocess.run(command, input="x" * 500_000, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    at = f"http://127.0.0.1:{shared.port}"
    assert curl(f"{at}/").startswith("HTTP/1.1 200 OK")
    assert curl("-I", f"{at}/").startswith("HTTP/1.1 200 OK")
    assert curl("--http1.0", f"{at}/healthz").endswith("ok\n")
    assert curl("--data-binary", "@-", f"{at}/").startswith("HTTP/1.1 405 Method Not Allowed")
    assert curl("--http2-prior-knowledge", "--http1.1", f"{at}/x").startswith("HTTP/1.1 404 Not Found")


def test_a_great_body_does_not_tear_the_answer(shared: Server) -> None:
    found = told(shared, b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
    assert found.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert found.endswith(b"POST is not for here: this server takes GET and HEAD\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", b"431"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + os.urandom(200_000), b"200"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5000, b"200"),
        (b"GET \0\xff\0\xff\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\nHost: x", b"408"),
    ],
    ids=named,
)
def test_hostile_requests_get_one_answer(shared: Server, sent: bytes, status: bytes) -> None:
    found = told(shared, sent)
    assert found.startswith(b"HTTP/1.1 " + status)
    assert found.count(b"HTTP/1.1 ") == 1
    with web(shared) as ann:
        ann.ask(native.Ping(), native.Error)


def test_a_request_whose_first_bytes_come_slowly_is_not_greeted_as_a_person(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "data", "--workers", "1", "--greet-after", "0.1") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as slow,
        socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as person,
    ):
        slow.sendall(b"GE")
        assert person.recv(100).startswith(b"Welcome to moot")  # whose time came later
        slow.sendall(b"T /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.skipif(NC is None, reason="nc is not installed")
def test_a_request_from_a_pipe_is_answered(shared: Server) -> None:
    assert NC is not None
    done = subprocess.run(
        [NC, "127.0.0.1", str(shared.port)],
        input=b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.stdout.endswith(b"ok\n")


def test_many_who_never_finish_do_not_hold_up_the_others(shared: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", shared.port), timeout=LIMIT_S) for _ in range(40)]
    for sock in slow:
        sock.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
    assert get(shared, "/healthz", 5)[0] == 200
    for sock in slow:
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        sock.close()
