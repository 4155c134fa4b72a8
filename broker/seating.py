"""Who comes, goes and comes back: hellos, the seats that workers tell of, those that wait for their owner. Pure.

Every connection that is introduced is a *device* of a person. It keeps its seat while its worker is replaced, and for
a while without a connection. What people say and ask is `broker.state`'s.
"""

import hashlib
import math
from collections.abc import Callable, Container, Iterable
from typing import Final

from broker import queries
from broker.accounts import Account
from broker.attendance import Entry
from broker.checks import is_sound
from broker.log import Log, inbox_name
from broker.outbox import Outbox
from broker.past import Past
from broker.people import Device, People, Person, Refusal
from broker.rooms import Rooms
from broker.watching import Watching
from protocol import __version__, names, native
from protocol.ipc import Announced, Attach, Closed, ConnId, Do, Gone, Posted, Seat, Told, worker_of
from protocol.settings import Settings

REPLAY_EACH: Final = 2000  # messages of a room replayed to a worker that attaches; a dead broker leaves far fewer
REPLAY_CHARS: Final = 4 * 1024 * 1024  # in all; what is more is resumed by the clients, page by page
COME_BACK_S: Final = 0.5  # after which those may connect again who are sent away
REPLACED: Final = "the server's log was replaced; connect again"
BEHIND: Final = "the server was away for too long to go on from here; connect again"
MAX_PEOPLE: Final = 250_000  # devices introduced at once; some 500 MB of memory

Note = Callable[[str, Device, str], None]


