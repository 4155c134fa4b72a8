"""What people say, in rooms and to each other: stored once whatever is retried, then told. Pure.

What is stored is answered with its seq, before its echo.
"""

import msgspec

from broker.log import Damaged, Extra, Log, Stored, inbox_name
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.rooms import Rooms
from broker.seating import Note
from protocol import native
from protocol.ipc import Answered, Do, Posted, Told, worker_of


class Saying:
    """Carries out what adds messages to the log."""

    def __init__(self, log: Log, outbox: Outbox, people: People, rooms: Rooms, note: Note) -> None:
        self._log = log
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self._note = note
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self.log_texts = False  # note what is said, too

    def send(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Send)
        extra = Extra(reply=request.reply) if request.reply is not None else None
        self._say(device, do, request.cmid, request.to, request.kind, request.text, extra)

    def fun(self, device: Device, do: Do) -> None:
        request, art = do.request, do.art
        assert isinstance(request, native.Fun)
        if art is None:
            raise Refusal("fun-failed", "this command was not rendered")
        kind: native.Kind = "me" if art.kind == "me" else "text" if art.kind == "text" else "fun"
        extra = Extra(cmd=request.line, anim=art.anim)
        self._say(device, do, request.cmid, request.to, kind, art.text, extra)

    def topic(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Topic)
        self._say(device, do, request.cmid, request.room, "topic", request.text, None)

    def _say(
        self, device: Device, do: Do, cmid: str, to: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        person = device.person
        try:
            earlier = self._log.find(device.uid, cmid)
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
        room = self._rooms.of(person, to)
        msg = self._log.append(room.name, device.uid, cmid, self.now, person.nick, kind, text, extra)
        person.spoke = self.now
        if self.log_texts:
            self._note("said", device, f"in {room.name}: {text}")
        self._acknowledge(do, msg)  # before its echo
        posted = Posted(do.conn, msg)
        for worker in room.workers:
            self._out.tell(worker, posted)

    def _say_to(
        self, device: Device, do: Do, cmid: str, nick: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        person, other = device.person, self._people.called(nick)
        extra = msgspec.structs.replace(extra or Extra(), to=other.nick)
        said = (self.now, person.nick, kind, text, extra)
        mine = self._log.append(inbox_name(person.uid), device.uid, cmid, *said)
        person.spoke = self.now
        self._acknowledge(do, mine)
        self._tell_devices(person, mine)
        if other is not person:
            self._tell_devices(other, self._log.append(inbox_name(other.uid), device.uid, None, *said))

    def _tell_devices(self, person: Person, msg: native.Msg) -> None:
        for device in person.connected:
            self._out.tell(worker_of(device.conn), Told(device.conn, msg))

    def _say_again(self, do: Do, earlier: Stored, kind: native.Kind, text: str) -> None:
        """A retry gets the first answer. What a fun command drew differs each time, so its line is compared."""
        msg, request = earlier.msg, do.request
        same = msg.cmd == request.line if isinstance(request, native.Fun) else (msg.kind, msg.text) == (kind, text)
        if not same:
            raise Refusal("cmid-reused", "another message of yours has this cmid; every message needs one of its own")
        self._acknowledge(do, msg)

    def _acknowledge(self, do: Do, msg: native.Msg) -> None:
        ok = native.Ok(id=do.request.id, room=msg.room, seq=msg.seq, time=msg.time)
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, ok))
