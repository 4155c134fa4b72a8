"""Who is logged in, as others see it: IRCv3 account-notify, extended-join, chghost, WHOX; Modern IRC, WHOIS."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]
PASSWORD = "sesame-poppy"


@pytest.fixture
def registered(client: Make, name: str) -> str:
    one = client(name)
    assert one.ask(f"REGISTER * * {PASSWORD}")[0].params[0] == "SUCCESS"
    one.leave()
    return name


def test_who_shares_a_channel_hears_who_logs_in_and_out(client: Make, channel: str, name: str) -> None:
    """:nick!user@host ACCOUNT accountname — This message represents that the user identified by nick!user@host has
    logged into a new account. ... clients on common channels with them, including themselves ... :nick!user@host
    ACCOUNT * — has logged out of their account."""
    ann, bob = client(name, "account-notify"), client("bob", "account-notify")
    eve = client("eve", "away-notify")
    for one in (ann, bob, eve):
        one.join(channel, channel + "b")
    for one in (ann, bob, eve):
        one.told()
    own = ann.ask(f"REGISTER * * {PASSWORD}")
    assert [(m.nick, m.params) for m in own if m.command == "ACCOUNT"] == [(name, [name])]
    assert [(m.command, m.nick, m.params) for m in bob.told()] == [("ACCOUNT", name, [name])]
    assert [m for m in eve.told() if m.command != "MODE"] == []
    own = ann.ask("NS LOGOUT")
    assert [m.params for m in own if m.command == "ACCOUNT"] == [["*"]]
    assert [m.params for m in bob.told() if m.command == "ACCOUNT"] == [["*"]]


def test_another_host_is_told_to_who_wants_to_hear_of_it(client: Make, channel: str, name: str) -> None:
    """When a client username or host is changed, servers MUST send the CHGHOST message to other clients who share
    channels with the target client and who have enabled the chghost capability. :nick!old_user@old_host.local CHGHOST
    new_user new_host.local"""
    ann, bob = client(name, "chghost"), client("bob", "chghost")
    for one in (ann, bob):
        one.join(channel)
    ann.told()
    own = [m for m in ann.ask(f"REGISTER * * {PASSWORD}") if m.command == "CHGHOST"]
    heard = [m for m in bob.told() if m.command == "CHGHOST"]
    assert [(m.source, m.params) for m in own] == [(m.source, m.params) for m in heard]
    assert heard[0].params[1] != heard[0].source.partition("@")[2]
    ann.ask(f"PRIVMSG {channel} :hi")
    assert bob.until("PRIVMSG")[-1].source == f"{name}!{heard[0].params[0]}@{heard[0].params[1]}"


def test_a_join_tells_the_account(client: Make, channel: str, registered: str) -> None:
    """:nick!user@host JOIN #channelname accountname :Real Name"""
    bob = client("bob", "extended-join")
    bob.join(channel)
    one = client()
    one.send(f"PASS {registered}:{PASSWORD}", f"NICK {registered}", "USER x 0 * :Ann Example", f"JOIN {channel}")
    assert bob.until("JOIN")[-1].params == [channel, registered, "Ann Example"]


def test_whois_and_whox_tell_the_account(client: Make, channel: str, registered: str) -> None:
    """RPL_WHOISACCOUNT: "<client> <nick> <account> :is logged in as"; `a`: account name, or 0 if logged out"""
    bob = client("bob")
    one = client()
    one.send(f"PASS {registered}:{PASSWORD}", f"NICK {registered}", "USER x 0 * :x", f"JOIN {channel}")
    one.until("366")
    bob.join(channel)
    told = {m.command: m for m in bob.ask(f"WHOIS {registered}")}
    assert told["330"].params[1:3] == [registered, registered]
    assert told["307"].params[1] == registered
    found = {m.params[1]: m.params[2] for m in bob.ask(f"WHO {channel} %na") if m.command == "354"}
    assert found == {registered: registered, "bob": "0"}


def test_all_connections_of_an_account_are_one_person(client: Make, channel: str, registered: str) -> None:
    """(They share the nick, and are in the same channels.)"""
    bob = client("bob")
    bob.join(channel)
    lines = (f"PASS {registered}:{PASSWORD}", f"NICK {registered}", "USER x 0 * :x")
    one, two = client(), client()
    one.send(*lines, f"JOIN {channel}")
    one.until("366")
    two.send(*lines)
    assert two.until("001")[-1].params[0] == registered
    two.until(lambda message: message.command == "JOIN" and message.params[0] == channel)
    bob.ask(f"PRIVMSG {channel} :hi both")
    assert one.until("PRIVMSG")[-1].last == two.until("PRIVMSG")[-1].last == "hi both"
    assert [m.nick for m in bob.told() if m.command == "JOIN"] == []
