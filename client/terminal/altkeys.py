"""Teach Textual the Alt keys as terminals without the Kitty protocol send them: an Escape before the key.

It takes Alt+Enter for Enter, which would send half a message, and Alt+1 for what a Mac's keyboard writes with it.
"""

from enum import StrEnum
from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


class AltKey(StrEnum):
    """Keys by the names they have in bindings."""

    ENTER = "alt+enter"
    ONE = "alt+1"
    TWO = "alt+2"
    THREE = "alt+3"
    FOUR = "alt+4"
    FIVE = "alt+5"
    SIX = "alt+6"
    SEVEN = "alt+7"
    EIGHT = "alt+8"
    NINE = "alt+9"


def install() -> None:
    """Do it. Doing it again changes nothing."""
    table = cast(dict[str, Any], ANSI_SEQUENCES_KEYS)
    for key in AltKey:
        last = key.value.removeprefix("alt+")
        table["\x1b\r" if last == "enter" else f"\x1b{last}"] = (key,)