class Seating:
    """See the module. Shares people and rooms with `State`, which hands it what concerns them."""

    def __init__(self, settings: Settings, log: Log, outbox: Outbox, people: People, rooms: Rooms, note: Note) -> None:
        self.settings = settings
        self.log = log
        self.out = outbox
        self.people = people
        self.rooms = rooms
        self.note = note
        self.watching = Watching(outbox, people)
        self.past = Past()
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self._replay_left = 0  # characters, of this attach

    def gone(self, gone: Gone, until: float = 0.0) -> None:
        """A connection was closed by its client or its worker.

        One that was asked to come back, and can, keeps the seat until ``until`` (monotonic seconds).
        """
        device = self.people.by_conn.get(gone.conn)
        if device is not None and gone.returns and device.returns:
            if device.connected:
                self.rooms.rest(device)
                self.people.linger(device, until, gone.reason)
        elif device is not None:
            self.remove(device, gone.reason)
        self.out.tell(worker_of(gone.conn), Closed(gone.conn))

    def attach(self, attach: Attach, until: float = 0.0, *, late: bool = False) -> None:
        """Learn a worker's seats, as after a restart of the broker, and replay what it did not fan out yet.

        A worker with many seats tells them in parts, each with the seqs of its rooms, so that what was not fanned out
        comes before what is new; one without seats is the last. ``late``: others were served before, so it has missed
        who came and went, and is told who is there after its last part.
        Connections that heard of another log, or are too far behind, are closed and asked to come back; their people
        keep the seats until ``until`` (monotonic seconds) if they can.
        """
        self._replay_left = REPLAY_CHARS
        another = attach.epoch not in ("", self.log.epoch)
        if any(seq > self.log.last(name) for name, seq in attach.seqs.items()):
            another = True  # an older copy of the log
            for device in self.people.of_worker(attach.worker):
                self._send_away(device.conn, REPLACED, until)
        for seat in attach.seats:
            if not is_sound(seat, attach.worker, self.settings):
                self.out.tell(attach.worker, Closed(seat.conn))
                continue
            if another:
                self._send_away(seat.conn, REPLACED, until)
                continue
            known = self.people.by_conn.get(seat.conn)
            if known is None or known.restored:
                self._seat(seat, until)
            elif not known.connected:  # only the link was lost, not the worker
                self._move(known, known.conn, known.addr, known.dialect)
        for name, seq in attach.seqs.items():
            room = self.rooms.by_name.get(name)
            if room is None or attach.worker not in room.workers or seq < 0:
                continue
            unsent = self._unsent(name, seq)
            if unsent is None:
                for device in self.people.of_worker(attach.worker):
                    if name in device.rooms:
                        self._send_away(device.conn, BEHIND, until)
                continue
            for msg in unsent:
                self.out.tell(attach.worker, Posted(self._sender(msg), msg))
        if late and not attach.seats:
            self.tell_who_is_here(attach.worker)

    def tell_who_is_here(self, only: int | None = None) -> None:
        """Tell all members who is in their rooms, or those at one worker.

        An earlier broker may have ended before all had heard from it who came, went or changed; unlike messages, that
        is kept nowhere.
        """
        for room in self.rooms.by_name.values():
            workers = [worker for worker in room.workers if only in (None, worker)]
            if workers:
                announced = Announced(room.name, queries.resync(room))
                for worker in workers:
                    self.out.tell(worker, announced)
        for device in self.people.by_conn.values():
            if device.watches and device.connected and only in (None, worker_of(device.conn)):
                self._tell(device, self.watching.seen_by(device))

    def worker_lost(self, worker: int, until: float) -> None:
        """A worker died: its people stay in place until ``until`` (monotonic seconds), if they can come back."""
        self.rooms.forget_worker(worker)
        lost = self.people.of_worker(worker)
        for device in lost:
            if device.connected or device.restored:
                self.people.linger(device, until, "connection lost")
        for device in lost:
            if not device.returns:
                self.remove(device, device.quit_reason)

    def restore(self, here: Iterable[Entry], until: float) -> None:
        """Before any worker attaches: all whom the earlier broker knew hold their seats until a worker tells of them.

        Those whom none does linger until ``until`` (monotonic seconds).
        """
        for entry in here:
            known = self.people.by_uid.get(entry.person)
            if entry.conn in self.people.by_conn or self.people.by_key.get(names.fold_nick(entry.nick)) is not known:
                continue  # a kill tore the sheet between one who gave up the nick and one who took it
            person = known or Person(entry.person, entry.nick, entry.color, entry.away, entry.spoke, entry.name)
            device = Device(
                entry.conn, entry.uid, person, entry.addr, entry.dialect, entry.client, entry.since, entry.returns
            )
            device.restored = True
            device.secure, device.certfp = entry.secure, entry.certfp
            person.bot = entry.bot
            self.people.add(device)
            self.watching.take(device, {names.fold_nick(nick): nick for nick in entry.watches})
            self.people.linger(device, until, "connection lost")
            for name in entry.rooms or ():
                self.rooms.enter(device, name)

    def let_go(self, still_awaited: Container[int]) -> None:
        """The workers have attached but for those awaited: who cannot come back, and sits with none, leaves."""
        for device in [device for device in self.people.lingering.values() if device.restored]:
            if not device.returns and worker_of(device.conn) not in still_awaited:
                self.remove(device, device.quit_reason)

    def expire(self, now: float) -> float | None:
        """Let go of those who lingered until ``now`` (monotonic seconds); return when the next one is due."""
        if now >= self.people.lingers_first:
            self.people.lingers_first = math.inf
            for device in list(self.people.lingering.values()):
                assert device.lingers_until is not None
                if device.lingers_until <= now:
                    self.remove(device, device.quit_reason, "; did not come back")
                else:
                    self.people.lingers_first = min(self.people.lingers_first, device.lingers_until)
        return self.people.lingers_first if self.people.lingering else None

    # --- coming and going

    def hello(self, do: Do, hello: native.Hello, now_ms: int) -> native.Welcome:
        """Introduce a connection. Raises `Refusal`, `names.BadName`."""
        uid = _uid(hello.token or "")
        known = self.people.by_conn.get(do.conn)
        if known is not None and (known.connected or known.uid != uid):  # else an earlier broker's answer was lost
            raise Refusal("bad-request", "already introduced; use nick to take another one")
        if hello.v != native.VERSION:
            raise Refusal("unsupported-version", f"this server speaks version {native.VERSION}, not {hello.v}")
        earlier = self.people.by_device.get(uid)
        if earlier is not None and earlier.connected and earlier.overtook(hello.attempt):
            text = "this hello comes late: you connected again since; that connection stays"
            raise Refusal("replaced", text, attempt=earlier.attempt)
        nick = self.people.free_nick(hello.nick, None if earlier is None else earlier.person)
        device = earlier or self._new_device(do, hello, uid, nick, now_ms)
        if earlier is not None:
            self._take_over(earlier, do, hello, nick)
        device.attempt = hello.attempt
        device.secure, device.certfp = do.secure, do.certfp
        self.note("introduced", device, "again" if earlier else "")
        person = device.person
        return native.Welcome(
            id=hello.id,
            nick=person.nick,
            server=self.settings.server_name,
            version=__version__,
            epoch=self.log.epoch,
            inbox=self.log.last(inbox_name(person.uid)),
            motd=self.settings.motd,
            max_text=self.settings.max_text,
            resumed=earlier is not None,
            color=person.color,
            away=person.away,
            people=len(self.people.by_uid),
            rooms=len(self.rooms.by_name),
        )

    def _new_device(self, do: Do, hello: native.Hello, uid: bytes, nick: str, now_ms: int) -> Device:
        if self.settings.limits:
            self.people.check_crowd(do.addr, self.settings.max_per_address)
        if len(self.people.by_device) >= MAX_PEOPLE:
            raise Refusal("too-many", f"{MAX_PEOPLE:,} people are here, the most this server can have")
        person = Person(uid, nick, hello.color, hello.away, name=hello.name)
        device = Device(do.conn, uid, person, do.addr, do.dialect, hello.client, now_ms, do.returns)
        self.people.add(device)
        self.watching.came(person)
        return device

    def _take_over(self, device: Device, do: Do, hello: native.Hello, nick: str) -> None:
        """The same device on a new connection: rooms stay, nobody hears of it."""
        old = device.conn
        if device.connected:
            replaced = native.Error(code="replaced", text="you connected from elsewhere; this connection ends")
            self.out.tell(worker_of(old), Told(old, replaced))
            self.out.tell(worker_of(old), Closed(old))
        self._move(device, do.conn, do.addr, do.dialect)
        device.client = hello.client
        person = device.person
        if nick != person.nick:
            self.rename(device, nick)
        was = person.card
        if hello.color is not None:
            person.color = hello.color
        if hello.away is not None:
            person.away = hello.away
        if person.card != was:
            self.announce_change(person, was)

    def _move(self, device: Device, conn: ConnId, addr: str, dialect: str) -> None:
        """``device`` is on another connection from here on, and hears the same rooms."""
        self.rooms.unseat(device)
        self.people.move(device, conn, addr, dialect)
        self.rooms.seat(device)

    def remove(self, device: Device, reason: str, noted: str = "") -> None:
        """``device`` is gone, and its person, if it was their last."""
        person = device.person
        if person.devices == [device]:
            for room in list(person.rooms.values()):
                self.rooms.leave(person, room, reason, quits=True)
            self.log.release(inbox_name(person.uid))
        else:
            self.rooms.unseat(device)
        self.note("left", device, reason + noted)
        self.watching.forget(device)
        self.people.remove(device)
        if not person.devices and not self.rooms.hushed:
            self.past.note(person, self.now)
            self.watching.went(person.nick)

    def rename(self, device: Device, nick: str) -> None:
        """The person of ``device`` takes another nick, which is free."""
        person = device.person
        old = person.nick
        self.past.note(person, self.now)
        self.people.rename(person, nick)
        for room in person.rooms.values():
            self.rooms.announce(room, native.Renamed(room=room.name, old=old, nick=nick, account=person.card.account))
        self.watching.renamed(person, old)
        self.note("renamed", device, f"from {old}")

    def announce_change(self, person: Person, was: native.Person, by: Device | None = None) -> None:
        """Something of ``person``'s card has changed, ``by`` one of its devices; ``was``: the card before."""
        self.people.touch(person)
        for room in person.rooms.values():
            self.rooms.announce(room, native.Changed(room=room.name, who=person.card_in(room), was=was))
        for device in person.connected:
            if device is not by and not device.rooms:  # the others hear of it there
                self._tell(device, native.Changed(room=native.INBOX, who=person.card, was=was))
        self.watching.changed(person)

    def _tell(self, device: Device, event: native.Event) -> None:
        self.out.tell(worker_of(device.conn), Told(device.conn, event))

    # --- accounts

    def log_in(self, device: Device, account: Account) -> None:
        """``device`` has proven to be its account's."""
        person = device.person
        was, person.account, person.admin = person.card, account.name, account.admin
        if person.card != was:
            self.announce_change(person, was)
        self.note("logged in", device, f"to {account.name}")

    def log_out(self, device: Device) -> None:
        """``device`` is a guest's from here on."""
        person = device.person
        was, person.account, person.admin = person.card, None, False
        if person.card != was:
            self.announce_change(person, was)
        self.note("logged out", device, f"of {was.account}")

    # --- seats, as workers tell of them

    def _seat(self, seat: Seat, until: float) -> None:
        hello = seat.hello
        uid = _uid(hello.token or "")
        device = self.people.by_device.get(uid)
        noted = device if device is not None and device.restored else None
        had = list(noted.rooms) if noted is not None else []
        watches = noted.watches if noted is not None else {}
        at, called = self.people.by_conn.get(seat.conn), self.people.by_key.get(names.fold_nick(hello.nick))
        for other in dict.fromkeys((device, at, *(called.devices if called else ()))):
            self._forget_restored(other)
        device = self.people.by_device.get(uid)
        if device is not None:  # came back through another worker: the newer connection is theirs
            late = device.overtook(hello.attempt)
            if None in (hello.attempt, device.attempt):
                late = seat.since <= device.since
            older = seat.conn if late else device.conn
            self.out.tell(worker_of(older), Closed(older))
            if late:
                return
            self._move(device, seat.conn, seat.addr, seat.dialect)
            device.since = seat.since
        elif names.fold_nick(hello.nick) in self.people.by_key or len(self.people.by_device) >= MAX_PEOPLE:
            bye = native.Bye(reason=f"the nick {hello.nick} was taken meanwhile")
            self.out.tell(worker_of(seat.conn), Told(seat.conn, bye))
            self.out.tell(worker_of(seat.conn), Closed(seat.conn))
            return
        else:
            person = Person(uid, hello.nick, hello.color, seat.away, name=hello.name)
            device = Device(seat.conn, uid, person, seat.addr, seat.dialect, hello.client, seat.since, seat.returns)
            self.people.add(device)
            if noted is not None:  # what its worker does not know
                person.bot, person.spoke = noted.person.bot, noted.person.spoke
                self.watching.take(device, watches)
            else:
                self.watching.came(person)
        device.secure, device.certfp = seat.secure, seat.certfp
        device.attempt = hello.attempt
        for name in dict.fromkeys([*seat.rooms, *had]):  # `had`: come back just now, and about to join them again
            is_room = name in self.rooms.by_name or len(self.rooms.by_name) < self.settings.max_rooms
            if is_room and name not in device.rooms:
                self.rooms.enter(device, name)
        unsent = self._unsent(inbox_name(device.person.uid), seat.inbox)
        if unsent is None:
            self._send_away(seat.conn, BEHIND, until)
            return
        for msg in unsent:
            self.out.tell(worker_of(seat.conn), Told(seat.conn, msg))

    def _send_away(self, conn: ConnId, reason: str, until: float) -> None:
        """Close a connection that cannot go on as it is; its client comes back and resumes, or begins anew."""
        self.out.tell(worker_of(conn), Told(conn, native.Bye(reason=reason, retry=COME_BACK_S)))
        self.gone(Gone(conn, reason, returns=True), until)

    def _forget_restored(self, device: Device | None) -> None:
        """A worker tells of somebody in the place of ``device``: what it says counts, not the attendance sheet."""
        if device is not None and device.restored:
            self.rooms.forget(device)
            self.watching.forget(device)
            self.people.remove(device)

    def _unsent(self, name: str, seq: int) -> list[native.Msg] | None:
        """Return what a worker did not send on; None when that is too much, or ``seq`` is not one of this log."""
        last = self.log.last(name)
        if not last - REPLAY_EACH <= seq <= last:
            return None
        messages: list[native.Msg] = []
        while (page := self.log.after(name, seq, queries.RESUME_PAGE)).end:
            self._replay_left -= sum(100 + len(msg.text) for msg in page.messages)
            if self._replay_left < 0:
                return None
            messages += page.messages
            seq = page.end
        return messages

    def _sender(self, msg: native.Msg) -> ConnId:
        """Return who said a message that is replayed, for they may not want to hear it again; 0: nobody who is here."""
        device = self.people.by_device.get(self.log.sender(msg.room, msg.seq) or b"")
        return device.conn if device is not None else 0


def _uid(token: str) -> bytes:
    """Return who a token's owner is; the token itself is kept nowhere."""
    return hashlib.blake2b(token.encode(), digest_size=16, person=b"moot uid").digest()
