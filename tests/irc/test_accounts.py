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


def test_what_one_connection_leaves_or_enters_so_do_the_others(client: Make, channel: str, registered: str) -> None:
    """(They are in the same channels, and each is told so with JOIN and PART, again and again.)"""
    lines = (f"PASS {registered}:{PASSWORD}", f"NICK {registered}", "USER x 0 * :x")
    one, two = client(), client()
    for each in (one, two):
        each.send(*lines)
        each.until("422")
    for _ in range(2):
        one.ask(f"JOIN {channel}")
        assert two.until("366")[-1].params[1] == channel
        one.ask(f"PART {channel}")
        assert two.until("PART")[-1].params[0] == channel


def test_who_logs_out_leaves_what_guests_may_not_be_in(client: Make, channel: str, registered: str) -> None:
    """(The connection that logs out is another person from then on; the others stay.)"""
    lines = (f"PASS {registered}:{PASSWORD}", f"NICK {registered}", "USER x 0 * :x")
    one, two = client(), client()
    for each in (one, two):
        each.send(*lines)
        each.until("422")
    one.ask(f"JOIN {channel}")
    two.until("366")
    one.ask(f"MODE {channel} +R")
    two.until(lambda message: message.command == "MODE" and message.params[1] == "+R")
    told = two.ask("NS LOGOUT")
    assert [(m.nick, m.params[0]) for m in told if m.command == "PART"] == [(registered, channel)]
    assert [m.command for m in told][:2] == ["PART", "NICK"]
    assert "477" in two.numbers(f"JOIN {channel}")


def test_a_mode_behind_a_nick_is_of_the_new_nick(client: Make, name: str) -> None:
    """If <target> is a nickname that exists on the network but ... not the user executing the command"""
    ann = client(name)
    assert ann.numbers(f"NICK {name}x", f"MODE {name}x +i") == ["NICK", "MODE"]
