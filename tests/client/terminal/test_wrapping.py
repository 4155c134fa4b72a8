"""Wrapping by cells: where lines break, and that nothing but spaces at breaks is lost."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from client.terminal.wrapping import _wrap_ascii, _wrap_paragraph, clip, pad, pad_left, untab, wrap


def lines(text: str, width: int) -> list[str]:
    return [text[piece.start : piece.end] for piece in wrap(text, width)]


def test_short_text_is_one_line() -> None:
    assert lines("hello", 10) == ["hello"]


def test_lines_break_at_spaces() -> None:
    assert lines("the quick brown fox", 10) == ["the quick", "brown fox"]


def test_a_long_word_is_cut() -> None:
    assert lines("x" * 12, 5) == ["xxxxx", "xxxxx", "xx"]


def test_a_long_word_begins_a_line_of_its_own() -> None:
    assert lines("see abcdefghij", 6) == ["see", "abcdef", "ghij"]


def test_newlines_are_kept_and_an_empty_text_is_a_line() -> None:
    assert lines("a\n\nb", 5) == ["a", "", "b"]
    assert lines("", 5) == [""]


def test_wide_characters_count_two() -> None:
    assert lines("日本語です", 4) == ["日本", "語で", "す"]


def test_joined_emoji_are_not_torn() -> None:
    family = "👨‍👩‍👧"
    assert lines(family * 3, 4) == [family * 2, family]


def test_breaks_for_room_are_soft_and_newlines_are_not() -> None:
    assert [piece.soft for piece in wrap("one two\nthree", 4)] == [False, True, False, True]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=80), st.integers(2, 30))
def test_every_line_fits_and_nothing_but_spaces_is_lost(text: str, width: int) -> None:
    pieces = wrap(text, width)
    assert all(cell_len(text[p.start : p.end]) <= width for p in pieces)
    assert "".join("".join(lines(text, width)).split()) == "".join(text.split())


@given(st.lists(st.sampled_from(["a", "bc", "def", "ghijklmnopqrstuvw"]), min_size=1), st.integers(2, 12))
def test_the_quick_way_for_ascii_breaks_where_the_other_does(words: list[str], width: int) -> None:
    text = " ".join(words)
    if len(text) > width:
        assert _wrap_ascii(text, 0, len(text), width) == _wrap_paragraph(text, 0, len(text), width)


def test_clip_pad_and_tabs() -> None:
    assert clip("hello", 5) == "hello"
    assert clip("hello!", 5) == "hell…"
    assert clip("日本語", 4) == "日…"
    assert clip("x", 0) == ""
    assert pad("ab", 4) == "ab  "
    assert pad_left("ab", 4) == "  ab"
    assert untab("a\tb") == "a   b"
