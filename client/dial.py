"""Open a connection to a server: through TLS when it offers that, and to the server it was before.

Owns the order of the attempts and the TLS contexts; what is known of servers is `client.trust`'s.

| known of the server | taken |
|---|---|
| its key, from an invitation | that key |
| its key, from the first time | that key, or a certificate that is valid for the name |
| that its certificate is valid | a certificate that is valid for the name |
| nothing | a valid certificate; else any, whose key is remembered; else, when it answers without TLS, plain text |

So who was met with TLS once is never talked to without. Silence and broken connections are no answer.
"""

import asyncio
import ssl
from functools import cache
from typing import Final, NamedTuple

from client.address import Address
from client.trust import CA, Known
from protocol.pins import pin_of

SHUTDOWN_S: Final = 1.0  # for the other side's last words of TLS
# What OpenSSL finds when the answer to its first words is text: a record's head has the version 3 in it.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Line(NamedTuple):
    """A connection. ``said``: what people should know about it, mostly nothing."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    said: str = ""


class _NoTls(ConnectionError):
    """The other side answered, and not in TLS."""


async def dial(address: Address, known: Known) -> Line:
    """Connect. Raises OSError, `TimeoutError`, and `client.trust.Untrusted` when trying again is of no use."""
    expected = known.expected(address)
    if expected is None:
        return await _first_time(address, known)
    try:
        if expected == CA:
            return Line(*await _verified(address, known))
        return await _again(address, known, expected)
    except _NoTls:
        # So does a server that has no room for another connection: it says that before it knows what is spoken.
        text = "it answers without encryption, which it did not before; nothing was sent, and it may be full"
        raise ConnectionError(text) from None


async def _first_time(address: Address, known: Known) -> Line:
    local = known.is_loopback(address)
    try:
        if not local:
            try:
                line = Line(*await _open(address, _strict()))
            except ssl.SSLCertVerificationError:
                pass
            else:
                return line._replace(said=known.learn(address, CA))
        reader, writer = await _open(address, _lenient())
    except _NoTls:
        said = (
            "" if local else f"{address} has no encryption: others on the way can read along, and change what is said"
        )
        return Line(*await _open(address, None), said)
    pin = _pin(writer)
    said = known.learn(address, pin)
    if not said and not local:
        said = f"the first time at {address}: its key {pin} is remembered, and no other will be taken from now on"
    return Line(reader, writer, said)


async def _again(address: Address, known: Known, expected: str) -> Line:
    reader, writer = await _open(address, _lenient())
    pin = _pin(writer)
    if pin == expected:
        return Line(reader, writer, known.learn(address, pin))
    writer.transport.abort()
    error = known.changed(address, expected, pin)
    if known.is_loopback(address) or known.is_invited(address):
        raise error
    try:
        reader, writer = await _open(address, _strict())
    except ssl.SSLCertVerificationError:
        raise error from None
    return Line(reader, writer, known.learn(address, CA))


async def _verified(address: Address, known: Known) -> Streams:
    try:
        return await _open(address, _strict())
    except ssl.SSLCertVerificationError as error:
        raise known.invalid(address, error.verify_message) from None


async def _open(address: Address, context: ssl.SSLContext | None) -> Streams:
    """Connect once. Raises `_NoTls`, `ssl.SSLCertVerificationError`, other OSError."""
    host, port = address
    options: dict[str, object] = {}
    if context is not None:
        name = host.partition("%")[0].rstrip(".")  # without the zone of a link-local address
        options = {"ssl": context, "server_hostname": name, "ssl_shutdown_timeout": SHUTDOWN_S}
    if isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        options["happy_eyeballs_delay"] = 0.25  # uvloop tries one address after the other
    try:
        return await asyncio.open_connection(host, port, **options)  # type: ignore[arg-type]
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        if error.reason in _NO_TLS:
            raise _NoTls("no TLS") from None
        raise ConnectionError(f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}") from None
    except ConnectionError as error:
        if str(error):
            raise
        raise ConnectionError("it closed the connection before TLS had begun") from None


def pin_shown(writer: asyncio.StreamWriter) -> str:
    """Return the pin of the key that the server has shown; empty: none that makes sense."""
    tls = writer.get_extra_info("ssl_object")
    try:
        return "" if tls is None else pin_of(tls.getpeercert(binary_form=True) or b"")
    except ValueError:
        return ""


def _pin(writer: asyncio.StreamWriter) -> str:
    """Return the pin of the key that the server has shown."""
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    try:
        return pin_of(certificate or b"")
    except ValueError:
        writer.transport.abort()
        raise ConnectionError("TLS failed: the server's certificate makes no sense") from None


@cache
def _strict() -> ssl.SSLContext:
    """Takes certificates that are valid for the name."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@cache
def _lenient() -> ssl.SSLContext:
    """Takes any certificate: the key in it is looked at afterwards, before anything is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
