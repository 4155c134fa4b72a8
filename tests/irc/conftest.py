"""A server for the tests of IRC: this one with one worker and with several, or the one MOOT_IRC_SERVER names."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from tests.irc.client import Client
from tests.server import serving

CHEAP = ("--argon2-memory", "64", "--argon2-passes", "1")  # of passwords; the tests would wait for nothing else
_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["1", "3"], ids=["one worker", "three workers"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Where the server listens. Against another one: MOOT_IRC_SERVER=host:port."""
    if other := os.environ.get("MOOT_IRC_SERVER"):
        host, _, port = other.rpartition(":")
        yield host, int(port)
        return
    data = tmp_path_factory.mktemp("irc")
    env = {"XDG_STATE_HOME": str(data / "state")}
    with serving(data / "data", "--workers", request.param, "--no-limits", *CHEAP, env=env) as server:
        yield "127.0.0.1", server.port


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Callable[..., Client]]:
    """Make clients: ``client("ann", "echo-message")`` is in, ``client()`` says nothing. All leave at the end."""
    made: list[Client] = []

    def make(nick: str = "", *caps: str) -> Client:
        one = Client(address)
        made.append(one)
        if nick:
            one.register(nick, *caps)
        return one

    yield make
    for one in made:
        one.leave()


@pytest.fixture
def name() -> str:
    """A nick that nobody has registered."""
    return f"acct{next(_numbers)}"


@pytest.fixture
def channel() -> str:
    """A channel that nobody was ever in."""
    return f"#t{next(_numbers)}"
