"""The queue between two processes: one producer, one consumer, over a `multiprocessing.Pipe`.

`multiprocessing.Queue` guards its pipe with semaphores that a killed process takes along, and unpickles what it gets.
Here each direction is a pipe of its own without locks: the reader of a dead writer gets `EOFError`, the writer of a
dead reader `BrokenPipeError`. A frame is 4 bytes of big-endian length, then that many bytes, as `Connection.send_bytes`
writes them. Both ends are non-blocking and cut their frames themselves, so neither a torn frame nor a stopped peer
makes the other side wait, and an event loop may watch the descriptors.
"""

import contextlib
import os
import struct
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final, TypeVar

import msgspec

from protocol.ipc import MAX_BATCH_BYTES

try:
    from fcntl import fcntl
except ImportError:  # not Unix; only the server uses pipes
    fcntl = None  # type: ignore[assignment]

_LENGTH: Final = struct.Struct("!I")
_F_SETPIPE_SZ: Final = 1031  # Linux: fcntl.h
_PIPE_BYTES: Final = 1 << 20  # what Linux lets an unprivileged process have
_READ_BYTES: Final = 128 * 1024
_READ_AT_ONCE: Final = 2 * 1024 * 1024  # then the reader has its turn, however fast the writer is
MAX_PENDING_BYTES: Final = 64 * 1024 * 1024


T = TypeVar("T")


class BadFrame(Exception):
    """The peer sent what is no batch, or a frame longer than `MAX_BATCH_BYTES`: it is broken or hostile."""


class FrameCutter:
    """Cut a byte stream into frames. Knows no descriptors."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes | memoryview) -> list[bytes]:
        """Return the frames ``chunk`` completes, oldest first. Raises `BadFrame`."""
        rest = self._rest
        rest += chunk
        frames = []
        start = 0
        while len(rest) - start >= 4:
            (size,) = _LENGTH.unpack_from(rest, start)
            if size > MAX_BATCH_BYTES:
                raise BadFrame(f"frame of {size} bytes; at most {MAX_BATCH_BYTES}")
            if len(rest) - start - 4 < size:
                break
            frames.append(bytes(rest[start + 4 : start + 4 + size]))
            start += 4 + size
        del rest[:start]
        return frames


class PipeReader:
    """The consumer's end. Owns the descriptor."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._chunk = memoryview(bytearray(_READ_BYTES))  # for all reads: a new one each time would fragment the heap
        self._cutter = FrameCutter()

    def fileno(self) -> int:
        return self._fd

    def read(self) -> list[bytes]:
        """Return the whole frames that wait, maybe none; the rest is left for the next call when there is very much.

        Raises `EOFError` when the producer is gone, `BadFrame`.
        """
        frames: list[bytes] = []
        for _ in range(_READ_AT_ONCE // _READ_BYTES):
            try:
                size = os.readv(self._fd, [self._chunk])
            except BlockingIOError:
                return frames
            if not size:
                if frames:
                    return frames  # the next call finds the end again
                raise EOFError
            frames += self._cutter.feed(self._chunk[:size])
            if size < _READ_BYTES:  # empty now; spare the extra call
                break
        return frames

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class PipeWriter:
    """The producer's end. Owns the descriptor.

    What the pipe does not take is kept, at most `MAX_PENDING_BYTES`; the owner watches the descriptor for writing while
    `pending` is not 0 and calls `flush`.
    """

    def __init__(self, fd: int, max_pending: int = MAX_PENDING_BYTES) -> None:
        os.set_blocking(fd, False)
        if fcntl is not None and hasattr(os, "pipe2"):
            with contextlib.suppress(OSError):  # a smaller pipe means more system calls, no more
                fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
        self._fd = fd
        self._max_pending = max_pending
        self._rest = bytearray()

    def fileno(self) -> int:
        return self._fd

    @property
    def pending(self) -> int:
        """Bytes the pipe did not take yet."""
        return len(self._rest)

    def put(self, frame: bytes) -> bool:
        """Write one frame or keep it; False (nothing taken) when too much is kept already. Raises `BrokenPipeError`."""
        if len(frame) > MAX_BATCH_BYTES:
            raise ValueError(f"frame of {len(frame)} bytes; at most {MAX_BATCH_BYTES}")
        if self._rest:
            if len(self._rest) + len(frame) > self._max_pending:
                return False
            self._rest += _LENGTH.pack(len(frame))
            self._rest += frame
            self.flush()
            return True
        whole = _LENGTH.pack(len(frame)) + frame
        written = self._write(whole)
        if written < len(whole):
            self._rest += memoryview(whole)[written:]
        return True

    def flush(self) -> None:
        """Write as much of what is kept as the pipe takes. Raises `BrokenPipeError`."""
        while self._rest:
            written = self._write(self._rest)
            if not written:
                return
            del self._rest[:written]

    def _write(self, chunk: bytes | bytearray) -> int:
        try:
            return os.write(self._fd, chunk)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def encode_frames(batch: Sequence[object], encoder: msgspec.msgpack.Encoder) -> list[bytes]:
    """Return ``batch`` encoded, in as few frames as stay under `MAX_BATCH_BYTES`, order kept."""
    frame = encoder.encode(batch)
    if len(frame) <= MAX_BATCH_BYTES or len(batch) == 1:
        return [frame]
    middle = len(batch) // 2
    return encode_frames(batch[:middle], encoder) + encode_frames(batch[middle:], encoder)


def decode_batch(frame: bytes, decoder: msgspec.msgpack.Decoder[list[T]]) -> list[T]:
    """Return the batch in ``frame``. Raises `BadFrame`, and nothing else whatever is in it."""
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise BadFrame(f"no batch: {err}") from None


def make_pipe() -> tuple[Connection, Connection]:
    """Return the reading and the writing end of a new pipe."""
    return Pipe(duplex=False)
