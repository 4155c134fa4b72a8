"""TLS on the same port, at the real server: any dialect inside, slow and hostile clients, a renewed certificate."""

import contextlib
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moot.certificate import make
from protocol import native
from protocol.pins import pin_of
from tests.moot.program import moot
from tests.server import LIMIT_S, Peer, Server, serving, until
from tests.tls import HalfPeer, TlsPeer, any_certificate, closing, dialled, said

Keep = Callable[[Any], Any]
SMALL = ("--workers", "1", "--no-limits", "--sendq-soft", "16384", "--sendq-hard", "65536")


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Close what it is called with when the test ends."""
    with closing() as one:
        yield one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for what leaves no traces in it."""
    with serving(tmp_path_factory.mktemp("tls") / "data", "--workers", "1", "--tls-handshake", "1") as running:
        yield running


def nc(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)


def rest(sock: socket.socket) -> bytes:
    """Return what comes until the connection ends."""
    found = b""
    try:
        while chunk := sock.recv(1 << 16):
            found += chunk
    except ConnectionError:
        pass
    return found


def lines_of(server: Server, sock: socket.socket) -> list[str]:
    """Return what the log says of a connection, once that is gone."""
    name = "{}:{}".format(*sock.getsockname())
    until(lambda: re.search(rf"{name} disconnected", server.log), "it to be gone")
    return re.findall(rf"{name} (.*)", server.log)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_speaks_tls_and_who_does_not_are_in_one_room(server: Server, version: ssl.TLSVersion, keep: Keep) -> None:
    secret, open_ = keep(TlsPeer(server.port, any_certificate(version))), keep(Peer(server.port))
    secret.enter(f"tls{version:d}", "#tea")
    open_.enter(f"open{version:d}", "#tea")
    seq = said(open_, "hello", version)
    assert [msg.text for msg in secret.gather(native.Msg)] == ["hello"]
    assert said(secret, "hello back", version) == seq + 1
    assert [msg.text for msg in open_.gather(native.Msg)] == ["hello", "hello back"]  # one's own comes too


def test_a_person_with_openssl_is_greeted_and_talks(server: Server, keep: Keep) -> None:
    command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.port}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as person:  # type: ignore[call-overload]
        assert person.stdout.readline() == b"Welcome to moot, a chat.\n"
        person.stdin.write(b"olga\nhello from openssl\n/quit\n")
        person.stdin.flush()
        out = person.stdout.read().decode()
    assert "Hello olga" in out
    assert "Goodbye" in out
    assert person.returncode == 0
    eve = keep(Peer(server.port))
    eve.enter("eve")
    room = eve.ask(native.Join(room="#lobby"), native.Room)
    assert room.messages[-1].text == "hello from openssl"


def test_a_handshake_that_comes_byte_by_byte_is_one(server: Server, keep: Keep) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = any_certificate().wrap_bio(incoming, outgoing)
    sock = keep(nc(server))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send() -> None:
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))

    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            send()
            incoming.write(sock.recv(1 << 16))
    client.write(native.encode(native.Hello(id=1, nick="drip")))
    send()
    while True:
        incoming.write(sock.recv(1 << 16))
        with contextlib.suppress(ssl.SSLWantReadError):  # the server may have offered to resume the session
            assert isinstance(native.decode_event(client.read(1 << 16)), native.Welcome)
            break


def test_garbage_instead_of_a_handshake_ends_in_one_line_of_the_log(server: Server, keep: Keep) -> None:
    sock = keep(nc(server))
    sock.sendall(b"\x16\x03\x01\x00\x05hello and more")
    answer = rest(sock)
    assert answer[:1] in (b"", b"\x15")  # nothing, or an alert
    found = lines_of(server, sock)
    assert found[0] == "connected"
    assert found[1].startswith("disconnected before being introduced: no TLS handshake: ")
    assert len(found) == 2


def test_a_handshake_may_take_so_long_and_no_longer(server: Server, keep: Keep) -> None:
    sock = keep(nc(server))
    sock.sendall(b"\x16\x03\x01")
    assert rest(sock) == b""  # nor is it greeted in plain text
    assert lines_of(server, sock)[1:] == [
        "disconnected before being introduced: no TLS handshake within 1 seconds",
    ]


