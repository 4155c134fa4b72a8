"""Standard input and output for the line clients: bytes in from a thread, text out, broken pipes told apart."""

import asyncio
import contextlib
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

from client.identity import OWNED
from protocol.text import clean

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 1  # the server refused some of it
EXIT_USAGE: Final = 2  # what was asked for makes no sense
EXIT_UNREACHABLE: Final = 3  # no server there, or it sent us away
EXIT_INTERRUPTED: Final = 130  # Ctrl+C
UNREACHABLE: Final = (
    "offline",
    "replaced",
    "nick-taken",
    *OWNED,
    "banned",
    "kicked",
    "unsupported-version",
    "untrusted",
    "tls-required",
)
MAX_LINE: Final = 64 * 1024  # bytes; a longer line of input is cut into several
_READ_BYTES: Final = 64 * 1024


def exit_status(code: str) -> int:
    """Return the exit status for an error code of the server, or "offline"."""
    return EXIT_UNREACHABLE if code in UNREACHABLE else EXIT_REFUSED


def cut_lines(rest: bytes, chunk: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines that ``chunk`` completes after ``rest``, line ends removed, and the new rest."""
    *lines, rest = (rest + chunk).split(b"\n")
    while len(rest) > MAX_LINE:
        lines.append(rest[:MAX_LINE])
        rest = rest[MAX_LINE:]
    return [line.removesuffix(b"\r") for line in lines], rest


async def input_lines(fd: int) -> AsyncIterator[str]:
    """Yield the lines of descriptor ``fd`` as they come. Reads ahead one chunk at most."""
    async for lines in input_batches(fd, ahead=1):
        for line in lines:
            yield line


async def input_batches(fd: int, ahead: int = 0) -> AsyncIterator[list[str]]:
    """Yield the lines of descriptor ``fd`` as they come, those of one read together.

    Reads when the next are asked for, and ``ahead`` chunks before that. A daemon thread reads, for a pipe or console
    cannot be waited for everywhere, and the program may end before it.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    wanted = threading.Semaphore(1 + ahead)

    def read() -> None:
        while True:
            wanted.acquire()
            try:
                chunk = os.read(fd, _READ_BYTES)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:
                return  # the loop is closed
            if not chunk:
                return

    threading.Thread(target=read, name="input", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        lines, rest = cut_lines(rest, chunk)
        if lines:
            yield [line.decode("utf-8", "replace") for line in lines]
        wanted.release()
    if rest:
        yield [rest.removesuffix(b"\r").decode("utf-8", "replace")]


def write_out(data: bytes) -> None:
    """Write ``data`` to standard output and flush. Raises `BrokenPipeError`."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def encoded(lines: list[str]) -> bytes:
    """Return ``lines`` in the encoding of standard output; what it lacks becomes "?"."""
    return "".join(line + "\n" for line in lines).encode(sys.stdout.encoding or "utf-8", "replace")


def when_unread(call: Callable[[], None]) -> None:
    """Call ``call`` when nobody can read standard output any more: a pipe, on a system that tells. Asyncio."""
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(out)
        call()

    with contextlib.suppress(OSError, NotImplementedError):  # no such descriptor; not on Windows
        out = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(out).st_mode):
            loop.add_reader(out, gone)  # its writing end is never readable, but broken


def forget_out() -> None:
    """Nobody reads standard output any more: let the interpreter's last flush go nowhere, without a complaint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def complain(text: str) -> None:
    """Say something to the person, on standard error. The words may be the server's."""
    print(f"moot: {clean(text)}", file=sys.stderr, flush=True)
