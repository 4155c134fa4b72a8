"""The native dialect: JSON lines. Its types are the program's own, so it only frames, decodes and encodes."""

from typing import ClassVar

import msgspec

from protocol import native
from protocol.native import Event, Msg, Request


class Native:
    """One native connection."""

    name: ClassVar[str] = "native"
    variant: ClassVar[str] = "native"
    echoes: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    picky: ClassVar[bool] = False

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line  # bytes, newline not included
        self._rest = b""
        self._skipping = False  # the rest of a line that was too long

    def greet(self) -> bytes:
        return b""

    def feed(self, chunk: bytes) -> list[Request | bytes]:
        *lines, rest = (self._rest + chunk).split(b"\n")
        found: list[Request | bytes] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif len(line) > self._max_line:
                found.append(self._too_long())
            elif line and not line.isspace():
                found.append(self._decode(line))
        if len(rest) > self._max_line:
            if not self._skipping:
                found.append(self._too_long())
                self._skipping = True
            rest = b""
        self._rest = rest
        return found

    def end(self) -> list[Request | bytes]:
        rest, self._rest = self._rest, b""
        last = [self._decode(rest)] if rest.strip() and not self._skipping else []
        return [*last, native.Quit(reason="connection closed")]

    def last_words(self) -> bytes:
        return b""

    def receive(self, event: Event) -> bytes:
        return native.encode(event)

    def shared(self, event: Event) -> bytes:
        return native.encode(event)

    def follow_up(self) -> tuple[()]:
        return ()

    def wants(self, msg: Msg) -> bool:
        return True

    def _decode(self, line: bytes) -> Request | bytes:
        try:
            return native.decode_request(line)
        except native.UNDECODABLE as err:
            return native.encode(native.Error(id=_id_of(line), code="bad-request", text=f"not a request: {err}"))

    def _too_long(self) -> bytes:
        text = f"a line may have {self._max_line} bytes; yours was longer and was skipped"
        return native.encode(native.Error(code="too-long", text=text))


class _OnlyId(msgspec.Struct):
    id: native.Id = None


_id_decoder = msgspec.json.Decoder(_OnlyId)


def _id_of(line: bytes) -> native.Id:
    """Return the id of a request that cannot be understood, if that much can."""
    try:
        return _id_decoder.decode(line).id
    except native.UNDECODABLE:
        return None