def test_who_leaves_in_the_handshake_is_one_line_of_the_log(server: Server, keep: Keep) -> None:
    sock = keep(nc(server))
    sock.sendall(b"\x16\x03\x01")
    sock.shutdown(socket.SHUT_WR)
    rest(sock)
    assert lines_of(server, sock)[1:] == [
        "disconnected before being introduced: no TLS handshake: nothing more came",
    ]


def test_there_is_no_tls_in_tls(server: Server, keep: Keep) -> None:
    sock = keep(dialled(server.port))
    sock.sendall(b"\x16\x03\x01\x00\x05hello")
    assert rest(sock) == b""
    assert lines_of(server, sock)[1:] == ["disconnected before being introduced: TLS within TLS"]


def test_who_says_that_nothing_more_comes_is_answered_to_the_end(server: Server, keep: Keep) -> None:
    one = keep(HalfPeer(server.port))
    one.write(native.Hello(id=1, nick="half"))
    one.write(native.Join(id=2, room="#tea"))
    one.write(native.Send(id=3, cmid="half", to="#tea", text="the last word"))
    one.sealed.half_close()
    assert one.ended()  # with the server's own goodbye: else it is an error here
    assert [number for event in one.events if (number := getattr(event, "id", None))] == [1, 2, 3]
    assert isinstance(one.events[-1], native.Bye)


def test_what_is_cut_off_without_a_goodbye_is_not_taken_for_what_was_said(server: Server, keep: Keep) -> None:
    sock, eve = keep(dialled(server.port)), keep(Peer(server.port))
    eve.enter("eve2", "#cut")
    sock.sendall(b"mallory\n/join #cut\n")
    eve.next(native.Joined)
    sock.sendall(b"pay bob 1")  # 000
    raw = sock.detach()
    socket.socket(fileno=raw).close()
    eve.next(native.Left)
    assert not eve.gather(native.Msg)


def test_http_is_spoken_through_tls(server: Server, keep: Keep) -> None:
    sock = keep(dialled(server.port))
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: moot\r\nConnection: close\r\n\r\n")
    assert rest(sock).startswith(b"HTTP/1.1 200 OK\r\n")


def test_irc_is_spoken_through_tls(server: Server, keep: Keep) -> None:
    sock = keep(dialled(server.port))
    sock.sendall(b"NICK ida\r\nUSER ida 0 * :Ida\r\n")
    with sock.makefile("rb") as lines:
        assert b" 001 ida " in lines.readline()


def test_who_is_sent_over_to_a_new_worker_hears_that_to_the_end(tmp_path: Path, keep: Keep) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        one = keep(TlsPeer(server.port))
        hello = native.Hello(nick="ann", token="a token of ann, long")
        one.ask(hello, native.Welcome)
        assert moot("restart", "--data", server.data, "--spread", "0").returncode == 0
        assert one.ended()  # the end of TLS, not only that of the socket: else it is an error here
        bye = one.events[-1]
        assert isinstance(bye, native.Bye)
        assert bye.retry == 0
        again = keep(TlsPeer(server.port))
        assert again.ask(hello, native.Welcome).resumed


def test_a_large_answer_is_whole(server: Server, keep: Keep) -> None:
    one = keep(TlsPeer(server.port))
    one.enter("large", "#large")
    for number in range(10):
        one.ask(native.Send(cmid=f"l{number}", to="#large", text="x" * 4000), native.Ok)
    page = one.ask(native.History(room="#large", after=0), native.HistoryPage)
    assert [msg.text for msg in page.messages] == ["x" * 4000] * 3
    assert page.more


def test_a_slow_reader_lags_and_is_replayed(tmp_path: Path, keep: Keep) -> None:
    with serving(tmp_path / "data", *SMALL) as server:
        slow, ann = keep(TlsPeer(server.port)), keep(Peer(server.port))
        slow.enter("slow", "#tea")
        ann.enter("ann", "#tea")
        last = 0
        while "lags behind" not in server.log:
            last = said(ann, "x" * 4000, last)
            assert last < 20_000
        for _ in range(50):
            last = said(ann, "x" * 1000, last)
        seqs: list[int] = []
        while not seqs or seqs[-1] < last:
            event = slow.next(lambda event: isinstance(event, native.Msg | native.HistoryPage))
            seqs += [msg.seq for msg in event.messages] if isinstance(event, native.HistoryPage) else [event.seq]
            slow.events.clear()
        assert seqs == list(range(1, last + 1))
        until(lambda: "has caught up" in server.log, "the replay to end")
        assert said(ann, "live", 0) == last + 1
        assert slow.next(native.Msg).text == "live"


