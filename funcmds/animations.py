"""The moving pictures: which frame an animation shows at a time. Pure and light; clients import it.

An animation is (name, seed, duration), so every client shows the same frames. `t` is seconds since its start.
"""

from math import cos, sin
from random import Random
from typing import Final

TRAIN_SECONDS: Final = 12.0
EYES_SECONDS: Final = 10.0
BUBBLE_SECONDS: Final = 8.0

_ENGINE: Final = (
    r"    ____                        ",
    r"    \  /   __     ____________  ",
    r"     ||   /  \   /____________\ ",
    r"  ___||__|____|___|  ___  |  |  ",
    r" /|                | |   | | |  ",
    r"(*|   m  o  o  t   | |___| |_|__",
    r" \|________________|_______|__| ",
    r"  |_|=_|__|_==_|__|_==_|__|__|==",
)
_TENDER: Final = (
    r"                 ",
    r"                 ",
    r"    .oOo.oO.     ",
    r" _.oOOoOOoOOOo._ ",
    r"|_______________|",
    r"|   C  O  A  L  |",
    r"|_______________|",
    r"=|___|_____|___|=",
)
_WAGON: Final = (
    r"                            ",
    r"  ________________________  ",
    r" /________________________\ ",
    r" | |  __   __   __   __  | |",
    r" | | |  | |  | |  | |  | | |",
    r" |_| |__| |__| |__| |__| |_|",
    r" |_________________________|",
    r"=|__|_____|_______|_____|__|",
)
_WHEELS: Final = (  # what turns in the row below the bodies; W is a wheel, R a rod that goes up and down
    r"/__  oo RWRRRWRRRWR   (o) (o)   ",
    r"  (W)       (W)  ",
    r"   (o)(o)         (o)(o)    ",
)
_SPOKES: Final = "|\\-/"  # turning as a wheel does that rolls to the left
_RODS: Final = "_-=-"
_SMOKE_ROWS: Final = 3
_PUFFS: Final = ("o", "O", "(  )", "(   )", "( ' )", ". ' .", "  .  ")
_CHIMNEY: Final = 6  # column of the engine above which smoke comes out
_STEP: Final = 2  # columns between two turns of a wheel

TRAIN_WIDTH: Final = len(_ENGINE[0]) + len(_TENDER[0]) + len(_WAGON[0])
TRAIN_HEIGHT: Final = _SMOKE_ROWS + len(_ENGINE) + 1


def frame(
    name: str, seed: int, t: float, width: int, height: int, *, duration: float = 0.0, still: str = ""
) -> list[str]:
    """Return what ``name`` shows at ``t``: at most ``height`` lines of at most ``width`` cells, to stand at the bottom.

    ``duration`` in seconds, 0 for the animation's own; ``still`` is the picture of a "bubble". An unknown name, or a
    time outside the animation, shows nothing.
    """
    if t < 0 or width < 1 or height < 1:
        return []
    if name == "train" and t <= (duration or TRAIN_SECONDS):
        return train(seed, t, width, height, duration or TRAIN_SECONDS)
    if name == "eyes" and t <= (duration or EYES_SECONDS):
        return [line[:width] for line in eyes(*wandering(seed, t))[:height]]
    if name == "bubble" and t <= (duration or BUBBLE_SECONDS):
        return bubble(seed, t, width, height, still, duration or BUBBLE_SECONDS)
    return []


def train(seed: int, t: float, width: int, height: int, duration: float = TRAIN_SECONDS) -> list[str]:
    """Return the train at ``t``: it comes in at the right border and is gone behind the left one at ``duration``.

    All lines have exactly ``width`` cells; a low screen cuts the smoke first.
    """
    way = width + TRAIN_WIDTH
    moved = min(int(way * t / duration), way)
    left = width - moved  # column of the train's nose; negative once it is past the border
    rows = _smoke(seed, moved) + _bodies(moved)
    return [_window(row, left, width) for row in rows[-height:]]


def train_still(width: int = 60) -> list[str]:
    """Return the train standing, for those who cannot animate: as much of it, from the nose on, as ``width`` shows."""
    return [row[:width].rstrip() for row in _smoke(0, 14) + _bodies(0)]


