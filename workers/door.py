"""Who comes in: how many in all, how many from one address, and how long one may stay without a name.

Knows no sockets and sends nothing: it says what is due, and the worker does it.
"""

import resource
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from protocol import addresses, native
from protocol.settings import Settings
from workers.conn import Conn

SPARE: Final = 64  # descriptors a worker needs for itself, about: pipes, listening sockets, those it is handed


class Due(Enum):
    """What becomes of a newcomer with time."""

    GREET = auto()  # silent: a person with `nc`, who waits for the server to speak
    FIRST = auto()  # a program that has not said hello
    WHOLE = auto()  # anybody


class Door:
    """Newcomers stand in one queue for each time that can run out for them, oldest first, so that looking is cheap."""

    def __init__(self) -> None:
        self._newcomers: dict[Due, dict[Conn, None]] = {due: {} for due in Due}
        self._per_address: dict[str, int] = {}
        self._open = 0  # sockets, also of those who are being closed

    def opened(self, conn: Conn, settings: Settings, departing: int) -> native.Error | None:
        """Let ``conn`` in, or return why not. ``departing``: connections that are closed but not forgotten yet."""
        for queue in self._newcomers.values():
            queue[conn] = None
        self._open += 1
        counted = addresses.counted(conn.host)
        here = self._per_address[counted] = self._per_address.get(counted, 0) + 1
        most = settings.max_conns or open_files_allow()
        if self._open + departing > most:
            text = f"the server has {most} connections, the most it takes; try again later"
            return native.Error(code="too-many", text=text, wait=30.0)
        if settings.limits and here > settings.max_per_address and not addresses.is_loopback(conn.host):
            text = f"too many connections from your address; at most {settings.max_per_address} are allowed"
            return native.Error(code="too-many", text=text)
        return None

    def introduced(self, conn: Conn) -> None:
        """``conn`` has a name, or needs none any more."""
        for queue in self._newcomers.values():
            queue.pop(conn, None)

    def closed(self, conn: Conn) -> None:
        """The socket of ``conn`` is closed."""
        self.introduced(conn)
        self._open -= 1
        counted = addresses.counted(conn.host)
        self._per_address[counted] -= 1
        if not self._per_address[counted]:
            del self._per_address[counted]

    @property
    def waits(self) -> bool:
        """Whether there is anybody for whom a time runs."""
        return any(self._newcomers.values())

    def due(self, now: float, settings: Settings) -> Iterator[tuple[Conn, Due]]:
        """Give out whose time has come, each once. Stops at the first young one of each queue."""
        after = {Due.GREET: settings.greet_after, Due.FIRST: settings.intro_first, Due.WHOLE: settings.intro_whole}
        for due, queue in self._newcomers.items():
            while queue:
                conn = next(iter(queue))
                if now - conn.opened < after[due]:
                    break
                del queue[conn]
                yield conn, due


def open_files_allow() -> int:
    """Return how many connections the limit of open files leaves room for."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, soft - SPARE)
