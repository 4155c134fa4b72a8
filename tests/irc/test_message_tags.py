"""Tags of clients: IRCv3 message-tags, and the client tags typing, reply and react."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]
TAGS = ("message-tags", "echo-message", "batch", "labeled-response")


def two(client: Make, channel: str, *caps: str) -> tuple[Client, Client]:
    """Ann and bob, who have tags, in a channel."""
    ann, bob = client("ann", *(caps or TAGS)), client("bob", *TAGS)
    ann.join(channel)
    bob.join(channel)
    ann.told()
    return ann, bob


def clients(message: Message) -> dict[str, str]:
    return {name: value for name, value in message.tags.items() if name.startswith("+")}


@pytest.mark.parametrize("command", ["PRIVMSG", "NOTICE"])
@pytest.mark.parametrize("target", ["channel", "bob"])
def test_tags_of_a_client_go_with_its_message_as_they_are(
    client: Make, channel: str, command: str, target: str
) -> None:
    """Client-only tags are client-initiated tags that servers MUST attach as-is to any relevant message relayed to
    other clients. ... Client-only tags MUST be relayed on PRIVMSG and NOTICE messages"""
    ann, bob = two(client, channel)
    to = channel if target == "channel" else "bob"
    (echo,) = ann.ask(rf"@+example.org/foo=raw+:=,escaped\:\s\\;+bar {command} {to} :hi")
    (told,) = bob.told()
    for message in (echo, told):
        assert clients(message) == {"+example.org/foo": r"raw+:=,escaped\:\s\\", "+bar": ""}
        assert (message.command, message.params) == (command, [to, "hi"])
    assert echo.tags["msgid"] == told.tags["msgid"]


def test_servers_tags_come_before_those_of_clients(client: Make, channel: str) -> None:
    """Any server-initiated tags attached to messages MUST be included before client-only tags"""
    ann, bob = two(client, channel)
    ann.ask(f"@+a=b PRIVMSG {channel} :hi")
    (told,) = bob.told()
    assert list(told.tags)[-1] == "+a"
    assert next(iter(told.tags)) == "msgid"


def test_other_tags_of_a_client_are_removed(client: Make, channel: str) -> None:
    """Tags without the client-only prefix MUST be removed by the server before being relayed with any message to
    another client."""
    ann, bob = two(client, channel)
    ann.ask(f"@foo=bar;msgid=forged;time=1;+=x;+a/=x;+ok PRIVMSG {channel} :hi")
    (told,) = bob.told()
    assert set(told.tags) == {"msgid", "+ok"}
    assert told.tags["msgid"] != "forged"


def test_who_has_no_tags_gets_none_and_gives_none(client: Make, channel: str) -> None:
    """This capability enables the use of client-only tags and the TAGMSG command"""
    ann, bob = two(client, channel)
    eve = client("eve")
    eve.join(channel)
    ann.told(), bob.told()
    eve.ask(f"@+a=b PRIVMSG {channel} :plain", f"@+a=b TAGMSG {channel}")
    ann.ask(f"@+a=b PRIVMSG {channel} :tagged", f"@+a=b TAGMSG {channel}")
    assert [(m.command, clients(m)) for m in bob.told()] == [
        ("PRIVMSG", {}),
        ("PRIVMSG", {"+a": "b"}),
        ("TAGMSG", {"+a": "b"}),
    ]
    assert [(m.command, m.tags) for m in eve.told()] == [("PRIVMSG", {})]


@pytest.mark.parametrize(("size", "refused"), [(4094, False), (4095, True)])
def test_too_many_tags_are_refused_not_cut(client: Make, channel: str, size: int, refused: bool) -> None:
    """Servers MUST reply with the ERR_INPUTTOOLONG (417) error numeric if a client sends a message with more tag data
    than the allowed limit. Servers MUST NOT truncate tags and MUST always reject lines that exceed this limit."""
    ann, bob = two(client, channel)
    value = "x" * (size - len("+a="))
    told = ann.ask(f"@+a={value} PRIVMSG {channel} :{'y' * 300}")
    assert [m.command for m in told] == (["417"] if refused else ["PRIVMSG"])
    assert [m.tags["+a"] for m in bob.told()] == ([] if refused else [value])


def test_tags_stay_with_a_message_in_history(client: Make, channel: str) -> None:
    """[s] @batch=ID;msgid=1238;time=2019-01-04T14:34:17.123Z;+client-tag=val :nick!ident@host PRIVMSG #channel"""
    ann, _bob = two(client, channel, *TAGS, "draft/chathistory")
    (echo,) = ann.ask(f"@+a=b PRIVMSG {channel} :hi")
    told = ann.ask(f"CHATHISTORY LATEST {channel} * 1")
    assert told[1].tags == {"batch": told[0].params[0][1:], **echo.tags}


