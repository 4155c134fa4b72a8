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


# --- with people


def test_both_sides_have_the_same_msgids_live_and_in_history(client: Make) -> None:
    """The msgid tag that identifies each individual message in a response MUST be the msgid tag as originally sent by
    the IRC server."""
    ann, bob = client("ann", *CAPS), client("bob", *CAPS)
    client("eve").ask("PRIVMSG bob :first")  # so that the copies have different seqs
    sent = [ann.ask(f"PRIVMSG bob :m{number}")[0].tags["msgid"] for number in range(3)]
    got = [m.tags["msgid"] for m in bob.told() if m.nick == "ann"]
    assert sent == got
    for who, other in ((ann, "bob"), (bob, "ann")):
        kept = who.ask(f"CHATHISTORY LATEST {other} * 10")[1:-1]
        assert [m.tags["msgid"] for m in kept] == sent
        assert [m.last for m in who.ask(f"CHATHISTORY AFTER {other} msgid={sent[0]} 10")[1:-1]] == ["m1", "m2"]
        assert [m.last for m in who.ask(f"CHATHISTORY BEFORE {other} msgid={sent[2]} 10")[1:-1]] == ["m0", "m1"]


def test_a_conversation_goes_on_under_another_nick_of_ones_own(client: Make) -> None:
    """The server SHOULD attempt to include history involving other nicknames if either the current user or the target
    nickname has changed during the requested timeframe."""
    ann, _bob = client("ann", *CAPS), client("bob", *CAPS)
    ann.ask("PRIVMSG bob :before", "NICK anna", "PRIVMSG bob :after")
    assert page(ann.ask("CHATHISTORY LATEST bob * 10"), "bob") == ["before", "after"]


# --- event-playback


def test_topics_are_in_it_for_who_can_take_them(client: Make, channel: str) -> None:
    """If the client has negotiated draft/event-playback, the server SHOULD send additional lines relevant to the chat
    history, including but not limited to TAGMSG, JOIN, PART, QUIT, MODE, TOPIC, and NICK."""
    ann = client("ann", *CAPS, "draft/event-playback")
    ann.join(channel)
    ann.ask(f"PRIVMSG {channel} :hi", f"TOPIC {channel} :Assam")
    told = ann.ask(f"CHATHISTORY LATEST {channel} * 10")
    assert [(m.command, m.last) for m in told[1:-1]] == [("PRIVMSG", "hi"), ("TOPIC", "Assam")]
    assert all("msgid" in m.tags for m in told[1:-1])


@pytest.mark.parametrize("redacts", [True, False])
def test_what_was_taken_back_is_told_to_who_can_take_it(client: Make, channel: str, redacts: bool) -> None:
    """add the REDACT message to the response"""
    ann = client("ann", *CAPS, "draft/event-playback", "draft/message-redaction")
    ann.join(channel)
    (echo,) = ann.ask(f"PRIVMSG {channel} :oops")
    ann.ask(f"REDACT {channel} {echo.tags['msgid']}")
    bob = client("bob", *CAPS, "draft/event-playback", *(["draft/message-redaction"] if redacts else []))
    bob.join(channel)
    told = bob.ask(f"CHATHISTORY LATEST {channel} * 10")[1:-1]
    assert [m.params for m in told] == ([[channel, echo.tags["msgid"]]] if redacts else [])


def test_reactions_are_not_in_it_for_others(client: Make, channel: str) -> None:
    """If the client has not negotiated the draft/event-playback capability, the server MUST NOT send any lines other
    than PRIVMSG and NOTICE in the reply batch"""
    ann = client("ann", *CAPS)
    ann.join(channel)
    (echo,) = ann.ask(f"PRIVMSG {channel} :hi")
    ann.ask(f"@+draft/reply={echo.tags['msgid']};+draft/react=x TAGMSG {channel}", f"NOTICE {channel} :n")
    told = ann.ask(f"CHATHISTORY LATEST {channel} * 10")[1:-1]
    assert [m.command for m in told] == ["PRIVMSG", "NOTICE"]


# --- TARGETS

LONG_AGO, SOON = "timestamp=2001-01-01T00:00:00.000Z", "timestamp=2100-01-01T00:00:00.000Z"


def targets(told: list[Message]) -> list[str]:
    first, *inside, last = told
    assert first.params[1:] == ["draft/chathistory-targets"]
    assert last.command == "BATCH"
    assert all((m.command, m.params[0]) == ("CHATHISTORY", "TARGETS") for m in inside)
    return [m.params[1] for m in inside]


def test_targets_are_where_something_was_said_in_order(client: Make, channel: str) -> None:
    """it lists channels the user has visible history in, together with users with which the user has exchanged direct
    messages, ordered by the time of the latest message ... For TARGETS, the batch MUST have type
    draft/chathistory-targets."""
    ann, bob, eve = client("ann", *CAPS), client("bob", *CAPS), client("eve", *CAPS)
    ann.join(channel)
    ann.join(channel + "-silent")
    bob.ask("PRIVMSG ann :hi")
    ann.told()
    (said,) = ann.ask(f"PRIVMSG {channel} :hi")
    ann.ask("PRIVMSG eve :hi")
    ann.told()
    told = ann.ask(f"CHATHISTORY TARGETS {LONG_AGO} {SOON} 10")
    assert targets(told) == ["bob", channel, "eve"]
    assert told[2].params[2] == said.tags["time"]
    assert targets(ann.ask(f"CHATHISTORY TARGETS {LONG_AGO} {SOON} 2")) == ["bob", channel]
    assert targets(ann.ask(f"CHATHISTORY TARGETS {SOON} {LONG_AGO} 2")) == [channel, "eve"]
    at = f"timestamp={said.tags['time']}"
    assert channel not in targets(ann.ask(f"CHATHISTORY TARGETS {at} {SOON} 10"))  # "excluding"
    assert targets(ann.ask(f"CHATHISTORY TARGETS {LONG_AGO} {LONG_AGO} 10")) == []
    eve.told()
    assert targets(eve.ask(f"CHATHISTORY TARGETS {LONG_AGO} {SOON} 10")) == ["ann"]


@pytest.mark.parametrize(
    "rest", ["", f"{LONG_AGO} {SOON}", f"{LONG_AGO} msgid=x 5", f"{LONG_AGO} {SOON} 0", f"{LONG_AGO} {SOON} x", "* * 5"]
)
def test_targets_that_cannot_be_understood_fail(client: Make, rest: str) -> None:
    """except that they MUST be timestamps and not msgids"""
    (told,) = client("ann", *CAPS).ask(f"CHATHISTORY TARGETS {rest}")
    assert (told.command, told.params[:2]) == ("FAIL", ["CHATHISTORY", "INVALID_PARAMS"])
