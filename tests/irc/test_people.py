"""Asking about people and the server: Modern IRC, "User-Based Queries" and "Server Queries"; WHOX."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]


def test_who_lists_a_channel(client: Make, channel: str) -> None:
    """A channel name, in which case the channel members are listed. ... and end the list with RPL_ENDOFWHO."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    bob.ask("AWAY :out")
    told = ann.ask(f"WHO {channel}")[-3:]
    assert [m.command for m in told] == ["352", "352", "315"]
    flags = {m.params[5]: (m.params[1], m.params[6][0], m.last) for m in told[:2]}
    assert flags == {"ann": (channel, "H", "0 Ann Example"), "bob": (channel, "G", "0 Bob Example")}
    assert told[-1].params[1] == channel


def test_who_finds_people_by_nick_and_mask(client: Make) -> None:
    """An exact nickname, in which case a single user is returned. A mask pattern, in which case all visible users whose
    nickname matches are listed."""
    ann = client("ann")
    client("bob")
    assert [m.params[5] for m in ann.ask("WHO BOB") if m.command == "352"] == ["bob"]
    assert [m.params[5] for m in ann.ask("WHO b?b") if m.command == "352"] == ["bob"]
    assert ann.numbers("WHO nobody") == ["315"]


def test_whox_has_the_fields_that_were_asked_for_in_their_order(client: Make, channel: str) -> None:
    """Servers MUST send the fields in the order specified above. ... `0` is used for [account] when the user is logged
    out ... 255.255.255.255 is used for [ip] when the server refuses to disclose the IP address"""
    ann = client("ann")
    ann.join(channel)
    told = ann.ask(f"WHO {channel} %ranfct,042")
    assert (told[0].command, told[0].params[1:4]) == ("354", ["042", channel, "ann"])
    assert told[0].params[4][0] == "H"
    assert told[0].params[5:] == ["0", "Ann Example"]
    assert told[1].command == "315"
    assert len(ann.ask(f"WHO {channel} %ihsul")[0].params) == 6


def test_whois_ends_whatever_it_found(client: Make, channel: str) -> None:
    """Servers MUST end their reply to WHOIS messages with one of these numerics: ... RPL_ENDOFWHOIS otherwise"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    told = {m.command: m for m in ann.ask("WHOIS BOB")}
    assert told["311"].params[1] == "bob"
    assert told["311"].last == "Bob Example"
    assert told["319"].last.split() == [channel]
    assert told["317"].params[2].isdigit()
    assert list(told)[-1] == "318"
    assert "401" in ann.numbers("WHOIS nobody")
    assert ann.numbers("WHOIS")[0] in ("431", "461")


def test_userhost_and_ison_tell_who_is_here(client: Make) -> None:
    """The USERHOST command takes up to five nicknames, each a separate parameters."""
    ann = client("ann")
    client("bob")
    assert [word.partition("=")[0] for word in ann.ask("USERHOST ann nobody bob")[0].last.split()] == ["ann", "bob"]
    assert ann.ask("ISON ann nobody bob")[0].last.split() == ["ann", "bob"]
    assert ann.numbers("ISON", "USERHOST") == ["461", "461"]


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("LUSERS", {"251", "255"}),
        ("VERSION", {"351", "005"}),
        ("TIME", {"391"}),
        ("INFO", {"371", "374"}),
        ("HELP", {"704", "706"}),
        ("ADMIN", {"423"}),
        ("MOTD", {"422"}),
        ("VERSION nosuch.example", {"402"}),
        ("TIME nosuch.example", {"402"}),
        ("MOTD nosuch.example", {"402"}),
        ("HELP frobnicate", {"524"}),
    ],
)
def test_the_server_tells_of_itself(client: Make, line: str, numbers: set[str]) -> None:
    """If <target> is given and a matching server cannot be found, the server will respond with the ERR_NOSUCHSERVER
    numeric and the command will fail."""
    assert set(client("ann").numbers(line)) >= numbers


def test_what_005_says_is_true(client: Make, channel: str) -> None:
    """Servers MUST advertise the casemapping they use in the RPL_ISUPPORT numeric"""
    one = client()
    told = [word for m in one.register("ann") if m.command == "005" for word in m.params[1:-1]]
    tokens = dict(word.partition("=")[::2] for word in told)
    assert tokens["CASEMAPPING"] == "ascii"
    assert "#" in tokens["CHANTYPES"]
    longest = "#" + "x" * (int(tokens["CHANNELLEN"]) - 1)
    assert one.ask(f"JOIN {longest}")[0].command == "JOIN"
    assert one.numbers(f"JOIN {longest}x")[0] in ("403", "476")
    nick = "n" * int(tokens["NICKLEN"])
    assert one.numbers(f"NICK {nick}") == ["NICK"]
    assert one.numbers(f"NICK {nick}n") == ["432"]
    assert all(len(m.params) <= 15 for m in one.ask("VERSION"))


def test_what_005_says_of_this_server(client: Make) -> None:
    """UTF8ONLY ... indicates that the server exclusively uses the UTF-8 character encoding"""
    told = [word for m in client().register("ann") if m.command == "005" for word in m.params[1:-1]]
    assert {"CHANTYPES=#", "NICKLEN=32", "UTF8ONLY", "WHOX"} <= set(told)
