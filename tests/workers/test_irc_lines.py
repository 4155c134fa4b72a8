"""IRC messages as bytes. The examples are those of Modern IRC and of IRCv3 message-tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.tags import escape
from workers.dialects.irc.lines import (
    MAX_BODY,
    LineReader,
    Message,
    Unreadable,
    body,
    encode,
    parse,
    split,
    words_in,
)
from workers.dialects.lines import TooLong


@pytest.mark.parametrize(
    ("line", "params"),
    [
        (b":irc.example.com CAP * LIST :", ("*", "LIST", "")),
        (b"CAP * LS :multi-prefix sasl", ("*", "LS", "multi-prefix sasl")),
        (b"CAP REQ :sasl message-tags foo", ("REQ", "sasl message-tags foo")),
        (b":dan!d@localhost PRIVMSG #chan :Hey!", ("#chan", "Hey!")),
        (b":dan!d@localhost PRIVMSG #chan Hey!", ("#chan", "Hey!")),
        (b":dan!d@localhost PRIVMSG #chan ::-)", ("#chan", ":-)")),
        (b"privmsg   #chan   a:b ", ("#chan", "a:b")),
        (b"USER :", ("",)),
    ],
)
def test_parameters_are_read_as_the_document_has_them(line: bytes, params: tuple[str, ...]) -> None:
    found = parse(line)
    assert isinstance(found, Message)
    assert found.params == params


def test_tags_are_read_and_unescaped() -> None:
    found = parse(rb"@id=123AB;rose;+x=a\:b\s\\\r\n\q\ PRIVMSG a :b")
    assert found == Message("PRIVMSG", ("a", "b"), {"id": "123AB", "rose": "", "+x": "a;b \\\r\nq"})
    assert escape("a;b \\\r\n") == r"a\:b\s\\\r\n"


def test_what_is_no_command_is_none_or_unknown() -> None:
    assert parse(b"   ") is None
    assert parse(b":only-a-source") is None
    assert parse(b"@only=tags") is None
    assert parse(b"#x y") == Message("#X")
    assert parse(b"PRIVMSG a :caf\xe9") == Unreadable("PRIVMSG")
    assert parse(b"\xff\xfe a") == Unreadable("*")


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\n\r\n"])
def test_lines_end_as_clients_end_them(end: bytes) -> None:
    assert LineReader().feed(b"NICK ann" + end + b"QUIT" + end) == [b"NICK ann", b"QUIT"]


@pytest.mark.parametrize("cut", range(20))
def test_a_cut_changes_no_lines(cut: int) -> None:
    stream, reader = b"NICK ann\r\nQUIT\r\n", LineReader()
    assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) == [b"NICK ann", b"QUIT"]


def test_each_part_of_a_line_has_its_limit() -> None:
    fits = b"@" + b"a" * 4094 + b" " + b"X" * 510
    assert LineReader().feed(fits + b"\r\n") == [fits]
    assert LineReader().feed(b"X" * 511 + b"\r\nA\r\n") == [TooLong(), b"A"]
    assert LineReader().feed(b"@" + b"a" * 4095 + b" X\r\nA\r\n") == [TooLong(), b"A"]
    assert LineReader().feed(b"X" * 9000) == [TooLong()]


def test_a_message_is_written_so_that_it_is_read_the_same() -> None:
    assert body("ann!~u@m", "PRIVMSG", "#tea", ":-) hi") == ":ann!~u@m PRIVMSG #tea ::-) hi"
    assert body("m", "JOIN", "#tea") == ":m JOIN #tea"
    assert body("m", "353", "a", "=", "#tea", "") == ":m 353 a = #tea :"
    assert body("m", "401", "two words", "x") == ":m 401 two :x"
    assert encode(":m X", "a=b") == b"@a=b :m X\r\n"


@given(st.text(), st.text())
def test_no_text_makes_two_messages_or_one_too_long(target: str, text: str) -> None:
    written = encode(body("m", "PRIVMSG", target, text))
    assert len(written) <= MAX_BODY + 2
    assert not set(written[:-2]) & set(b"\r\n\0")
    assert isinstance(parse(written[:-2]), Message)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(4, 60))
def test_a_text_is_split_at_characters_and_nothing_is_lost(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= limit for piece in pieces)


def test_a_text_is_split_between_words_where_that_is_near() -> None:
    assert split("one two three four", 15) == ["one two three ", "four"]
    assert split("a " + "b" * 12, 10) == ["a " + "b" * 8, "bbbb"]


def test_words_fill_lines() -> None:
    assert words_in(["ann", "bob", "eve"], 7) == ["ann bob", "eve"]
    assert words_in([], 7) == []


def test_spaces_in_a_row_are_one_however_many() -> None:
    assert parse(b"PRIVMSG" + b" " * 400 + b"#tea  bob :hi") == Message("PRIVMSG", ("#tea", "bob", "hi"))
