"""Signs of members: Modern IRC, "Channel Membership Prefixes"; IRCv3 multi-prefix; numerics 352, 353, 319."""

from collections.abc import Callable

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

Make = Callable[..., Client]


def test_the_highest_sign_is_shown_everywhere(client: Make, channel: str) -> None:
    """These users are given prefixes before their nickname whenever it is associated with a channel (ie, in NAMES, WHO
    and WHOIS messages)."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +v bob", f"MODE {channel} +v ann")
    bob.told()
    names = next(m for m in bob.ask(f"NAMES {channel}") if m.command == "353").last.split()
    assert sorted(names) == ["+bob", "@ann"]
    flags = {m.params[5]: m.params[6] for m in bob.ask(f"WHO {channel}") if m.command == "352"}
    assert flags == {"ann": "H@", "bob": "H+"}
    assert [m.last.split() for m in bob.ask("WHOIS ann") if m.command == "319"] == [["@" + channel]]


def test_all_signs_are_shown_to_who_wants_them(client: Make, channel: str) -> None:
    """the NAMES and WHO replies contain all the prefixes the user has, in order of rank, from highest to lowest"""
    ann = client("ann", "multi-prefix")
    ann.join(channel)
    ann.ask(f"MODE {channel} +v ann")
    names = next(m for m in ann.ask(f"NAMES {channel}") if m.command == "353").last.split()
    assert names == ["@+ann"]
    assert [m.params[6] for m in ann.ask(f"WHO {channel}") if m.command == "352"] == ["H@+"]


def test_who_comes_with_a_role_is_told_to_all(client: Make, channel: str) -> None:
    """(Who joins and has a role is announced with JOIN, then MODE, as services do on other servers.) JOIN and MODE
    messages affecting the channel ... allows them to keep track of other channel members and channel modes."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +o bob")
    bob.told()
    names = next(m for m in ann.ask(f"NAMES {channel}") if m.command == "353").last.split()
    assert sorted(names) == ["@ann", "@bob"]
    bob.ask(f"PART {channel}")
    ann.told()
    bob.join(channel)
    seen = dict.fromkeys(("ann", "bob"), "") | {"ann": "@"}
    for m in ann.told():
        if m.command == "MODE" and m.params[1] == "+o":
            seen[m.params[2]] = "@"
    names = next(m for m in ann.ask(f"NAMES {channel}") if m.command == "353").last.split()
    assert sorted(names) == sorted(sign + name for name, sign in seen.items())


def test_higher_roles_have_signs_too(client: Make, channel: str) -> None:
    """PREFIX=(qaohv)~&@%+ ... in descending order, from the prefix that gives the most privileges"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.needs("PREFIX", "(qaohv)~&@%+")
    ann.ask(f"MODE {channel} +h bob")
    names = next(m for m in ann.ask(f"NAMES {channel}") if m.command == "353").last.split()
    assert sorted(names) == ["%bob", "@ann"]
    assert [m.params[1:] for m in bob.told() if m.command == "MODE"] == [["+h", "bob"]]
