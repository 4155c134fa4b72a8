"""Messages of several lines: IRCv3 draft/multiline, and what clients without it get."""

import re
from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]
CAP = "draft/multiline"
BASE = ("message-tags", "batch", "echo-message", "server-time", "labeled-response")
CAPS = (*BASE, CAP)
CONCAT = "draft/multiline-concat"


def three(client: Make, channel: str) -> tuple[Client, Client, Client]:
    """Ann and bob have the capability, eve has not."""
    ann, bob, eve = client("ann", *CAPS), client("bob", *CAPS), client("eve", *BASE)
    for one in (ann, bob, eve):
        one.join(channel)
    ann.told(), bob.told()
    return ann, bob, eve


def batch(target: str, *lines: str, ref: str = "123", tags: str = "") -> list[str]:
    """Return the lines of a batch; those that begin with \\ go on with the one before."""
    inside = [
        f"@batch={ref}{f';{CONCAT}' if line.startswith(chr(92)) else ''} PRIVMSG {target} :{line.lstrip(chr(92))}"
        for line in lines
    ]
    return [f"{f'@{tags} ' if tags else ''}BATCH +{ref} {CAP} {target}", *inside, f"BATCH -{ref}"]


def whole(told: list[Message], target: str) -> str:
    """Return what the batch that ``told`` is says."""
    first, *inside, last = told
    assert (first.command, first.params[1:]) == ("BATCH", [CAP, target])
    assert last.params == ["-" + first.params[0][1:]]
    assert all(m.command == "PRIVMSG" and m.params[0] == target for m in inside)
    assert all(set(m.tags) <= {"batch", CONCAT} and m.tags["batch"] == first.params[0][1:] for m in inside)
    return "".join(("" if CONCAT in m.tags else "\n") + m.last for m in inside)[1:]


def test_the_capability_tells_its_limits(client: Make) -> None:
    """The capability MUST be advertised by servers with a REQUIRED value"""
    one = client()
    one.send("CAP LS 302", "CAP END")
    lines = " ".join(m.last for m in one.until(lambda m: m.command == "CAP" and "*" not in m.params[2:-1]))
    assert re.search(r"draft/multiline=max-bytes=\d+,max-lines=\d+", lines)


@pytest.mark.parametrize("target", ["channel", "bob"])
def test_a_batch_is_one_message(client: Make, channel: str, target: str) -> None:
    """servers MUST collect each PRIVMSG message content and wait until the full batch has been received ... Line
    messages are joined by a single line feed byte unless the draft/multiline-concat message tag is sent"""
    ann, bob, _eve = three(client, channel)
    to = channel if target == "channel" else "bob"
    ann.send(*batch(to, "hello", "how is ", r"\everyone?", tags="label=xyz;+a=b"))
    echo = ann.told()
    told = bob.told()
    assert whole(echo, to) == whole(told, to) == "hello\nhow is everyone?"
    assert echo[0].tags.pop("label") == "xyz"
    assert echo[0].tags == told[0].tags
    assert set(told[0].tags) == {"msgid", "time", "+a"}


def test_others_get_lines_of_which_the_first_has_what_belongs_to_it(client: Make, channel: str) -> None:
    """servers MUST deliver the component messages without using a multiline BATCH. ... Any tags that would have been
    added to the batch, e.g. message IDs, account tags etc MUST be included on the first message line. ... Servers MUST
    only include a message ID on the first message of a batch"""
    ann, _bob, eve = three(client, channel)
    ann.send(*batch(channel, "one", "two", tags="+a=b"))
    ann.told()
    told = eve.told()
    assert [(m.command, m.last) for m in told] == [("PRIVMSG", "one"), ("PRIVMSG", "two")]
    assert [set(m.tags) for m in told] == [{"msgid", "time", "+a"}, {"time"}]


