"""Devices, guests and accounts against a model that is a set of rooms for each person, whatever dies in between."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker import rights
from broker.accounts import Account
from broker.attendance import Attendance
from protocol import accounts, moderation, native
from protocol.ipc import (
    Answered,
    Attach,
    Closed,
    ConnId,
    Do,
    Down,
    Entered,
    Gone,
    Parted,
    Seat,
    Told,
    Vouched,
    worker_of,
)
from tests.broker import invariants
from tests.broker.desk import NOON, Desk, conn, token
from tests.broker.members import register

DEVICES: Final = ("laptop", "phone", "tablet", "watch")
ACCOUNTS: Final = ("ann", "bob")
ROOMS: Final = ("#tea", "#cake")
DEVICE = st.sampled_from(DEVICES)
ACCOUNT = st.sampled_from(ACCOUNTS)
ROOM = st.sampled_from(ROOMS)
LOST = st.booleans()  # the broker dies before anybody hears what came of it; what was asked is asked of the next one


@dataclass(slots=True)
class Line:
    """What a worker knows of one connection."""

    device: str
    hello: native.Hello | None = None
    rooms: set[str] = field(default_factory=set)
    inbox: int = 0
    ticket: str = ""
    away: str | None = None


@dataclass(slots=True)
class Owner:
    """One person as the model has it: an account's, or (None) a guest of one device."""

    account: str | None
    rooms: set[str] = field(default_factory=set)
    devices: dict[str, set[str]] = field(default_factory=dict)  # with the rooms that each hears
    away: str | None = None


