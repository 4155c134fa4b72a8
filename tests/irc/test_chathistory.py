"""What was said before: IRCv3 draft/chathistory, and the chathistory batch on joining."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]
CAPS = ("batch", "server-time", "message-tags", "echo-message", "draft/chathistory")


def said(client: Client, channel: str, count: int = 5) -> list[Message]:
    """Say m1, m2 … and return the echoes."""
    return client.ask(*(f"PRIVMSG {channel} :m{number}" for number in range(1, count + 1)))


def page(told: list[Message], target: str) -> list[str]:
    """Return the texts of the batch that ``told`` is."""
    first, *inside, last = told
    assert first.params[1:] == ["chathistory", target]
    assert last.command == "BATCH"
    assert all(m.tags["batch"] == first.params[0][1:] for m in inside)
    return [m.last for m in inside]


def test_the_latest_come_in_a_batch_oldest_first_as_they_were(client: Make, channel: str) -> None:
    """The msgid tag that identifies each individual message in a response MUST be the msgid tag as originally sent by
    the IRC server. ... the server MUST NOT send any lines other than PRIVMSG and NOTICE in the reply batch"""
    ann = client("ann", *CAPS)
    ann.join(channel)
    ann.ask(f"TOPIC {channel} :nothing to see")
    echoes = said(ann, channel)
    told = ann.ask(f"CHATHISTORY LATEST {channel} * 3")
    assert page(told, channel) == ["m3", "m4", "m5"]
    assert [m.tags["msgid"] for m in told[1:-1]] == [m.tags["msgid"] for m in echoes[-3:]]
    assert [m.tags["time"] for m in told[1:-1]] == [m.tags["time"] for m in echoes[-3:]]


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("BEFORE {c} msgid={3} 2", ["m1", "m2"]),
        ("AFTER {c} msgid={3} 1", ["m4"]),
        ("AFTER {c} msgid={5} 10", []),
        ("LATEST {c} msgid={3} 10", ["m4", "m5"]),
        ("AROUND {c} msgid={3} 3", ["m2", "m3", "m4"]),
        ("BETWEEN {c} msgid={1} msgid={5} 2", ["m2", "m3"]),
        ("BETWEEN {c} msgid={5} msgid={1} 2", ["m3", "m4"]),
        ("BEFORE {c} timestamp=2100-01-01T00:00:00.000Z 2", ["m4", "m5"]),
        ("BEFORE {c} timestamp=2001-01-01T00:00:00.000Z 2", []),
        ("AFTER {c} timestamp=2001-01-01T00:00:00.000Z 2", ["m1", "m2"]),
        ("LATEST {c} timestamp=2100-01-01T00:00:00.000Z 2", []),
    ],
)
def test_places_are_left_out(client: Make, channel: str, form: str, texts: list[str]) -> None:
    """Request up to limit number of messages before and excluding the given timestamp or msgid."""
    ann = client("ann", *CAPS)
    ann.join(channel)
    ids = [m.tags["msgid"] for m in said(ann, channel)]
    command = form.replace("{c}", channel)
    for number, name in enumerate(ids, 1):
        command = command.replace(f"{{{number}}}", name)
    assert page(ann.ask(f"CHATHISTORY {command}"), channel) == texts


def test_a_conversation_is_what_two_said_to_each_other(client: Make) -> None:
    """If a nickname is given as the target then the server SHOULD include history sent between the current user and the
    target nickname, including outgoing messages ("self messages"), so as to give a full conversation."""
    ann, bob, eve = client("ann", *CAPS), client("bob", *CAPS), client("eve", *CAPS)
    ann.ask("PRIVMSG bob :one")
    eve.ask("PRIVMSG ann :not this")
    bob.ask("PRIVMSG ann :two")
    ann.told()
    assert page(ann.ask("CHATHISTORY LATEST bob * 10"), "bob") == ["one", "two"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("FROM {c} * 5", "INVALID_PARAMS"),
        ("LATEST {c} *", "INVALID_PARAMS"),
        ("LATEST {c} * many", "INVALID_PARAMS"),
        ("BEFORE {c} yesterday 5", "INVALID_PARAMS"),
        ("BEFORE {c} msgid=nonsense 5", "MESSAGE_ERROR"),
        ("LATEST {c}zzz * 5", "INVALID_TARGET"),
    ],
)
def test_what_cannot_be_had_fails_with_its_code(client: Make, channel: str, line: str, code: str) -> None:
    """Errors are returned using the standard replies syntax."""
    ann = client("ann", *CAPS)
    ann.join(channel)
    told = ann.ask("CHATHISTORY " + line.replace("{c}", channel))
    assert [(m.command, m.params[:2]) for m in told] == [("FAIL", ["CHATHISTORY", code])]


def test_on_joining_it_comes_by_itself_to_who_can_tell_it_but_cannot_ask(client: Make, channel: str) -> None:
    """The draft/chathistory capability MUST be negotiated. This allows the server and client to act differently when
    delivering message history on connection."""
    ann = client("ann", *CAPS)
    ann.join(channel)
    said(ann, channel, 2)
    with_batch = client("bob", "batch", "server-time").ask(f"JOIN {channel}")
    assert [m.last for m in with_batch if m.command == "PRIVMSG"] == ["m1", "m2"]
    assert [m.params[1] for m in with_batch if m.command == "BATCH" and m.params[0][0] == "+"] == ["chathistory"]
    assert not [m for m in client("eve").ask(f"JOIN {channel}") if m.command == "PRIVMSG"]
    assert not [m for m in client("mia", *CAPS).ask(f"JOIN {channel}") if m.command == "PRIVMSG"]
