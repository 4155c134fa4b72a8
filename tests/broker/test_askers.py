"""Connections of those who ask at the admin socket, as the broker has them."""

import selectors
import socket
from collections.abc import Iterator

import msgspec
import pytest

from broker.askers import MAX_WRITING, Asker, Askers
from protocol.ipc import Asked
from protocol.operator import Answer

ASKED = Asked(b"{}", 0.0, 0)


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as one:
        yield one


@pytest.fixture
def askers(selector: selectors.BaseSelector) -> Iterator[Askers]:
    one = Askers(selector)
    yield one
    one.close()


def asking(askers: Askers) -> socket.socket:
    """Somebody asks; return their end."""
    theirs, ours = socket.socketpair(socket.AF_UNIX)
    theirs.settimeout(5)
    askers.take(ours.detach(), ASKED)
    return theirs


def turn(askers: Askers, selector: selectors.BaseSelector) -> None:
    for key, _events in selector.select(0):
        assert isinstance(key.data, Asker)
        askers.flush(key.data)


def test_an_answer_of_any_length_is_told_whole_and_ends_the_connection(
    askers: Askers, selector: selectors.BaseSelector
) -> None:
    theirs = asking(askers)
    answer = Answer("x" * 5_000_000, 0)
    askers.answer(askers.waiting.pop(), answer)
    assert len(selector.get_map()) == 1  # it did not fit, and nobody waited for that
    got = bytearray()
    while not got.endswith(b"\n"):
        got += theirs.recv(1 << 20)
        turn(askers, selector)
    assert msgspec.json.decode(got, type=Answer).text == answer.text
    assert theirs.recv(1) == b""
    assert not selector.get_map()
    theirs.close()


def test_who_does_not_read_loses_the_place_to_others(askers: Askers) -> None:
    silent = [asking(askers) for _ in range(MAX_WRITING + 1)]
    for asker in askers.waiting:
        askers.answer(asker, Answer("x" * 5_000_000, 0))
    assert [is_whole(sock) for sock in silent] == [False] + [None] * MAX_WRITING
    for sock in silent:
        sock.close()


def is_whole(sock: socket.socket) -> bool | None:
    """Whether an answer ended well; None: it has not ended."""
    sock.setblocking(False)
    got = b""
    try:
        while chunk := sock.recv(1 << 20):
            got += chunk
    except BlockingIOError:
        return None
    return got.endswith(b"\n")


def test_who_is_gone_disturbs_nobody(askers: Askers) -> None:
    asking(askers).close()
    other = asking(askers)
    for asker in askers.waiting:
        askers.answer(asker, Answer("hi", 0))
    assert other.makefile("rb").read() == b'{"text":"hi","code":0}\n'
    other.close()
