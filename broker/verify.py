"""Tells which message each row of a log is and whether it is as it was written. Pure; knows no files.

Rows are taken in the order in which they lie in the log. The chain of sums says which room and seq a row had, whatever
it claims: a row that follows from its predecessor's sum under another seq has a damaged seq. What cannot be verified is
set aside; the next row that can be tells which messages those were. So one damaged byte condemns one message.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from broker import chain
from broker.chain import SUM_BYTES, Columns

COLUMNS: Final = 10  # of `messages`
SEARCHES: Final = 500  # of raw pages for the sum of an unreadable row, some milliseconds each
_GUESSES: Final = 12  # sums that the row before may have had

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written."""

    what: str
    room: str = ""  # the log's name of it; "": no room's
    first: int = 0  # seq; 0: no message's
    last: int = 0  # seq; the same as ``first`` for a single one
    intact: bool = False  # what the message says can be read and is verified

    def __str__(self) -> str:
        where = self.room if self.room.isprintable() else ascii(self.room)
        if self.first:
            where += f" {self.first}" if self.first == self.last else f" {self.first} to {self.last}"
        return f"{where}: {self.what}" if where else self.what


@dataclass(slots=True)
class Room:
    """A row of `rooms`, or what can be known without it."""

    id: int
    name: str
    topic: str = ""
    pruned: int = 0  # newest seq removed on purpose
    base: bytes = b""  # sum at `pruned`
    last: int | None = None  # newest seq; None: not known
    head: bytes = b""  # sum at `last`
    sound: bool = True
    seen: bool = False  # its messages were taken
    origins: tuple[str, ...] = ()  # what it was called before

    @property
    def starts(self) -> list[bytes]:
        """The sums from which its chain may start anew."""
        return [chain.start(name) for name in (self.name, *self.origins)]


@dataclass(frozen=True, slots=True)
class Row:
    """A message as it was written."""

    room: Room
    columns: Columns


@dataclass(frozen=True, slots=True)
class Found:
    """A row of `messages` as it lies in the log."""

    page: int
    values: Values | None  # room, the chain's columns, sum; None: no message can be read there
    whole: bool  # its length is what the file says


def is_message(values: Values) -> bool:
    """Tell a record of `messages` from those of the other tables, by its form."""
    return len(values) == COLUMNS and all(isinstance(number, int) for number in values[:2])


class _Aside(NamedTuple):
    """A row that could not be verified."""

    page: int
    claim: tuple[int, int] | None  # room and seq, as far as it says
    readable: bool  # its sum may be damaged, but lies where it should


