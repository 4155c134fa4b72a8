"""Clients that speak TLS, for tests: raw ones, that mind no certificate."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from protocol import native
from tests.server import LIMIT_S, Peer

T = TypeVar("T")


@contextlib.contextmanager
def closing() -> Iterator[Callable[[T], T]]:
    """Give out what closes, at the end of the block, whatever it is called with."""
    kept: list[Any] = []

    def keep(one: T) -> T:
        kept.append(one)
        return one

    yield keep
    for one in kept:
        one.close()


def any_certificate(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    return context


def dialled(port: int, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """Return a connection that stands."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    return (context or any_certificate()).wrap_socket(sock, server_hostname="127.0.0.1")


class TlsPeer(Peer):
    """A native connection through TLS."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        super().__init__(port)
        context = context or any_certificate()
        self.sock = self.tls = context.wrap_socket(self.sock, suppress_ragged_eofs=False)  # an end without one raises

    def shown(self) -> bytes:
        """Return the certificate that the server has shown."""
        return self.tls.getpeercert(binary_form=True) or b""

    def ended(self) -> bool:
        try:
            return super().ended()
        except ssl.SSLZeroReturnError:  # a goodbye that answers ours
            return True


class Sealed:
    """What a peer needs of a socket, over a TLS layer that reads only when it is asked to.

    `ssl.SSLSocket.unwrap` reads as well, and fails when the server has answered meanwhile.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = any_certificate().wrap_bio(self._incoming, self._outgoing)
        self._until_done(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._sock.sendall(self._outgoing.read())

    def recv(self, size: int) -> bytes:
        return self._until_done(lambda: self._tls.read(size))

    def half_close(self) -> None:
        """Say in TLS that nothing more will come, and go on reading."""
        with contextlib.suppress(ssl.SSLWantReadError):  # for the server's goodbye
            self._tls.unwrap()
        self._sock.sendall(self._outgoing.read())

    def close(self) -> None:
        self._sock.close()

    def _until_done(self, step: Callable[[], T]) -> T:
        while True:
            try:
                done = step()
                self._sock.sendall(self._outgoing.read())
                return done
            except ssl.SSLWantReadError:
                self._sock.sendall(self._outgoing.read())
            if data := self._sock.recv(1 << 16):
                self._incoming.write(data)
            else:
                self._incoming.write_eof()


class HalfPeer(TlsPeer):
    """A native connection through TLS that can close its half."""

    def __init__(self, port: int) -> None:
        Peer.__init__(self, port)
        self.sealed = Sealed(self.sock)
        self.sock = self.sealed  # type: ignore[assignment]  # has what a peer calls of it


def said(peer: Peer, text: str, number: int = 1) -> int:
    """Say something in #tea; return its seq."""
    ok = peer.ask(native.Send(cmid=f"{text[:20]}-{number}".replace(" ", "-"), to="#tea", text=text), native.Ok)
    assert ok.seq is not None
    return ok.seq
