"""What the system is told of a client's socket, and what it tells: dead peers, unsent bytes, progress.

Options are set on the listening sockets, whose connections inherit them, so that a connection costs no system call.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
from typing import Final

_PROBES: Final = 4  # unanswered ones before the system gives up
_KEEPIDLE: Final = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))  # macOS has the latter
_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", {"linux": 25, "darwin": 0x201}.get(sys.platform))
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux alone


def prepare(listener: socket.socket, dead_after: float, soft: int) -> None:
    """Have connections of ``listener`` end ``dead_after`` seconds after their peer's last sign of life.

    And have the system take no more than ``soft`` bytes it cannot send yet, instead of its usual megabytes: what a
    slow reader does not take must be seen here, where it is counted and may be freed.
    """
    idle, interval = max(1, round(dead_after / 2)), max(1, round(dead_after / 2 / _PROBES))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (_KEEPIDLE, idle),
        (getattr(socket, "TCP_KEEPINTVL", None), interval),
        (getattr(socket, "TCP_KEEPCNT", None), _PROBES),
        (_NOTSENT_LOWAT, soft),
        (_USER_TIMEOUT, round(dead_after * 1000)),
    ):
        if option is not None:
            with contextlib.suppress(OSError):  # an older system; then its own, longer times hold
                listener.setsockopt(socket.IPPROTO_TCP, option, value)


def allow_silence(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Let one peer leave what it is sent unread for so long.

    Linux counts a peer that answers "no room" as one that does not answer (tcp(7), TCP_USER_TIMEOUT).
    """
    if _USER_TIMEOUT is not None:
        with contextlib.suppress(OSError, AttributeError):  # closed meanwhile
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, round(seconds * 1000))


def unconfirmed(transport: asyncio.WriteTransport) -> int:
    """Return the bytes that were written and that the other side's system has not confirmed."""
    waiting = transport.get_write_buffer_size()
    try:
        fd = transport.get_extra_info("socket").fileno()
        (kernel,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    except (OSError, ValueError, AttributeError):  # a system that does not tell, or a socket that is closed
        return waiting
    return waiting + int(kernel)


class Progress:
    """Since when a full socket's peer has taken nothing. Times are monotonic seconds."""

    __slots__ = ("_unread", "added", "since")

    def __init__(self) -> None:
        self.added = 0  # bytes written since it was last looked at
        self.since = 0.0  # the last progress
        self._unread = 0

    def begin(self, transport: asyncio.WriteTransport, now: float) -> None:
        """The socket is full from now on."""
        self.since, self._unread, self.added = now, unconfirmed(transport), 0

    def look(self, transport: asyncio.WriteTransport, now: float) -> float:
        """Return for how many seconds nothing was taken. Sees what was taken since it last looked."""
        unread = unconfirmed(transport)
        if self._unread + self.added > unread:
            self.since = now
        self._unread, self.added = unread, 0
        return now - self.since
