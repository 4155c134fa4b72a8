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

    def half_close(self) -> None:
        """Say in TLS that nothing more will come, and go on reading."""
        try:
            self.tls.setblocking(False)
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        finally:
            self.tls.settimeout(LIMIT_S)

    def ended(self) -> bool:
        try:
            return super().ended()
        except ssl.SSLZeroReturnError:  # a goodbye that answers ours
            return True


def said(peer: Peer, text: str, number: int = 1) -> int:
    """Say something in #tea; return its seq."""
    ok = peer.ask(native.Send(cmid=f"{text[:20]}-{number}".replace(" ", "-"), to="#tea", text=text), native.Ok)
    assert ok.seq is not None
    return ok.seq