def test_blank_lines_are_kept_where_they_can_be(client: Make, channel: str) -> None:
    """Servers MUST NOT reject blank lines. ... Servers MUST NOT send blank lines to clients that have not negotiated
    the multiline capability."""
    ann, bob, eve = three(client, channel)
    ann.send(*batch(channel, "one", "", "two"))
    ann.told()
    assert whole(bob.told(), channel) == "one\n\ntwo"
    assert [m.last for m in eve.told()] == ["one", "two"]


def test_a_long_line_goes_on_in_the_next(client: Make, channel: str) -> None:
    """the draft/multiline-concat message tag, which has no value and is used to send message lines that extend beyond
    the usual byte length limit"""
    ann, bob, eve = three(client, channel)
    text = " ".join(f"wörd{number}" for number in range(200))
    parts = [text[at : at + 300] for at in range(0, len(text), 300)]
    ann.send(*batch(channel, parts[0], *("\\" + part for part in parts[1:])))
    assert whole(ann.told(), channel) == text
    assert whole(bob.told(), channel) == text
    assert "".join(m.last for m in eve.told()) == text


def test_a_batch_that_one_does_not_want_back_is_acknowledged(client: Make, channel: str) -> None:
    """Servers MUST respond with a labeled ACK message when a client sends a labeled command that normally produces no
    response."""
    ann = client("ann", "batch", "labeled-response", "message-tags", CAP)
    ann.join(channel)
    ann.send(*batch(channel, "a", "b", tags="label=l1"))
    assert [(m.command, m.tags) for m in ann.told()] == [("ACK", {"label": "l1"})]


def test_a_cow_is_one_batch_or_lines(client: Make, channel: str) -> None:
    """MUST only contain one or more PRIVMSG lines"""
    ann, bob, eve = three(client, channel)
    ann.send(f"@label=moo PRIVMSG {channel} :!cowsay hi")
    echo = ann.told()
    assert echo[0].tags["label"] == "moo"
    cow = whole(echo, channel)
    assert "< hi >" in cow
    assert whole(bob.told(), channel) == cow
    assert "\n".join(m.last for m in eve.told()) == cow


def test_it_is_a_batch_within_that_of_a_history(client: Make, channel: str) -> None:
    """This means that one batch is nested to another. ... they both MUST have batch tag, and they MUST refer to the
    same batch."""
    ann, _bob, _eve = three(client, channel)
    ann.send(*batch(channel, "one", "two"))
    ann.told()
    zoe = client("zoe", *CAPS, "draft/chathistory")
    zoe.join(channel)
    outer, first, *inside, last, end = zoe.ask(f"CHATHISTORY LATEST {channel} * 5")
    assert first.tags["batch"] == last.tags["batch"] == outer.params[0][1:]
    assert [m.tags["batch"] for m in inside] == [first.params[0][1:]] * 2
    assert end.params == ["-" + outer.params[0][1:]]


def test_programs_may_answer_a_ping_meanwhile(client: Make, channel: str) -> None:
    """Clients MUST NOT send messages other than PRIVMSG while a multiline batch is open."""
    ann, bob, _eve = three(client, channel)
    first, line, last = batch(channel, "hi")
    ann.send(first, "PONG x", line, last)
    ann.told()
    assert [m.last for m in bob.told()] == ["hi"]


