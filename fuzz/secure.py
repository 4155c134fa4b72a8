"""Targets that take what strangers send before they are trusted: TLS, certificates, invitations, the known keys."""

import contextlib
import ssl
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from OpenSSL import SSL

from client.address import Address
from client.trust import CA, Known, Untrusted
from fuzz.source import Source
from moot.certificate import make
from moot.invitation import SCHEME, parse_invitation
from protocol.pins import parse_pin, parts, pin_of
from workers.tls import Tls, make_context


@cache
def _context() -> SSL.Context:
    return make_context(make())


class _Client:
    """The other end of a connection that stands."""

    def __init__(self, server: Tls) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        while not server.established:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
            server.feed(self._outgoing.read())
            self._incoming.write(server.replies())

    def say(self, plain: bytes) -> bytes:
        self._tls.write(plain)
        return self._outgoing.read()


def handshake(data: bytes) -> None:
    """Whatever comes instead of a handshake: nothing raises, and nothing is heard or said."""
    source = Source(data)
    server = Tls(_context())
    for piece in source.pieces():
        assert server.feed(piece) == b""
        server.replies()
        assert server.seal(b"secret") == b""
    if server.failure:
        assert server.feed(b"more") == server.close() == b""


def records(data: bytes) -> None:
    """What a client said arrives whole however it is cut; what was changed on the way ends it, and is not heard."""
    source = Source(data)
    server = Tls(_context())
    client = _Client(server)
    said, heard = b"", b""
    for piece in source.pieces():
        if not piece:
            continue
        sealed = bytearray(client.say(piece))
        changed = source.byte() >= 192
        if changed:
            sealed[source.byte() % len(sealed)] ^= 1 + source.below(255)
        half = source.below(len(sealed))
        heard += server.feed(bytes(sealed[:half])) + server.feed(bytes(sealed[half:]))
        if changed:
            break
        said += piece
    assert said.startswith(heard) if server.failure else heard == said
    server.feed(source.payload)  # in the open: no record
    assert server.seal(b"") == server.replies() or server.failure or server.ended


def certificates(data: bytes) -> None:
    """Any bytes are a certificate with all its parts, or none."""
    try:
        found = parts(data)
    except ValueError:
        return
    assert all(part in data for part in found)
    assert parse_pin(pin_of(data)) == pin_of(data)


def invitations(data: bytes) -> None:
    """What is taken for an invitation is written and read the same again."""
    try:
        found = parse_invitation(SCHEME + data.decode("utf-8", "replace"))
    except ValueError:
        return
    assert parse_invitation(str(found)) == found


def known_servers(data: bytes) -> None:
    """Whatever the file of known servers has: a server is known, new, or refused, and forgetting makes it new."""
    address = Address("a.example", 6668)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "known_servers"
        path.write_bytes(data)
        known = Known(path)
        with contextlib.suppress(Untrusted):
            found = known.expected(address)
            assert found in (None, CA) or parse_pin(found) == found
        known.forget(address)
        assert known.expected(address) is None
