"""Pages of messages: what a part of a room holds and what of it will never come, cut to a number of bytes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from protocol.native import Gap, Msg

_OVERHEAD_BYTES: Final = 150  # of a message on the wire beside its text, about


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a room, oldest first. Each seq from `begin` to `end` is a message's or lies in a gap."""

    messages: list[Msg] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def begin(self) -> int:
        """The smallest seq; 0 for an empty page."""
        firsts = [msg.seq for msg in self.messages[:1]] + [first for first, _last in self.gaps[:1]]
        return min(firsts, default=0)

    @property
    def end(self) -> int:
        """The greatest seq; 0 for an empty page."""
        lasts = [msg.seq for msg in self.messages[-1:]] + [last for _first, last in self.gaps[-1:]]
        return max(lasts, default=0)


def gaps(seqs: Iterable[int], first: int = 1, last: int = 0) -> list[Gap]:
    """Return ``seqs``, which ascend, as ranges; those from ``first`` to ``last`` come before them."""
    found = [(first, last)] if first <= last else []
    for seq in seqs:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found


def behind(page: Page, first: int, last: int) -> Page:
    """Return ``page``, which begins behind ``last``, with the gap from ``first`` to ``last``, if it is one."""
    if first > last:
        return page
    return Page(page.messages, gaps((seq for begin, end in page.gaps for seq in range(begin, end + 1)), first, last))


def oldest(page: Page, max_bytes: int) -> Page:
    """Return the beginning of ``page``: ``max_bytes`` or a little more, but at least one message if there is any."""
    count = _fitting(page.messages, max_bytes)
    if count == len(page.messages):
        return page
    cut = page.messages[count].seq
    return Page(page.messages[:count], [gap for gap in page.gaps if gap[0] < cut])


def newest(page: Page, max_bytes: int) -> Page:
    """Return the end of ``page``, under the same rule."""
    count = _fitting(page.messages[::-1], max_bytes)
    if count == len(page.messages):
        return page
    cut = page.messages[-count - 1].seq
    return Page(page.messages[-count:], [gap for gap in page.gaps if gap[0] > cut])


def _fitting(messages: list[Msg], max_bytes: int) -> int:
    left = max_bytes
    for count, msg in enumerate(messages):
        left -= _OVERHEAD_BYTES + len(msg.text) * (1 if msg.text.isascii() else 4)
        if left < 0:
            return max(1, count)
    return len(messages)
