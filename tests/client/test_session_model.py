"""A session against a model of the server: whatever is lost on the way, every message is told once and in order.

The network is cut, the client restarts from its journal, the server drops live messages, replays them, prunes its log.
"""

from collections.abc import Iterable
from itertools import count, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from client.outbox import Outgoing
from client.sequence import Sequence, in_order
from client.session import Entered, Failed, Lost, Message, Queued, Sent, Session, Update
from protocol import native
from protocol.native import Error, Event, Gap, HistoryPage, Msg, Ok, People, Person, Room, Welcome, encode

ROOM = "#tea"


class Model:
    """The server's side of one connection at a time: one room, one inbox, answers that may never arrive."""

    def __init__(self, page: int) -> None:
        self.log: list[Msg] = []
        self.inbox: list[Msg] = []
        self.done: dict[str, Ok] = {}
        self.page = page
        self.joined = False
        self.wire: list[Event] = []  # written, not yet with the client
        self.floods = 0
        self.pruned = 0  # newest seq of the room that is no longer kept
        self.lagging: int | None = None  # the client reads too slowly: newest seq it was sent before that

    def found(self, after: int) -> tuple[list[Msg], list[Gap], bool]:
        """Return a page of the room: messages, gaps, and whether there are more."""
        end = min(after + self.page, len(self.log))
        gaps = [(after + 1, min(self.pruned, end))] if after < self.pruned else []
        return self.log[max(after, self.pruned) : end], gaps, end < len(self.log)

    def replay(self) -> None:
        """The client reads again: send what was left out, a page at a time, then who is there."""
        while self.lagging is not None:
            messages, gaps, more = self.found(self.lagging)
            self.lagging += self.page
            self.wire.append(HistoryPage(room=ROOM, messages=messages, gaps=gaps, more=more))
            if not more:
                self.lagging = None
                self.wire.append(People(room=ROOM, people=[Person("ann"), Person("bob")], count=2))

    def take(self, line: bytes) -> None:
        """Carry out one request."""
        request = native.decode_request(line)
        match request:
            case native.Hello():
                self.joined, self.lagging = False, None
                nick, seq = request.nick, len(self.inbox)
                self.wire.append(Welcome(id=request.id, nick=nick, server="m", version="1", epoch="e", inbox=seq))
            case native.Join():
                self.joined = True
                start = max(len(self.log) - self.page, 0) if request.after is None else request.after
                found, gaps, more = self.found(start)
                more = request.after is not None and more
                room = Room(id=request.id, room=ROOM, seq=len(self.log), messages=found, more=more, gaps=gaps)
                self.wire.append(room)
            case native.History(room="@", after=int(after)):
                found = self.inbox[after : after + self.page]
                more = after + len(found) < len(self.inbox)
                self.wire.append(HistoryPage(id=request.id, room=request.room, messages=found, more=more))
            case native.History(after=int(after)):
                found, gaps, more = self.found(after)
                self.wire.append(HistoryPage(id=request.id, room=ROOM, messages=found, gaps=gaps, more=more))
            case native.Send():
                self.say(request)
            case _:
                raise AssertionError(request)

    def say(self, request: native.Send) -> None:
        if self.floods:
            self.floods -= 1
            self.wire.append(Error(id=request.id, code="flood", text="slow", wait=1.0))
            return
        assert self.joined
        ok = self.done.get(request.cmid)
        if ok is not None:
            self.wire.append(Ok(id=request.id, room=ok.room, seq=ok.seq, time=0))
            return
        ok = Ok(id=request.id, room=ROOM, seq=len(self.log) + 1, time=0)
        self.done[request.cmid] = ok
        self.wire.append(ok)
        self.post("ann", request.text)

    def post(self, nick: str, text: str, *, lost: bool = False) -> None:
        msg = Msg(room=ROOM, seq=len(self.log) + 1, time=0, nick=nick, text=text)
        self.log.append(msg)
        if self.joined and not lost and self.lagging is None:
            self.wire.append(msg)

    def write_to_ann(self, text: str) -> None:
        msg = Msg(room="@", seq=len(self.inbox) + 1, time=0, nick="bob", text=text, to="ann")
        self.inbox.append(msg)
        self.wire.append(msg)


