"""Who goes and comes back: the seats that workers tell of, those that wait for their owner. Pure.

Every connection that is introduced is a *device* of a person. It keeps its seat while its worker is replaced, and for
a while without a connection. Who says hello is `broker.introducing`'s; whose device it is by logging in or out,
`broker.merging` knows.
"""

import hashlib
import math
from collections.abc import Callable, Container, Iterable
from typing import Final, Protocol

from msgspec.structs import replace

from broker import queries
from broker.accounts import Account, Accounts
from broker.attendance import Entry
from broker.checks import is_sound
from broker.log import Log, LogError, inbox_name
from broker.merging import Merging
from broker.outbox import Outbox
from broker.ownership import Ownership
from broker.people import Device, People, Person, Refusal, person_of
from broker.presence import Presence
from broker.rooms import Rooms
from protocol import addresses, moderation, names, native
from protocol.ipc import (
    Announced,
    Attach,
    Closed,
    ConnId,
    Gone,
    Parted,
    Posted,
    Seat,
    Told,
    Vouched,
    worker_of,
)
from protocol.settings import Settings

REPLAY_EACH: Final = 2000  # messages of a room replayed to a worker that attaches; a dead broker leaves far fewer
REPLAY_CHARS: Final = 4 * 1024 * 1024  # in all; what is more is resumed by the clients, page by page
COME_BACK_S: Final = 0.5  # after which those may connect again who are sent away
REPLACED: Final = "the server's log was replaced; connect again"
BEHIND: Final = "the server was away for too long to go on from here; connect again"
TOO_LATE: Final = "what proved your account does not any more; log in again"
MAX_PEOPLE: Final = 250_000  # devices introduced at once; some 500 MB of memory

Note = Callable[[str, Device, str], None]


class Vouching(Protocol):
    """Who knows what proves to another broker which account a connection is logged in to."""

    def issue(self, conn: ConnId, account: Account) -> str:
        """Return the ticket of ``conn``. Raises `LogError`."""

    def holder(self, conn: ConnId, ticket: str) -> Account | None:
        """Return the account that ``ticket`` proves for ``conn``. Raises `LogError`."""


class _Nobody:
    """Knows no tickets."""

    def issue(self, conn: ConnId, account: Account) -> str:
        return ""

    def holder(self, conn: ConnId, ticket: str) -> Account | None:
        return None


