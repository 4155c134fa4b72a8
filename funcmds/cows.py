"""`/cowsay` and its family. The cowsay package has the animals; its bubbles break on wide text, so they are ours."""

import re
from functools import cache
from random import Random
from typing import Final

from funcmds import cells
from funcmds.bubbles import bubble
from funcmds.registry import MAX_HEIGHT, MAX_WIDTH, FunError, funcmd
from protocol.ipc import Art
from protocol.native import Anim

BUBBLE_SECONDS: Final = 8.0
_OPTION: Final = re.compile(r"-f(?:\s+|$)(?P<animal>\S*)\s*(?P<text>.*)", re.DOTALL)
_INDENT: Final = 6  # cells from the bubble's left edge to the animal's


@cache
def animals() -> dict[str, list[str]]:
    """Return every animal's lines by name, without common indent; first its stem, lines of a lone backslash."""
    import cowsay

    drawn = {}
    for name, picture in cowsay.CHARS.items():
        lines = [line.rstrip() for line in picture.split("\n") if line.strip()]
        indent = min(len(line) - len(line.lstrip()) for line in lines)
        drawn[name] = [line[indent:] for line in lines]
    return drawn


@funcmd("cowsay", usage="/cowsay [-f animal] text")
def cowsay(args: str, rng: Random) -> Art:
    """A cow, or another animal, says it; /cows lists the animals."""
    return Art(say(args, thinking=False))


@funcmd("cowthink", usage="/cowthink [-f animal] text")
def cowthink(args: str, rng: Random) -> Art:
    """A cow, or another animal, thinks it."""
    return Art(say(args, thinking=True))


@funcmd("xcowsay", usage="/xcowsay [-f animal] text")
def xcowsay(args: str, rng: Random) -> Art:
    """Like /cowsay, but the cow floats over everyone's screen for a while."""
    return Art(say(args, thinking=False), anim=Anim("bubble", rng.getrandbits(31), BUBBLE_SECONDS))


@funcmd("cows", usage="/cows")
def cows(args: str, rng: Random) -> Art:
    """Lists the animals that /cowsay -f knows; only you see the list."""
    return Art("animals for /cowsay -f:\n" + "\n".join(cells.wrap(", ".join(animals()), MAX_WIDTH)), private=True)


def say(args: str, *, thinking: bool) -> str:
    """Return the animal that ``args`` names (`-f tux text`, default the cow) with its bubble. Raises `FunError`."""
    animal, text = "cow", args
    if (option := _OPTION.fullmatch(args)) is not None:
        animal, text = option["animal"].lower(), option["text"]
    if animal not in animals():
        wanted = f"there is no animal {cells.clip(animal, 20)!r}" if animal else "-f wants an animal"
        raise FunError(f"{wanted}; there are {', '.join(animals())}")
    if not text.strip():
        raise FunError("say what? Try /cowsay moo")
    said = bubble(text, thinking=thinking)
    return "\n".join(line.rstrip() for line in said + standing(animal, MAX_HEIGHT - len(said), thinking=thinking))


def standing(animal: str, height: int, *, thinking: bool) -> list[str]:
    """Return the animal under its stem, in at most ``height`` lines and the picture's width.

    The stem is shortened to a line before the animal itself is cut; a cut shows as `…`.
    """
    lines = animals()[animal]
    stem = next(n for n, line in enumerate(lines) if line.strip() != "\\")
    spare = min(max(len(lines) - height, 0), max(stem - 1, 0))
    lines = [line.replace("\\", "o") if thinking and n < stem else line for n, line in enumerate(lines)][spare:]
    if len(lines) > height:
        lines = [*lines[: height - 1], f"  … ({len(lines) - height + 1} more lines of {animal})"]
    indent = " " * max(0, min(_INDENT, MAX_WIDTH - max(map(len, lines))))
    return [cells.clip(indent + line, MAX_WIDTH) for line in lines]
