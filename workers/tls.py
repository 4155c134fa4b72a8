"""TLS between a connection's socket and its dialect, sans-IO: ciphertext in, plaintext out, and the other way.

Owns what OpenSSL keeps of one connection, and how its context is made. Knows no sockets, clocks or dialects. Python's
own `ssl` will not do for it: it takes a client's certificate only from an authority it knows, and those people show
here (SASL EXTERNAL) they made themselves.
"""

import contextlib
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL

from protocol.pins import pin_of

RECORD: Final = 16 * 1024  # bytes of plaintext in one record, at most (RFC 8446 §5.1)
CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all of this kind
_TAKEN: Final = 64 * 1024  # bytes fetched from OpenSSL at once
_NO_CERTIFICATE: Final = frozenset(
    {b"http/1.1", b"h2"}
)  # who offers these is a browser, and would ask its user for one


class BadCertificate(ValueError):
    """Certificates and key make no sense, or do not belong together."""


def make_context(pem: str) -> SSL.Context:
    """Return the context of a server with the certificates and the private key in ``pem``. Raises BadCertificate."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    # A client that comes back meets any of the workers, and none knows the sessions of the others.
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)  # whose key it is, is all that it is to prove
    context.set_session_id(b"moot")
    context.set_alpn_select_callback(_choose_protocol)
    try:
        own, *others = x509.load_pem_x509_certificates(pem.encode())
        context.use_certificate(own)
        for certificate in others:
            context.add_extra_chain_cert(certificate)
        key = load_pem_private_key(pem.encode(), None)
        context.use_privatekey(key)  # type: ignore[arg-type]  # of whatever kind; OpenSSL says which it cannot use
        context.check_privatekey()
    except (ValueError, TypeError, SSL.Error) as error:
        raise BadCertificate(_reason(error) if isinstance(error, SSL.Error) else str(error)) from error
    return context


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Take no part in ALPN (RFC 7301), but for asking browsers for no certificate."""
    if _NO_CERTIFICATE.intersection(offered):
        connection.set_verify(SSL.VERIFY_NONE)
    return SSL.NO_OVERLAPPING_PROTOCOLS


class Tls:
    """The server's side of one connection. A peer's mistake is a value, `failure`: nothing here raises."""

    __slots__ = ("_connection", "ended", "established", "failure")

    def __init__(self, context: SSL.Context) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self.established = False  # the handshake is done
        self.ended = False  # the peer said that it will send no more
        self.failure = ""  # why this connection cannot go on

    @property
    def version(self) -> str:
        """The protocol as OpenSSL names it: "TLSv1.3"."""
        return self._connection.get_protocol_version_name()

    @property
    def pin(self) -> str:
        """Of the key that was shown to the client, see `protocol.pins`."""
        shown = self._connection.get_certificate(as_cryptography=True)
        return "" if shown is None else pin_of(shown.public_bytes(Encoding.DER))

    @property
    def certfp(self) -> str:
        """SHA-256, in hex, of the certificate that the client has shown, whose key it has; empty: none."""
        certificate = self._connection.get_peer_certificate() if self.established else None
        # `cryptography` raises for some certificates that OpenSSL takes, such as one of an unknown version.
        return "" if certificate is None else certificate.digest("sha256").replace(b":", b"").decode().lower()

    def feed(self, data: bytes) -> bytes:
        """Return the plaintext that ``data`` completes. Afterwards `replies` may have something to be written."""
        if self.failure or self.ended or not data:
            return b""
        found: list[bytes] = []
        try:
            self._connection.bio_write(data)
            if not self.established:
                self._connection.do_handshake()
                self.established = True
            while True:
                found.append(self._connection.recv(RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.ended = True
        except SSL.Error as error:
            what = "broken TLS" if self.established else "no TLS handshake"
            self.failure = f"{what}: {_reason(error)}"
        return found[0] if len(found) == 1 else b"".join(found)

    def replies(self) -> bytes:
        """Return what TLS itself has to say to the peer: its part of the handshake, an alert, a new key."""
        replies = b""
        with contextlib.suppress(SSL.WantReadError):  # there is no more
            while True:
                replies += self._connection.bio_read(_TAKEN)
        return replies

    def seal(self, plain: bytes) -> bytes:
        """Return the records of ``plain``, after `replies`; nothing before the handshake or after the end."""
        if not self.established or self.failure:
            return self.replies()
        sealed: list[bytes] = []
        try:
            for start in range(0, len(plain), RECORD):  # one at a time: OpenSSL's buffer never shrinks again
                self._connection.send(plain[start : start + RECORD])
                sealed.append(self._connection.bio_read(_TAKEN))
        except SSL.Error as error:  # after `close`
            self.failure = f"broken TLS: {_reason(error)}"
        return sealed[0] if len(sealed) == 1 else b"".join(sealed)

    def close(self) -> bytes:
        """Return the last words: that we will send no more, so that nobody can cut the end off unnoticed."""
        if self.established and not self.failure:
            with contextlib.suppress(SSL.Error):  # it would like to read the peer's too
                self._connection.shutdown()
        return self.replies()


def _reason(error: SSL.Error) -> str:
    """Return what OpenSSL found wrong, in lower case words."""
    found = error.args[0] if error.args else ()
    reason = found[0][-1] if isinstance(found, list) and found else ""
    return str(reason or "unknown error").lower()
