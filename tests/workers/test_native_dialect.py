import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import native
from workers.dialects.native import Native

Found = native.Request | native.Error


def read(*chunks: bytes, max_line: int = 100, end: bool = False) -> list[Found]:
    """What a stream cut into ``chunks`` means; replies are decoded."""
    dialect = Native(max_line)
    found = [item for chunk in chunks for item in dialect.feed(chunk)]
    if end:
        found += dialect.end()
    events = [native.decode_event(item) if isinstance(item, bytes) else item for item in found]
    return [event for event in events if isinstance(event, native.Error | native.Request)]


def codes(found: list[Found]) -> list[str]:
    return [item.code if isinstance(item, native.Error) else type(item).__name__ for item in found]


PING = b'{"op":"ping","id":1}\n'


def test_lines_are_requests_and_empty_ones_nothing() -> None:
    assert read(b"\n \r\n" + PING + b'{"op":"who"}\r\n') == [native.Ping(id=1), native.Who()]


def test_unknown_fields_are_ignored() -> None:
    assert read(b'{"op":"ping","new":{"x":[1]},"id":"a"}\n') == [native.Ping(id="a")]


@pytest.mark.parametrize(
    ("line", "id_"),
    [
        (b"{", None),
        (b"hello", None),
        (b"[]", None),
        (b'{"op":"dance","id":7}', 7),
        (b'{"id":"x"}', "x"),
        (b'{"op":"send","id":"y","to":"#tea"}', "y"),
        (b'{"op":"join","id":3,"room":5}', 3),
        (b'{"op":"send","id":4,"cmid":"not allowed!","to":"#t","text":"x"}', 4),
        (b'{"op":"ping","id":1e400}', None),
        (b'{"op":"ping","id":99999999999999999999999}', None),
        (b'{"op":"ping","id":[1]}', None),
        (b'{"op":"ping","id":"\xff\xfe"}', None),
        (b'{"op":"ping","id":"\\ud800"}', None),
        (b"\x00\x00\x00", None),
        (b'{"op":"ping\x00"}', None),
        (b'{"op":null}', None),
        (b"[" * 90, None),
    ],
)
def test_what_is_no_request_is_answered_with_its_id_and_the_next_line_works(line: bytes, id_: native.Id) -> None:
    error, ping = read(line + b"\n" + PING)
    assert isinstance(error, native.Error)
    assert (error.code, error.id) == ("bad-request", id_)
    assert error.text.startswith("not a request: ")
    assert ping == native.Ping(id=1)


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    deep = b'{"op":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    assert codes(read(deep + PING, max_line=1 << 20)) == ["bad-request", "Ping"]


@pytest.mark.parametrize("cut", range(0, 240, 7))
def test_a_line_too_long_is_skipped_and_told_once_wherever_it_is_cut(cut: int) -> None:
    stream = PING + b"x" * 200 + b"\n" + PING
    assert codes(read(stream[:cut], stream[cut:])) == ["Ping", "too-long", "Ping"]


def test_a_line_of_the_longest_length_is_taken() -> None:
    line = b'{"op":"ping","id":"' + b"x" * 79 + b'"}'
    assert len(line) == 100
    assert codes(read(line + b"\n")) == ["Ping"]
    assert codes(read(b" " + line + b"\n")) == ["too-long"]


def test_an_endless_line_keeps_no_memory() -> None:
    dialect = Native(100)
    for _ in range(50):
        dialect.feed(b"x" * 1000)
    assert len(dialect._rest) <= 100


def test_at_the_end_the_unfinished_line_counts_and_quit_follows() -> None:
    quit_ = native.Quit(reason="connection closed")
    assert read(PING[:-1], end=True) == [native.Ping(id=1), quit_]
    assert read(PING, end=True) == [native.Ping(id=1), quit_]
    assert codes(read(b"x" * 300, end=True)) == ["too-long", "Quit"]


@given(st.lists(st.binary(max_size=60) | st.sampled_from([PING, b"\n", b"{", b'"}\n', b"x" * 120]), max_size=8))
def test_any_bytes_are_requests_or_errors_and_any_cut_gives_the_same(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    assert read(*chunks, end=True) == read(stream, end=True)
    single = [stream[n : n + 1] for n in range(len(stream))]
    assert read(*single, end=True) == read(stream, end=True)


@given(st.text(), st.text(max_size=10))
def test_an_event_is_one_line_whatever_its_text(text: str, nick: str) -> None:
    msg = native.Msg(room="#tea", seq=1, time=2, nick=nick, text=text)
    line = Native(10).shared(msg)
    assert line.index(b"\n") == len(line) - 1
    assert native.decode_event(line) == msg == native.decode_event(Native(10).receive(msg))


def test_every_native_connection_hears_the_same_bytes() -> None:
    dialect = Native(10)
    assert (dialect.variant, dialect.echoes, dialect.picky) == ("native", True, False)
    assert dialect.wants(native.Msg(room="#t", seq=1, time=1, nick="a", text="x"))
    assert list(itertools.chain(dialect.greet(), dialect.follow_up())) == []


def test_an_error_text_quotes_nothing_that_is_not_utf8() -> None:
    (reply,) = Native(100).feed(b'{"op":"\xff"}\n')
    assert isinstance(reply, bytes)
    assert isinstance(msgspec.json.decode(reply), dict)
