"""Who is in which room, and what a room is told. Pure; a room exists here while somebody is in it."""

from dataclasses import dataclass, field

from broker.log import Log
from broker.outbox import Outbox
from broker.people import Person, Refusal
from protocol import names, native
from protocol.ipc import Announced, ConnId, Parted, worker_of


@dataclass(slots=True, eq=False)
class Room:
    """A room with somebody in it."""

    name: str
    members: dict[ConnId, Person] = field(default_factory=dict)
    workers: dict[int, int] = field(default_factory=dict)  # worker -> how many of its connections are members


class Rooms:
    """All rooms with somebody in them. What workers must be told of it goes to the outbox."""

    def __init__(self, log: Log, outbox: Outbox) -> None:
        self.by_name: dict[str, Room] = {}
        self.hushed = False  # nobody is told any more who leaves
        self._log = log
        self._out = outbox

    def enter(self, person: Person, name: str) -> Room:
        """Put ``person`` into the room of that name, made if need be, and tell nobody."""
        room = self.by_name.get(name)
        if room is None:
            room = self.by_name[name] = Room(name)
        person.rooms[name] = room
        self._seat(room, person)
        return room

    def leave(self, person: Person, room: Room, reason: str, *, quits: bool = False) -> None:
        """Take ``person`` out of ``room`` and tell those who stay."""
        self._unseat(room, person)
        del person.rooms[room.name]
        if room.members:
            if not self.hushed:
                self.announce(room, native.Left(room=room.name, nick=person.nick, reason=reason, quit=quits))
        else:
            del self.by_name[room.name]
            self._log.release(room.name)

    def unseat(self, person: Person) -> None:
        """Before ``person`` moves to another connection: this one hears of their rooms no more."""
        for room in person.rooms.values():
            self._unseat(room, person)

    def seat(self, person: Person) -> None:
        """After it: they are in their rooms on the new one."""
        for room in person.rooms.values():
            self._seat(room, person)

    def rest(self, person: Person) -> None:
        """Before ``person`` lingers without a connection: they stay members, and their worker has one less."""
        for room in person.rooms.values():
            self._uncount(room, worker_of(person.conn))

    def forget(self, person: Person) -> None:
        """``person`` was never here: nobody is told."""
        for room in person.rooms.values():
            self._unseat(room, person)
            if not room.members:
                del self.by_name[room.name]
        person.rooms.clear()

    def forget_worker(self, worker: int) -> None:
        for room in self.by_name.values():
            room.workers.pop(worker, None)

    def announce(self, room: Room, event: native.Event) -> None:
        """Tell everybody in ``room``."""
        announced = Announced(room.name, event)
        for worker in room.workers:
            self._out.tell(worker, announced)

    def of(self, person: Person, name: str) -> Room:
        """Return the room of that name, which ``person`` is in. Raises `Refusal`, `names.BadName`."""
        room = person.rooms.get(name) or person.rooms.get(names.room(name))
        if room is None:
            raise Refusal("not-in-room", f"you are not in {name}; join it first")
        return room

    def _seat(self, room: Room, person: Person) -> None:
        worker = worker_of(person.conn)
        room.members[person.conn] = person
        if person.connected:
            room.workers[worker] = room.workers.get(worker, 0) + 1

    def _unseat(self, room: Room, person: Person) -> None:
        worker = worker_of(person.conn)
        del room.members[person.conn]
        if person.connected:
            self._uncount(room, worker)
            self._out.tell(worker, Parted(person.conn, room.name))

    def _uncount(self, room: Room, worker: int) -> None:
        room.workers[worker] -= 1
        if not room.workers[worker]:
            del room.workers[worker]