class TheDevices(RuleBasedStateMachine):
    """Each rule asks one thing of the broker, and of the model."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.accounts: dict[str, Account] = {name: register(self.desk, name) for name in ACCOUNTS}
        self.lines: dict[ConnId, Line] = {}  # of all workers
        self.workers = [1, 2]
        self.next_worker = 3
        self.count = 0
        self.owners: list[Owner] = []
        self.connected: dict[str, ConnId] = {}
        self.sheet = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `teardown`
        self.attendance = Attendance(self.sheet.fileno())

    def teardown(self) -> None:
        if hasattr(self, "sheet"):
            self.sheet.close()

    # --- what people do

    @rule(device=DEVICE, account=st.sampled_from([None, *ACCOUNTS]), side=st.integers(0, 1), lost=LOST)
    def connect(self, device: str, account: str | None, side: int, lost: bool) -> None:
        """Say hello, maybe logged in already, maybe in the place of an earlier connection of the same device."""
        self.count += 1
        new = conn(self.workers[side], self.count)
        line = self.lines[new] = Line(device)
        if account is not None:
            line.ticket = self.desk.state.seating.tickets.issue(new, self.accounts[account])
        if (owner := self.of(device)) is not None and account is None:
            account = owner.account
        nick = self.expected_nick(device, account)
        self.ask(new, native.Hello(nick=nick, token=token(device), attempt=self.count), native.Welcome, lost)
        self.connected[device] = new
        if owner is None:
            owner = self.present(account)
            if owner is None:
                owner = Owner(account)
                self.owners.append(owner)
            owner.devices[device] = set()
        elif owner.account != account:
            self.identify(device, account)

    @rule(device=DEVICE, account=ACCOUNT, lost=LOST)
    def log_in(self, device: str, account: str, lost: bool) -> None:
        if device not in self.connected:
            return
        at = self.connected[device]
        found = self.accounts[account]
        seating = self.desk.state.seating

        def proven() -> None:
            """What the login does when the proof is there."""
            seating = self.desk.state.seating
            self.desk.out.tell(worker_of(at), Vouched(at, seating.tickets.issue(at, found)))
            seating.log_in(self.desk.state.people.by_conn[at], found)
            answer = seating.merging.logged_in(self.desk.state.people.by_conn[at])
            self.desk.out.tell(worker_of(at), Told(at, answer))

        assert seating is not None
        self.do(proven, lost)
        self.identify(device, account)

    @rule(device=DEVICE, lost=LOST)
    def log_out(self, device: str, lost: bool) -> None:
        owner = self.of(device)
        if device not in self.connected or owner is None or owner.account is None:
            return
        self.ask(self.connected[device], accounts.Logout(), native.Ok, lost)
        self.identify(device, None)

    @rule(device=DEVICE, room=ROOM, lost=LOST)
    def join(self, device: str, room: str, lost: bool) -> None:
        owner = self.of(device)
        if device in self.connected and owner is not None:
            self.ask(self.connected[device], native.Join(room=room), native.Room, lost)
            owner.rooms.add(room)
            owner.devices[device].add(room)

    @rule(device=DEVICE, room=ROOM, lost=LOST)
    def leave(self, device: str, room: str, lost: bool) -> None:
        owner = self.of(device)
        if device in self.connected and owner is not None and room in owner.rooms:
            may = (native.Ok, native.Error) if lost else native.Ok  # if none of its devices heard the room, it is done
            self.ask(self.connected[device], native.Leave(room=room), may, lost)
            owner.rooms.discard(room)
            for hears in owner.devices.values():
                hears.discard(room)

    @rule(device=DEVICE, other=DEVICE, room=ROOM, bans=st.booleans(), lost=LOST)
    def put_out(self, device: str, other: str, room: str, bans: bool, lost: bool) -> None:
        """By a kick, or by a ban that is taken back; whoever may not, or not this one, is told so."""
        owner, target = self.of(device), self.of(other)
        if device not in self.connected or owner is None or target is None or room not in owner.rooms & target.rooms:
            return
        one, two = self.ranks()[device, room], self.ranks()[other, room]
        itself = bans and owner is target
        may = rights.may(one, "ban" if bans else "kick", owned=False) and (itself or rights.may_act_on(one, two))
        nick = self.desk.state.people.by_device[self.uid(other)].person.nick
        kick: native.Request = moderation.Kick(nick=nick, room=room)
        at, expected = self.connected[device], native.Ok if may else native.Error
        self.ask(
            at,
            moderation.Ban(mask=nick, room=room) if bans else kick,
            (expected, native.Error) if lost else expected,
            lost,
        )
        if not may:
            return
        if not itself:
            target.rooms.discard(room)
            for hears in target.devices.values():
                hears.discard(room)
        if bans:
            self.ask(at, moderation.Unban(mask=nick, room=room), native.Ok, lost=False)

    @rule(device=DEVICE, other=DEVICE, room=ROOM, role=st.sampled_from(["op", "halfop", "voice"]), on=st.booleans())
    def promote(self, device: str, other: str, room: str, role: str, on: bool) -> None:
        owner, target = self.of(device), self.of(other)
        if device in self.connected and owner is not None and target is not None and room in owner.rooms & target.rooms:
            nick = self.desk.state.people.by_device[self.uid(other)].person.nick
            mode = moderation.Mode(room=room, changes=[moderation.Change(role, on, nick)])
            self.ask(self.connected[device], mode, (native.Ok, native.Error), lost=False)

    @rule(device=DEVICE, text=st.sampled_from([None, "lunch", "bed"]))
    def away(self, device: str, text: str | None) -> None:
        owner = self.of(device)
        if device in self.connected and owner is not None:
            self.ask(self.connected[device], native.Away(text=text), native.Ok, lost=False)
            owner.away = text

    @rule(device=DEVICE)
    def rename(self, device: str) -> None:
        if device in self.connected:
            self.count += 1
            self.ask(self.connected[device], native.Nick(nick=f"nick{self.count}"), native.Ok, lost=False)

    @rule(device=DEVICE, other=DEVICE)
    def whisper(self, device: str, other: str) -> None:
        """All devices of both people that are connected are told, and nobody else."""
        mine, theirs = self.of(device), self.of(other)
        if device not in self.connected or mine is None or theirs is None:
            return
        nick = self.desk.state.people.by_device[self.uid(other)].person.nick
        self.count += 1
        send = native.Send(cmid=f"c{self.count}", to=f"@{nick}", text="psst")
        self.ask(self.connected[device], send, native.Ok, lost=False)
        told = {event.conn for event in self.heard if isinstance(event, Told) and isinstance(event.event, native.Msg)}
        expected = {self.connected[each] for each in (*mine.devices, *theirs.devices) if each in self.connected}
        assert told == expected

    @rule(device=DEVICE, lost=LOST)
    def quit(self, device: str, lost: bool) -> None:
        if device in self.connected:
            at = self.connected[device]
            self.do(lambda: self.desk.state.seating.gone(Gone(at, "bye")), lost)
            self.lines.pop(at, None)
            self.forget(device)

    # --- what happens to them

    @rule(device=DEVICE)
    def is_sent_over(self, device: str) -> None:
        """The connection ends, and its client is expected back."""
        if device in self.connected:
            at = self.connected.pop(device)
            self.do(lambda: self.desk.state.seating.gone(Gone(at, "sent over", returns=True), until=100.0))
            self.lines.pop(at, None)

    @rule(side=st.integers(0, 1))
    def a_worker_dies(self, side: int) -> None:
        lost, self.workers[side] = self.workers[side], self.next_worker
        self.next_worker += 1
        self.do(lambda: self.desk.state.seating.worker_lost(lost, until=100.0))
        for at in [at for at in self.lines if worker_of(at) == lost]:
            del self.lines[at]
        self.connected = {device: at for device, at in self.connected.items() if worker_of(at) != lost}

    @rule()
    def time_passes(self) -> None:
        """Who does not come back is gone."""
        self.do(lambda: self.desk.state.expire(200.0))
        for device in DEVICES:
            if device not in self.connected:
                self.forget(device)

    @rule()
    def the_broker_dies(self) -> None:
        before = self.ranks()
        self.restart()
        assert self.ranks() == before

    # --- what must hold

    @invariant()
    def the_broker_has_what_the_model_has(self) -> None:
        if not hasattr(self, "desk"):
            return
        state = self.desk.state
        invariants.check(state)
        found = []
        for person in state.people.by_uid.values():
            devices = {self.name(device.uid): set(device.rooms) for device in person.devices}
            found.append((person.account or "", sorted(person.rooms), sorted(devices.items()), person.away))
        expected = [
            (owner.account or "", sorted(owner.rooms), sorted(owner.devices.items()), owner.away)
            for owner in self.owners
        ]
        assert sorted(found, key=repr) == sorted(expected, key=repr)

    @invariant()
    def workers_know_what_the_broker_has(self) -> None:
        if not hasattr(self, "desk"):
            return
        people = self.desk.state.people
        assert set(self.connected.values()) == set(self.lines)
        for at, line in self.lines.items():
            device = people.by_conn[at]
            assert line.hello is not None
            assert line.hello.nick == device.person.nick, "a worker believes in another nick"
            assert line.rooms <= set(device.rooms), "else it comes back just now, and joins them again"
            assert bool(line.ticket) == (device.person.account is not None)

    # --- the machinery

    def ranks(self) -> dict[tuple[str, str], rights.Rank]:
        """Return what each device may in each room of its person."""
        state = self.desk.state
        return {
            (self.name(uid), name): state.admission.rank(device.person, room, room.policy)
            for uid, device in state.people.by_device.items()
            for name, room in device.person.rooms.items()
        }

    def uid(self, device: str) -> bytes:
        (uid,) = [uid for uid in self.desk.state.people.by_device if self.name(uid) == device]
        return uid

    def name(self, uid: bytes) -> str:
        from broker.seating import uid_of

        (name,) = [device for device in DEVICES if uid_of(token(device)) == uid]
        return name

    def of(self, device: str) -> Owner | None:
        return next((owner for owner in self.owners if device in owner.devices), None)

    def present(self, account: str | None) -> Owner | None:
        return next((owner for owner in self.owners if account is not None and owner.account == account), None)

    def expected_nick(self, device: str, account: str | None) -> str:
        """Return a nick for hello that cannot be refused, so that the model need know nothing of them."""
        return f"{device}{self.count}"

    def identify(self, device: str, account: str | None) -> None:
        """The model's idea of logging in and out."""
        owner = self.of(device)
        assert owner is not None
        if owner.account == account:
            return
        if owner.account is not None and account is not None:
            self.identify(device, None)
            self.identify(device, account)
            return
        there = self.present(account)
        if account is None:
            hears = owner.devices[device]
            if len(owner.devices) == 1:
                owner.account = None
            else:
                del owner.devices[device]
                self.owners.append(Owner(None, set(hears), {device: hears}, owner.away))
        elif there is None:
            owner.account = account
        else:
            there.rooms |= owner.rooms
            there.devices[device] = owner.devices[device]
            self.owners.remove(owner)

    def forget(self, device: str) -> None:
        self.connected.pop(device, None)
        owner = self.of(device)
        if owner is not None:
            del owner.devices[device]
            if not owner.devices:
                self.owners.remove(owner)

    def ask(self, at: ConnId, request: native.Request, kind: type | tuple[type, ...], lost: bool) -> None:
        self.count += 1
        rid, line = self.count, self.lines[at]
        do = Do(at, rid, request, None, "192.0.2.7", "native", True, ticket=line.ticket, secure=True)
        self.do(lambda: self.desk.state.do(do, NOON + 1000 * self.count), lost)
        (answer,) = [event.event for event in self.heard if isinstance(event, Answered) and event.rid == rid]
        assert isinstance(answer, kind), answer
        if isinstance(request, native.Hello) and isinstance(answer, native.Welcome):
            line.hello = msgspec.structs.replace(request, nick=answer.nick, color=answer.color)
            line.away, line.inbox = answer.away, answer.inbox
            welcome = next(place for place, event in enumerate(self.heard) if isinstance(event, Answered))
            assert not [event for event in self.heard[:welcome] if isinstance(event, Told) and event.conn == at]
            for event in self.heard[welcome:]:
                self.hear(event)
        elif isinstance(request, native.Nick) and isinstance(answer, native.Ok) and line.hello is not None:
            line.hello = msgspec.structs.replace(line.hello, nick=answer.nick or "")
        elif isinstance(request, native.Away):
            line.away = request.text

    def do(self, what: Callable[[], object], lost: bool = False) -> None:
        """Have the broker do something, and workers hear of it; if that is lost, another broker does it again."""
        what()
        if lost:
            self.note()
            self.desk.out.batches()
            self.restart()
            what()
        self.note()
        self.desk.commit()
        self.heard = [event for events in self.desk.told.values() for event in events]
        for event in self.heard:
            self.hear(event)

    def note(self) -> None:
        people = self.desk.state.people
        self.attendance.write(people.touched, people.by_conn.values())
        people.touched.clear()

    def restart(self) -> None:
        self.note()
        self.desk = Desk(log=self.desk.log)
        self.attendance = Attendance(self.sheet.fileno())
        seating = self.desk.state.seating
        seating.restore(self.attendance.read(), until=100.0)
        for worker in self.workers:
            seats = [self.seat(at, line) for at, line in self.lines.items() if worker_of(at) == worker and line.hello]
            seating.attach(Attach(worker, seats, {}), until=100.0)
        seating.let_go(frozenset())
        seating.tell_who_is_here()
        self.note()
        self.desk.commit()
        for events in self.desk.told.values():
            for event in events:
                self.hear(event)

    def seat(self, at: ConnId, line: Line) -> Seat:
        assert line.hello is not None
        return Seat(
            conn=at,
            hello=line.hello,
            rooms=sorted(line.rooms),
            addr="192.0.2.7",
            dialect="native",
            since=NOON,
            away=line.away,
            inbox=line.inbox,
            returns=True,
            ticket=line.ticket,
            secure=True,
        )

    def hear(self, event: Down) -> None:
        """Do what a worker does."""
        line = self.lines.get(event.conn) if hasattr(event, "conn") else None
        match event:
            case Entered(room=room) if line is not None:
                line.rooms.add(room)
            case Parted(room=room) if line is not None:
                line.rooms.discard(room)
            case Closed(conn=at):
                self.lines.pop(at, None)
            case Vouched(ticket=ticket) if line is not None:
                line.ticket = ticket
            case Told(event=native.Msg() as msg) if line is not None:
                line.inbox = msg.seq
            case Told(event=told) if line is not None and line.hello is not None:
                nick = None
                match told:
                    case native.Renamed(room="@"):
                        nick = told.nick
                    case native.Changed(room="@", who=who):
                        line.away = who.away
                    case accounts.LoggedIn() | accounts.LoggedOut():
                        nick, line.inbox = told.nick, told.inbox or 0
                line.hello = msgspec.structs.replace(line.hello, nick=nick or line.hello.nick)
            case _:
                self.hear_in_rooms(event)

    def hear_in_rooms(self, event: Down) -> None:
        renamed = getattr(event, "event", None)
        if not isinstance(renamed, native.Renamed):
            return
        for line in self.lines.values():
            if line.hello is not None and renamed.room in line.rooms and line.hello.nick == renamed.old:
                line.hello = msgspec.structs.replace(line.hello, nick=renamed.nick)


TestTheDevices = TheDevices.TestCase
TestTheDevices.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
