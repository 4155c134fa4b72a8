"""What clients did and saw, and the check of it against what the server kept. Pure: knows no sockets and no clock.

Every message has a name of its own, its `cmid`, which stands in its text too, so that a reader knows whose it is. A
client notes *invoke* before it sends and then *ok*, *fail* or *unknown*; a reader notes each message when it is shown.
`check` compares that with the final logs, in time linear in their size.

    history = History()
    history.invoke("ann", "#tea", "ann-1")
    history.ok("ann-1", "#tea", 1)
    history.saw("bob", "#tea", 1, "ann-1")
    assert check(history, {"#tea": RoomLog([(1, "ann-1")])}) == []
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["open", "ok", "fail", "unknown"]


@dataclass(slots=True)
class Operation:
    """One message and what its sender knows of it. `open`: no answer came; it is judged as `unknown`."""

    client: str
    room: str
    cmid: str
    invoked: float = 0.0  # seconds, of any one clock
    status: Status = "open"
    seq: int = 0  # acknowledged; 0: not
    ended: float = 0.0  # when the answer came


@dataclass(slots=True)
class RoomLog:
    """A room at the end: its messages by ascending seq as they were read, and seqs that the server says are gone."""

    messages: list[tuple[int, str]]  # (seq, cmid)
    gaps: list[tuple[int, int]] = field(default_factory=list)  # first and last seq, both included


@dataclass(slots=True)
class Run:
    """Messages that a reader saw one after the other, without a hole.

    `told`: it was told instead that these will never come; with 0, to forget the room.
    """

    first: int
    last: int
    told: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: `kind` is stable, `text` is a sentence with the evidence."""

    kind: str
    text: str
    cmid: str = ""  # of the message it is about, if it is about one

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class History:
    """A record of operations and observations. What all readers agree on is kept once, their runs of seqs apart."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}  # by cmid, in the order of invocation
        self.order: dict[str, dict[int, str]] = {}  # room -> seq -> cmid, as the first reader saw it
        self.runs: dict[tuple[str, str], list[Run]] = {}  # (reader, room)
        self.heard_of: dict[tuple[str, str], list[str]] = {}  # cmids, of readers who are told no seqs
        self.owner: dict[str, str] = {}  # reader without echo -> the client whose messages it does not see
        self.begun: set[tuple[str, str]] = set()  # (reader, room) that were there before the first message
        self.present: set[tuple[str, str]] = set()  # (reader, room) that were there to the end
        self.refusals: dict[str, int] = {}  # client without acknowledgements, there to the end -> lines refused
        self._noted: list[Violation] = []  # what contradicts itself already

    # --- senders

    def invoke(self, client: str, room: str, cmid: str, at: float = 0.0) -> None:
        """``client`` is about to send ``cmid`` to ``room``. Raises ValueError for a cmid used before."""
        if cmid in self.operations:
            raise ValueError(f"cmid {cmid!r} was used before")
        self.operations[cmid] = Operation(client, room, cmid, at)

    def ok(self, cmid: str, room: str, seq: int, at: float = 0.0) -> None:
        """The server said that ``cmid`` is stored as ``seq`` of ``room``."""
        one = self.operations[cmid]
        if one.status == "ok" and (one.room, one.seq) != (room, seq):
            text = f"{cmid} was acknowledged as {one.seq} of {one.room}, and later as {seq} of {room}"
            self._noted.append(Violation("answers-differ", text))
            return
        if one.status == "fail":
            text = f"{cmid} was refused for good, and later acknowledged as {seq} of {room}"
            self._noted.append(Violation("answers-differ", text))
        if room != one.room:
            self._noted.append(Violation("seq", f"{cmid} was sent to {one.room} and acknowledged in {room}"))
        if one.status != "ok":
            one.ended = at
        one.status, one.seq = "ok", seq

    def fail(self, cmid: str, at: float = 0.0) -> None:
        """The server refused ``cmid`` for good."""
        self._end(cmid, "fail", at)

    def unknown(self, cmid: str, at: float = 0.0) -> None:
        """``cmid`` may be stored or not: no answer, or an error that leaves it open."""
        self._end(cmid, "unknown", at)

    def _end(self, cmid: str, status: Status, at: float) -> None:
        one = self.operations[cmid]
        if one.status == "ok":
            text = f"{cmid} was acknowledged as {one.seq} of {one.room}, and later answered with {status}"
            self._noted.append(Violation("answers-differ", text))
            return
        one.status, one.ended = status, at

    def unanswered(self, client: str, refusals: int) -> None:
        """``client`` gets no acknowledgements. All it said went over one connection that stood to the end, and was
        taken but for so many lines; which ones is not known."""
        self.refusals[client] = refusals

    # --- readers

    def begins(self, reader: str, room: str) -> None:
        """``reader`` came into ``room`` when it was empty, and must see it from its first message on."""
        self.begun.add((reader, room))

    def saw(self, reader: str, room: str, seq: int, cmid: str) -> None:
        """``reader`` was shown ``cmid`` as ``seq`` of ``room``."""
        known = self.order.setdefault(room, {}).setdefault(seq, cmid)
        if known != cmid:
            text = f"{reader} saw {cmid} as {seq} of {room}, where another reader saw {known}"
            self._noted.append(Violation("order-differs", text))
        runs = self.runs.setdefault((reader, room), [])
        if runs and not runs[-1].told and seq == runs[-1].last + 1:
            runs[-1].last = seq
        else:
            runs.append(Run(seq, seq))

    def gap(self, reader: str, room: str, first: int, last: int) -> None:
        """``reader`` was told that ``first`` to ``last`` of ``room`` will never come."""
        self.runs.setdefault((reader, room), []).append(Run(first, last, told=True))

    def reset(self, reader: str, room: str) -> None:
        """``reader`` was told to forget what it was shown of ``room``, though no log is ever exchanged here."""
        text = f"{reader} was told to forget {room}, whose log is still the same"
        self._noted.append(Violation("reset", text))
        self.runs.setdefault((reader, room), []).append(Run(0, 0, told=True))

    def heard(self, reader: str, room: str, cmid: str, owner: str = "") -> None:
        """A reader who is told no seqs was shown ``cmid``. It does not see what ``owner`` says."""
        self.heard_of.setdefault((reader, room), []).append(cmid)
        self.owner[reader] = owner

    def stays(self, reader: str, room: str) -> None:
        """``reader`` is in ``room`` at the end, had time to catch up, and must have seen everything since it came."""
        self.present.add((reader, room))

    def readings(self) -> set[tuple[str, str]]:
        """Return every reader with every room that it was in."""
        return self.runs.keys() | self.heard_of.keys() | self.begun | self.present

    def contradictions(self) -> list[Violation]:
        """Return what was wrong without looking at the end."""
        return list(self._noted)


def check(
    history: History,
    served: Mapping[str, RoomLog],
    stored: Mapping[str, RoomLog] | None = None,
    pruned: Mapping[str, int] | None = None,
) -> list[Violation]:
    """Return every broken promise; none means that all hold.

    ``served`` is what a fresh client reads at the end, ``stored`` (if given) what the database file has. Both need all
    rooms that were written to. ``pruned``: the newest seq that retention removed, by room. Nothing else may be gone:
    that the server says so of more is a violation, and excuses nothing.
    """
    found = history.contradictions()
    gone: dict[str, _Ranges] = {}  # by room: what may be missing
    for name in sorted(served.keys() | {room for _reader, room in history.readings()}):
        log, last = served.get(name, RoomLog([])), (pruned or {}).get(name, 0)
        gone[name] = _Ranges((low, min(high, last)) for low, high in log.gaps)
        for low, high in log.gaps:
            if high > last:
                found.append(Violation("damaged", f"{name} is served without {low} to {high}, which nobody removed"))
        found += _dense(name, log, gone[name])
    if stored is not None:
        found += _alike(served, stored)
    where: dict[str, tuple[str, int]] = {}  # cmid -> room and seq
    for name, log in served.items():
        for seq, cmid in log.messages:
            if cmid in where:
                room, other = where[cmid]
                text = f"{cmid} is stored twice: {other} of {room} and {seq} of {name}"
                found.append(Violation("doubled", text, cmid))
            else:
                where[cmid] = name, seq
    found += _nobodys(history, where)
    found += _operations(history, gone, where)
    found += _swallowed(history, where)
    for reader, room in sorted(history.readings()):
        found += _reading(history, reader, room, served.get(room, RoomLog([])), gone[room])
    for room, order in history.order.items():
        found += _seen(room, order, served.get(room, RoomLog([])), gone[room])
    return found


def _dense(name: str, log: RoomLog, gone: "_Ranges") -> Iterator[Violation]:
    last = 0
    for seq, cmid in log.messages:
        if seq <= last:
            yield Violation("not-dense", f"{name} has {cmid} as {seq} after {last}")
        elif not gone.cover(last + 1, seq - 1):
            yield Violation("not-dense", f"{name} has nothing from {last + 1} to {seq - 1}, and says nothing of it")
        last = max(last, seq)


def _alike(served: Mapping[str, RoomLog], stored: Mapping[str, RoomLog]) -> Iterator[Violation]:
    for name in sorted(served.keys() | stored.keys()):
        ours, theirs = served.get(name, RoomLog([])).messages, stored.get(name, RoomLog([])).messages
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))
            text = f"{name} is served with {ours[at : at + 1]} where the file has {theirs[at : at + 1]}"
            yield Violation("served-differs", f"{text} ({len(ours)} messages served, {len(theirs)} in the file)")


def _nobodys(history: History, where: Mapping[str, tuple[str, int]]) -> Iterator[Violation]:
    for cmid, (room, seq) in where.items():
        if (one := history.operations.get(cmid)) is None:
            yield Violation("nobodys", f"{seq} of {room} is {cmid!r}, which nobody sent")
        elif one.room != room:
            yield Violation("nobodys", f"{seq} of {room} is {cmid}, which {one.client} sent to {one.room}")


def _operations(
    history: History, gone: Mapping[str, "_Ranges"], where: Mapping[str, tuple[str, int]]
) -> Iterator[Violation]:
    """Every operation against where its message is; the order of each sender's messages."""
    newest: dict[tuple[str, str], Operation] = {}  # (client, room) -> the last invoked that is there
    for cmid, one in history.operations.items():
        here = where.get(cmid)
        if one.status == "ok":
            told = f"{one.client} was told that {cmid} is {one.seq} of {one.room}"
            if here is None:
                if not (one.room in gone and gone[one.room].cover(one.seq, one.seq)):
                    yield Violation("lost", f"{told}, and it is nowhere", cmid)
            elif here[1] != one.seq:
                yield Violation("seq", f"{told}, and it is {here[1]} of {here[0]}")
        elif one.status == "fail" and here is not None:
            yield Violation(
                "refused", f"{one.client} was told that {cmid} is refused, and it is {here[1]} of {here[0]}"
            )
        if here is None:
            continue
        before = newest.get((one.client, one.room))
        newest[one.client, one.room] = one
        if before is not None and here[0] == one.room and where[before.cmid][1] > here[1]:
            text = f"{one.client} said {before.cmid} before {cmid} in {one.room}"
            yield Violation("sender-order", f"{text}; they are {where[before.cmid][1]} and {here[1]}")


