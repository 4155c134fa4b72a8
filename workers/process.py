"""A worker's process: accepts connections and carries requests up and events down, a batch at a time.

One event loop. Requests of one loop turn go to the broker as one batch and are kept until it has answered them, so a
new broker gets them again. Nothing in fan-out awaits: one slow client must not delay the others.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from protocol import addresses, native
from protocol.control import ControlSocket
from protocol.ipc import (
    Announced,
    Answered,
    Art,
    Attach,
    Beat,
    Closed,
    ConnId,
    Do,
    Down,
    Entered,
    Gone,
    Link,
    Parted,
    Posted,
    Ready,
    Relink,
    Seat,
    Stop,
    Told,
    Up,
)
from protocol.pipes import encode_frames
from protocol.settings import Settings
from workers.conn import PAGED, Conn
from workers.dialects import Dialect
from workers.dialects import native as native_dialect
from workers.dialects import plain as plain_dialect
from workers.easel import Easel
from workers.fanout import Encoder, LocalRoom
from workers.link import PipeLink

log = logging.getLogger("moot.worker")

TICK_S: Final = 0.1  # while somebody is new or stalled; otherwise a worker sleeps
RELINK_S: Final = 2.0  # without a broker; a dead one is replaced sooner
SAID: Final = frozenset({native.Send, native.Fun, native.Topic})
ATTACH_SEATS: Final = 1000  # told at once, so that a worker with very many still fits its frames
DRAIN_S: Final = 5.0  # a stopping worker's patience
BUSY_SHARE: Final = 0.5  # of a core; above it a room's messages are held a few milliseconds to be sent together

_down_decoder: msgspec.msgpack.Decoder[list[Down]] = msgspec.msgpack.Decoder(list[Down])
_msgpack = msgspec.msgpack.Encoder()

ENCODERS: Final[dict[str, Encoder]] = {"native": native_dialect.encode, "plain": plain_dialect.encode}


class Worker:
    """See the module."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, control: ControlSocket, settings: Settings, incarnation: int
    ) -> None:
        self.loop = loop
        self.now = loop.time
        self.control = control
        self.settings = settings
        self.incarnation = incarnation
        self.broker: PipeLink | None = None
        self.conns: dict[ConnId, Conn] = {}
        self.leaving: dict[ConnId, tuple[Conn, str]] = {}  # closed, but the broker has not confirmed it
        self.rooms: dict[str, LocalRoom] = {}
        self.pending: dict[int, Do] = {}  # by rid: unanswered
        self.easel = Easel(loop, self._do)
        self.stalled: set[Conn] = set()
        self.stopped = asyncio.Event()
        self._newcomers: dict[Conn, None] = {}  # not introduced, oldest first
        self._per_address: dict[str, int] = {}
        self._counter = 0
        self._rid = 0
        self._up: list[Up] = []
        self._up_scheduled = False
        self._flush_scheduled = False
        self._dirty: list[Conn] = []  # have output of this turn
        self._heard: dict[str, LocalRoom] = {}  # rooms with something to hear
        self._tick: asyncio.TimerHandle | None = None
        self._held_until: asyncio.TimerHandle | None = None
        self._cpu = (time.process_time(), time.monotonic())
        self._busy = 0.0  # share of a core lately
        self._servers: list[asyncio.Server] = []
        self._changed = asyncio.Event()  # something was answered or closed
        self._draining: asyncio.Task[None] | None = None
        self._rng = random.SystemRandom()

    # --- connections come and go

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept from listening sockets that the supervisor bound."""
        for sock in sockets:
            self._servers.append(await self.loop.create_server(lambda: Conn(self), sock=sock, backlog=1024))

    def opened(self, conn: Conn) -> None:
        self._counter += 1
        conn.id = self.incarnation << 32 | self._counter
        conn.opened = self.now()
        self.conns[conn.id] = conn
        self._newcomers[conn] = None
        counted = addresses.counted(conn.host)
        here = self._per_address.get(counted, 0) + 1
        self._per_address[counted] = here
        if self.settings.limits and here > self.settings.max_per_address and not addresses.is_loopback(conn.host):
            log.info("%s refused: %d connections from there", conn.peer, here)
            text = f"too many connections from your address; at most {self.settings.max_per_address} are allowed"
            self._farewell(conn, native.Error(code="too-many", text=text))
            return
        log.info("%s connected", conn.peer)
        self.need_tick()

    def detect(self, first: bytes) -> Dialect:
        """Return the dialect that a connection's first bytes tell: one port serves every kind of client."""
        if first[:1] == b"{":
            return native_dialect.Native(self.settings.max_line)
        return self._plain()

    def _plain(self) -> Dialect:
        offset_s = time.localtime().tm_gmtoff
        return plain_dialect.Plain(self.settings, offset_s, lambda: secrets.token_urlsafe(16))

    def lost(self, conn: Conn, reason: str) -> None:
        """A connection is closed, whoever closed it."""
        if self.conns.pop(conn.id, None) is None:
            return
        self._newcomers.pop(conn, None)
        self.stalled.discard(conn)
        if self._draining is not None:
            self._changed.set()
        counted = addresses.counted(conn.host)
        self._per_address[counted] -= 1
        if not self._per_address[counted]:
            del self._per_address[counted]
        for name in conn.rooms or ():
            self._drop_member(conn, name)
        if conn.released:
            log.info("%s disconnected", conn.peer)
        elif conn.hello is not None or conn.unanswered:
            self._forget_questions(conn)
            self.leaving[conn.id] = (conn, reason)
            self._raise(Gone(conn.id, reason))
        else:
            log.info("%s disconnected before being introduced: %s", conn.peer, reason)

    def _forget_questions(self, conn: Conn) -> None:
        """Nobody waits for answers any more; what was said is kept until it is stored."""
        if conn.unanswered:
            asked = [rid for rid, do in self.pending.items() if do.conn == conn.id and type(do.request) not in SAID]
            for rid in asked:
                del self.pending[rid]

    def dropped(self, conn: Conn, reason: str) -> None:
        """A connection is about to be cut off."""
        log.info("%s cut off: %s", conn.peer, reason)
        self.lost(conn, reason)

    def _farewell(self, conn: Conn, event: native.Event) -> None:
        """Tell a client why, and close."""
        if conn.dialect is None:
            conn.dialect = self._plain()
        conn.reply(event)
        conn.finish()

    # --- up: requests

    def submit(self, conn: Conn, request: native.Request) -> None:
        """Hand a request on, to the sandbox first if it has something to draw."""
        if isinstance(request, native.Fun):
            self.easel.draw(conn, request)
            self.need_tick()
            return
        if isinstance(request, native.Hello):
            if request.token is None:
                request = msgspec.structs.replace(request, token=secrets.token_urlsafe(16))
            self._do(conn, request, addr=conn.host, dialect=conn.dialect.name if conn.dialect else "")
            return
        self._do(conn, request)

    def _do(
        self, conn: Conn, request: native.Request, art: Art | None = None, addr: str = "", dialect: str = ""
    ) -> None:
        self._rid += 1
        conn.unanswered += 1
        if type(request) in PAGED:
            conn.paging = True
        do = self.pending[self._rid] = Do(conn.id, self._rid, request, art, addr, dialect)
        self._raise(do)

    def _raise(self, command: Up) -> None:
        self._up.append(command)
        if not self._up_scheduled:
            self._up_scheduled = True
            self.loop.call_soon(self._flush_up)

    def _flush_up(self) -> None:
        self._up_scheduled = False
        up, self._up = self._up, []
        if self.broker is None:
            return  # what needs an answer is in `pending` or `leaving` and is sent to the next broker
        link = self.broker  # may be lost, and then taken away, by a put
        for frame in encode_frames(up, _msgpack):
            link.put(frame)

    # --- down: events

    def _hear_broker(self, frame: bytes) -> None:
        for event in _down_decoder.decode(frame):
            try:
                self._down[type(event)](self, event)
            except Exception:  # the other events are other people's
                log.exception("an event could not be handed out")
        self._flush()

    def _answered(self, event: Answered) -> None:
        do = self.pending.pop(event.rid, None)
        conn = self.conns.get(event.conn)
        if type(event.event) is native.Welcome and (conn is None or conn.released):
            self._raise(Gone(event.conn, "connection closed"))  # said hello after its end: it must not stay as a ghost
            return
        if conn is None or do is None:
            return
        conn.unanswered -= 1
        if type(do.request) in PAGED:
            conn.paging = False
        if self._draining is not None:
            self._changed.set()
        answer = event.event
        match answer:
            case native.Ok() if isinstance(do.request, native.Send | native.Fun | native.Topic):
                pass  # the hot path; it may stand before what the room hears
            case native.Welcome():
                answer = self._welcomed(conn, do, answer)
            case native.Ok():
                self._hear_all()
                _follow(conn, do.request, answer)
            case _:
                self._hear_all()
        conn.reply(answer)
        if conn.todo:
            conn.pump()

    def _welcomed(self, conn: Conn, do: Do, welcome: native.Welcome) -> native.Welcome:
        assert isinstance(do.request, native.Hello)
        conn.hello = msgspec.structs.replace(do.request, nick=welcome.nick, id=None)
        conn.since = time.time_ns() // 1_000_000
        conn.inbox = welcome.inbox
        self._newcomers.pop(conn, None)
        return msgspec.structs.replace(welcome, fun=self.easel.commands)

    def _told(self, event: Told) -> None:
        conn = self.conns.get(event.conn)
        if conn is None:
            return
        self._hear_all()
        message = event.event
        if isinstance(message, native.Msg):
            conn.inbox = message.seq
            own = conn.hello is not None and message.nick == conn.hello.nick
            if conn.dialect is not None:
                if own and not conn.dialect.echoes and message.kind != "fun":
                    return
                if not own and conn.dialect.picky and not conn.dialect.wants(message):
                    return
        conn.reply(message)

    def _posted(self, event: Posted) -> None:
        room = self.rooms.get(event.msg.room)
        if room is not None:
            room.hear(event)
            self._heard[room.name] = room

    def _announced(self, event: Announced) -> None:
        room = self.rooms.get(event.room)
        if room is not None:
            room.hear(event)
            self._heard[room.name] = room
            if isinstance(event.event, native.Renamed):
                self._note_rename(room, event.event)

    def _note_rename(self, room: LocalRoom, renamed: native.Renamed) -> None:
        for conn in room.members.values():
            if conn.hello is not None and conn.hello.nick == renamed.old:
                conn.hello = msgspec.structs.replace(conn.hello, nick=renamed.nick)

    def _entered(self, event: Entered) -> None:
        conn = self.conns.get(event.conn)
        if conn is None:
            return
        self._hear(event.room)
        room = self.rooms.get(event.room)
        if room is None:
            room = self.rooms[event.room] = LocalRoom(event.room)
        room.last = max(room.last, event.last)
        room.members[conn.id] = conn
        if conn.rooms is None:
            conn.rooms = set()
        conn.rooms.add(event.room)

    def _parted(self, event: Parted) -> None:
        conn = self.conns.get(event.conn)
        if conn is not None and conn.rooms is not None and event.room in conn.rooms:
            conn.rooms.discard(event.room)
            self._drop_member(conn, event.room)

    def _drop_member(self, conn: Conn, name: str) -> None:
        self._hear(name)
        room = self.rooms.get(name)
        if room is not None:
            room.members.pop(conn.id, None)
            if not room.members:
                del self.rooms[name]

    def _closed(self, event: Closed) -> None:
        self.leaving.pop(event.conn, None)
        conn = self.conns.get(event.conn)
        if conn is not None:
            self._hear_all()
            conn.released = True
            conn.finish()

    _down: Final[dict[type, Callable[["Worker", Any], None]]] = {
        Answered: _answered,
        Told: _told,
        Posted: _posted,
        Announced: _announced,
        Entered: _entered,
        Parted: _parted,
        Closed: _closed,
    }

    # --- output

    def _hear(self, name: str) -> None:
        room = self._heard.pop(name, None)
        if room is not None:
            room.flush(ENCODERS)

    def _hear_all(self) -> None:
        for room in self._heard.values():
            room.flush(ENCODERS)
        self._heard.clear()

    def _flush(self) -> None:
        """End of a turn: write everything, or hold the rooms' messages a little when very busy."""
        if self._heard and self._held_until is None:
            if self.settings.coalesce and self._is_busy():
                self._held_until = self.loop.call_later(self.settings.coalesce / 1000, self._release)
            else:
                self._hear_all()
        self._write()

    def _release(self) -> None:
        self._held_until = None
        self._hear_all()
        self._write()

    def _write(self) -> None:
        dirty, self._dirty = self._dirty, []
        for conn in dirty:
            conn.flush()

    def touch(self, conn: Conn) -> None:
        """``conn`` has something to be written at the end of this turn."""
        self._dirty.append(conn)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush_scheduled_now)

    def _flush_scheduled_now(self) -> None:
        self._flush_scheduled = False
        self._flush()

    def _is_busy(self) -> bool:
        """Whether this process used much of a core in the last tens of milliseconds."""
        cpu, wall = time.process_time(), time.monotonic()
        elapsed = wall - self._cpu[1]
        if elapsed > 0.02:
            self._busy = (cpu - self._cpu[0]) / elapsed
            self._cpu = (cpu, wall)
        return self._busy > BUSY_SHARE

    # --- time

    def need_tick(self) -> None:
        """Look at the time soon: somebody is new or stalled, or something is being drawn."""
        if self._tick is None:
            self._tick = self.loop.call_later(TICK_S, self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        now, settings = self.now(), self.settings
        for conn in list(self._newcomers):
            self._check_newcomer(conn, now - conn.opened)
        for conn in list(self.stalled):
            if conn.stalled_for(now) > settings.sendq_stall:
                conn.drop(f"nothing of what was sent was read for {settings.sendq_stall:g} seconds")
        self.easel.expire(now)
        self._flush()
        if self._newcomers or self.stalled or self.easel.busy:
            self.need_tick()

    def _check_newcomer(self, conn: Conn, age: float) -> None:
        settings = self.settings
        if conn.dialect is None:
            if age >= settings.greet_after:
                conn.dialect = self._plain()
                conn.send(conn.dialect.greet())
        elif not settings.limits:
            return
        elif age >= settings.intro_whole:
            self._farewell(conn, _not_introduced(f"no nick within {settings.intro_whole:g} seconds"))
        elif age >= settings.intro_first and conn.dialect.variant == "native" and not conn.unanswered:
            self._farewell(conn, _not_introduced(f"no hello within {settings.intro_first:g} seconds"))

    # --- the supervisor's word

    def obey(self) -> None:
        """Do what the control socket says."""
        try:
            messages = self.control.recv()
        except EOFError:
            self.loop.remove_reader(self.control.fileno())
            self._end("the server died", retry=1.0)
            return
        for message, fds in messages:
            match message:
                case Link(peer="broker"):
                    self._link_broker(fds)
                case Link(peer="sandbox"):
                    self.easel.link(fds)
                case Beat():
                    self.control.send(message)
                case Stop(text=text, retry=retry):
                    self._end(text, retry)
                case _:
                    log.warning("unexpected control message %r", message)

    def _link_broker(self, fds: list[int]) -> None:
        """Attach to a broker: first who sits here, then everything that no broker has answered."""
        if self.broker is not None:
            self.broker.close()
        self._hear_all()
        link = self.broker = PipeLink(self.loop, fds, self._hear_broker, self._broker_lost)
        seats = [_seat(conn) for conn in self.conns.values() if conn.hello is not None and not conn.released]
        seats += [_seat(conn) for conn, _reason in self.leaving.values() if conn.hello is not None]
        seqs = {room.name: room.last for room in self.rooms.values()}
        parts = [seats[start : start + ATTACH_SEATS] for start in range(0, len(seats), ATTACH_SEATS)]
        again: list[Up] = [Attach(self.incarnation, part, {}) for part in parts]
        again += [Attach(self.incarnation, [], seqs), *self.pending.values()]
        again += [Gone(conn.id, reason) for conn, reason in self.leaving.values()]
        self._up.clear()
        for frame in encode_frames(again, _msgpack):
            link.put(frame)

    def _broker_lost(self) -> None:
        log.warning("the broker is gone; waiting for a new one")
        self.broker = None
        self.loop.call_later(RELINK_S, self._relink)

    def _relink(self) -> None:
        """A living broker may have lost only its link to us; the supervisor makes another."""
        if self.broker is None and self._draining is None:
            self.control.send(Relink("broker"))
            self.loop.call_later(RELINK_S, self._relink)

    def _end(self, text: str, retry: float | None) -> None:
        """Stop: nothing new is accepted, what is under way is answered, everybody is told."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._draining = self.loop.create_task(self._drain(text, retry))

    async def _drain(self, text: str, retry: float | None) -> None:
        until = self.now() + DRAIN_S
        for conn in self.conns.values():
            if conn.transport is not None and not conn.closing:
                conn.transport.pause_reading()
        await self._settle(lambda: not self.pending or self.broker is None, until)
        self._hear_all()
        for conn in list(self.conns.values()):
            if conn.dialect is not None:
                spread = None if retry is None else round(retry * self._rng.uniform(1, 2), 1)  # not all at once
                conn.reply(native.Bye(reason=text, retry=spread))
            conn.finish()
        await self._settle(lambda: not self.conns, until)
        self.stopped.set()

    async def _settle(self, settled: Callable[[], bool], until: float) -> None:
        """Wait until ``settled``, asked whenever something was answered or closed, at the longest ``until``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while not settled():
                    self._changed.clear()
                    await self._changed.wait()


def _not_introduced(what: str) -> native.Error:
    return native.Error(code="not-introduced", text=f"{what}; connect again when you are ready")


def _seat(conn: Conn) -> Seat:
    assert conn.hello is not None
    dialect = conn.dialect.name if conn.dialect is not None else ""
    return Seat(conn.id, conn.hello, sorted(conn.rooms or ()), conn.host, dialect, conn.since, conn.away, conn.inbox)


def _follow(conn: Conn, request: native.Request, ok: native.Ok) -> None:
    """Keep what a new broker would have to be told of this connection."""
    if conn.hello is None:
        return
    match request:
        case native.Nick() if ok.nick is not None:
            conn.hello = msgspec.structs.replace(conn.hello, nick=ok.nick)
        case native.Color(color=color):
            conn.hello = msgspec.structs.replace(conn.hello, color=color)
        case native.Away(text=text):
            conn.away = text


async def _serve(control: ControlSocket, sockets: list[socket.socket], settings: Settings, incarnation: int) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(loop, control, settings, incarnation)
    control.setblocking(True)
    loop.add_reader(control.fileno(), worker.obey)
    await worker.easel.prepared()  # who connects meanwhile waits in the backlog
    await worker.listen(sockets)
    control.send(Ready())
    await worker.stopped.wait()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # slower, and otherwise the same
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(control_sock: socket.socket, sockets: list[socket.socket], settings: Settings, incarnation: int) -> None:
    """Be a worker until told to stop, or until the supervisor is gone."""
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(_serve(ControlSocket(control_sock), sockets, settings, incarnation))
