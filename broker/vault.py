"""Two threads for what is costly: hashes of passwords, signatures. The broker's own thread never waits for them.

What is to be done waits in one bounded queue; what is done wakes the broker's selector (`fileno`), which takes the
results as steps of their own. The threads are started with the first who needs them.
"""

import contextlib
import logging
import os
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

log = logging.getLogger("moot.broker")

T = TypeVar("T")

THREADS: Final = 2
MAX_WAITING: Final = 64  # pieces of work; at some 40 ms each, the last waits for a second and a half
MAX_EACH: Final = 8  # of them for one address, so that nobody fills the queue alone

Done = Callable[[T | None], None]
"""Called in the broker's thread with what the work returned; None: it broke, and the server's log has why."""


class Worksite(Protocol):
    """Where costly work is done; `Vault`, or whatever a test has in its place."""

    def submit(self, whose: str, work: Callable[[], T], done: Done[T]) -> bool:
        """Have ``work`` done, then ``done`` called; false: there is too much to do already, for all or for one."""


class Vault:
    """See the module."""

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._work: queue.SimpleQueue[tuple[str, Callable[[], Any], Done[Any]] | None] = queue.SimpleQueue()
        self._results: deque[tuple[str, Any, Done[Any]]] = deque()
        self._each: Counter[str] = Counter()  # of what waits, is done, or is not taken yet
        self._threads: list[threading.Thread] = []

    def fileno(self) -> int:
        """Return what becomes readable when something is done."""
        return self._wake_read

    def submit(self, whose: str, work: Callable[[], T], done: Done[T]) -> bool:
        """See `Worksite`. ``whose``: an address as it is counted; empty: that of nobody in particular."""
        if self._each.total() >= MAX_WAITING or (whose and self._each[whose] >= MAX_EACH):
            return False
        self._each[whose] += 1
        if len(self._threads) < THREADS:
            thread = threading.Thread(target=self._run, name="vault", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put((whose, work, done))
        return True

    def finished(self) -> list[Callable[[], None]]:
        """Return what is to be called for the results that are there, oldest first."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        finished: list[Callable[[], None]] = []
        while self._results:
            whose, result, done = self._results.popleft()
            self._each[whose] -= 1
            if not self._each[whose]:
                del self._each[whose]
            finished.append(_bound(done, result))
        return finished

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            whose, work, done = item
            result = None
            try:
                result = work()
            except Exception:  # who waits for it is told
                log.exception("what proves an account could not be worked out")
            self._results.append((whose, result, done))
            with contextlib.suppress(BlockingIOError, OSError):  # full: it is readable; closed: the broker has ended
                os.write(self._wake_write, b"x")

    def close(self) -> None:
        """End. What is under way is not waited for."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=5.0)
        os.close(self._wake_write)
        os.close(self._wake_read)


def _bound(done: Done[T], result: T | None) -> Callable[[], None]:
    return lambda: done(result)