class World:
    """A session, the model, and the wire between them."""

    def __init__(self, page: int) -> None:
        self.model = Model(page)
        self.numbers = count(1)
        self.session = Session("ann", [ROOM], new_id=lambda: f"c{next(self.numbers)}")
        self.journal: dict[str, Outgoing] = {}  # as it is on disk
        self.lives: list[list[Update]] = []  # told in earlier runs of the client
        self.told: list[Update] = []
        self.up = False
        self.said = 0

    def step(self, what: str, how_many: int) -> None:
        match what:
            case "connect" if not self.up:
                self.up = True
                self.session.connected()
            case "cut" if self.up:
                self.up = False
                self.model.joined = False
                self.model.wire.clear()
                self.session.outgoing()
                self.session.disconnected("cut")
            case "say":
                self.said += 1
                self.session.say(ROOM, f"mine {self.said}")
            case "hear":
                self.model.post("bob", "theirs")
            case "lose":  # the server drops a live message on the way to a slow reader
                self.model.post("bob", "theirs", lost=True)
            case "write":
                if self.up and self.session.welcome is not None:
                    self.model.write_to_ann("psst")
            case "flood":
                self.model.floods += 1
            case "prune":
                self.model.pruned = max(self.model.pruned, len(self.model.log) - how_many)
            case "lag" if self.model.joined and self.model.lagging is None:
                self.model.lagging = len(self.model.log)
            case "catch up":
                self.model.replay()
            case "die":  # and be started again
                self.step("cut", 0)
                self.lives.append(self.told)
                self.told = []
                left = list(self.journal.values())
                self.session = Session("ann", [ROOM], new_id=lambda: f"c{next(self.numbers)}", pending=left)
            case "retry" if self.session.retry_after is not None:
                self.session.retry()
            case "exchange":
                self.step("up", 0)
                self.step("down", 1000)
            case "up" if self.up:
                for line in self.session.outgoing().splitlines():
                    self.model.take(line)
            case "down" if self.up:
                self.deliver(how_many)
        updates = self.session.updates()
        self.told += updates
        for update in updates:
            if isinstance(update, Queued):
                self.journal[update.cmid] = self.session.outbox[update.cmid]
            elif isinstance(update, Sent | Failed):
                self.journal.pop(update.cmid)

    def deliver(self, how_many: int) -> None:
        batch, self.model.wire = self.model.wire[:how_many], self.model.wire[how_many:]
        for event in batch:
            self.session.feed(encode(event))
            if isinstance(event, Msg):
                self.session.feed(encode(event))  # twice

    def settle(self) -> None:
        """Connect, and let everything through."""
        self.step("connect", 0)
        self.step("catch up", 0)
        self.model.post("bob", "last")  # shows a gap at the end
        for _ in range(1000):
            self.step("up", 0)
            self.step("retry", 0)
            self.step("catch up", 0)
            if not self.model.wire and not self.session.outbox:
                return
            self.step("down", 1000)
        raise AssertionError("does not settle")


def heard(told: Iterable[Update], room: str) -> list[tuple[Msg | Gap, str | None]]:
    """Return what was told of ``room``, in order: messages, with their cmid if they are ours, and gaps."""
    found: list[tuple[Msg | Gap, str | None]] = []
    for update in told:
        if isinstance(update, Entered) and update.room == room:
            assert not update.reset
            found += [(item, None) for item in in_order(update.messages, update.gaps)]
        elif isinstance(update, Message) and update.msg.room == room:
            found.append((update.msg, update.cmid))
        elif isinstance(update, Lost) and update.room == room:
            found.append(((update.first, update.last), None))
    return found


