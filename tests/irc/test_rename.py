"""RENAME: IRCv3 draft/channel-rename."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]
CAP = "draft/channel-rename"


def test_a_new_name_is_told_to_all_who_are_there(client: Make, channel: str) -> None:
    """:nick!user@host RENAME #boaring #boring :Typo fix — A channel rename preserves all channel state, such as
    membership, mode and topic."""
    ann, bob = client("ann", CAP), client("bob", CAP)
    ann.join(channel)
    bob.join(channel)
    ann.ask(f"TOPIC {channel} :Tea", f"MODE {channel} +v bob")
    bob.told()
    wanted = [("RENAME", "ann", [channel, channel + "new", "Typo fix"])]
    assert [(m.command, m.nick, m.params) for m in ann.ask(f"RENAME {channel} {channel}new :Typo fix")] == wanted
    assert [(m.command, m.nick, m.params) for m in bob.told()] == wanted
    assert bob.ask(f"PRIVMSG {channel}new :hi") == []
    assert [(m.command, m.params) for m in ann.told()] == [("PRIVMSG", [channel + "new", "hi"])]
    names = next(m for m in ann.ask(f"NAMES {channel}new") if m.command == "353").last.split()
    assert sorted(names) == ["+bob", "@ann"]
    assert [m.last for m in bob.ask(f"TOPIC {channel}new") if m.command == "332"] == ["Tea"]


def test_without_a_reason_there_is_an_empty_one(client: Make, channel: str) -> None:
    """The server to client command MUST always include the third parameter, an empty string MAY be used"""
    ann = client("ann", CAP)
    ann.join(channel)
    assert [m.params for m in ann.ask(f"RENAME {channel} {channel}new")] == [[channel, channel + "new", ""]]


def test_who_does_not_know_the_word_leaves_and_comes(client: Make, channel: str) -> None:
    """Send the client a PART message for the old channel name, with part message matching the rename reason if given.
    Send the client a JOIN message followed by the usual messages that would be sent if the client had joined"""
    ann, bob = client("ann", CAP), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.ask(f"TOPIC {channel} :Tea")
    bob.told()
    ann.ask(f"RENAME {channel} {channel}new :Typo fix")
    told = bob.until("366")
    assert [m.command for m in told if m.command != "333"] == ["PART", "JOIN", "332", "353", "366"]
    assert (told[0].nick, told[0].params) == ("bob", [channel, "Typo fix"])
    assert (told[1].nick, told[1].params) == ("bob", [channel + "new"])
    assert bob.ask(f"PRIVMSG {channel}new :hi") == []


def test_a_name_that_is_taken_is_refused(client: Make, channel: str) -> None:
    """FAIL RENAME CHANNEL_NAME_IN_USE <old-channel> <new-channel> :The channel name is already taken"""
    ann, bob = client("ann", CAP), client("bob")
    ann.join(channel)
    bob.join(channel + "two")
    (told,) = ann.ask(f"RENAME {channel} {channel}two")
    assert (told.command, told.params[:4]) == ("FAIL", ["RENAME", "CHANNEL_NAME_IN_USE", channel, channel + "two"])


def test_who_may_not_is_told_so(client: Make, channel: str) -> None:
    """If existing error numerics (such as ERR_CHANOPRIVSNEEDED, ERR_NOTONCHANNEL, ERR_NEEDMOREPARAMS) are more
    appropriate, they SHOULD be used instead."""
    ann, bob, eve = client("ann", CAP), client("bob", CAP), client("eve", CAP)
    ann.join(channel)
    bob.join(channel)
    assert bob.numbers(f"RENAME {channel} {channel}new") == ["482"]
    assert eve.numbers(f"RENAME {channel} {channel}new")[0] in ("442", "482")
    ann.told()
    assert ann.numbers(f"RENAME {channel}") == ["461"]
    (told,) = (m for m in ann.ask(f"RENAME {channel} nochannel") if m.command == "FAIL")
    assert told.params[:2] == ["RENAME", "CANNOT_RENAME"]


def test_a_labelled_rename_is_answered_with_it(client: Make, channel: str) -> None:
    """When a client sends a message with the label tag, the server MUST include the same tag and value in any response
    required from this message where it is feasible"""
    ann = client("ann", CAP, "batch", "labeled-response")
    ann.join(channel)
    (told,) = ann.ask(f"@label=x RENAME {channel} {channel}new")
    assert (told.command, told.tags.get("label")) == ("RENAME", "x")
