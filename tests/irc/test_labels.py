"""Answers that tell their question: IRCv3, "Labeled Responses"."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]
CAPS = ("batch", "labeled-response", "echo-message", "message-tags")


def check_batch(told: list[Message], label: str) -> list[Message]:
    """Return what stands in the one batch that all of ``told`` is."""
    first, *inside, last = told
    assert (first.command, first.tags["label"]) == ("BATCH", label)
    name = first.params[0].removeprefix("+")
    assert last.params == [f"-{name}"]
    assert all(m.tags["batch"] == name for m in inside)
    assert not any("label" in m.tags for m in inside)
    return inside


def test_an_answer_of_one_message_has_the_label(client: Make) -> None:
    """the server MUST include the same tag and value in any response produced from this message"""
    ann = client("ann", *CAPS)
    told = ann.ask("@label=one FROBNICATE", "@label=two PRIVMSG nobody :hi", "@label=three PING x")
    assert [(m.command, m.tags["label"]) for m in told] == [("421", "one"), ("401", "two"), ("PONG", "three")]


def test_an_answer_of_several_is_a_batch(client: Make, channel: str) -> None:
    """If a response consists of more than one message, a batch MUST be used to group them into a single logical
    response. The start of the batch MUST be tagged with the label tag."""
    ann = client("ann", *CAPS)
    assert {m.command for m in check_batch(ann.ask("@label=w WHOIS ann"), "w")} >= {"311", "318"}
    assert [m.command for m in check_batch(ann.ask(f"@label=j JOIN {channel}"), "j")] == ["JOIN", "353", "366"]


def test_what_has_no_answer_is_acknowledged(client: Make) -> None:
    """Servers MUST respond with a labeled ACK message when a client sends a labeled command that normally produces no
    response."""
    told = client("ann", *CAPS).ask("@label=p PONG x", "@label=q NOTICE nobody :x")
    assert [(m.command, m.params, m.tags["label"]) for m in told] == [("ACK", [], "p"), ("ACK", [], "q")]


def test_an_echo_has_the_label_and_nobody_else_sees_it(client: Make, channel: str) -> None:
    """Servers MUST include the tag in exactly one logical message."""
    ann, bob = client("ann", *CAPS), client("bob", *CAPS)
    ann.join(channel)
    bob.join(channel)
    ann.told()
    told = ann.ask(f"@label=a PRIVMSG {channel} :hi", f"PRIVMSG {channel} :ho", "@label=c PRIVMSG bob :direct")
    assert [(m.last, m.tags.get("label")) for m in told] == [("hi", "a"), ("ho", None), ("direct", "c")]
    assert not any("label" in m.tags for m in bob.told())


def test_a_message_to_oneself_has_the_label_once(client: Make) -> None:
    """When a client sends a message to itself, the server MUST NOT include the label tag, except for any acknowledgment
    sent with the echo-message mechanism."""
    told = client("ann", *CAPS).ask("@label=x PRIVMSG ann :memo")
    assert sorted(m.tags.get("label", "") for m in told) == ["", "x"]


def test_a_label_is_given_back_as_it_was_written(client: Make) -> None:
    r"""The tag value is chosen by the client and MUST be treated as an opaque identifier. (`;` is `\:`)"""
    assert client("ann", *CAPS).ask(r"@label=a\:b\sc PONG x")[0].tags["label"] == r"a\:b\sc"


@pytest.mark.parametrize("said", ["PRIVMSG ann :hi", "NOTICE ann :hi", "+typing=active TAGMSG ann"])
def test_what_one_says_to_oneself_comes_twice_and_only_the_echo_has_the_label(client: Make, said: str) -> None:
    """When a client sends a message to itself, the server MUST NOT include the label tag, except for any acknowledgment
    sent with the echo-message mechanism."""
    ann = client("ann", *CAPS)
    tag, _, rest = said.rpartition(" TAGMSG")
    told = ann.ask(f"@label=x;{tag} TAGMSG{rest}" if tag else f"@label=x {said}")
    assert [m.command for m in told] == [said.split(" ")[1 if tag else 0]] * 2
    assert sorted("label" in m.tags for m in told) == [False, True]
    assert {m.params[0] for m in told} == {"ann"}
