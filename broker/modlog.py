"""The moderation log of a room: who did what to whom, until when and why. Pure.

It is a room of the log, `!#name`, that nobody is in: kept, backed up and pruned like the others, listed nowhere, and
read with `history` by those who may.
"""

import time
from typing import Final

from broker.log import Log
from broker.people import Person
from protocol.moderation import Change

MARK: Final = "!"
SERVER: Final = "*"  # in the place of the nick of who did it: nobody
_WORDS: Final = {  # of a change of modes that is on, or off
    "ban": ("banned", "took back the ban of"),
    "mute": ("muted", "took back the mute of"),
    "except": ("made an exception for", "took back the exception for"),
    "invited": ("always lets in", "no longer always lets in"),
    "filter": ("forbade a word:", "allowed a word again:"),
}


def name_of(room: str) -> str:
    """Return the log's name of what was done in ``room``."""
    return MARK + room


def write(log: Log, room: str, by: Person | None, now_ms: int, text: str) -> None:
    """Note what somebody did, or the server (None), with this transaction. Raises `LogError`."""
    sender = by.uid if by is not None else bytes(16)
    log.append(name_of(room), sender, None, now_ms, by.nick if by is not None else SERVER, "notice", text)


def said(change: Change) -> str:
    """Return a change of modes in words.

    >>> said(Change("op", True, "bob")), said(Change("slow", False)), said(Change("ban", False, "bob!*@*"))
    ('gave op to bob', 'removed slow', 'took back the ban of bob!*@*')
    """
    arg = change.arg or ""
    if change.mode in _WORDS:
        return f"{_WORDS[change.mode][0 if change.on else 1]} {arg}"
    if change.mode in ("owner", "admin", "op", "halfop", "voice"):
        return f"gave {change.mode} to {arg}" if change.on else f"took {change.mode} from {arg}"
    if change.mode == "key":  # who reads this later need not learn it
        return "set a key" if change.on else "removed the key"
    return f"set {change.mode} {arg}".rstrip() if change.on else f"removed {change.mode}"


def ending(until_ms: int | None, reason: str) -> str:
    """Return how a sentence about an entry ends: until when, and why.

    >>> ending(1_700_000_000_000, "spam"), ending(None, "")
    (' until 2023-11-14 22:13:20 UTC: spam', '')
    """
    until = "" if until_ms is None else f" until {when(until_ms)}"
    return until + (f": {reason}" if reason else "")


def when(at_ms: int) -> str:
    """Return a time for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_ms / 1000))
