"""What a connection speaks, told by its first bytes: one port serves every kind of client. Pure."""

from enum import Enum, auto
from typing import Final


class Speech(Enum):
    """What a connection's first bytes say that it speaks."""

    TLS = auto()  # what is inside is told by its own first bytes
    NATIVE = auto()
    HTTP = auto()  # which WebSocket begins with
    CLASSIC = auto()
    IRC = auto()
    PLAIN = auto()


_METHODS: Final = (*(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE"), b"PRI")
_COMMANDS: Final = (b"NICK ", b"USER ", b"CAP ", b"PASS ", b"PING ", b"QUIT", b"AUTHENTICATE ")
_BEGINNINGS: Final[tuple[tuple[bytes, Speech], ...]] = (
    (b"\x16", Speech.TLS),
    (b"{", Speech.NATIVE),
    (b"CON,", Speech.CLASSIC),
    *((command, Speech.IRC) for command in _COMMANDS),
    *((method + b" ", Speech.HTTP) for method in _METHODS),  # PRI: HTTP/2 without asking whether it is spoken here
)


def sniff(first: bytes, *, whole: bool = False) -> Speech | None:
    """Return what a client speaks whose first bytes are ``first``; None: more of them are needed.

    ``whole``: no more will come. Whatever begins like nothing known is a person with `nc`.
    """
    for beginning, speech in _BEGINNINGS:
        if first.startswith(beginning):
            return speech
        if not whole and beginning.startswith(first):
            return None
    return Speech.PLAIN
