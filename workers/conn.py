"""One client's connection: its bytes, dialect, limits and send queue.

Requests wait in `todo`, in the order they came, while anything holds them back: the flood limit, a fun command being
drawn, too many unanswered ones, or a client that does not read what it is sent.

Output goes to the transport at the end of each turn. Once the system does not take it (`full`), it waits in `queue`,
whole lines, and nothing more is read from the client. Who leaves too much there, or takes nothing for too long, lags
(`workers.catchup`) if it can resume, else it is told why and closed.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from protocol import addresses, native
from protocol.accounts import PROVING
from protocol.ipc import ConnId
from protocol.native import Request
from workers import tcp
from workers.dialects import Become, Dialect, Effect, HangUp, Item, Peer, Wake
from workers.intake import exposed, prepare
from workers.origin import is_private
from workers.sendq import Logged, SendQueue
from workers.sniff import Speech, sniff
from workers.todo import Todo

if TYPE_CHECKING:
    from workers.catchup import Lag
    from workers.process import Worker

CLOSE_S: Final = 10.0  # a closed connection's patience with a client that does not read the last words
SLICE_BYTES: Final = 16 * 1024  # handled before looking again whether the connection goes on
ANSWERS: Final = 4  # times `sendq_hard` may wait in answers to its requests for one that lags


class Conn(asyncio.Protocol):
    """See the module. `worker` is the process's one `Worker`."""

    __slots__ = (
        "_abort_timer",
        "_knock",
        "_paused",
        "_progress",
        "_wake_timer",
        "asked",
        "away",
        "closing",
        "counted",
        "deaf",
        "dialect",
        "ended",
        "full",
        "greeted",
        "hello",
        "host",
        "id",
        "inbox",
        "invited",
        "lag",
        "opened",
        "out",
        "paging",
        "peer",
        "proving",
        "queue",
        "released",
        "rendering",
        "returns",
        "rooms",
        "since",
        "ticket",
        "todo",
        "transport",
        "worker",
    )

    def __init__(self, worker: "Worker") -> None:
        self.worker = worker
        self.id: ConnId = 0
        self.transport: asyncio.Transport | None = None
        self.dialect: Dialect | None = None
        self.host = ""
        self.peer = ""  # host:port, for the log
        self.hello: native.Hello | None = None  # as the broker accepted it; None: not introduced
        self.since = 0  # introduced, milliseconds since 1970, UTC
        self.away: str | None = None
        self.inbox = 0  # newest seq of the inbox that was written
        self.rooms: set[str] | None = None  # made when needed: most memory is idle connections
        self.opened = 0.0  # monotonic seconds
        self.todo: Todo | None = None  # made when needed
        self.asked: set[int] | None = None  # rids of the requests under way
        self.rendering = False
        self.paging = False  # a long answer is on its way; one at a time fits the send queue
        self.proving = False  # a password, say, is looked at; nothing else is asked meanwhile
        self.ticket = ""  # proves to a broker who is logged in here; empty: nobody
        self.greeted = False  # in prose, for it had said nothing; nor has it since
        self.released = False  # the broker has forgotten it
        self.ended = False  # the client will send no more
        self.deaf = False  # what it sends is not heard any more, and it will be told that it must say it again
        self.returns = False  # its client has a token of its own to come back with
        self.invited = False  # and was asked to come back at once
        self.closing = False
        self.full = False  # the socket does not take what is to be sent
        self.out: list[bytes] = []  # to be written at the end of this turn; empty while it is full
        self.queue: SendQueue | None = None  # what waits for a full socket
        self.counted = 0  # bytes of that and in the transport, as the worker's total has them
        self.lag: Lag | None = None  # where it must be replayed from; None: it hears everything
        self._progress: tcp.Progress | None = None  # of a full socket
        self._knock = b""  # its first bytes, too few to tell what it speaks
        self._abort_timer: asyncio.TimerHandle | None = None  # runs while it is being closed
        self._wake_timer: asyncio.TimerHandle | None = None  # the dialect's own
        self._paused = False

    @property
    def secure(self) -> bool:
        """Whether it speaks through TLS."""
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    @property
    def certfp(self) -> str:
        """SHA-256, in hex, of the certificate that the client has shown in TLS; empty: none."""
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        return "" if tls is None else str(tls.certfp)

    @property
    def knocks(self) -> bool:
        """Whether it has said something, too little to tell what it speaks; no person's line comes in parts."""
        return bool(self._knock)

    @property
    def unanswered(self) -> int:
        return len(self.asked) if self.asked else 0

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the class
        self.transport = transport
        peer = transport.get_extra_info("peername") or ("?", 0)
        self.host = peer[0]
        self.peer = addresses.show(peer[0], peer[1])
        transport.set_write_buffer_limits(high=0)  # the system takes `sendq_soft`; what is left over is ours to count
        self.worker.opened(self)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            if self.closing or self.deaf:
                return
            part = data[start : start + SLICE_BYTES]
            if self.dialect is None or self.greeted:
                part = self._knock + part
                if (speech := sniff(part)) is None:
                    self._knock = part
                    return
                if speech is Speech.TLS:
                    self.dialect, self.greeted, self._knock = None, False, b""
                    self.worker.encryption.begin(self, part + data[start + SLICE_BYTES :])
                    return
                if not self._understand(speech):
                    return
            assert self.dialect is not None
            self._take(self.dialect.feed(part))

    def _understand(self, speech: Speech) -> bool:
        """Take up its dialect; return whether it may go on in it."""
        self.greeted, self._knock = False, b""
        self.dialect = self.worker.choice.of(speech, self._whom())
        if speech is Speech.CLASSIC:
            from workers.pacing import paced  # with its dialect, which few need

            self.transport = paced(self)
        if (no := self.worker.encryption.refusal(self)) is not None:
            self.reply(no)
            self.finish()
        return no is None

    def _whom(self) -> Peer:
        return Peer(self.secure, addresses.is_loopback(self.host), bool(self.certfp))

    def eof_received(self) -> bool:
        first = self._knock
        if first and not self.closing:
            self._understand(sniff(first, whole=True) or Speech.PLAIN)
        if self.closing or self.dialect is None:
            return False
        self.ended = True
        self._take([*self.dialect.feed(first), *self.dialect.end()])
        # What was asked is answered first; the answer to Quit closes.
        stays = bool(self.hello is not None or self.unanswered or self.todo)
        if not stays:
            self.flush()
        return stays

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        for timer in (self._abort_timer, self._wake_timer):
            if timer is not None:
                timer.cancel()
        if self.todo is not None:
            self.todo.close()
        self._discard()
        self.worker.closed(self, "connection closed" if exc is None else "connection lost")

    def pause_writing(self) -> None:
        if self.transport is None:
            return
        self.full = True
        if self.queue is None or self._progress is None:
            self.queue, self._progress = SendQueue(), tcp.Progress()
        self._progress.begin(self.transport, self.worker.now())
        self.worker.stalled.add(self)
        self.worker.need_tick()
        self.count()
        self._regulate()

    def resume_writing(self) -> None:
        self.full = False
        queue = self.queue
        while queue and queue.size and not self.full and not self.closing:  # writing may find it full again
            self._write(queue.take(self.worker.settings.sendq_soft))
        if self.full:
            return
        self.worker.stalled.discard(self)
        self.count()
        self.pump()
        self.worker.catchup.drained(self)

    # --- requests

    def _take(self, items: Sequence[Item]) -> None:
        """Take what the dialect found; bytes are replies of its own."""
        for item in items:
            if isinstance(item, bytes):
                self._reply_at_once(item)
            elif isinstance(item, Effect):
                self._obey(item)
            else:
                self._receive(item)
        self.pump()

    def _obey(self, effect: Effect) -> None:
        """Do what the dialect wants of its connection."""
        match effect:
            case HangUp():
                self.hang_up()
            case Become(dialect=dialect, words=words):
                self.send(words)
                self.dialect = dialect
            case Wake():
                self._wake_later(effect)

    def _wake_later(self, wake: Wake) -> None:
        if self._wake_timer is not None:
            self._wake_timer.cancel()
        self._wake_timer = self.worker.loop.call_later(wake.after, self._wake, wake)

    def _wake(self, wake: Wake) -> None:
        self._wake_timer = None
        if self.full or self._paused:
            self._wake_later(wake)
        elif not self.closing and not self.deaf:
            for item in wake.then():
                self._follow(item)
            self.pump()

    def _follow(self, item: Item) -> None:
        """Take what the dialect does by itself: its words cost the client nothing."""
        if isinstance(item, bytes):
            self.send(item)
        elif isinstance(item, Effect):
            self._obey(item)
        else:
            self._receive(item)

    def _reply_at_once(self, line: bytes) -> None:
        """Send what the dialect says by itself. It costs a line: nonsense must not keep a worker busier than sense."""
        self.send(line)
        if line and not self.closing and self._asking().charge():
            text = "too many lines that ask for nothing the server has; connect again and slow down"
            self.reply(native.Error(code="flood", text=text))
            self.finish()

    def _receive(self, request: Request) -> None:
        checked = prepare(request, self.worker.settings)
        if isinstance(checked, native.Error):
            self.reply(checked)
        elif type(checked) in PROVING and not is_private(self) and (no := exposed(checked)) is not None:
            self.reply(no)
        else:
            self._asking().add(checked)

    def _asking(self) -> Todo:
        if self.todo is None:
            self.todo = Todo(self)
        return self.todo

    def refused(self, request: Request, error: native.Error, after: float | None = None) -> None:
        """See `Todo.refused`."""
        self._asking().refused(request, error, after)

    def pump(self) -> None:
        """Hand on the requests that nothing holds back."""
        if self.todo is not None:
            self.todo.pump()
        self._regulate()

    def hand_on(self, request: Request) -> None:
        """It is the turn of ``request``."""
        if type(request) is native.Hello and self.hello is not None:
            text = "already introduced; use nick to take another one"
            self.reply(native.Error(id=request.id, code="bad-request", text=text))
        else:
            self.worker.submit(self, request)

    def _regulate(self) -> None:
        """Read from the client only while it reads, and what it asks can be taken."""
        crowded = self.full or (self.todo is not None and self.todo.crowded)
        if crowded != self._paused and self.transport is not None and not self.closing and not self.ended:
            self._paused = crowded
            if crowded:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    @property
    def holds_back(self) -> bool:
        """Whether requests must wait, whatever they are."""
        return (
            self.rendering
            or self.proving
            or self.full
            or self.closing
            or self.unanswered >= self.worker.settings.max_unanswered
        )

    def must_wait(self, request: Request) -> bool:
        """Whether ``request`` must wait for answers that are under way."""
        if type(request) in native.PAGED:
            return self.paging
        return type(request) is native.Fun and self.hello is None and self.unanswered > 0  # the nick is not known

    # --- output

    def reply(self, event: native.Event, logged: Logged | None = None) -> None:
        """Tell this client alone; ``logged`` if the log has it."""
        if self.dialect is not None:
            self.send(self.dialect.receive(event), logged)
            for item in self.dialect.follow_up():
                self._follow(item)

    def send(self, lines: bytes, logged: Logged | None = None) -> None:
        """Add whole lines to what is written at the end of this turn; ``logged`` if the log has them too."""
        if not lines or self.closing:
            return
        if not self.out:
            if self.full:
                self._hold(lines, logged)
                return
            self.worker.output.touch(self)
        self.out.append(lines)

    def flush(self) -> None:
        """Write what was gathered, in one go."""
        out = self.out
        if not out or self.transport is None:
            return
        if self.closing:  # the transport may be closed too
            out.clear()
            return
        lines = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._write(lines)

    def _write(self, lines: bytes) -> None:
        assert self.transport is not None
        if self._progress is not None:
            self._progress.added += len(lines)  # before writing, which may find it full and start to count anew
        self.transport.write(lines)

    def _hold(self, lines: bytes, logged: Logged | None) -> None:
        assert self.queue is not None
        self.queue.add(lines, logged)
        self.counted += len(lines)
        self.worker.queued += len(lines)
        settings = self.worker.settings
        if self.counted > settings.sendq_hard or self.worker.queued > settings.sendq_total:
            self.worker.output.swell(self)

    # --- a client that does not read

    def count(self) -> None:
        """Measure what waits for this client, for the worker's total."""
        waiting = 0
        if self.full and self.transport is not None and self.queue is not None:
            waiting = self.queue.size + self.transport.get_write_buffer_size()
        self.worker.queued += waiting - self.counted
        self.counted = waiting

    def check_size(self) -> None:
        """Do what is due when too much waits."""
        hard = self.worker.settings.sendq_hard
        self.count()
        if self.counted > hard:
            self.relieve(f"more than {hard // 1024} KiB were waiting")
            if self.counted > ANSWERS * hard and not self.closing:
                self.drop(f"{self.counted // 1024} KiB of answers to what it asked were waiting for it")

    def check_progress(self, now: float) -> None:
        """Do what is due when nothing is taken. To be asked again and again while the socket is full."""
        if self.closing or not self.full or self.transport is None or self._progress is None:
            return
        still, settings = self._progress.look(self.transport, now), self.worker.settings
        self.count()
        if self.lag is None and still > settings.sendq_stall:
            self.relieve(f"nothing of what was sent was read for {settings.sendq_stall:g} seconds")
        elif still > settings.lag_limit:
            self.drop(f"it read nothing for {settings.lag_limit:g} seconds")

    def relieve(self, reason: str) -> None:
        """Free what waits for this client: it lags if it can resume, else it is closed.

        Must not run while a room is being told something.
        """
        if self.closing:
            return
        if self.hello is None or self.dialect is None or not self.dialect.resumes:
            self.cut_short(reason)
        else:
            self.worker.catchup.free(self, reason)
            self.count()

    def cut_short(self, reason: str) -> None:
        """Close after what is on the way already and the reason, without what waits."""
        if self.transport is None or self.closing:
            return
        if self.queue is not None:
            self.queue.clear()
        self.worker.dropped(self, reason)
        if self.dialect is not None:
            text = f"you read too slowly: {reason}; come back when you can read on"
            last = self.dialect.receive(native.Error(code="too-slow", text=text))
            self.transport.write(last + self.dialect.last_words())
        self._close()

    def drop(self, reason: str) -> None:
        """Close at once, without waiting for what is not written."""
        if self.transport is not None:
            self.worker.dropped(self, reason)
            self.closing = True
            self.transport.abort()
            self._discard()

    def fail(self, reason: str) -> None:
        """What is below cannot go on, so nothing can be said any more: close."""
        if self.transport is not None and not self.closing:
            self.worker.lost(self, reason)
            self._close()

    def writes_more(self, size: int) -> None:
        """The transport wrote ``size`` bytes beside those it was given: TLS has words of its own."""
        if self._progress is not None:
            self._progress.added += size

    def _discard(self) -> None:
        """Nothing waits for this client any more."""
        self.queue, self.full = None, False
        self.count()

    def finish(self) -> None:
        """Close when everything is written."""
        if self._write_all():
            self._close()

    def part(self) -> None:
        """Write everything and say no more; the client closes when it has read that. The caller limits the time."""
        if self._write_all() and self.transport is not None:
            self.count()
            self.closing = True
            self.transport.write_eof()

    def hang_up(self) -> None:
        """Say no more, and close when the client does; what it still sends must not break off what it is sent.

        A socket that is closed with something unread in it resets the connection, and the other side may throw away
        what it had not read yet (RFC 9112 §9.6).
        """
        if self.transport is not None and not self.closing:
            self.part()
            if self._paused:
                self.transport.resume_reading()
            self._abort_timer = self.worker.loop.call_later(CLOSE_S, self.transport.abort)

    def _write_all(self) -> bool:
        """Write what there is; return whether the connection still stands."""
        if self.transport is None or self.closing:
            return False
        self.flush()
        if self.queue is not None and self.queue.size:
            self._write(self.queue.take(self.queue.size))
        if self.dialect is not None and (last := self.dialect.last_words()):
            self._write(last)
        return True

    def _close(self) -> None:
        assert self.transport is not None
        self.count()
        self.closing = True
        self.transport.close()
        self._abort_timer = self.worker.loop.call_later(CLOSE_S, self.transport.abort)  # else who reads nothing stays
