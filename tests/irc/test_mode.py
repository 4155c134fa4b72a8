"""MODE of channels: Modern IRC, "MODE message", "Channel Modes"; numerics 324, 329, 346 to 349, 367, 368, 696."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]


def changes(told: list[Message]) -> list[list[str]]:
    return [m.params[1:] for m in told if m.command == "MODE"]


def in_channel(client: Make, channel: str, *nicks: str) -> list[Client]:
    """Return people who are in, the first being its operator, with nothing left to read."""
    people = [client(nick) for nick in nicks]
    for one in people:
        one.join(channel)
    for one in people:
        one.told()
    return people


def test_who_makes_a_channel_is_its_operator(client: Make, channel: str) -> None:
    """If the channel doesn't exist prior to joining, the channel is created and the creating user becomes a channel
    operator."""
    ann, bob = client("ann"), client("bob")
    first = next(m for m in ann.ask(f"JOIN {channel}") if m.command == "353")
    assert first.last.split() == ["@ann"]
    second = next(m for m in bob.ask(f"JOIN {channel}") if m.command == "353")
    assert sorted(second.last.split()) == ["@ann", "bob"]


def test_modes_are_shown_to_who_asks(client: Make, channel: str) -> None:
    """If <modestring> is not given, the RPL_CHANNELMODEIS numeric is returned. ... Servers MAY also return the
    RPL_CREATIONTIME numeric following RPL_CHANNELMODEIS."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    told = bob.ask(f"MODE {channel}")
    assert told[0].command == "324"
    assert told[0].params[1] == channel
    assert told[0].params[2][0] == "+"
    assert "n" in told[0].params[2] or not ann.claims["CHANMODES"].endswith("nst")
    assert [m.command for m in told[1:]] in ([], ["329"])
    assert bob.numbers(f"MODE {channel}zzz") == ["403"]


def test_a_change_is_told_to_all_with_who_made_it(client: Make, channel: str) -> None:
    """When the server is done processing the modes, a MODE command is sent to all members of the channel containing
    the mode changes."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    own = [m for m in ann.ask(f"MODE {channel} +m") if m.command == "MODE"]
    theirs = [m for m in bob.told() if m.command == "MODE"]
    assert [(m.nick, m.params) for m in own] == [(m.nick, m.params) for m in theirs] == [("ann", [channel, "+m"])]
    assert own[0].source == theirs[0].source
    assert "!" in own[0].source
    assert "m" in ann.ask(f"MODE {channel}")[0].params[2]


def test_what_changes_nothing_is_told_to_nobody(client: Make, channel: str) -> None:
    """a MODE command is sent to all members of the channel containing the mode changes."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +m")
    bob.told()
    assert changes(ann.ask(f"MODE {channel} +m")) == []
    assert bob.told() == []


def test_several_changes_are_made_at_once(client: Make, channel: str) -> None:
    """For type A, B, and C modes, arguments will be sequentially obtained from <mode arguments>."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    (told,) = changes(ann.ask(f"MODE {channel} +ml-t+v 5 bob"))
    assert told[1:] == ["5", "bob"]
    assert set(told[0]) >= set("+mlv")
    assert changes(bob.told()) == [told]
    shown = ann.ask(f"MODE {channel}")[0].params[2:]
    assert {"m", "l"} <= set(shown[0])
    assert "5" in shown[1:]


def test_roles_are_given_and_taken_and_shown(client: Make, channel: str) -> None:
    """:irc.example.com MODE #foobar +o bunny — gave channel operator privileges to bunny on #foobar."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    assert changes(ann.ask(f"MODE {channel} +o bob")) == [["+o", "bob"]]
    assert changes(bob.told()) == [["+o", "bob"]]
    assert changes(bob.ask(f"MODE {channel} -o ann")) == [["-o", "ann"]]
    names = next(m for m in bob.ask(f"NAMES {channel}") if m.command == "353").last.split()
    assert sorted(names) == ["@bob", "ann"]


def test_who_has_no_right_changes_nothing(client: Make, channel: str) -> None:
    """If a user does not have appropriate privileges to change modes on the target channel, the server MUST not process
    the message, and ERR_CHANOPRIVSNEEDED numeric is returned."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    assert set(bob.numbers(f"MODE {channel} +m")) == {"482"}
    assert set(bob.numbers(f"MODE {channel} +o bob")) == {"482"}
    assert set(bob.numbers(f"MODE {channel} +b eve!*@*")) == {"482"}
    assert ann.told() == []


def test_who_is_not_there_changes_nothing(client: Make, channel: str) -> None:
    """ERR_NOTONCHANNEL: Returned when a client tries to perform a channel-affecting command on a channel which the
    client isn't a part of."""
    (_ann,), eve = in_channel(client, channel, "ann"), client("eve")
    assert set(eve.numbers(f"MODE {channel} +m")) <= {"442", "482"}
    assert eve.numbers(f"MODE {channel}zzz +m") == ["403"]


def test_unknown_letters_are_said_so_and_the_others_done(client: Make, channel: str) -> None:
    """ERR_UNKNOWNMODE: Indicates that a mode character used by a client is not recognized by the server."""
    (ann,) = in_channel(client, channel, "ann")
    told = ann.ask(f"MODE {channel} +y?m")
    assert sorted(m.params[1] for m in told if m.command == "472") in (["?", "y"], ["?"])
    assert any("m" in shown[0] for shown in changes(told))


def test_a_role_needs_somebody_who_is_there(client: Make, channel: str) -> None:
    """ERR_USERNOTINCHANNEL: Returned when a client tries to perform a channel+nick affecting command, when the nick
    isn't joined to the channel (for example, MODE #channel +o nick). ERR_NOSUCHNICK"""
    (ann,), _bob = in_channel(client, channel, "ann"), client("bob")
    assert ann.numbers(f"MODE {channel} +o nobody") == ["401"]
    told = ann.ask(f"MODE {channel} +v bob")
    assert [(m.command, m.params[1:3]) for m in told] == [("441", ["bob", channel])]


