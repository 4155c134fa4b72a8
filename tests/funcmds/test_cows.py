"""Cows and their friends."""

from random import Random

import pytest

from funcmds import cows
from funcmds.registry import FunError
from protocol.native import Anim


def test_a_cow_says_it() -> None:
    assert cows.cowsay("Hello", Random(0)).text.split("\n") == [
        " _______",
        "< Hello >",
        " -------",
        "      \\",
        "       \\",
        "         ^__^",
        "         (oo)\\_______",
        "         (__)\\       )\\/\\",
        "             ||----w |",
        "             ||     ||",
    ]


def test_a_cow_thinks_in_small_bubbles() -> None:
    lines = cows.cowthink("Hello", Random(0)).text.split("\n")
    assert lines[:6] == [" _______", "( Hello )", " -------", "      o", "       o", "         ^__^"]


def test_another_animal_says_it() -> None:
    text = cows.cowsay("-f tux hi 漢字", Random(0)).text
    assert text.startswith(" _________\n< hi 漢字 >\n ---------\n")
    assert "|o_o |" in text


@pytest.mark.parametrize("args", ["-f bunny text", "-f", "-f  "])
def test_an_unknown_animal_gets_the_list(args: str) -> None:
    with pytest.raises(FunError, match=r"there are beavis, cheese, cow, daemon, dragon, fox, .* tux$"):
        cows.cowsay(args, Random(0))


def test_a_word_that_begins_like_the_option_is_text() -> None:
    assert "< -fun >" in cows.cowsay("-fun", Random(0)).text


def test_nothing_said_is_refused() -> None:
    for args in ("", "-f tux", "  "):
        with pytest.raises(FunError, match="say what"):
            cows.cowsay(args, Random(0))


def test_the_floating_cow_carries_its_animation() -> None:
    art = cows.xcowsay("hi", Random(5))
    assert art.anim == Anim("bubble", Random(5).getrandbits(31), 8.0)
    assert art.text == cows.cowsay("hi", Random(0)).text


def test_the_list_of_animals_is_for_the_caller_alone() -> None:
    art = cows.cows("", Random(0))
    assert art.private
    assert "cow, daemon, dragon, fox, ghostbusters" in art.text


@pytest.mark.parametrize("animal", sorted(cows.animals()))
def test_every_animal_fits_under_the_longest_text(animal: str) -> None:
    lines = cows.cowsay(f"-f {animal} {'漢' * 180}", Random(0)).text.split("\n")
    assert len(lines) <= 20
    assert lines[-1].strip()
