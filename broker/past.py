"""Who was here lately: those who left or gave up a nick, with the time, for `was`. Pure.

In memory alone, so a new broker begins with nobody: it answers curiosity, and is worth no write to the disk.
"""

from collections import deque
from typing import Final

import msgspec

from broker.people import Person
from protocol import names, native

REMEMBERED: Final = 1000  # people in all, some 300 KB


class Past:
    """The last `REMEMBERED` who gave up a nick."""

    def __init__(self) -> None:
        self._gone: deque[tuple[str, native.Person]] = deque(maxlen=REMEMBERED)  # with the folded nick, the last first

    def note(self, person: Person, now_ms: int) -> None:
        """``person`` leaves, or takes another nick, now (milliseconds since 1970, UTC)."""
        self._gone.appendleft((names.fold_nick(person.nick), msgspec.structs.replace(person.card, until=now_ms)))

    def called(self, nick: str, limit: int) -> list[native.Person]:
        """Return who had ``nick``, the last first, at most ``limit`` of them. Raises `names.BadName`."""
        key = names.fold_nick(names.nick(nick))
        return [card for had, card in self._gone if had == key][:limit]
