"""What a server says, cut into lines and decoded; and whether it is a moot server at all. Sans-IO, knows no session.

A server that waited too long for a hello takes its client for a person with `nc` and greets in prose; a line or two of
that, before the first event, are passed over. Too much of it, or what plainly is another protocol, and it is none of
ours.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from protocol import native

MAX_LINE_BYTES: Final = 64 * 1024 * 1024  # a longer line comes from no server of ours
MAX_PROSE_LINES: Final = 10  # before the first event
MAX_PROSE_BYTES: Final = 4096
OTHERS: Final = (b"HTTP/", b"SSH-")  # how servers of other protocols begin


class NotMoot(Exception):
    """The other side is no moot server. The text says so."""

    def __init__(self, text: str = "the other side does not speak moot's native protocol") -> None:
        super().__init__(text)


class Incoming:
    """The stream of one connection."""

    def __init__(self) -> None:
        self._rest = bytearray()  # the start of the next line
        self._known = False  # an event came: it is a moot server
        self._prose = 0  # lines before that
        self._prose_bytes = 0

    def feed(self, data: bytes) -> Iterator[native.Event]:
        """Yield the events that ``data`` completes, oldest first. Raises `NotMoot`.

        Any cut of the stream gives the same. Events of a newer server are left out: what must be understood is in `v`.
        """
        self._rest += data
        if b"\n" in data:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                if line.strip() and (event := self._decode(line)) is not None:
                    yield event
        if len(self._rest) > MAX_LINE_BYTES:
            raise NotMoot("the server sent a line that does not end")
        if not self._known and len(self._rest) > MAX_PROSE_BYTES and self._rest[:1] != b"{":
            raise NotMoot

    def end(self) -> None:
        """The server said its last. Raises `NotMoot` when it had said something and none of it was an event."""
        if self._prose and not self._known:
            raise NotMoot

    def _decode(self, line: bytes) -> native.Event | None:
        try:
            event = native.decode_event(line)
        except msgspec.ValidationError:
            return None
        except native.UNDECODABLE:
            self._pass_over(line)
            return None
        self._known = True
        return event

    def _pass_over(self, line: bytes) -> None:
        if self._known:
            return
        self._prose += 1
        self._prose_bytes += len(line)
        if self._prose > MAX_PROSE_LINES or self._prose_bytes > MAX_PROSE_BYTES or line.startswith(OTHERS):
            raise NotMoot
