"""How messages of the classic protocol are cut, read and written."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.text import clean
from workers.dialects.classic_codec import MAX_HEAD, MAX_SENT, Bad, Decoder, Message, escape, head, message, messages

CON = b"CON,nickname=bob;password=;color=#D333FF,"
I_AM_BOB = Message("CON", {"nickname": "bob", "password": "", "color": "#D333FF"}, "")
LIST, AGAIN, BYE = Message("USER", {}, ""), Message("REF", {}, ""), Message("DISCON", {}, "")
UNKNOWN = "Known are CON, CHAT, UPDATE, REF, USER, KICK, DISCON"


def chat(text: str, to: str = "-ALL") -> Message:
    return Message("CHAT", {"rec": to}, text)


def bare(*segments: bytes) -> list[Message | Bad]:
    """Return what comes of segments after a bare CON and a REF."""
    decoder = Decoder(16384)
    assert decoder.feed(CON + b"REF,,") == [I_AM_BOB, AGAIN]
    found = [item for segment in segments for item in decoder.feed(segment)]
    assert not decoder.lines
    return found


def with_lines(*segments: bytes) -> list[Message | Bad]:
    """The same after one that a newline ended."""
    decoder = Decoder(16384)
    assert decoder.feed(CON + b"\n") == [I_AM_BOB]
    assert decoder.lines
    return [item for segment in segments for item in decoder.feed(segment)]


# --- bare messages


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        (b"CHAT,rec=-ALL,hi, there", [chat("hi, there")]),
        (b"CHAT,rec=-ALL,a=b;c/d,,e", [chat("a=b;c/d,,e")]),
        (b"CHAT,rec=root,psst", [chat("psst", "root")]),
        (b"CHAT,rec=-ALL,", [chat("")]),
        (b"USER,,", [LIST]),
        (b"KICK,user=x,why, then", [Message("KICK", {"user": "x"}, "why, then")]),
        (b"UPDATE,nickname=a;color=#0F0,", [Message("UPDATE", {"nickname": "a", "color": "#0F0"}, "")]),
        # several run together
        (b"USER,,REF,,DISCON,,", [LIST, AGAIN, BYE]),
        (b"USER,,CHAT,rec=-ALL,hi", [LIST, chat("hi")]),
        (b"CHAT,rec=-ALL,oneCHAT,rec=-ALL,two", [chat("one"), chat("two")]),
        (b"CHAT,rec=-ALL,loudCHAT,rec=root,secret", [chat("loud"), chat("secret", "root")]),
        (b"CHAT,rec=-ALL,byeDISCON,,", [chat("bye"), BYE]),
        (b"CHAT,rec=-ALL,hiUSER,,CHAT,rec=-ALL,you", [chat("hi"), LIST, chat("you")]),
        # but one may write of them
        (b"CHAT,rec=-ALL,say USER,, to see who is here", [chat("say USER,, to see who is here")]),
        (b"CHAT,rec=-ALL,a CHAT,rec= needs a nick", [chat("a CHAT,rec= needs a nick")]),
        # ended by newlines, now and then
        (b"CHAT,rec=-ALL,hi\n", [chat("hi")]),
        (b"CHAT,rec=-ALL,hi\r\nUSER,,\r\n", [chat("hi"), LIST]),
        (b"CHAT,rec=-ALL,byeDISCON,,\r\n", [chat("bye"), BYE]),
        (b"\n\r\nUSER,,\n\n", [LIST]),
        # what stands where nothing belongs
        (b"USER,,please", [LIST]),
        (b"USER,,please\nREF,,", [LIST, AGAIN]),
        # nonsense
        (b"hello", [Bad(f"Unknown reason: hello. {UNKNOWN}")]),
        (b"FOO,,bar", [Bad(f"Unknown reason: FOO. {UNKNOWN}")]),
        (b"chat,rec=-ALL,hi", [Bad(f"Unknown reason: chat. {UNKNOWN}")]),
        (b"hello\nUSER,,", [Bad(f"Unknown reason: hello. {UNKNOWN}"), LIST]),
        (b"\xff\xfe\x1b[2J", [Bad(f"Unknown reason: ��[2J. {UNKNOWN}")]),
        (b"CHAT,hello\n", [Message("CHAT", {}, "")]),
    ],
)
def test_a_bare_segment_is_cut_into_its_messages(segment: bytes, found: list[Message | Bad]) -> None:
    assert bare(segment) == found


def test_the_examples_of_the_documentation_are_cut_as_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs/classic.md").read_text()
    rows = page.split("| segments of a bare client | are |\n|---|---|\n")[1].split("\n\n")[0].split("\n")
    assert len(rows) == 9
    for row in rows:
        segments, are = row.strip("| ").split(" | ")
        decoder = Decoder(16384)
        found: list[Message | Bad] = []
        for segment in segments.split(" · "):
            found += decoder.feed(segment.replace(" newline ", "\n").replace("`", "").encode())
        assert sum(isinstance(item, Message) for item in found) == (1 if are.startswith("one") else 2), row
        assert any(isinstance(item, Bad) for item in found) == ("an error" in are), row


def test_the_end_of_a_segment_ends_bare_content_but_never_a_character() -> None:
    assert bare(b"CHAT,rec=-ALL,hel", b"CHAT,rec=-ALL,lo") == [chat("hel"), chat("lo")]
    coffee = "CHAT,rec=-ALL,☕".encode()
    assert bare(coffee[:-2], coffee[-2:]) == [chat("☕")]
    assert bare(coffee[:-1], coffee[-1:] + " für".encode()) == [chat("☕ für")]


@pytest.mark.parametrize("cut", range(len(CON + b"USER,,REF,,CHAT,rec=-ALL,")))
def test_before_its_content_a_bare_message_may_be_cut_anywhere(cut: int) -> None:
    stream = CON + b"USER,,REF,,CHAT,rec=-ALL,hi, there"
    decoder = Decoder(16384)
    found = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])
    before = [item for item in found if isinstance(item, Message) and item.reason != "CHAT"]
    said = [item.content for item in found if isinstance(item, Message) and item.reason == "CHAT"]
    assert before == [I_AM_BOB, LIST, AGAIN]
    assert said == ["hi, there"]


@pytest.mark.parametrize("cut", range(len(CON) + 1))
def test_a_message_without_content_may_be_cut_anywhere(cut: int) -> None:
    decoder = Decoder(16384)
    assert decoder.feed(CON[:cut]) + decoder.feed(CON[cut:]) == [I_AM_BOB]
    assert not decoder.lines


def test_a_head_that_does_not_end_is_given_up() -> None:
    no = Bad("what stands before the content may have 1,024 bytes; this was skipped")
    assert bare(b"CHAT,rec=" + b"x" * MAX_HEAD) == [no]
    assert bare(b"CHAT,rec=", *[b"x"] * (MAX_HEAD - 8), b"USER,,") == [no, LIST]
    assert with_lines(b"UPDATE," + b"a=b;" * MAX_HEAD + b",\nUSER,,\n") == [no, LIST]


# --- messages that end with newlines

LINES = "CHAT,rec=-ALL,hi, there ☕\r\nUSER,,REF,,\nCHAT,rec=-ALL,a CHAT,rec=root,b\n\nFOO\nUPDATE,nickname=a/,b\n"
OF_LINES = [
    chat("hi, there ☕"),
    LIST,
    AGAIN,
    chat("a CHAT,rec=root,b"),
    Bad(f"Unknown reason: FOO. {UNKNOWN}"),
    Message("UPDATE", {"nickname": "a,b"}, ""),
]


@pytest.mark.parametrize("cut", range(len(CON + b"\n" + LINES.encode()) + 1))
def test_a_client_that_ends_its_con_with_a_newline_may_be_cut_anywhere(cut: int) -> None:
    stream = CON + b"\n" + LINES.encode()
    decoder = Decoder(16384)
    assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == [I_AM_BOB, *OF_LINES]
    assert decoder.lines


@pytest.mark.parametrize("cut", range(len(CON) + 3))
def test_carriage_return_and_newline_are_a_newline_wherever_they_are_cut(cut: int) -> None:
    stream = CON + b"\r\nCHAT,rec=-ALL,hi\r\n"
    decoder = Decoder(16384)
    assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == [I_AM_BOB, chat("hi")]
    assert decoder.lines


def test_a_line_goes_on_over_segments_and_its_content_is_never_cut() -> None:
    assert with_lines(b"CHAT,rec=-ALL,hel", b"lo") == []
    assert with_lines(b"CHAT,rec=-ALL,hel", b"lo\n") == [chat("hello")]
    assert with_lines(b"CHAT,rec=-ALL,oneCHAT,rec=-ALL,two\n") == [chat("oneCHAT,rec=-ALL,two")]


def test_a_line_that_is_too_long_is_skipped_and_said_so_once() -> None:
    decoder = Decoder(100)
    decoder.feed(CON + b"\n")
    no = Bad("a message may have 100 bytes and this had more; it was skipped")
    assert decoder.feed(b"CHAT,rec=-ALL," + b"x" * 100) == [no]
    assert decoder.feed(b"x" * 100) == []
    assert decoder.feed(b"x\nUSER,,\n" + b"x" * 101 + b"\nREF,,\n") == [LIST, no, AGAIN]


def test_the_end_of_the_input_ends_the_last_message() -> None:
    decoder = Decoder(16384)
    decoder.feed(CON + b"\nCHAT,rec=-ALL,last words")
    assert decoder.end() == [chat("last words")]
    assert decoder.end() == []
    decoder = Decoder(16384)
    decoder.feed(CON)
    decoder.feed(b"DISCON")
    assert decoder.end() == [BYE]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_cut_of_lines_gives_the_same(rest: bytes, cuts: list[int]) -> None:
    stream = CON + b"\n" + rest
    whole, cut = Decoder(64), Decoder(64)
    expected = whole.feed(stream)
    points = sorted({0, len(stream), *(c for c in cuts if c < len(stream))})
    found = [item for a, b in itertools.pairwise(points) for item in cut.feed(stream[a:b])]
    assert found == expected
    assert cut.end() == whole.end()


# --- parameters

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40)


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), VALUES, max_size=5))
def test_escaped_parameters_are_read_as_they_were(params: dict[str, str]) -> None:
    written = ";".join(
        f"{key}={''.join('/' + c if c in ',;=/' else c for c in value)}" for key, value in params.items()
    )
    assert with_lines(f"UPDATE,{written},\n".encode()) == [Message("UPDATE", params, "")]


@pytest.mark.parametrize(
    ("written", "params"),
    [
        (b"nickname=foo/,bar", {"nickname": "foo,bar"}),
        (b"nickname=foo//bar", {"nickname": "foo/bar"}),
        (b"nickname=foo/bar", {"nickname": "foobar"}),
        (b"nickname=a//;color=#0F0", {"nickname": "a/", "color": "#0F0"}),
        (b"nickname=a/;b", {"nickname": "a;b"}),
        (b"password=a=b", {"password": "a=b"}),
        (b";;nickname;=;color=#0F0;", {"color": "#0F0", "": ""}),
    ],
)
def test_a_slash_takes_the_next_character_as_it_is(written: bytes, params: dict[str, str]) -> None:
    assert with_lines(b"UPDATE," + written + b",\n") == [Message("UPDATE", params, "")]


# --- to clients


def test_a_message_is_written_with_its_parameters_escaped_and_its_content_raw() -> None:
    assert escape("a,b;c=d/e") == "a/,b/;c/=d//e"
    assert head("USER", [("num", "1"), ("0", "a,b")]) == "USER,num=1;0=a/,b,"
    assert message("ERR", [("time", "now")], "Error: no, never; a=b/c\nnor\x1b[2J") == (
        b"ERR,time=now,Error: no, never; a=b/c nor[2J\n"
    )


def test_each_line_of_a_text_is_a_message_that_says_which_it_is() -> None:
    assert messages("CHATR", [("sender", "bob")], "  a,\n\nb") == (
        b"CHATR,sender=bob,  a,\nCHATR,sender=bob;line=2,\nCHATR,sender=bob;line=3,b\n"
    )


def test_of_very_many_lines_the_last_ones_share_a_message() -> None:
    written = messages("CHATR", [("sender", "bob")], "\n".join(map(str, range(102)))).split(b"\n")
    assert len(written) == 101
    assert written[99] == b"CHATR,sender=bob;line=100,99 / 100 / 101"


@given(st.text(st.characters(exclude_categories=("C", "Z", "M")), min_size=1, max_size=4000))
def test_a_long_text_is_cut_between_characters_into_messages_that_fit(text: str) -> None:
    written = messages("CHATR", [("time", "2026-11-21 14:00:00"), ("sender", "bob")], text).decode()
    assert all(len(part.encode()) <= MAX_SENT for part in written.split("\n"))
    said = "".join(part.split(",", 2)[2] for part in written.split("\n")[:-1])
    assert said == clean(text)
