"""What the broker has to tell the workers, collected over one transaction, one batch for each worker."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from protocol import native
from protocol.ipc import Answered, ConnId, Down, Entered, Posted, Told
from protocol.pipes import encode_frames

UNDONE: Final = "the server cannot store anything at the moment, so this was not done; try again in a moment"

_encoder = msgspec.msgpack.Encoder()


class Outbox:
    """Events for each worker, in order."""

    def __init__(self) -> None:
        self._events: dict[int, list[Down]] = {}
        self._bound: set[int] = set()  # ids of those that tell of what the transaction writes beside messages
        self._bound_answers: set[tuple[ConnId, int]] = set()

    def tell(self, worker: int, event: Down) -> None:
        """Add an event for one worker, after those already there."""
        try:
            self._events[worker].append(event)
        except KeyError:
            self._events[worker] = [event]

    @contextlib.contextmanager
    def bound(self) -> Iterator[None]:
        """What is told within tells of values that this transaction writes: if it fails, nobody hears of it.

        Answers among it become errors then. Messages, and answers with a seq, are seen to without this.
        """
        before = {worker: len(events) for worker, events in self._events.items()}
        try:
            yield
        finally:
            for worker, events in self._events.items():
                self._bound.update(map(id, events[before.get(worker, 0) :]))

    def bind_answer(self, conn: ConnId, rid: int) -> None:
        """The answer to this request is an error if the transaction fails."""
        self._bound_answers.add((conn, rid))

    def is_bound(self, conn: ConnId, rid: int) -> bool:
        """Tell whether the answer to this request has been bound to the transaction."""
        return (conn, rid) in self._bound_answers

    def take(self, worker: int) -> list[Down]:
        """Return and forget what one worker was to be told."""
        return self._events.pop(worker, [])

    def refuse_unstored(
        self, last: Callable[[ConnId, str], int], topic: Callable[[str], str], error: native.Error
    ) -> set[tuple[ConnId, int]]:
        """The transaction failed: take back whatever tells of its messages and values.

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
            kept = (
                self._without_bound(event, error) if self._is_bound(event) else without
                for event in events
                if (without := _without_unstored(event, last, topic, error)) is not None
            )
            self._events[worker] = [event for event in kept if event is not None]
        self.stored()
        return refused

    def _is_bound(self, event: Down) -> bool:
        if id(event) in self._bound:
            return True
        return type(event) is Answered and (event.conn, event.rid) in self._bound_answers

    @staticmethod
    def _without_bound(event: Down, error: native.Error) -> Down | None:
        if not isinstance(event, Answered) or isinstance(event.event, native.Error):
            return event if isinstance(event, Answered) else None
        no = msgspec.structs.replace(error, id=getattr(event.event, "id", None), text=UNDONE)
        return Answered(event.conn, event.rid, no)

    def stored(self) -> None:
        """The transaction was committed: what was told of it stays, whatever becomes of the next."""
        self._bound.clear()
        self._bound_answers.clear()

    def batches(self) -> list[tuple[int, bytes]]:
        """Return and forget what was collected, encoded, a frame for each worker that has something to hear."""
        frames = [
            (worker, frame)
            for worker, batch in self._events.items()
            if batch
            for frame in encode_frames(batch, _encoder)
        ]
        self._events.clear()
        self.stored()
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
