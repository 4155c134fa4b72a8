"""What each request does: to people, rooms and the log.

Pure: no sockets, clocks or randomness; the log is handed in, and what workers must be told goes to the outbox. The
state changes in place, for the broker is its only owner. Names arrive as people typed them and are checked here.
"""

import hashlib
import math
from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import Final

import msgspec

from broker import pages, queries
from broker.attendance import Entry
from broker.checks import is_sound
from broker.log import Damaged, Extra, Log, Stored, inbox_name
from broker.outbox import Outbox
from broker.people import People, Person, Refusal
from broker.rooms import Rooms
from protocol import __version__, names, native
from protocol.ipc import (
    MAX_BATCH_BYTES,
    Announced,
    Answered,
    Attach,
    Closed,
    ConnId,
    Do,
    Entered,
    Gone,
    Posted,
    Seat,
    Told,
    worker_of,
)
from protocol.settings import Settings

PEOPLE_ON_JOIN: Final = 200
REPLAY_EACH: Final = 2000  # messages of a room replayed to a worker that attaches; a dead broker leaves far fewer
REPLAY_CHARS: Final = 4 * 1024 * 1024  # in all; what is more is resumed by the clients, page by page
COME_BACK_S: Final = 0.5  # after which those may connect again who are sent away
REPLACED: Final = "the server's log was replaced; connect again"
BEHIND: Final = "the server was away for too long to go on from here; connect again"
MAX_PEOPLE: Final = 250_000  # introduced at once; some 500 MB of memory