def test_one_change_at_fault_does_not_keep_the_others(client: Make, channel: str) -> None:
    """If the user has permission to change modes on the target, the supplied modes will be applied based on the type of
    the mode"""
    ann, _bob = in_channel(client, channel, "ann", "bob")
    told = ann.ask(f"MODE {channel} +vv nobody bob")
    assert [m.command for m in told if m.command != "MODE"] == ["401"]
    assert changes(told) == [["+v", "bob"]]


def test_lists_are_added_to_asked_for_and_removed_from(client: Make, channel: str) -> None:
    """If a type A mode has been sent without an argument, the contents of the list MUST be sent to the user. Ban lists
    are returned with zero or more RPL_BANLIST numerics, followed by one RPL_ENDOFBANLIST numeric."""
    (ann,) = in_channel(client, channel, "ann")
    assert ann.numbers(f"MODE {channel} b") == ["368"]
    assert changes(ann.ask(f"MODE {channel} +b eve!*@*")) == [["+b", "eve!*@*"]]
    for query in ("b", "+b"):
        told = ann.ask(f"MODE {channel} {query}")
        assert [m.command for m in told] == ["367", "368"]
        assert told[0].params[1:3] == [channel, "eve!*@*"]
        assert told[0].params[3].partition("!")[0] == "ann"
        assert told[0].params[4].isdigit()
    assert changes(ann.ask(f"MODE {channel} -b eve!*@*")) == [["-b", "eve!*@*"]]
    assert ann.numbers(f"MODE {channel} b") == ["368"]


@pytest.mark.parametrize(("letter", "one", "end"), [("e", "348", "349"), ("I", "346", "347")])
def test_exceptions_are_lists_too(client: Make, channel: str, letter: str, one: str, end: str) -> None:
    """Exception lists are returned with zero or more RPL_EXCEPTLIST numerics, followed by one RPL_ENDOFEXCEPTLIST
    numeric. Invite-Exception lists ... RPL_INVEXLIST ... RPL_ENDOFINVEXLIST"""
    (ann,) = in_channel(client, channel, "ann")
    ann.needs("CHANMODES", letter)
    assert changes(ann.ask(f"MODE {channel} +{letter} bob!*@*")) == [[f"+{letter}", "bob!*@*"]]
    told = ann.ask(f"MODE {channel} {letter}")
    assert [(m.command, m.params[1:3]) for m in told[:-1]] == [(one, [channel, "bob!*@*"])]
    assert told[-1].command == end


def test_a_key_without_a_word_and_a_limit_without_a_number_are_no_change(client: Make, channel: str) -> None:
    """If a type B or C mode does not have a parameter when being set, the server MUST ignore that mode.
    ERR_INVALIDMODEPARAM: Indicates that there was a problem with a mode parameter."""
    (ann,) = in_channel(client, channel, "ann")
    told = ann.ask(f"MODE {channel} +k", f"MODE {channel} +l", f"MODE {channel} +l many")
    assert changes(told) == []
    assert {m.command for m in told} <= {"461", "696"}


def test_a_key_is_no_two_words(client: Make, channel: str) -> None:
    """Servers may validate the value (eg. to forbid spaces ...). If the value is invalid, they SHOULD return
    ERR_INVALIDMODEPARAM. ... clients MUST be able to handle ... ERR_INVALIDKEY; MODE echoed with a different key"""
    (ann,) = in_channel(client, channel, "ann")
    told = ann.ask(f"MODE {channel} +k :two words")
    assert {m.command for m in told} <= {"696", "525", "461", "MODE"}
    assert not any("two words" in shown for shown in changes(told))


def test_a_type_c_mode_is_unset_without_a_parameter(client: Make, channel: str) -> None:
    """Type C: These modes MUST have a parameter when being set, and MUST NOT have a parameter when being unset."""
    (ann,) = in_channel(client, channel, "ann")
    assert changes(ann.ask(f"MODE {channel} +l 7")) == [["+l", "7"]]
    assert changes(ann.ask(f"MODE {channel} -l")) == [["-l"]]


def test_many_changes_are_told_in_messages_that_fit(client: Make, channel: str) -> None:
    """MODES: how many 'variable' modes may be set on a channel by a single MODE command from a client. ... "A server
    MAY however issue more" — and no message is longer than 512 bytes, which every read of these tests checks."""
    (ann,) = in_channel(client, channel, "ann")
    most = int(ann.claims.get("MODES") or 12)
    masks = [f"x{number}!*@{'y' * 12}" for number in range(most)]
    told = changes(ann.ask(f"MODE {channel} +{'b' * most} {' '.join(masks)}"))
    assert sorted(word for shown in told for word in shown[1:]) == sorted(masks)
    assert all(shown[0] == "+" + "b" * len(shown[1:]) for shown in told)


def test_005_tells_the_modes_there_are(client: Make) -> None:
    """Channel mode letters, along with their types, are defined in the CHANMODES parameter. PREFIX: There is a
    one-to-one mapping between prefixes and channel modes."""
    ann = client("ann")
    types = ann.claims["CHANMODES"].split(",")
    assert len(types) >= 4
    assert "b" in types[0]
    assert "k" in types[1]
    assert "l" in types[2]
    assert set("imnst") <= set(types[3])
    modes, _, signs = ann.claims["PREFIX"].removeprefix("(").partition(")")
    assert len(modes) == len(signs)
    assert not set(modes) & set("".join(types))
    assert "ov" in modes.replace("h", "")
