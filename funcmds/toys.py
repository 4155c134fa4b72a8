"""The small ones: dice, coin, oracle, shrug, slap."""

import re
from random import Random
from typing import Final

from funcmds import cells
from funcmds.registry import FunError, funcmd
from protocol.ipc import Art

_DICE: Final = re.compile(r"(?P<count>[1-9]|1[0-9]|20)?[dD](?P<sides>[1-9][0-9]{0,2})(?P<plus>[+-][0-9]{1,3})?")
_ANSWERS: Final = (
    "Yes.",
    "Yes, and sooner than you think.",
    "It looks that way.",
    "The cows say yes.",
    "Ask the train driver.",
    "Ask again after tea.",
    "Hard to tell from in here.",
    "Better not to know.",
    "Don't bet on it.",
    "The cows say no.",
    "No.",
    "Not even for cake.",
)
_FISH: Final = ("trout", "herring", "pike", "inflatable carp", "stale baguette", "wet noodle", "pillow", "rubber duck")


@funcmd("roll", aliases=["dice"], usage="/roll [NdM[+K]]")
def roll(args: str, rng: Random) -> str:
    """Rolls dice: /roll 2d6, at most 20d999; without anything 1d6."""
    text = "".join(args.split()) or "1d6"
    dice = _DICE.fullmatch(text)
    if dice is None:
        raise FunError(f"can't roll {cells.clip(args, 20)!r}; try 2d6 or d20+3, up to 20d999")
    count, plus = int(dice["count"] or 1), int(dice["plus"] or 0)
    rolls = [rng.randint(1, int(dice["sides"])) for _ in range(count)]
    terms = " + ".join(map(str, rolls)) + (f" {'+' if plus > 0 else '-'} {abs(plus)}" if plus else "")
    shown = f"{text.lower()}: {terms}"
    if count > 1 or plus:
        shown += f" = {sum(rolls) + plus}"
    return "\n".join(cells.wrap(shown, 60))


@funcmd("flip", aliases=["coin"], usage="/flip")
def flip(args: str, rng: Random) -> str:
    """Flips a coin."""
    return rng.choice(("heads", "tails"))


@funcmd("8ball", usage="/8ball question")
def eight_ball(args: str, rng: Random) -> str:
    """Answers a question as well as a ball can."""
    if not args:
        raise FunError("ask it something: /8ball will it rain?")
    return "\n".join([*cells.wrap(f"“{args}”", 60), f"🎱 {rng.choice(_ANSWERS)}"])


@funcmd("shrug", usage="/shrug [text]")
def shrug(args: str, rng: Random) -> Art:
    """Says your text with a shrug behind it."""
    return Art(f"{args} ¯\\_(ツ)_/¯".strip(), kind="text")


@funcmd("slap", usage="/slap nick")
def slap(args: str, rng: Random, nick: str) -> Art:
    """Slaps somebody, gently, with something silly."""
    if not args:
        raise FunError("slap whom? /slap nick")
    whom = args.split()[0].removeprefix("@")[:32]
    if whom.casefold() == nick.casefold():
        whom = "themselves"
    thing = rng.choice(_FISH)
    article = "an" if thing[0] in "aeiou" else "a"
    return Art(f"slaps {whom} around a bit with {article} {thing}", kind="me")
