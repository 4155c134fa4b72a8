"""Short questions to a server, over a plain blocking socket: is this moot, and who is there?"""

import contextlib
import os
import socket
from typing import Final

from protocol import native

PATIENCE: Final = 2.0  # seconds for a whole question


def is_moot(host: str, port: int) -> bool:
    """Say whether a moot server answers at ``host``; nobody there notices."""
    # A ping before hello is refused, and being refused in the native format is answer enough.
    try:
        with socket.create_connection((host, port), PATIENCE) as sock:
            sock.sendall(native.encode(native.Ping(id=1)))
            with sock.makefile("rb") as lines:
                native.decode_event(lines.readline(65536))
    except (OSError, *native.UNDECODABLE):
        return False
    return True


def is_open(host: str, port: int) -> bool:
    """Say whether anything at all accepts connections at ``host``."""
    try:
        with socket.create_connection((host, port), PATIENCE):
            return True
    except OSError:
        return False


def others_online(host: str, port: int, but: str) -> list[str] | None:
    """Return the nicks of those on the server, without ``but``; None when it does not say."""
    me = f"leaving-{os.getpid()}"
    try:
        answer = _who(host, port, me)
        if isinstance(answer, native.Error) and answer.code == "tls-required":
            answer = _who(host, port, me, secure=True)
    except (OSError, *native.UNDECODABLE):
        return None
    if not isinstance(answer, native.People):
        return None
    return [person.nick for person in answer.people if person.nick not in (me, but)]


def _who(host: str, port: int, me: str, *, secure: bool = False) -> native.Event | None:
    """Ask who is there; return the answer, or why there is none. Raises OSError, `native.UNDECODABLE`."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection((host, port), PATIENCE))
        if secure:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing secret is said or believed
            sock = stack.enter_context(context.wrap_socket(sock))
        lines = stack.enter_context(sock.makefile("rb"))
        sock.sendall(native.encode(native.Hello(nick=me)) + native.encode(native.Who(id=2)))
        for line in lines:
            event = native.decode_event(line)
            if isinstance(event, native.People | native.Error | native.Bye):
                with contextlib.suppress(OSError):
                    sock.sendall(native.encode(native.Quit()))
                return event
    return None