def test_a_broker_that_is_killed_is_a_pause_and_no_more(tmp_path: Path, keep: Keep) -> None:
    with serving(tmp_path / "data", "--workers", "2") as server:
        ann, bob = keep(TlsPeer(server.port)), keep(TlsPeer(server.port))
        ann.enter("ann", "#tea")
        bob.enter("bob", "#tea")
        said(ann, "before")
        server.kill("broker")
        assert said(ann, "after") == 2
        assert [bob.next(native.Msg).text for _ in range(2)] == ["before", "after"]


def test_a_renewed_certificate_is_shown_to_new_connections_and_ends_none(tmp_path: Path, keep: Keep) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text(make())
    with serving(tmp_path / "data", "--workers", "2", "--cert", str(cert)) as server:
        ann = keep(TlsPeer(server.port))
        ann.enter("ann", "#tea")
        old = pin_of(ann.shown())
        assert f"the server's key is {old}" in server.log

        cert.write_text("-----BEGIN NOTHING-----")
        wrong = moot("reload", "--data", server.data)
        assert wrong.returncode == 2
        assert "nothing is changed: cert: there is no certificate in" in wrong.stderr
        assert pin_of(keep(dialled(server.port)).getpeercert(binary_form=True) or b"") == old

        cert.write_text(make())
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "the certificate is read anew; its key is" in server.log, "the reload")
        new = re.findall(r"its key is (SHA256:\S+) now, it was (SHA256:\S+):", server.log)[-1]
        assert new[1] == old
        for _ in range(4):  # either worker
            until(lambda: pin_of(keep(TlsPeer(server.port)).shown()) == new[0], "the new certificate")
        assert said(ann, "still here") == 1
        server.kill("worker")
        until(lambda: len(server.pids("worker")) == 3, "another worker")
        assert pin_of(keep(TlsPeer(server.port)).shown()) == new[0]


@pytest.mark.parametrize(("allowed", "refused"), [("none", True), ("local", False)])
def test_who_may_come_without_tls_is_a_setting(tmp_path: Path, allowed: str, refused: bool, keep: Keep) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--plaintext", allowed) as server:
        keep(TlsPeer(server.port)).enter("ann")
        if not refused:
            keep(Peer(server.port)).enter("bob")
            return
        native_, person, silent = keep(Peer(server.port)), keep(nc(server)), keep(nc(server))
        native_.write(native.Hello(nick="bob"))
        assert native_.next(native.Error).code == "tls-required"
        assert native_.ended()
        person.sendall(b"bob\n")
        refused_in = {
            b"CON,user=x,pass=\n": b"CONVER,",
            b"NICK x\r\n": b"ERROR :",
            b"GET / HTTP/1.1\r\n\r\n": b"HTTP/1.1 403",
        }
        others = [keep(nc(server)) for _ in refused_in]
        for sock, first in zip(others, refused_in, strict=True):
            sock.sendall(first)
        sentence = b"this server wants TLS: nobody may connect without; use TLS on the same port"
        for sock in (person, silent):
            assert sentence in rest(sock)
        for sock, form in zip(others, refused_in.values(), strict=True):
            answer = rest(sock)
            assert form in answer
            assert sentence in answer


def test_the_key_outlives_the_server(tmp_path: Path, keep: Keep) -> None:
    pins = []
    for _ in range(2):
        with serving(tmp_path / "data", "--workers", "1") as server:
            pins.append(pin_of(keep(TlsPeer(server.port)).shown()))
    assert pins[0] == pins[1]
    assert (tmp_path / "data" / "tls.pem").stat().st_mode & 0o777 == 0o600


def test_a_server_with_a_wrong_certificate_does_not_start(tmp_path: Path, keep: Keep) -> None:
    done = moot("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--cert", tmp_path / "no.pem")
    assert done.returncode == 1
    expected = (
        f"moot: cert: cannot read {tmp_path}/no.pem: No such file or directory; name a PEM file that moot may read"
    )
    assert done.stderr.splitlines()[-1] == expected
    keyless = moot("serve", "--data", tmp_path / "data", "--key", tmp_path / "no.pem")
    assert (keyless.returncode, keyless.stderr.startswith("moot: key is ")) == (2, True)
