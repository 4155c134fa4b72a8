"""Taking messages back: IRCv3 draft/message-redaction."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]
CAPS = ("message-tags", "echo-message", "batch", "labeled-response", "draft/message-redaction", "draft/chathistory")


def two(client: Make, channel: str) -> tuple[Client, Client]:
    ann, bob = client("ann", *CAPS), client("bob", *CAPS)
    ann.join(channel)
    bob.join(channel)
    ann.told()
    return ann, bob


def said(who: Client, to: str, text: str = "an example") -> str:
    (echo,) = who.ask(f"PRIVMSG {to} :{text}")
    return echo.tags["msgid"]


@pytest.mark.parametrize("target", ["channel", "bob"])
@pytest.mark.parametrize("reason", ["", "bad example"])
def test_a_message_is_taken_back_for_all_who_have_it(client: Make, channel: str, target: str, reason: str) -> None:
    """SHOULD forward this REDACT, with an appropriate prefix, to the target recipients that have negotiated the
    draft/message-redaction capability, in the same way as PRIVMSG messages."""
    ann, bob = two(client, channel)
    to = channel if target == "channel" else "bob"
    name = said(ann, to)
    bob.told()
    (echo,) = ann.ask(f"@label=r REDACT {to} {name}" + (f" :{reason}" if reason else ""))
    (told,) = bob.told()
    for message in (echo, told):
        assert (message.command, message.nick) == ("REDACT", "ann")
        assert message.params == [to, name, *([reason] if reason else [])]
    assert echo.tags["label"] == "r"
    assert echo.tags["msgid"] == told.tags["msgid"] != name


def test_a_reaction_can_be_taken_back(client: Make, channel: str) -> None:
    """the id of the message to be redacted, which MUST be a PRIVMSG, NOTICE, or TAGMSG"""
    ann, bob = two(client, channel)
    name = said(ann, channel)
    (echo,) = ann.ask(f"@+draft/reply={name};+draft/react=x TAGMSG {channel}")
    assert [m.command for m in ann.ask(f"REDACT {channel} {echo.tags['msgid']}")] == ["REDACT"]
    assert [m.command for m in bob.told()] == ["PRIVMSG", "TAGMSG", "REDACT"]


def test_who_has_not_the_capability_does_not_hear_of_it(client: Make, channel: str) -> None:
    """MUST not forward this REDACT to target recipients that have not negotiated this capability"""
    ann, _bob = two(client, channel)
    eve, zoe = client("eve"), client("zoe", "draft/message-redaction")  # one without tags cannot know any msgid
    eve.join(channel)
    zoe.join(channel)
    ann.told()
    name = said(ann, channel)
    ann.ask(f"REDACT {channel} {name}")
    for one in (eve, zoe):
        assert [m.command for m in one.told() if m.nick == "ann"] == ["PRIVMSG"]
    assert eve.numbers(f"REDACT {channel} {name}") == ["421"]


@pytest.mark.parametrize("target", ["channel", "bob"])
def test_history_leaves_it_out(client: Make, channel: str, target: str) -> None:
    """After a message is redacted, chathistory responses SHOULD either: exclude it entirely"""
    ann, bob = two(client, channel)
    to, back = (channel, channel) if target == "channel" else ("bob", "ann")
    said(ann, to, "one")
    name = said(ann, to, "two")
    said(ann, to, "three")
    ann.ask(f"REDACT {to} {name}")
    for who, place in ((ann, to), (bob, back)):
        who.told()
        assert [m.last for m in who.ask(f"CHATHISTORY LATEST {place} * 10")[1:-1]] == ["one", "three"]
        assert [m.last for m in who.ask(f"CHATHISTORY BEFORE {place} msgid={name} 10")[1:-1]] == ["one"]


def test_who_comes_later_never_sees_it(client: Make, channel: str) -> None:
    """exclude it entirely"""
    ann, _bob = two(client, channel)
    name = said(ann, channel, "secret")
    ann.ask(f"REDACT {channel} {name}")
    eve = client("eve", "batch", "server-time")
    assert not any("secret" in m.raw for m in eve.ask(f"JOIN {channel}"))


@pytest.mark.parametrize(
    ("line", "params"),
    [
        ("REDACT {c} nonsense", ["UNKNOWN_MSGID", "{c}", "nonsense"]),
        ("REDACT {c} {other}", ["UNKNOWN_MSGID", "{c}", "{other}"]),
        ("REDACT {c} {theirs}", ["REDACT_FORBIDDEN", "{c}", "{theirs}"]),
        ("REDACT ann {theirs}", ["UNKNOWN_MSGID", "ann", "{theirs}"]),
        ("REDACT ann {other}", ["REDACT_FORBIDDEN", "ann", "{other}"]),
        ("REDACT #nowhere {theirs}", ["INVALID_TARGET", "#nowhere"]),
        ("REDACT #no,where {theirs}", ["INVALID_TARGET", "#no,where"]),
        ("REDACT {c} {theirs}-", ["UNKNOWN_MSGID", "{c}", "{theirs}-"]),
    ],
)
def test_what_cannot_be_taken_back_fails_with_its_code(
    client: Make, channel: str, line: str, params: list[str]
) -> None:
    """FAIL REDACT INVALID_TARGET <target>; REDACT_FORBIDDEN <target> <target-msgid>; UNKNOWN_MSGID <target>
    <target-msgid>"""
    client("eve", *CAPS).join(channel)  # its op, who may
    ann, bob = two(client, channel)
    names = {"c": channel, "theirs": said(ann, channel), "other": said(ann, "bob")}
    bob.told()
    (told,) = bob.ask(line.format(**names))
    assert told.command == "FAIL"
    assert told.params[:-1] == ["REDACT", *(param.format(**names) for param in params)]
    assert ann.told() == []


def test_an_op_takes_back_what_others_said(client: Make, channel: str) -> None:
    """Allowing channel moderators or server admins to delete unwelcome messages from others"""
    ann, bob = two(client, channel)  # ann made the channel
    name = said(bob, channel, "join my network for cold hard chats")
    ann.told()
    (echo,) = ann.ask(f"REDACT {channel} {name} spam")
    (told,) = bob.told()
    for message in (echo, told):
        assert (message.command, message.nick, message.params) == ("REDACT", "ann", [channel, name, "spam"])
    assert ann.ask(f"CHATHISTORY LATEST {channel} * 5")[1:-1] == []


def test_nothing_is_taken_back_twice(client: Make, channel: str) -> None:
    """This message does not exist or is too old"""
    ann, _bob = two(client, channel)
    name = said(ann, channel)
    ann.ask(f"REDACT {channel} {name}")
    assert ann.ask(f"REDACT {channel} {name}")[0].params[1] == "UNKNOWN_MSGID"
    assert ann.numbers("REDACT", f"REDACT {channel}") == ["461", "461"]
