"""Every known fault of the five chat programs that moot replaces, tried on moot.

What overwrites a typed line is tried in a real terminal, in `test_terminal.py`.
"""

import base64
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from protocol import native
from tests.server import LIMIT_S, Peer, Server

MakePeer = Callable[..., Peer]


class Plain:
    """A person with `nc`, byte for byte."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.screen = b""

    def type(self, keys: bytes) -> None:
        self.sock.sendall(keys)

    def wait_for(self, words: str) -> str:
        """Read until ``words`` are on the screen; return what came up to them and forget it."""
        wanted = words.encode()
        while wanted not in self.screen:
            chunk = self.sock.recv(1 << 16)
            assert chunk, f"closed before {words!r}: {self.screen.decode(errors='replace')}"
            self.screen += chunk
        before, _, self.screen = self.screen.partition(wanted)
        return before.decode() + words


@pytest.fixture
def plain(server: Server) -> Iterator[Callable[[str], Plain]]:
    made: list[Plain] = []

    def make(nick: str) -> Plain:
        person = Plain(server.port)
        made.append(person)
        person.type(nick.encode() + b"\n")
        person.wait_for("#lobby")
        return person

    yield make
    for person in made:
        person.sock.close()


def server_cpu_s(server: Server) -> float:
    assert server.process is not None
    root = psutil.Process(server.process.pid)
    return sum(sum(process.cpu_times()[:2]) for process in [root, *root.children(recursive=True)])


def cpu_share(server: Server) -> float:
    """Return the share of a core the idle server takes, over half a second."""
    before, start = server_cpu_s(server), time.monotonic()
    while time.monotonic() - start < 0.5:
        time.sleep(0.05)
    return (server_cpu_s(server) - before) / (time.monotonic() - start)


# --- A


@pytest.mark.parametrize(
    "line", ["/touch!-c!x?{0}/", "/touch?{0}/", "/touch {0}", "$(touch {0})", "`touch {0}`", "; touch {0}"]
)
def test_no_message_runs_a_program(plain: Callable[[str], Plain], peer: MakePeer, tmp_path: Path, line: str) -> None:
    ann, bob = plain("ann"), peer("bob", "#lobby")
    target = tmp_path / "made"
    ann.type(line.format(target).encode() + b"\n/cowsay done\n")
    seen = bob.next(lambda event: isinstance(event, native.Msg) and event.kind == "fun")
    assert "done" in seen.text
    assert not target.exists()


def test_an_unknown_command_hurts_nobody(plain: Callable[[str], Plain], peer: MakePeer) -> None:
    ann, bob = plain("ann"), peer("bob", "#lobby")
    ann.type(b"/nosuchprogram?x/\n")
    ann.wait_for("nosuchprogram")
    ann.type(b"still here\n")
    assert bob.next(native.Msg).text == "still here"


def test_a_closed_client_costs_neither_cpu_nor_the_next_sender(server: Server, peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    peer("eve", "#tea").close()
    assert ann.next(native.Left).nick == "eve"
    ann.ask(native.Send(cmid="a", to="#tea", text="next"), native.Ok)
    assert bob.next(native.Msg).text == "next"
    assert cpu_share(server) < 0.2


def test_idle_sockets_block_nobody(server: Server, peer: MakePeer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    ann = peer("ann", "#tea")
    assert ann.ask(native.Send(cmid="a", to="#tea", text="hi"), native.Ok).seq == 1
    for sock in idle:
        sock.close()


def test_a_colon_in_the_text_is_text(plain: Callable[[str], Plain], peer: MakePeer) -> None:
    ann, bob = plain("ann"), peer("bob", "#lobby")
    ann.type(b"/cowsay time: 12:30\nsee http://example.org:80/ at 12:30:45\n")
    assert "time: 12:30" in bob.next(native.Msg).text
    assert bob.next(native.Msg).text == "see http://example.org:80/ at 12:30:45"


@pytest.mark.parametrize("nick", ["", " ", "\t", "a;b", "a,b", "a b", "#ann", "@ann", "\u202eann", "x" * 33])
def test_empty_and_broken_nicks_are_refused(peer: MakePeer, nick: str) -> None:
    bob = peer("bob", "#tea")
    error = peer().ask(native.Hello(nick=nick), native.Error)
    assert error.code == "bad-nick"
    assert [person.nick for person in bob.ask(native.Who(), native.People).people] == ["bob"]


# --- B


def test_a_half_closed_connection_ends_without_a_spin(
    server: Server, plain: Callable[[str], Plain], peer: MakePeer
) -> None:
    bob = peer("bob", "#lobby")
    ann = plain("ann")
    ann.type(b"last words")  # no newline: the end of input completes the line
    ann.sock.shutdown(socket.SHUT_WR)
    assert bob.next(native.Msg).text == "last words"
    assert bob.next(native.Left).nick == "ann"
    while ann.sock.recv(1 << 16):
        pass
    assert cpu_share(server) < 0.2


def test_blank_lines_are_nothing(plain: Callable[[str], Plain], peer: MakePeer) -> None:
    ann, bob = plain("ann"), peer("bob", "#lobby")
    ann.type(b"\n\r\n   \n\nhello\n")
    assert bob.next(native.Msg).text == "hello"


# --- C


def test_closing_without_quit_is_told_once_and_leaves_no_ghost(peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    bob = peer("bob", "#tea")
    bob.close()
    left = ann.next(native.Left)
    assert (left.nick, left.quit) == ("bob", True)
    assert ann.gather(native.Left) == []
    assert [person.nick for person in ann.ask(native.Who(), native.People).people] == ["ann"]


def test_connecting_and_closing_registers_nobody(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    for _ in range(10):
        socket.create_connection(("127.0.0.1", server.port)).close()
    assert [person.nick for person in ann.ask(native.Who(), native.People).people] == ["ann"]
    assert ann.gather(native.Joined) == []


def test_dead_sockets_stop_no_broadcast(server: Server, peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    for number in range(6):  # they are reset, not closed: the server finds out when it writes
        dead = peer(f"dead{number}", "#tea")
        dead.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        dead.sock.close()
    for number in range(5):
        ann.ask(native.Send(cmid=f"a{number}", to="#tea", text=str(number)), native.Ok)
    assert [msg.text for msg in bob.gather(native.Msg)] == ["0", "1", "2", "3", "4"]


def test_half_a_character_is_waited_for_and_a_broken_one_replaced(
    plain: Callable[[str], Plain], peer: MakePeer
) -> None:
    ann, bob = plain("ann"), peer("bob", "#lobby")
    coffee = "☕ für".encode()
    for index in range(len(coffee)):
        ann.type(coffee[index : index + 1])
        bob.ask(native.Ping(), native.Pong)
    ann.type(b"\n")
    assert bob.next(native.Msg).text == "☕ für"
    ann.type(b"bro\xff\xfeken\n")
    assert bob.next(native.Msg).text.startswith("bro")
    ann.type(b"fine\n")
    assert bob.next(native.Msg).text == "fine"


# --- D


def test_what_the_network_sends_is_never_unpickled(server: Server, peer: MakePeer, tmp_path: Path) -> None:
    target = tmp_path / "made"
    # What pickle.dumps gives for an object whose __reduce__ is (os.mkdir, (target,)), written out by hand.
    hostile = b"cposix\nmkdir\n(S'" + str(target).encode() + b"'\ntR."
    for start in (b"", b"{", b"\x80\x04"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as sock:
            sock.sendall(start + hostile + b"\n" + base64.b64encode(hostile) + b"\n")
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1 << 16):
                pass
    assert peer("ann", "#tea").ask(native.Ping(), native.Pong)
    assert not target.exists()


def test_exit_typed_as_text_is_text(plain: Callable[[str], Plain], peer: MakePeer) -> None:
    ann, bob = plain("ann"), peer("bob", "#lobby")
    ann.type(b"!Exit\nquit\nstill here\n")
    assert [bob.next(native.Msg).text for _ in range(3)] == ["!Exit", "quit", "still here"]


# --- E


def test_a_clean_close_leaves_later_senders_alone(plain: Callable[[str], Plain], peer: MakePeer) -> None:
    bob = peer("bob", "#lobby")
    ann = plain("ann")
    ann.type(b"/quit\n")
    while ann.sock.recv(1 << 16):
        pass
    for nick in ("carl", "dora"):
        plain(nick).type(f"{nick} here\n".encode())
        assert bob.next(native.Msg).text == f"{nick} here"


def test_naming_somebody_unknown_ends_nothing(plain: Callable[[str], Plain], peer: MakePeer) -> None:
    bob = peer("bob", "#lobby")
    ann = plain("ann")
    ann.type(b"/whois nobody\n/msg nobody hi\n/kick nobody\n/unignore nobody\nstill here\n")
    assert bob.next(native.Msg).text == "still here"


def test_the_server_can_be_stopped_while_people_are_there(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    peer("bob", "#tea")
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 10
    assert ann.ended()
    bye = next(event for event in ann.events if isinstance(event, native.Bye))
    assert bye.retry is not None


def test_ctrl_c_stops_it_too(server: Server) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(LIMIT_S) == 0
    assert "Traceback" not in server.log
