"""Messages for those with a prefix: Modern IRC, "STATUSMSG Parameter"."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]


def test_the_signs_are_announced(client: Make) -> None:
    """The value MUST be specified and MUST be a list of prefixes as specified in the PREFIX parameter."""
    told = client().register("ann")
    tokens = [token for message in told if message.command == "005" for token in message.params]
    assert "STATUSMSG=~&@%+" in tokens
    assert any(token.startswith("PREFIX=") and token.endswith(")~&@%+") for token in tokens)


@pytest.mark.parametrize("command", ["PRIVMSG", "NOTICE"])
def test_only_those_with_the_prefix_or_a_higher_one_hear_it(client: Make, channel: str, command: str) -> None:
    """the server supports a method for clients to send a message via the PRIVMSG / NOTICE commands to those people on
    a channel with (one of) the specified channel membership prefixes"""
    ann, bob, eve = client("ann"), client("bob", "echo-message"), client("eve")
    for one in (ann, bob, eve):  # ann is its op, who made it
        one.join(channel)
    ann.ask(f"MODE {channel} +v bob")
    bob.told(), eve.told()
    (echo,) = bob.ask(f"{command} @{channel} :ops?")
    (told,) = ann.told()
    for message in (echo, told):
        assert (message.command, message.nick, message.params) == (command, "bob", [f"@{channel}", "ops?"])
    eve.ask(f"{command} +{channel} :anybody with a voice?")
    assert [m.params for m in ann.told()] == [[f"+{channel}", "anybody with a voice?"]]
    assert [m.params for m in bob.told()] == [[f"+{channel}", "anybody with a voice?"]]
    assert eve.told() == []


def test_tags_alone_honour_the_prefix(client: Make, channel: str) -> None:
    """honouring channel membership, modes, echo-message, STATUSMSG prefixes, etc."""
    ann, bob, eve = (client(nick, "message-tags") for nick in ("ann", "bob", "eve"))
    for one in (ann, bob, eve):
        one.join(channel)
    eve.told()
    bob.ask(f"@+example-client-tag=example-value TAGMSG @{channel}")
    (told,) = [m for m in ann.told() if m.command == "TAGMSG"]
    assert (told.params, told.tags["+example-client-tag"]) == ([f"@{channel}"], "example-value")
    assert [m for m in eve.told() if m.command == "TAGMSG"] == []


def test_who_is_not_in_it_cannot_say_anything_to_some_of_it(client: Make, channel: str) -> None:
    """ERR_CANNOTSENDTOCHAN"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    assert bob.numbers(f"PRIVMSG @{channel} :hi") == ["404"]
    nowhere = bob.numbers("PRIVMSG @#no,where :hi")
    assert nowhere[0] in ("401", "403", "404")
    assert nowhere[1:] == ["401"]
    assert ann.told() == []
