"""Target that takes what a worker sends to the broker: the state, between an honest worker and a hostile one."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final, TypeVar

import msgspec

from broker.checks import Offence, checked
from broker.log import Log
from broker.outbox import Outbox
from broker.people import Device
from broker.state import State
from broker.vault import Done
from fuzz.source import Source
from protocol import native
from protocol.ipc import Answered, Attach, Do, Down, Gone, Up, worker_of
from protocol.pipes import BadFrame, decode_batch
from protocol.settings import DEFAULTS

HONEST: Final = 1
HOSTILE: Final = 2
ANN: Final = HONEST << 32 | 1
NOW: Final = 1_700_000_000_000  # milliseconds since 1970
T = TypeVar("T")

_CHEAP: Final = {"argon2_memory": 8, "argon2_passes": 1, "scram_iterations": 4096}
_SETTINGS: Final = msgspec.structs.replace(DEFAULTS, max_rooms=6, max_rooms_each=3, max_text=200, **_CHEAP)
_down: Final = msgspec.msgpack.Decoder(list[Down])
_up: Final = msgspec.msgpack.Decoder(list[Up])
_log: Log | None = None


class AtOnce:
    """In the place of the vault: what is to be worked out is, at once."""

    def submit(self, whose: str, work: Callable[[], T], done: Done[T]) -> bool:
        """Have it done here and now."""
        done(work())
        return True


class Desk:
    """A state with one honest person in it, and what its workers are told."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.out = Outbox()
        self.state = State(_SETTINGS, log, self.out, self._note, AtOnce(), Random(1).randbytes)
        self.do(Do(ANN, 1, native.Hello(nick="ann", token="a token of ann"), None, "192.0.2.7", "native"))
        self.do(Do(ANN, 2, native.Join(room="#tea")))
        self.told()

    def _note(self, what: str, device: Device, details: str) -> None:
        assert len(f"{what}{device.person.nick}{device.addr}{device.dialect}{details}") < 2000

    def do(self, command: Up) -> None:
        """What the broker's process does with one command."""
        verdict = checked(command, _SETTINGS)
        match verdict:
            case Offence():
                return
            case Do():
                self.state.do(verdict, NOW)
            case Gone():
                self.state.seating.gone(verdict)
            case Attach():
                self.state.seating.attach(verdict, NOW)

    def told(self) -> list[tuple[int, Down]]:
        """Return what each worker is told; it must be small, and what its decoder takes."""
        frames = self.out.batches()
        assert all(len(frame) < 1 << 20 for _worker, frame in frames)
        return [(worker, event) for worker, frame in frames for event in decode_batch(frame, _down)]


def broker_state(data: bytes) -> None:
    """Whatever a worker sends, people and rooms fit together, and nobody at another worker loses their seat."""
    global _log
    source = Source(data)
    _log = _log or Log(":memory:")
    desk = Desk(_log)
    rooms = _log.room_count
    try:
        for command in _commands(source):
            own = command.worker if isinstance(command, Attach) else worker_of(command.conn)
            if own == HOSTILE:
                desk.do(command)
        for worker, event in desk.told():
            assert worker != HONEST or not isinstance(event, Answered)  # it has asked nothing more
        check(desk.state)
        assert _log.room_count - rooms <= _SETTINGS.max_rooms + 1
        honest = desk.state.people.by_conn[ANN]
        assert honest.person.nick == "ann"
        assert list(honest.rooms) == ["#tea"]
    finally:
        _log.rollback()


def _commands(source: Source) -> list[Up]:
    """Return up to 12 commands as the decoder lets them through, most of them of the hostile worker's connections."""
    commands: list[Up] = []
    conns = [HOSTILE << 32 | number for number in range(3)]
    for _ in range(source.below(12)):
        command: Up = source.value(Up)
        if isinstance(command, Attach):
            seats = [msgspec.structs.replace(seat, conn=source.pick([*conns, ANN])) for seat in command.seats]
            command = msgspec.structs.replace(command, worker=HOSTILE, seats=seats)
        elif source.byte() % 8:
            command = msgspec.structs.replace(command, conn=source.pick(conns))
        commands.append(command)
    try:
        return decode_batch(msgspec.msgpack.encode(commands), _up)
    except BadFrame:
        return []


def check(state: State) -> None:
    """Whatever was done, everybody is where they think they are."""
    people = state.people
    devices, persons = people.by_conn.values(), people.by_uid.values()
    assert all(device.conn == conn for conn, device in people.by_conn.items())
    assert set(map(id, devices)) == set(map(id, people.by_device.values()))
    assert set(map(id, persons)) == set(map(id, people.by_key.values()))
    assert sorted(id(device) for person in persons for device in person.devices) == sorted(map(id, devices))
    assert all(device.person in persons for device in devices)
    assert sum(people.per_address.values()) == len(people.by_conn)
    for room in state.rooms.by_name.values():
        assert room.members
        for person in room.members:
            assert people.by_uid[person.uid] is person
            assert person.rooms[room.name] is room
        here = Counter(worker_of(d.conn) for d in devices if d.connected and room.name in d.rooms)
        assert room.workers == here
    for person in persons:
        assert all(person in room.members for room in person.rooms.values())
        assert all(device.rooms.items() <= person.rooms.items() for device in person.devices)
