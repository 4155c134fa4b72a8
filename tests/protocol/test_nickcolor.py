"""Nick colours: stable, and readable on whatever ground."""

import pytest

from protocol.nickcolor import READABLE, _parse, contrast, nick_color

GROUNDS = ["#15161e", "#fbfbfd", "#000000", "#ffffff", "#2e3440", "#fdf6e3", "#002b36", "#272822", "#808080"]


def test_a_nick_has_the_same_colour_in_any_case_and_run() -> None:
    assert nick_color("Ann", None, "#15161e") == nick_color("ann", None, "#15161e") == "#e27a8f"


def test_people_have_different_colours() -> None:
    nicks = ["ann", "bob", "carlotta", "frida", "gus", "kim", "zoë"]
    assert len({nick_color(nick, None, "#15161e") for nick in nicks}) == 7


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_colour_can_be_read(ground: str) -> None:
    wanted = READABLE if ground != "#808080" else 3.0  # on middle grey no colour does better than black
    for n in range(200):
        assert contrast(_parse(nick_color(f"nick{n}", None, ground)), _parse(ground)) >= wanted


def test_ones_own_colour_is_honoured_where_it_can_be_read() -> None:
    assert nick_color("ann", "#FFD700", "#15161e") == "#ffd700"


def test_ones_own_colour_is_moved_where_it_cannot() -> None:
    on_white = nick_color("ann", "#FFD700", "#ffffff")
    assert on_white != "#ffd700"
    assert contrast(_parse(on_white), (255, 255, 255)) >= READABLE


def test_a_broken_colour_is_as_none() -> None:
    assert nick_color("ann", "nonsense", "#15161e") == nick_color("ann", None, "#15161e")


def test_contrast_of_black_and_white_is_21() -> None:
    assert round(contrast((0, 0, 0), (255, 255, 255)), 2) == 21.0
