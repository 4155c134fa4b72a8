"""Who is in which room, and what a room is told. Pure; a room exists here while somebody is in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from broker.log import Log
from broker.outbox import Outbox
from broker.people import Device, Person, Refusal
from broker.policy import EMPTY, Noted, Policies, Policy
from protocol import names, native
from protocol.ipc import Announced, ConnId, Parted, Told, worker_of
from protocol.moderation import ROLES, Role


@dataclass(slots=True, eq=False)
class Room:
    """A room with somebody in it."""

    name: str
    members: dict[Person, None] = field(default_factory=dict)  # in the order they came
    workers: dict[int, int] = field(default_factory=dict)  # worker -> how many of its connections hear the room
    policy: Policy = EMPTY
    strict: bool = False  # what is said must be looked at (`broker.admission.Admission.check_speech`)
    granted: dict[bytes, list[Role]] = field(default_factory=dict)  # by uid of members, for as long as they are that
    spoke: dict[bytes, int] = field(default_factory=dict)  # of a slow room: by uid, milliseconds since 1970
    joins: list[int] = field(default_factory=list)  # of a room with a throttle: when people came, the same

    def take(self, policy: Policy) -> None:
        """Go by ``policy`` from here on."""
        self.policy = policy
        self.strict = policy.strict
        if "slow" not in policy.limits:
            self.spoke.clear()

    def roles_of(self, person: Person) -> list[Role]:
        """Return the roles of ``person``, highest first."""
        return self.roles_under(person.uid, person.account)

    def roles_under(self, uid: bytes, account: str | None) -> list[Role]:
        """Return the roles of the person ``uid`` who is logged in to ``account``, or a guest; highest first."""
        if not (self.granted or self.policy.roles or self.policy.owner):
            return []
        held: set[Role] = set(self.granted.get(uid, ()))
        if account is not None:
            held |= self.policy.held_by(account)
        return [role for role in ROLES if role in held]


class Rooms:
    """All rooms with somebody in them. What workers must be told of it goes to the outbox.

    A person is a member, on however many devices; each of these hears the room once it has entered it itself.
    """

    def __init__(self, log: Log, outbox: Outbox, policies: Policies) -> None:
        self.by_name: dict[str, Room] = policies.rooms
        self.policies = policies
        self.hushed = False  # nobody is told any more who leaves
        self.may_remark: Callable[[Person, Room, str], bool] = lambda _person, _room, _text: True
        """Whether a room is to hear why somebody leaves."""
        self.held_over: dict[tuple[bytes, str], list[Role]] = {}
        """What those were granted whom `forget` took out, by uid and room, until they are in again at once."""
        self._log = log
        self._out = outbox

    def enter(self, device: Device, name: str) -> Room:
        """Put the person into the room of that name, made if need be, have ``device`` hear it, and tell nobody."""
        self.accompany(device.person, name)
        room = device.rooms[name] = self.by_name[name]
        self._seat(room, device)
        return room

    def leave(
        self,
        person: Person,
        room: Room,
        reason: str,
        *,
        quits: bool = False,
        asker: Device | None = None,
        by: Person | None = None,
    ) -> None:
        """Take ``person`` out of ``room``; tell those who stay, and its devices but for ``asker``, if it goes on.

        ``by``: who puts them out.
        """
        heard = by is not None or not room.strict or self.may_remark(person, room, reason)
        left = native.Left(
            room=room.name,
            nick=person.nick,
            reason=reason if heard else "",
            quit=quits,
            by=None if by is None else by.nick,
            account=person.account,
            by_account=None if by is None else by.account,
        )
        for device in person.devices:
            hears = device.rooms.pop(room.name, None) is not None
            if not quits and device is not asker and device.connected:
                self._out.tell(worker_of(device.conn), Told(device.conn, left))
            if hears:
                self._unseat(room, device)
        self.drop(person, room)
        if room.members and not self.hushed:
            self.announce(room, left)

    def accompany(self, person: Person, name: str) -> None:
        """``person`` is in the room of that name, made if need be; none of its devices need hear it. Tell nobody."""
        room = self.by_name.get(name)
        if room is None:
            room = self.by_name[name] = Room(name)
            room.take(self.policies.loaded(name))
        self.admit(person, room)

    def admit(self, person: Person, room: Room) -> None:
        """``person`` is a member of ``room``, whoever of its devices hears it; tell nobody."""
        person.rooms[room.name] = room
        room.members[person] = None
        if self.held_over and (roles := self.held_over.pop((person.uid, room.name), None)):
            room.granted[person.uid] = roles

    def drop(self, person: Person, room: Room) -> None:
        """``person`` is no member of ``room``; tell nobody."""
        del room.members[person]
        del person.rooms[room.name]
        room.granted.pop(person.uid, None)
        if not room.members:
            del self.by_name[room.name]
            self._log.release(room.name)
            self.policies.emptied(room.name, room.policy)

    def silence(self, device: Device, room: Room) -> None:
        """``device`` hears ``room`` no more; its person stays."""
        del device.rooms[room.name]
        self._unseat(room, device)

    def reidentify(self, person: Person, before: bytes) -> None:
        """``person`` had the uid ``before`` and goes on with another one, logged in or out."""
        for room in person.rooms.values():
            if roles := room.granted.pop(before, None):
                room.granted[person.uid] = roles

    def inherit(self, person: Person, guest: Person, room: Room) -> None:
        """``person`` is in ``room`` in the place of ``guest`` too, who has logged in."""
        if roles := room.granted.get(guest.uid):
            held = {*roles, *room.granted.get(person.uid, ())}
            room.granted[person.uid] = [role for role in ROLES if role in held]

    def unseat(self, device: Device) -> None:
        """Before ``device`` moves to another connection, or goes: this one hears of its rooms no more."""
        for room in device.rooms.values():
            self._unseat(room, device)

    def seat(self, device: Device) -> None:
        """After it moved: it hears its rooms on the new one."""
        for room in device.rooms.values():
            self._seat(room, device)

    def rest(self, device: Device) -> None:
        """Before ``device`` lingers without a connection: its person stays a member, and its worker has one less."""
        for room in device.rooms.values():
            self._uncount(room, worker_of(device.conn))

    def forget(self, device: Device, new_names: Mapping[str, str]) -> None:
        """``device`` was never here: nobody is told. ``new_names``: of rooms that it was noted in under older ones."""
        self.unseat(device)
        device.rooms.clear()
        person = device.person
        if person.devices == [device]:
            for room in person.rooms.values():
                del room.members[person]
                if roles := room.granted.pop(person.uid, None):
                    self.held_over[person.uid, new_names.get(room.name, room.name)] = roles
                if not room.members:
                    del self.by_name[room.name]
            person.rooms.clear()

    def forget_worker(self, worker: int) -> None:
        for room in self.by_name.values():
            room.workers.pop(worker, None)

    def put_out(self, person: Person, name: str) -> Noted | None:
        """Return how ``person`` was put out of a room by an earlier broker; None: they were not, or came in again."""
        room = self.by_name.get(name)
        policy = room.policy if room is not None else self.policies.loaded(name)
        return policy.put_out(person.uid)

    def announce(self, room: Room, event: native.Event, by: ConnId = 0) -> None:
        """Tell everybody in ``room``; the connection ``by`` hears it, or of it, by itself."""
        announced = Announced(room.name, event, by)
        for worker in room.workers:
            self._out.tell(worker, announced)

    def retitle(self, room: Room, name: str) -> None:
        """``room`` has another name from here on; nobody is told."""
        old = room.name
        del self.by_name[old]
        room.name = name
        self.by_name[name] = room
        for person in room.members:
            person.rooms = {one.name: one for one in person.rooms.values()}
            for device in person.devices:
                device.rooms = {one.name: one for one in device.rooms.values()}

    def of(self, person: Person, name: str) -> Room:
        """Return the room of that name, which ``person`` is in. Raises `Refusal`, `names.BadName`.

        What was on its way when the room got another name finds it under the one it had.
        """
        room = person.rooms.get(name) or person.rooms.get(names.room(name))
        if room is None and (called := names.room(name)) not in self.by_name:
            room = person.rooms.get(self.policies.loaded(called).moved)
        if room is None:
            raise Refusal("not-in-room", f"you are not in {name}; join it first")
        return room

    def _seat(self, room: Room, device: Device) -> None:
        if device.connected:
            worker = worker_of(device.conn)
            room.workers[worker] = room.workers.get(worker, 0) + 1

    def _unseat(self, room: Room, device: Device) -> None:
        device.entered.discard(room)
        if device.connected:
            worker = worker_of(device.conn)
            self._uncount(room, worker)
            self._out.tell(worker, Parted(device.conn, room.name))

    def _uncount(self, room: Room, worker: int) -> None:
        room.workers[worker] -= 1
        if not room.workers[worker]:
            del room.workers[worker]
