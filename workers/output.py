"""A worker's output, a turn at a time: at its end rooms are told, connections written, full queues relieved."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from workers.conn import Conn
from workers.fanout import LocalRoom

if TYPE_CHECKING:
    from workers.process import Worker

BUSY_SHARE: Final = 0.5  # of a core; above it a room's messages are held a few milliseconds to be sent together
RELIEVED: Final = 0.75  # of the total that may wait for slow readers: so much may, after the largest were freed


class Output:
    """See the module. Nothing here awaits."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._heard: dict[str, LocalRoom] = {}  # rooms with something to hear
        self._dirty: list[Conn] = []  # have output of this turn
        self._swollen: dict[Conn, None] = {}  # more waits for them than may
        self._flush_scheduled = False
        self._held_until: asyncio.TimerHandle | None = None
        self._cpu = (time.process_time(), time.monotonic())
        self._busy = 0.0  # share of a core lately

    def note(self, room: LocalRoom) -> None:
        """``room`` has something to hear at the end of this turn."""
        self._heard[room.name] = room

    def hear(self, name: str) -> None:
        room = self._heard.pop(name, None)
        if room is not None:
            room.flush()

    def hear_all(self) -> None:
        for room in self._heard.values():
            room.flush()
        self._heard.clear()

    def flush(self) -> None:
        """End of a turn: write everything, or hold the rooms' messages a little when very busy."""
        if self._heard and self._held_until is None:
            if self._worker.settings.coalesce and self._is_busy():
                self._held_until = self._worker.loop.call_later(self._worker.settings.coalesce / 1000, self._release)
            else:
                self.hear_all()
        self._write()

    def _release(self) -> None:
        self._held_until = None
        self.hear_all()
        self._write()

    def _write(self) -> None:
        dirty, self._dirty = self._dirty, []
        for conn in dirty:
            conn.flush()
        if self._swollen:
            self._relieve()

    def swell(self, conn: Conn) -> None:
        """More waits for ``conn``, or for all, than may. Seen to at the end of this turn, when no room is told."""
        self._swollen[conn] = None
        self._flush_soon()

    def _relieve(self) -> None:
        swollen, self._swollen = self._swollen, {}
        for conn in swollen:
            conn.check_size()
        total = self._worker.settings.sendq_total
        if self._worker.queued <= total:
            return
        for conn in self._worker.stalled:
            conn.count()  # much may have been sent since it was counted last
        reason = f"{total >> 20} MiB were waiting for slow readers in all"
        for relieve in (Conn.relieve, Conn.drop):
            for conn in sorted(self._worker.stalled, key=lambda conn: conn.counted, reverse=True):
                if self._worker.queued <= total * RELIEVED:
                    return
                relieve(conn, reason)

    def touch(self, conn: Conn) -> None:
        """``conn`` has something to be written at the end of this turn."""
        self._dirty.append(conn)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._worker.loop.call_soon(self._flush_scheduled_now)

    def _flush_scheduled_now(self) -> None:
        self._flush_scheduled = False
        self.flush()

    def _is_busy(self) -> bool:
        """Whether this process used much of a core in the last tens of milliseconds."""
        cpu, wall = time.process_time(), time.monotonic()
        elapsed = wall - self._cpu[1]
        if elapsed > 0.02:
            self._busy = (cpu - self._cpu[0]) / elapsed
            self._cpu = (cpu, wall)
        return self._busy > BUSY_SHARE
