"""A worker that was taken over, and the real broker in a process of its own: it stays, and others' clients see nothing.

One broker takes all that these tests do to it. Worker 1 is honest: ann and bob sit there in #tea.
"""

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import msgspec
import psutil
import pytest

from broker.process import SHARE, run
from protocol import moderation, native
from protocol.accounts import LoggedIn, Logout, Register, Sasl
from protocol.control import ControlSocket
from protocol.ipc import (
    MAX_BATCH_BYTES,
    Answered,
    Art,
    Attach,
    Beat,
    Closed,
    Do,
    Down,
    Gone,
    Parted,
    Posted,
    Ready,
    Seat,
    Stuck,
    Told,
    Up,
    Vouched,
)
from protocol.native import Anim
from protocol.settings import DEFAULTS
from tests.broker.desk import conn, token
from tests.broker.shell import FakeWorker, answers
from tests.server import LIMIT_S, until

ANN, BOB = conn(1, 1), conn(1, 2)
MIB = 1 << 20


class Link(FakeWorker):
    """A worker that waits for what it wants to hear."""

    def __init__(self, incarnation: int, supervisor: ControlSocket) -> None:
        super().__init__(incarnation, supervisor)
        self.incarnation = incarnation
        self.heard: list[Down] = []
        self.rid = 1000

    def conn(self, number: int) -> int:
        return conn(self.incarnation, number)

    def hear(self, wanted: Callable[[Down], bool]) -> Down:
        """Return the next event that is ``wanted``; the others stay in `heard`."""
        end = time.monotonic() + LIMIT_S
        while True:
            for index, event in enumerate(self.heard):
                if wanted(event):
                    return self.heard.pop(index)
            assert time.monotonic() < end, self.heard
            if self.writer.pending:
                self.writer.flush()
            if select.select([self.reader], [], [], 0.05)[0]:
                self.heard += self.told()

    def ask(self, who: int, request: native.Request, **more: object) -> native.Event:
        """Return the answer to a request."""
        self.rid += 1
        rid = self.rid
        self.put(Do(who, rid, request, **more))  # type: ignore[arg-type]
        answer = self.hear(lambda event: isinstance(event, Answered) and event.rid == rid)
        assert isinstance(answer, Answered)
        return answer.event

    def enter(self, number: int, nick: str, *rooms: str) -> int:
        who = self.conn(number)
        hello = native.Hello(nick=nick, token=token(nick))
        assert isinstance(self.ask(who, hello, addr="192.0.2.7", dialect="native"), native.Welcome)
        for room in rooms:
            assert isinstance(self.ask(who, native.Join(room=room)), native.Room)
        return who

    def ping(self) -> float:
        """Return the seconds that a ping of connection 1 takes."""
        begin = time.monotonic()
        self.ask(self.conn(1), native.Ping())
        return time.monotonic() - begin


class Stage:
    """The broker's process, an honest worker, and hostile ones."""

    def __init__(self, directory: Path) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.process = get_context("spawn").Process(target=run, args=(theirs, DEFAULTS, directory, frozenset(), None))
        self.process.start()
        theirs.close()
        self.control = ControlSocket(ours)
        self.last_words: list[object] = []
        self.made: list[Link] = []
        ours.settimeout(LIMIT_S)
        assert [message for message, _ in self.control.recv()] == [Ready()]
        self.control.setblocking(False)
        self.beat = 0
        self.honest = self.worker()
        self.honest.enter(1, "ann", "#tea")
        self.honest.enter(2, "bob", "#tea")
        self.quiet()

    def worker(self) -> Link:
        self.made.append(Link(len(self.made) + 1, self.control))
        return self.made[-1]

    def hear(self) -> None:
        self.last_words += [message for message, _ in self.control.recv()]

    def is_cut_off(self, worker: Link) -> bool:
        self.hear()
        return Stuck(worker.incarnation) in self.last_words

    def quiet(self) -> list[Down]:
        """Return what the honest worker was told since it was asked last, besides its own pongs."""
        self.honest.ping()
        heard, self.honest.heard = self.honest.heard, []
        return heard

    def is_alive(self) -> bool:
        """Ask as the supervisor does."""
        self.beat += 1
        self.control.send(Beat(self.beat))
        until(self._answered, "the broker's heartbeat")
        return self.process.is_alive()

    def _answered(self) -> bool:
        self.hear()
        return Beat(self.beat) in self.last_words

    def close(self) -> None:
        for made in self.made:
            made.die()
        self.control.close()
        self.process.join(LIMIT_S)
        self.process.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("data"))
    yield made
    made.close()


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    """The broker; after the test it must live, and the honest worker's people must sit where they sat, undisturbed."""
    shared.quiet()
    yield shared
    assert shared.is_alive()
    assert shared.quiet() == []
    people = shared.honest.ask(ANN, native.Who(room="#tea"))
    assert isinstance(people, native.People)
    assert {"ann", "bob"} <= {person.nick for person in people.people}