# --- TAGMSG


@pytest.mark.parametrize("target", ["channel", "bob"])
def test_tags_alone_reach_others_and_come_back(client: Make, channel: str, target: str) -> None:
    """This message MUST be delivered to targets in the same way as PRIVMSG and NOTICE messages. This means for example,
    honouring channel membership, modes, echo-message, STATUSMSG prefixes, etc."""
    ann, bob = two(client, channel)
    to = channel if target == "channel" else "bob"
    (echo,) = ann.ask(f"@label=x1;+example.org/foo=bar TAGMSG {to}")
    assert (echo.command, echo.nick, echo.params, echo.tags["label"]) == ("TAGMSG", "ann", [to], "x1")
    (told,) = bob.told()
    assert (told.command, told.nick, told.params) == ("TAGMSG", "ann", [to])
    assert clients(told) == {"+example.org/foo": "bar"}


def test_tags_alone_come_back_to_nobody_who_did_not_ask(client: Make, channel: str) -> None:
    """Servers MUST respond with a labeled ACK message when a client sends a labeled command that normally produces no
    response."""
    ann, bob = two(client, channel, "message-tags", "batch", "labeled-response")
    assert [m.command for m in ann.ask(f"@label=x;+a=b TAGMSG {channel}", f"@+typing=active TAGMSG {channel}")] == [
        "ACK"
    ]
    assert [clients(m) for m in bob.told()] == [{"+a": "b"}, {"+typing": "active"}]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("@+a=b TAGMSG", "461"),
        ("@+a=b TAGMSG nobody", "401"),
        ("@+a=b TAGMSG #nowhere", "401 403 404"),  # the text has all three
        ("@+typing=active TAGMSG nobody", "401"),
        ("@+draft/reply=x;+draft/react=y TAGMSG #nowhere", "401 403 404"),
        ("@+a=b TAGMSG a,b,c,d,e", "407"),
    ],
)
def test_tags_that_cannot_be_told_have_their_numeric(client: Make, line: str, number: str) -> None:
    """See PRIVMSG in RFC2812 for more details on replies and examples."""
    (told,) = client("ann", "message-tags").numbers(line)
    assert told in number.split()


def test_a_tagmsg_without_a_tag_of_the_clients_is_nothing(client: Make, channel: str) -> None:
    """A TAGMSG sent by a client with an un-prefixed tag that has no specified behaviour. The server removes the tag"""
    ann, bob = two(client, channel)
    assert ann.ask(f"@unknown-tag TAGMSG {channel}") == []
    assert bob.told() == []


# --- typing


@pytest.mark.parametrize("state", ["active", "paused", "done"])
@pytest.mark.parametrize("target", ["channel", "bob"])
def test_others_hear_that_somebody_types(client: Make, channel: str, state: str, target: str) -> None:
    """A typing notification is represented by a TAGMSG command sent with a typing tag using the client-only prefix +
    and possible values of active, paused, and done."""
    ann, bob = two(client, channel)
    to = channel if target == "channel" else "bob"
    ann.ask(f"@+typing={state} TAGMSG {to}")
    (told,) = bob.told()
    assert (told.command, told.nick, told.params) == ("TAGMSG", "ann", [to])
    assert clients(told) == {"+typing": state}


# --- reply, react


