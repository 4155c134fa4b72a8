"""Channels: Modern IRC, "Channel Operations"; IRCv3 extended-join, userhost-in-names, no-implicit-names."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]


def test_a_join_is_told_with_topic_and_names(client: Make, channel: str) -> None:
    """they receive a JOIN message from the server with their client as the message <source> and the channel they have
    joined as the first parameter of the message. After this, they are sent the channel's topic (with RPL_TOPIC), and
    no message if the channel does not have a topic. They are also sent a list of users currently joined"""
    ann, bob = client("ann"), client("bob")
    first = ann.ask(f"JOIN {channel}")
    assert [m.command for m in first if m.command in ("JOIN", "332", "353", "366")] == ["JOIN", "353", "366"]
    assert first[0].nick == "ann"
    assert first[0].params[0] == channel
    ann.ask(f"TOPIC {channel} :Tea time")
    second = bob.ask(f"JOIN {channel}")
    numbers = [m.command for m in second if m.command in ("JOIN", "332", "333", "353", "366")]
    assert numbers == ["JOIN", "332", "333", "353", "366"]
    names = next(m for m in second if m.command == "353").last.split()
    assert sorted(name.lstrip("~&@%+") for name in names) == ["ann", "bob"]
    assert [(m.command, m.nick, m.params[0]) for m in ann.told()] == [("JOIN", "bob", channel)]


def test_a_list_of_channels_is_joined_one_by_one(client: Make, channel: str) -> None:
    """Servers MUST process the parameters of this command as lists ... Servers SHOULD NOT send multiple channels in
    this message to clients"""
    joined = [m.params[0] for m in client("ann").ask(f"JOIN {channel}a,{channel}b") if m.command == "JOIN"]
    assert joined == [channel + "a", channel + "b"]


def test_joining_again_says_nothing(client: Make, channel: str) -> None:
    """(RFC 2812 names no reply for it, and servers send none.)"""
    ann = client("ann")
    ann.join(channel)
    assert ann.ask(f"JOIN {channel}") == []


def test_join_0_leaves_all(client: Make, channel: str) -> None:
    """the special argument of ("0", 0x30) ... requests that the sending client leave all channels they are currently
    connected to. The server will process this command as though the client had sent a PART command for each"""
    ann = client("ann")
    ann.join(channel + "a", channel + "b")
    parted = [m.params[0] for m in ann.ask("JOIN 0") if m.command == "PART"]
    assert sorted(parted) == [channel + "a", channel + "b"]


def test_join_needs_a_channel_that_can_be(client: Make) -> None:
    """ERR_NEEDMOREPARAMS; ERR_NOSUCHCHANNEL"""
    ann = client("ann")
    assert ann.numbers("JOIN") == ["461"]
    assert ann.numbers("JOIN :")[0] in ("461", "403", "476")
    assert ann.numbers("JOIN tea")[0] in ("403", "476")


def test_a_part_is_told_to_both_sides_with_its_reason(client: Make, channel: str) -> None:
    """On sending a successful PART command, the user will receive a PART message from the server for each channel they
    have been removed from. <reason> is the reason that the client has left the channel(s)."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.told()
    own = ann.ask(f"PART {channel} :time for bed")
    assert [(m.command, m.nick, m.params[0]) for m in own] == [("PART", "ann", channel)]
    assert [(m.command, m.params[0]) for m in bob.told()] == [("PART", channel)]


def test_a_part_from_elsewhere_is_refused(client: Make, channel: str) -> None:
    """if the channel exists and the client is not joined to it, they will receive an ERR_NOTONCHANNEL reply and that
    channel will be ignored. If the channel does not exist, the client will receive an ERR_NOSUCHCHANNEL reply"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    told = bob.ask(f"PART {channel},{channel}zzz")
    assert sorted((m.command, m.params[1]) for m in told) == [("403", channel + "zzz"), ("442", channel)]


def test_a_topic_is_set_seen_and_cleared(client: Make, channel: str) -> None:
    """If the topic of a channel is changed or cleared, every client in that channel (including the author of the topic
    change) will receive a TOPIC command with the new topic as argument (or an empty argument if the topic was
    cleared)"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.told()
    assert [m.params for m in ann.ask(f"TOPIC {channel} :Tea")] == [[channel, "Tea"]]
    assert [(m.command, m.nick, m.params) for m in bob.told()] == [("TOPIC", "ann", [channel, "Tea"])]
    seen = bob.ask(f"TOPIC {channel}")
    assert [m.command for m in seen] == ["332", "333"]
    assert seen[0].params[1:] == [channel, "Tea"]
    assert seen[1].params[2].partition("!")[0] == "ann"
    assert [m.params for m in ann.ask(f"TOPIC {channel} :")] == [[channel, ""]]
    assert ann.numbers(f"TOPIC {channel}") == ["331"]


