import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.dialects.lines import LineReader, TooLong


def read(*chunks: bytes, max_line: int = 20) -> list[bytes | None]:
    """The lines of a stream cut into ``chunks``; None for one that was too long; last the unfinished one, if any."""
    reader = LineReader(max_line)
    lines = [None if isinstance(line, TooLong) else line for chunk in chunks for line in reader.feed(chunk)]
    rest = reader.end()
    return [*lines, rest] if rest else lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\r\0"])
def test_every_line_end_ends_a_line(end: bytes) -> None:
    assert read(b"one" + end + end + b"two" + end + b"rest") == [b"one", b"", b"two", b"rest"]


def test_a_line_over_the_limit_is_skipped_whole_and_told_once() -> None:
    assert read(b"x" * 20 + b"\n" + b"y" * 21 + b"\nok\n") == [b"x" * 20, None, b"ok"]
    assert read(b"y" * 30, b"y" * 30, b"y\nok\n") == [None, b"ok"]


def test_an_unfinished_line_over_the_limit_is_told_at_once_and_not_kept() -> None:
    reader = LineReader(20)
    assert len(reader.feed(b"y" * 21)) == 1
    assert reader.feed(b"y" * 100_000) == []
    assert reader.end() == b""


@pytest.mark.parametrize(
    "telnet",
    [b"\xff\xfb\x01", b"\xff\xfd\x22", b"\xff\xf4", b"\xff\xfa\x1f\x00\x50\n\x00\x18\xff\xf0", b"\xff\xff"],
)
def test_telnet_commands_are_dropped(telnet: bytes) -> None:
    assert read(b"he" + telnet + b"llo\r\n" + telnet) == [b"hello"]


@given(
    st.lists(st.sampled_from([b"abc", b"\r", b"\n", b"\0", b"\xff", b"\xfa", b"\xf0", b"\xfb", b"x" * 21])), st.data()
)
def test_any_cut_of_the_stream_gives_the_same_lines(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    assert read(stream[:cut], stream[cut:]) == read(stream)
    assert read(*(bytes([byte]) for byte in stream)) == read(stream)
