"""Capabilities: IRCv3, "Client Capability Negotiation"."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_negotiation_holds_registration_back(client: Make) -> None:
    """Upon receiving either a CAP LS or CAP REQ command during connection registration, the server MUST not complete
    registration until the client sends a CAP END command"""
    ann = client()
    ann.send("CAP LS 302", "NICK ann", "USER ann 0 * :Ann", "CAP LIST")
    told = ann.until(lambda message: message.params[1:2] == ["LIST"])
    *lists, last = told
    assert [message.params[1:-1] for message in lists] == [["LS", "*"]] * (len(lists) - 1) + [["LS"]]
    assert (last.command, last.params[1]) == ("CAP", "LIST")
    ann.send("CAP END")
    assert ann.until("001")


def test_a_request_is_accepted_as_a_whole_or_not_at_all(client: Make) -> None:
    """The capability identifier set must be accepted as a whole, or rejected entirely."""
    ann = client("ann")

    def answer(line: str) -> list[str]:
        told = ann.ask(line)[0]
        return [told.params[1], *told.last.split()]

    assert answer("CAP REQ :multi-prefix no-such-thing") == ["NAK", "multi-prefix", "no-such-thing"]
    assert answer("CAP LIST") == ["LIST"]
    assert answer("CAP REQ :multi-prefix") == ["ACK", "multi-prefix"]
    assert answer("CAP LIST") == ["LIST", "multi-prefix"]
    assert answer("CAP REQ :-multi-prefix") == ["ACK", "-multi-prefix"]
    assert answer("CAP LIST") == ["LIST"]


def test_an_invalid_subcommand_is_said_so(client: Make) -> None:
    """If a client sends a subcommand which is not in the list above or otherwise issues an invalid command, then
    numeric 410 (ERR_INVALIDCAPCMD) should be sent."""
    one = client()
    one.send("CAP FOO")
    assert one.until("410")[-1].params[:2] == ["*", "FOO"]


def test_version_302_implies_cap_notify(client: Make) -> None:
    """When CAP version 302 is enabled, the client also implicitly indicates support for the cap-notify capability"""
    assert "cap-notify" in client("ann", "batch").ask("CAP LIST")[0].last.split()


def test_end_is_ignored_afterwards(client: Make) -> None:
    """If the client is already registered, this command MUST be ignored by the server."""
    assert client("ann").ask("CAP END") == []
