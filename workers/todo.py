"""What one client asked that is not handed on yet, oldest first, and how patient the server is with it.

Owns the flood limit, and the order of what is said after a refusal (`protocol.holds`). Whether anything else holds
requests back is the connection's to say.
"""

import asyncio
import math
import sys
from collections import deque
from typing import TYPE_CHECKING, Final

from protocol import native
from protocol.holds import SAID, Hold
from protocol.native import Request
from workers.flood import Bucket, cost

if TYPE_CHECKING:
    from workers.conn import Conn

MAX_WAITING: Final = 64  # requests held back before reading from the client stops
REFUSALS: Final = 100  # requests refused for flooding before reading rests
REST_S: Final = 1.0
_REQUEST_BYTES: Final = 400  # a waiting request takes about this and its text


class Todo:
    """See the module. Its bytes count in the worker's `requested`."""

    __slots__ = (
        "_bucket",
        "_conn",
        "_cost",
        "_entered",
        "_hellos",
        "_refused",
        "_timer",
        "_waiting",
        "hold",
        "resting",
    )

    def __init__(self, conn: "Conn") -> None:
        self._conn = conn
        self._waiting: deque[tuple[Request, float, int]] = deque()  # with its price in lines, and its bytes
        self._cost = 0.0  # lines waiting
        self.hold: Hold | None = None  # refuses what is said, until what was refused before comes again
        self.resting = False  # nothing is read for a while
        self._refused = 0  # for flooding, since reading last rested
        self._hellos = 0  # received
        self._entered: set[str] = set()  # rooms that were asked to be entered, as many as one may be in
        settings = conn.worker.settings
        self._bucket = Bucket(settings.flood_burst, settings.flood_rate, conn.worker.now())
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def crowded(self) -> bool:
        """Whether nothing more should be read."""
        return self.resting or len(self._waiting) >= MAX_WAITING

    def close(self) -> None:
        """Nothing is handed on any more."""
        if self._timer is not None:
            self._timer.cancel()
        for _request, _price, size in self._waiting:
            self._conn.worker.requested -= size
        self._waiting.clear()

    def charge(self) -> bool:
        """Take the price of a line that was answered without asking; return whether there were far too many."""
        settings, now = self._conn.worker.settings, self._conn.worker.now()
        if not settings.limits:
            return False
        self._bucket.take(1.0, now)
        return self._bucket.wait(1.0, now) > settings.flood_delay

    def add(self, request: Request) -> None:
        """Have ``request`` wait, or refuse it."""
        worker = self._conn.worker
        if self.hold is not None and (no := self.out_of_order(request, came=True)) is not None:
            self._refuse(no)
            return
        enters = request.room if isinstance(request, native.Join) else ""
        first = bool(enters) and enters not in self._entered and len(self._entered) < worker.settings.max_rooms_each
        price = cost(request, self._hellos, first=first)
        self._hellos += type(request) is native.Hello
        settings = worker.settings
        if settings.limits and price:
            wait = self._bucket.wait(self._cost + price, worker.now())
            if wait > settings.flood_delay:
                text = f"too fast: {settings.flood_rate:g} lines a second are allowed; try again in {wait:.0f} seconds"
                self._refuse_flood(request, text, round(wait, 1))
                return
        size = _REQUEST_BYTES + sys.getsizeof(getattr(request, "text", None) or getattr(request, "line", ""))
        if worker.requested + size > settings.held_total and (self._waiting or self._conn.holds_back):
            text = "the server holds back too much of what people send; try again in a few seconds"
            self._refuse_flood(request, text, 5.0)
            return
        self._cost += price
        if first:
            self._entered.add(enters)
        worker.requested += size
        self._waiting.append((request, price, size))

    def pump(self) -> None:
        """Hand on what nothing holds back."""
        conn, worker = self._conn, self._conn.worker
        settings = worker.settings
        while self._waiting and not conn.holds_back:
            request, price, size = self._waiting[0]
            no = None if self.hold is None else self.out_of_order(request, came=False)
            if no is None and conn.must_wait(request):
                break
            if no is None and settings.limits and price:
                now = worker.now()
                wait = self._bucket.wait(price, now)
                if wait > 0:
                    self._pump_later(wait)
                    break
                self._bucket.take(price, now)
            self._cost -= price
            worker.requested -= size
            self._waiting.popleft()
            if no is not None:
                self._refuse(no)
            else:
                conn.hand_on(request)

    def _pump_later(self, wait: float) -> None:
        if self._timer is None:
            self._timer = self._conn.worker.loop.call_later(wait, self._pump_now)

    def _pump_now(self) -> None:
        self._timer = None
        self._conn.pump()

    # --- refusals

    def _refuse_flood(self, request: Request, text: str, wait: float) -> None:
        error = native.Error(id=request.id, code="flood", text=text, wait=wait)
        self._refuse(error)
        self.refused(request, error, math.inf)

    def _refuse(self, error: native.Error) -> None:
        """Say no, and rest from reading one who sends on and on in spite of that: others need the worker's time."""
        self._conn.reply(error)
        self._refused += 1
        if self._refused >= REFUSALS and not self.resting:
            self.resting = True
            self._conn.worker.loop.call_later(REST_S, self._rested)

    def _rested(self) -> None:
        self.resting, self._refused = False, 0
        self._conn.pump()

    def refused(self, request: Request, error: native.Error, after: float | None = None) -> None:
        """``request`` was answered with ``error``: if it may come again, what was said after it must wait for it.

        ``after``: its number, if it had one; infinity: it did not get so far as to wait here, where others that came
        before it may still be.
        """
        conn = self._conn
        if conn.returns and error.wait is not None and type(request) in SAID:
            cmid, now = getattr(request, "cmid", ""), conn.worker.now()
            after = conn.worker.newest_rid if after is None else after
            if self.hold is None or not self.hold.precedes(cmid, now, after):
                self.hold = Hold(cmid, error, now, after)

    def out_of_order(self, request: Request, *, came: bool) -> native.Error | None:
        """Return the answer to what must wait for a message refused before it. ``came``: just now, it never waited."""
        hold = self.hold
        if hold is None or type(request) not in SAID or came != (hold.after == math.inf):
            return None
        now = self._conn.worker.now()
        if not hold.ends(request, now):
            return hold.refusal(request, now)
        self.hold = None
        return None
