"""Dice, coin, oracle, shrug, slap."""

from random import Random

import pytest

from funcmds import toys
from funcmds.registry import FunError
from protocol.ipc import Art


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ("2d6", "2d6: 2 + 5 = 7"),
        ("d20", "d20: 5"),
        ("", "1d6: 2"),
        ("2D6 + 3", "2d6+3: 2 + 5 + 3 = 10"),
        ("1d6-1", "1d6-1: 2 - 1 = 1"),
    ],
)
def test_dice_show_what_fell_and_the_sum(args: str, shown: str) -> None:
    assert toys.roll(args, Random(1)) == Art(shown)


@pytest.mark.parametrize("args", ["21d6", "1d1000", "0d6", "2d0", "999999999d999999999", "x", "2d6; rm", "٣d6"])
def test_dice_that_are_too_many_or_none_are_refused(args: str) -> None:
    with pytest.raises(FunError, match=r"can't roll .*; try 2d6"):
        toys.roll(args, Random(1))


def test_a_coin_falls_on_both_sides_about_as_often() -> None:
    falls = [toys.flip("", Random(seed)).text for seed in range(1000)]
    assert set(falls) == {"heads", "tails"}
    assert 400 < falls.count("heads") < 600


def test_the_ball_repeats_the_question_and_answers() -> None:
    question, answer = toys.eight_ball("will it rain?", Random(3)).text.split("\n")
    assert question == "“will it rain?”"
    assert answer.startswith("🎱 ")
    with pytest.raises(FunError, match="ask it something"):
        toys.eight_ball("", Random(3))


def test_a_shrug_is_said_by_its_caller() -> None:
    assert toys.shrug("", Random(0)) == Art("¯\\_(ツ)_/¯", kind="text")
    assert toys.shrug("who knows", Random(0)) == Art("who knows ¯\\_(ツ)_/¯", kind="text")


def test_a_slap_is_an_action_of_its_caller() -> None:
    assert toys.slap("@bob", Random(1), "ann") == Art("slaps bob around a bit with a pike", kind="me")
    assert toys.slap("Ann", Random(1), "ann").text == "slaps themselves around a bit with a pike"
    with pytest.raises(FunError, match="slap whom"):
        toys.slap("", Random(1), "ann")
