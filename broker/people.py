"""Who is here: people and their devices by connection, token and nick; how many come from each address. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from protocol import addresses, names, native
from protocol.ipc import ConnId, worker_of

if TYPE_CHECKING:
    from broker.accounts import Account
    from broker.rooms import Room


class Refusal(Exception):
    """A request that is answered with an error; raised while a request is carried out."""

    def __init__(
        self, code: str, text: str, free: str | None = None, attempt: int | None = None, wait: float | None = None
    ) -> None:
        super().__init__(text)
        self.code, self.text, self.free, self.attempt, self.wait = code, text, free, attempt, wait

    def answer(self, id_: native.Id) -> native.Error:
        """Return what is told to who asked with ``id_``."""
        return native.Error(
            id=id_, code=self.code, text=self.text, free=self.free, attempt=self.attempt, wait=self.wait
        )


@dataclass(slots=True, eq=False)
class Device:
    """One connection of a person, or the seat that it may come back to. Keeps it while its worker is replaced."""

    conn: ConnId
    uid: bytes  # made of its token, 16 bytes
    person: "Person"
    addr: str
    dialect: str
    client: str
    since: int  # introduced, milliseconds since 1970, UTC
    returns: bool = True  # has a token of its own to come back with
    attempt: int | None = None  # number of this connection among those tried with the token; None: not told
    rooms: "dict[str, Room]" = field(default_factory=dict)  # those of the person that it hears
    entered: "set[Room]" = field(default_factory=set)  # of these, those that this connection hears already
    lingers_until: float | None = None  # monotonic seconds; None: connected
    quit_reason: str = ""  # for one that lingers
    restored: bool = False  # known from the attendance sheet alone: no worker has told of it yet
    secure: bool = False  # speaks through TLS
    exposed: bool = False  # its token came in clear text from elsewhere once, so that others may know it
    certfp: str = ""  # hex SHA-256 of the certificate that its client showed and proved
    watches: dict[str, str] = field(default_factory=dict)  # nicks by their keys; see `broker.watching`

    @property
    def connected(self) -> bool:
        return self.lingers_until is None

    def overtook(self, attempt: int | None) -> bool:
        """Whether a connection that was tried as ``attempt`` comes too late: this one is newer, or the same again."""
        return None not in (attempt, self.attempt) and (attempt or 0) <= (self.attempt or 0)


@dataclass(slots=True, eq=False)
class Person:
    """Somebody introduced, on one device or several."""

    uid: bytes  # whose the inbox is: that of the device, or of the account
    nick: str
    color: str | None = None
    away: str | None = None
    spoke: int = 0  # last said something, milliseconds since 1970, UTC; 0: never
    name: str | None = None  # shown beside the nick
    account: str | None = None  # its name; None: a guest
    bot: bool = False  # a program, by its own account
    admin: bool = False  # of the server
    metadata: dict[str, str] = field(default_factory=dict)  # of a guest; see `broker.metadata`
    read: dict[str, int] | None = None  # room, or `@` -> seq; None: not loaded; see `broker.markers`
    rooms: "dict[str, Room]" = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)  # in the order they came

    @property
    def card(self) -> native.Person:
        return native.Person(
            self.nick, self.color, self.away, self.name, account=self.account, bot=self.bot, admin=self.admin
        )

    def card_in(self, room: "Room") -> native.Person:
        """Return the card as the members of ``room`` see it: with its roles."""
        roles = room.roles_of(self)
        return self.card if not roles else msgspec.structs.replace(self.card, roles=roles)

    @property
    def connected(self) -> list[Device]:
        return [device for device in self.devices if device.connected]

    @property
    def newest(self) -> Device:
        """The device that came last, of those that are connected if there are any."""
        return max(self.devices, key=lambda device: (device.connected, device.since))


def person_of(uid: bytes, nick: str, account: "Account | None") -> Person:
    """Return a newcomer: of ``account``, or a guest who is the device ``uid``."""
    if account is None:
        return Person(uid, nick)
    return Person(account.person, nick, account=account.name, admin=account.admin)


class People:
    """Everybody introduced, by all that identifies them."""

    def __init__(self, owner_of: Callable[[str], str | None] = lambda _nick: None) -> None:
        """``owner_of`` gives the account that a nick belongs to."""
        self._owner_of = owner_of
        self.by_conn: dict[ConnId, Device] = {}
        self.by_device: dict[bytes, Device] = {}  # by uid of the device
        self.by_uid: dict[bytes, Person] = {}
        self.by_key: dict[str, Person] = {}  # by folded nick
        self.skeletons: dict[str, Person] = {}  # by what their nick looks like
        self.per_address: dict[str, int] = {}
        self.lingering: dict[bytes, Device] = {}  # by uid
        self.lingers_first = math.inf  # none of them may go before it, monotonic seconds
        self.touched: dict[bytes, Device | None] = {}  # by uid: changed since the shell last looked; None: gone

    def touch(self, person: Person) -> None:
        """Something of ``person`` has changed that a new broker would have to know."""
        for device in person.devices:
            self.touched[device.uid] = device

    def add(self, device: Device) -> None:
        """``device`` is here, and its person, if it is their first."""
        person = device.person
        person.devices.append(device)
        self.touch(person)
        self.by_conn[device.conn] = device
        self.by_device[device.uid] = device
        if len(person.devices) == 1:
            self.by_uid[person.uid] = person
            self._name(person)
        self._count(device, 1)

    def remove(self, device: Device) -> None:
        """``device`` is gone, and its person, if it was their last."""
        person = device.person
        person.devices.remove(device)
        self.touched[device.uid] = None
        del self.by_conn[device.conn]
        del self.by_device[device.uid]
        self.lingering.pop(device.uid, None)
        self._count(device, -1)
        if not person.devices:
            del self.by_uid[person.uid]
            self._unname(person)

    def rename(self, person: Person, nick: str) -> None:
        self.touch(person)
        self._unname(person)
        person.nick = nick
        self._name(person)

    def identify(self, person: Person, uid: bytes) -> None:
        """``person`` is the one with ``uid``, which nobody here has, from here on."""
        assert uid not in self.by_uid
        self.touch(person)
        del self.by_uid[person.uid]
        person.uid = uid
        self.by_uid[uid] = person

    def hand_over(self, device: Device, person: Person) -> None:
        """``device`` is of ``person`` from here on; who has no device any more is gone."""
        before = device.person
        before.devices.remove(device)
        if not before.devices:
            del self.by_uid[before.uid]
            self._unname(before)
        device.person = person
        person.devices.append(device)
        if len(person.devices) == 1:
            self.by_uid[person.uid] = person
            self._name(person)
        self.touched[device.uid] = device

    def move(self, device: Device, conn: ConnId, addr: str, dialect: str) -> None:
        """``device`` is on another connection from here on."""
        del self.by_conn[device.conn]
        self.lingering.pop(device.uid, None)
        self._count(device, -1)
        device.lingers_until = None
        device.restored = False
        device.entered.clear()
        self.touched[device.uid] = device
        device.conn, device.addr, device.dialect = conn, addr, dialect
        self.by_conn[conn] = device
        self._count(device, 1)

    def of_worker(self, worker: int) -> list[Device]:
        return [device for device in self.by_conn.values() if worker_of(device.conn) == worker]

    def linger(self, device: Device, until: float, reason: str) -> None:
        """The connection of ``device`` is gone; it keeps the seat until ``until`` (monotonic seconds)."""
        device.lingers_until = until
        device.quit_reason = reason
        self.lingering[device.uid] = device
        self.lingers_first = min(self.lingers_first, until)

    def called(self, nick: str) -> Person:
        """Return who is called ``nick``. Raises `Refusal`, `names.BadName`."""
        person = self.by_key.get(names.fold_nick(names.nick(nick)))
        if person is None:
            raise Refusal("no-such-nick", f"nobody here is called {nick}; /online lists who is")
        return person

    def free_nick(self, wanted: str, mine: Person | None, account: str | None = None) -> str:
        """Return ``wanted`` as it will be written, for ``mine``, or a newcomer, who is logged in to ``account``.

        Raises `Refusal` with a free one when it is somebody else's or looks like it, `names.BadName`, `LogError`.
        """
        nick = names.nick(wanted)
        if names.is_reserved(nick):
            free = self.another_nick(nick, mine, account)
            text = f"{nick} is reserved: people would take you for somebody in charge; {free} is free"
            raise Refusal("nick-reserved", text, free)
        owner = self._owner_of(nick)
        if owner not in (None, account):  # said first, for whose it is can log in, also while they are here already
            free = self.another_nick(nick, mine, account)
            like = "" if owner == nick else f", or looks like {owner}, which does"
            text = f"{nick} belongs to an account{like}; log in to it, or take another nick: {free} is free"
            raise Refusal("nick-reserved", text, free)
        if self._is_anothers(nick, mine):
            free = self.another_nick(nick, mine, account)
            raise Refusal("nick-taken", f"{nick} is taken, or looks like a nick that is; {free} is free", free)
        return nick

    def is_free(self, nick: str, mine: Person | None, account: str | None) -> bool:
        """Tell whether ``mine``, who is logged in to ``account`` if to any, may be called ``nick``."""
        if names.is_reserved(nick) or self._is_anothers(nick, mine):
            return False
        return self._owner_of(nick) in (None, account)

    def another_nick(self, nick: str, mine: Person | None, account: str | None) -> str:
        """Return a nick near ``nick`` that is free."""
        return names.free_nick(nick, lambda candidate: not self.is_free(candidate, mine, account))

    def _is_anothers(self, nick: str, mine: Person | None) -> bool:
        holders = (self.by_key.get(names.fold_nick(nick)), self.skeletons.get(names.skeleton(nick)))
        return any(holder is not None and holder is not mine for holder in holders)

    def check_crowd(self, addr: str, limit: int) -> None:
        """Raises `Refusal` when ``limit`` people are here from ``addr``; loopback is exempt."""
        if not addresses.is_loopback(addr) and self.per_address.get(addresses.counted(addr), 0) >= limit:
            raise Refusal("too-many", f"{limit} people are here from your address already; that is the limit")

    def _count(self, device: Device, change: int) -> None:
        address = addresses.counted(device.addr)
        self.per_address[address] = self.per_address.get(address, 0) + change
        if not self.per_address[address]:
            del self.per_address[address]

    def _name(self, person: Person) -> None:
        self.by_key[names.fold_nick(person.nick)] = person
        self.skeletons[names.skeleton(person.nick)] = person

    def _unname(self, person: Person) -> None:
        del self.by_key[names.fold_nick(person.nick)]
        skeleton = names.skeleton(person.nick)
        if self.skeletons.get(skeleton) is person:
            del self.skeletons[skeleton]
