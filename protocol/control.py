"""The control socket between the supervisor and a child: JSON lines, with descriptors riding along.

Rare messages only (links, heartbeats, stop), so both ends write blocking; a child that does not read is killed by the
supervisor's heartbeat long before 200 kB of them have gathered, unless it is hostile: then the patience ends.
"""

import os
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from protocol.ipc import Asked, Control, Link
from protocol.native import UNDECODABLE

_FDS: Final = {Link: 2, Asked: 1}  # that ride along
_MAX_LINE: Final = 64 * 1024
_MAX_FDS: Final = 64  # waiting for their messages

_decoder: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)


class ControlSocket:
    """One end. Owns the socket, a Unix stream socket."""

    def __init__(self, sock: socket.socket, patience_s: float | None = None) -> None:
        """``patience_s``: a peer that does not read for so long is given up; None waits for ever."""
        self._sock = sock
        if patience_s is not None:
            limit = struct.pack("@ll", int(patience_s), int(patience_s % 1 * 1e6))  # a struct timeval
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._rest = b""
        self._fds: deque[int] = deque()

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, message: Control, fds: tuple[int, ...] = ()) -> None:
        """Send one message. Raises `OSError` when the peer is gone or does not read."""
        line = msgspec.json.encode(message) + b"\n"
        try:
            if fds:
                socket.send_fds(self._sock, [line], list(fds))
            else:
                self._sock.sendall(line)
        except BlockingIOError:  # nor hear from it again: it may answer what it never read
            self._sock.shutdown(socket.SHUT_RDWR)
            raise

    def recv(self) -> list[tuple[Control, list[int]]]:
        """Return the messages that have come, each with its descriptors; waits for some unless non-blocking.

        Raises `EOFError` when the peer is gone, or sends what is no message. Descriptors that belong to no message are
        closed.
        """
        try:
            chunk, fds, _flags, _addr = socket.recv_fds(self._sock, 65536, 16)
        except BlockingIOError:
            return []
        except ConnectionError:
            raise EOFError from None
        self._fds.extend(fds)
        if not chunk:
            raise EOFError
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _MAX_LINE or len(self._fds) > _MAX_FDS:
            raise self._broken()
        messages: list[tuple[Control, list[int]]] = []
        for line in lines:
            try:
                message = _decoder.decode(line)
            except UNDECODABLE:
                raise self._broken(messages) from None
            count = _FDS.get(type(message), 0)
            if len(self._fds) < count:
                raise self._broken(messages)
            messages.append((message, [self._fds.popleft() for _ in range(count)]))
        if not self._rest:  # descriptors come with the first byte of their line
            self._drop_fds()
        return messages

    def _broken(self, messages: Iterable[tuple[Control, list[int]]] = ()) -> EOFError:
        """The peer sends garbage: keep nothing it sent, and count it as gone."""
        for _message, fds in messages:
            self._fds.extend(fds)
        self._drop_fds()
        return EOFError()

    def _drop_fds(self) -> None:
        while self._fds:
            os.close(self._fds.popleft())

    def setblocking(self, blocking: bool) -> None:
        self._sock.setblocking(blocking)

    def close(self) -> None:
        self._drop_fds()
        self._sock.close()
