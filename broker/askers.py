"""Those who ask at the admin socket: the supervisor hands over their connections, and here they get their answers.

The broker answers them itself, so that its end is the end of their connections: nobody waits for a dead process, and
nobody keeps books of who waits. A socket never blocks; who does not read keeps one until others need its place.
"""

import contextlib
import selectors
import socket
from typing import Final

import msgspec

from protocol.ipc import Asked
from protocol.operator import Answer

MAX_WRITING: Final = 16  # connections whose answer is not out yet; the oldest goes for another


class Asker:
    """One who asks; one answer each."""

    def __init__(self, fd: int, asked: Asked) -> None:
        self.sock = socket.socket(fileno=fd)
        self.sock.setblocking(False)
        self.asked = asked
        self.rest = b""  # of the answer


class Askers:
    """All of them. ``selector``: calls `flush` with the `Asker` when a socket takes more."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._writing: list[Asker] = []
        self.waiting: list[Asker] = []  # in the order they asked

    def take(self, fd: int, asked: Asked) -> None:
        """Somebody asks; the descriptor is ours from here on."""
        self.waiting.append(Asker(fd, asked))

    def answer(self, asker: Asker, answer: Answer) -> None:
        asker.rest = msgspec.json.encode(answer) + b"\n"
        self._writing.append(asker)
        self._selector.register(asker.sock, selectors.EVENT_WRITE, asker)
        self.flush(asker)
        if len(self._writing) > MAX_WRITING:
            self._close(self._writing[0])

    def flush(self, asker: Asker) -> None:
        try:
            sent = asker.sock.send(asker.rest)
        except BlockingIOError:
            return
        except OSError:  # gone
            sent = len(asker.rest)
        asker.rest = asker.rest[sent:]
        if not asker.rest:
            self._close(asker)

    def close(self) -> None:
        """The broker ends, and with it who waits."""
        for asker in list(self._writing):
            self._close(asker)
        for asker in self.waiting:
            asker.sock.close()

    def _close(self, asker: Asker) -> None:
        self._writing.remove(asker)
        self._selector.unregister(asker.sock)
        with contextlib.suppress(OSError):
            asker.sock.close()
