"""Bubbles: their borders are straight whatever is said."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from funcmds import cells
from funcmds.bubbles import bubble

AWKWARD = "👨‍👩‍👧‍👦🏽❤️1️⃣🇩🇪漢字ｶﾞé\u0301\u200d\ufe0f\u0600\u1100\u1161\u0e33नमस्ते"


def test_one_line_is_between_angle_brackets() -> None:
    assert bubble("hi") == [" ____ ", "< hi >", " ---- "]


def test_several_lines_are_rounded() -> None:
    assert bubble("a\nbb\nc") == [" ____ ", "/ a  \\", "| bb |", "\\ c  /", " ---- "]


def test_thoughts_are_in_parentheses() -> None:
    assert bubble("hm\nhm", thinking=True) == [" ____ ", "( hm )", "( hm )", " ---- "]


def test_long_text_wraps_between_words_at_40_cells() -> None:
    assert bubble("moot " * 9)[1:-1] == [f"/ {'moot ' * 8}\\", f"\\ moot{' ' * 35} /"]


def test_a_word_of_60_letters_is_broken() -> None:
    assert bubble("x" * 60)[1:-1] == [f"/ {'x' * 40} \\", f"\\ {'x' * 20}{' ' * 20} /"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("漢字", "< 漢字 >"),
        ("👍 ok", "< 👍 ok >"),
        ("👨‍👩‍👧 family", "< 👨‍👩‍👧 family >"),
        ("cafe\u0301", "< café >"),
        ("❤️", "< ❤️ >"),
        ("🇩🇪", "< 🇩🇪 >"),
    ],
)
def test_wide_joined_and_marked_characters_keep_the_border(text: str, line: str) -> None:
    top, middle, bottom = bubble(text)
    assert middle == line
    assert wcswidth(top) == wcswidth(middle) == wcswidth(bottom)


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet=AWKWARD + " \na", max_size=200))
@example("\u200d")
@example("🏽")
@example("a\u200d")
@example("\u0600")
@example("\u0e33" * 50)
def test_all_lines_of_a_bubble_are_equally_wide_for_any_text(text: str) -> None:
    lines = bubble(text)
    assert {wcswidth(line) for line in lines} == {wcswidth(lines[0])}
    assert 5 <= wcswidth(lines[0]) <= 44


@settings(deadline=None)
@given(st.text(max_size=100) | st.text(alphabet=AWKWARD + " a", max_size=100), st.integers(2, 60))
def test_wrapping_never_exceeds_the_width(text: str, width: int) -> None:
    lines = cells.wrap(cells.clean(text), width)
    assert lines
    assert max(cells.width(line) for line in lines) <= width


@settings(deadline=None)
@given(st.text(max_size=100) | st.text(alphabet=AWKWARD + " a", max_size=100), st.integers(1, 60))
def test_a_clipped_line_fits_and_shows_that_it_was_clipped(text: str, width: int) -> None:
    line = cells.clean(text).replace("\n", " ")
    clipped = cells.clip(line, width)
    assert clipped == line or (clipped.endswith("…") and cells.width(clipped) <= width)