def _bodies(moved: int) -> list[str]:
    """Return the train from nose to tail, wheels turned as far as ``moved`` columns turn them."""
    rows = [engine + tender + wagon for engine, tender, wagon in zip(_ENGINE, _TENDER, _WAGON, strict=True)]
    turn = moved // _STEP
    wheels = "".join(_WHEELS).replace("RWR", "(W)").replace("R", _RODS[turn % len(_RODS)])
    return [*rows, wheels.replace("W", _SPOKES[turn % len(_SPOKES)])]


def _smoke(seed: int, moved: int) -> list[str]:
    """Return the puffs above the train: each is left behind by the chimney, grows, rises and fades."""
    rows = [[" "] * TRAIN_WIDTH for _ in range(_SMOKE_ROWS)]
    for age, puff in enumerate(_PUFFS):
        back = age * 6 + moved % 6  # columns behind the chimney
        number = moved // 6 - age
        if number < 0:
            continue
        jitter = Random(seed * 1009 + number).randrange(2)
        row = max(_SMOKE_ROWS - 1 - (age + jitter) // 2, 0)
        start = _CHIMNEY + back - len(puff) // 2
        for n, char in enumerate(puff):
            if 0 <= start + n < TRAIN_WIDTH and char != " ":
                rows[row][start + n] = char
    return ["".join(row) for row in rows]


def _window(row: str, left: int, width: int) -> str:
    """Return ``width`` columns of a world in which ``row`` begins at column ``left``."""
    shown = row[max(-left, 0) : max(width - left, 0)]
    return (" " * min(max(left, 0), width) + shown).ljust(width)


def eyes(dx: float, dy: float) -> list[str]:
    """Return a pair of eyes, 25x7 cells, looking to (``dx``, ``dy``): each from -1, left or up, to 1, right or down."""
    column = 3 + round(max(-1.0, min(1.0, dx)) * 3)
    row = 1 + round(max(-1.0, min(1.0, dy)))
    inside = [" " * 7] * 3
    inside[row] = " " * column + "@" + " " * (6 - column)
    one = [
        "  .-----.  ",
        " /       \\ ",
        *(f"| {line} |" for line in inside),
        " \\       / ",
        "  '-----'  ",
    ]
    return [f"{line}   {line}" for line in one]


def looking(eyes_x: float, eyes_y: float, mouse_x: float, mouse_y: float) -> tuple[float, float]:
    """Return the (dx, dy) with which eyes centred at a cell look at the mouse, smoothly within 12x4."""
    dx, dy = (mouse_x - eyes_x) / 12, (mouse_y - eyes_y) / 4
    return max(-1.0, min(1.0, dx)), max(-1.0, min(1.0, dy))


def wandering(seed: int, t: float) -> tuple[float, float]:
    """Return where eyes without a mouse look at ``t``: somewhere else every 0.8 s."""
    rng = Random(seed * 1009 + int(t / 0.8))
    return rng.choice((-1.0, -0.4, 0.0, 0.4, 1.0)), rng.choice((-1.0, 0.0, 1.0))


def bubble_place(
    seed: int, t: float, width: int, height: int, box_width: int, box_height: int, duration: float = BUBBLE_SECONDS
) -> tuple[int, int]:
    """Return column and row of the upper left corner of a box that floats over ``width`` x ``height`` cells.

    It rises from the bottom within half a second, drifts, and sinks again in the last half. A box smaller than the
    screen never leaves it sideways.
    """
    phase = (seed % 628) / 100
    room_x, room_y = max(width - box_width, 0), max(height - box_height, 0)
    x = round(room_x * (0.5 + 0.35 * sin(phase + t * 0.9)))
    y = room_y * (0.5 + 0.25 * cos(phase + t * 1.3))
    hidden = 1.0 - max(0.0, min(1.0, 2 * t, 2 * (duration - t)))
    return x, round(y + (height - y) * hidden)


def bubble(seed: int, t: float, width: int, height: int, still: str, duration: float = BUBBLE_SECONDS) -> list[str]:
    """Return a screen with the picture ``still`` floating on it: ``height`` lines, cut at the borders."""
    from funcmds import cells  # wide characters; only those who show it need the tables

    lines = still.split("\n")
    box = max(map(cells.width, lines))
    x, y = bubble_place(seed, t, width, height, box, len(lines), duration)
    shown = [cells.clip(" " * x + line, width) for line in lines[: max(height - y, 0)]]
    return [*[""] * min(y, height), *shown, *[""] * max(height - y - len(shown), 0)]
