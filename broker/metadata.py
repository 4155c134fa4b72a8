"""What people and rooms say of themselves, values by key. Pure over the log.

Of accounts it is kept in the log (`data/<folded name>`), of guests with their person, of rooms with their policy. Every
key may be seen by everybody who may see whose it is.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import msgspec

from broker import rights
from broker.admission import Admission
from broker.log import Log, Spoilt
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.rooms import Room, Rooms
from broker.watching import Watching
from protocol import names, native
from protocol.ipc import Answered, Do, Told, worker_of
from protocol.metadata import MAX_KEYS, Datum, MetaClear, Metadata, Metadatum, MetaGet, MetaSet, is_key

MEMBERS_TOLD: Final = 200  # of a room; what those of a larger one say is asked for one by one
VALUES_TOLD: Final = 1000  # in one answer
LATER_S: Final = 5.0

_decoder: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])


class MetadataDesk:
    """Carries out what `protocol.metadata` asks for."""

    def __init__(
        self, log: Log, outbox: Outbox, people: People, rooms: Rooms, admission: Admission, watching: Watching
    ) -> None:
        self._log = log
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self._admission = admission
        self._watching = watching
        self.handlers: dict[type, Callable[[Device, Do], None]] = {
            MetaGet: self._get,
            MetaSet: self._set,
            MetaClear: self._clear,
        }

    # --- requests; each raises `Refusal`, `names.BadName`

    def _get(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, MetaGet)
        subject = self._subject(device.person, request.target)
        wanted = dict.fromkeys(request.keys) if request.keys else None
        found = self._values(subject, wanted)
        if request.members and isinstance(subject, Room):
            if len(subject.members) > MEMBERS_TOLD:
                self._answer(do, Metadata(id=do.request.id, target=subject.name, values=found, wait=LATER_S))
                return
            for member in subject.members:
                found += self._values(member, wanted)
        told = list(islice(found, VALUES_TOLD))
        self._answer(do, Metadata(id=request.id, target=_name(subject), values=told))

    def _set(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, MetaSet)
        subject = self._own(device.person, request.target)
        if not is_key(request.key):
            raise Refusal("bad-metadata", "a key is small letters, digits and _ . / -")
        has = self._of(subject)
        if has.get(request.key) != request.value:
            changed = {key: value for key, value in has.items() if key != request.key}
            if request.value is not None:
                changed[request.key] = request.value
            if len(changed) > MAX_KEYS:
                raise Refusal("full-list", f"at most {MAX_KEYS} keys can be had, and these would be more; clear some")
            self._keep(subject, changed)
            self._tell(subject, device, {request.key: request.value})
        self._answer(do, native.Ok(id=request.id))

    def _clear(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, MetaClear)
        subject = self._own(device.person, request.target)
        found = self._values(subject, None)
        if found:
            self._keep(subject, {})
            self._tell(subject, device, {datum.key: None for datum in found})
        self._answer(do, Metadata(id=request.id, target=_name(subject), values=found))

    # --- whose it is

    def _subject(self, asker: Person, target: str) -> Person | Room:
        if target[:1] != "#":
            return self._people.called(target)
        room = self._rooms.by_name.get(names.room(target)) if asker.admin else None
        return room or self._rooms.of(asker, target)

    def _own(self, asker: Person, target: str) -> Person | Room:
        """Return whose values ``asker`` may change. Raises `Refusal`, `names.BadName`."""
        subject = self._subject(asker, target)
        if isinstance(subject, Room):
            policy = subject.policy
            rank = self._admission.rank(asker, subject, policy)
            rights.check(rank, "describe", owned=policy.owner is not None)
        elif subject is not asker and not asker.admin:
            raise Refusal("not-allowed", f"only {subject.nick} may say this of {subject.nick}")
        return subject

    def _of(self, subject: Person | Room) -> dict[str, str]:
        if isinstance(subject, Room):
            return subject.policy.metadata
        if subject.account is None:
            return subject.metadata
        try:
            found = self._log.recall(_key(subject.account))
        except Spoilt:
            return {}  # worth no refusal; `moot check` tells of it
        return {} if found is None else _decoder.decode(found)

    def _keep(self, subject: Person | Room, values: dict[str, str]) -> None:
        if isinstance(subject, Room):
            changed = msgspec.structs.replace(subject.policy, metadata=values)
            self._rooms.policies.change(subject.name, subject, changed)
        elif subject.account is None:
            subject.metadata = values
        elif values:
            self._log.remember(_key(subject.account), msgspec.json.encode(values).decode())
        else:
            self._log.forget(_key(subject.account))

    def _values(self, subject: Person | Room, wanted: Iterable[str] | None) -> list[Datum]:
        has = self._of(subject)
        keys = sorted(has) if wanted is None else [key for key in wanted if key in has]
        return [Datum(_name(subject), key, has[key]) for key in keys]

    # --- who hears of it

    def _tell(self, subject: Person | Room, by: Device, changes: dict[str, str | None]) -> None:
        rooms = [subject] if isinstance(subject, Room) else list(subject.rooms.values())
        with self._out.bound():
            for key, value in changes.items():
                for room in rooms:
                    event = Metadatum(room=room.name, target=_name(subject), key=key, value=value)
                    self._rooms.announce(room, event, by.conn)
                if isinstance(subject, Person):
                    event = Metadatum(room=native.INBOX, target=subject.nick, key=key, value=value)
                    for device in subject.connected:
                        if device is not by and not device.entered:
                            self._out.tell(worker_of(device.conn), Told(device.conn, event))
                    self._watching.tell_strangers(subject, event)

    def _answer(self, do: Do, event: native.Event) -> None:
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, event))


def _name(subject: Person | Room) -> str:
    return subject.nick if isinstance(subject, Person) else subject.name


def _key(account: str) -> str:
    return "data/" + names.fold_nick(account)
