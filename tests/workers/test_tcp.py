"""What connections inherit from their listening socket, and what one of them may be allowed beyond it."""

import socket
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest

from workers import tcp


@pytest.fixture
def accepted() -> Iterator[socket.socket]:
    """A connection whose listener was prepared for 40 s and 16 KiB."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tcp.prepare(listener, 40.0, 16384)
        with socket.create_connection(listener.getsockname()):
            sock, _address = listener.accept()
            with sock:
                yield sock


class FakeTransport:
    def __init__(self, sock: socket.socket | None, waiting: int = 0) -> None:
        self.sock, self.waiting = sock, waiting

    def get_extra_info(self, _name: str) -> Any:
        return self.sock

    def get_write_buffer_size(self) -> int:
        return self.waiting


def test_connections_inherit_the_probes_for_a_dead_peer(accepted: socket.socket) -> None:
    def option(name: str) -> int:
        return accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))

    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    if sys.platform.startswith("linux"):
        assert (option("TCP_KEEPIDLE"), option("TCP_KEEPINTVL"), option("TCP_KEEPCNT")) == (20, 5, 4)
        assert option("TCP_USER_TIMEOUT") == 40_000
        assert option("TCP_NOTSENT_LOWAT") == 16384


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the option is Linux's")
def test_one_that_lags_may_be_silent_for_longer(accepted: socket.socket) -> None:
    tcp.allow_silence(cast("Any", FakeTransport(accepted)), 600.0)
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 600_000
    accepted.close()
    tcp.allow_silence(cast("Any", FakeTransport(accepted)), 600.0)  # no error either
    tcp.allow_silence(cast("Any", FakeTransport(None)), 600.0)


def test_progress_is_what_left_though_more_was_added() -> None:
    transport, progress = FakeTransport(None, 100), tcp.Progress()
    peer = cast("Any", transport)
    progress.begin(peer, 10.0)
    assert progress.look(peer, 15.0) == 5.0
    transport.waiting, progress.added = 150, 60  # ten bytes were taken, sixty came
    assert progress.look(peer, 16.0) == 0.0
    transport.waiting, progress.added = 170, 20
    assert progress.look(peer, 17.5) == 1.5
