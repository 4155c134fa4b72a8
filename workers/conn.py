"""One client's connection: its bytes, dialect, limits and send queue.

Requests wait in `todo`, in the order they came, while anything holds them back: the flood limit, a fun command being
drawn, too many unanswered ones, or a client that does not read what it is sent.
"""

import asyncio
import fcntl
import struct
import termios
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from protocol import addresses, native
from protocol.ipc import ConnId
from protocol.native import Request
from workers.dialects import Dialect
from workers.flood import Bucket, cost
from workers.intake import prepare

if TYPE_CHECKING:
    from workers.process import Worker

CLOSE_S: Final = 10.0  # a closed connection's patience with a client that does not read the last words
PAGED: Final = frozenset({native.History, native.Join})  # answered with a page of messages
SLICE_BYTES: Final = 16 * 1024  # handled before looking again whether the connection goes on
REFUSALS: Final = 100  # requests refused for flooding before reading rests
REST_S: Final = 1.0
MAX_TODO: Final = 64  # requests held back before reading from the client stops


class Conn(asyncio.Protocol):
    """See the module. `worker` is the process's one `Worker`."""

    __slots__ = (
        "_added",
        "_bucket",
        "_hellos",
        "_paused",
        "_pump_timer",
        "_refused",
        "_resting",
        "_stalled_at",
        "_unread",
        "away",
        "closing",
        "dialect",
        "ended",
        "full",
        "hello",
        "host",
        "id",
        "inbox",
        "opened",
        "out",
        "paging",
        "peer",
        "released",
        "rendering",
        "rooms",
        "since",
        "todo",
        "transport",
        "unanswered",
        "waiting_cost",
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
        self.todo: deque[tuple[Request, float]] | None = None  # with its price in lines
        self.waiting_cost = 0.0  # lines waiting in todo
        self.unanswered = 0
        self.rendering = False
        self.paging = False  # a page of messages is on its way; one at a time fits the send queue
        self.released = False  # the broker has forgotten it
        self.ended = False  # the client will send no more
        self.closing = False
        self.full = False  # the socket does not take what is to be sent
        self.out: list[bytes] = []  # to be written at the end of this turn
        self._stalled_at = 0.0  # last progress of a full send queue, monotonic seconds
        self._unread = 0  # bytes on their way when progress was last looked at
        self._added = 0  # bytes written since
        self._bucket: Bucket | None = None
        self._hellos = 0  # received
        self._pump_timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._refused = 0  # for flooding, since reading last rested
        self._resting = False

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the class
        self.transport = transport
        peer = transport.get_extra_info("peername") or ("?", 0)
        self.host = peer[0]
        self.peer = addresses.show(peer[0], peer[1])
        settings = self.worker.settings
        transport.set_write_buffer_limits(high=settings.sendq_soft, low=settings.sendq_soft // 2)
        self.worker.opened(self)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE_BYTES):
            if self.closing:
                return
            if self.dialect is None:
                self.dialect = self.worker.detect(data)
            self._take(self.dialect.feed(data[start : start + SLICE_BYTES]))

    def eof_received(self) -> bool:
        if self.closing or self.dialect is None:
            return False
        self.ended = True
        self._take(self.dialect.end())
        # What was asked is answered first; the answer to Quit closes.
        stays = bool(self.hello is not None or self.unanswered or self.todo)
        if not stays:
            self.flush()
        return stays

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        if self._pump_timer is not None:
            self._pump_timer.cancel()
        self.worker.lost(self, "connection closed" if exc is None else "connection lost")

    def pause_writing(self) -> None:
        self.full = True
        self._stalled_at = self.worker.now()
        self._unread, self._added = self._on_the_way(), 0
        self.worker.stalled.add(self)
        self.worker.need_tick()

    def resume_writing(self) -> None:
        self.full = False
        self.worker.stalled.discard(self)
        self.pump()

    # --- requests

    def _take(self, items: list[Request | bytes]) -> None:
        """Take what the dialect found; bytes are replies of its own."""
        for item in items:
            if isinstance(item, bytes):
                self._reply_at_once(item)
            else:
                self._receive(item)
        self.pump()

    def _reply_at_once(self, line: bytes) -> None:
        """Send what the dialect says by itself. It costs a line: nonsense must not keep a worker busier than sense."""
        self.send(line)
        settings = self.worker.settings
        if line and settings.limits and not self.closing:
            bucket, now = self._flood_bucket(), self.worker.now()
            bucket.take(1.0, now)
            if bucket.wait(1.0, now) > settings.flood_delay:
                text = "too many lines that ask for nothing the server has; connect again and slow down"
                self.reply(native.Error(code="flood", text=text))
                self.finish()

    def _receive(self, request: Request) -> None:
        checked = prepare(request, self.worker.settings)
        if isinstance(checked, native.Error):
            self.reply(checked)
            return
        if self.todo is None:
            self.todo = deque()
        price = cost(checked, self._hellos)
        self._hellos += type(checked) is native.Hello
        settings = self.worker.settings
        if settings.limits and price:
            wait = self._flood_bucket().wait(self.waiting_cost + price, self.worker.now())
            if wait > settings.flood_delay:
                text = f"too fast: {settings.flood_rate:g} lines a second are allowed; try again in {wait:.0f} seconds"
                self.reply(native.Error(id=checked.id, code="flood", text=text, wait=round(wait, 1)))
                self._count_refusal()
                return
            self.waiting_cost += price
        self.todo.append((checked, price))

    def _count_refusal(self) -> None:
        """Rest from reading one who sends on and on in spite of refusals, so that the worker has time for others."""
        self._refused += 1
        if self._refused >= REFUSALS and not self._resting:
            self._resting = True
            self.worker.loop.call_later(REST_S, self._rested)

    def _rested(self) -> None:
        self._resting, self._refused = False, 0
        self.pump()

    def _flood_bucket(self) -> Bucket:
        if self._bucket is None:
            settings = self.worker.settings
            self._bucket = Bucket(settings.flood_burst, settings.flood_rate, self.worker.now())
        return self._bucket

    def pump(self) -> None:
        """Hand on the requests that nothing holds back."""
        settings = self.worker.settings
        while self.todo and not self._held():
            request, price = self.todo[0]
            if self._must_wait(request):
                break
            if settings.limits and price:
                bucket, now = self._flood_bucket(), self.worker.now()
                wait = bucket.wait(price, now)
                if wait > 0:
                    self._pump_later(wait)
                    break
                bucket.take(price, now)
                self.waiting_cost -= price
            self.todo.popleft()
            if type(request) is native.Hello and self.hello is not None:
                text = "already introduced; use nick to take another one"
                self.reply(native.Error(id=request.id, code="bad-request", text=text))
            else:
                self.worker.submit(self, request)
        crowded = self._resting or (self.todo is not None and len(self.todo) >= MAX_TODO)
        if crowded != self._paused and self.transport is not None and not self.closing and not self.ended:
            self._paused = crowded
            if crowded:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _held(self) -> bool:
        return self.rendering or self.full or self.closing or self.unanswered >= self.worker.settings.max_unanswered

    def _must_wait(self, request: Request) -> bool:
        if type(request) in PAGED:
            return self.paging
        return type(request) is native.Fun and self.hello is None and self.unanswered > 0  # the nick is not known

    def _pump_later(self, wait: float) -> None:
        if self._pump_timer is None:
            self._pump_timer = self.worker.loop.call_later(wait, self._pump_now)

    def _pump_now(self) -> None:
        self._pump_timer = None
        self.pump()

    # --- output

    def reply(self, event: native.Event) -> None:
        """Tell this client alone."""
        if self.dialect is not None:
            self.send(self.dialect.receive(event))
            for request in self.dialect.follow_up():
                self._receive(request)

    def send(self, line: bytes) -> None:
        """Add bytes to what is written at the end of this turn."""
        if not line or self.closing:
            return
        if not self.out:
            self.worker.touch(self)
        self.out.append(line)

    def flush(self) -> None:
        """Write what was gathered, in one go."""
        out = self.out
        if not out or self.transport is None:
            return
        if self.closing:  # the transport may be closed too
            out.clear()
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._added += len(data)  # before writing, which may find the queue full and start to count anew
        self.transport.write(data)
        if self.full and self.transport.get_write_buffer_size() > self.worker.settings.sendq_hard:
            self.drop(
                f"you read too slowly: more than {self.worker.settings.sendq_hard // 1024} KiB were waiting for you"
            )

    def stalled_for(self, now: float) -> float:
        """Return for how many seconds the send queue has been full and nothing of it was taken.

        Looks at what was taken since the last call, so it must be asked again and again while the queue is full.
        """
        if not self.full:
            return 0.0
        unread = self._on_the_way()
        if self._unread + self._added > unread:
            self._stalled_at = now
        self._unread, self._added = unread, 0
        return now - self._stalled_at

    def _on_the_way(self) -> int:
        """Return the bytes that the other side's system has not confirmed.

        Those in the kernel count, for it asks for more only when a third of its megabytes is free: of a slow reader
        the transport's own buffer sees nothing for half a minute.
        """
        if self.transport is None:
            return 0
        waiting = self.transport.get_write_buffer_size()
        try:
            fd = self.transport.get_extra_info("socket").fileno()
            (kernel,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
        except (OSError, ValueError):  # a system that does not tell, or a socket that is closed
            return waiting
        return waiting + int(kernel)

    def drop(self, reason: str) -> None:
        """Close at once, without waiting for what is not written."""
        if self.transport is not None:
            self.worker.dropped(self, reason)
            self.closing = True
            self.transport.abort()

    def finish(self) -> None:
        """Close when everything is written."""
        if self.transport is not None and not self.closing:
            self.flush()
        if self.transport is not None and not self.closing:  # flushing may have dropped it
            self.closing = True
            self.transport.close()
            self.worker.loop.call_later(CLOSE_S, self.transport.abort)  # one who does not read would stay for ever
