"""Where a request comes from: what the broker is told of a connection with a hello, and with what proves an account."""

from typing import TYPE_CHECKING

from protocol import addresses, native
from protocol.accounts import Sasl
from protocol.ipc import Do

if TYPE_CHECKING:
    from workers.conn import Conn


def asked(conn: "Conn", rid: int, request: native.Request) -> Do:
    """Return what asks for ``request`` with all that is known of where it comes from."""
    return Do(
        conn.id,
        rid,
        request,
        addr=conn.host,
        dialect=conn.dialect.name if conn.dialect is not None else "",
        returns=conn.returns,
        ticket=conn.ticket,
        secure=conn.secure,
        certfp=conn.certfp,
        pin=_pin(conn) if isinstance(request, Sasl) and request.mech == "ED25519" else "",
    )


def is_private(conn: "Conn") -> bool:
    """Tell whether nobody on the way can read what ``conn`` says: it speaks through TLS, or is on this machine."""
    return addresses.is_private(conn.host, secure=conn.secure)


def _pin(conn: "Conn") -> str:
    """Return the pin of the key that the client was shown in TLS; empty: it speaks without."""
    tls = conn.transport.get_extra_info("ssl_object") if conn.transport is not None else None
    return "" if tls is None else str(tls.pin)
