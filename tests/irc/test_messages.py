"""Saying something: Modern IRC, "Sending Messages"; IRCv3 echo-message, message-tags, server-time, away-notify."""

import re
from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]


def test_a_message_reaches_all_but_its_sender(client: Make, channel: str) -> None:
    """The <source> of the message represents the user or server that sent the message, and the <target> represents the
    target of that PRIVMSG (which may be the client, a channel, etc)."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.told()
    assert ann.ask(f"PRIVMSG {channel} :Hi all!", f"NOTICE {channel} :psst") == []
    told = bob.told()
    assert [(m.command, m.params) for m in told] == [("PRIVMSG", [channel, "Hi all!"]), ("NOTICE", [channel, "psst"])]
    assert re.fullmatch(r"ann!\S+@\S+", told[0].source)
    assert told[0].tags == {}


def test_several_targets_get_a_copy_each(client: Make, channel: str) -> None:
    """the client gives a list of destinations to which the message is to be delivered and the server breaks it up and
    dispatches a separate copy of the message to each given destination"""
    ann, bob = client("ann"), client("bob")
    bob.join(channel)
    ann.join(channel)
    ann.ask(f"PRIVMSG {channel},bob :hi")
    assert [m.params[0] for m in bob.told() if m.command == "PRIVMSG"] == [channel, "bob"]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("PRIVMSG", "411"),
        ("PRIVMSG ann", "412"),
        ("PRIVMSG ann :", "412"),
        ("PRIVMSG nobody :hi", "401"),
        ("PRIVMSG #nowhere :hi", "401 403 404"),  # the text has all three, for names, channels, and what cannot be
        ("PRIVMSG a,b,c,d,e :hi", "407"),
    ],
)
def test_what_cannot_be_said_has_its_numeric(client: Make, line: str, number: str) -> None:
    """ERR_NORECIPIENT; ERR_NOTEXTTOSEND; ERR_NOSUCHNICK; ERR_CANNOTSENDTOCHAN; ERR_TOOMANYTARGETS"""
    assert client("ann").numbers(line)[0] in number.split()


@pytest.mark.parametrize("line", ["NOTICE", "NOTICE ann", "NOTICE nobody :hi", "NOTICE #nowhere :hi"])
def test_a_notice_is_answered_with_no_error(client: Make, line: str) -> None:
    """This rule also applies to servers -- they must not send any error back to the client on receipt of a NOTICE
    command."""
    assert client("ann").ask(line) == []


def test_own_messages_come_back_to_who_wants_them(client: Make, channel: str) -> None:
    """If enabled, servers MUST send PRIVMSG and NOTICE messages back to the client that sent them. If servers apply any
    modifications to these messages, they MUST send the final version of the message back"""
    ann, _bob = client("ann", "echo-message"), client("bob")
    ann.join(channel)
    told = ann.ask(f"PRIVMSG {channel} :p", f"NOTICE {channel} :n", "PRIVMSG bob :direct")
    assert [(m.nick, m.params) for m in told] == [
        ("ann", [channel, "p"]),
        ("ann", [channel, "n"]),
        ("ann", ["bob", "direct"]),
    ]


def test_formatting_is_taken_off_and_the_echo_shows_it(client: Make, channel: str) -> None:
    """If servers apply any modifications to these messages, they MUST send the final version of the message back"""
    ann = client("ann", "echo-message")
    ann.join(channel)
    assert [m.last for m in ann.ask(f"PRIVMSG {channel} :\x02bold\x0f \x0304,01red")] == ["bold red"]


def test_a_message_to_oneself_arrives_and_comes_back(client: Make) -> None:
    """When a client sends a private message to its own nick, echo-message will result in duplicate messages being sent
    by the server, as both sent and received messages."""
    assert [m.last for m in client("ann").ask("PRIVMSG ann :memo")] == ["memo"]
    assert [m.last for m in client("bob", "echo-message").ask("PRIVMSG bob :memo")] == ["memo", "memo"]


def test_messages_have_time_and_msgid_for_who_wants_them(client: Make, channel: str) -> None:
    """The value of the tag MUST have the following syntax: YYYY-MM-DDThh:mm:ss.sssZ ... The tag value is chosen by the
    originating server and MUST be unique"""
    ann = client("ann", "message-tags", "server-time", "echo-message")
    bob = client("bob", "message-tags")
    eve = client("eve", "server-time")
    for one in (ann, bob, eve):
        one.join(channel)
    ann.told()
    own = ann.ask(f"PRIVMSG {channel} :one", f"PRIVMSG {channel} :two")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", m.tags["time"]) for m in own)
    ids = [m.tags["msgid"] for m in own]
    assert len(set(ids)) == 2
    assert [m.tags for m in bob.told() if m.command == "PRIVMSG"] == [{"msgid": name} for name in ids]
    assert [sorted(m.tags) for m in eve.told() if m.command == "PRIVMSG"] == [["time"], ["time"]]


def test_tags_of_clients_are_not_passed_on_unasked(client: Make, channel: str) -> None:
    """Tags without the client-only prefix MUST be removed by the server before being relayed with any message to
    another client."""
    ann, bob = client("ann", "message-tags"), client("bob", "message-tags")
    ann.join(channel)
    bob.join(channel)
    ann.ask(f"@evil=1;time=2000-01-01T00:00:00.000Z PRIVMSG {channel} :hi")
    assert "evil" not in bob.told()[-1].tags


def test_an_action_is_an_action(client: Make, channel: str) -> None:
    """ACTION: This extended formatting message shows that <text> should be displayed as a third-person action"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.ask(f"PRIVMSG {channel} :\x01ACTION waves\x01")
    assert bob.told()[-1].params == [channel, "\x01ACTION waves\x01"]


