"""A server for the tests of IRC: this one with one worker and with several, Debian's, or that of MOOT_IRC_SERVER."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from tests.irc import servers
from tests.irc.client import Client
from tests.irc.differences import CORE, DIFFERS, NEEDS, OURS, PEERED, PEERS
from tests.irc.servers import Address, Claims, claimed_by
from tests.outside.programs import need
from tests.server import serving

CHEAP = ("--argon2-memory", "64", "--argon2-passes", "1")  # of passwords; the tests would wait for nothing else
_numbers = itertools.count(1)
WORKERS = {"one worker": "1", "three workers": "3"}


@pytest.fixture(scope="session", params=[*WORKERS, *PEERS])
def server_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def address(server_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """Where the server listens. Against another one: MOOT_IRC_SERVER=host:port."""
    if other := os.environ.get("MOOT_IRC_SERVER"):
        host, _, port = other.rpartition(":")
        yield host, int(port)
    elif server_name in PEERS:
        need(server_name)
        with servers.peer(server_name) as listening:
            yield listening
    else:
        data = tmp_path_factory.mktemp("irc")
        env = {"XDG_STATE_HOME": str(data / "state")}
        with serving(data / "data", "--workers", WORKERS[server_name], "--no-limits", *CHEAP, env=env) as server:
            yield "127.0.0.1", server.port


@pytest.fixture(scope="session")
def claims(address: Address) -> Claims:
    """What the server claims."""
    return claimed_by(address)


@pytest.fixture
def client(request: pytest.FixtureRequest, address: Address) -> Iterator[Callable[..., Client]]:
    """Make clients: ``client("ann", "echo-message")`` is in, ``client()`` says nothing. All leave at the end."""
    made: list[Client] = []
    peer = _peer_of(request.node)
    claims: Claims | None = request.getfixturevalue("claims") if peer else None  # of ours, everything is asked

    def make(nick: str = "", *caps: str) -> Client:
        missing = set(caps) - claims.caps if claims is not None else ()
        if missing:
            pytest.skip(f"{peer} does not claim {', '.join(sorted(missing))}")
        one = Client(address, utf8=claims is None or "UTF8ONLY" in claims.tokens)
        made.append(one)
        if nick:
            one.register(nick, *caps)
        return one

    if claims is not None and peer is not None:
        _leave_out(request, peer, claims)
    yield make
    for one in made:
        one.leave()


def _leave_out(request: pytest.FixtureRequest, server: str, claims: Claims) -> None:
    """Skip a test that is not to be asked of another server."""
    named = request.node.name.replace(f"[{server}]", "").replace(f"[{server}-", "[")
    for name in (request.node.path.stem, request.node.originalname, named):
        claim = NEEDS.get(name)
        if claim is not None and claim not in claims.tokens and claim not in claims.caps:
            pytest.skip(f"{server} does not claim {claim}")
        if why := OURS.get(name) or DIFFERS[server].get(name):
            pytest.skip(f"{server}: {why}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other servers are asked what `PEERED` names, or only what `CORE` does."""
    asked = dict.fromkeys(PEERS, PEERED) if os.environ.get("IRC_CONFORMANCE") else CORE
    items[:] = [item for item in items if (server := _peer_of(item)) is None or item.path.stem in asked[server]]


def _peer_of(item: pytest.Item) -> str | None:
    """Return the other server that is to be asked."""
    spec = getattr(item, "callspec", None)
    name = None if spec is None else spec.params.get("server_name")
    return name if name in PEERS else None


@pytest.fixture
def name() -> str:
    """A nick that nobody has registered."""
    return f"acct{next(_numbers)}"


@pytest.fixture
def channel() -> str:
    """A channel that nobody was ever in."""
    return f"#t{next(_numbers)}"
