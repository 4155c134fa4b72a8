"""Who is here: people by connection, nick and token, and how many come from each address. Pure."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocol import addresses, names, native
from protocol.ipc import ConnId, worker_of

if TYPE_CHECKING:
    from broker.rooms import Room


class Refusal(Exception):
    """A request that is answered with an error; raised while a request is carried out."""

    def __init__(self, code: str, text: str, free: str | None = None, attempt: int | None = None) -> None:
        super().__init__(text)
        self.code, self.text, self.free, self.attempt = code, text, free, attempt


@dataclass(slots=True, eq=False)
class Person:
    """Somebody introduced. Keeps the seat while their worker is replaced."""

    conn: ConnId
    uid: bytes
    nick: str
    addr: str
    dialect: str
    client: str
    since: int  # introduced, milliseconds since 1970, UTC
    color: str | None = None
    away: str | None = None
    spoke: int = 0  # last said something, as `since`; 0: never
    returns: bool = True  # has a token of its own to come back with
    rooms: "dict[str, Room]" = field(default_factory=dict)
    lingers_until: float | None = None  # monotonic seconds; None: connected
    quit_reason: str = ""  # for those who linger
    attempt: int | None = None  # number of this connection among those tried with the token; None: not told
    restored: bool = False  # known from the attendance sheet alone: no worker has told of them yet

    @property
    def card(self) -> native.Person:
        return native.Person(self.nick, self.color, self.away)

    @property
    def connected(self) -> bool:
        return self.lingers_until is None

    def overtook(self, attempt: int | None) -> bool:
        """Whether a connection that was tried as ``attempt`` comes too late: this one is newer, or the same again."""
        return None not in (attempt, self.attempt) and (attempt or 0) <= (self.attempt or 0)


class People:
    """Everybody introduced, by all that identifies them."""

    def __init__(self) -> None:
        self.by_conn: dict[ConnId, Person] = {}
        self.by_uid: dict[bytes, Person] = {}
        self.by_key: dict[str, Person] = {}  # by folded nick
        self.skeletons: dict[str, Person] = {}  # by what their nick looks like
        self.per_address: dict[str, int] = {}
        self.lingering: dict[bytes, Person] = {}  # by uid
        self.lingers_first = math.inf  # none of them may go before it, monotonic seconds
        self.touched: dict[bytes, Person | None] = {}  # by uid: changed since the shell last looked; None: gone

    def touch(self, person: Person) -> None:
        """Something of ``person`` has changed that a new broker would have to know."""
        self.touched[person.uid] = person

    def add(self, person: Person) -> None:
        self.touch(person)
        self.by_conn[person.conn] = person
        self.by_uid[person.uid] = person
        self._name(person)
        self._count(person, 1)

    def remove(self, person: Person) -> None:
        self.touched[person.uid] = None
        del self.by_conn[person.conn]
        del self.by_uid[person.uid]
        self._unname(person)
        self.lingering.pop(person.uid, None)
        self._count(person, -1)

    def rename(self, person: Person, nick: str) -> None:
        self.touch(person)
        self._unname(person)
        person.nick = nick
        self._name(person)

    def move(self, person: Person, conn: ConnId, addr: str, dialect: str) -> None:
        """``person`` is on another connection from here on."""
        del self.by_conn[person.conn]
        self.lingering.pop(person.uid, None)
        self._count(person, -1)
        person.lingers_until = None
        person.restored = False
        self.touch(person)
        person.conn, person.addr, person.dialect = conn, addr, dialect
        self.by_conn[conn] = person
        self._count(person, 1)

    def of_worker(self, worker: int) -> list[Person]:
        return [person for person in self.by_conn.values() if worker_of(person.conn) == worker]

    def linger(self, person: Person, until: float, reason: str) -> None:
        """The connection of ``person`` is gone; they keep the seat until ``until`` (monotonic seconds)."""
        person.lingers_until = until
        person.quit_reason = reason
        self.lingering[person.uid] = person
        self.lingers_first = min(self.lingers_first, until)

    def called(self, nick: str) -> Person:
        """Return who is called ``nick``. Raises `Refusal`, `names.BadName`."""
        person = self.by_key.get(names.fold_nick(names.nick(nick)))
        if person is None:
            raise Refusal("no-such-nick", f"nobody here is called {nick}; /online lists who is")
        return person

    def free_nick(self, wanted: str, mine: Person | None) -> str:
        """Return ``wanted`` as it will be written.

        Raises `Refusal` with a free one when it is somebody else's or looks like it, `names.BadName`.
        """
        nick = names.nick(wanted)

        def taken(candidate: str) -> bool:
            holder = self.by_key.get(names.fold_nick(candidate)) or self.skeletons.get(names.skeleton(candidate))
            return holder is not None and holder is not mine

        if taken(nick):
            free = names.free_nick(nick, taken)
            raise Refusal("nick-taken", f"{nick} is taken, or looks like a nick that is; {free} is free", free)
        return nick

    def check_crowd(self, addr: str, limit: int) -> None:
        """Raises `Refusal` when ``limit`` people are here from ``addr``; loopback is exempt."""
        if not addresses.is_loopback(addr) and self.per_address.get(addresses.counted(addr), 0) >= limit:
            raise Refusal("too-many", f"{limit} people are here from your address already; that is the limit")

    def _count(self, person: Person, change: int) -> None:
        address = addresses.counted(person.addr)
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
