"""The least of a worker, between real sessions and a real broker: what it keeps, sends again, and fans out.

Sans-IO: takes what the broker says event by event, and hands back what goes up. Outlives brokers.
"""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from client.session import Session
from client.updates import Update
from protocol import native
from protocol.ipc import (
    Announced,
    Answered,
    Attach,
    Closed,
    ConnId,
    Do,
    Down,
    Entered,
    Gone,
    Parted,
    Posted,
    Seat,
    Told,
    Up,
)

SAID: Final = (native.Send, native.Fun, native.Topic, native.Redact)


@dataclass(slots=True, eq=False)
class Client:
    """A session, and what its connection to the worker is."""

    name: str
    session: Session
    conn: ConnId | None = None  # None: not connected
    told: list[Update] = field(default_factory=list)  # not yet taken

    @property
    def settled(self) -> bool:
        """Whether it is in its rooms, has all of them, and nothing more to say."""
        session = self.session
        whole = all(view.here and view.last >= view.head for view in session.rooms.values())
        return session.online and whole and not session.outbox


@dataclass(slots=True)
class _Seated:
    """What the worker knows of a connection."""

    client: Client
    hello: native.Hello | None = None
    rooms: set[str] = field(default_factory=set)
    inbox: int = 0
    since: int = 0


class Courier:
    """See the module."""

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.conns: dict[ConnId, _Seated] = {}
        self.pending: dict[int, Do] = {}  # by rid: not answered
        self.leaving: dict[ConnId, _Seated] = {}  # closed, and the broker has not said that it knows
        self.answers: list[tuple[Do, native.Event]] = []  # to what was said, for those who watch
        self.epoch = ""
        self._seqs: dict[str, int] = {}
        self._numbers = 0
        self._up: list[Up] = []

    def open(self, client: Client) -> None:
        self._numbers += 1
        client.conn = self.incarnation << 32 | self._numbers
        self.conns[client.conn] = _Seated(client)
        client.session.connected()

    def cut(self, client: Client) -> None:
        """The connection breaks; what its client had asked is forgotten, what it had said is not."""
        assert client.conn is not None
        conn, client.conn = client.conn, None
        self.leaving[conn] = self.conns.pop(conn)
        for rid in [rid for rid, do in self.pending.items() if do.conn == conn and not isinstance(do.request, SAID)]:
            del self.pending[rid]
        self._up.append(Gone(conn, "connection lost"))
        client.session.outgoing()
        client.session.disconnected("connection lost")

    def attach(self) -> list[Up]:
        """Return the first words to a new broker."""
        seats = [
            Seat(conn, seated.hello, sorted(seated.rooms), "127.0.0.1", "native", seated.since, None, seated.inbox)
            for conn, seated in (*self.conns.items(), *self.leaving.items())
            if seated.hello is not None
        ]
        seqs = {room: self._seqs.get(room, 0) for seated in self.conns.values() for room in seated.rooms}
        self._up.clear()
        gone = [Gone(conn, "connection lost") for conn in self.leaving]
        attach = [Attach(self.incarnation, seats, {}, self.epoch), Attach(self.incarnation, [], seqs, self.epoch)]
        return [*attach, *self.pending.values(), *gone]

    def ask(self, conn: ConnId, request: native.Request) -> None:
        self._numbers += 1
        do = self.pending[self._numbers] = Do(conn, self._numbers, request, None, "127.0.0.1", "native")
        self._up.append(do)

    def gather(self) -> list[Up]:
        """Return what clients want of the broker."""
        for conn, seated in self.conns.items():
            for line in seated.client.session.outgoing().splitlines():
                self.ask(conn, native.decode_request(line))
        up, self._up = self._up, []
        return up

    def hear(self, event: Down) -> None:
        match event:
            case Answered(conn=conn, rid=rid, event=answer):
                do = self.pending.pop(rid, None)
                if do is not None and isinstance(do.request, SAID):
                    self.answers.append((do, answer))
                if do is not None and conn in self.conns:
                    self._answered(conn, do, answer)
            case Told(conn=conn, event=told) if conn in self.conns:
                if isinstance(told, native.Msg):
                    self.conns[conn].inbox = told.seq
                self._write(conn, told)
            case Posted(msg=msg):
                self._seqs[msg.room] = msg.seq
                self._fan_out(msg.room, msg)
            case Announced(room=room, event=announced):
                self._fan_out(room, announced)
            case Entered(conn=conn, room=room, last=last) if conn in self.conns:
                self._seqs[room] = max(self._seqs.get(room, 0), last)
                self.conns[conn].rooms.add(room)
            case Parted(conn=conn, room=room) if conn in self.conns:
                self.conns[conn].rooms.discard(room)
            case Closed(conn=conn):
                self.leaving.pop(conn, None)
                if conn in self.conns:
                    client = self.conns.pop(conn).client
                    client.conn = None
                    client.session.disconnected("closed by the server")
            case _:
                pass

    def _answered(self, conn: ConnId, do: Do, answer: native.Event) -> None:
        seated = self.conns[conn]
        if isinstance(answer, native.Welcome):
            assert isinstance(do.request, native.Hello)
            self.epoch = answer.epoch
            seated.hello = msgspec.structs.replace(do.request, nick=answer.nick, id=None)
            seated.inbox = answer.inbox
            seated.since = self._numbers
        elif isinstance(answer, native.Ok) and isinstance(do.request, native.Nick) and seated.hello is not None:
            seated.hello = msgspec.structs.replace(seated.hello, nick=answer.nick or seated.hello.nick)
        self._write(conn, answer)

    def _fan_out(self, room: str, event: native.Event) -> None:
        for conn, seated in list(self.conns.items()):
            if room in seated.rooms:
                self._write(conn, event)

    def _write(self, conn: ConnId, event: native.Event) -> None:
        client = self.conns[conn].client
        client.session.feed(native.encode(event))
        client.told += client.session.updates()
