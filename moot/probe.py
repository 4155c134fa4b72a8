"""Short questions to a server, over a plain blocking socket: is this moot, and who is there?"""

import os
import socket
from contextlib import suppress
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
        with socket.create_connection((host, port), PATIENCE) as sock, sock.makefile("rb") as lines:
            sock.sendall(native.encode(native.Hello(nick=me)) + native.encode(native.Who(id=2)))
            for line in lines:
                event = native.decode_event(line)
                if isinstance(event, native.People):
                    with suppress(OSError):
                        sock.sendall(native.encode(native.Quit()))
                    return [person.nick for person in event.people if person.nick not in (me, but)]
                if isinstance(event, native.Error | native.Bye):
                    return None
    except (OSError, *native.UNDECODABLE):
        pass
    return None