def _swallowed(history: History, where: Mapping[str, tuple[str, int]]) -> Iterator[Violation]:
    """What was said without acknowledgements, over connections that stood."""
    missing: dict[str, list[str]] = {client: [] for client in history.refusals}
    for cmid, one in history.operations.items():
        if one.client in missing and cmid not in where:
            missing[one.client].append(cmid)
    for client, cmids in missing.items():
        if len(cmids) > history.refusals[client]:
            text = f"{client} was refused {history.refusals[client]} lines, and {len(cmids)} are nowhere: {cmids[:5]}"
            yield Violation("swallowed", text)


def _reading(history: History, reader: str, room: str, log: RoomLog, gone: "_Ranges") -> Iterator[Violation]:
    """What one reader was shown of one room: ascending, without a silent hole, and to the end for one that stayed."""
    runs = history.runs.get((reader, room), [])
    expected = gone  # need not have been shown
    if (cmids := history.heard_of.get((reader, room))) is not None:
        seqs = {cmid: seq for seq, cmid in log.messages}
        for cmid in cmids:
            if cmid not in seqs:
                yield Violation("vanished", f"{reader} was shown {cmid} in {room}, and it is not there")
        runs = [Run(seqs[cmid], seqs[cmid]) for cmid in cmids if cmid in seqs]
        owner = history.owner[reader]
        expected = gone.and_these(seq for seq, cmid in log.messages if owner and _client_of(history, cmid) == owner)
    last = 0 if (reader, room) in history.begun else None
    for run in runs:
        if run.told and not run.last:
            last = None
            continue
        if run.told and not gone.cover(run.first, run.last):
            text = f"{reader} was told that {run.first} to {run.last} of {room} will never come, and they are there"
            yield Violation("false-gap", text)
        if last is not None and run.first <= last:
            yield Violation("seen-again", f"{reader} saw {run.first} of {room} after {last}")
        elif last is not None and not expected.cover(last + 1, run.first - 1):
            text = f"{reader} saw {run.first} of {room} after {last}, and not all of what is between"
            yield Violation("hole", text)
        last = run.last if last is None else max(last, run.last)
    end = log.messages[-1][0] if log.messages else 0
    if last is not None and (reader, room) in history.present and not expected.cover(last + 1, end):
        yield Violation("missed", f"{reader} was in {room} to the end, which is {end}, and saw nothing after {last}")


