"""The limits that everybody meets, as an IRC client that comes with all its channels meets them (263, CHANLIMIT)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.irc.client import Client
from tests.server import serving


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path / "data", "--workers", "1", env={"XDG_STATE_HOME": str(tmp_path / "state")}) as server:
        one = Client(("127.0.0.1", server.port))
        one.register("ann")
        yield one
        one.sock.close()


def test_a_client_enters_as_many_channels_as_it_may_at_once(ann: Client) -> None:
    """CHANLIMIT ... indicates the number of channels a client may join"""
    most = int(ann.claims["CHANLIMIT"].partition(":")[2])
    channels = [f"#c{number}" for number in range(most)]
    ann.send(*(f"JOIN {','.join(channels[start : start + 50])}" for start in range(0, most, 50)))
    told = ann.until(lambda message: message.command == "366" and message.params[1] == channels[-1])
    assert [m.params[0] for m in told if m.command == "JOIN"] == channels
    assert {m.command for m in told} == {"JOIN", "353", "366"}


def test_a_channel_that_was_not_entered_for_haste_is_named(ann: Client) -> None:
    """RPL_TRYAGAIN (263): "<client> <command> :Please wait a while and try again." """
    ann.send(*(f"JOIN #t{number % 2}\r\nPART #t{number % 2}" for number in range(30)))
    told = ann.until(lambda message: message.command == "263" and message.params[1] == "JOIN")
    assert told[-1].last.startswith(("#t0: ", "#t1: "))
