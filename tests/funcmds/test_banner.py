"""Big letters."""

from random import Random

import pytest

from funcmds.banner import FONT, banner
from funcmds.registry import FunError


def test_hi_is_written_big() -> None:
    assert banner("Hi!", Random(0)).text.split("\n") == [
        "█  █ ███ █",
        "█  █  █  █",
        "████  █  █",
        "█  █  █",
        "█  █ ███ █",
    ]


def test_letters_digits_and_ascii_punctuation_are_in_the_font() -> None:
    wanted = {chr(code) for code in range(32, 127)} - set("abcdefghijklmnopqrstuvwxyz{}`")
    assert set(FONT) == wanted
    assert all(len(rows) == 5 and len({len(row) for row in rows}) == 1 for rows in FONT.values())


def test_long_text_takes_up_to_three_rows_and_no_more() -> None:
    assert len(banner("moot " * 5, Random(0)).text.split("\n")) == 17
    with pytest.raises(FunError, match="too long for a banner: it takes 9 rows"):
        banner("W" * 90, Random(0))


def test_what_has_no_big_letter_is_named() -> None:
    with pytest.raises(FunError, match="no big letter for 字 漢;"):
        banner("漢字", Random(0))
    with pytest.raises(FunError, match="write what"):
        banner("  ", Random(0))