def _seen(room: str, order: Mapping[int, str], log: RoomLog, gone: "_Ranges") -> Iterator[Violation]:
    """What readers saw against what is there."""
    there = dict(log.messages)
    for seq, cmid in order.items():
        if seq not in there and not gone.cover(seq, seq):
            yield Violation("vanished", f"a reader saw {cmid} as {seq} of {room}, and it is not there")
        elif seq in there and there[seq] != cmid:
            yield Violation("vanished", f"a reader saw {cmid} as {seq} of {room}, and there is {there[seq]}")


def _client_of(history: History, cmid: str) -> str:
    one = history.operations.get(cmid)
    return "" if one is None else one.client


class _Ranges:
    """Some seqs, given as ranges (first and last, both included) that may overlap."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges: list[tuple[int, int]] = []  # ascending, none touches the next
        for first, last in sorted(ranges):
            if self._ranges and first <= self._ranges[-1][1] + 1:
                low, high = self._ranges[-1]
                self._ranges[-1] = low, max(high, last)
            elif first <= last:
                self._ranges.append((first, last))

    def and_these(self, seqs: Iterable[int]) -> "_Ranges":
        return _Ranges([*self._ranges, *((seq, seq) for seq in seqs)])

    def cover(self, first: int, last: int) -> bool:
        """Whether all of ``first`` to ``last`` is in here; true for nothing."""
        at = bisect_right(self._ranges, first, key=lambda one: one[0]) - 1
        return first > last or (at >= 0 and last <= self._ranges[at][1])
