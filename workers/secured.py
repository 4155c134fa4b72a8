"""TLS in a worker's event loop: a protocol to a socket's transport, a transport to its connection.

Owns the worker's certificate, who must use TLS, and the time that a handshake may take. What is spoken inside, and
what waits for a slow reader, is `workers.conn`'s business.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from protocol import addresses, native
from workers.over import Over

if TYPE_CHECKING:
    from OpenSSL import SSL

    from workers.conn import Conn
    from workers.process import Worker
    from workers.tls import Tls

log = logging.getLogger("moot.worker")

_SLICE: Final = 16 * 1024  # bytes handed to OpenSSL at once, whose buffer never shrinks again


class Encryption:
    """What a worker has for TLS, and whom it takes without."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._pem = ""  # comes just after the first start of a server, which makes its key last
        self._context: SSL.Context | None = None  # made for the first who speaks TLS
        self._making: asyncio.Task[None] | None = None
        self._early: dict[Conn, bytes] = {}  # who came before the context; not read from meanwhile

    def take(self, pem: str) -> None:
        """Use these certificates and key for new connections; those that stand keep what they have."""
        self._pem, self._context = pem, None
        if self._early:
            self._make()

    def _make(self) -> None:
        if self._making is None and self._pem:
            self._making = self._worker.loop.create_task(self._made())

    async def _made(self) -> None:
        """Make the context in a thread, for importing what OpenSSL needs takes 0.2 s, and have those begin who wait."""
        while self._context is None:
            pem = self._pem
            try:
                made = await asyncio.to_thread(_new_context, pem)
            except (OSError, ValueError, MemoryError) as error:  # the supervisor has tried it; too many open files, say
                log.error("TLS cannot be offered: %s", error)
                break
            self._context = made if pem == self._pem else None
        self._making = None
        early, self._early = self._early, {}
        for conn, data in early.items():
            if conn.transport is None or conn.closing:
                continue
            if self._context is None:
                conn.fail("no TLS handshake: no certificate")
                continue
            conn.transport.resume_reading()
            self.begin(conn, data)

    def begins_late(self, conn: "Conn") -> bool:
        """Whether ``conn`` waits for the certificate: it has spoken, and must hear nothing but TLS."""
        return conn in self._early

    def begin(self, conn: "Conn", data: bytes) -> None:
        """``conn`` speaks TLS, beginning with ``data``."""
        if conn.secure:
            conn.fail("TLS within TLS")
            return
        assert conn.transport is not None
        if self._context is None:
            conn.transport.pause_reading()
            self._early[conn] = data
            self._make()
            return
        from workers.tls import Tls  # loaded, for there is a context

        conn.transport = secured = Secured(conn, conn.transport, Tls(self._context))
        secured.data_received(data)

    def refusal(self, conn: "Conn") -> native.Error | None:
        """Return why ``conn`` must not go on, if it must not without TLS."""
        allowed = self._worker.settings.plaintext
        if allowed == "all" or conn.secure or (allowed == "local" and addresses.is_loopback(conn.host)):
            return None
        whom = "nobody may" if allowed == "none" else "only this machine's own programs may"
        text = f"this server wants TLS: {whom} connect without; use TLS on the same port, as `moot join` does by itself"
        return native.Error(code="tls-required", text=text)


def _new_context(pem: str) -> "SSL.Context":
    from workers.tls import make_context

    return make_context(pem)


class Secured(Over, asyncio.Protocol):
    """Takes the place of ``conn``'s transport; the socket's own one, ``raw``, talks to this from now on."""

    __slots__ = ("_conn", "_timer", "_tls")

    def __init__(self, conn: "Conn", raw: asyncio.Transport, tls: "Tls") -> None:
        super().__init__(raw)
        self._conn = conn
        self._tls = tls
        worker = conn.worker
        self._timer = worker.loop.call_later(worker.settings.tls_handshake, self._late)
        raw.set_protocol(self)

    # --- asyncio.Protocol, for the socket's transport

    def data_received(self, data: bytes) -> None:
        tls, conn = self._tls, self._conn
        for start in range(0, len(data), _SLICE):
            if conn.closing:
                return
            shaking = not tls.established
            plain = tls.feed(data[start : start + _SLICE])
            self._put(tls.replies())
            if shaking and tls.established:
                self._timer.cancel()
                self._timer = conn.worker.loop.call_later(conn.worker.settings.greet_after, self._greet)
            if plain:
                conn.data_received(plain)
            if tls.failure:
                conn.fail(tls.failure)
            elif tls.ended:
                if not conn.closing and not conn.eof_received():
                    self.close()
                return

    def eof_received(self) -> bool:
        """The socket ended. Without a goodbye before it, somebody may have cut off what the client still said."""
        if not self._tls.ended and not self._conn.closing:
            what = "broken TLS: no goodbye" if self._tls.established else "no TLS handshake: nothing more came"
            self._conn.fail(what)
        return self._tls.ended and not self._conn.closing

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._conn.connection_lost(exc)

    def pause_writing(self) -> None:
        self._conn.pause_writing()

    def resume_writing(self) -> None:
        self._conn.resume_writing()

    # --- asyncio.Transport, for the connection

    def write(self, data: Any) -> None:
        self._put(self._tls.seal(data), len(data))

    def write_eof(self) -> None:
        self._put(self._tls.close())
        self._raw.write_eof()

    def close(self) -> None:
        if not self._raw.is_closing():
            self._put(self._tls.close())
            self._raw.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls if name == "ssl_object" else super().get_extra_info(name, default)

    # --- ours

    def _put(self, sealed: bytes, counted: int = 0) -> None:
        """Write to the socket; ``counted`` bytes of it the connection has counted already."""
        self._conn.writes_more(len(sealed) - counted)
        if sealed:
            self._raw.write(sealed)

    def _late(self) -> None:
        seconds = self._conn.worker.settings.tls_handshake
        self._conn.fail(f"no TLS handshake within {seconds:g} seconds")

    def _greet(self) -> None:
        if not self._conn.closing:
            self._conn.worker.greet(self._conn)
