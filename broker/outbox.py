"""What the broker has to tell the workers, collected over one transaction, one batch for each worker."""

from collections.abc import Callable

import msgspec

from protocol import native
from protocol.ipc import Answered, ConnId, Down, Entered, Posted, Told
from protocol.pipes import encode_frames

_encoder = msgspec.msgpack.Encoder()


class Outbox:
    """Events for each worker, in order."""

    def __init__(self) -> None:
        self._events: dict[int, list[Down]] = {}

    def tell(self, worker: int, event: Down) -> None:
        """Add an event for one worker, after those already there."""
        try:
            self._events[worker].append(event)
        except KeyError:
            self._events[worker] = [event]

    def refuse_unstored(
        self, last: Callable[[ConnId, str], int], topic: Callable[[str], str], error: native.Error
    ) -> set[tuple[ConnId, int]]:
        """The transaction failed: take back whatever tells of its messages.

        ``last`` gives the newest seq that is still stored of a room, or of a connection's own inbox `@`; ``topic``
        gives a room's. Returns the connections and numbers of the messages whose acknowledgement was taken back.
        """
        refused: set[tuple[ConnId, int]] = set()
        for worker, events in self._events.items():
            refused.update(
                (event.conn, event.rid)
                for event in events
                if isinstance(event, Answered) and isinstance(event.event, native.Ok) and event.event.seq is not None
            )
            kept = (_without_unstored(event, last, topic, error) for event in events)
            self._events[worker] = [event for event in kept if event is not None]
        return refused

    def batches(self) -> list[tuple[int, bytes]]:
        """Return and forget what was collected, encoded, a frame for each worker that has something to hear."""
        frames = [
            (worker, frame)
            for worker, batch in self._events.items()
            if batch
            for frame in encode_frames(batch, _encoder)
        ]
        self._events.clear()
        return frames


def _without_unstored(
    event: Down, last: Callable[[ConnId, str], int], topic: Callable[[str], str], error: native.Error
) -> Down | None:
    match event:
        case Posted(conn=conn, msg=msg) | Told(conn=conn, event=native.Msg() as msg) if msg.seq > last(conn, msg.room):
            return None
        case Answered(event=native.Welcome() as welcome):
            inbox = min(welcome.inbox, last(event.conn, native.INBOX))
            return Answered(event.conn, event.rid, msgspec.structs.replace(welcome, inbox=inbox))
        case Answered(event=native.HistoryPage(id=id_) | native.RoomList(id=id_) | native.Ok(id=id_, seq=int())):
            return Answered(event.conn, event.rid, msgspec.structs.replace(error, id=id_))
        case Entered(conn=conn, room=name, last=newest):
            return Entered(conn, name, min(newest, last(conn, name)))
        case Answered(event=native.Room() as room):
            newest = last(event.conn, room.room)
            stored = [msg for msg in room.messages if msg.seq <= newest]
            trimmed = msgspec.structs.replace(room, seq=min(room.seq, newest), topic=topic(room.room), messages=stored)
            return Answered(event.conn, event.rid, trimmed)
        case _:
            return event
