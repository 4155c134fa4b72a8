"""IRC messages as bytes: cutting a stream into lines, reading one, writing one within its limit. Knows no commands.

Sources: Modern IRC, "Message Format"; IRCv3 message-tags (limits and escapes); UTF8ONLY.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from protocol.native import MAX_TAGS  # bytes of tags a client may send, without the @ and the space
from workers.dialects.lines import Cutter, TooLong

MAX_BODY: Final = 510  # bytes of a message beside its tags, CR LF not included
MAX_LINE: Final = MAX_TAGS + 2 + MAX_BODY
MAX_PARAMS: Final = 64  # 15 by the old documents; what is more than this is nobody's command

_ENDS: Final = re.compile(rb"[\r\n]+")  # a bare LF or CR ends a line too, as many clients and every terminal have it
_COMMAND: Final = re.compile(r"[A-Za-z]{1,32}|[0-9]{3}")
_ESCAPES: Final = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}
_UNSAFE: Final = str.maketrans({"\0": "_", "\r": "_", "\n": "_"})  # no name or text that is clean has them
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Message:
    """What a client says."""

    command: str  # in upper case
    params: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a line that is no UTF-8."""

    command: str  # "*" when that cannot be read either


class LineReader:
    """Cut a byte stream into lines. Any cut of the stream gives the same lines."""

    def __init__(self) -> None:
        self._cutter = Cutter(_ENDS, MAX_LINE, _fits)

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Return the lines ``chunk`` completes, oldest first, empty ones left out; `TooLong` as soon as a line is."""
        return [line for line in self._cutter.feed(chunk) if line]

    def end(self) -> bytes:
        """Return and forget the unfinished line."""
        rest = self._cutter.end()
        return rest if _fits(rest) else b""


def _fits(line: bytes) -> bool:
    if not line.startswith(b"@"):
        return len(line) <= MAX_BODY
    tags, _, body = line.partition(b" ")
    return len(tags) <= MAX_TAGS + 1 and len(body.lstrip(b" ")) <= MAX_BODY


def parse(line: bytes) -> Message | Unreadable | None:
    """Return the message in ``line``, whose end is cut off; None: there is no command in it. Never raises."""
    try:
        text = line.decode().replace("\0", "")
    except UnicodeDecodeError:
        found = parse(line.decode("ascii", "replace").encode())
        known = isinstance(found, Message) and _COMMAND.fullmatch(found.command) is not None
        return Unreadable(found.command if isinstance(found, Message) and known else "*")
    tags: dict[str, str] = {}
    if text.startswith("@"):
        raw, _, text = text[1:].partition(" ")
        tags = _parse_tags(raw)
    text = text.lstrip(" ")
    if text.startswith(":"):  # a source; "Clients MUST NOT include a source", and it says nothing we do not know
        text = text.partition(" ")[2].lstrip(" ")
    head, colon, trailing = text.partition(" :")
    command, *params = [word for word in head.split(" ") if word] or [""]
    if not _COMMAND.fullmatch(command):
        return None if not command else Message(command.upper()[:32])
    if colon:
        params.append(trailing)
    return Message(command.upper(), tuple(params[:MAX_PARAMS]), tags)


def _parse_tags(raw: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in raw.split(";"):
        key, _, value = tag.partition("=")
        if key:
            tags[key] = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), value) if "\\" in value else value
    return tags


def body(source: str, command: str, *params: str) -> str:
    """Return a message without tags and line end, cut to its limit at a character's border.

    Parameters but the last are cut at their first space, for a space there would make two of one.
    """
    *middle, last = params or ("",)
    words = [":" + source.replace(" ", "_"), command, *(word.split(" ")[0].lstrip(":") or "*" for word in middle)]
    if params:
        bare = (command in _BARE or (command in _BARE_ALONE and not middle)) and bool(last)
        bare = bare and not last.startswith(":") and " " not in last
        words.append(last if bare else ":" + last)
    return clip(" ".join(words).translate(_UNSAFE), MAX_BODY)


# "in other cases the use of a preceding ':' on the final parameter is OPTIONAL"; clients without a parser expect it
_BARE: Final = frozenset({"AUTHENTICATE", "NICK", "BATCH", "MODE", "004", "324", "333"})
_BARE_ALONE: Final = frozenset({"JOIN", "PART"})  # with nothing but the channel


def encode(text: str, tags: str = "") -> bytes:
    """Return one message as bytes. ``tags`` is what stands between @ and the space, maybe nothing."""
    return f"@{tags} {text}\r\n".encode("utf-8", "replace") if tags else f"{text}\r\n".encode("utf-8", "replace")


def clip(text: str, limit: int) -> str:
    """Return as much of ``text`` as fits in ``limit`` bytes of UTF-8."""
    if len(text) * 4 <= limit:
        return text
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore")


def split(text: str, limit: int) -> list[str]:
    """Return ``text`` in pieces of at most ``limit`` bytes of UTF-8, cut between words where that is near enough."""
    pieces: list[str] = []
    while len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit:
        piece = clip(text, limit)
        word = piece.rfind(" ") + 1
        if word > len(piece) * 3 // 4:
            piece = piece[:word]
        pieces.append(piece)
        text = text[len(piece) :]
    return [*pieces, text]


def words_in(words: list[str], limit: int) -> list[str]:
    """Return ``words`` joined by spaces, in lines of at most ``limit`` bytes; no line when there is no word."""
    lines: list[str] = []
    size = 0
    for word in words:
        length = len(word.encode("utf-8", "replace"))
        if lines and size + 1 + length <= limit:
            lines[-1] += " " + word
            size += 1 + length
        else:
            lines.append(word)
            size = length
    return lines
