"""Who watches whom: people by nick, wherever they are (IRC's MONITOR). Pure.

What a device watches stays with its seat, so it outlives take-overs and, on the attendance sheet, brokers.
"""

from collections.abc import Iterable
from typing import Final

from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from protocol import names, native
from protocol.ipc import Told, worker_of

MAX_WATCHED: Final = 100  # nicks of one device


class Watching:
    """The index of watched nicks, and what those who watch are told."""

    def __init__(self, outbox: Outbox, people: People) -> None:
        self._out = outbox
        self._people = people
        self._by_key: dict[str, dict[Device, None]] = {}  # by folded nick: who watches it

    def change(self, device: Device, request: native.Watch) -> native.Watched:
        """Raises `Refusal`, `names.BadName`; then nothing is changed."""
        added = _keyed(request.add)
        removed = _keyed(request.remove)
        kept = {} if request.clear else {key: nick for key, nick in device.watches.items() if key not in removed}
        wanted = kept | added
        if len(wanted) > MAX_WATCHED:
            text = f"at most {MAX_WATCHED} nicks can be watched, and these would be {len(wanted)}; remove some first"
            raise Refusal("full-list", text)
        self.take(device, wanted)
        return self.seen_by(device, request.id)

    def take(self, device: Device, watches: dict[str, str]) -> None:
        """``device`` watches these, nicks by their keys, and no others."""
        self.forget(device)
        device.watches = watches
        for key in watches:
            self._by_key.setdefault(key, {})[device] = None

    def forget(self, device: Device) -> None:
        """``device`` watches nobody."""
        for key in device.watches:
            watchers = self._by_key[key]
            del watchers[device]
            if not watchers:
                del self._by_key[key]
        device.watches = {}

    def seen_by(self, device: Device, id_: native.Id = None) -> native.Watched:
        """Return what ``device`` may know of all whom it watches."""
        found = {key: self._people.by_key.get(key) for key in device.watches}
        return native.Watched(
            id=id_,
            here=[person.card for person in found.values() if person is not None],
            gone=[nick for key, nick in device.watches.items() if found[key] is None],
        )

    # --- what happens to those who are watched

    def came(self, person: Person) -> None:
        self._tell(person.nick, native.Watched(here=[person.card]))

    def changed(self, person: Person) -> None:
        self._tell(person.nick, native.Watched(here=[person.card]))

    def went(self, nick: str) -> None:
        self._tell(nick, native.Watched(gone=[nick]))

    def renamed(self, person: Person, old: str) -> None:
        if names.fold_nick(old) != names.fold_nick(person.nick):
            self.went(old)
        self.came(person)

    def tell_strangers(self, person: Person, event: native.Event) -> None:
        """Tell those who watch ``person`` and share no room with them; the others hear it there."""
        for device in self._by_key.get(names.fold_nick(person.nick), ()):
            if (
                device.connected
                and device.person is not person
                and not device.person.rooms.keys() & person.rooms.keys()
            ):
                self._out.tell(worker_of(device.conn), Told(device.conn, event))

    def _tell(self, nick: str, event: native.Watched) -> None:
        if not self._by_key:
            return
        for device in self._by_key.get(names.fold_nick(nick), ()):
            if device.connected:
                self._out.tell(worker_of(device.conn), Told(device.conn, event))


def _keyed(nicks: Iterable[str]) -> dict[str, str]:
    """Return nicks by their keys. Raises `names.BadName`."""
    return {names.fold_nick(nick): nick for nick in map(names.nick, nicks)}
