"""What each request does: to people, rooms and the log.

Pure: no sockets, clocks or randomness; the log is handed in, and what workers must be told goes to the outbox. The
state changes in place, for the broker is its only owner. Names arrive as people typed them and are checked here.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final

import msgspec

from broker import pages, queries
from broker.log import Damaged, Extra, Log, Stored, inbox_name
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.rooms import Rooms
from broker.seating import Note, Seating
from protocol import names, native
from protocol.ipc import MAX_BATCH_BYTES, Answered, Closed, ConnId, Do, Entered, Posted, Told, worker_of
from protocol.settings import Settings

PEOPLE_ON_JOIN: Final = 200


class State:
    """Rooms and people."""

    def __init__(self, settings: Settings, log: Log, outbox: Outbox, note: Note) -> None:
        """``note(what, device, details)`` is called for the operator's log."""
        self.log = log
        self.out = outbox
        self.note = note
        self.people = People()
        self.rooms = Rooms(log, outbox)
        self.seating = Seating(settings, log, outbox, self.people, self.rooms, note)
        self.take_settings(settings)
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self._handlers: dict[type, Callable[[Device, Do], None]] = {
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
        self.settings = self.seating.settings = settings
        self.page_bytes = min(settings.sendq_hard, MAX_BATCH_BYTES) // 4  # a page fills no send queue, and no frame

    # --- steps

    def do(self, do: Do, now_ms: int) -> None:
        """Carry out one request and answer it."""
        self.now = now_ms
        request = do.request
        try:
            if type(request) is native.Hello:
                self._answer(do, self.seating.hello(do, request, now_ms))
                return
            device = self.people.by_conn.get(do.conn)
            if device is None and type(request) is native.Quit:
                self._dismiss(do, request)
                return
            if device is None:
                raise Refusal("not-introduced", "say hello first: this connection has no nick yet")
            handler = self._handlers.get(type(request))
            if handler is None:
                raise Refusal("not-supported", "this server cannot do that")
            handler(device, do)
        except Refusal as no:
            error = native.Error(id=request.id, code=no.code, text=no.text, free=no.free, attempt=no.attempt)
            self._answer(do, error)
        except names.BadName as no:
            of_nick = isinstance(request, native.Hello | native.Nick | native.Whois)
            of_nick = of_nick or (isinstance(request, native.Send | native.Fun) and request.to[:1] == "@")
            code = "bad-nick" if of_nick else "bad-room"
            self._answer(do, native.Error(id=request.id, code=code, text=str(no)))

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
            self.note("joined", device, name)
        if name not in device.rooms:
            self.rooms.enter(device, name)
            self.people.touch(person)
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
            people=[member.card for member in islice(room.members, PEOPLE_ON_JOIN)],
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

    def _leave(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Leave)
        person = device.person
        room = self.rooms.of(person, request.room)
        self.rooms.leave(person, room, request.reason)
        self.people.touch(person)
        self.note("left room", device, f"{room.name} {request.reason}".rstrip())
        self._answer(do, native.Ok(id=request.id, room=room.name))

    # --- saying

    def _send(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Send)
        extra = Extra(reply=request.reply) if request.reply is not None else None
        self._say(device, do, request.cmid, request.to, request.kind, request.text, extra)

    def _fun(self, device: Device, do: Do) -> None:
        request, art = do.request, do.art
        assert isinstance(request, native.Fun)
        if art is None:
            raise Refusal("fun-failed", "this command was not rendered")
        kind: native.Kind = "me" if art.kind == "me" else "text" if art.kind == "text" else "fun"
        extra = Extra(cmd=request.line, anim=art.anim)
        self._say(device, do, request.cmid, request.to, kind, art.text, extra)

    def _topic(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Topic)
        self._say(device, do, request.cmid, request.room, "topic", request.text, None)

    def _say(
        self, device: Device, do: Do, cmid: str, to: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        person = device.person
        try:
            earlier = self.log.find(device.uid, cmid)
        except Damaged as damaged:
            where = f"seq {damaged.seq} of {native.INBOX if damaged.room[:1] == '~' else damaged.room}"
            text = f"you said this before, as {where}, but the server's disk has damaged it; it is not said again"
            raise Refusal("damaged", text) from damaged
        if earlier is not None:
            self._say_again(do, earlier, kind, text)
            return
        if to[:1] == "@":
            self._say_to(device, do, cmid, to[1:], kind, text, extra)
            return
        room = self.rooms.of(person, to)
        msg = self.log.append(room.name, device.uid, cmid, self.now, person.nick, kind, text, extra)
        person.spoke = self.now
        if self.settings.log_texts:
            self.note("said", device, f"in {room.name}: {text}")
        self._acknowledge(do, msg)  # before its echo
        posted = Posted(do.conn, msg)
        for worker in room.workers:
            self.out.tell(worker, posted)

    def _say_to(
        self, device: Device, do: Do, cmid: str, nick: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        person, other = device.person, self.people.called(nick)
        extra = msgspec.structs.replace(extra or Extra(), to=other.nick)
        said = (self.now, person.nick, kind, text, extra)
        mine = self.log.append(inbox_name(person.uid), device.uid, cmid, *said)
        person.spoke = self.now
        self._acknowledge(do, mine)
        self._tell_devices(person, mine)
        if other is not person:
            self._tell_devices(other, self.log.append(inbox_name(other.uid), device.uid, None, *said))

    def _tell_devices(self, person: Person, msg: native.Msg) -> None:
        for device in person.connected:
            self.out.tell(worker_of(device.conn), Told(device.conn, msg))

    def _say_again(self, do: Do, earlier: Stored, kind: native.Kind, text: str) -> None:
        """A retry gets the first answer. What a fun command drew differs each time, so its line is compared."""
        msg, request = earlier.msg, do.request
        same = msg.cmd == request.line if isinstance(request, native.Fun) else (msg.kind, msg.text) == (kind, text)
        if not same:
            raise Refusal("cmid-reused", "another message of yours has this cmid; every message needs one of its own")
        self._acknowledge(do, msg)

    def _acknowledge(self, do: Do, msg: native.Msg) -> None:
        self._answer(do, native.Ok(id=do.request.id, room=msg.room, seq=msg.seq, time=msg.time))

    # --- oneself and others

    def _nick(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Nick)
        nick = self.people.free_nick(request.nick, device.person)
        if nick != device.person.nick:
            self.seating.rename(device, nick)
        self._answer(do, native.Ok(id=request.id, nick=nick))

    def _away(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Away)
        device.person.away = do.request.text
        self._changed(device, do)

    def _color(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Color)
        device.person.color = do.request.color
        self._changed(device, do)

    def _changed(self, device: Device, do: Do) -> None:
        self.seating.announce_change(device.person)
        self._answer(do, native.Ok(id=do.request.id))

    def _who(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Who)
        self._answer(do, queries.who(self.people, self.rooms, device.person, do.request))

    def _whois(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Whois)
        self._answer(do, queries.whois(self.people, device.person, do.request, self.now))

    def _rooms(self, _device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Rooms)
        self._answer(do, queries.room_list(self.log, self.rooms, do.request))

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
