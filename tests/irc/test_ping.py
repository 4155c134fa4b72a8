"""The server's own PING, and ADMIN where somebody has said who runs it. Modern IRC, "PING message", "ADMIN message"."""

from collections.abc import Callable, Iterator

import pytest

from tests.irc.client import Client
from tests.server import serving


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server of its own, which asks soon."""
    options = ("--irc-ping", "0.2", "--irc-ping-timeout", "1", "--contact", "Ann Example\nroom 7\nann@chat.example")
    with serving(tmp_path_factory.mktemp("ping") / "data", "--workers", "1", "--no-limits", *options) as server:
        yield "127.0.0.1", server.port


def test_who_does_not_answer_a_ping_is_closed_and_others_hear_why(client: Callable[..., Client], channel: str) -> None:
    """The PING command is sent by either clients or servers to check the other side of the connection is still
    connected ... Servers can close the connection if the client does not respond. ERROR: This message may be sent
    ... before disconnecting a client"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    pings = 0
    while (found := ann.read()).command != "QUIT":
        if found.command == "PING":
            pings += 1
            ann.send(f"PONG :{found.last}")
    assert pings  # who answers stays
    assert (found.nick, found.last) == ("bob", "Ping timeout: 1 seconds")
    error = bob.until("ERROR")[-1]
    assert error.last == "Closing link: bob (Ping timeout: 1 seconds)"
    with pytest.raises(EOFError):
        bob.read()


def test_admin_tells_who_runs_the_server(client: Callable[..., Client]) -> None:
    """Upon receiving an ADMIN command, the given server SHOULD respond with the RPL_ADMINME, RPL_ADMINLOC1,
    RPL_ADMINLOC2, and RPL_ADMINEMAIL replies."""
    eve = client("eve")
    told = [m for m in eve.ask("ADMIN") if m.command != "PING"]
    assert [m.command for m in told] == ["256", "257", "258", "259"]
    assert [m.last for m in told[1:]] == ["Ann Example", "room 7", "ann@chat.example"]