@dataclass(slots=True)
class Verifier:
    """Takes the rows of a log one after the other. After `finish`, `damage` names everything that is wrong."""

    rooms: dict[int, Room]
    raw: Callable[[], Iterable[bytes]]  # the pages around the row taken last, in which a damaged row's sum may be found
    damage: list[Damage] = field(default_factory=list)
    holes: list[Damage] = field(default_factory=list)
    """Messages that are not there though nothing is wrong: a repair took them out, and the chain starts anew behind."""

    _room: Room | None = None
    _next: int = 1  # the seq after the last one that is settled
    _sums: list[bytes] = field(default_factory=list)  # what the sum of the row taken last may be
    _aside: list[_Aside] = field(default_factory=list)  # rows since the last settled one
    _renumbered: tuple[Room, int] | None = None  # its first row was found under this room number
    _searches: int = SEARCHES

    def take(self, found: Found) -> Row | None:
        """Return the message that this row is; None when it is not as it was written."""
        values, room = found.values, self._room
        if values is None or not is_message(values) or not isinstance(values[-1], bytes):
            self._set_aside(found)
            return None
        if room is not None and values[:2] == (room.id, self._next) and found.whole and not self._aside:
            columns: Columns = values[1:-1]  # right if the sum is
            if _link(self._sums[0], columns) == values[-1]:  # nearly always
                self._next += 1
                self._sums = [values[-1]]
                return Row(room, columns)
        for room in self._rooms_for(values):
            for seq in self._seqs_for(room, values):
                columns = (seq, *values[2:-1])
                if self._follows(room, columns, values[-1], search=found.whole):
                    return self._settle(found, room, columns)
        self._set_aside(found)
        return None

    def finish(self) -> Iterator[Room]:
        """End the walk; yield the rooms that had no messages at all."""
        self._leave()
        for room in [room for room in self.rooms.values() if not room.seen]:
            self._enter(room)
            yield room
            self._leave()

    # --- whose row it may be

    def _rooms_for(self, values: Values) -> Iterator[Room]:
        """Yield the rooms this row may belong to, the likeliest first."""
        id_, seq = values[:2]
        if self._renumbered is not None and self._renumbered[1] == id_:
            self._adopt()
        current, claimed = self._room, self.rooms.get(id_)
        if current is not None:
            yield current
        if claimed is not None and not claimed.seen:
            self._guess_begin(claimed, seq)
            yield claimed
        elif claimed is None or claimed is not current:  # a damaged number; the sum may tell whose first row it is
            if self._searches > 0 and not self._aside:
                self._searches -= 1
                yield from [room for room in self.rooms.values() if not room.seen]
            if claimed is None:
                lost = Room(id_, f"#lost-{id_}", sound=False)
                self._guess_begin(lost, seq)
                yield lost

    def _guess_begin(self, room: Room, seq: int) -> None:
        """Take a room to begin with its first row where its entry is lost."""
        if room.last is None:
            claims = [row.claim[1] for row in self._aside if row.claim is not None and row.claim[0] == room.id]
            room.pruned = max(0, min([seq, *claims]) - 1)

    def _seqs_for(self, room: Room, values: Values) -> list[int]:
        """Return the seqs this row may have in ``room``: as it says, and as its place says."""
        begin = self._next if room is self._room else room.pruned + 1
        place = begin + len(self._aside)
        return [values[1], place] if values[1] >= begin and values[1] != place else [place]

    def _follows(self, room: Room, columns: Columns, stored: bytes, *, search: bool) -> bool:
        """Return whether the row's sum is that of ``columns`` in this place.

        ``search``: when the row before cannot be read, look for its sum among the bytes around.
        """
        ours = room is self._room
        guesses = [*room.starts, *(self._sums if ours or self._aside else [])]
        if not ours:
            guesses.append(room.base)
        if any(_link(before, columns) == stored for before in guesses):
            return True
        begin = self._next if ours else room.pruned + 1
        unreadable = not self._aside or not all(row.readable for row in self._aside)
        if not (search and unreadable and columns[0] > begin and self._searches > 0):
            return False
        self._searches -= 1
        windows = {page[at : at + SUM_BYTES] for page in self.raw() for at in range(len(page) - SUM_BYTES + 1)}
        return any(_link(before, columns) == stored for before in windows)

    # --- what follows from it

    def _settle(self, found: Found, room: Room, columns: Columns) -> Row | None:
        """The row is verified as this message: so the seqs before it are settled too."""
        assert found.values is not None
        seq, stored = columns[0], found.values[-1]
        if room is not self._room:
            aside, first, before = self._aside, seq == room.pruned + 1, self._room and self._room.id
            self._aside = [row for row in aside if first or (row.claim is not None and row.claim[0] == before)]
            self._leave()
            self._enter(room)
            self._aside = [] if first else [row for row in aside if row.claim is None or row.claim[0] != before]
        if seq == self._next:
            self._condemn_strays()
        elif not self._aside and any(_link(start, columns) == stored for start in room.starts):
            self.holes.append(Damage("left out by an earlier repair or import", room.name, self._next, seq - 1))
        else:
            self._condemn(seq - 1)
        self._next, self._sums, self._aside = seq + 1, [stored], []
        if found.values[:2] == (room.id, seq):
            if not found.whole:
                what = "the length of its record is damaged; the message itself is sound"
                self.damage.append(Damage(what, room.name, seq, seq, intact=True))
            return Row(room, columns)
        if found.values[0] not in self.rooms and seq == room.pruned + 1:
            self._renumbered = (room, found.values[0])
        number = "seq" if found.values[0] == room.id else "room number"
        self.damage.append(Damage(f"its {number} is damaged", room.name, seq, seq))
        return None

    def _adopt(self) -> None:
        """A second row has the room number that looked damaged in the first: so the room's entry has the wrong one."""
        assert self._renumbered is not None
        room, id_ = self._renumbered
        self._renumbered = None
        room.id = id_
        self.rooms[id_] = room
        self.damage[-1] = Damage("its number among the rooms is damaged", room.name)

    def _set_aside(self, found: Found) -> None:
        self._renumbered = None
        guesses: list[bytes | None] = []
        claim = None
        readable = False
        if found.values is not None and is_message(found.values):
            id_, seq, *rest, stored = found.values
            claim = (id_, seq)
            readable = found.whole and isinstance(stored, bytes)
            guesses = [stored] if isinstance(stored, bytes) else []
            claimed = self.rooms.get(id_)
            befores = [*self._sums, claimed.base] if claimed is not None else self._sums
            for real in dict.fromkeys([seq, self._next + len(self._aside)]):
                guesses += [_link(before, (real, *rest)) for before in befores]
        self._sums = [guess for guess in guesses if guess is not None][:_GUESSES]
        self._aside.append(_Aside(found.page, claim, readable))

    def _enter(self, room: Room) -> None:
        room.seen = True
        self.rooms.setdefault(room.id, room)
        self._room, self._next = room, room.pruned + 1
        self._sums, self._aside = [room.base], []

    def _leave(self) -> None:
        """The rows of a room have ended: were they all?"""
        room = self._room
        if room is None:
            return
        last = room.last
        if last is None:
            claims = [row.claim[1] for row in self._aside if row.claim is not None and row.claim[0] == room.id]
            last = max([self._next - 1, *claims[-1:]])
        if self._next <= last:
            self._condemn(last)
        elif self._aside:
            self._condemn_strays()
        elif room.sound and self._next > last + 1:
            self.damage.append(Damage(f"it has messages after {last}, its last by its entry", room.name))
        elif room.sound and room.head not in (*self._sums, *room.starts):
            self.damage.append(Damage("the sum of its last message is another by its entry", room.name))
        self._room = None

    def _condemn(self, last: int) -> None:
        """The messages from the next to ``last`` are damaged."""
        assert self._room is not None
        if self._next == last and self._aside:
            what = "not as it was written"
        elif len(self._aside) >= last - self._next + 1:
            what = "not as they were written"
        else:
            what = "missing, unreadable, or behind what is missing"
        self.damage.append(Damage(what, self._room.name, self._next, last))

    def _condemn_strays(self) -> None:
        for number in dict.fromkeys(row.page for row in self._aside):
            self.damage.append(Damage(f"page {number} holds a row that is no message of its room"))


def _link(before: bytes, columns: Any) -> bytes | None:
    """`chain.link` of columns that may be of any type; None when they cannot be a message's."""
    try:
        return chain.link(before, columns)
    except (TypeError, ValueError, OverflowError):
        return None
