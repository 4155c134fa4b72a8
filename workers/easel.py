"""Fun commands on their way to the sandbox and back: who waits for which drawing. Draws nothing itself."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Final

import msgspec

from protocol import native
from protocol.ipc import Art, Catalogue, FromSandbox, Render, Rendered
from protocol.pipes import decode_batch
from workers.conn import Conn
from workers.link import PipeLink

log = logging.getLogger("moot.worker")

CATALOGUE_S: Final = 2.0  # a sandbox that takes longer to say what it can is not waited for
GONE_S: Final = 30.0  # without a sandbox: fun commands are refused for good instead of for the moment
LIMIT_S: Final = 2.0  # the sandbox keeps its own, far shorter limit; this is for when it is gone

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[FromSandbox]] = msgspec.msgpack.Decoder(list[FromSandbox])


class Easel:
    """See the module. ``drawn`` gets what is for the room; errors and private drawings go to the caller at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, drawn: Callable[[Conn, native.Fun, Art], None]) -> None:
        self.commands: list[native.FunCommand] = []
        self._known = asyncio.Event()  # the sandbox has said which commands there are
        self._loop = loop
        self._drawn = drawn
        self._link: PipeLink | None = None
        self._lost_at = loop.time()  # when there was a sandbox last
        self._waiting: dict[int, tuple[Conn, native.Fun, float]] = {}  # by rid, with the time to give up
        self._rid = 0
        self._rng = random.SystemRandom()

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def link(self, fds: list[int]) -> None:
        """Use a new sandbox; what the old one had not answered has failed."""
        if self._link is not None:
            self._link.close()
            self._lost()
        self._link = PipeLink(self._loop, fds, self._hear, self._lost)

    async def prepared(self) -> None:
        """Wait until the commands are known, for a welcome names them, or it takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATALOGUE_S):
                await self._known.wait()

    def draw(self, conn: Conn, request: native.Fun) -> None:
        """Have ``request`` drawn. The connection's later requests wait, so that order is kept."""
        if conn.hello is None:
            text = "say hello first: this connection has no nick yet"
            conn.reply(native.Error(id=request.id, code="not-introduced", text=text))
        elif self._link is None:
            self._refuse(conn, request)
        else:
            self._rid += 1
            conn.rendering = True
            self._waiting[self._rid] = (conn, request, self._loop.time() + LIMIT_S)
            render = Render(self._rid, request.line, self._rng.getrandbits(48), conn.hello.nick)
            self._link.put(_encoder.encode([render]))

    def _refuse(self, conn: Conn, request: native.Fun) -> None:
        """There is no sandbox. Another one comes soon; who has waited for it for long need not try again."""
        if self._loop.time() - self._lost_at > GONE_S:
            text = "fun commands do not work here at the moment; the server's host can see why in its log"
            conn.reply(native.Error(id=request.id, code="fun-failed", text=text))
            return
        text = "fun commands are being restarted; try again in a second"
        error = native.Error(id=request.id, code="fun-busy", text=text, wait=1.0)
        conn.reply(error)
        conn.refused(request, error)

    def expire(self, now: float) -> None:
        """Give up on what the sandbox did not answer."""
        while self._waiting:
            rid, (_conn, _request, limit) = next(iter(self._waiting.items()))  # the oldest
            if limit >= now:
                break
            self._finish(Rendered(rid, error="the fun command did not answer in time"))

    def _hear(self, frame: bytes) -> None:
        for message in decode_batch(frame, _decoder):
            if isinstance(message, Catalogue):
                self.commands = message.commands
                self._known.set()
            else:
                self._finish(message)

    def _lost(self) -> None:
        self._link = None
        self._lost_at = self._loop.time()
        for rid in list(self._waiting):
            self._finish(Rendered(rid, error="the fun command was interrupted; try again in a second"))

    def _finish(self, message: Rendered) -> None:
        waiting = self._waiting.pop(message.rid, None)
        if waiting is None:
            return
        conn, request, _limit = waiting
        conn.rendering = False
        if conn.closing:
            return
        art, todo = message.art, conn.todo
        if art is None:
            conn.reply(native.Error(id=request.id, code="fun-failed", text=message.error))
        elif art.private:
            conn.reply(native.Shown(id=request.id, text=art.text))
        elif todo is not None and (no := todo.out_of_order(request, came=False)) is not None:
            conn.reply(no)  # something before it was refused meanwhile
        else:
            self._drawn(conn, request, art)
        conn.pump()