GARBAGE = {
    "no msgpack": b"\xc1" * 50,
    "a length of 4 GiB": None,
    "an empty frame": b"",
    "deep nesting": b"\x91" * 1_000_000,
    "deep nesting in a field nobody knows": (
        b"\x91\x98" + msgspec.msgpack.encode(["Do", 1, 1, {"op": "ping"}, None, "", ""])[1:] + b"\x91" * 100_000
    ),
    "a pickle that runs a command": b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
    "no UTF-8": b"\x91\x97\xa2Do\x01\x01\x81\xa2op\xa4ping\xc0\xa2\xff\xfe\xa0",
    "an array of four thousand million": b"\xdd\xff\xff\xff\xff",
    "a string of four thousand million": b"\x91\xdb\xff\xff\xff\xff",
    "an unknown command": msgspec.msgpack.encode([["Shutdown", 1]]),
    "another type": msgspec.msgpack.encode([["Do", "1", 1, {"op": "ping"}]]),
    "the supervisor's words": msgspec.msgpack.encode([["Stop", "bye"]]),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_cuts_its_worker_off(stage: Stage, what: str) -> None:
    hostile = stage.worker()
    frame = GARBAGE[what]
    if frame is None:
        os.write(hostile.writer.fileno(), b"\xff\xff\xff\xff")
    else:
        hostile.writer.put(frame)
        while hostile.writer.pending:
            hostile.writer.flush()
    until(lambda: stage.is_cut_off(hostile), "the broker to cut it off")


def test_a_frame_that_never_ends_holds_nobody_up(stage: Stage) -> None:
    hostile = stage.worker()
    os.write(hostile.writer.fileno(), struct.pack("!I", MAX_BATCH_BYTES) + b"\x91" * 1000)
    assert stage.honest.ping() < LIMIT_S


def seat(number: int, nick: str, *rooms: str, **more: object) -> Seat:
    fields: dict[str, object] = {"addr": "192.0.2.7", "dialect": "native", "since": 0, **more}
    return Seat(number, native.Hello(nick=nick, token=token(f"seat {nick}")), list(rooms), **fields)  # type: ignore[arg-type]


def test_a_worker_speaks_for_no_connection_of_another(stage: Stage) -> None:
    hostile = stage.worker()
    send = native.Send(cmid="c1", to="#tea", text="not me")
    hostile.put(
        Do(ANN, 1, send),
        Do(ANN, 2, native.Nick(nick="slave")),
        Do(ANN, 3, native.Quit()),
        Gone(ANN, "hijacked"),
        Gone(BOB, "hijacked", returns=True),
        Attach(1, [seat(conn(1, 9), "ghost")], {"#tea": 0}),
        Attach(hostile.incarnation, [seat(ANN, "ghost", "#tea"), seat(conn(1, 9), "ghost", "#tea")], {}),
        Attach(hostile.incarnation, [seat(ANN, "ghost"), seat(BOB, "ghost")], {}, "the epoch of another log"),
        Do(-1, 4, native.Ping()),
        Do((1 << 64) - 1, 5, native.Ping()),
    )
    hostile.ping()
    assert {event.conn for event in hostile.heard if isinstance(event, Closed)} == {ANN, BOB, conn(1, 9)}
    assert answers(hostile.heard) == {}


def test_nobody_takes_a_seat_without_its_token(stage: Stage) -> None:
    hostile = stage.worker()
    for nick in ("ann", "ANN", "bob"):
        hostile.put(Attach(hostile.incarnation, [seat(hostile.conn(1), nick, "#tea")], {"#tea": 0}))
        hostile.hear(lambda event: isinstance(event, Told) and isinstance(event.event, native.Bye))
        hostile.hear(lambda event: event == Closed(hostile.conn(1)))
    assert [event for event in hostile.heard if isinstance(event, Posted)] == []


UNSOUND: dict[str, dict[str, object]] = {
    "a nick with a newline": {"nick": "a\nb"},
    "a nick that writes backwards": {"nick": "\u202eevil"},
    "a nick of a megabyte": {"nick": "x" * MIB},
    "an empty nick": {"nick": ""},
    "a color that is none": {"color": "red\x1b[2J"},
    "a room that is none": {"rooms": ["tea"]},
    "another spelling of a room": {"rooms": ["#TEA"]},
    "an inbox for a room": {"rooms": ["@"]},
    "the log's name of an inbox for a room": {"rooms": ["~00"]},
    "a thousand rooms": {"rooms": [f"#room{number}" for number in range(1000)]},
    "an address with a line for the operator's log": {"addr": "1.2.3.4\n2026 INFO all is well"},
    "an address of a megabyte": {"addr": "1" * MIB},
    "a dialect of a megabyte": {"dialect": "x" * MIB},
    "a time before time": {"since": -1},
    "a time after all": {"since": 1 << 60},
    "a long absence": {"away": "x" * MIB},
    "an inbox that is owed": {"inbox": -5},
}


@pytest.mark.parametrize("what", UNSOUND)
def test_a_seat_that_no_worker_can_have_is_not_taken(stage: Stage, what: str) -> None:
    hostile = stage.worker()
    fields: dict[str, object] = {"nick": "mallory", "rooms": ["#dark"], "color": None, **UNSOUND[what]}
    hello = native.Hello(nick=str(fields.pop("nick")), token=token(what), color=fields.pop("color"))  # type: ignore[arg-type]
    one = {"addr": "192.0.2.7", "dialect": "native", "since": 0, **fields}
    hostile.put(Attach(hostile.incarnation, [Seat(hostile.conn(1), hello, **one)], {}))  # type: ignore[arg-type]
    hostile.hear(lambda event: event == Closed(hostile.conn(1)))
    answer = hostile.ask(hostile.conn(1), native.Who())
    assert isinstance(answer, native.Error)
    assert answer.code == "not-introduced"


def test_a_crowd_of_seats_is_refused_and_those_it_can_have_are_counted_once(stage: Stage) -> None:
    hostile = stage.worker()
    crowd = [seat(hostile.conn(number), f"c{number}") for number in range(50_000)]
    hostile.put(Attach(hostile.incarnation, crowd, {}))
    hostile.ping()
    assert hostile.heard == []
    twice = [seat(hostile.conn(5), "twice", "#dark"), seat(hostile.conn(5), "twice2", "#dark")]
    hostile.put(Attach(hostile.incarnation, [*twice, *twice], {}))
    people = hostile.ask(hostile.conn(5), native.Who(room="#dark"))
    assert isinstance(people, native.People)
    assert [person.nick for person in people.people] == ["twice"]
    hostile.ask(hostile.conn(5), native.Quit())


def test_a_worker_is_replayed_no_room_it_has_nobody_in(stage: Stage) -> None:
    stage.honest.enter(3, "cyd", "#secret")
    stage.honest.ask(conn(1, 3), native.Send(cmid="s", to="#secret", text="psst"))
    hostile = stage.worker()
    hostile.enter(1, "eve", "#dark")
    hostile.put(Attach(hostile.incarnation, [], {"#secret": 0, "#tea": -5, "@": 0, "~00": 0, "#dark": -(1 << 60)}))
    hostile.put(Attach(hostile.incarnation, [], {f"#none{number}": 0 for number in range(200_000)}))
    hostile.ping()
    assert [event for event in hostile.heard if isinstance(event, Posted)] == []
    hostile.ask(hostile.conn(1), native.Quit())
    stage.honest.ask(conn(1, 3), native.Quit())
    stage.quiet()


def test_a_worker_brings_nobody_into_a_room_that_is_closed_to_them(stage: Stage) -> None:
    cyd = conn(1, 3)
    stage.honest.enter(3, "cyd", "#closed")
    stage.honest.ask(cyd, moderation.Mode(room="#closed", changes=[moderation.Change("invite-only")]))
    hostile = stage.worker()
    hostile.put(Attach(hostile.incarnation, [seat(hostile.conn(1), "eve", "#closed", "#dark")], {"#closed": 0}))
    hostile.ping()
    stage.honest.ask(cyd, native.Send(cmid="s", to="#closed", text="psst"))
    hostile.ping()
    assert [event for event in hostile.heard if isinstance(event, Posted)] == []
    assert [event.room for event in hostile.heard if isinstance(event, Parted)] == ["#closed"]
    hostile.ask(hostile.conn(1), native.Quit())
    stage.honest.ask(cyd, native.Quit())
    stage.quiet()


REQUESTS: dict[str, tuple[native.Request, dict[str, object]]] = {
    "a message over the limit": (native.Send(cmid="c", to="#dark", text="x" * (DEFAULTS.max_text + 1)), {}),
    "a message of 15 MiB": (native.Send(cmid="c", to="#dark", text="x" * (15 * MIB)), {}),
    "an empty message": (native.Send(cmid="c", to="#dark", text=""), {}),
    "a terminal's command": (native.Send(cmid="c", to="#dark", text="\x1b]0;owned\x07"), {}),
    "a C1 control": (native.Send(cmid="c", to="#dark", text="é\x9b2J"), {}),
    "text that runs backwards": (native.Send(cmid="c", to="#dark", text="\u202etxt"), {}),
    "a NUL": (native.Send(cmid="c", to="#dark", text="a\0b"), {}),
    "a room of a megabyte": (native.Send(cmid="c", to="#" + "x" * MIB, text="hi"), {}),
    "a room in a million spaces": (native.Who(room=" " * MIB + "#dark"), {}),
    "a nick of a megabyte": (native.Whois(nick="x" * MIB), {}),
    "an id of 15 MiB": (native.Ping(id="x" * (15 * MIB)), {}),
    "a long topic": (native.Topic(cmid="c", room="#dark", text="x" * 4000), {}),
    "a topic of two lines": (native.Topic(cmid="c", room="#dark", text="a\nb"), {}),
    "a long absence": (native.Away(text="x" * MIB), {}),
    "a color that is none": (native.Color(color="#D333FF\n"), {}),
    "a reason with an escape": (native.Leave(room="#dark", reason="\x1b[2J"), {}),
    "no drawing": (native.Fun(cmid="c", to="#dark", line="/cowsay"), {}),
    "a huge drawing": (native.Fun(cmid="c", to="#dark", line="/cowsay"), {"art": Art("x" * MIB)}),
    "a tall drawing": (native.Fun(cmid="c", to="#dark", line="/cowsay"), {"art": Art("x\n" * 100)}),
    "a drawing with an escape": (native.Fun(cmid="c", to="#dark", line="/cowsay"), {"art": Art("\x1bc")}),
    "an unknown kind": (native.Fun(cmid="c", to="#dark", line="/cowsay"), {"art": Art("x", kind="topic")}),
    "a private drawing": (native.Fun(cmid="c", to="#dark", line="/cows"), {"art": Art("x", private=True)}),
    "an animation for years": (
        native.Fun(cmid="c", to="#dark", line="/train"),
        {"art": Art("x", anim=Anim("train", 1, 1e9))},
    ),
    "an animation of no length": (
        native.Fun(cmid="c", to="#dark", line="/train"),
        {"art": Art("x", anim=Anim("train", 1, float("nan")))},
    ),
    "an animation with a name for terminals": (
        native.Fun(cmid="c", to="#dark", line="/train"),
        {"art": Art("x", anim=Anim("\x1bc", 1, 1.0))},
    ),
    "a seed no client can read": (
        native.Fun(cmid="c", to="#dark", line="/train"),
        {"art": Art("x", anim=Anim("train", 1 << 60, 1.0))},
    ),
    "a long command": (native.Fun(cmid="c", to="#dark", line="/" + "x" * 5000), {"art": Art("x")}),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_what_a_worker_should_have_refused_the_broker_refuses(stage: Stage, what: str) -> None:
    hostile = stage.worker()
    who = hostile.enter(1, "mallory", "#dark")
    request, more = REQUESTS[what]
    answer = hostile.ask(who, request, **more)
    assert isinstance(answer, native.Error)
    assert answer.code in ("internal", "fun-failed")
    assert [event for event in hostile.heard if isinstance(event, Posted)] == []
    hostile.ask(who, native.Quit())


@pytest.mark.parametrize("more", [{"addr": "::1\nforged"}, {"addr": "1" * MIB}, {"dialect": "\x1b[2J"}])
def test_nobody_is_introduced_with_an_address_that_forges_the_operators_log(
    stage: Stage, more: dict[str, object]
) -> None:
    hostile = stage.worker()
    answer = hostile.ask(hostile.conn(1), native.Hello(nick="mallory", token=token("mallory")), **more)
    assert isinstance(answer, native.Error)
    assert answer.code == "internal"


def test_a_number_used_twice_is_answered_twice_and_a_connection_nobody_knows_is_closed(stage: Stage) -> None:
    hostile = stage.worker()
    who = hostile.enter(1, "mallory", "#dark")
    same = Do(who, 7, native.Send(cmid="once", to="#dark", text="hi"))
    hostile.put(same, same, Gone(hostile.conn(77), "x" * 5000 + "\n"), Do(who, -7, native.Ping()))
    hostile.ping()
    answered = [event.event for event in hostile.heard if isinstance(event, Answered) and event.rid == 7]
    assert len(answered) == 2
    assert {event.seq for event in answered if isinstance(event, native.Ok)} == {1}
    assert len([event for event in hostile.heard if isinstance(event, Posted)]) == 1
    assert Closed(hostile.conn(77)) in hostile.heard
    hostile.ask(who, native.Quit())


def test_a_reason_is_cut_and_cleaned_before_others_hear_it(stage: Stage) -> None:
    hostile = stage.worker()
    who = hostile.enter(1, "mallory", "#tea")
    stage.quiet()
    hostile.put(Gone(who, "\x1b[2Jbye\n" + "x" * 5000))
    hostile.hear(lambda event: event == Closed(who))
    (left,) = stage.quiet()
    assert "reason='[2Jbye xxx" in repr(left)
    assert len(repr(left)) < 600


def flood(worker: Link, batch: list[Up], most: int, stop: threading.Event) -> threading.Thread:
    """Write ``batch`` again and again, reading and forgetting what comes back, until told to or ``most`` bytes."""
    frame = msgspec.msgpack.encode(batch)
    frame = struct.pack("!I", len(frame)) + frame

    def run() -> None:
        down, up = worker.reader.fileno(), worker.writer.fileno()
        left, rest = most, memoryview(frame)
        while left > 0 and not stop.is_set():
            readable, writable, _ = select.select([down], [up], [], 1.0)
            if readable:
                os.read(down, MIB)
            if writable:
                sent = os.write(up, rest)
                left -= sent
                rest = rest[sent:] or memoryview(frame)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def tiny(worker: Link) -> list[Up]:
    return [Do(worker.conn(1), rid, native.Ping()) for rid in range(100_000)]


def costly(worker: Link) -> list[Up]:
    return [Do(worker.conn(1), rid, native.History(room="#dark", limit=500)) for rid in range(20_000)]


@pytest.mark.parametrize("batch", [tiny, costly])
def test_a_flood_of_one_worker_keeps_no_other_waiting(stage: Stage, batch: Callable[[Link], list[Up]]) -> None:
    hostile = stage.worker()
    who = hostile.enter(1, f"flood-{batch.__name__}", "#dark")
    for number in range(50):
        hostile.ask(who, native.Send(cmid=f"{batch.__name__}{number}", to="#dark", text="x" * 4000))
    stop = threading.Event()
    thread = flood(hostile, batch(hostile), 64 * MIB, stop)
    try:
        times = sorted(stage.honest.ping() for _ in range(20))
        memory = psutil.Process(stage.process.pid).memory_info().rss
    finally:
        stop.set()
        thread.join()
    assert times[len(times) // 2] < 1.0
    assert memory < 600 * MIB
    hostile.die()


def test_a_batch_of_more_than_a_share_is_carried_out_though_nothing_else_happens(stage: Stage) -> None:
    hostile = stage.worker()
    who = hostile.enter(1, "many", "#dark")
    hostile.put(*(Do(who, rid, native.Ping()) for rid in range(2 * SHARE + 1)))
    hostile.hear(lambda event: isinstance(event, Answered) and event.rid == 2 * SHARE)
    hostile.ask(who, native.Quit())


def test_a_worker_that_never_reads_is_declared_stuck(stage: Stage) -> None:
    hostile = stage.worker()
    who = hostile.enter(1, "deaf", "#dark")
    for number in range(50):
        hostile.ask(who, native.Send(cmid=f"deaf{number}", to="#dark", text="x" * 4000))
    hostile.put(*(Do(who, rid, native.History(room="#dark", limit=500)) for rid in range(1000)))
    until(lambda: stage.is_cut_off(hostile), "the broker to cut it off")
    assert stage.honest.ping() < LIMIT_S


# --- accounts

SECRET = "correct horse"


def logged_in(link: Link, number: int, account: str) -> str:
    """Have ``account`` logged in on a connection, made if need be; return its ticket."""
    who = link.conn(number)
    answer = link.ask(who, Register(password=SECRET, account=account), addr="127.0.0.1", dialect="native", secure=True)
    assert isinstance(answer, LoggedIn), answer
    vouched = link.hear(lambda event: isinstance(event, Vouched) and event.conn == who)
    assert isinstance(vouched, Vouched)
    return vouched.ticket


def leave(link: Link, number: int) -> None:
    who = link.conn(number)
    link.put(Gone(who, "test"))
    link.hear(lambda event: event == Closed(who))


def refusals(events: list[Down]) -> list[str]:
    """Return the codes of the errors among answers."""
    answered = [event.event for event in events if isinstance(event, Answered)]
    return [event.code for event in answered if isinstance(event, native.Error)]


def account_with(link: Link, number: int, nick: str, ticket: str) -> str | None:
    """Return as whom the broker takes a newcomer with this ticket."""
    who = link.conn(number)
    hello = native.Hello(nick=nick, token=token(nick))
    welcome = link.ask(who, hello, addr="192.0.2.7", dialect="native", ticket=ticket)
    assert isinstance(welcome, native.Welcome), welcome
    profile = link.ask(who, native.Whois(nick=welcome.nick))
    assert isinstance(profile, native.Profile)
    return profile.account


def test_nobody_is_logged_in_by_a_ticket_that_was_not_given_for_that_connection(stage: Stage) -> None:
    ticket = logged_in(stage.honest, 100, "carol")
    hostile = stage.worker()
    generation, mac, key = ticket.split(" ")
    flipped = mac[:-1] + ("0" if mac[-1] != "0" else "1")
    forged = [
        ticket,  # another connection's
        f"{generation} {flipped} {key}",
        f"{generation} {mac} carol2",
        f"{generation}  {key}",
        "1 " + "0" * 64 + " carol",
        "carol",
        " ",
        "x" * 400,
        "1 \ud7ff carol",
    ]
    for number, each in enumerate(forged, 1):
        assert account_with(hostile, number, f"eve{number}", each) is None
    leave(stage.honest, 100)


def test_a_ticket_is_worth_nothing_after_logging_out_everywhere(stage: Stage) -> None:
    hostile = stage.worker()
    ticket = logged_in(hostile, 1, "dave")
    assert account_with(hostile, 1, "dave", ticket) == "dave"
    assert isinstance(hostile.ask(hostile.conn(1), Logout(everywhere=True)), native.Ok)
    hostile.put(Gone(hostile.conn(1), "test"))
    assert account_with(hostile, 1, "dave9", ticket) is None


def test_a_seat_with_a_forged_ticket_is_a_guest_s(stage: Stage) -> None:
    ticket = logged_in(stage.honest, 101, "frank")
    hostile = stage.worker()
    who = hostile.conn(7)
    seat = Seat(who, native.Hello(nick="mallory", token=token("mallory")), [], "192.0.2.7", "native", 5, ticket=ticket)
    hostile.put(Attach(hostile.incarnation, [seat], {}))
    profile = hostile.ask(who, native.Whois(nick="mallory"))
    assert isinstance(profile, native.Profile)
    assert profile.account is None
    leave(stage.honest, 101)


@pytest.mark.parametrize(
    "more",
    [{"addr": "\x1b[2J"}, {"addr": "x" * 100}, {"dialect": "NATIVE"}, {"certfp": "A" * 64}, {"ticket": "x" * 401}],
    ids=str,
)
def test_a_login_from_nowhere_is_refused(stage: Stage, more: dict[str, str]) -> None:
    hostile = stage.worker()
    answer = hostile.ask(hostile.conn(1), Sasl(mech="PLAIN", data="\0ann\0x"), **more)
    assert isinstance(answer, native.Error)
    assert answer.code == "internal"


def test_thousands_of_logins_at_once_keep_nobody_waiting(stage: Stage) -> None:
    hostile = stage.worker()
    logins = [
        Do(hostile.conn(number), number, Sasl(mech="PLAIN", data=f"\0u{number}\0wrong"), addr=f"10.{number % 250}.0.9")
        for number in range(1, 3001)
    ]
    begun = [
        Do(hostile.conn(number), number, Sasl(mech="ED25519", data=f"u{number}"), addr=f"10.9.{number % 250}.9")
        for number in range(3001, 15_001)
    ]
    hostile.put(*logins)
    hostile.put(*begun)
    assert max(stage.honest.ping() for _ in range(10)) < 2.0
    told = hostile.ask(hostile.conn(20_000), native.Ping())
    assert isinstance(told, native.Error)  # not introduced; and everything before it is read
    codes = [
        each.event.code for each in hostile.heard if isinstance(each, Answered) and isinstance(each.event, native.Error)
    ]
    assert codes.count("login-throttled") > 2000  # the vault's queue was full
    assert "internal" not in codes


def test_a_connection_that_wants_two_things_proven_at_once_is_refused_one(stage: Stage) -> None:
    hostile = stage.worker()
    who = hostile.conn(1)
    hostile.put(*[Do(who, rid, Sasl(mech="PLAIN", data="\0ann\0wrong"), addr="192.0.2.9") for rid in (1, 2)])
    heard = [hostile.hear(lambda event: isinstance(event, Answered) and event.conn == who) for _ in range(2)]
    codes = refusals(heard)
    assert codes == ["bad-request", "login-failed"]