def failed(told: list[Message]) -> list[list[str]]:
    return [m.params[:-1] for m in told if m.command == "FAIL"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["BATCH +1 draft/multiline {c}", "@batch=2 PRIVMSG {c} :hi", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "PRIVMSG {c} :hi", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "@batch=1 NOTICE {c} :hi", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "@batch=1 PRIVMSG {c}", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "JOIN #other", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "@batch=1 PRIVMSG {c} :", "BATCH -1"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline {c}", "BATCH +2 draft/multiline {c}", "BATCH -2"], ["MULTILINE_INVALID"]),
        (["BATCH +1 draft/multiline"], ["MULTILINE_INVALID"]),
        (["BATCH +1 netsplit {c}"], ["MULTILINE_INVALID"]),
        (["BATCH 1 draft/multiline {c}"], ["MULTILINE_INVALID"]),
        (["BATCH -1"], ["MULTILINE_INVALID"]),
        (["@batch=1 PRIVMSG {c} :hi"], ["MULTILINE_INVALID"]),
        (
            [
                "BATCH +1 draft/multiline {c}",
                "@batch=1 PRIVMSG {c} :hi",
                f"@batch=1;{CONCAT} PRIVMSG {{c}} :",
                "BATCH -1",
            ],
            ["MULTILINE_INVALID"],
        ),
        (
            ["BATCH +1 draft/multiline {c}", "@batch=1 PRIVMSG #bar :hello", "BATCH -1"],
            ["MULTILINE_INVALID_TARGET", "{c}", "#bar"],
        ),
    ],
)
def test_a_batch_that_is_none_fails_and_nothing_of_it_is_said(
    client: Make, channel: str, lines: list[str], code: list[str]
) -> None:
    """MULTILINE_INVALID_TARGET <batch-target> <provided-target>: mismatched PRIVMSG target within a batch;
    MULTILINE_INVALID: any other error"""
    ann, bob, _eve = three(client, channel)
    told = ann.ask(*(line.format(c=channel) for line in lines))
    assert failed(told) == [["BATCH", *(word.format(c=channel) for word in code)]]
    assert bob.told() == []
    ann.ask(f"PRIVMSG {channel} :and on")
    assert [m.last for m in bob.told()] == ["and on"]


@pytest.mark.parametrize(
    ("line", "count", "code"),
    [("x", 101, ["MULTILINE_MAX_LINES", "100"]), ("y" * 400, 11, ["MULTILINE_MAX_BYTES", "4000"])],
)
def test_what_is_too_long_fails_and_nothing_of_it_is_said(
    client: Make, channel: str, line: str, count: int, code: list[str]
) -> None:
    """MULTILINE_MAX_BYTES <limit>: max-bytes limit exceeded; MULTILINE_MAX_LINES <limit>: max-lines limit exceeded"""
    ann, bob, _eve = three(client, channel)
    ann.send(*batch(channel, *[line] * count, tags="label=big"))
    told = ann.told()
    assert failed(told) == [["BATCH", *code]]
    assert [m.tags for m in told] == [{"label": "big"}]
    assert bob.told() == []


def test_each_line_feed_counts(client: Make, channel: str) -> None:
    """Each line feed used to join line messages contributes one byte towards the max-bytes limit."""
    ann, bob, _eve = three(client, channel)
    lines = ["x" * 399] * 10
    ann.send(*batch(channel, *lines, tags="label=fits"))  # 3,999 bytes
    assert whole(ann.told(), channel) == "\n".join(lines)
    ann.send(*batch(channel, "xx" + lines[0], *lines[1:]))
    assert failed(ann.told()) == [["BATCH", "MULTILINE_MAX_BYTES", "4000"]]
    assert whole(bob.told(), channel) == "\n".join(lines)


def test_who_has_not_the_capability_has_no_batches(client: Make, channel: str) -> None:
    """the batch capability which MUST be negotiated to use multiline messages"""
    ann = client("ann", "draft/multiline", "message-tags")
    ann.join(channel)
    assert ann.numbers(f"BATCH +1 draft/multiline {channel}") == ["421"]
    ann.ask(f"PRIVMSG {channel} :{'z' * 600}")
    bob = client("bob", "draft/multiline", "echo-message")
    bob.join(channel)
    told = bob.ask(f"PRIVMSG {channel} :{'ab ' * 150}")
    assert {m.command for m in told} == {"PRIVMSG"}


def test_long_text_is_cut_at_a_characters_border(client: Make, channel: str) -> None:
    """Take care not to split in the middle of multi-byte character sequences."""
    ann, _bob, eve = three(client, channel)
    text = "🐄" * 300
    ann.send(*batch(channel, text[:100], "\\" + text[100:200], "\\" + text[200:]))
    ann.told()
    told = [m.last for m in eve.told()]
    assert "".join(told) == text
    assert all(len(piece.encode()) % 4 == 0 for piece in told)