def test_a_topic_of_elsewhere_is_refused(client: Make, channel: str) -> None:
    """If the client sending this command is not joined to the given channel, and tries to view its' topic, the server
    MAY return the ERR_NOTONCHANNEL numeric and have the command fail."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    assert bob.numbers(f"TOPIC {channel} :mine")[0] in ("442", "482")
    assert bob.numbers(f"TOPIC {channel}zzz") == ["403"]


def test_names_end_whatever_is_asked(client: Make, channel: str) -> None:
    """If the channel name is invalid or the channel does not exist, one RPL_ENDOFNAMES numeric containing the given
    channel name should be returned."""
    ann = client("ann")
    ann.join(channel)
    assert ann.numbers(f"NAMES {channel}") == ["353", "366"]
    assert [(m.command, m.params[1]) for m in ann.ask(f"NAMES {channel}zzz")] == [("366", channel + "zzz")]
    assert ann.ask("NAMES")[-1].params[1] == "*"


def test_names_have_hosts_for_who_wants_them(client: Make, channel: str) -> None:
    """The userhost-in-names capability extends the NAMES reply messages (RPL_NAMREPLY) to contain the full hostmask
    (nick!user@host) of every user listed."""
    ann = client("ann", "userhost-in-names")
    names = next(m for m in ann.ask(f"JOIN {channel}") if m.command == "353")
    assert names.last.lstrip("~&@%+").startswith("ann!")
    assert "@" in names.last.partition("!")[2]


def test_names_are_left_out_for_who_wants_none(client: Make, channel: str) -> None:
    """When negotiated, servers MUST NOT send an implicit NAMES reply after sending a JOIN message. Servers MUST reply
    to explicit NAMES commands sent by the client as usual."""
    ann = client("ann", "draft/no-implicit-names")
    assert not {"353", "366"} & {m.command for m in ann.ask(f"JOIN {channel}")}
    assert ann.numbers(f"NAMES {channel}") == ["353", "366"]


def test_an_extended_join_tells_account_and_real_name(client: Make, channel: str) -> None:
    """:nick!user@host JOIN #channelname * :Real Name — This message represents that the user has not logged in"""
    ann, bob = client("ann", "extended-join"), client("bob")
    assert ann.ask(f"JOIN {channel}")[0].params == [channel, "*", "Ann Example"]
    assert bob.ask(f"JOIN {channel}")[0].params == [channel]
    assert [m.params for m in ann.told()] == [[channel, "*", "Bob Example"]]


def listed(told: list[Message]) -> list[str]:
    return [m.params[1] for m in told if m.command == "322"]


def test_the_list_has_channels_people_and_topics(client: Make, channel: str) -> None:
    """the server MAY send one RPL_LISTSTART numeric, MUST send back zero or more RPL_LIST numerics, and MUST send back
    one RPL_LISTEND numeric."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    ann.ask(f"TOPIC {channel} :Tea")
    told = bob.ask("LIST")
    assert told[-1].command == "323"
    assert next(m.params[1:] for m in told if m.command == "322" and m.params[1] == channel) == [channel, "1", "Tea"]
    assert listed(bob.ask(f"LIST {channel}")) == [channel]


@pytest.mark.parametrize(("condition", "is_listed"), [(">1", True), ("<2", False), (">2", False), ("<3", True)])
def test_the_list_may_be_asked_for_by_people(client: Make, channel: str, condition: str, is_listed: bool) -> None:
    """U: Searching based on user count within the channel, via the "<val" and ">val" modifiers"""
    client("ann").join(channel)
    bob = client("bob")
    bob.join(channel)
    assert (channel in listed(bob.ask(f"LIST {condition}"))) is is_listed


def test_the_list_may_be_asked_for_by_mask(client: Make, channel: str) -> None:
    """M: Searching based on mask. N: Searching based on a non-matching !mask."""
    ann = client("ann")
    ann.join(channel + "black", channel + "green")
    assert listed(ann.ask(f"LIST *{channel[1:]}bl*")) == [channel + "black"]
    assert channel + "black" not in listed(ann.ask("LIST !*black"))
    assert channel + "green" in listed(ann.ask("LIST !*black"))


def test_modes_of_people_are_ones_own(client: Make) -> None:
    """If <target> is a nickname that does not exist on the network, the ERR_NOSUCHNICK numeric is returned. If <target>
    is a different nick than the user who sent the command, the ERR_USERSDONTMATCH numeric is returned."""
    client("bob")
    ann = client("ann")
    assert ann.numbers("MODE ann") == ["221"]
    assert ann.numbers("MODE bob") == ["502"]
    assert ann.numbers("MODE nobody") in (["401"], ["502"])
    assert set(ann.numbers("MODE ann +\N{LATIN SMALL LETTER E WITH ACUTE}")) == {"501"}


def test_what_is_asked_right_behind_a_join_is_about_that_channel(client: Make, channel: str) -> None:
    """(Modern IRC, "Connection Setup" and everywhere: messages are processed in the order in which they come.)"""
    ann, bob = client("ann"), client("bob")
    ann.ask(f"JOIN {channel}", f"TOPIC {channel} :Tea")
    assert [m.command for m in bob.ask(f"JOIN {channel}", f"TOPIC {channel}") if m.command in ("332", "442")] == [
        "332",
        "332",
    ]
    parted = [m.params[0] for m in bob.ask(f"JOIN {channel}b,{channel}c", "JOIN 0") if m.command == "PART"]
    assert sorted(parted) == [channel, channel + "b", channel + "c"]


def test_asking_for_a_topic_brings_nobody_into_the_channel(client: Make, channel: str) -> None:
    """ERR_NOTONCHANNEL: Returned when a client tries to perform a channel-affecting command on a channel which the
    client isn't a part of."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.told()
    told = bob.numbers(f"PART {channel}", f"TOPIC {channel}")
    assert told[0] == "PART"
    assert told[1:] in (["442"], ["331"])
    assert [m.command for m in ann.told()] == ["PART"]
    assert [m.last for m in ann.ask(f"NAMES {channel}") if m.command == "353"] == ["@ann"]
