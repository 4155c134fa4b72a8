"""MONITOR: IRCv3, "Monitor" and "extended-monitor"."""

from collections.abc import Callable

from tests.irc.client import Client, Message

Make = Callable[..., Client]


def _said(told: list[Message]) -> list[tuple[str, list[str]]]:
    """Numbers and nicks."""
    return [(m.command, [word.partition("!")[0] for word in m.last.split(",")]) for m in told]


def test_who_is_here_and_who_is_not_is_told_when_they_are_added(client: Make) -> None:
    """If any of the targets being added are online, the server will generate RPL_MONONLINE numerics listing those
    targets that are online. If any of the targets being added are offline, the server will generate RPL_MONOFFLINE"""
    ann, _bob = client("ann"), client("bob")
    assert sorted(_said(ann.ask("MONITOR + bob,eve,joe"))) == [("730", ["bob"]), ("731", ["eve", "joe"])]


def test_coming_and_going_is_told(client: Make) -> None:
    """This numeric is used to indicate to a client that either a target has just become online, ... has just left the
    irc network"""
    ann = client("ann")
    ann.ask("MONITOR + bob")
    bob = client("Bob")
    assert _said(ann.until("730")[-1:]) == [("730", ["Bob"])]
    bob.ask("NICK robert")
    assert _said(ann.until("731")[-1:]) == [("731", ["Bob"])]
    bob.ask("NICK bob")
    assert _said(ann.until("730")[-1:]) == [("730", ["bob"])]
    bob.leave()
    assert _said(ann.until("731")[-1:]) == [("731", ["bob"])]


def test_removed_and_cleared_ones_are_not_told_of(client: Make) -> None:
    """No output will be returned for use of this command."""
    ann = client("ann")
    ann.ask("MONITOR + bob,eve,joe")
    assert ann.ask("MONITOR - bob") == []
    listed = [sorted(m.last.split(",")) for m in ann.ask("MONITOR L") if m.command == "732"]
    assert listed == [["eve", "joe"]]
    client("bob")
    assert ann.ask("MONITOR C") == []
    client("eve")
    assert _said(ann.ask("MONITOR L")) == [("733", ["End of MONITOR list"])]


def test_the_state_of_all_may_be_asked_for(client: Make) -> None:
    """Outputs for each target in the list being monitored, whether the client is online or offline."""
    ann, bob = client("ann"), client("bob")
    ann.ask("MONITOR + bob,eve")
    assert sorted(_said(ann.ask("MONITOR S"))) == [("730", ["bob"]), ("731", ["eve"])]
    bob.leave()
    ann.until("731")
    assert _said(ann.ask("MONITOR S")) == [("731", ["bob", "eve"])]


def test_the_list_has_a_limit(client: Make) -> None:
    """The <limit> parameter is the maximum number of targets a client may have in their list, the <targets> parameter
    is the list of targets, as the client sent them, that cannot be added."""
    one = client()
    tokens = [word for m in one.register("ann") if m.command == "005" for word in m.params]
    assert "MONITOR=100" in tokens
    for start in range(0, 100, 25):
        one.ask("MONITOR + " + ",".join(f"n{number}" for number in range(start, start + 25)))
    full = one.ask("MONITOR + n1,x1,x2")
    assert [(m.command, m.params[1:3]) for m in full if m.command == "734"] == [("734", ["100", "x1,x2"])]


def test_masks_are_nobodys_nick(client: Make) -> None:
    """The MONITOR implementation also enhances user privacy by disallowing subscription to hostmasks"""
    ann, _bob = client("ann"), client("bob")
    assert "730" not in ann.numbers("MONITOR + *!*@*,b*")
    assert ann.numbers("MONITOR", "MONITOR X") == ["461", "400"]


def test_one_who_watches_hears_what_who_shares_a_channel_hears(client: Make, channel: str) -> None:
    """If away-notify is also enabled, the client will get AWAY notifications for monitored nicks. ... If setname is
    also enabled, the client will get SETNAME notifications for monitored nicks."""
    ann = client("ann", "extended-monitor", "away-notify", "setname")
    eve = client("eve", "away-notify", "setname")
    bob = client("bob")
    for one in (ann, eve):
        one.ask("MONITOR + bob")
    bob.ask("AWAY :lunch", "SETNAME :Robert")
    assert [(m.command, m.nick, m.last) for m in ann.told()] == [("AWAY", "bob", "lunch"), ("SETNAME", "bob", "Robert")]
    assert eve.told() == []
    for one in (ann, bob):
        one.join(channel)
    ann.told()
    bob.ask("AWAY")
    assert [(m.command, m.nick, m.params) for m in ann.told()] == [
        ("AWAY", "bob", [])
    ]  # once, though there are two ways


def test_who_is_too_many_is_told_in_whole_lines(client: Make) -> None:
    """:<server> 734 <nick> <limit> <targets> :Monitor list is full."""
    one = client("ann" + "n" * 20)
    for start in range(0, 100, 25):
        one.ask("MONITOR + " + ",".join(f"n{number}" for number in range(start, start + 25)))
    many = [f"{'x' * 20}{number}" for number in range(10, 31)]
    full = [m for m in one.ask("MONITOR + " + ",".join(many)) if m.command == "734"]
    assert [nick for m in full for nick in m.params[2].split(",")] == many
    assert {m.last for m in full} == {"Monitor list is full."}
