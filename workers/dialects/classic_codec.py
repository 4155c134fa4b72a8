"""The classic protocol's messages: cut from what a socket had, read and written. Knows no sockets and no conversation.

`REASON,key=value;key=value,content`; `/` takes the next character as it is, in the parameters only. The first clients
end their messages with nothing: one send is one message. Others end them with a newline. docs/classic.md says how
both are told apart and cut.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from protocol.text import clean

MAX_SENT: Final = 2047  # bytes of a message to a client: the first ones read 2,048 at once
MAX_HEAD: Final = 1024  # bytes of reason and parameters from a client; the longest sensible ones have 100 or so
MAX_CONTENT: Final = 300  # characters of content from a client
MAX_LINES: Final = 100  # messages made of one of many lines; what is beyond is put on the last

_CON: Final = b"CON"
_OPEN: Final = frozenset((b"CHAT", b"KICK"))  # have content; the others end with their parameters
_REASONS: Final = (_CON, b"CHAT", b"UPDATE", b"REF", b"USER", b"KICK", b"DISCON")
_KNOWN: Final = f"Known are {', '.join(reason.decode() for reason in _REASONS)}"
_BEGINNINGS: Final = tuple(reason + b"," for reason in _REASONS)
_LONGEST: Final = max(map(len, _BEGINNINGS))
_HEAD: Final = re.compile(rb"(" + b"|".join(_REASONS) + rb"),((?:[^/,\n]|/[^\n])*),")
_HALF_HEAD: Final = re.compile(rb"(?:" + b"|".join(_REASONS) + rb"),(?:[^/,\n]|/[^\n])*/?\Z")
# Where, in bare content, the next message begins: a whole head that a client would send. One without content counts
# only where a message or the segment ends behind it, so that one may still write of them.
_TO: Final = rb"[^\s,;=/]{1,128},"
_SURE: Final = rb"CHAT,rec=" + _TO + rb"|KICK,user=" + _TO + rb"|UPDATE,(?:nickname|password|color)="
_CLOSED: Final = rb"(?:REF|USER|DISCON),,"
_NEXT: Final = re.compile(rb"%b|%b(?=\r?\Z|%b|%b)" % (_SURE, _CLOSED, _SURE, _CLOSED))
_UNESCAPE: Final = re.compile(r"/(.)", re.DOTALL)
_ESCAPE: Final = re.compile(r"[,;=/]")
_PAIR: Final = re.compile(r"((?:[^/;=]|/.)*)=((?:[^/;]|/.)*)", re.DOTALL)  # an = in a value may stand as it is
_PART: Final = re.compile(r"(?:[^/;]|/.)+", re.DOTALL)


class Message(NamedTuple):
    """What a client sent."""

    reason: str
    params: Mapping[str, str]
    content: str


class Bad(NamedTuple):
    """It sent no message; `text` says why."""

    text: str


_LONG_HEAD: Final = Bad(f"what stands before the content may have {MAX_HEAD:,} bytes; this was skipped")


class Decoder:
    """Keeps the start of a message that is not whole yet, and how this client ends its messages."""

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message  # bytes, newline not included
        self._rest = b""
        self._introduced = False  # a CON has just ended: a newline next tells that this client uses them
        self._skipping = False  # the rest of a line that was too long
        self.lines = False  # messages end with newlines and only there

    def feed(self, chunk: bytes) -> list[Message | Bad]:
        """Return the messages ``chunk`` completes, oldest first. ``chunk`` is what the socket had: a segment."""
        data, self._rest = self._rest + chunk, b""
        if self.lines:
            return self._feed_lines(data)
        found: list[Message | Bad] = []
        at = 0
        while at < len(data):
            if self._introduced and (newline := _newline(data, at)):
                self.lines = True
                return found + self._feed_lines(data[at + newline :])
            if self._introduced and data[at:] == b"\r":
                self._rest = b"\r"
                break
            self._introduced = False
            if data[at] in b"\r\n":
                at += 1
                continue
            end = self._bare(data, at, found)
            if end < 0:
                self._rest = data[at:]
                break
            at = end
        return found

    def end(self) -> list[Message | Bad]:
        """Nothing more will come: return what the unfinished rest is."""
        rest, self._rest = self._rest, b""
        return _read_line(rest.strip(b"\r\n")) if rest.strip(b"\r\n") else []

    # --- messages that end with newlines

    def _feed_lines(self, data: bytes) -> list[Message | Bad]:
        *lines, rest = data.split(b"\n")
        found: list[Message | Bad] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif len(line) > self._max_message:
                found.append(self._too_long())
            elif line := line.rstrip(b"\r"):
                found += _read_line(line)
        if len(rest) > self._max_message:
            if not self._skipping:
                found.append(self._too_long())
                self._skipping = True
            rest = b""
        self._rest = b"" if self._skipping else rest
        return found

    def _too_long(self) -> Bad:
        return Bad(f"a message may have {self._max_message:,} bytes and this had more; it was skipped")

    # --- bare ones

    def _bare(self, data: bytes, at: int, found: list[Message | Bad]) -> int:
        """Read the message at ``at``; return where what follows it begins, -1 when more of it must come."""
        head = _HEAD.match(data, at)
        if head is not None and head[1] in _OPEN:
            return self._with_content(data, head, found)
        if head is not None:
            found.append(_message(head, b""))
            self._introduced = head[1] == _CON
            return _passed_over(data, head.end())
        newline = data.find(b"\n", at)
        if newline < 0 and _may_become_head(data, at):
            if len(data) - at <= MAX_HEAD:
                return -1
            found.append(_LONG_HEAD)
            return len(data)
        end = newline if newline >= 0 else len(data)
        if line := data[at:end].rstrip(b"\r"):
            found += _read_line(line)
        return end

    def _with_content(self, data: bytes, head: re.Match[bytes], found: list[Message | Bad]) -> int:
        newline = data.find(b"\n", head.end())
        stop = newline if newline >= 0 else len(data)
        following = _NEXT.search(data, head.end(), stop)
        end = following.start() if following else stop
        if end == len(data) and end - head.end() < 4 * MAX_CONTENT and _ends_in_character(data[head.end() :]):
            return -1
        found.append(_message(head, data[head.end() : end].rstrip(b"\r")))
        return end


def _read_line(line: bytes) -> list[Message | Bad]:
    """Return the messages in a whole line; commas that are missing at its end are taken as being there."""
    found: list[Message | Bad] = []
    at = 0
    while (head := _HEAD.match(line, at)) is not None:
        if head[1] in _OPEN:
            return [*found, _message(head, line[head.end() :])]
        found.append(_message(head, b""))
        at = head.end()
    if found:
        return found  # content where none belongs means nothing
    reason, _, params = line.partition(b",")
    if reason not in _REASONS:
        shown = clean(reason[:40].decode("utf-8", "replace"), newlines=False)
        return [Bad(f"Unknown reason: {shown}. {_KNOWN}")]
    if len(line) > MAX_HEAD:
        return [_LONG_HEAD]
    return [Message(reason.decode(), _params(params.decode("utf-8", "replace").rstrip(",")), "")]


def _newline(data: bytes, at: int) -> int:
    """Return how long the newline at ``at`` is; 0: there is none."""
    return 1 if data.startswith(b"\n", at) else 2 if data.startswith(b"\r\n", at) else 0


def _passed_over(data: bytes, at: int) -> int:
    """Return where the next message begins after one without content: anything else that stands there means nothing."""
    if at == len(data) or data[at] in b"\r\n" or _HEAD.match(data, at) or _may_become_head(data, at):
        return at
    newline = data.find(b"\n", at)
    return newline if newline >= 0 else len(data)


def _may_become_head(data: bytes, at: int) -> bool:
    """Whether what is there, from ``at`` to its end, is the beginning of a head."""
    start = data[at : at + _LONGEST]
    if at + len(start) == len(data) and any(beginning.startswith(start) for beginning in _BEGINNINGS):
        return True
    return _HALF_HEAD.match(data, at) is not None


def _ends_in_character(data: bytes) -> bool:
    """Whether the last character of ``data``, in UTF-8, is not whole."""
    for back, byte in enumerate(reversed(data[-3:]), 1):
        if byte >= 0xC0:
            return back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
        if byte < 0x80:
            return False
    return False


def _message(head: re.Match[bytes], content: bytes) -> Message | Bad:
    if len(head[0]) > MAX_HEAD:
        return _LONG_HEAD
    params = _params(head[2].decode("utf-8", "replace"))
    return Message(head[1].decode(), params, content.decode("utf-8", "replace"))


def _params(text: str) -> dict[str, str]:
    found = {}
    for part in _PART.findall(text):
        if pair := _PAIR.fullmatch(part):
            found[_UNESCAPE.sub(r"\1", pair[1])] = _UNESCAPE.sub(r"\1", pair[2])
    return found


# --- to clients


def escape(value: str) -> str:
    """Return ``value`` as it stands in the parameters."""
    return _ESCAPE.sub(r"/\g<0>", clean(value, newlines=False))


def head(reason: str, params: Iterable[tuple[str, str]]) -> str:
    """Return everything before the content. Without at least one parameter no client can read it."""
    return f"{reason},{';'.join(f'{key}={escape(value)}' for key, value in params)},"


def message(reason: str, params: Iterable[tuple[str, str]], content: str = "") -> bytes:
    """Return one message, ended by a newline; content that is too long for it is cut at a character."""
    whole = (head(reason, params) + clean(content, newlines=False)).encode()
    return whole[: _border(whole, MAX_SENT)] + b"\n"


def messages(reason: str, params: list[tuple[str, str]], content: str) -> bytes:
    """Return all of ``content``: a message for each of its lines, several for one that is too long.

    The second and later lines say so with a parameter more, `line`.
    """
    lines = _harmless(content)
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [" / ".join(lines[MAX_LINES - 1 :])]
    parts: list[bytes] = []
    for number, line in enumerate(lines, 1):
        before = head(reason, params if number == 1 else [*params, ("line", str(number))]).encode()
        rest = line.encode()
        while True:
            border = _border(rest, MAX_SENT - len(before))
            parts += (before, rest[:border], b"\n")
            rest = rest[border:]
            if not rest:
                break
    return b"".join(parts)


def _harmless(content: str) -> list[str]:
    """Return the lines of ``content``, tabs as spaces; spaces that begin the first stay, for drawings need them."""
    return clean(content).expandtabs(4).split("\n")


def _border(text: bytes, limit: int) -> int:
    """Return where to cut ``text``, in UTF-8: before a character, after ``limit`` bytes at most."""
    if len(text) <= limit:
        return len(text)
    while text[limit] & 0xC0 == 0x80:
        limit -= 1
    return limit