def test_a_long_message_becomes_several_of_whole_characters(client: Make, channel: str) -> None:
    """Most IRC servers limit messages to 512 bytes in length, including the trailing CR-LF characters. (UTF8ONLY:) if
    they truncate messages to meet a length limit, they do not do so in the middle of a UTF-8-encoded codepoint."""
    ann, bob = client("ann"), client("bob", "message-tags")
    ann.join(channel)
    bob.join(channel)
    text = "\N{COW FACE}" * 122
    ann.ask(f"PRIVMSG {channel} :{text}")
    told = [m for m in bob.told() if m.command == "PRIVMSG"]
    assert len(told) == 2
    assert "".join(m.last for m in told) == text
    assert ["msgid" in m.tags for m in told] == [True, False]


def test_a_line_over_the_limit_is_refused(client: Make) -> None:
    """417 ERR_INPUTTOOLONG ":Input line was too long" — Servers MUST NOT truncate tags and MUST always reject lines
    that exceed this limit."""
    ann = client("ann")
    assert ann.numbers("PRIVMSG ann :" + "x" * 600) == ["417"]
    assert ann.numbers("@+a=" + "x" * 5000 + " PRIVMSG ann :hi") == ["417"]
    assert ann.numbers("@+a=" + "x" * 4000 + " PRIVMSG ann :hi") == ["PRIVMSG"]


def test_what_is_no_utf_8_is_refused_and_the_connection_stays(client: Make) -> None:
    """Servers publishing this token MUST NOT relay content (such as PRIVMSG or NOTICE message data, channel topics, or
    realnames) containing non-UTF-8 data to clients."""
    ann = client("ann")
    ann.raw(b"PRIVMSG ann :caf\xe9\r\n")
    assert [m.params[:2] for m in ann.told()] == [["PRIVMSG", "INVALID_UTF8"]]


def test_who_is_away_is_told(client: Make) -> None:
    """The server acknowledges the change in away status by returning the RPL_NOWAWAY and RPL_UNAWAY numerics. ...
    RPL_AWAY, with the away message, when a PRIVMSG command is directed at the away user"""
    ann, bob = client("ann"), client("bob")
    assert bob.numbers("AWAY :at lunch") == ["306"]
    away = ann.ask("PRIVMSG bob :hi")[0]
    assert (away.command, away.params[1:]) == ("301", ["bob", "at lunch"])
    assert ann.ask("USERHOST bob")[0].last.startswith("bob=-")
    assert bob.numbers("AWAY")[-1] == "305"
    assert ann.ask("PRIVMSG bob :hi") == []


def test_who_goes_away_is_heard_once_by_those_who_want_it(client: Make, channel: str) -> None:
    """clients will be sent an AWAY message when a user sharing a channel with them sets, changes or removes their away
    state, as well as when a user joins and has an away message set."""
    ann, bob, eve = client("ann", "away-notify"), client("bob"), client("eve")
    for one in (ann, bob, eve):
        one.join(channel, channel + "b")
    ann.told()
    bob.ask("AWAY :at lunch")
    bob.ask("AWAY")
    assert [(m.command, m.nick, m.params) for m in ann.told()] == [("AWAY", "bob", ["at lunch"]), ("AWAY", "bob", [])]
    assert not [m for m in eve.told() if m.command == "AWAY"]
    bob.ask("AWAY :again", f"PART {channel}", f"JOIN {channel}")
    assert [m.command for m in ann.told()] == ["AWAY", "PART", "JOIN", "AWAY"]


@pytest.mark.parametrize("line", ["!cowsay hi", "//cowsay hi", "/cowsay hi"])
def test_a_cow_arrives_as_lines(client: Make, channel: str, line: str) -> None:
    """(moot:) `!cowsay hi` and `//cowsay hi` work from an IRC client, cows arrive as lines"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.told()
    assert any("^__^" in m.last for m in ann.ask(f"PRIVMSG {channel} :{line}"))
    assert any("< hi >" in m.last for m in bob.told())


def test_other_ctcp_is_refused_politely(client: Make, channel: str) -> None:
    """(moot:) its text is plain: a request for a client's program is nothing it could keep"""
    ann = client("ann")
    assert ann.numbers(f"PRIVMSG {channel} :\x01VERSION\x01", "PRIVMSG bob :\x01VERSION\x01") == ["404", "531"]
