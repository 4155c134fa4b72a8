"""What each request does: to people, rooms and the log.

Pure: no sockets, clocks or randomness; the log is handed in, and what workers must be told goes to the outbox. The
state changes in place, for the broker is its only owner. Names arrive as people typed them and are checked here.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final

from broker import pages, queries
from broker.accounts import Account, Accounts
from broker.admission import Admission
from broker.gate import Gate
from broker.hinting import Hinting
from broker.introducing import Introducing
from broker.log import Log, Spoilt, inbox_name
from broker.markers import Markers
from broker.metadata import MetadataDesk
from broker.moderation import Moderation
from broker.oneself import Oneself
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.policy import Policies
from broker.rooms import Rooms
from broker.saying import Saying
from broker.seating import Note, Seating
from broker.serverbans import ServerBans
from broker.vault import Worksite
from protocol import names, native
from protocol.accounts import Read, Register
from protocol.ipc import MAX_BATCH_BYTES, Answered, Closed, ConnId, Do, Entered, worker_of
from protocol.settings import Settings

PEOPLE_ON_JOIN: Final = 200
_OF_NICKS: Final = native.Hello | native.Nick | native.Whois | native.Watch | native.Was | Register


class State:
    """Rooms and people."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        outbox: Outbox,
        note: Note,
        vault: Worksite,
        entropy: Callable[[int], bytes],
    ) -> None:
        """``note(what, device, details)`` is called for the operator's log, ``entropy(n)`` for that many random bytes.

        ``vault``: where passwords are hashed.
        """
        self.log = log
        self.out = outbox
        self.note = note
        self.accounts = Accounts(log)
        self.people = People(self.accounts.owner_of)
        self.policies = Policies(log, lambda: self.admission.lobby)
        self.admission = Admission(self.policies)
        self.bans = ServerBans(log)
        self.rooms = Rooms(log, outbox, self.policies)
        self.rooms.may_remark = lambda person, room, text: self.admission.may_remark(person, room, text, self.now)
        self.seating = Seating(settings, log, outbox, self.people, self.rooms, self.accounts, note)
        self.introducing = Introducing(self.seating)
        self.oneself = Oneself(outbox, self.people, self.seating)
        self.saying = Saying(log, outbox, self.people, self.rooms, self.admission, self.accounts, note)
        self.hinting = Hinting(outbox, self.people, self.rooms, self.admission)
        self.gate = Gate(settings, log, self.accounts, outbox, self.people, self.seating, vault, entropy)
        self.gate.registrar.commit = self.commit
        self.gate.logins.undoing = self.policies.undoing
        self.gate.registrar.on_drop = self._forget_account
        self.gate.registrar.rooms_of = self._rooms_of
        self.seating.tickets = self.gate.tickets
        self.metadata = MetadataDesk(
            log, outbox, self.people, self.rooms, self.admission, self.seating.presence.watching
        )
        self.markers = Markers(log, outbox, self.people, self.rooms, self.seating.presence)
        self.seating.merging.on_identified = self.markers.identified
        self.moderation = Moderation(
            log, outbox, self.people, self.rooms, self.seating, self.accounts, self.admission, self.bans
        )
        self.moderation.commit = self.commit
        self.moderation.on_retitled = self.markers.retitled
        self.seating.merging.admits = self.moderation.may_stay
        self.seating.check_ban = self.moderation.check_ban
        self.seating.may_sit = self.moderation.may_sit
        self.take_settings(settings)
        self._reloads = [self.markers.rolled_back, self.policies.rolled_back, self.bans.reload]
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self.on_rollback(self.accounts.reload)
        self.on_rollback(self.gate.registrar.reload)
        self._handlers: dict[type, Callable[[Device, Do], None]] = {
            native.Send: self.saying.send,
            native.Fun: self.saying.fun,
            native.Topic: self.saying.topic,
            native.Redact: self.saying.redact,
            native.Typing: self.hinting.typing,
            native.Tag: self.hinting.tag,
            native.Join: self._join,
            native.Leave: self._leave,
            **self.oneself.handlers,
            **self.gate.handlers,
            **self.metadata.handlers,
            Read: self.markers.read,
            **self.moderation.handlers,
            native.Who: self._who,
            native.Whois: self._whois,
            native.Rooms: self._rooms,
            native.History: self._history,
            native.Ping: self._ping,
            native.Quit: self._quit,
        }

    def take_settings(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self.settings = self.gate.proving.settings = self.moderation.settings = settings
        self.admission.take_settings(settings)
        self.seating.take_settings(settings)
        self.saying.log_texts = settings.log_texts
        self.page_bytes = min(settings.sendq_hard, MAX_BATCH_BYTES) // 4  # a page fills no send queue, and no frame

    def on_rollback(self, reload: Callable[[], None]) -> None:
        """Call ``reload`` after a transaction failed: what it keeps in memory of the log's values may be ahead."""
        self._reloads.append(reload)

    def commit(self) -> None:
        """Make the transaction durable; nothing of it is taken back after that. Raises `LogError`."""
        self.log.commit()
        self.policies.committed()
        self.out.stored()

    def rolled_back(self) -> None:
        """The transaction failed, and is rolled back."""
        for reload in self._reloads:
            reload()

    # --- steps

    def tick(self, now_ms: int) -> None:
        """It is ``now_ms`` (milliseconds since 1970, UTC) from here on."""
        self.now = self.saying.now = self.hinting.now = self.seating.presence.now = now_ms
        self.gate.proving.now = self.moderation.now = now_ms

    def expire(self, now: float) -> float | None:
        """Do what is due at ``now`` (monotonic seconds); return when the next is. Part of the step's transaction."""
        dues = (self.seating.expire(now), self.markers.expire(now))
        return min((due for due in dues if due is not None), default=None)

    def do(self, do: Do, now_ms: int) -> None:
        """Carry out one request and answer it."""
        self.tick(now_ms)
        written = self.log.written
        self._do(do)
        if self.log.written != written and self.log.pending:
            self.out.bind_answer(do.conn, do.rid)

    def _do(self, do: Do) -> None:
        request = do.request
        try:
            if type(request) is native.Hello:
                self.introducing.hello(do, request, self.now)
                return
            device = self.people.by_conn.get(do.conn)
            if device is None and type(request) is native.Quit:
                self._dismiss(do, request)
                return
            if device is None and (early := self.gate.unintroduced.get(type(request))) is not None:
                early(do)
                return
            if device is None:
                raise Refusal("not-introduced", "say hello first: this connection has no nick yet")
            handler = self._handlers.get(type(request))
            if handler is None:
                raise Refusal("not-supported", "this server cannot do that")
            handler(device, do)
        except Spoilt as spoilt:
            text = f"{spoilt}, so this cannot be done; an operator can mend it with `moot check --repair`"
            self._answer(do, native.Error(id=request.id, code="damaged", text=text))
        except Refusal as no:
            self._answer(do, no.answer(request.id))
        except names.BadName as no:
            of_nick = isinstance(request, _OF_NICKS) or (getattr(request, "to", None) or "")[:1] == "@"
            of_nick = of_nick or (getattr(request, "target", None) or "#")[:1] != "#"
            code = "bad-nick" if of_nick else "bad-room"
            self._answer(do, native.Error(id=request.id, code=code, text=str(no)))

    def _rooms_of(self, account: Account, asker: Device) -> list[str]:
        """Return the rooms that are an account's, without those that are hidden from who asks."""
        person = asker.person
        owned = self.policies.owned_by(account.name)
        if person.uid == account.person or person.admin:
            return owned
        return [name for name in owned if name in person.rooms or not self.policies.is_secret(name)]

    def _forget_account(self, account: Account) -> None:
        """Nobody who takes the name of an account that is no more has what it was given. Raises `LogError`."""
        self.policies.forget_account(account.name)
        self.bans.forget_account(account.name)
        self.markers.forget(account.person)

    def may_retry(self, conn: ConnId) -> bool:
        """Tell whether whoever sits at ``conn`` has a program that says again what is refused for the moment."""
        device = self.people.by_conn.get(conn)
        return device is not None and device.returns

    def last(self, conn: ConnId, room: str) -> int:
        """Return the newest seq of ``room``, where `@` is the inbox of ``conn``."""
        if room != native.INBOX:
            return self.log.last(room)
        device = self.people.by_conn.get(conn)
        return self.log.last(inbox_name(device.person.uid)) if device is not None else 0

    # --- rooms

    def _join(self, device: Device, do: Do) -> None:
        person, request = device.person, do.request
        assert isinstance(request, native.Join)
        name = names.room(request.room)
        made = False
        if request.again and name not in device.rooms:
            raise Refusal("not-in-room", f"you are not in {name}; join it first")
        if name not in person.rooms:
            if len(person.rooms) >= self.settings.max_rooms_each:
                raise Refusal(
                    "too-many-rooms", f"you are in {len(person.rooms)} rooms, the most allowed; leave one first"
                )
            new = name not in self.rooms.by_name and not self.log.last(name)
            if new and self._is_full():
                text = f"this server has {self.settings.max_rooms} rooms, the most allowed; join one of them"
                raise Refusal("too-many-rooms", text)
            made = self._let_in(person, name, request)
            self.note("joined", device, name)
        if name not in device.rooms:
            is_new = name not in person.rooms
            entered = self.rooms.enter(device, name)
            if made:
                self.admission.made(person, entered)
            self.people.touch(person)
            if is_new:
                self.seating.presence.tell_inside(person, [name], but=device)
        room = person.rooms[name]
        last = self.log.last(name)
        resumes = request.after is not None and request.epoch == self.log.epoch and request.after <= last
        if resumes and request.after is not None:
            page = queries.following(self.log, name, request.after, queries.RESUME_PAGE)
            more = 0 < page.end < last
        else:
            page = pages.newest(self.log.newest(name, self.settings.backlog), self.page_bytes)
            more = page.begin > 1
        answer = native.Room(
            id=request.id,
            room=name,
            seq=last,
            topic=self.log.topic(name),
            people=[member.card_in(room) for member in islice(room.members, PEOPLE_ON_JOIN)],
            count=len(room.members),
            messages=page.messages,
            more=more,
            reset=request.after is not None and not resumes,
            gaps=page.gaps,
            read=self.markers.position(person, name),
            flags=room.policy.flags,
        )
        device.entered.add(device.rooms[name])
        self.out.tell(worker_of(do.conn), Entered(do.conn, name, last))  # again after a take-over: fan-out starts here
        self._answer(do, answer)

    def _let_in(self, person: Person, name: str, request: native.Join) -> bool:
        """See whether ``person`` may come in, and tell those who are there. Return whether nobody is.

        Raises `Refusal`, `Spoilt`, `LogError`.
        """
        room = self.rooms.by_name.get(name)
        kept = room.policy if room is not None else self.policies.load(name)
        if kept.moved and request.epoch == self.log.epoch and 0 < (request.after or 0) <= kept.moved_seq:
            raise Refusal("no-such-room", self.policies.moved_text(name, kept))
        self.admission.check(person, name, room, kept, request.key, self.now)
        if self.policies.admit(name, room, kept, person.uid):
            self.commit()  # who is in stays in, whatever comes of the transaction
        if room is not None:
            self.rooms.announce(room, native.Joined(room=name, who=person.card_in(room)))
        return room is None

    def _is_full(self) -> bool:
        """Tell whether there are as many rooms as there may be, those with people and those with messages."""
        limit, used = self.settings.max_rooms, self.rooms.by_name
        if self.log.room_count + len(used) < limit:  # most of the time, and counting rooms takes a millisecond
            return False
        return self.log.room_count + sum(not self.log.last(name) for name in used) >= limit

    def _leave(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Leave)
        person = device.person
        room = self.rooms.of(person, request.room)
        self.rooms.leave(person, room, request.reason, asker=device)
        self.people.touch(person)
        self.note("left room", device, f"{room.name} {request.reason}".rstrip())
        self._answer(do, native.Ok(id=request.id, room=room.name))

    # --- oneself and others

    def _who(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Who)
        self._answer(do, queries.who(self.people, self.rooms, device.person, do.request))

    def _whois(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Whois)
        self._answer(do, queries.whois(self.people, device.person, do.request, self.now))

    def _rooms(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Rooms)
        self._answer(do, queries.room_list(self.log, self.rooms, device.person, do.request))

    def _history(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.History)
        self._answer(do, queries.history(self.log, self.rooms, device.person, do.request, self.page_bytes))

    def _ping(self, device: Device, do: Do) -> None:
        self._answer(do, native.Pong(id=do.request.id, time=self.now))

    def _quit(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Quit)
        self.seating.remove(device, do.request.reason)
        self._dismiss(do, do.request)

    def _dismiss(self, do: Do, quit_: native.Quit) -> None:
        self._answer(do, native.Bye(id=quit_.id, reason=quit_.reason or "goodbye"))
        self.out.tell(worker_of(do.conn), Closed(do.conn))

    def _answer(self, do: Do, event: native.Event) -> None:
        self.out.tell(worker_of(do.conn), Answered(do.conn, do.rid, event))
