"""Moving pictures, and what they cost to import."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcmds import animations
from funcmds.animations import TRAIN_HEIGHT, TRAIN_SECONDS, bubble_place, eyes, frame, looking


@settings(deadline=None)
@given(st.integers(20, 400), st.integers(1, 60), st.floats(0, TRAIN_SECONDS), st.integers(0, 2**31))
def test_every_frame_of_the_train_fills_the_width_and_fits_the_height(w: int, h: int, t: float, seed: int) -> None:
    rows = frame("train", seed, t, w, h)
    assert len(rows) == min(h, TRAIN_HEIGHT)
    assert {len(row) for row in rows} == {w}
    assert rows == frame("train", seed, t, w, h)


@pytest.mark.parametrize("width", [20, 80, 133, 400])
def test_the_train_comes_from_the_right_and_is_gone_on_the_left_in_time(width: int) -> None:
    def nose(t: float) -> int:
        row = frame("train", 1, t, width, 30)[-4]  # the one with the lamp
        return row.find("(*|")

    assert not "".join(frame("train", 1, 0.0, width, 30)).strip()
    assert not "".join(frame("train", 1, TRAIN_SECONDS, width, 30)).strip()
    noses = [nose(t / 20) for t in range(int(TRAIN_SECONDS * 20))]
    seen = [column for column in noses if column >= 0]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > width - 20
    assert seen[-1] < 12


def test_the_wheels_turn_and_smoke_rises() -> None:
    frames = [frame("train", 1, t / 4, 120, 12) for t in range(24)]
    assert len({rows[-1] for rows in frames}) > 12
    assert {char for rows in frames for char in "".join(rows[:3])} >= set("oO()")


def test_the_still_train_is_a_picture_of_the_bound() -> None:
    still = animations.train_still(60)
    assert len(still) == 12
    assert max(map(len, still)) == 60
    assert "m  o  o  t" in "".join(still)


def test_before_and_after_nothing_is_shown_nor_for_unknown_names() -> None:
    assert frame("train", 1, -1.0, 80, 24) == []
    assert frame("train", 1, TRAIN_SECONDS + 1, 80, 24) == []
    assert frame("eyes", 1, 99.0, 80, 24) == []
    assert frame("balloon", 1, 0.0, 80, 24) == []
    assert frame("train", 1, 0.0, 0, 24) == []


def test_eyes_look_where_they_are_told() -> None:
    assert eyes(0, 0)[3] == "|    @    |   |    @    |"
    assert eyes(-1, -1)[2] == "| @       |   | @       |"
    assert eyes(99, 99)[4] == "|       @ |   |       @ |"
    assert {(len(row), len(eyes(1, 0))) for row in eyes(1, 0)} == {(25, 7)}


def test_eyes_follow_the_mouse() -> None:
    assert looking(10, 10, 10, 10) == (0.0, 0.0)
    assert looking(10, 10, 100, 10) == (1.0, 0.0)
    assert looking(10, 10, 4, 8) == (-0.5, -0.5)


def test_eyes_without_a_mouse_wander() -> None:
    assert len({tuple(frame("eyes", 1, t / 2, 80, 24)) for t in range(20)}) > 4


@settings(deadline=None)
@given(st.floats(0, 8), st.integers(20, 300), st.integers(5, 80), st.integers(0, 2**31))
def test_a_floating_box_stays_on_the_screen_sideways_and_never_above_it(t: float, w: int, h: int, seed: int) -> None:
    x, y = bubble_place(seed, t, w, h, 20, 5)
    assert 0 <= x <= w - 20
    assert 0 <= y <= h


def test_a_bubble_rises_floats_and_sinks() -> None:
    still = "( moo )\n   o"
    assert frame("bubble", 1, 0.0, 40, 10, still=still) == [""] * 10
    floating = frame("bubble", 1, 4.0, 40, 10, still=still)
    assert len(floating) == 10
    assert any("( moo )" in row for row in floating)
    assert frame("bubble", 1, 8.0, 40, 10, still=still) == [""] * 10


def test_importing_the_animations_brings_in_neither_cowsay_nor_emoji_nor_wcwidth() -> None:
    code = (
        "import sys, funcmds.animations, funcmds.emojis, funcmds.spelling; funcmds.emojis.emojize('plain text, 10:30');"
        "print([name for name in ('cowsay', 'emoji', 'wcwidth', 'textual') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
