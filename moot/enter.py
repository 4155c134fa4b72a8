"""Choose the client for the terminal at hand, and run it."""

import os
import sys
from collections.abc import Sequence


def enter(address: str, nick: str | None, rooms: Sequence[str], *, plain: bool = False, greeting: str = "") -> int:
    """Join the server at ``address`` (HOST:PORT) and stay until the person leaves; return the exit code.

    Without ``nick`` it is the login name. ``greeting`` is what was printed before; a full screen covers it, and shows
    it once more.
    """
    if plain or not full_screen_possible():
        from client.plain import run_plain

        return run_plain(address, nick, list(rooms))
    from client.terminal import run_terminal

    return run_terminal(address, nick, list(rooms), greeting)


def is_interactive() -> bool:
    """Say whether a person sits at a terminal."""
    return bool(sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty())


def full_screen_possible() -> bool:
    """Say whether the terminal can be drawn on."""
    return is_interactive() and os.environ.get("TERM", "") != "dumb"
