"""How a worker holds on to brokers: what it raises goes up a turn at a time; a new broker learns all it must know.

Owns the link and the order of what goes up it. What is not answered yet, and who sits here, is the worker's.
"""

import contextlib
import logging
from asyncio import TimerHandle
from typing import TYPE_CHECKING, Final

import msgspec

from protocol.holds import SAID
from protocol.ipc import Answered, Attach, Relink, Seat, Up
from protocol.pipes import encode_frames
from workers.conn import Conn
from workers.link import PipeLink

if TYPE_CHECKING:
    from workers.process import Worker

log = logging.getLogger("moot.worker")

RELINK_S: Final = 2.0  # without a broker; a dead one is replaced sooner
ATTACH_SEATS: Final = 1000  # told at once, so that a worker with very many still fits its frames

_encoder = msgspec.msgpack.Encoder()


class Attachment:
    """See the module."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self.link: PipeLink | None = None  # None: no broker
        self._up: list[Up] = []  # of this turn
        self._scheduled = False
        self._relinking: TimerHandle | None = None

    def put(self, command: Up) -> None:
        """Tell the broker at the end of this turn. What needs an answer is the worker's to keep until it has come."""
        self._up.append(command)
        if not self._scheduled:
            self._scheduled = True
            self._worker.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        up, self._up = self._up, []
        link = self.link  # may be lost, and then taken away, by a put
        if link is not None:  # else it is `pending` or `leaving`, and is told to the next broker
            for frame in encode_frames(up, _encoder):
                link.put(frame)

    def attach(self, fds: list[int]) -> None:
        """Take a link to a broker: tell it first who sits here, then everything that no broker has answered."""
        worker = self._worker
        self.close()
        worker.output.hear_all()
        self._refuse_behind_holds()
        link = self.link = PipeLink(worker.loop, fds, worker.hear_broker, self._lost)
        seats = [_seat(conn) for conn in worker.conns.values() if conn.hello is not None and not conn.released]
        seats += [_seat(conn) for conn, _gone in worker.leaving.values() if conn.hello is not None]
        parts = [seats[start : start + ATTACH_SEATS] for start in range(0, len(seats), ATTACH_SEATS)]
        again: list[Up] = [Attach(worker.incarnation, part, self._seqs(part), worker.epoch) for part in (*parts, [])]
        again += worker.pending.values()
        again += [gone for _conn, gone in worker.leaving.values()]
        self._up.clear()
        for frame in encode_frames(again, _encoder):
            link.put(frame)

    def close(self) -> None:
        """Hear what the broker wrote last, and let go of it."""
        if self.link is not None:
            self.link.drain()
            self.link.close()

    def await_broker(self) -> None:
        """Ask for a link if none comes soon: a living broker may have lost only that, or we were never given one."""
        if self._relinking is None:
            self._relinking = self._worker.loop.call_later(RELINK_S, self._relink)

    def _seqs(self, seats: list[Seat]) -> dict[str, int]:
        """Return the newest seq heard in each room of those who have these seats."""
        rooms = self._worker.rooms
        names = dict.fromkeys(name for seat in seats for name in seat.rooms)
        return {name: rooms[name].last for name in names if name in rooms}

    def _refuse_behind_holds(self) -> None:
        """What was said after something that was refused, the last broker would have refused too; another would not."""
        worker = self._worker
        for do in list(worker.pending.values()):
            conn = worker.leaving[do.conn][0] if do.conn in worker.leaving else worker.conns.get(do.conn)
            hold = conn.todo.hold if conn is not None and conn.todo is not None else None
            if hold is None or do.rid <= hold.after or type(do.request) not in SAID:
                continue
            if not hold.ends(do.request, now := worker.now()):
                worker.answered(Answered(do.conn, do.rid, hold.refusal(do.request, now)))

    def _lost(self) -> None:
        log.warning("the broker is gone; waiting for a new one")
        self.link = None
        self._worker.farewell.note()
        self.await_broker()

    def _relink(self) -> None:
        self._relinking = None
        if self.link is None and not self._worker.stopped.is_set():
            with contextlib.suppress(OSError):  # the supervisor is gone: its end is told by the control socket too
                self._worker.control.send(Relink("broker"))
            self.await_broker()


def _seat(conn: Conn) -> Seat:
    assert conn.hello is not None
    dialect = conn.dialect.name if conn.dialect is not None else ""
    rooms = sorted(conn.rooms or ())
    return Seat(
        conn.id,
        conn.hello,
        rooms,
        conn.host,
        dialect,
        conn.since,
        conn.away,
        conn.inbox,
        returns=conn.returns,
        ticket=conn.ticket,
        secure=conn.secure,
        certfp=conn.certfp,
    )