def check_order(items: list[tuple[Msg | Gap, str | None]], log: list[Msg], pruned: int) -> int:
    """Each once, in order, as it is in ``log``; only what was pruned is missing. Return the newest seq."""
    at = 0
    for item, _ in items:
        first, last = (item.seq, item.seq) if isinstance(item, Msg) else item
        assert at in (0, first - 1)
        assert item == log[first - 1] if isinstance(item, Msg) else first <= last <= pruned
        at = last
    return at


STEPS = st.sampled_from(
    [
        "connect",
        "cut",
        "say",
        "say",
        "hear",
        "hear",
        "lose",
        "write",
        "flood",
        "prune",
        "lag",
        "catch up",
        "die",
        "retry",
        "up",
        "up",
        "down",
        "down",
        "down",
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(1, 4)), max_size=60), st.integers(1, 5), st.booleans())
def test_every_message_is_told_once_and_in_order_and_ours_are_known(
    steps: list[tuple[str, int]], page: int, floods: bool
) -> None:
    world = World(page)
    world.settle()
    for what, how_many in steps:
        if floods or what != "flood":
            world.step(what, how_many)
    world.settle()
    log = world.model.log
    for told in (*world.lives, world.told):
        check_order(heard(told, ROOM), log, world.model.pruned)
    assert check_order(heard(world.told, ROOM), log, world.model.pruned) == len(log)
    assert world.session.rooms[ROOM].last == len(log)

    mine = [msg.text for msg in log if msg.nick == "ann"]
    assert sorted(mine) == sorted(f"mine {n + 1}" for n in range(world.said))  # said once each
    assert world.journal == {}
    sent = {
        update.cmid: update.seq for told in (*world.lives, world.told) for update in told if isinstance(update, Sent)
    }
    assert sent == {cmid: ok.seq for cmid, ok in world.model.done.items()}
    if not floods:
        assert mine == [f"mine {n + 1}" for n in range(world.said)]
        if not world.lives:
            known = {cmid: item.seq for item, cmid in heard(world.told, ROOM) if isinstance(item, Msg) and cmid}
            assert known == {cmid: seq for cmid, seq in sent.items() if seq > world.model.pruned or cmid in known}

    letters = [item for item, _ in heard(world.told, "@")]
    assert letters == world.model.inbox[len(world.model.inbox) - len(letters) :]


EVENTS: list[Event] = [
    Welcome(id=1, nick="ann", server="möot", version="1", epoch="e"),
    Room(id=2, room=ROOM, seq=1, messages=[Msg(room=ROOM, seq=1, time=0, nick="bob", text="grüße\n🐄")]),
    Msg(room=ROOM, seq=2, time=0, nick="bob", text="two"),
    native.Joined(room=ROOM, who=native.Person("cyd")),
    Msg(room=ROOM, seq=4, time=0, nick="bob", text="four"),
    HistoryPage(id=3, room=ROOM, messages=[Msg(room=ROOM, seq=3, time=0, nick="bob", text="three")]),
    native.Notice(text="tea"),
    native.Bye(reason="the end", retry=1.0),
]
STREAM = b"".join(encode(event) for event in EVENTS)


def updates_of(cuts: list[int]) -> list[Update]:
    session = Session("ann", [ROOM])
    session.connected()
    told: list[Update] = []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        session.feed(STREAM[start:end])
        told += session.updates()
    return told


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_cut_of_the_stream_gives_the_same_updates(cuts: list[int]) -> None:
    assert updates_of(cuts) == updates_of([])


@given(st.binary(max_size=200))
def test_no_bytes_make_a_session_raise(garbage: bytes) -> None:
    session = Session("ann", [ROOM])
    session.connected()
    session.feed(STREAM[: STREAM.index(b"\n") + 1] + garbage + b"\n")
    session.updates()


@given(st.permutations(range(1, 12)))
def test_a_sequence_gives_out_a_shuffle_in_order(seqs: list[int]) -> None:
    sequence = Sequence()
    given_out = [msg.seq for seq in seqs for msg in sequence.take(Msg(room=ROOM, seq=seq, time=0, nick="bob", text=""))]
    assert given_out == list(range(1, 12))
