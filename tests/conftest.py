"""What all tests share: a real server, and peers that talk to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Peer, Server, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A real server with a log of its own."""
    with serving(tmp_path / "data", "--workers", "2") as running:
        yield running


@pytest.fixture
def peer(server: Server) -> Iterator[Callable[..., Peer]]:
    """Make introduced native peers: ``peer("ann", "#tea")``; without a nick a bare connection."""
    made: list[Peer] = []

    def make(nick: str = "", *rooms: str) -> Peer:
        one = Peer(server.port)
        made.append(one)
        if nick:
            one.enter(nick, *rooms)
        return one

    yield make
    for one in made:
        one.close()
