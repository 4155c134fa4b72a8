"""What the log needs beside requests: a new start after an I/O error, and retention. Knows when, not how."""

import logging
from typing import Final

from broker.log import Log, LogError, LogLost
from broker.retention import Retention
from protocol.settings import Settings

log = logging.getLogger("moot.broker")

AGAIN_S: Final = 1.0  # between two attempts to write again, and between two complaints of the same kind


class Upkeep:
    """The log's doctor. `now` is monotonic seconds."""

    def __init__(self, messages: Log) -> None:
        self._log = messages
        self._retention = Retention(messages)
        self._mend_at = 0.0
        self._complained = ("", 0.0)  # what of, and when

    def complain(self, err: LogError, now: float) -> None:
        """Write to the server's log what failed; the same thing once a second."""
        what, when = self._complained
        if str(err) != what or now >= when + AGAIN_S:
            self._complained = (str(err), now)
            log.error("%s", err)

    def mend(self, now: float) -> None:
        """Make the log writable again if it is not, once a second at most. Raises `LogLost`."""
        if self._log.suspect is None or now < self._mend_at:
            return
        self._mend_at = now + AGAIN_S
        try:
            self._log.recover()
        except LogLost:
            raise
        except LogError as err:
            self.complain(err, now)
        else:
            log.warning("the log was opened anew and has all that was acknowledged; writing goes on")

    def prune(self, settings: Settings, now: float, wall_ms: int) -> float | None:
        """Remove some old messages if it is time. Return when `mend` or this is to be called again; None: whenever."""
        due = self._retention.step(settings, now, wall_ms)
        if self._log.suspect is None:
            return due
        return self._mend_at if due is None else min(self._mend_at, due)