def test_an_answer_names_the_message_that_it_answers(client: Make, channel: str) -> None:
    """The reply tag is sent by a client with the client-only prefix + and its value references the server provided ID
    of another message"""
    ann, bob = two(client, channel)
    (first,) = ann.ask(f"PRIVMSG {channel} :Hello!")
    bob.told()
    name = first.tags["msgid"]
    (echo,) = bob.ask(f"@+draft/reply={name} PRIVMSG {channel} :Hello to you!")
    (told,) = ann.told()
    assert clients(echo) == clients(told) == {"+draft/reply": name}
    bob.ask(f"@+reply={name} PRIVMSG {channel} :and again", f"@+draft/reply=nonsense PRIVMSG {channel} :what")
    assert [clients(m) for m in ann.told()] == [{"+reply": name}, {"+draft/reply": "nonsense"}]


def test_an_answer_to_a_private_message_names_it_for_both(client: Make) -> None:
    """its value references the server provided ID of another message"""
    ann, bob = client("ann", *TAGS), client("bob", *TAGS)
    client("eve").ask("PRIVMSG bob :first")  # so that the seqs of the copies differ
    (sent,) = ann.ask("PRIVMSG bob :Hello!")
    got = bob.told()[-1]
    assert sent.tags["msgid"] == got.tags["msgid"]
    bob.ask(f"@+draft/reply={got.tags['msgid']} PRIVMSG ann :Hello to you!")
    (told,) = ann.told()
    assert clients(told) == {"+draft/reply": sent.tags["msgid"]}


@pytest.mark.parametrize("target", ["channel", "ann"])
def test_a_reaction_is_told_and_kept(client: Make, channel: str, target: str) -> None:
    """The react tag is sent by a client with the client-only prefix +. The value has no restrictions. This tag MAY be
    attached to an empty message. ... this tag MUST be used in conjunction with the +draft/reply client tag."""
    caps = (*TAGS, "draft/chathistory", "draft/event-playback")
    ann, bob = client("ann", *caps), client("bob", *caps)
    ann.join(channel)
    bob.join(channel)
    ann.told()
    (first,) = ann.ask(f"PRIVMSG {channel if target == 'channel' else 'bob'} :Hello!")
    bob.told()
    to = channel if target == "channel" else "ann"
    tags = {"+draft/reply": first.tags["msgid"], "+draft/react": "👋"}
    (echo,) = bob.ask(f"@label=r;+draft/reply={first.tags['msgid']};+draft/react=👋 TAGMSG {to}")
    (told,) = ann.told()
    assert (echo.command, echo.params, echo.tags["label"], clients(echo)) == ("TAGMSG", [to], "r", tags)
    assert (told.command, told.params, clients(told)) == ("TAGMSG", [to], tags)
    assert told.tags["msgid"] == echo.tags["msgid"]
    kept = ann.ask(f"CHATHISTORY LATEST {channel if target == 'channel' else 'bob'} * 5")[1:-1]
    assert [(m.command, clients(m)) for m in kept] == [("PRIVMSG", {}), ("TAGMSG", tags)]


def test_a_reaction_to_nothing_we_have_is_told_and_not_kept(client: Make, channel: str) -> None:
    """The value has no restrictions."""
    ann, bob = two(client, channel)
    long = "very long " * 20
    (first,) = ann.ask(f"PRIVMSG {channel} :Hello!")
    value = long.replace(" ", r"\s")
    ann.ask(f"@+draft/reply=nonsense;+draft/react=lol TAGMSG {channel}", f"@+draft/react=lol TAGMSG {channel}")
    ann.ask(f"@+draft/reply={first.tags['msgid']};+draft/react={value} TAGMSG {channel}")
    told = bob.told()[1:]
    assert [m.command for m in told] == ["TAGMSG"] * 3
    assert ["msgid" in m.tags for m in told] == [False] * 3
    assert told[2].tags["+draft/react"] == value


def test_a_reaction_with_words_is_a_message(client: Make, channel: str) -> None:
    """An example of a reaction with an additional message body"""
    ann, bob = two(client, channel)
    (first,) = ann.ask(f"PRIVMSG {channel} :Hello!")
    bob.told()
    bob.ask(f"@+draft/reply={first.tags['msgid']};+draft/react=lol PRIVMSG {channel} :lol")
    (told,) = ann.told()
    assert (told.command, told.last, told.tags["+draft/react"]) == ("PRIVMSG", "lol", "lol")
