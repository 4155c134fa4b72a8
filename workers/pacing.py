"""A transport for the first clients of the classic protocol, which take whatever they read at once for one message.

Takes what the dialect wrote, messages ended by newlines, and sends each without its newline, as a segment of its own,
some time after the one before. What waits for that counts as unsent output: above `sendq_soft` the connection is told
that the transport is full, as by a socket, and goes by its own limits. Knows no rooms and nobody's name.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from workers.dialects.classic import Classic
from workers.dialects.classic_codec import MAX_SENT
from workers.over import Over

if TYPE_CHECKING:
    from workers.conn import Conn

_SAID: Final = re.compile(rb"CHATR,[^,]*,")  # nothing in these parameters has a comma
_LATER_LINE: Final = re.compile(rb"CHATR,[^,]*;line=\d+,")
_LIST: Final = b"USER,"


def paced(conn: "Conn") -> asyncio.Transport:
    """Return the transport that ``conn`` is to use from now on."""
    assert conn.transport is not None
    gap_s = conn.worker.settings.classic_pacing / 1000
    dialect = conn.dialect
    if not gap_s or not isinstance(dialect, Classic):
        return conn.transport
    return Pacer(conn, conn.transport, gap_s, lambda: dialect.bare)


class Pacer(Over):
    """Takes the place of ``conn``'s transport and writes to that, ``raw``."""

    def __init__(self, conn: "Conn", raw: asyncio.Transport, gap_s: float, bare: Callable[[], bool]) -> None:
        """``bare`` tells whether the client is one of the first; it may turn out later that it is not."""
        super().__init__(raw)
        self._conn = conn
        self._gap_s = gap_s
        self._bare = bare
        self._loop = conn.worker.loop
        self._waiting: deque[bytes] = deque()  # messages, oldest first; `sendq_soft` bytes and what came at once
        self._size = 0  # bytes of that
        self._list: bytes | None = None  # the list of people that waits, if one does
        self._timer: asyncio.TimerHandle | None = None
        self._full = False  # the connection was told so
        self._begun = False  # something was written without newlines
        self._last: Callable[[], None] | None = None  # what closes, once nothing waits

    def write(self, data: Any) -> None:
        if not self._bare():
            if self._begun:
                self._release()
            self._raw.write(data)
            return
        self._begun = True
        for message in bytes(data).split(b"\n"):
            if message:
                self._add(message)
        if self._timer is None:
            self._send()
        if self._size > self._conn.worker.settings.sendq_soft:
            self._full = True
            if not self._conn.full:
                self._conn.pause_writing()

    def _add(self, message: bytes) -> None:
        waiting = self._waiting
        if waiting and (later := _LATER_LINE.match(message)) and self._append(message[later.end() :]):
            return
        if message.startswith(_LIST):  # one that waits is out of date: in a rush of newcomers each has such a list
            if self._list is not None:
                waiting.remove(self._list)
                self._size -= len(self._list)
            self._list = message
        waiting.append(message)
        self._size += len(message)

    def _append(self, line: bytes) -> bool:
        """Put a later line of one message below its first, as these clients' own messages have them, if it fits."""
        before = self._waiting[-1]
        head = _SAID.match(before)
        if head is None or len(before) + len(line) + 2 > MAX_SENT:
            return False
        if b"\n" not in before:  # they write the first line behind a dash; let all begin in one column
            before = head[0] + b"\n" + before[head.end() :]
        self._size += len(before) + 1 + len(line) - len(self._waiting[-1])
        self._waiting[-1] = before + b"\n" + line
        return True

    def _send(self) -> None:
        self._timer = None
        if self._raw.is_closing():
            self._waiting.clear()
            self._size = 0
            return
        if self._waiting:
            if not self._raw.get_write_buffer_size():  # else they would come as one
                message = self._waiting.popleft()
                self._size -= len(message)
                if message is self._list:
                    self._list = None
                self._raw.write(message)
            self._timer = self._loop.call_later(self._gap_s, self._send)
            if self._full and self._size <= self._conn.worker.settings.sendq_soft // 2:
                self._full = False
                self._conn.resume_writing()
        elif self._last is not None:
            self._last()

    def _release(self) -> None:
        """The client reads newlines after all: end what was sent and send what waits at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._begun = None, False
        self._raw.write(b"".join(b"\n" + message.replace(b"\n", b" / ") for message in self._waiting) + b"\n")
        self._waiting.clear()
        self._size, self._list = 0, None

    # --- asyncio.Transport, but for writing

    def get_write_buffer_size(self) -> int:
        return self._size + self._raw.get_write_buffer_size()

    def write_eof(self) -> None:
        self._end(self._raw.write_eof)

    def close(self) -> None:
        self._end(self._raw.close)

    def _end(self, last: Callable[[], None]) -> None:
        """Do ``last`` when everything is sent; the connection limits the time."""
        self._last = last
        if self._timer is None:
            last()
