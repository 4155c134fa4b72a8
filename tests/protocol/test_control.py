"""The control socket: messages and the descriptors that ride along."""

import os
import socket
from collections.abc import Iterator

import msgspec
import pytest

from protocol.control import ControlSocket
from protocol.ipc import Asked, Beat, Link, Ready, Stop

Pair = tuple[ControlSocket, ControlSocket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ends = ControlSocket(one), ControlSocket(other)
    yield ends
    for end in ends:
        end.close()


def test_messages_that_come_together_are_read_together(pair: Pair) -> None:
    one, other = pair
    for message in (Ready("x"), Beat(1), Stop("bye", 2.0)):
        one.send(message)
    assert other.recv() == [(Ready("x"), []), (Beat(1), []), (Stop("bye", 2.0), [])]


def test_descriptors_come_with_their_link(pair: Pair) -> None:
    one, other = pair
    read, write = os.pipe()
    one.send(Beat(1))
    one.send(Link("broker", 3), (read, write))
    one.send(Beat(2))
    messages: list[tuple[object, list[int]]] = []
    while len(messages) < 3:
        messages += other.recv()
    assert [message for message, _fds in messages] == [Beat(1), Link("broker", 3), Beat(2)]
    got_read, got_write = messages[1][1]
    os.write(got_write, b"through")
    assert os.read(got_read, 10) == b"through"
    for fd in (read, write, got_read, got_write):
        os.close(fd)


def test_who_asks_comes_with_one_descriptor(pair: Pair) -> None:
    one, other = pair
    read, write = os.pipe()
    one.send(Asked(b'{"op":"users"}', 1.5, 2), (write,))
    [(message, fds)] = other.recv()
    assert message == Asked(b'{"op":"users"}', 1.5, 2)
    os.write(fds[0], b"here")
    assert os.read(read, 10) == b"here"
    for fd in (read, write, *fds):
        os.close(fd)


def test_two_links_keep_their_own_descriptors(pair: Pair) -> None:
    one, other = pair
    pipes = [os.pipe() for _ in range(4)]
    one.send(Link("worker", 1), (pipes[0][0], pipes[1][1]))
    one.send(Link("worker", 2), (pipes[2][0], pipes[3][1]))
    messages: list[tuple[object, list[int]]] = []
    while len(messages) < 2:
        messages += other.recv()
    for number, (_message, (reader, _writer)) in enumerate(messages):
        os.write(pipes[number * 2][1], b"%d" % number)
        assert os.read(reader, 10) == b"%d" % number
    for fd in [fd for ends in pipes for fd in ends] + [fd for _message, fds in messages for fd in fds]:
        os.close(fd)


def test_a_message_cut_anywhere_is_one_message(pair: Pair) -> None:
    one, other = pair
    line = msgspec.json.encode(Stop("bye", 2.0)) + b"\n"
    for cut in range(1, len(line)):
        one._sock.sendall(line[:cut])
        assert other.recv() == []
        one._sock.sendall(line[cut:])
        assert other.recv() == [(Stop("bye", 2.0), [])]


def test_the_end_of_the_peer_is_told(pair: Pair) -> None:
    one, other = pair
    one.close()
    with pytest.raises(EOFError):
        other.recv()
    with pytest.raises(OSError, match="Broken pipe"):
        other.send(Beat(1))


def test_nothing_waits_when_it_may_not(pair: Pair) -> None:
    pair[1].setblocking(False)
    assert pair[1].recv() == []


def test_an_endless_line_is_taken_for_the_end(pair: Pair) -> None:
    one, other = pair
    for _ in range(2):
        one._sock.sendall(b"x" * 30_000)
        assert other.recv() == []
    one._sock.sendall(b"x" * 30_000)
    with pytest.raises(EOFError):
        other.recv()


GARBAGE = [
    b"nonsense\n",
    b'{"type":"Beat","n":1,"x":' + b"[" * 20_000 + b"\n",
    b'{"type":"Stop","text":"\xff"}\n',
    b'{"type":"Link","peer":"broker","incarnation":1}\n',
]


@pytest.mark.parametrize("line", GARBAGE)
def test_garbage_or_a_link_without_descriptors_is_taken_for_the_end(pair: Pair, line: bytes) -> None:
    one, other = pair
    one._sock.sendall(line)
    with pytest.raises(EOFError):
        other.recv()


def test_descriptors_that_belong_to_no_message_are_closed(pair: Pair) -> None:
    one, other = pair
    spare = os.open(os.devnull, os.O_RDONLY)
    before = sorted(os.listdir("/dev/fd"))
    socket.send_fds(one._sock, [msgspec.json.encode(Beat(1)) + b"\n"], [spare] * 10)
    assert other.recv() == [(Beat(1), [])]
    assert sorted(os.listdir("/dev/fd")) == before
    socket.send_fds(one._sock, [b"garbage\n"], [spare] * 10)
    with pytest.raises(EOFError):
        other.recv()
    assert sorted(os.listdir("/dev/fd")) == before
    os.close(spare)


def talk_for_ever(control: ControlSocket) -> None:
    for number in range(1_000_000):
        control.send(Beat(number))


def test_a_peer_that_does_not_read_is_given_up_when_there_is_a_limit() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    impatient, deaf = ControlSocket(one, 0.01), ControlSocket(other)
    with pytest.raises(OSError, match="temporarily unavailable"):
        talk_for_ever(impatient)
    with pytest.raises(OSError, match="Broken pipe"):
        impatient.send(Beat(0))
    impatient.close()
    deaf.close()
