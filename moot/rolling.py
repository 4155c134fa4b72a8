"""The rolling restart: new processes take the places of the old ones while people talk on. Owns the order of it.

A generator that the supervisor's loop advances whenever something may have happened; it never waits itself, and every
`yield` says "not yet". Processes that end meanwhile are the supervisor's business: what it starts is new already.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Final

from moot.children import Child, Place
from protocol.ipc import Retire

if TYPE_CHECKING:
    from moot.supervisor import Supervisor

log = logging.getLogger("moot.supervisor")

SENT_OVER_S: Final = 15.0  # a retired worker has said after this, beside the spread, that its clients are sent over
KEPT_GENERATIONS: Final = 2  # of workers that were renewed and still have people: each process costs some 30 MB
TEXT: Final = "the server is being renewed; you are taken over at once"
OUTLIVED: Final = (
    "the server was renewed once more and this connection could not be taken along; connect again, nothing is lost"
)


class Failed(Exception):
    """The restart ends here; the text says why, and what is left as it was."""


class Rolling:
    """One restart. ``tell(text, code)`` hears of its progress; the code comes with the last words."""

    def __init__(self, family: "Supervisor", spread: float, tell: Callable[[str, int | None], None]) -> None:
        self._family = family
        self._spread = spread  # seconds over which a worker's clients are sent to its successor
        self._tell = tell
        self._newest = family.incarnations  # whoever is newer needs no renewal
        self._steps = self._run()

    def advance(self) -> bool:
        """Go on as far as may be; return whether there is more to do."""
        try:
            next(self._steps)
        except StopIteration:
            self._say("every process is renewed but the supervisor", 0)
        except Failed as why:
            self._say(str(why), 1)
        else:
            return True
        return False

    def abandon(self, why: str) -> None:
        """The server ends."""
        self._say(f"the restart is abandoned: {why}", 1)

    def _say(self, text: str, code: int | None = None) -> None:
        log.log(logging.ERROR if code else logging.INFO, "restart: %s", text)
        self._tell(text, code)

    def _run(self) -> Iterator[None]:
        workers = [place for place in self._family.places if place.kind == "worker"]
        started: list[tuple[Place, Child]] = []
        failure: Failed | None = None
        for place in workers:  # all before any client is sent over: nobody shall be sent twice
            try:
                started += yield from self._succeed(place)
            except Failed as why:
                failure = why
                break
        retired = [old for place, successor in started if (old := self._family.promote(place, successor)) is not None]
        keep = self._family.settings.restart_keep
        for old in retired:
            old.retired_by = self._newest
            self._family.retire(old, Retire(TEXT, self._spread), self._spread + keep)
        if retired:
            which = "1 new worker serves" if len(retired) == 1 else f"{len(retired)} new workers serve"
            self._say(f"{which}; clients are sent over within {self._spread:g} s")
            self._dismiss()
        yield from self._sent_over(retired)
        if failure is not None:
            raise failure
        yield from self._renew_sandbox()
        yield from self._renew_broker()

    def _succeed(self, place: Place) -> Generator[None, None, list[tuple[Place, Child]]]:
        """Start a successor for the process in ``place`` and wait until it is ready.

        Return it with its place, or nothing when the place has a new process already. Raises `Failed`.
        """
        while place.child is None:  # has just died, and is started again by itself
            yield
        if place.child.incarnation > self._newest:
            while place.child is not None and place.child.ready is None:
                yield
            return []
        old = place.child
        try:
            successor = self._family.start(place, succeeds=True)
        except OSError as err:
            raise Failed(f"the {place.kind} cannot be renewed, {old.name} stays: {err.strerror}") from err
        while successor.ready is None:
            if successor.ended:
                why = successor.fatal or f"it ended before it was ready ({successor.status()}); the log says why"
                raise Failed(f"the {place.kind} cannot be renewed, {old.name} stays: {why}")
            yield
        self._say(f"{successor.name} is ready to succeed {old.name}")
        return [(place, successor)]

    def _dismiss(self) -> None:
        """End the workers of restarts long ago, which wait for people that cannot be sent over."""
        waiting = [child for child in self._family.children if child.kind == "worker" and child.retired]
        newest = sorted({child.retired_by for child in waiting})[-KEPT_GENERATIONS:]
        for child in waiting:
            if child.retired_by not in newest:
                self._say(f"{child.name}, renewed before, ends; whoever it still has is told to connect again")
                self._family.dismiss(child, OUTLIVED)

    def _sent_over(self, retired: list[Child]) -> Iterator[None]:
        until = time.monotonic() + self._spread + SENT_OVER_S
        for old in retired:
            while not old.ended and old.stays is None and time.monotonic() < until:
                yield
        staying = sum(old.stays or 0 for old in retired if not old.ended)
        if staying:
            minutes = self._family.settings.restart_keep / 60
            which = "1 connection" if staying == 1 else f"{staying} connections"
            self._say(
                f"{which} cannot be sent over; kept by the old workers until they end, at most {minutes:.3g} minutes"
            )

    def _renew_sandbox(self) -> Iterator[None]:
        """A sandbox that cannot be renewed costs cows at the most: that is no failure."""
        place = self._family.place("sandbox")
        if place.child is None or place.child.ready is None:
            return
        try:
            started = yield from self._succeed(place)
        except Failed as why:
            self._say(str(why))
            return
        for _, successor in started:
            if (old := self._family.promote(place, successor)) is not None:
                self._family.finish(old)
                self._say("the sandbox is renewed")

    def _renew_broker(self) -> Iterator[None]:
        """The broker alone may write the log, so the old one ends before the new one starts; clients wait meanwhile."""
        place = self._family.place("broker")
        if place.child is not None and place.child.incarnation <= self._newest:
            self._family.finish(place.child)
        while place.child is None or place.child.ready is None or place.child.incarnation <= self._newest:
            yield
        self._say("the broker is renewed")
