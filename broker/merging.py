"""Which person a device is of: logging in makes it one of the account's, logging out a guest of its own. Pure.

A guest is a person of one device, with its uid. All devices that are logged in to an account are one person, with the
account's uid: one nick, one inbox, one member of each room, whichever of them hear it. So a device that logs in takes
the person's place or joins it, and a device that logs out leaves it or takes it along.

What a guest was told stays in the guest's own inbox: it comes to light again when that device is a guest again. It
is not copied to the account's, where it would have other seqs, so that one message would be two for who has both.
"""

from collections.abc import Callable

from broker.accounts import Account
from broker.log import Log, inbox_name
from broker.outbox import Outbox
from broker.people import Device, People, Person
from broker.presence import Presence
from broker.rooms import Room, Rooms
from protocol import accounts, native
from protocol.ipc import Vouched, worker_of


class Merging:
    """See the module."""

    def __init__(self, log: Log, outbox: Outbox, people: People, rooms: Rooms, presence: Presence) -> None:
        self._log = log
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self._presence = presence
        self.max_rooms_each = 0  # rooms one person may be in
        self.admits: Callable[[Person, Room], bool] = lambda _person, _room: True
        """Whether a person that comes into being, or to a room, by logging in or out may be there."""
        self.on_identified: Callable[[Person, Person, Device], None] = lambda _was, _now, _device: None
        """Told when a device is of another person from here on, or of the same whose uid has changed."""

    def log_in(self, device: Device, account: Account, nick: str | None = None) -> None:
        """``device`` is one of the account's from here on. ``nick``: a free one for the account's first device."""
        person = device.person
        if person.uid == account.person:
            self._describe(person, account, device)
            return
        if person.account is not None:
            self._leave_account(device, None)
            person = device.person
        other = self._people.by_uid.get(account.person)
        if other is not None:
            self._join(device, other)
            return
        self._log.release(inbox_name(person.uid))
        before = person.uid
        self._people.identify(person, account.person)
        self._rooms.reidentify(person, before)
        self._describe(person, account, device)
        self.on_identified(person, person, device)
        if nick is None and self._people.is_free(account.name, person, account.name):
            nick = account.name
        if nick not in (None, person.nick):
            self._presence.rename(person, nick or "", device)

    def log_out(self, device: Device, reason: str | None = None, nick: str | None = None) -> None:
        """``device`` is a guest from here on, as ``nick`` if that is given and free, else as one like it was.

        ``reason``: told if it was not the device itself that asked for it.
        """
        person = device.person
        if person.account is None:
            return
        self._leave_account(device, nick)
        if device.connected:
            self._out.tell(worker_of(device.conn), Vouched(device.conn, ""))
        self._presence.tell(device, self.logged_out(device, reason or ""))

    def _leave_account(self, device: Device, nick: str | None) -> None:
        if device.person.devices == [device]:
            self._step_down(device, nick)
        else:
            self._part(device, nick)

    def logged_in(self, device: Device) -> accounts.LoggedIn:
        """Return what ``device`` is told of being logged in."""
        person = device.person
        inbox = self._log.last(inbox_name(person.uid))
        return accounts.LoggedIn(account=person.account or "", nick=person.nick, admin=person.admin, inbox=inbox)

    def logged_out(self, device: Device, reason: str) -> accounts.LoggedOut:
        person = device.person
        return accounts.LoggedOut(nick=person.nick, reason=reason, inbox=self._log.last(inbox_name(person.uid)))

    def _describe(self, person: Person, account: Account | None, by: Device) -> None:
        was = person.card
        person.account = None if account is None else account.name
        person.admin = account is not None and account.admin
        if person.card != was:
            self._presence.announce_change(person, was, by)

    # --- in

    def _join(self, device: Device, person: Person) -> None:
        """The guest of ``device`` is gone: ``person``, which is here, has this device too."""
        guest = device.person
        new: list[Room] = []
        for room in [room for room in guest.rooms.values() if person not in room.members]:
            if len(person.rooms) + len(new) < self.max_rooms_each and self.admits(person, room):
                new.append(room)
            else:
                self._expel(device, room)
        there = list(guest.rooms.values())
        both = [room for room in there if person in room.members and room.name in device.rooms]
        for room in new:
            joined = native.Joined(room=room.name, who=person.card_in(room))
            self._rooms.announce(room, joined, by=device.conn)
            self._rooms.admit(person, room)
        for room in there:
            self._rooms.inherit(person, guest, room)
            text = f"logged in as {person.nick}"
            left = native.Left(room=room.name, nick=guest.nick, reason=text, quit=True, account=guest.account)
            self._rooms.announce(room, left, by=device.conn)
            self._rooms.drop(guest, room)
        was = guest.card
        self._log.release(inbox_name(guest.uid))
        self._people.hand_over(device, person)
        self._people.touch(person)  # all devices: each is noted with the rooms that it does not hear
        self._presence.went(guest)
        for room in both:
            self._presence.tell(device, native.Left(room=room.name, nick=person.nick, account=person.account))
        self._tell_of_itself(device, was)
        self._presence.tell_inside(person, [room.name for room in new], but=device)
        self._presence.tell_inside_one(device)
        self.on_identified(guest, person, device)

    # --- out

    def _step_down(self, device: Device, nick: str | None) -> None:
        """The person of ``device``, its only one, is a guest."""
        person = device.person
        before = person.uid
        self._log.release(inbox_name(before))
        self._people.identify(person, device.uid)
        self._rooms.reidentify(person, before)
        self._describe(person, None, device)
        self.on_identified(person, person, device)
        for room in list(person.rooms.values()):
            if not self.admits(person, room):
                self._expel(device, room)
        if nick is None:
            free = self._people.is_free(person.nick, person, None)
            nick = person.nick if free else self._people.another_nick(person.nick, person, None)
        if nick != person.nick:
            self._presence.rename(person, nick, device)

    def _part(self, device: Device, nick: str | None) -> None:
        """``device`` leaves its person, which stays, and is a newcomer."""
        person = device.person
        nick = nick or self._people.another_nick(person.nick, None, None)
        guest = Person(device.uid, nick, person.color, person.away, person.spoke, person.name, bot=person.bot)
        self._people.hand_over(device, guest)
        was = person.card
        for room in list(device.rooms.values()):
            if self.admits(guest, room):
                self._rooms.announce(room, native.Joined(room=room.name, who=guest.card_in(room)), by=device.conn)
                self._rooms.admit(guest, room)
            else:
                self._rooms.silence(device, room)
                self._presence.tell(device, native.Left(room=room.name, nick=person.nick, reason="logged out"))
        self._presence.came(guest)
        self._tell_of_itself(device, was)
        for room in device.rooms.values():
            self._presence.tell(device, native.Joined(room=room.name, who=person.card_in(room)))
        self.on_identified(person, guest, device)

    def _expel(self, device: Device, room: Room) -> None:
        asker = device if device is self._presence.unwelcomed else None
        self._rooms.leave(device.person, room, "may not be here with or without an account", asker=asker)

    def _tell_of_itself(self, device: Device, was: native.Person) -> None:
        """Tell ``device``, which was ``was``, who it is now: the others heard of it as of two people."""
        person = device.person
        if person.nick != was.nick:
            renamed = native.Renamed(room=native.INBOX, old=was.nick, nick=person.nick, account=person.account)
            self._presence.tell(device, renamed)
        self._presence.tell(device, native.Changed(room=native.INBOX, who=person.card, was=was))
