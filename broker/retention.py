"""Which of the oldest messages go, and when: bounded steps, and a sense of time that no jump of the clock can hurry.

Knows the log, no clock: `now` is monotonic seconds, ``wall_ms`` milliseconds since 1970, UTC, both handed in.
"""

import logging
from typing import Final

from broker.log import Log, LogError, Spoilt
from protocol.settings import Settings

log = logging.getLogger("moot.broker")

SLICE: Final = 250  # messages removed in one transaction: some milliseconds of the broker's time
ROOMS: Final = 200  # looked at in one step
PAUSE_S: Final = 0.1  # between two steps while there is something to do
ROUND_S: Final = 60.0  # between two rounds over all rooms
_SAVED: Final = "retention_clock"
_DAY_MS: Final = 86_400_000


class TrustedClock:
    """The wall clock, believed no faster than `RATE` times the monotonic one, and never ahead of itself.

    A wall clock that jumps forward is followed slowly, one that jumps back at once: what is removed too late can still
    be removed. So a message goes at half its time at the earliest, whatever the wall clock does meanwhile. It is saved
    and goes on from there; the time the server was down is caught up with at the same rate.
    """

    RATE: Final = 2.0

    def __init__(self, saved_ms: int | None, now: float, wall_ms: int) -> None:
        """``saved_ms``: what `read` gave last, None if there is none; then the wall clock is believed once."""
        self._ms = float(wall_ms if saved_ms is None else min(saved_ms, wall_ms))
        self._now = now

    def read(self, now: float, wall_ms: int) -> int:
        """Return the time, milliseconds since 1970, that is certainly over."""
        passed_ms = max(0.0, now - self._now) * 1000
        self._ms = min(float(wall_ms), self._ms + passed_ms * self.RATE)
        self._now = now
        return int(self._ms)


class Retention:
    """Goes round all rooms and removes what is past its time."""

    def __init__(self, messages: Log) -> None:
        self._log = messages
        self._clock: TrustedClock | None = None  # None: never needed yet
        self._rooms: list[str] = []  # those left of this round, the next one last
        self._due = 0.0
        self._before_ms = 0  # what is older than this goes, in this round
        self._firsts: dict[str, int] = {}  # rooms of which it is not said yet what was removed, and where that begins

    def step(self, settings: Settings, now: float, wall_ms: int) -> float | None:
        """Remove some messages, in a transaction of its own. Return when to step again; None: nothing ever goes.

        No transaction may be under way. What fails is logged and tried again in the next round.
        """
        if not settings.retain_days and not settings.retain_messages:
            return None
        if now < self._due:
            return self._due
        if self._log.suspect is not None:
            return now + ROUND_S
        try:
            if not self._rooms:
                self._begin_round(settings, now, wall_ms)
            self._some_rooms(settings.retain_messages)
            self._log.commit()
        except LogError as err:
            log.error("old messages could not be removed: %s", err)
            self._log.rollback()
            self._rooms.clear()
        self._say_what_went()
        self._due = now + (PAUSE_S if self._rooms else ROUND_S)
        return self._due

    def _begin_round(self, settings: Settings, now: float, wall_ms: int) -> None:
        self._rooms = self._log.rooms()
        self._before_ms = 0
        if settings.retain_days:
            if self._clock is None:
                self._clock = TrustedClock(self._saved(), now, wall_ms)
            trusted_ms = self._clock.read(now, wall_ms)
            self._log.remember(_SAVED, str(trusted_ms))
            self._before_ms = trusted_ms - int(settings.retain_days * _DAY_MS)

    def _saved(self) -> int | None:
        try:
            saved = self._log.recall(_SAVED)
        except Spoilt:
            return None
        return int(saved) if saved else None

    def _some_rooms(self, keep: int) -> None:
        left = SLICE
        for _ in range(min(ROOMS, len(self._rooms))):
            room = self._rooms[-1]
            first = self._log.pruned(room) + 1
            removed = self._log.prune(room, keep, self._before_ms, left)
            if removed:
                self._firsts.setdefault(room, first)
            left -= removed
            if left <= 0:  # less: of a hole all numbers go at once
                return  # this room may have more
            self._rooms.pop()

    def _say_what_went(self) -> None:
        """Tell the operator of each room that was gone through; the last of `_rooms` may have more."""
        for room in self._firsts.keys() - set(self._rooms[-1:]):
            first, last = self._firsts.pop(room), self._log.pruned(room)
            if first <= last:  # else it was rolled back
                log.info(
                    "retention removed messages %d to %d of %s", first, last, "an inbox" if room[0] == "~" else room
                )
