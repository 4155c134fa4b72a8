"""KICK: Modern IRC, "KICK message"."""

from collections.abc import Callable

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

Make = Callable[..., Client]


def test_a_kick_is_told_to_all_and_to_who_is_put_out(client: Make, channel: str) -> None:
    """The KICK command can be used to request the forced removal of a user from a channel. It causes the <user> to be
    removed from the <channel> by force."""
    ann, bob, eve = in_channel(client, channel, "ann", "bob", "eve")
    ann.ask(f"MODE {channel} +n")
    for one in (bob, eve):
        one.told()
    wanted = [("KICK", "ann", [channel, "bob", "too loud"])]
    for told in (ann.ask(f"KICK {channel} bob :too loud"), bob.told(), eve.told()):
        assert [(m.command, m.nick, m.params) for m in told] == wanted
    assert bob.numbers(f"PRIVMSG {channel} :hi") == ["404"]
    assert bob.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_a_kick_without_a_comment_has_a_default_one(client: Make, channel: str) -> None:
    """If no comment is given, the server SHOULD use a default message instead."""
    ann, _bob = in_channel(client, channel, "ann", "bob")
    (told,) = ann.ask(f"KICK {channel} bob")
    assert told.params[:2] == [channel, "bob"]
    assert len(told.params) == 3
    assert told.last


def test_several_people_are_told_one_by_one(client: Make, channel: str) -> None:
    """The server MUST NOT send KICK messages with multiple channels or users to clients."""
    ann, bob, eve = in_channel(client, channel, "ann", "bob", "eve")
    limit = next((word[5:] for word in ann.claims.get("TARGMAX", "").split(",") if word.startswith("KICK:")), "1")
    if limit and int(limit) < 2:
        ann.needs("TARGMAX", "KICK:2")
    told = ann.ask(f"KICK {channel} bob,eve :bye")
    assert sorted((m.command, m.params[1]) for m in told) == [("KICK", "bob"), ("KICK", "eve")]
    assert bob.told()[0].params[1] == "bob"
    assert [m.params[1] for m in eve.told()][-1] == "eve"


def test_a_kick_needs_somebody_who_is_there(client: Make, channel: str) -> None:
    """ERR_USERNOTINCHANNEL, ERR_NEEDMOREPARAMS"""
    (ann,), _bob = in_channel(client, channel, "ann"), client("bob")
    told = ann.ask(f"KICK {channel} bob")
    assert [(m.command, m.params[1:3]) for m in told] == [("441", ["bob", channel])]
    assert ann.numbers(f"KICK {channel} nobody")[0] in ("401", "441")
    assert ann.numbers(f"KICK {channel}") == ["461"]


def test_a_kick_needs_the_right_to(client: Make, channel: str) -> None:
    """ERR_CHANOPRIVSNEEDED, ERR_NOTONCHANNEL, ERR_NOSUCHCHANNEL"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    eve = client("eve")
    assert bob.numbers(f"KICK {channel} ann") == ["482"]
    assert eve.numbers(f"KICK {channel} ann") == ["442"]
    assert eve.numbers(f"KICK {channel}zzz ann") == ["403"]
    assert ann.told() == []


def test_who_speaks_for_a_half_operator_may_kick_but_not_an_operator(client: Make, channel: str) -> None:
    """Halfop: Users with this mode may perform channel moderation tasks, but at a lower privilege level than
    operators."""
    ann, bob, _eve = in_channel(client, channel, "ann", "bob", "eve")
    ann.needs("PREFIX", "h")
    ann.ask(f"MODE {channel} +h bob")
    bob.told()
    assert bob.numbers(f"KICK {channel} ann") == ["482"]
    assert bob.numbers(f"KICK {channel} eve") == ["KICK"]


def test_a_labelled_kick_is_answered_with_it(client: Make, channel: str) -> None:
    """When a client sends a message with the label tag, the server MUST include the same tag and value in any response
    required from this message where it is feasible"""
    ann, bob = client("ann", "batch", "labeled-response"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.told()
    (told,) = ann.ask(f"@label=x KICK {channel} bob :bye")
    assert (told.command, told.tags.get("label")) == ("KICK", "x")
    assert [m.command for m in bob.told()] == ["KICK"]
