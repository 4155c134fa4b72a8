"""What all tests share: a real server, and peers that talk to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.server import Peer, Server, meeting, serving

settings.register_profile("moot", deadline=None)  # a busy machine is no failure
settings.load_profile("moot")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients keep what they say in here, not with whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A real server with a log of its own."""
    with serving(tmp_path / "data", "--workers", "2") as running:
        yield running


@pytest.fixture
def peer(server: Server) -> Iterator[Callable[..., Peer]]:
    """Make introduced native peers: ``peer("ann", "#tea")``; without a nick a bare connection."""
    yield from meeting(server)
