"""What people's programs tell others for the moment: that somebody types, tags without a message. Nobody keeps it.

It is told in order with messages, and may be lost: when a broker ends, or with a reader who is too slow.
"""

from typing import Final

from broker.admission import Admission
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.rooms import Rooms
from broker.saying import MAX_AUDIENCE, with_role
from protocol import native
from protocol.ipc import Answered, Do, Told, worker_of

TYPING_MEMBERS: Final = (
    500  # of a room; in larger ones so many type that it is noise, and each costs what a message does
)
TYPING_MS: Final = 2000  # in which the same news is told once; clients repeat it every 3 seconds
_Key = tuple[int, str, str]


class Hinting:
    """Carries out `Typing` and `Tag`."""

    def __init__(self, outbox: Outbox, people: People, rooms: Rooms, admission: Admission) -> None:
        self._out = outbox
        self._admission = admission
        self._people = people
        self._rooms = rooms
        self._typed: dict[_Key, None] = {}  # connection, target and state: told in this span of time
        self._since = 0  # when it began, milliseconds since 1970, UTC
        self.now = 0

    def typing(self, device: Device, do: Do) -> None:
        """Raises `Refusal`, `names.BadName`."""
        request, person = do.request, device.person
        assert isinstance(request, native.Typing)
        if request.to[:1] == "@":
            other = self._people.called(request.to[1:])
            event = native.IsTyping(room=native.INBOX, nick=person.nick, state=request.state, account=person.account)
            if self._is_news(do.conn, f"@{other.nick}", request.state):
                self._tell(other, event, device)
        else:
            room = self._rooms.of(person, request.to)
            # Who may not speak is not refused typing, for programs tell of it by themselves; nobody hears it.
            heard = len(room.members) <= TYPING_MEMBERS and self._admission.may_remark(person, room, "", self.now)
            if heard and self._is_news(do.conn, room.name, request.state):
                event = native.IsTyping(room=room.name, nick=person.nick, state=request.state, account=person.account)
                self._rooms.announce(room, event, do.conn)
        self._done(do)

    def tag(self, device: Device, do: Do) -> None:
        """Raises `Refusal`, `names.BadName`."""
        request, person = do.request, device.person
        assert isinstance(request, native.Tag)
        role = request.audience
        if request.to[:1] == "@":
            other = self._people.called(request.to[1:])
            self._tell(
                other,
                native.Tagged(room=native.INBOX, nick=person.nick, tags=request.tags, account=person.account),
                device,
            )
        else:
            room = self._rooms.of(person, request.to)
            if room.strict:
                self._admission.check_speech(person, room, "react", " ".join(request.tags.values()), self.now)
            event = native.Tagged(
                room=room.name, nick=person.nick, tags=request.tags, account=person.account, audience=role
            )
            if role is None:
                self._rooms.announce(room, event, do.conn)
            else:
                audience = with_role(room, role)
                if len(audience) > MAX_AUDIENCE:
                    raise Refusal("too-many", f"{len(audience):,} members have that role; tell the room")
                for member in audience:
                    self._tell(member, event, device)
        self._done(do)

    def _tell(self, other: Person, event: native.Event, but: Device) -> None:
        for device in other.connected:
            if device is not but:
                self._out.tell(worker_of(device.conn), Told(device.conn, event))

    def _is_news(self, conn: int, to: str, state: str) -> bool:
        """Whether others were not told the same a moment ago. Keeps what one span of time brings, no more."""
        if self.now - self._since >= TYPING_MS:
            self._typed.clear()
            self._since = self.now
        key = (conn, to, state)
        if key in self._typed:
            return False
        self._typed[key] = None
        return True

    def _done(self, do: Do) -> None:
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, native.Ok(id=do.request.id)))
