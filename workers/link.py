"""A worker's pair of pipes to another process, watched by the event loop."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from protocol.pipes import BadFrame, PipeReader, PipeWriter

log = logging.getLogger("moot.worker")


class PipeLink:
    """See the module. ``heard`` gets each frame, ``lost`` is called once when the peer is gone or does not read."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fds: list[int], heard: Callable[[bytes], None], lost: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._reader = PipeReader(fds[0])
        self._writer = PipeWriter(fds[1])
        self._heard = heard
        self._lost = lost
        self._writing = False
        self._open = True
        loop.add_reader(self._reader.fileno(), self._readable)

    def put(self, frame: bytes) -> None:
        """Send one frame. When the peer does not drain its queue any more, the link counts as lost."""
        if not self._open:
            return
        try:
            taken = self._writer.put(frame)
        except OSError:
            taken = False
        if not taken:
            self.close()
            self._lost()
        elif self._writer.pending and not self._writing:
            self._writing = True
            self._loop.add_writer(self._writer.fileno(), self._writable)

    def drain(self) -> None:
        """Before another link takes this one's place: hear what the peer wrote before it ended.

        A frame that it did not finish is dropped, and so is what a peer that still lives writes meanwhile.
        """
        if not self._open:
            return
        with contextlib.suppress(EOFError, BadFrame, OSError):
            for frame in self._reader.read():  # takes more at once than a pipe holds
                self._heard(frame)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._reader.fileno())
            self._loop.remove_writer(self._writer.fileno())
            self._reader.close()
            self._writer.close()

    def _readable(self) -> None:
        try:
            for frame in self._reader.read():
                self._heard(frame)
        except (EOFError, BadFrame, OSError) as err:
            if not isinstance(err, EOFError):
                log.error("link lost: %s", err)
            self.close()
            self._lost()

    def _writable(self) -> None:
        try:
            self._writer.flush()
        except OSError:
            self.close()
            self._lost()
            return
        if not self._writer.pending:
            self._writing = False
            self._loop.remove_writer(self._writer.fileno())
