"""Cut a byte stream of a person's terminal into lines. Knows no sockets and no text.

Lines end with LF, CRLF, CR or telnet's CR NUL. Telnet's negotiation is dropped: its bytes begin with 255, which UTF-8
never has. Any cut of the stream gives the same lines.
"""

import enum
from typing import Final

_IAC: Final = 0xFF
_SE: Final = 0xF0
_SB: Final = 0xFA
_OPTIONS: Final = range(0xFB, 0xFF)  # WILL, WONT, DO, DONT: an option byte follows


class TooLong:
    """Stands for a line over the limit, which was skipped."""


class _Telnet(enum.Enum):
    TEXT = enum.auto()
    COMMAND = enum.auto()  # after IAC
    OPTION = enum.auto()
    BLOCK = enum.auto()  # between SB and SE
    BLOCK_COMMAND = enum.auto()  # after IAC in there


class LineReader:
    """Keeps what was cut: the start of the next line, and where in a telnet command the stream stands."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line  # bytes, line end not included
        self._rest = b""
        self._skipping = False  # the rest of a line that was too long
        self._after_cr = False
        self._telnet = _Telnet.TEXT

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Return the lines ``chunk`` completes, oldest first; `TooLong` as soon as a line is."""
        if _IAC in chunk or self._telnet is not _Telnet.TEXT:
            chunk = self._without_telnet(chunk)
        if not chunk:
            return []
        if self._after_cr and chunk[0] in b"\n\0":
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
            if b"\r" in chunk:
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r\0", b"\n").replace(b"\r", b"\n")
        *lines, rest = (self._rest + chunk).split(b"\n")
        found: list[bytes | TooLong] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                found.append(line if len(line) <= self._max_line else TooLong())
        if len(rest) > self._max_line:
            if not self._skipping:
                found.append(TooLong())
                self._skipping = True
            rest = b""
        self._rest = b"" if self._skipping else rest
        return found

    def end(self) -> bytes:
        """Return and forget the unfinished line."""
        rest, self._rest = self._rest, b""
        return rest

    def _without_telnet(self, chunk: bytes) -> bytes:
        kept = bytearray()
        state = self._telnet
        for byte in chunk:
            match state:
                case _Telnet.TEXT if byte == _IAC:
                    state = _Telnet.COMMAND
                case _Telnet.TEXT:
                    kept.append(byte)
                case _Telnet.COMMAND if byte in _OPTIONS:
                    state = _Telnet.OPTION
                case _Telnet.COMMAND:
                    state = _Telnet.BLOCK if byte == _SB else _Telnet.TEXT
                case _Telnet.OPTION:
                    state = _Telnet.TEXT
                case _Telnet.BLOCK if byte == _IAC:
                    state = _Telnet.BLOCK_COMMAND
                case _Telnet.BLOCK_COMMAND:
                    state = _Telnet.TEXT if byte == _SE else _Telnet.BLOCK
        self._telnet = state
        return bytes(kept)
