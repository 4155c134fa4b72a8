"""A broker's state with a real log in memory, spoken to as workers do."""

from collections.abc import Callable
from random import Random
from typing import TypeVar

import msgspec

from broker.log import Log
from broker.outbox import Outbox
from broker.people import Device
from broker.state import State
from broker.vault import Done
from protocol import native
from protocol.ipc import Answered, Art, ConnId, Do, Down, Gone, Seat, Told
from protocol.settings import DEFAULTS, Settings
from tests.broker import invariants

E = TypeVar("E")
_decoder: msgspec.msgpack.Decoder[list[Down]] = msgspec.msgpack.Decoder(list[Down])

NOON = 1_700_000_000_000  # milliseconds since 1970


def conn(worker: int, number: int) -> ConnId:
    return worker << 32 | number


ANN, BOB, EVE = conn(1, 1), conn(1, 2), conn(2, 1)


def token(nick: str) -> str:
    return f"a token of {nick}, long"


def settings(**changes: object) -> Settings:
    return msgspec.structs.replace(DEFAULTS, **changes)


def texts(messages: list[native.Msg]) -> list[str]:
    return [msg.text for msg in messages]


class AtOnce:
    """In the place of the vault: what is to be worked out is, at once."""

    def submit(self, whose: str, work: Callable[[], E], done: Done[E]) -> bool:
        done(work())
        return True


class Desk:
    """`told` has what each worker was told in the step done last."""

    def __init__(self, settings: Settings = DEFAULTS, log: Log | None = None) -> None:
        self.log = log or Log(":memory:")
        self.out = Outbox()
        self.notes: list[str] = []
        self.random = Random(1)
        self.state = State(settings, self.log, self.out, self._note, AtOnce(), self.random.randbytes)
        self.rid = 0
        self.now = NOON
        self.secure = True  # whoever asks does so through TLS
        self.told: dict[int, list[Down]] = {}

    def _note(self, what: str, device: Device, details: str) -> None:
        self.notes.append(f"{device.person.nick} {what} {details}".rstrip())

    def commit(self) -> None:
        """End the step: what workers are told is in `told`."""
        invariants.check(self.state)
        self.log.commit()
        self.gather()

    def gather(self) -> None:
        self.told = {}
        for worker, frame in self.out.batches():
            self.told.setdefault(worker, []).extend(_decoder.decode(frame))

    def post(
        self,
        who: ConnId,
        request: native.Request,
        art: Art | None = None,
        addr: str = "192.0.2.7",
        returns: bool = True,
    ) -> int:
        """Carry out a request within the step; return its rid."""
        self.rid += 1
        self.now += 1000
        self.state.do(Do(who, self.rid, request, art, addr, "native", returns, secure=self.secure), self.now)
        return self.rid

    def do(self, who: ConnId, request: native.Request, art: Art | None = None) -> native.Event:
        """Carry out a request as a step of its own; return its answer."""
        rid = self.post(who, request, art)
        self.commit()
        (answer,) = (event.event for event in self.events(who) if isinstance(event, Answered) and event.rid == rid)
        return answer

    def ask(self, who: ConnId, request: native.Request, kind: type[E]) -> E:
        answer = self.do(who, request)
        assert isinstance(answer, kind), answer
        return answer

    def refused(self, who: ConnId, request: native.Request) -> str:
        """Return the code of the error that answers a request."""
        return self.ask(who, request, native.Error).code

    def gone(self, who: ConnId, reason: str = "connection closed") -> None:
        self.state.seating.gone(Gone(who, reason))
        self.commit()

    def events(self, who: ConnId) -> list[Down]:
        return self.told.get(who >> 32, [])

    def told_to(self, who: ConnId) -> list[native.Event]:
        """Return what the last step told this connection beside answers."""
        return [event.event for event in self.events(who) if isinstance(event, Told) and event.conn == who]

    def enter(self, who: ConnId, nick: str, *rooms: str) -> native.Welcome:
        welcome = self.ask(who, native.Hello(nick=nick, token=token(nick)), native.Welcome)
        for room in rooms:
            self.ask(who, native.Join(room=room), native.Room)
        return welcome

    def say(self, who: ConnId, to: str, text: str, cmid: str = "") -> native.Ok:
        return self.ask(who, native.Send(cmid=cmid or f"c{self.rid}", to=to, text=text), native.Ok)


def seat(who: int, nick: str, *rooms: str, inbox: int = 0, of: str = "", returns: bool = True) -> Seat:
    hello = native.Hello(nick=nick, token=token(of or nick), color="#123456")
    return Seat(who, hello, list(rooms), "192.0.2.7", "native", NOON - 5000, "lunch", inbox, returns)


def restarted(*said: str) -> Desk:
    """A broker on the log of an earlier one, in which ann spoke in #tea."""
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    for text in said:
        before.say(ANN, "#tea", text, text)
    after = Desk(log=before.log)
    after.rid = 100
    return after


def sizes(desk: Desk) -> list[int]:
    """Return how much each of the tables of people has."""
    people = desk.state.people
    kept = (
        people.by_conn,
        people.by_key,
        people.by_uid,
        people.by_device,
        people.skeletons,
        people.per_address,
        people.lingering,
    )
    return [len(table) for table in kept]
