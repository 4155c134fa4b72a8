"""What people change about themselves, and of whom they want to hear wherever they are. Pure."""

from collections.abc import Callable

from broker.outbox import Outbox
from broker.people import Device, People
from broker.seating import Seating
from protocol import native
from protocol.ipc import Answered, Do, worker_of


class Oneself:
    """Carries out what concerns the person who asks, and answers it."""

    def __init__(self, outbox: Outbox, people: People, seating: Seating) -> None:
        self._out = outbox
        self._people = people
        self._seating = seating
        self.handlers: dict[type, Callable[[Device, Do], None]] = {
            native.Nick: self._nick,
            native.Away: self._away,
            native.Color: self._color,
            native.Rename: self._rename,
            native.Bot: self._bot,
            native.Watch: self._watch,
            native.Was: self._was,
        }

    def _nick(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Nick)
        nick = self._people.free_nick(do.request.nick, device.person, device.person.account)
        if nick != device.person.nick:
            self._seating.check_nick(device.person, nick)
            self._seating.rename(device, nick)
        self._answer(do, native.Ok(id=do.request.id, nick=nick))

    def _away(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Away)
        was, device.person.away = device.person.card, do.request.text
        self._changed(device, do, was)

    def _color(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Color)
        was, device.person.color = device.person.card, do.request.color
        self._changed(device, do, was)

    def _rename(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Rename)
        was, device.person.name = device.person.card, do.request.name
        self._changed(device, do, was)

    def _bot(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Bot)
        was, device.person.bot = device.person.card, do.request.on
        self._changed(device, do, was)

    def _changed(self, device: Device, do: Do, was: native.Person) -> None:
        self._seating.presence.announce_change(device.person, was, device)
        self._answer(do, native.Ok(id=do.request.id))

    def _watch(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Watch)
        watched = self._seating.presence.watching.change(device, do.request)
        self._people.touched[device.uid] = device
        self._answer(do, watched)

    def _was(self, _device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Was)
        found = self._seating.presence.past.called(do.request.nick, do.request.limit)
        self._answer(do, native.People(id=do.request.id, people=found, count=len(found)))

    def _answer(self, do: Do, event: native.Event) -> None:
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, event))
