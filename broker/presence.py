"""What others are told of a person, wherever they are: a new nick, a change of the card; and who was here. Pure."""

from collections.abc import Collection

import msgspec

from broker.outbox import Outbox
from broker.past import Past
from broker.people import Device, People, Person
from broker.rooms import Rooms
from broker.watching import Watching
from protocol import accounts, native
from protocol.ipc import Told, worker_of


class Presence:
    """Tells rooms, those who watch, and a person's own devices."""

    def __init__(self, outbox: Outbox, people: People, rooms: Rooms) -> None:
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self.watching = Watching(outbox, people)
        self.past = Past()
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self.unwelcomed: Device | None = None  # on a connection that must hear nothing before its `welcome`

    def came(self, person: Person) -> None:
        """``person`` is new here."""
        self.watching.came(person)

    def went(self, person: Person) -> None:
        """``person`` is gone, from all rooms too."""
        if not self._rooms.hushed:
            self.past.note(person, self.now)
            self.watching.went(person.nick)

    def rename(self, person: Person, nick: str, by: Device | None = None) -> None:
        """``person`` takes another nick, which is free; ``by``: the device that is told by itself, if any."""
        old = person.nick
        self.past.note(person, self.now)
        self._people.rename(person, nick)
        for room in person.rooms.values():
            self._rooms.announce(room, native.Renamed(room=room.name, old=old, nick=nick, account=person.account))
        self._tell_roomless(person, by, native.Renamed(room=native.INBOX, old=old, nick=nick, account=person.account))
        self.watching.renamed(person, old)

    def announce_change(self, person: Person, was: native.Person, by: Device | None = None) -> None:
        """Something of ``person``'s card has changed, ``by`` one of its devices; ``was``: the card before."""
        self._people.touch(person)
        for room in person.rooms.values():
            before = msgspec.structs.replace(was, roles=room.roles_under(person.uid, was.account))
            self._rooms.announce(room, native.Changed(room=room.name, who=person.card_in(room), was=before))
        self._tell_roomless(person, by, native.Changed(room=native.INBOX, who=person.card, was=was))
        self.watching.changed(person)

    def tell(self, device: Device, event: native.Event) -> None:
        if device.connected and device is not self.unwelcomed:
            self._out.tell(worker_of(device.conn), Told(device.conn, event))

    def tell_inside(self, person: Person, rooms: Collection[str], but: Device | None = None) -> None:
        """``person`` has come into ``rooms``: its devices, ``but`` for one, may want to hear them too."""
        for device in person.devices:
            new = [name for name in rooms if name not in device.rooms]
            if device is not but and new:
                self.tell(device, accounts.Inside(rooms=new))

    def tell_inside_one(self, device: Device) -> None:
        """``device`` is a new one of a person that is in rooms already."""
        new = [name for name in device.person.rooms if name not in device.rooms]
        if new:
            self.tell(device, accounts.Inside(rooms=new))

    def _tell_roomless(self, person: Person, by: Device | None, event: native.Event) -> None:
        """Tell a person's devices of itself that hear it in no room."""
        for device in person.devices:
            if device is not by and not device.entered:
                self.tell(device, event)
