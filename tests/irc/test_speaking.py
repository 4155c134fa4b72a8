"""What a channel's modes forbid to say: Modern IRC, "Moderated Channel Mode", "Ban Channel Mode"; 404, 482."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

Make = Callable[..., Client]


def test_in_a_moderated_channel_only_a_voice_is_heard(client: Make, channel: str) -> None:
    """If this mode is set on a channel, only users who have channel privileges may send messages to that channel. The
    voice channel mode is designed to let a user talk in a moderated channel ... ERR_CANNOTSENDTOCHAN"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +m")
    bob.told()
    assert [(m.command, m.params[1]) for m in bob.ask(f"PRIVMSG {channel} :hi")] == [("404", channel)]
    assert ann.told() == []
    ann.ask(f"MODE {channel} +v bob")
    bob.told()
    assert bob.ask(f"PRIVMSG {channel} :hi") == []
    assert [m.last for m in ann.told()] == ["hi"]


def test_a_notice_that_is_not_passed_on_is_answered_with_no_error(client: Make, channel: str) -> None:
    """This rule also applies to servers -- they must not send any error back to the client on receipt of a NOTICE
    command."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +m")
    bob.told()
    assert {m.command for m in bob.ask(f"NOTICE {channel} :hi")} <= {"NOTICE"}
    assert ann.told() == []


def test_who_is_banned_does_not_speak(client: Make, channel: str) -> None:
    """If <target> is a channel name and the client is banned and not covered by a ban exemption, the message will not
    be delivered and the command will silently fail. ... the server SHOULD respond with an ERR_CANNOTSENDTOCHAN"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +b bob!*@*")
    bob.told()
    assert set(bob.numbers(f"PRIVMSG {channel} :hi")) <= {"404"}
    assert [m for m in ann.told() if m.command == "PRIVMSG"] == []
    ann.ask(f"MODE {channel} -b bob!*@*")
    bob.told()
    assert bob.ask(f"PRIVMSG {channel} :hi") == []


def test_a_mute_is_an_extended_ban(client: Make, channel: str) -> None:
    """EXTBAN denotes the character that indicates an extban to the server and ... the types of extended bans the server
    supports. Extban masks SHOULD also be supported for ..."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.needs("EXTBAN", "m")
    told = [m.params[1:] for m in ann.ask(f"MODE {channel} +b m:bob!*@*") if m.command == "MODE"]
    assert told == [["+b", "m:bob!*@*"]]
    bob.told()
    assert bob.numbers(f"PRIVMSG {channel} :hi") == ["404"]
    assert [m.params[2] for m in ann.ask(f"MODE {channel} b") if m.command == "367"] == ["m:bob!*@*"]
    bob.ask(f"PART {channel}")
    assert bob.ask(f"JOIN {channel}")[0].command == "JOIN"
    ann.ask(f"MODE {channel} -b m:bob!*@*")
    bob.told()
    assert bob.ask(f"PRIVMSG {channel} :hi") == []


def test_a_channel_where_accounts_speak_hears_no_guest(client: Make, channel: str) -> None:
    """(+M: only registered users may speak, as InspIRCd, UnrealIRCd and Ergo have it) ERR_CANNOTSENDTOCHAN"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.needs("CHANMODES", "M")
    ann.ask(f"MODE {channel} +M")
    bob.told()
    assert bob.numbers(f"PRIVMSG {channel} :hi")[0] in ("404", "477")
    assert [m for m in ann.told() if m.command == "PRIVMSG"] == []


def test_in_a_slow_channel_one_waits(client: Make, channel: str) -> None:
    """(+W seconds) ERR_CANNOTSENDTOCHAN: generally sent in response to channel modes"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.needs("CHANMODES", "W")
    ann.ask(f"MODE {channel} +W 600")
    bob.told()
    assert bob.ask(f"PRIVMSG {channel} :one") == []
    (told,) = bob.ask(f"PRIVMSG {channel} :two")
    assert (told.command, told.params[1]) == ("404", channel)
    assert "wait" in told.last
    assert [m.last for m in ann.told()] == ["one"]
    ann.ask(f"MODE {channel} -W")
    bob.told()
    assert bob.ask(f"PRIVMSG {channel} :three") == []


def test_a_word_that_may_not_be_said_is_not(client: Make, channel: str) -> None:
    """(+g, a list: InspIRCd's channel filter; 941 and 940) ERR_CANNOTSENDTOCHAN"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.needs("CHANMODES", "W")
    ann.ask(f"MODE {channel} +g coffee")
    bob.told()
    assert bob.numbers(f"PRIVMSG {channel} :I like Coffee!") == ["404"]
    assert bob.ask(f"PRIVMSG {channel} :I like tea!") == []
    assert [(m.command, m.params[2:3]) for m in ann.ask(f"MODE {channel} g") if m.command == "941"] == [
        ("941", ["coffee"])
    ]
    assert ann.numbers(f"MODE {channel} g")[-1] == "940"


def test_a_protected_topic_is_set_by_operators(client: Make, channel: str) -> None:
    """If the protected topic mode is set on a channel, then clients MUST have appropriate channel permissions to modify
    the topic of that channel. ... the ERR_CHANOPRIVSNEEDED numeric is returned and the command will fail."""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.ask(f"MODE {channel} +t")
    bob.told()
    assert [(m.command, m.params[1]) for m in bob.ask(f"TOPIC {channel} :Mine")] == [("482", channel)]
    assert ann.numbers(f"TOPIC {channel} :Tea") == ["TOPIC"]
    assert [m.last for m in bob.told()] == ["Tea"]
    ann.ask(f"MODE {channel} -t")
    bob.told()
    assert bob.numbers(f"TOPIC {channel} :Mine") == ["TOPIC"]


@pytest.mark.parametrize("word", ["\1VERSION\1", "\1PING 1\1"])
def test_a_channel_may_refuse_ctcp_but_actions(client: Make, channel: str, word: str) -> None:
    """(+C: no CTCP but ACTION, as InspIRCd, Solanum and Ergo have it) ERR_CANNOTSENDTOCHAN"""
    ann, bob = in_channel(client, channel, "ann", "bob")
    ann.needs("CHANMODES", "C")
    ann.ask(f"MODE {channel} +C")
    bob.told()
    assert bob.numbers(f"PRIVMSG {channel} :{word}") == ["404"]
    assert bob.ask(f"PRIVMSG {channel} :\1ACTION waves\1") == []
    assert [m.last for m in ann.told()] == ["\1ACTION waves\1"]
