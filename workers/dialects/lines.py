"""Cut a byte stream into lines, and a person's terminal's in particular. Knows no sockets and no text.

There, lines end with LF, CRLF, CR or telnet's CR NUL. Telnet's negotiation is dropped: its bytes begin with 255, which
UTF-8 never has. Any cut of the stream gives the same lines.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_NEWLINE: Final = re.compile(rb"\n")
_IAC: Final = 0xFF
_SE: Final = 0xF0
_SB: Final = 0xFA
_OPTIONS: Final = range(0xFB, 0xFF)  # WILL, WONT, DO, DONT: an option byte follows


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands for a line over the limit, which was skipped."""


class Cutter:
    """Keeps the start of the next line, and whether the rest of one that was too long is to be skipped."""

    def __init__(self, end: re.Pattern[bytes], longest: int, fits: Callable[[bytes], bool]) -> None:
        """``end`` is what lines end with. ``fits`` tells of a whole line; of none that has more than ``longest`` bytes
        need it be asked, for the stream is cut off there.
        """
        self._end = end
        self._longest = longest
        self._fits = fits
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Return the lines ``chunk`` completes, oldest first; `TooLong` as soon as a line is."""
        *lines, rest = self._end.split(self._rest + chunk)
        found: list[bytes | TooLong] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                found.append(line if self._fits(line) else TooLong())
        if len(rest) > self._longest:
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


class _Telnet(enum.Enum):
    TEXT = enum.auto()
    COMMAND = enum.auto()  # after IAC
    OPTION = enum.auto()
    BLOCK = enum.auto()  # between SB and SE
    BLOCK_COMMAND = enum.auto()  # after IAC in there


class LineReader:
    """Keeps what was cut: the start of the next line, and where in a telnet command the stream stands."""

    def __init__(self, max_line: int) -> None:
        """``max_line``: bytes, line end not included."""
        self._cutter = Cutter(_NEWLINE, max_line, lambda line: len(line) <= max_line)
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
        return self._cutter.feed(chunk)

    def end(self) -> bytes:
        """Return and forget the unfinished line."""
        return self._cutter.end()

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
