"""Put one room's messages in order: each once, by seq, without a silent hole. Knows no rooms, requests or sockets."""

from collections.abc import Iterable
from typing import Final

from protocol.native import Msg

MAX_HELD: Final = 1000  # messages held back during a gap; later ones are fetched again instead


class Sequence:
    """Where one is in a room's log, and what came too early."""

    def __init__(self, last: int = 0) -> None:
        self.last = last  # seq of the newest message given out
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

    def page(self, messages: Iterable[Msg]) -> list[list[Msg]]:
        """Take a page of the log, oldest first; return runs of new messages.

        The first run (maybe empty) goes on from `last`; before each further one the log has lost some.
        """
        runs: list[list[Msg]] = [[]]
        for msg in messages:
            if msg.seq > self.last + 1:
                runs[-1] += self.drain()
            if msg.seq <= self.last:
                continue
            if msg.seq > self.last + 1:
                runs.append([])
            runs[-1].append(msg)
            self.last = msg.seq
            self.knows(msg.seq)
        runs[-1] += self.drain()
        return runs

    def give_up(self) -> list[Msg]:
        """The gap cannot be filled: go on behind it. Returns the messages held there."""
        self.last = min(self._held, default=self.head + 1) - 1
        return self.drain()

    def drain(self) -> list[Msg]:
        """Return the held messages that are next now."""
        ready = []
        while (msg := self._held.pop(self.last + 1, None)) is not None:
            ready.append(msg)
            self.last = msg.seq
        if self._held and ready:
            self._held = {seq: msg for seq, msg in self._held.items() if seq > self.last}
        return ready
