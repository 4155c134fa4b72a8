"""TLS between a connection's socket and its dialect, sans-IO: ciphertext in, plaintext out, and the other way.

Owns what OpenSSL keeps of one connection, and how its context is made. Knows no sockets, clocks or dialects.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from typing import Final

RECORD: Final = 16 * 1024  # bytes of plaintext in one record, at most (RFC 8446 §5.1)
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all of this kind


def make_context(pem: str) -> ssl.SSLContext:
    """Return the context of a server with the certificates and the private key in ``pem``.

    Raises `ssl.SSLError` when they make no sense, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # A client that comes back meets any of the workers, and none knows the tickets of the others.
    context.num_tickets = 0
    with _as_file(pem) as path:
        # With a password given, OpenSSL does not ask for one at the terminal.
        context.load_cert_chain(path, password="")
    return context


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give ``text`` a name for as long as the block runs: OpenSSL's Python interface reads keys from files alone."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("moot-certificate", os.MFD_CLOEXEC)
        with os.fdopen(fd, "wb") as memory:
            memory.write(text.encode())
            memory.flush()
            yield f"/proc/self/fd/{fd}"
        return
    with tempfile.NamedTemporaryFile("w") as file:  # readable for us alone
        file.write(text)
        file.flush()
        yield file.name


class Tls:
    """The server's side of one connection. A peer's mistake is a value, `failure`: nothing here raises."""

    __slots__ = ("_incoming", "_outgoing", "ended", "established", "failure", "object")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False  # the handshake is done
        self.ended = False  # the peer said that it will send no more
        self.failure = ""  # why this connection cannot go on

    def feed(self, data: bytes) -> bytes:
        """Return the plaintext that ``data`` completes. Afterwards `replies` may have something to be written."""
        if self.failure or self.ended:
            return b""
        found: list[bytes] = []
        try:
            self._incoming.write(data)
            if not self.established:
                self.object.do_handshake()
                self.established = True
            while plain := self.object.read(RECORD):
                found.append(plain)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            what = "broken TLS" if self.established else "no TLS handshake"
            self.failure = f"{what}: {_reason(error)}"
        return found[0] if len(found) == 1 else b"".join(found)

    def replies(self) -> bytes:
        """Return what TLS itself has to say to the peer: its part of the handshake, an alert, a new key."""
        return self._outgoing.read()

    def seal(self, plain: bytes) -> bytes:
        """Return the records of ``plain``, after `replies`; nothing before the handshake or after the end."""
        if not self.established or self.failure:
            return self.replies()
        sealed: list[bytes] = []
        try:
            for start in range(0, len(plain), RECORD):  # one at a time: OpenSSL's buffer never shrinks again
                self.object.write(plain[start : start + RECORD])
                sealed.append(self._outgoing.read())
        except ssl.SSLError as error:  # after `close`
            self.failure = f"broken TLS: {_reason(error)}"
        return sealed[0] if len(sealed) == 1 else b"".join(sealed)

    def close(self) -> bytes:
        """Return the last words: that we will send no more, so that nobody can cut the end off unnoticed."""
        if self.established and not self.failure:
            with contextlib.suppress(ssl.SSLError):  # it would like to read the peer's too
                self.object.unwrap()
        return self.replies()


def _reason(error: ssl.SSLError) -> str:
    """Return what OpenSSL found wrong, in lower case words."""
    return (error.reason or error.strerror or "unknown error").replace("_", " ").lower()
