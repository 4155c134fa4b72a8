"""What a client's command is answered with: in the order of its commands, labelled and in batches as it wants. Pure.

A turn ends when all that its command asked of the broker is answered. Answers to later commands wait for it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from protocol.tags import escape
from workers.dialects.irc.lines import body, encode

MAX_LABEL: Final = 64  # bytes; "The value MUST NOT exceed 64 bytes"

Line = tuple[str, str]  # tags as they are written, and the rest; neither has a line end


def tagged(*tags: str) -> str:
    """Return the tags that are not empty as they are written."""
    return ";".join(filter(None, tags))


def within(batch: str, line: Line) -> Line:
    """Return ``line`` as one of ``batch``; those of a batch within it stay in that."""
    tags, text = line
    return line if tags.startswith("batch=") else (tagged(f"batch={batch}", tags), text)


class Turn:
    """One command's answer."""

    __slots__ = ("_opened", "batch", "command", "label", "lines", "streams", "tags", "waiting")

    def __init__(self, command: str, label: str = "") -> None:
        self.command = command
        self.label = label
        self.tags: Mapping[str, str] = {}  # the command's
        self.lines: list[Line] = []
        self.waiting = 0  # requests that are not answered
        self.batch: tuple[str, ...] = ()  # type and parameters of the batch that all of it stands in
        self.streams = False  # the first lines cannot wait for the last
        self._opened = ""  # the batch that was begun

    def take(self, host: str, new_batch: Callable[[], str]) -> bytes:
        """Return what may be written by now, and forget it."""
        label = f"label={escape(self.label)}" if self.label else ""
        done = not self.waiting
        if not (label or self.batch):
            lines, self.lines = self.lines, []
            return b"".join(encode(text, tags) for tags, text in lines)
        if not done and not (self._opened or (self.streams and self.lines)):
            return b""
        if done and not self._opened and not self.batch and (len(self.lines) < 2 or _is_batch(self.lines)):
            (tags, text), *others = self.lines or [("", body(host, "ACK"))]
            self.lines = []
            return b"".join([encode(text, tagged(label, tags)), *(encode(text, tags) for tags, text in others)])
        out: list[bytes] = []
        if not self._opened:
            self._opened = new_batch()
            out.append(encode(body(host, "BATCH", "+" + self._opened, *(self.batch or ("labeled-response",))), label))
        for line in self.lines:
            tags, text = within(self._opened, line)
            out.append(encode(text, tags))
        self.lines = []
        if done:
            out.append(encode(body(host, "BATCH", "-" + self._opened)))
        return b"".join(out)


def _is_batch(lines: list[Line]) -> bool:
    """Whether ``lines`` are one batch by themselves: "An existing type applicable to the entire response"."""
    first, last = lines[0][1].split(" ", 3), lines[-1][1].split(" ", 3)
    return (first[1], last[1]) == ("BATCH", "BATCH") and first[2][:1] == "+" and last[2] == "-" + first[2][1:]
