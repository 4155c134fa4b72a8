"""A worker's process: accepts connections and carries requests up and events down, a batch at a time.

One event loop. Requests of one loop turn go to the broker as one batch and are kept until it has answered them, so a
new broker gets them again. Nothing in fan-out awaits: one slow client must not delay the others.
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from protocol import accounts, logs, native
from protocol.control import ControlSocket
from protocol.holds import SAID
from protocol.ipc import (
    Announced,
    Answered,
    Art,
    Beat,
    Certificate,
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
    Reload,
    Retire,
    Stop,
    Told,
    Vouched,
)
from protocol.moderation import Retitled
from protocol.pipes import decode_batch
from protocol.settings import Settings
from workers import origin, tcp
from workers.attachment import Attachment
from workers.catchup import CatchUp
from workers.conn import Conn
from workers.dialects.choice import Choice
from workers.door import Door, Due
from workers.easel import Easel
from workers.fanout import LocalRoom, Scattering
from workers.farewell import Farewell
from workers.output import Output
from workers.secured import Encryption
from workers.sendq import Logged
from workers.sniff import Speech

log = logging.getLogger("moot.worker")

TICK_S: Final = 0.1  # while somebody is new or stalled; otherwise a worker sleeps
LOOK_S: Final = 0.5  # between looks at who is stalled

_ORIGINS: Final = frozenset({native.Hello, *accounts.PROVING})  # of which the broker is told where they come from
_PROGRAMS: Final = frozenset({"native", "http", "websocket"})  # dialects that no person types

_down_decoder: msgspec.msgpack.Decoder[list[Down]] = msgspec.msgpack.Decoder(list[Down])


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
        self.choice = Choice(settings)
        self.attachment = Attachment(self)
        self.conns: dict[ConnId, Conn] = {}
        self.leaving: dict[ConnId, tuple[Conn, Gone]] = {}  # closed, but the broker has not confirmed it
        self.rooms: dict[str, LocalRoom] = {}
        self.epoch = ""  # of the log that their seqs are of
        self.pending: dict[int, Do] = {}  # by rid: unanswered
        self.easel = Easel(loop, self._do)
        self.catchup = CatchUp(self)
        self.output = Output(self)
        self._scattering = Scattering()
        self.encryption = Encryption(self)
        self.stalled: set[Conn] = set()  # their sockets are full
        self.queued = 0  # bytes that wait for them
        self.requested = 0  # bytes of requests that are held back
        self.stopped = asyncio.Event()
        self._door = Door()
        self._look_at = 0.0  # when to look at who is stalled, monotonic seconds
        self._counter = 0
        self._rid = 0
        self._tick: asyncio.TimerHandle | None = None
        self._servers: list[asyncio.Server] = []
        self.farewell = Farewell(self)

    # --- connections come and go

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept from listening sockets that the supervisor bound."""
        for sock in sockets:
            tcp.prepare(sock, self.settings.dead_after, self.settings.sendq_soft)
            self._servers.append(await self.loop.create_server(lambda: Conn(self), sock=sock, backlog=1024))

    def opened(self, conn: Conn) -> None:
        self._counter += 1
        conn.id = self.incarnation << 32 | self._counter
        conn.opened = self.now()
        self.conns[conn.id] = conn
        refusal = self._door.opened(conn, self.settings, len(self.leaving))
        if refusal is not None:
            log.info("%s refused: %s", conn.peer, refusal.text)
            self._farewell(conn, refusal)
            return
        log.info("%s connected", conn.peer)
        self.need_tick()

    def closed(self, conn: Conn, reason: str) -> None:
        """A connection's socket is closed, whoever closed it."""
        self._door.closed(conn)
        self.stalled.discard(conn)
        self.lost(conn, reason)

    def lost(self, conn: Conn, reason: str) -> None:
        """A connection is closed, or as good as that."""
        if self.conns.pop(conn.id, None) is None:
            return
        self._door.introduced(conn)
        self.catchup.lost(conn)
        self.farewell.note()
        for name in conn.rooms or ():
            self._drop_member(conn, name)
        if conn.released:
            log.info("%s disconnected", conn.peer)
        elif conn.hello is not None or conn.unanswered:
            self._forget_questions(conn)
            gone = Gone(conn.id, reason, conn.invited)
            self.leaving[conn.id] = (conn, gone)
            self.attachment.put(gone)
        else:
            log.info("%s disconnected before being introduced: %s", conn.peer, reason)

    def _forget_questions(self, conn: Conn) -> None:
        """Nobody waits for answers any more; what was said is kept until it is stored."""
        for rid in conn.asked or ():
            if type(self.pending[rid].request) not in SAID:
                del self.pending[rid]

    def dropped(self, conn: Conn, reason: str) -> None:
        """A connection is about to be cut off, for a reason that need not last."""
        log.info("%s cut off: %s", conn.peer, reason)
        conn.invited = conn.returns
        self.lost(conn, reason)

    def _farewell(self, conn: Conn, event: native.Event) -> None:
        """Tell a client why, and close."""
        if conn.dialect is None:
            conn.dialect = self.choice.of(Speech.PLAIN)
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
            conn.returns = request.token is not None
            if request.token is None:
                request = msgspec.structs.replace(request, token=secrets.token_urlsafe(16))
        self._do(conn, request)

    def _do(self, conn: Conn, request: native.Request, art: Art | None = None) -> None:
        self._rid += 1
        if conn.asked is None:
            conn.asked = set()
        conn.asked.add(self._rid)
        if type(request) in native.PAGED:
            conn.paging = True
        if type(request) in _ORIGINS:
            do = origin.asked(conn, self._rid, request)
            conn.proving = type(request) in accounts.PROVING
        else:
            do = Do(conn.id, self._rid, request, art)
        self.pending[self._rid] = do
        self.attachment.put(do)

    @property
    def newest_rid(self) -> int:
        """The number of the request that was handed on last."""
        return self._rid

    def ask(self, conn: Conn, request: native.Request) -> int:
        """Ask on behalf of ``conn``, which gets no answer by itself; return the request's number."""
        self._rid += 1
        do = self.pending[self._rid] = Do(conn.id, self._rid, request)
        self.attachment.put(do)
        return self._rid

    # --- down: events

    def hear_broker(self, frame: bytes) -> None:
        """Take a batch of events."""
        for event in decode_batch(frame, _down_decoder):
            try:
                self._down[type(event)](self, event)
            except Exception:  # the other events are other people's
                log.exception("an event could not be handed out")
        self._scattering.forget()
        self.output.flush()

    def answered(self, event: Answered) -> None:
        """A request has its answer."""
        do = self.pending.pop(event.rid, None)
        conn = self.conns.get(event.conn)
        if type(event.event) is native.Welcome and (conn is None or conn.released):
            # Said hello after its end: it must not stay as a ghost.
            self.attachment.put(Gone(event.conn, "connection closed"))
            return
        if conn is None or do is None:
            return
        if event.rid in self.catchup.asked:
            self.catchup.answered(do, event.event)
            return
        assert conn.asked is not None
        conn.asked.discard(event.rid)
        if type(do.request) in native.PAGED:
            conn.paging = False
        elif type(do.request) in accounts.PROVING:
            conn.proving = False
        self.farewell.note()
        answer = event.event
        match answer:
            case native.Ok() if isinstance(do.request, native.Send | native.Fun | native.Topic | native.Redact):
                pass  # the hot path; it may stand before what the room hears
            case native.Ok() if isinstance(do.request, native.Typing | native.Tag) and do.request.id is None:
                return  # nobody asked whether it was done
            case native.Welcome():
                answer = self._welcomed(conn, do, answer)
            case accounts.LoggedIn():
                self.output.hear_all()
                self._note_identity(conn, answer)
            case native.Ok():
                self.output.hear_all()
                _follow(conn, do.request, answer)
            case native.Error():
                self.output.hear_all()
                conn.refused(do.request, answer, event.rid)
            case _:
                self.output.hear_all()
        conn.reply(answer)
        if conn.todo:
            conn.pump()

    def _welcomed(self, conn: Conn, do: Do, welcome: native.Welcome) -> native.Welcome:
        assert isinstance(do.request, native.Hello)
        conn.hello = msgspec.structs.replace(do.request, nick=welcome.nick, color=welcome.color, id=None)
        conn.away = welcome.away
        conn.since = time.time_ns() // 1_000_000
        conn.inbox = welcome.inbox
        self.epoch = welcome.epoch
        self._door.introduced(conn)
        self.farewell.introduced(conn)
        return msgspec.structs.replace(welcome, fun=self.easel.commands)

    def _told(self, event: Told) -> None:
        conn = self.conns.get(event.conn)
        if conn is None:
            return
        self.output.hear_all()
        message = event.event
        if isinstance(message, native.Msg):
            logged, conn.inbox = Logged(native.INBOX, conn.inbox), message.seq
            own = event.by == conn.id
            if conn.dialect is not None:
                if own and not conn.dialect.echoes and message.kind != "fun":
                    return
                if not own and conn.dialect.picky and not conn.dialect.wants(message):
                    return
            if self.catchup.hears_inbox(conn):
                conn.reply(message, logged)
            return
        self._note_identity(conn, message)
        conn.reply(message)
        if conn.todo:  # what its dialect asks because of it
            conn.pump()

    def _note_identity(self, conn: Conn, event: native.Event) -> None:
        """Keep who ``conn`` is by a word of the broker's: a new broker is told so."""
        nick, inbox = None, None
        match event:
            case native.Renamed(room=native.INBOX):
                nick = event.nick
            case native.Changed(room=native.INBOX, who=who) if conn.hello is not None:
                conn.hello = msgspec.structs.replace(conn.hello, color=who.color, name=who.name)
                conn.away = who.away
            case accounts.LoggedIn() | accounts.LoggedOut():
                nick, inbox = event.nick, event.inbox
        if nick is not None:
            _called(conn, nick)
        if inbox is not None:
            conn.inbox = inbox
            self.catchup.parted(conn, native.INBOX)  # another one: nothing of the first is missing

    def _posted(self, event: Posted) -> None:
        room = self.rooms.get(event.msg.room)
        if room is not None:
            room.hear(event)
            self.output.note(room)

    def _announced(self, event: Announced) -> None:
        room = self.rooms.get(event.room)
        if room is None:
            return
        if isinstance(event.event, Retitled):
            self._retitle(room, event.event)
            return
        room.hear_of(event, self._scattering.before(event))
        self.output.note(room)
        if isinstance(event.event, native.Renamed):
            self._note_rename(room, event.event)

    def _note_rename(self, room: LocalRoom, renamed: native.Renamed) -> None:
        for conn in (*room.members.values(), *room.lagging.values()):
            if conn.hello is not None and conn.hello.nick == renamed.old:
                conn.hello = msgspec.structs.replace(conn.hello, nick=renamed.nick)

    def _retitle(self, room: LocalRoom, event: Retitled) -> None:
        """``room`` has another name from here on; each member is told alone, for its dialect goes by names of rooms."""
        old, name = room.name, event.name
        self.output.hear(old)
        del self.rooms[old]
        room.name = name
        self.rooms[name] = room
        for conn in (*room.members.values(), *room.lagging.values()):
            assert conn.rooms is not None
            conn.rooms.remove(old)
            conn.rooms.add(name)
            self.catchup.retitled(conn, old, name)
            conn.reply(event)
            if conn.todo:  # what its dialect asks because of it
                conn.pump()

    def _entered(self, event: Entered) -> None:
        self._scattering.forget()
        conn = self.conns.get(event.conn)
        if conn is None:
            return
        self.output.hear(event.room)
        room = self.rooms.get(event.room)
        if room is None:
            room = self.rooms[event.room] = LocalRoom(event.room)
        room.enter(conn, event.last)
        if conn.rooms is None:
            conn.rooms = set()
        conn.rooms.add(event.room)
        self.catchup.entered(conn, event.room)

    def hears_again(self, conn: Conn, name: str) -> None:
        """``conn`` lags no more in a room: from here on it hears what is live."""
        self.output.hear(name)
        room = self.rooms[name]
        room.lagging.pop(conn.id, None)
        room.members[conn.id] = conn

    def _parted(self, event: Parted) -> None:
        conn = self.conns.get(event.conn)
        if conn is not None and conn.rooms is not None and event.room in conn.rooms:
            conn.rooms.discard(event.room)
            self._drop_member(conn, event.room)
            self.catchup.parted(conn, event.room)

    def _drop_member(self, conn: Conn, name: str) -> None:
        self.output.hear(name)
        room = self.rooms.get(name)
        if room is not None:
            room.members.pop(conn.id, None)
            room.lagging.pop(conn.id, None)
            if not room.members and not room.lagging:
                del self.rooms[name]

    def _closed(self, event: Closed) -> None:
        self.leaving.pop(event.conn, None)
        self.farewell.note()
        conn = self.conns.get(event.conn)
        if conn is not None:
            self.output.hear_all()
            conn.released = True
            conn.finish()

    def _vouched(self, event: Vouched) -> None:
        conn = self.conns.get(event.conn)
        if conn is not None:
            conn.ticket = event.ticket

    _down: Final[dict[type, Callable[["Worker", Any], None]]] = {
        Answered: answered,
        Told: _told,
        Posted: _posted,
        Announced: _announced,
        Entered: _entered,
        Parted: _parted,
        Closed: _closed,
        Vouched: _vouched,
    }

    # --- time

    def need_tick(self) -> None:
        """Look at the time soon: somebody is new or stalled, or something is being drawn."""
        if self._tick is None:
            self._tick = self.loop.call_later(TICK_S, self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        now = self.now()
        for conn, due in self._door.due(now, self.settings):
            self._check_newcomer(conn, due)
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            for conn in list(self.stalled):
                conn.check_progress(now)
        self.easel.expire(now)
        self.output.flush()
        if self._door.waits or self.stalled or self.easel.busy:
            self.need_tick()

    def _check_newcomer(self, conn: Conn, due: Due) -> None:
        settings = self.settings
        if due is Due.GREET:
            if not conn.secure:  # else when its handshake is done
                self.greet(conn)
        elif not settings.limits:
            return
        elif due is Due.WHOLE:
            self._farewell(conn, _not_introduced(f"no nick within {settings.intro_whole:g} seconds"))
        elif conn.dialect is not None and conn.dialect.name in _PROGRAMS and not conn.unanswered:
            self._farewell(conn, _not_introduced(f"no hello within {settings.intro_first:g} seconds"))

    def greet(self, conn: Conn) -> None:
        """``conn`` has been silent for a while; say something first if nothing came."""
        if conn.dialect is not None or conn.closing or conn.knocks or self.encryption.begins_late(conn):
            return
        if (no := self.encryption.refusal(conn)) is not None:
            self._farewell(conn, no)
            return
        conn.dialect, conn.greeted = self.choice.of(Speech.PLAIN), True  # until it says otherwise
        conn.send(conn.dialect.greet())

    # --- the supervisor's word

    def obey(self) -> None:
        """Do what the control socket says."""
        try:
            messages = self.control.recv()
        except EOFError:
            self.loop.remove_reader(self.control.fileno())
            self.farewell.orphaned()
            return
        for message, fds in messages:
            match message:
                case Link(peer="broker"):
                    self.attachment.attach(fds)
                case Link(peer="sandbox"):
                    self.easel.link(fds)
                case Beat():
                    self.control.send(message)
                case Stop(text=text, retry=retry):
                    self.farewell.stop(text, retry)
                case Retire(text=text, spread=spread):
                    self.farewell.retire(text, spread)
                case Reload(settings=settings):
                    self._take_settings(settings)
                case Certificate(pem=pem):
                    self.encryption.take(pem)
                case _:
                    log.warning("unexpected control message %r", message)

    def accept_no_more(self) -> None:
        """Leave who comes now to the other workers that listen on the same port."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _take_settings(self, settings: Settings) -> None:
        """Go by these settings from now on; what is made with a connection, such as its dialect, keeps the old ones."""
        if settings.log_format != self.settings.log_format:
            logs.setup(settings.log_format)
        self.settings = self.choice.settings = settings


def _not_introduced(what: str) -> native.Error:
    return native.Error(code="not-introduced", text=f"{what}; connect again when you are ready")


def _called(conn: Conn, nick: str) -> None:
    """Keep the nick somebody has now."""
    if conn.hello is not None:
        conn.hello = msgspec.structs.replace(conn.hello, nick=nick)


def _follow(conn: Conn, request: native.Request, ok: native.Ok) -> None:
    """Keep what a new broker would have to be told of this connection."""
    if conn.hello is None:
        return
    if ok.nick is not None:
        _called(conn, ok.nick)
    match request:
        case native.Color(color=color):
            conn.hello = msgspec.structs.replace(conn.hello, color=color)
        case native.Rename(name=name):
            conn.hello = msgspec.structs.replace(conn.hello, name=name)
        case native.Away(text=text):
            conn.away = text


async def _serve(control: ControlSocket, sockets: list[socket.socket], settings: Settings, incarnation: int) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(loop, control, settings, incarnation)
    control.setblocking(True)
    loop.add_reader(control.fileno(), worker.obey)
    worker.attachment.await_broker()
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
