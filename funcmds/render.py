"""One render: a child is forked, locks itself in, draws, answers through a pipe, and ends. Unix only.

Nothing the child says is believed: its answer is decoded by type, cleaned and bounded again by the parent.
"""

import contextlib
import gc
import os
import signal
from dataclasses import dataclass, field
from random import Random
from typing import Final, NoReturn

import msgspec

from funcmds import cells
from funcmds.cage import Cage, CageError
from funcmds.registry import MAX_PRIVATE_BYTES, FunError, Registry, bounded
from protocol.ipc import Art, Render, Rendered
from protocol.native import UNDECODABLE

MAX_ANSWER_BYTES: Final = MAX_PRIVATE_BYTES + 4096
_MAX_ERROR: Final = 400  # characters


class _Outcome(msgspec.Struct, array_like=True):
    """What a child writes: art, or an error."""

    art: Art | None
    error: str


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Outcome)


@dataclass(slots=True, eq=False)
class Running:
    """A child at work, or dying. Owned by the parent."""

    pid: int
    fd: int  # the reading end of its pipe; -1 when closed
    request: Render
    answer: bytearray = field(default_factory=bytearray)

    def take(self) -> bool:
        """Read what the child has written; True when it will write no more that counts."""
        try:
            chunk = os.read(self.fd, 65536)
        except BlockingIOError:
            return False
        self.answer += chunk
        return not chunk or len(self.answer) > MAX_ANSWER_BYTES

    def drain(self) -> None:
        """Read what stands in the pipe now; wait for nothing, whoever else may hold its other end."""
        had = -1
        while had != len(self.answer):
            had = len(self.answer)
            if self.take():
                return

    def close(self) -> None:
        """Close the pipe. Once."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def kill(self) -> None:
        """End the child if it has not ended. It stays to be reaped."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def start(cage: Cage, registry: Registry, request: Render, max_input: int) -> Running:
    """Fork a child that renders ``request``. Raises `OSError` when there can be no more processes or descriptors."""
    reader, writer = os.pipe()
    parent, size = os.getpid(), cage.parent_bytes()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _child(cage, registry, request, max_input, writer, parent, size)
    os.close(writer)
    os.set_blocking(reader, False)
    return Running(pid, reader, request)


def _child(
    cage: Cage, registry: Registry, request: Render, max_input: int, pipe: int, parent: int, size: int
) -> NoReturn:
    code = 1
    try:
        try:
            gc.disable()  # it would write to pages shared with the parent
            cage.enter(pipe, size)
            if os.getppid() == parent:  # else it died before die-with-parent was set
                answer = _encoder.encode(_draw(registry, request, max_input))
                code = 0 if os.write(pipe, answer) == len(answer) else 1
        except CageError as why:
            os.write(pipe, _encoder.encode(_Outcome(None, f"the sandbox could not be closed ({why})")))
    except BaseException:
        pass  # memory, most likely; the parent sees that there is no answer
    finally:
        os._exit(code)


def _draw(registry: Registry, request: Render, max_input: int) -> _Outcome:
    try:
        art = registry.render(request.line, Random(request.seed), request.nick, max_input)
        return _Outcome(art, "")
    except FunError as why:
        return _Outcome(None, str(why)[:_MAX_ERROR])
    except MemoryError:
        return _Outcome(None, "that fun command ran out of memory")
    except RecursionError:
        return _Outcome(None, "that fun command called itself too often")
    except PermissionError:
        return _Outcome(None, "that fun command tried something that is not allowed in the sandbox")
    except BaseException as why:
        return _Outcome(None, f"that fun command failed: {type(why).__name__}: {why}"[:_MAX_ERROR])


def read_answer(running: Running) -> Rendered | None:
    """Return what a child that is done answered; None when it is no answer."""
    rid = running.request.rid
    if len(running.answer) > MAX_ANSWER_BYTES:
        return Rendered(rid, error=f"that fun command answered with more than {MAX_ANSWER_BYTES:,} bytes")
    try:
        outcome = _decoder.decode(bytes(running.answer))
        if outcome.art is not None:
            return Rendered(rid, bounded(outcome.art))
    except FunError as why:
        return Rendered(rid, error=str(why))
    except (*UNDECODABLE, UnicodeError):
        return None
    text = cells.clean(outcome.error[:_MAX_ERROR]).replace("\n", " ")
    return Rendered(rid, error=text or "that fun command failed without a word")


def died(request: Render, status: int) -> Rendered:
    """Return the error for a child that ended with wait ``status`` and no answer."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        return Rendered(request.rid, error=f"that fun command crashed ({name})")
    return Rendered(request.rid, error="that fun command ended without an answer")
