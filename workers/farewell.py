"""How a worker ends: its clients are told to come later, or sent over to its successor; what is under way is answered.

Owns the order of that; knows nothing of rooms or of what is said. Everybody's last words are a `bye`. Who has a token
to come back with closes the connection itself, so that nothing it sends meanwhile can break it before it has read them.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from protocol import native
from protocol.ipc import Retired

if TYPE_CHECKING:
    from workers.conn import Conn
    from workers.process import Worker

ANSWER_S: Final = 3.0  # longest wait for the answers to what was asked already
CLOSE_S: Final = 2.0  # and for clients to take their last words and go
ORPHAN_S: Final = 0.5  # each of these when the supervisor is gone: the next server wants the port
RENEWED: Final = "the server was renewed and this connection could not be taken along; connect again, nothing is lost"


class Farewell:
    """See the module. One end at a time; a later one takes the place of an earlier one."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._changed = asyncio.Event()  # something was answered or closed
        self._task: asyncio.Task[None] | None = None
        self._over: dict[Conn, asyncio.Task[None]] = {}  # being sent over
        self._sends_over: str | None = None  # with these words; None: they are not
        self._rng = random.SystemRandom()

    def note(self) -> None:
        """Something was answered or closed."""
        if self._task is not None:
            self._changed.set()

    def introduced(self, conn: "Conn") -> None:
        """``conn`` has a name; came in just before its worker was to retire, maybe."""
        if self._sends_over is not None:
            self._send_over(conn, 0.0, self._sends_over)

    def stop(self, text: str, retry: float | None) -> None:
        """End: everybody is told ``text`` and to come back after ``retry`` seconds (None: never)."""
        self._begin(self._stop(text, retry, ANSWER_S, CLOSE_S))

    def orphaned(self) -> None:
        """End quickly: the supervisor is gone."""
        self._begin(self._stop("the server died", 1.0, ORPHAN_S, ORPHAN_S))

    def retire(self, text: str, spread: float) -> None:
        """Send the clients over to the successor, spread over ``spread`` seconds, and end when the last one is gone.

        Who cannot come back by themselves stay as long as the setting `restart_keep` allows.
        """
        self._begin(self._retire(text, spread))

    def _begin(self, end: Coroutine[Any, Any, None]) -> None:
        for task in [self._task, *self._over.values()]:
            if task is not None:
                task.cancel()
        self._over.clear()
        self._sends_over = None
        self._worker.accept_no_more()
        self._task = self._worker.loop.create_task(end)

    # --- stop

    async def _stop(self, text: str, retry: float | None, answer_s: float, close_s: float) -> None:
        worker = self._worker
        await asyncio.sleep(0)  # who was accepted in this turn is a connection now
        for conn in worker.conns.values():
            conn.deaf = True
        await self._settle(lambda: not worker.pending or worker.attachment.link is None, answer_s)
        worker.output.hear_all()
        for conn in list(worker.conns.values()):
            later = None if retry is None else round(retry * self._rng.uniform(1, 2), 1)  # not all at once
            self._part(conn, native.Bye(reason=text, retry=later))
        await self._settle(lambda: not worker.conns, close_s)
        worker.stopped.set()

    # --- retire

    async def _retire(self, text: str, spread: float) -> None:
        worker = self._worker
        self._sends_over = text
        until = worker.now() + spread + worker.settings.restart_keep
        await asyncio.sleep(0)
        for conn in list(worker.conns.values()):
            if conn.returns and conn.hello is not None:
                self._send_over(conn, self._rng.uniform(0, spread), text)
        await self._settle(lambda: not self._over, spread + ANSWER_S + CLOSE_S)
        worker.control.send(Retired(len(worker.conns)))
        await self._settle(lambda: not worker.conns, max(0.0, until - worker.now()))
        for conn in list(worker.conns.values()):
            conn.deaf = True
            self._part(conn, native.Bye(reason=RENEWED))
        await self._settle(lambda: not worker.conns, CLOSE_S)
        await self._settle(lambda: not worker.pending and not worker.leaving, ANSWER_S)
        worker.stopped.set()

    def _send_over(self, conn: "Conn", delay: float, text: str) -> None:
        self._over[conn] = self._worker.loop.create_task(self._hand_over(conn, delay, text))

    async def _hand_over(self, conn: "Conn", delay: float, text: str) -> None:
        await asyncio.sleep(delay)
        conn.deaf = True  # what it says from now on it says again to the successor
        await self._settle(lambda: conn.closing or not (conn.unanswered or conn.todo or conn.rendering), ANSWER_S)
        self._worker.output.hear_all()
        conn.invited = True
        self._part(conn, native.Bye(reason=text, retry=0.0))
        await self._settle(lambda: conn.id not in self._worker.conns, CLOSE_S)
        if conn.transport is not None:
            conn.transport.abort()
        self._over.pop(conn, None)
        self.note()

    # --- both

    def _part(self, conn: "Conn", bye: native.Bye) -> None:
        if conn.dialect is not None:
            conn.reply(bye)
        if conn.returns:
            conn.part()
        else:
            conn.finish()

    async def _settle(self, settled: Callable[[], bool], limit_s: float) -> None:
        """Wait until ``settled``, asked whenever something was answered or closed, at the longest ``limit_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not settled():
                    self._changed.clear()
                    await self._changed.wait()
