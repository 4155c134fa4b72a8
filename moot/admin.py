"""The admin socket: how `moot restart`, `reload` and `admin` talk to the running server. Both its ends. Unix only.

`moot.sock` in the data directory, for its owner alone; JSON lines (`protocol.operator`). The server's end lives in the
supervisor's selector and never waits: who does not read the answers is cut off. What is asked of the chat is not the
supervisor's to answer: it hands the connection over (`Questioner.give`) and forgets it.
"""

import contextlib
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

import msgspec

from moot.running import Refused, holder
from protocol.native import UNDECODABLE
from protocol.operator import Answer, Ask

log = logging.getLogger("moot.supervisor")

NAME: Final = "moot.sock"
MAX_LINE: Final = 64 * 1024  # bytes
MAX_CONNECTIONS: Final = 16
FIRST_ANSWER_S: Final = 10.0  # a server that lives says something at once
ASK_S: Final = 10.0  # longest wait for a question; few may wait, and each takes the place of another
MAX_PATH: Final = 100  # bytes; systems have 104 to 108 for the address of a Unix socket


Tell = Callable[[str, int | None], None]
_ask_decoder: Final = msgspec.json.Decoder(Ask)
_answer_decoder: Final = msgspec.json.Decoder(Answer)


class Admin:
    """The server's end.

    ``handle(ask, questioner)`` does what is asked for, and goes on telling until it tells a status, or gives the
    connection to who does that.
    """

    def __init__(
        self, selector: selectors.BaseSelector, directory: Path, handle: "Callable[[Ask, Questioner], None]"
    ) -> None:
        self._selector = selector
        self._directory = directory
        self._handle = handle
        self._connections: set[Questioner] = set()
        self._sock: socket.socket | None = None
        try:
            self._sock = self._listen()
        except OSError as err:  # no file system for sockets, say; the server does without
            text = "no admin socket in %s, so `moot restart`, `moot reload` and `moot admin` do not work: %s"
            log.warning(text, directory, err)

    def _listen(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short_path(self._directory) as path, contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # the directory is locked, so whoever made it is dead
            with _short_path(self._directory) as path:
                sock.bind(path)
                os.chmod(path, 0o600)
            sock.listen(MAX_CONNECTIONS)
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, self._accept)
        except OSError:
            sock.close()
            raise
        return sock

    def _accept(self) -> None:
        assert self._sock is not None
        with contextlib.suppress(OSError):
            sock, _ = self._sock.accept()
            if len(self._connections) >= MAX_CONNECTIONS:
                with sock:
                    sock.send(
                        _line("too many are asking this server already; try again when they have their answers", 1)
                    )
                return
            sock.setblocking(False)
            connection = Questioner(sock, self._handle, self._forget)
            self._connections.add(connection)
            self._selector.register(sock, selectors.EVENT_READ, connection.readable)

    def _forget(self, connection: "Questioner") -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.sock)
        connection.sock.close()

    def tick(self, now: float) -> None:
        """Close the connections of those who ask nothing. ``now``: monotonic seconds; to be called now and then."""
        for connection in list(self._connections):
            connection.expire(now)

    def close(self) -> None:
        for connection in list(self._connections):
            self._forget(connection)
        sock, self._sock = self._sock, None
        if sock is not None:
            self._selector.unregister(sock)
            sock.close()
            with contextlib.suppress(OSError), _short_path(self._directory) as path:
                os.unlink(path)


class Questioner:
    """Somebody who asks; one question each."""

    def __init__(
        self,
        sock: socket.socket,
        handle: Callable[[Ask, "Questioner"], None],
        forget: Callable[["Questioner"], None],
    ) -> None:
        self.sock = sock
        self._handle = handle
        self._forget = forget
        self._rest = b""
        self._asked = False
        self._until = time.monotonic() + ASK_S
        self._closed = False

    def readable(self) -> None:
        if self._closed:
            return
        try:
            chunk = self.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self._rest += chunk
        if not chunk or len(self._rest) > MAX_LINE:
            self._close()
        elif b"\n" in self._rest and not self._asked:
            self._asked = True
            self._ask(self._rest.partition(b"\n")[0])

    def expire(self, now: float) -> None:
        if not self._asked and now > self._until:
            self.tell(f"nothing was asked within {ASK_S:g} s", 1)

    def _ask(self, line: bytes) -> None:
        try:
            ask = _ask_decoder.decode(line)
        except UNDECODABLE as err:
            self.tell(f"the running server does not understand the question ({err}); it may be of another version", 1)
            return
        self._handle(ask, self)

    def give(self, send: Callable[[tuple[int]], None]) -> None:
        """Have ``send`` pass the connection's descriptor on to a process that answers; here it is closed."""
        if not self._closed:
            send((self.sock.fileno(),))
            self._close()

    def tell(self, text: str, code: int | None = None) -> None:
        if self._closed:
            return
        try:
            self.sock.sendall(_line(text, code))
        except OSError:  # gone, or does not read
            self._close()
            return
        if code is not None:
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._forget(self)


def _line(text: str, code: int | None) -> bytes:
    return msgspec.json.encode(Answer(text, code)) + b"\n"


def ask(data: Path, question: Ask, limit_s: float | None = None) -> Iterator[Answer]:
    """Put ``question`` to the server of a data directory and yield its answers as they come; the last has a code.

    ``limit_s``: until the first of them; None: as long as a server that lives may need.

    Raises Refused: there is no server, it is not ours, or it ended before the last answer.
    """
    pid = holder(data)
    if pid is None:
        raise Refused(f"no server uses the data directory {data}; name the right one with --data DIR")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(limit_s or FIRST_ANSWER_S)
        try:
            with _short_path(data) as path:
                sock.connect(path)
        except PermissionError:
            raise Refused(f"process {pid} is not yours to command; ask its owner, or use sudo") from None
        except OSError as err:
            text = f"process {pid} uses {data} and takes no commands ({err.strerror or err}); its log says why"
            raise Refused(text) from None
        with contextlib.suppress(OSError):
            sock.sendall(msgspec.json.encode(question) + b"\n")
        with contextlib.suppress(ConnectionError), sock.makefile("rb") as lines:
            while line := _next(lines, pid):
                sock.settimeout(None)  # what is under way may take long
                answer = _answer_decoder.decode(line)
                yield answer
                if answer.code is not None:
                    return
    if question.do == "chat":
        raise Refused("the broker ended before it had answered; another takes its place, so look whether it was done")
    raise Refused(f"the server (process {pid}) ended before it had answered; its log says why")


def _next(lines: IO[bytes], pid: int) -> bytes:
    try:
        return lines.readline()
    except TimeoutError:
        text = f"the server (process {pid}) does not answer; if it was stopped, `kill -CONT {pid}` lets it go on"
        raise Refused(text) from None


@contextlib.contextmanager
def _short_path(directory: Path) -> Iterator[str]:
    """Yield a path of the socket that the system's address of one has room for: a relative one, if need be."""
    path = os.fspath(directory / NAME)
    if len(os.fsencode(path)) <= MAX_PATH:
        yield path
        return
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(directory)
        yield NAME
    finally:
        os.fchdir(before)
        os.close(before)
