"""Put one room's messages in order: each once, by seq, without a silent hole. Knows no rooms, requests or sockets."""

from collections.abc import Iterable, Iterator
from typing import Final

from protocol.native import Gap, Msg

MAX_HELD: Final = 1000  # messages held back during a gap; later ones are fetched again instead


def in_order(messages: Iterable[Msg], gaps: Iterable[Gap]) -> Iterator[Msg | Gap]:
    """Yield ``messages`` (oldest first) with ``gaps`` (in any order) between them, where they belong."""
    rest = sorted(gaps, reverse=True)
    for msg in messages:
        while rest and rest[-1][0] < msg.seq:
            yield rest.pop()
        yield msg
    yield from reversed(rest)


class Sequence:
    """Where one is in a room's log, and what came too early."""

    def __init__(self, last: int = 0) -> None:
        self.last = last  # seq of the newest message given out, or known never to come
        self.head = last  # newest seq known to exist
        self._held: dict[int, Msg] = {}

    @property
    def gap(self) -> bool:
        """True while messages are known to exist that were not given out."""
        return self.last < self.head

    def restart(self, last: int) -> None:
        """Go on after ``last``, whatever was before."""
        self.last = self.head = last
        self._held.clear()

    def jump(self, last: int) -> None:
        """Go on after ``last``, with what is held back beyond it."""
        self._held = {seq: msg for seq, msg in self._held.items() if seq > last}
        self.last = last
        self.head = max(self._held, default=last)

    def let_go(self) -> None:
        """Forget what is held back; it can be fetched again."""
        self._held.clear()
        self.head = self.last

    def knows(self, head: int) -> None:
        """Note that ``head`` exists."""
        self.head = max(self.head, head)

    def hold(self, msg: Msg) -> None:
        """Keep ``msg`` for when those before it have come."""
        self.knows(msg.seq)
        if msg.seq > self.last and len(self._held) < MAX_HELD:
            self._held[msg.seq] = msg

    def take(self, msg: Msg) -> list[Msg]:
        """Return the messages that are next now, oldest first: none for an old one or one beyond a gap."""
        if msg.seq == self.last + 1:
            self.last = msg.seq
            self.knows(msg.seq)
            return [msg, *self.drain()] if self._held else [msg]
        self.hold(msg)
        return []

    def page(self, messages: Iterable[Msg], gaps: Iterable[Gap] = ()) -> list[Msg | Gap]:
        """Take a page of the log, oldest first, that goes on from `last` or before; return what is new of it.

        A `Gap` stands for messages that will never come: because the page says so, or has nothing in their place.
        """
        found: list[Msg | Gap] = []
        for item in in_order(messages, gaps):
            first, last = (item.seq, item.seq) if isinstance(item, Msg) else item
            found += self.drain()
            if last <= self.last:
                continue
            if isinstance(item, Msg) and first > self.last + 1:
                found.append((self.last + 1, first - 1))
            found.append(item if isinstance(item, Msg) else (self.last + 1, last))
            self.last = last
            self.knows(last)
        found += self.drain()
        if self._held:  # what the page had too
            self._held = {seq: msg for seq, msg in self._held.items() if seq > self.last}
        return found

    def replay(self, messages: Iterable[Msg], gaps: Iterable[Gap] = ()) -> list[Msg | Gap]:
        """Take a page that goes on from wherever the server thinks we are; return what is new of it.

        One that begins beyond `last` is held back like messages that came too early; what is between can be fetched.
        """
        items = list(in_order(messages, gaps))
        if items and self.last + 1 < (items[0].seq if isinstance(items[0], Msg) else items[0][0]):
            for item in items:
                if isinstance(item, Msg):
                    self.hold(item)
                else:
                    self.knows(item[1])
            return []
        return self.page(messages, gaps)

    def give_up(self) -> list[Msg | Gap]:
        """The gap cannot be filled: go on behind it. Returns it, and the messages held there."""
        first = self.last + 1
        self.last = min(self._held, default=self.head + 1) - 1
        return [(first, self.last), *self.drain()]

    def drain(self) -> list[Msg]:
        """Return the held messages that are next now."""
        ready = []
        while (msg := self._held.pop(self.last + 1, None)) is not None:
            ready.append(msg)
            self.last = msg.seq
        if self._held and ready:
            self._held = {seq: msg for seq, msg in self._held.items() if seq > self.last}
        return ready
