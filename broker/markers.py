"""How far people have read their rooms and inboxes, so that all their devices know. Pure.

A position only goes forward. Those of accounts are kept in the log, as `read/<uid>/<room>`; a guest's go with the
guest. They are not written one by one, for a client may mark every message that it shows: what has changed is
written at most once a second, a row for each room, in whatever transaction that step has. So a broker's death costs a
second of them, and people see a few messages as new again. What was answered is therefore no promise, as it is for
messages.
"""

import contextlib
from collections.abc import Iterable
from typing import Final

from broker.log import Log, LogError, inbox_name
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.presence import Presence
from broker.rooms import Rooms
from protocol import accounts, names, native
from protocol.ipc import Answered, Do, worker_of

WRITE_EVERY_S: Final = 1.0
MAX_KEPT: Final = 500  # positions of one person; those of rooms it is not in give way


class Markers:
    """See the module."""

    def __init__(self, log: Log, outbox: Outbox, people: People, rooms: Rooms, presence: Presence) -> None:
        self._log = log
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self._presence = presence
        self._changed: dict[tuple[bytes, str], int] = {}  # by uid and room: to be written
        self._written: dict[tuple[bytes, str], int] = {}  # by the transaction under way, or the last one
        self._write_at: float | None = None  # monotonic seconds; None: not known before the next `expire`

    def read(self, device: Device, do: Do) -> None:
        """Carry out a request. Raises `Refusal`, `names.BadName`, `LogError`."""
        request, person = do.request, device.person
        assert isinstance(request, accounts.Read)
        name = self._name(person, request.room)
        if request.time is not None:
            self.mark(person, name, self._log.seq_since(self._stored_as(person, name), request.time + 1), device)
        if request.seq is None or request.time is not None:
            seq = self.position(person, name) or 0
            if name[0] == native.INBOX:  # who has read all of the inbox has read what somebody said in it
                seq = max(seq, self.position(person, native.INBOX) or 0)
            answer: native.Event = self._upto(person, name, seq, request.id)
        else:
            last = self._log.last(self._stored_as(person, name))
            if request.seq > last:
                raise Refusal("no-such-message", f"{name} has {last:,} messages, so {request.seq:,} cannot be read yet")
            self.mark(person, name, request.seq, device)
            answer = native.Ok(id=request.id, room=name)
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, answer))

    def position(self, person: Person, name: str) -> int | None:
        """Return the seq up to which ``person`` has read the room, or `@`; None: that is not known."""
        return self._positions(person).get(name)

    def mark(self, person: Person, name: str, seq: int, by: Device | None = None) -> None:
        """``person`` has read the room up to ``seq``: tell its devices, except ``by``, if that is news."""
        positions = self._positions(person)
        if seq <= positions.get(name, 0):
            return
        positions[name] = seq
        if person.account is not None:
            self._changed[person.uid, name] = seq
        self._make_room(person, positions)
        others = [device for device in person.connected if device is not by]
        if others:
            upto = self._upto(person, name, seq)
            for device in others:
                self._presence.tell(device, upto)

    def identified(self, was: Person, now: Person, device: Device) -> None:
        """``device`` is of ``now`` instead of ``was``, which may be one whose uid has changed, and goes on reading."""
        known = {name: seq for name, seq in (was.read or {}).items() if name[0] == "#"}
        if was is now:
            now.read = None
        with contextlib.suppress(LogError):  # it is another person's all the same; what was read is looked up later
            self._goes_on(now, device, known)

    def _goes_on(self, now: Person, device: Device, known: dict[str, int]) -> None:
        for name, seq in known.items():
            self.mark(now, name, seq, device)
        for name in (*device.rooms, native.INBOX):
            seq = self.position(now, name) or 0
            if seq > known.get(name, 0):
                self._presence.tell(device, self._upto(now, name, seq))

    def retitled(self, members: Iterable[Person], name: str, new: str) -> None:
        """The room that ``members`` are in has another name. Who is not here has read nothing of it."""
        for person in members:
            positions = self._positions(person)
            if name not in positions:
                continue
            seq = positions[new] = positions.pop(name)
            if person.account is not None:
                self._changed.pop((person.uid, name), None)
                self._written.pop((person.uid, name), None)
                self._changed[person.uid, new] = seq
                self._log.forget(_key(person.uid, name))

    def forget(self, uid: bytes) -> None:
        """The account of the person ``uid`` is no more: nothing of it is to be written."""
        for kept in (self._changed, self._written):
            for key in [key for key in kept if key[0] == uid]:
                del kept[key]

    def expire(self, now: float) -> float | None:
        """Write what is due at ``now`` (monotonic seconds); return when the next is."""
        if not self._changed:
            return None
        if self._write_at is None:
            self._write_at = now + WRITE_EVERY_S
        if now < self._write_at or self._log.suspect is not None:
            return max(self._write_at, now + WRITE_EVERY_S / 10)
        self._write_at = None
        self._written, self._changed = self._changed, {}
        try:
            for (uid, name), seq in self._written.items():
                self._log.remember(_key(uid, name), str(seq))
        except LogError:
            self.rolled_back()
        return None

    def rolled_back(self) -> None:
        """What was written last may not be: it is to be written again."""
        self._changed = {**self._written, **self._changed}

    def _positions(self, person: Person) -> dict[str, int]:
        if person.read is None:
            prefix = _key(person.uid, "")
            kept = [] if person.account is None else self._log.recall_under(prefix)
            person.read = {key.removeprefix(prefix): int(value) for key, value in kept if value.isdigit()}
            person.read |= {name: seq for (uid, name), seq in self._changed.items() if uid == person.uid}
        return person.read

    def _make_room(self, person: Person, positions: dict[str, int]) -> None:
        """Forget positions of rooms that a person is not in, so that none keeps more than `MAX_KEPT`."""
        for name in list(positions) if len(positions) > MAX_KEPT else ():
            if len(positions) > MAX_KEPT and name != native.INBOX and name not in person.rooms:
                del positions[name]
                self._changed.pop((person.uid, name), None)
                self._written.pop((person.uid, name), None)
                if person.account is not None:
                    self._log.forget(_key(person.uid, name))

    def _upto(self, person: Person, name: str, seq: int, id_: native.Id = None) -> accounts.ReadUpto:
        page = self._log.after(self._stored_as(person, name), seq - 1, 1) if seq else None
        time = page.messages[0].time if page is not None and page.messages else 0
        return accounts.ReadUpto(id=id_, room=name, seq=seq, time=time)

    def _name(self, person: Person, room: str) -> str:
        """Return what a position is kept as. Raises `Refusal`, `names.BadName`."""
        if room == native.INBOX:
            return room
        return (
            native.INBOX + names.fold_nick(names.nick(room[1:]))
            if room[:1] == "@"
            else self._rooms.of(person, room).name
        )

    @staticmethod
    def _stored_as(person: Person, name: str) -> str:
        return inbox_name(person.uid) if name[0] == native.INBOX else name


def _key(uid: bytes, name: str) -> str:
    return f"read/{uid.hex()}/{name}"