class Seating:
    """See the module. Shares people and rooms with `State`, which hands it what concerns them."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        outbox: Outbox,
        people: People,
        rooms: Rooms,
        accounts: Accounts,
        note: Note,
    ) -> None:
        self.log = log
        self.out = outbox
        self.people = people
        self.rooms = rooms
        self.accounts = accounts
        self.tickets: Vouching = _Nobody()
        self.check_ban: Callable[[str, Account | None, list[str]], None] = lambda _nick, _account, _addresses: None
        """Raises `Refusal` when somebody may not be on the server."""
        self.may_sit: Callable[[Person, str], bool] = lambda _person, _name: True
        """Whether somebody may be in a room of whom nobody but their worker says that they are."""
        self.note = note
        self.presence = Presence(outbox, people, rooms)
        self.merging = Merging(log, outbox, people, rooms, self.presence)
        self.ownership = Ownership(people, accounts, self.presence)
        self.ownership.on_renamed = lambda person, old: note("renamed", person.newest, f"from {old}, an account's")
        self.take_settings(settings)
        self._replay_left = 0  # characters, of this attach
        self._new_names: dict[str, str] = {}  # of rooms whose workers had not heard of it, of this attach

    def take_settings(self, settings: Settings) -> None:
        self.settings = settings
        self.merging.max_rooms_each = settings.max_rooms_each

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
        attach = self._told_of_new_names(attach)
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
            if (known is None or known.restored) and (ban := self._ban_of(seat)) is not None:
                self._forget_restored(known)
                self.out.tell(attach.worker, Told(seat.conn, ban))
                self.out.tell(attach.worker, Closed(seat.conn))
            elif known is None or known.restored:
                self._seat(seat, until)
            elif not known.connected:  # only the link was lost, not the worker
                self._linked_again(known, seat, until)
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

    def _told_of_new_names(self, attach: Attach) -> Attach:
        """Return ``attach`` with the rooms as they are called now; a worker may not have heard it from the last broker.

        A room that has its name from another one begins behind what that one had, so the seqs tell them apart.
        """
        new: dict[str, str] = {}
        for name, seq in attach.seqs.items():
            kept = self.rooms.policies.loaded(name)
            if kept.moved and seq <= kept.moved_seq:
                new[name] = kept.moved
                retitled = moderation.Retitled(room=name, name=kept.moved, by=kept.moved_by)
                self.out.tell(attach.worker, Announced(name, retitled))
        self._new_names = new
        if not new:
            return attach
        seats = [replace(seat, rooms=[new.get(name, name) for name in seat.rooms]) for seat in attach.seats]
        return replace(attach, seats=seats, seqs={new.get(name, name): seq for name, seq in attach.seqs.items()})

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
                self.presence.tell(device, self.presence.watching.seen_by(device))

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
            account = self._noted_account(entry)
            known = self.people.by_uid.get(entry.uid if account is None else account.person)
            holder = self.people.by_key.get(names.fold_nick(entry.nick))
            if entry.conn in self.people.by_conn or (known is None and holder is not None):
                continue  # a kill tore the sheet between one who gave up the nick and one who took it
            if known is not None and account is None:
                continue
            person = known or person_of(entry.uid, entry.nick, account)
            if known is None:
                person.color, person.away, person.spoke = entry.color, entry.away, entry.spoke
                person.name, person.bot = entry.name, entry.bot
            device = Device(
                entry.conn, entry.uid, person, entry.addr, entry.dialect, entry.client, entry.since, entry.returns
            )
            device.restored = True
            device.secure, device.certfp, device.exposed = entry.secure, entry.certfp, entry.exposed
            self.people.add(device)
            self.presence.watching.take(device, {names.fold_nick(nick): nick for nick in entry.watches})
            self.people.linger(device, until, "connection lost")
            for name in entry.rooms or ():
                if self.rooms.put_out(person, name) is None:
                    self.rooms.enter(device, name)
            for name in entry.beside:
                if self.rooms.put_out(person, name) is None:
                    self.rooms.accompany(person, name)
            for name, roles in entry.granted.items():
                if name in person.rooms:
                    person.rooms[name].granted[person.uid] = roles
            self.ownership.look(person, self.settings.nick_grace)

    def _noted_account(self, entry: Entry) -> Account | None:
        """Return the account that ``entry`` is logged in to, if it is still there."""
        if entry.account is None:
            return None
        try:
            account = self.accounts.account(entry.account)
        except LogError:
            return None
        return account if account is not None and account.person == entry.person else None

    def let_go(self, still_awaited: Container[int]) -> None:
        """The workers have attached but for those awaited: who cannot come back, and sits with none, leaves."""
        for device in [device for device in self.people.lingering.values() if device.restored]:
            if not device.returns and worker_of(device.conn) not in still_awaited:
                self.remove(device, device.quit_reason)

    def expire(self, now: float) -> float | None:
        """Do what is due at ``now`` (monotonic seconds); return when the next is.

        Who lingered for too long is let go, and who has another's nick is given one.
        """
        if now >= self.people.lingers_first:
            self.people.lingers_first = math.inf
            for device in list(self.people.lingering.values()):
                assert device.lingers_until is not None
                if device.lingers_until <= now:
                    self.remove(device, device.quit_reason, "; did not come back")
                else:
                    self.people.lingers_first = min(self.people.lingers_first, device.lingers_until)
        lingers = self.people.lingers_first if self.people.lingering else None
        owned = self.ownership.expire(now, self.settings.nick_grace)
        return min((due for due in (lingers, owned) if due is not None), default=None)

    # --- coming and going

    def move(self, device: Device, conn: ConnId, addr: str, dialect: str) -> None:
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
        self.presence.watching.forget(device)
        self.people.remove(device)
        if not person.devices:
            self.presence.went(person)

    def check_nick(self, person: Person, nick: str) -> None:
        """Raises `Refusal` when whoever is called ``nick`` is banned from the server: they would not be let in."""
        account = self.accounts.account(person.account) if person.account is not None else None
        try:
            self.check_ban(nick, account, [])
        except Refusal as no:
            raise Refusal("bad-nick", f"nobody may be called {nick}: who is, is banned from this server") from no

    def rename(self, device: Device, nick: str) -> None:
        """The person of ``device``, which asked for it, takes another nick, which is free."""
        old = device.person.nick
        self.presence.rename(device.person, nick, device)
        self.note("renamed", device, f"from {old}")

    def announce_change(self, person: Person, was: native.Person) -> None:
        """Something of ``person``'s card has changed; ``was``: the card before."""
        self.presence.announce_change(person, was)

    # --- accounts

    def log_in(self, device: Device, account: Account) -> None:
        """``device`` has proven to be its account's. Whoever else holds the account's nick is warned.

        Raises `Refusal` when the account may not be here.
        """
        self.check_ban(device.person.nick, account, [device.addr])
        self.merging.log_in(device, account)
        self.note("logged in", device, f"to {account.name}")
        self.ownership.claim(account.name, self.settings.nick_grace)

    def log_out(self, device: Device, reason: str | None = None) -> None:
        """``device`` is a guest's from here on. ``reason``: why, if it was not that device that asked for it."""
        account = device.person.account
        self.merging.log_out(device, reason)
        self.note("logged out", device, f"of {account} {reason or ''}".rstrip())

    # --- seats, as workers tell of them

    def _seat(self, seat: Seat, until: float) -> None:
        hello = seat.hello
        uid, account = uid_of(hello.token or ""), self._vouched_for(seat)
        owner = uid if account is None else account.person
        device = self.people.by_device.get(uid)
        noted = device if device is not None and device.restored else None
        # The sheet may be of the moment before, too: it is written when the new name is on the disk.
        had = [self._new_names.get(name, name) for name in noted.rooms] if noted is not None else []
        beside: list[str] = []  # a login or logout that no worker heard of took all of a person along, or not
        if noted is not None and (noted.person.uid == owner or noted.person.devices == [noted]):
            beside = [self._new_names.get(name, name) for name in noted.person.rooms]
        watches = noted.watches if noted is not None else {}
        exposed = noted is not None and noted.exposed
        at, called = self.people.by_conn.get(seat.conn), self.people.by_key.get(names.fold_nick(hello.nick))
        # The sheet may be older than a worker's word, but nobody's word makes a guest of who owns the nick.
        owned = called is not None and called.uid != owner and _has_its_own(called)
        usurpers = called.devices if called is not None and called.uid != owner and not owned else ()
        for other in dict.fromkeys((device, at, *usurpers)):
            self._forget_restored(other)
        device, person = self.people.by_device.get(uid), self.people.by_uid.get(owner)
        nick = hello.nick if person is None else person.nick
        if device is not None:  # came back through another worker: the newer connection is theirs
            late = device.overtook(hello.attempt)
            if None in (hello.attempt, device.attempt):
                late = seat.since <= device.since
            older = seat.conn if late else device.conn
            self.out.tell(worker_of(older), Closed(older))
            if late:
                return
            self.move(device, seat.conn, seat.addr, seat.dialect)
            device.since = seat.since
            if account is not None:
                self.merging.log_in(device, account)
            else:
                self.merging.log_out(device)
        else:
            if person is None and names.fold_nick(nick) in self.people.by_key and (seat.ticket or owned):
                nick = self.people.another_nick(nick, None, None if account is None else account.name)
            if (person is None and names.fold_nick(nick) in self.people.by_key) or (
                len(self.people.by_device) >= MAX_PEOPLE
            ):
                bye = native.Bye(reason=f"the nick {hello.nick} was taken meanwhile")
                self.out.tell(worker_of(seat.conn), Told(seat.conn, bye))
                self.out.tell(worker_of(seat.conn), Closed(seat.conn))
                return
            device = self._seated(seat, uid, person or self._newcomer(seat, uid, nick, account, noted), watches)
        device.exposed |= exposed or not addresses.is_private(seat.addr, secure=seat.secure)
        self._resume(device, seat, had, beside)
        if noted is not None and noted.person.uid != owner:
            for name in beside:
                room = device.person.rooms.get(name)
                if room is not None and not self.merging.admits(device.person, room):
                    self.rooms.leave(device.person, room, "may not be here with or without an account")
        self._replay_inbox(device, seat, until)

    def _linked_again(self, device: Device, seat: Seat, until: float) -> None:
        """``device`` is known, and could be told nothing for a while: so it is told now what has changed."""
        self.move(device, device.conn, device.addr, device.dialect)
        for name in seat.rooms:
            if name in device.rooms:
                device.entered.add(device.rooms[name])
            elif not self._tell_put_out(device, name, was_in=True):
                self._tell_left(device, name)
        self._tell_who_it_is(device, seat)
        self._replay_inbox(device, seat, until)

    def _replay_inbox(self, device: Device, seat: Seat, until: float) -> None:
        unsent = self._unsent(inbox_name(device.person.uid), seat.inbox)
        if unsent is None:
            self._send_away(seat.conn, BEHIND, until)
            return
        for msg in unsent:
            self.out.tell(worker_of(seat.conn), Told(seat.conn, msg, self._sender(msg, device.person)))

    def _vouched_for(self, seat: Seat) -> Account | None:
        """Return what ``seat`` is logged in to. What cannot be read now is nobody's: people log in again."""
        try:
            return self.tickets.holder(seat.conn, seat.ticket) if seat.ticket else None
        except LogError:
            return None

    def _ban_of(self, seat: Seat) -> native.Error | None:
        """Return what somebody is told who was put off the server, and whose worker has not heard of it."""
        try:
            self.check_ban(seat.hello.nick, self._vouched_for(seat), [seat.addr])
        except Refusal as no:
            return no.answer(None)
        return None

    def _newcomer(self, seat: Seat, uid: bytes, nick: str, account: Account | None, noted: Device | None) -> Person:
        """Return the person of ``seat``, of whom no other device is here."""
        person, hello = person_of(uid, nick, account), seat.hello
        person.color, person.away, person.name = hello.color, seat.away, hello.name
        if noted is not None:  # what its worker does not know
            was = noted.person
            person.bot, person.spoke = was.bot, was.spoke
            if account is not None and was.uid == person.uid:  # another device may have said so
                person.color, person.away, person.name = was.color, was.away, was.name
        return person

    def _seated(self, seat: Seat, uid: bytes, person: Person, watches: dict[str, str]) -> Device:
        hello, is_new = seat.hello, not person.devices
        device = Device(seat.conn, uid, person, seat.addr, seat.dialect, hello.client, seat.since, seat.returns)
        self.people.add(device)
        self.presence.watching.take(device, watches)
        if is_new:
            self.presence.came(person)
        return device

    def _resume(self, device: Device, seat: Seat, had: list[str], beside: list[str]) -> None:
        """``device`` sits where ``seat`` says.

        By the attendance sheet it heard the rooms in ``had``, and its person was in those in ``beside``.
        """
        device.attempt, device.secure, device.certfp = seat.hello.attempt, seat.secure, seat.certfp
        person = device.person
        for name in dict.fromkeys([*seat.rooms, *had]):  # `had`: come back just now, and about to join them again
            is_room = name in self.rooms.by_name or len(self.rooms.by_name) < self.settings.max_rooms
            if is_room and name not in device.rooms and not self._tell_put_out(device, name, was_in=name in had):
                self.rooms.enter(device, name)
        device.entered.update(device.rooms[name] for name in seat.rooms if name in device.rooms)
        for name in beside:
            if name not in person.rooms:
                self.rooms.accompany(person, name)
        self.rooms.held_over.clear()
        self._tell_who_it_is(device, seat)
        self.ownership.look(person, self.settings.nick_grace)

    def _tell_who_it_is(self, device: Device, seat: Seat) -> None:
        """Tell ``device`` who it is, if that is not what its worker says."""
        person = device.person
        if person.account is None and seat.ticket:
            self.out.tell(worker_of(seat.conn), Vouched(seat.conn, ""))
            self.presence.tell(device, self.merging.logged_out(device, TOO_LATE))
        elif seat.hello.nick != person.nick:
            renamed = native.Renamed(room=native.INBOX, old=seat.hello.nick, nick=person.nick, account=person.account)
            self.presence.tell(device, renamed)

    def _tell_put_out(self, device: Device, name: str, *, was_in: bool) -> bool:
        """Whether the person was put out of a room; ``device``, whose worker had not heard of it, is told so.

        ``was_in``: by the attendance sheet. Of others a worker alone says so, and none can let people in.
        """
        noted, person = self.rooms.put_out(device.person, name), device.person
        if noted is None and (was_in or name in person.rooms or self.may_sit(person, name)):
            return False
        by, reason = (noted.by, noted.reason) if noted is not None else (None, "may not be here")
        self._tell_left(device, name, by, reason)
        return True

    def _tell_left(self, device: Device, name: str, by: str | None = None, reason: str = "") -> None:
        person = device.person
        left = native.Left(room=name, nick=person.nick, reason=reason, by=by, account=person.account)
        self.presence.tell(device, left)
        self.out.tell(worker_of(device.conn), Parted(device.conn, name))

    def _send_away(self, conn: ConnId, reason: str, until: float) -> None:
        """Close a connection that cannot go on as it is; its client comes back and resumes, or begins anew."""
        self.out.tell(worker_of(conn), Told(conn, native.Bye(reason=reason, retry=COME_BACK_S)))
        self.gone(Gone(conn, reason, returns=True), until)

    def _forget_restored(self, device: Device | None) -> None:
        """A worker tells of somebody in the place of ``device``: what it says counts, not the attendance sheet."""
        if device is not None and device.restored:
            self.rooms.forget(device, self._new_names)
            self.presence.watching.forget(device)
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

    def _sender(self, msg: native.Msg, of: Person | None = None) -> ConnId:
        """Return who said a message that is replayed, for they may not want to hear it again; 0: nobody who is here.

        ``of``: the person whose inbox it is in.
        """
        name = msg.room if of is None else inbox_name(of.uid)
        device = self.people.by_device.get(self.log.sender(name, msg.seq) or b"")
        return device.conn if device is not None else 0


def _has_its_own(person: Person) -> bool:
    """Tell whether ``person`` is called as its account is."""
    return person.account is not None and names.fold_nick(person.account) == names.fold_nick(person.nick)


def uid_of(token: str) -> bytes:
    """Return who a token's owner is; the token itself is kept nowhere."""
    return hashlib.blake2b(token.encode(), digest_size=16, person=b"moot uid").digest()
