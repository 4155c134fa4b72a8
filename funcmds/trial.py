"""A sandbox process under one's own hand, without supervisor and workers: for `moot doctor` and tests. Unix only."""

import contextlib
import multiprocessing
import os
import select
import socket
import time
from types import TracebackType
from typing import Final, Self

import msgspec

from funcmds.sandbox import run
from protocol.control import ControlSocket
from protocol.ipc import Catalogue, FromSandbox, Link, Ready, Render, Rendered, Stop
from protocol.pipes import PipeReader, PipeWriter, decode_batch
from protocol.settings import Settings

_START_S: Final = 20.0  # longest to wait for the process to be ready
_decoder: Final = msgspec.msgpack.Decoder(list[FromSandbox])


class TrialLink:
    """What a worker has: two pipes to the sandbox."""

    def __init__(self, control: ControlSocket, incarnation: int) -> None:
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        control.send(Link("worker", incarnation), (to_read, from_write))
        os.close(to_read)
        os.close(from_write)
        self.writer = PipeWriter(to_write)
        self.reader = PipeReader(from_read)
        self._waiting: list[FromSandbox] = []

    def ask(self, *requests: Render) -> None:
        """Send requests as one frame."""
        self.writer.put(msgspec.msgpack.encode(list(requests)))

    def next(self, timeout: float = 5.0) -> FromSandbox:
        """Return the next answer. Raises `TimeoutError`, `EOFError`."""
        until = time.monotonic() + timeout
        while not self._waiting:
            ready, _, _ = select.select([self.reader], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"the sandbox said nothing for {timeout} s")
            for frame in self.reader.read():
                self._waiting += decode_batch(frame, _decoder)
        return self._waiting.pop(0)

    def close(self) -> None:
        """Hang up, as a worker that dies does."""
        self.writer.close()
        self.reader.close()


class Trial:
    """A context in which a sandbox process runs; `ready` is what it said of itself, `catalogue` its commands."""

    def __init__(self, settings: Settings) -> None:
        ours, theirs = socket.socketpair()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=run, args=(theirs, settings), daemon=True)
        self.process.start()
        theirs.close()
        self.control = ControlSocket(ours)
        self._links: list[TrialLink] = []
        try:
            ours.settimeout(_START_S)
            self.ready = next(message for message, _ in self.control.recv() if isinstance(message, Ready)).text
            ours.settimeout(None)
            self.main = self.link()
            first = self.main.next()
        except (EOFError, TimeoutError):
            self.close()
            raise RuntimeError("the sandbox process did not start") from None
        assert isinstance(first, Catalogue)
        self.catalogue = first.commands

    def link(self) -> TrialLink:
        """Connect one more worker; its first answer is the catalogue."""
        self._links.append(TrialLink(self.control, len(self._links) + 1))
        return self._links[-1]

    def render(self, line: str, seed: int = 1, nick: str = "ann") -> Rendered:
        """Render one command and wait for it."""
        self.main.ask(Render(0, line, seed, nick))
        answer = self.main.next()
        assert isinstance(answer, Rendered)
        return answer

    def close(self) -> None:
        """Stop the process; kill it if it does not."""
        with contextlib.suppress(OSError):
            self.control.send(Stop("done"))
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        for link in self._links:
            link.close()
        self.control.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