class State:
    """Rooms and people."""

    def __init__(self, settings: Settings, log: Log, outbox: Outbox, note: Callable[[str, Person, str], None]) -> None:
        """``note(what, person, details)`` is called for the operator's log."""
        self.take_settings(settings)
        self.log = log
        self.out = outbox
        self.note = note
        self.people = People()
        self.rooms = Rooms(log, outbox)
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self._replay_left = 0  # characters, of this attach
        self._handlers: dict[type, Callable[[Person, Do], None]] = {
            native.Send: self._send,
            native.Fun: self._fun,
            native.Topic: self._topic,
            native.Join: self._join,
            native.Leave: self._leave,
            native.Nick: self._nick,
            native.Away: self._away,
            native.Color: self._color,
            native.Who: self._who,
            native.Whois: self._whois,
            native.Rooms: self._rooms,
            native.History: self._history,
            native.Ping: self._ping,
            native.Quit: self._quit,
        }

    def take_settings(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self.settings = settings
        self.page_bytes = min(settings.sendq_hard, MAX_BATCH_BYTES) // 4  # a page fills no send queue, and no frame

    # --- steps

    def do(self, do: Do, now_ms: int) -> None:
        """Carry out one request and answer it."""
        self.now = now_ms
        request = do.request
        try:
            if type(request) is native.Hello:
                self._hello(do, request)
                return
            person = self.people.by_conn.get(do.conn)
            if person is None and type(request) is native.Quit:
                self._dismiss(do, request)
                return
            if person is None:
                raise Refusal("not-introduced", "say hello first: this connection has no nick yet")
            self._handlers[type(request)](person, do)
        except Refusal as no:
            error = native.Error(id=request.id, code=no.code, text=no.text, free=no.free, attempt=no.attempt)
            self._answer(do, error)
        except names.BadName as no:
            of_nick = isinstance(request, native.Hello | native.Nick | native.Whois)
            of_nick = of_nick or (isinstance(request, native.Send | native.Fun) and request.to[:1] == "@")
            code = "bad-nick" if of_nick else "bad-room"
            self._answer(do, native.Error(id=request.id, code=code, text=str(no)))

    def gone(self, gone: Gone, until: float = 0.0) -> None:
        """A connection was closed by its client or its worker.

        A person who was asked to come back, and can, keeps the seat until ``until`` (monotonic seconds).
        """
        person = self.people.by_conn.get(gone.conn)
        if person is not None and gone.returns and person.returns:
            if person.connected:
                self.rooms.rest(person)
                self.people.linger(person, until, gone.reason)
        elif person is not None:
            self._remove(person, gone.reason)
        self.out.tell(worker_of(gone.conn), Closed(gone.conn))

    def attach(self, attach: Attach, now_ms: int, until: float = 0.0, *, late: bool = False) -> None:
        """Learn a worker's seats, as after a restart of the broker, and replay what it did not fan out yet.

        A worker with many seats tells them in parts, each with the seqs of its rooms, so that what was not fanned out
        comes before what is new; one without seats is the last. ``late``: others were served before, so it has missed
        who came and went, and is told who is there after its last part.
        Connections that heard of another log, or are too far behind, are closed and asked to come back; their people
        keep the seats until ``until`` (monotonic seconds) if they can.
        """
        self.now = now_ms
        self._replay_left = REPLAY_CHARS
        another = attach.epoch not in ("", self.log.epoch)
        if any(seq > self.log.last(name) for name, seq in attach.seqs.items()):
            another = True  # an older copy of the log
            for person in self.people.of_worker(attach.worker):
                self._send_away(person.conn, REPLACED, until)
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
                for conn in [conn for conn in room.members if worker_of(conn) == attach.worker]:
                    self._send_away(conn, BEHIND, until)
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

    def worker_lost(self, worker: int, until: float) -> None:
        """A worker died: its people stay in place until ``until`` (monotonic seconds), if they can come back."""
        self.rooms.forget_worker(worker)
        lost = self.people.of_worker(worker)
        for person in lost:
            if person.connected or person.restored:
                self.people.linger(person, until, "connection lost")
        for person in lost:
            if not person.returns:
                self._remove(person, person.quit_reason)

    def restore(self, here: Iterable[Entry], until: float) -> None:
        """Before any worker attaches: all whom the earlier broker knew hold their seats until a worker tells of them.

        Those whom none does linger until ``until`` (monotonic seconds).
        """
        for entry in here:
            if entry.conn in self.people.by_conn or names.fold_nick(entry.nick) in self.people.by_key:
                continue  # a kill tore the sheet between one who gave up the nick and one who took it
            person = Person(
                conn=entry.conn,
                uid=entry.uid,
                nick=entry.nick,
                addr=entry.addr,
                dialect=entry.dialect,
                client=entry.client,
                since=entry.since,
                color=entry.color,
                away=entry.away,
                spoke=entry.spoke,
                returns=entry.returns,
                restored=True,
            )
            self.people.add(person)
            self.people.linger(person, until, "connection lost")
            for name in entry.rooms or ():
                self.rooms.enter(person, name)

    def let_go(self, still_awaited: Container[int]) -> None:
        """The workers have attached but for those awaited: who cannot come back, and sits with none, leaves."""
        for person in [person for person in self.people.lingering.values() if person.restored]:
            if not person.returns and worker_of(person.conn) not in still_awaited:
                self._remove(person, person.quit_reason)

    def may_retry(self, conn: ConnId) -> bool:
        """Tell whether whoever sits at ``conn`` has a program that says again what is refused for the moment."""
        person = self.people.by_conn.get(conn)
        return person is not None and person.returns

    def last(self, conn: ConnId, room: str) -> int:
        """Return the newest seq of ``room``, where `@` is the inbox of ``conn``."""
        if room != native.INBOX:
            return self.log.last(room)
        person = self.people.by_conn.get(conn)
        return self.log.last(inbox_name(person.uid)) if person is not None else 0

    def expire(self, now: float) -> float | None:
        """Let go of those who lingered until ``now`` (monotonic seconds); return when the next one is due."""
        if now >= self.people.lingers_first:
            self.people.lingers_first = math.inf
            for person in list(self.people.lingering.values()):
                assert person.lingers_until is not None
                if person.lingers_until <= now:
                    self._remove(person, person.quit_reason, "; did not come back")
                else:
                    self.people.lingers_first = min(self.people.lingers_first, person.lingers_until)
        return self.people.lingers_first if self.people.lingering else None

    # --- coming and going

    def _hello(self, do: Do, hello: native.Hello) -> None:
        uid = _uid(hello.token or "")
        known = self.people.by_conn.get(do.conn)
        if known is not None and (known.connected or known.uid != uid):  # else an earlier broker's answer was lost
            raise Refusal("bad-request", "already introduced; use nick to take another one")
        if hello.v != native.VERSION:
            raise Refusal("unsupported-version", f"this server speaks version {native.VERSION}, not {hello.v}")
        earlier = self.people.by_uid.get(uid)
        if earlier is not None and earlier.connected and earlier.overtook(hello.attempt):
            text = "this hello comes late: you connected again since; that connection stays"
            raise Refusal("replaced", text, attempt=earlier.attempt)
        nick = self.people.free_nick(hello.nick, earlier)
        if earlier is None:
            if self.settings.limits:
                self.people.check_crowd(do.addr, self.settings.max_per_address)
            if len(self.people.by_uid) >= MAX_PEOPLE:
                raise Refusal("too-many", f"{MAX_PEOPLE:,} people are here, the most this server can have")
            person = Person(do.conn, uid, nick, do.addr, do.dialect, hello.client, self.now, hello.color)
            person.returns = do.returns
            self.people.add(person)
        else:
            person = earlier
            self._take_over(person, do)
            person.client = hello.client
            if nick != person.nick:
                self._rename(person, nick)
            if hello.color not in (None, person.color):
                person.color = hello.color
                self._announce_change(person)
        person.attempt = hello.attempt
        self.note("introduced", person, "again" if earlier else "")
        welcome = native.Welcome(
            id=hello.id,
            nick=person.nick,
            server=self.settings.server_name,
            version=__version__,
            epoch=self.log.epoch,
            inbox=self.log.last(inbox_name(uid)),
            motd=self.settings.motd,
            max_text=self.settings.max_text,
            resumed=earlier is not None,
            color=person.color,
            away=person.away,
        )
        self._answer(do, welcome)

    def _seat(self, seat: Seat, until: float) -> None:
        hello = seat.hello
        uid = _uid(hello.token or "")
        person = self.people.by_uid.get(uid)
        had = list(person.rooms) if person is not None and person.restored else []
        at, called = self.people.by_conn.get(seat.conn), self.people.by_key.get(names.fold_nick(hello.nick))
        for other in dict.fromkeys((person, at, called)):
            self._forget_restored(other)
        person = self.people.by_uid.get(uid)
        if person is not None:  # came back through another worker: the newer connection is theirs
            late = person.overtook(hello.attempt)
            if None in (hello.attempt, person.attempt):
                late = seat.since <= person.since
            older = seat.conn if late else person.conn
            self.out.tell(worker_of(older), Closed(older))
            if late:
                return
            self._move(person, seat.conn, seat.addr, seat.dialect)
            person.since = seat.since
        elif names.fold_nick(hello.nick) in self.people.by_key or len(self.people.by_uid) >= MAX_PEOPLE:
            bye = native.Bye(reason=f"the nick {hello.nick} was taken meanwhile")
            self.out.tell(worker_of(seat.conn), Told(seat.conn, bye))
            self.out.tell(worker_of(seat.conn), Closed(seat.conn))
            return
        else:
            person = Person(
                seat.conn, uid, hello.nick, seat.addr, seat.dialect, hello.client, seat.since, hello.color, seat.away
            )
            person.returns = seat.returns
            self.people.add(person)
        person.attempt = hello.attempt
        for name in dict.fromkeys([*seat.rooms, *had]):  # `had`: come back just now, and about to join them again
            is_room = name in self.rooms.by_name or len(self.rooms.by_name) < self.settings.max_rooms
            if is_room and name not in person.rooms:
                self.rooms.enter(person, name)
        unsent = self._unsent(inbox_name(uid), seat.inbox)
        if unsent is None:
            self._send_away(seat.conn, BEHIND, until)
            return
        for msg in unsent:
            self.out.tell(worker_of(seat.conn), Told(seat.conn, msg))

    def _send_away(self, conn: ConnId, reason: str, until: float) -> None:
        """Close a connection that cannot go on as it is; its client comes back and resumes, or begins anew."""
        self.out.tell(worker_of(conn), Told(conn, native.Bye(reason=reason, retry=COME_BACK_S)))
        self.gone(Gone(conn, reason, returns=True), until)

    def _forget_restored(self, person: Person | None) -> None:
        """A worker tells of somebody in the place of ``person``: what it says counts, not the attendance sheet."""
        if person is not None and person.restored:
            self.rooms.forget(person)
            self.people.remove(person)

    def _take_over(self, person: Person, do: Do) -> None:
        """The same person on a new connection: rooms stay, nobody hears of it."""
        old = person.conn
        if person.connected:
            replaced = native.Error(code="replaced", text="you connected from elsewhere; this connection ends")
            self.out.tell(worker_of(old), Told(old, replaced))
            self.out.tell(worker_of(old), Closed(old))
        self._move(person, do.conn, do.addr, do.dialect)

    def _move(self, person: Person, conn: ConnId, addr: str, dialect: str) -> None:
        """``person`` is on another connection from here on, in the same rooms."""
        self.rooms.unseat(person)
        self.people.move(person, conn, addr, dialect)
        self.rooms.seat(person)

    def _remove(self, person: Person, reason: str, noted: str = "") -> None:
        for room in list(person.rooms.values()):
            self.rooms.leave(person, room, reason, quits=True)
        self.people.remove(person)
        self.log.release(inbox_name(person.uid))
        self.note("left", person, reason + noted)

    def _rename(self, person: Person, nick: str) -> None:
        old = person.nick
        self.people.rename(person, nick)
        for room in person.rooms.values():
            self.rooms.announce(room, native.Renamed(room=room.name, old=old, nick=nick))
        self.note("renamed", person, f"from {old}")

    # --- rooms

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
        person = self.people.by_uid.get(self.log.sender(msg.room, msg.seq) or b"")
        return person.conn if person is not None else 0

    def _join(self, person: Person, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Join)
        name = names.room(request.room)
        if name not in person.rooms:
            if len(person.rooms) >= self.settings.max_rooms_each:
                raise Refusal(
                    "too-many-rooms", f"you are in {len(person.rooms)} rooms, the most allowed; leave one first"
                )
            new = name not in self.rooms.by_name and not self.log.last(name)
            if new and self._is_full():
                text = f"this server has {self.settings.max_rooms} rooms, the most allowed; join one of them"
                raise Refusal("too-many-rooms", text)
            room = self.rooms.by_name.get(name)
            if room is not None:
                self.rooms.announce(room, native.Joined(room=name, who=person.card))
            self.rooms.enter(person, name)
            self.people.touch(person)
            self.note("joined", person, name)
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
            people=[member.card for member in islice(room.members.values(), PEOPLE_ON_JOIN)],
            count=len(room.members),
            messages=page.messages,
            more=more,
            reset=request.after is not None and not resumes,
            gaps=page.gaps,
        )
        self.out.tell(worker_of(do.conn), Entered(do.conn, name, last))  # again after a take-over: fan-out starts here
        self._answer(do, answer)

    def _is_full(self) -> bool:
        """Tell whether there are as many rooms as there may be, those with people and those with messages."""
        limit, used = self.settings.max_rooms, self.rooms.by_name
        if self.log.room_count + len(used) < limit:  # most of the time, and counting rooms takes a millisecond
            return False
        return self.log.room_count + sum(not self.log.last(name) for name in used) >= limit

    def _leave(self, person: Person, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Leave)
        room = self.rooms.of(person, request.room)
        self.rooms.leave(person, room, request.reason)
        self.people.touch(person)
        self.note("left room", person, f"{room.name} {request.reason}".rstrip())
        self._answer(do, native.Ok(id=request.id, room=room.name))

    # --- saying

    def _send(self, person: Person, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Send)
        extra = Extra(reply=request.reply) if request.reply is not None else None
        self._say(person, do, request.cmid, request.to, request.kind, request.text, extra)

    def _fun(self, person: Person, do: Do) -> None:
        request, art = do.request, do.art
        assert isinstance(request, native.Fun)
        if art is None:
            raise Refusal("fun-failed", "this command was not rendered")
        kind: native.Kind = "me" if art.kind == "me" else "text" if art.kind == "text" else "fun"
        extra = Extra(cmd=request.line, anim=art.anim)
        self._say(person, do, request.cmid, request.to, kind, art.text, extra)

    def _topic(self, person: Person, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Topic)
        self._say(person, do, request.cmid, request.room, "topic", request.text, None)

    def _say(
        self, person: Person, do: Do, cmid: str, to: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        try:
            earlier = self.log.find(person.uid, cmid)
        except Damaged as damaged:
            where = f"seq {damaged.seq} of {native.INBOX if damaged.room[:1] == '~' else damaged.room}"
            text = f"you said this before, as {where}, but the server's disk has damaged it; it is not said again"
            raise Refusal("damaged", text) from damaged
        if earlier is not None:
            self._say_again(person, do, earlier, kind, text)
            return
        if to[:1] == "@":
            self._say_to(person, do, cmid, to[1:], kind, text, extra)
            return
        room = self.rooms.of(person, to)
        msg = self.log.append(room.name, person.uid, cmid, self.now, person.nick, kind, text, extra)
        person.spoke = self.now
        if self.settings.log_texts:
            self.note("said", person, f"in {room.name}: {text}")
        self._acknowledge(do, msg)  # before its echo
        posted = Posted(do.conn, msg)
        for worker in room.workers:
            self.out.tell(worker, posted)

    def _say_to(
        self, person: Person, do: Do, cmid: str, nick: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        other = self.people.called(nick)
        extra = msgspec.structs.replace(extra or Extra(), to=other.nick)
        mine = self.log.append(inbox_name(person.uid), person.uid, cmid, self.now, person.nick, kind, text, extra)
        person.spoke = self.now
        self._acknowledge(do, mine)
        self.out.tell(worker_of(do.conn), Told(do.conn, mine))
        if other is not person:
            theirs = self.log.append(inbox_name(other.uid), person.uid, None, self.now, person.nick, kind, text, extra)
            if other.connected:
                self.out.tell(worker_of(other.conn), Told(other.conn, theirs))

    def _say_again(self, person: Person, do: Do, earlier: Stored, kind: native.Kind, text: str) -> None:
        """A retry gets the first answer. What a fun command drew differs each time, so its line is compared."""
        msg, request = earlier.msg, do.request
        same = msg.cmd == request.line if isinstance(request, native.Fun) else (msg.kind, msg.text) == (kind, text)
        if not same:
            raise Refusal("cmid-reused", "another message of yours has this cmid; every message needs one of its own")
        self._acknowledge(do, msg)

    def _acknowledge(self, do: Do, msg: native.Msg) -> None:
        self._answer(do, native.Ok(id=do.request.id, room=msg.room, seq=msg.seq, time=msg.time))

    # --- oneself and others

    def _nick(self, person: Person, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Nick)
        nick = self.people.free_nick(request.nick, person)
        if nick != person.nick:
            self._rename(person, nick)
        self._answer(do, native.Ok(id=request.id, nick=nick))

    def _away(self, person: Person, do: Do) -> None:
        assert isinstance(do.request, native.Away)
        person.away = do.request.text
        self._changed(person, do)

    def _color(self, person: Person, do: Do) -> None:
        assert isinstance(do.request, native.Color)
        person.color = do.request.color
        self._changed(person, do)

    def _changed(self, person: Person, do: Do) -> None:
        self._announce_change(person)
        self._answer(do, native.Ok(id=do.request.id))

    def _announce_change(self, person: Person) -> None:
        self.people.touch(person)
        for room in person.rooms.values():
            self.rooms.announce(room, native.Changed(room=room.name, who=person.card))

    def _who(self, person: Person, do: Do) -> None:
        assert isinstance(do.request, native.Who)
        self._answer(do, queries.who(self.people, self.rooms, person, do.request))

    def _whois(self, person: Person, do: Do) -> None:
        assert isinstance(do.request, native.Whois)
        self._answer(do, queries.whois(self.people, person, do.request, self.now))

    def _rooms(self, _person: Person, do: Do) -> None:
        assert isinstance(do.request, native.Rooms)
        self._answer(do, queries.room_list(self.log, self.rooms, do.request))

    def _history(self, person: Person, do: Do) -> None:
        assert isinstance(do.request, native.History)
        self._answer(do, queries.history(self.log, self.rooms, person, do.request, self.page_bytes))

    def _ping(self, person: Person, do: Do) -> None:
        self._answer(do, native.Pong(id=do.request.id, time=self.now))

    def _quit(self, person: Person, do: Do) -> None:
        assert isinstance(do.request, native.Quit)
        self._remove(person, do.request.reason)
        self._dismiss(do, do.request)

    def _dismiss(self, do: Do, quit_: native.Quit) -> None:
        self._answer(do, native.Bye(id=quit_.id, reason=quit_.reason or "goodbye"))
        self.out.tell(worker_of(do.conn), Closed(do.conn))

    def _answer(self, do: Do, event: native.Event) -> None:
        self.out.tell(worker_of(do.conn), Answered(do.conn, do.rid, event))


def _uid(token: str) -> bytes:
    """Return who a token's owner is; the token itself is kept nowhere."""
    return hashlib.blake2b(token.encode(), digest_size=16, person=b"moot uid").digest()
