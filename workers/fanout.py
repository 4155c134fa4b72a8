"""Fan-out: what a room hears, encoded once for each variant and joined, written once to each member of a turn.

One send costs the kernel some 20 microseconds, whatever is in it, so everything here gathers. Knows no sockets: it
adds bytes to connections' output and leaves the writing to the worker.
"""

from protocol import moderation, native
from protocol.ipc import Announced, ConnId, Posted
from protocol.metadata import Metadatum
from workers.conn import Conn
from workers.dialects import Personal
from workers.sendq import Logged


class LocalRoom:
    """A room's members at this worker, and what they are to hear of this turn."""

    __slots__ = ("heard", "lagging", "last", "members", "name", "particular", "scattered", "told")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[ConnId, Conn] = {}
        self.lagging: dict[ConnId, Conn] = {}  # members too, but replayed from the log (`workers.catchup`)
        self.heard: list[Posted | Announced] = []  # not yet written
        self.particular: set[ConnId] = set()  # members who do not hear all of `heard`: they said some of it
        self.scattered: dict[int, list[str]] = {}  # which of `heard` other rooms hear too -> the rooms that did before
        self.last = 0  # newest seq heard
        self.told = 0  # newest seq given to the members

    def enter(self, conn: Conn, last: int) -> None:
        """``conn`` hears what follows ``last``, the room's newest. Must not run while there is something to `flush`."""
        self.last = self.told = last
        self.members[conn.id] = conn

    def hear(self, item: Posted | Announced) -> None:
        """Add to what the members hear, in order; a message that a new broker replays once more than needed is not."""
        if isinstance(item, Announced):
            self.heard.append(item)
            if item.conn:
                self.particular.add(item.conn)
            return
        if item.msg.seq <= self.last:
            return
        self.heard.append(item)
        self.last = item.msg.seq
        sender = self.members.get(item.conn)
        if sender is None or sender.dialect is None:
            return
        if not sender.dialect.echoes or isinstance(sender.dialect, Personal):
            self.particular.add(item.conn)

    def hear_of(self, item: Announced, before: list[str]) -> None:
        """The same about somebody; ``before``: the rooms that heard of it before this one."""
        if before or _is_personal(item.event):
            self.scattered[len(self.heard)] = before
        self.hear(item)

    def flush(self) -> None:
        """Give every member what it is to hear. Must run before the membership changes."""
        heard, self.heard = self.heard, []
        particular, self.particular = self.particular, set()
        scattered, self.scattered = self.scattered, {}
        logged, self.told = Logged(self.name, self.told), self.last
        encoded: dict[str, list[bytes]] = {}
        joined: dict[str, bytes] = {}
        for conn in self.members.values():
            dialect = conn.dialect
            assert dialect is not None
            variant = dialect.variant
            if variant not in joined:
                shared = dialect.shared
                encoded[variant] = [shared(item.msg if isinstance(item, Posted) else item.event) for item in heard]
                joined[variant] = b"".join(encoded[variant])
            if dialect.picky or conn.id in particular or (scattered and isinstance(dialect, Personal)):
                conn.send(_for_one(conn, heard, encoded[variant], scattered), logged)
            else:
                conn.send(joined[variant], logged)


def _for_one(
    conn: Conn, heard: list[Posted | Announced], encoded: list[bytes], scattered: dict[int, list[str]]
) -> bytes:
    """Return what ``conn`` hears of a room; the dialect of a `Personal` one has its say."""
    dialect: object = conn.dialect
    if not isinstance(dialect, Personal):
        return b"".join(line for item, line in zip(heard, encoded, strict=True) if _is_for(conn, item))
    out: list[bytes] = []
    for number, (item, line) in enumerate(zip(heard, encoded, strict=True)):
        if isinstance(item, Posted):
            out.append(dialect.echo(item.msg, line) if item.conn == conn.id else line)
        elif item.conn == conn.id:
            if isinstance(item.event, native.IsTyping | native.Tagged):
                out.append(dialect.echo_hint(item.event, line))
        elif number not in scattered or _hears(conn, dialect, item.event, scattered[number]):
            out.append(line)
    return b"".join(out)


def _hears(conn: Conn, dialect: Personal, event: native.Event, before: list[str]) -> bool:
    """Whether ``conn`` is told of it in this room, not having heard of it in those that were told ``before``."""
    return not (conn.rooms and conn.rooms.intersection(before)) and dialect.hears(event)


def _is_for(conn: Conn, item: Posted | Announced) -> bool:
    if isinstance(item, Announced):
        return item.conn != conn.id
    dialect = conn.dialect
    assert dialect is not None
    if item.conn == conn.id:
        return dialect.echoes or item.msg.kind in ("fun", "topic")
    return not dialect.picky or dialect.wants(item.msg)


def _is_personal(event: native.Event) -> bool:
    """Whether a dialect may tell somebody by itself of what all are told: it is about somebody, or somebody did it."""
    if isinstance(event, native.Left):
        return event.by is not None
    return isinstance(event, native.Renamed | native.Changed | Metadatum | moderation.Modes)


class Scattering:
    """Tells which announcements are one: a person's end or change, told to each room the person is in, one by one.

    A client that shares several of these rooms, and has one word for it, is told once.
    """

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._rooms: list[str] = []

    def forget(self) -> None:
        """What comes from here on is about something else."""
        self._of, self._rooms = (), []

    def before(self, item: Announced) -> list[str]:
        """Return the rooms that were told before this one."""
        match item.event:
            case native.Left(nick=nick, reason=reason, quit=True):
                of: tuple[object, ...] = (nick, reason)
            case native.Renamed(old=old, nick=nick):
                of = (old, nick, "")
            case native.Changed(who=who):  # whose roles are not the same in each room
                of = (who.nick, who.color, who.away, who.name, who.account, who.bot, who.admin)
            case Metadatum(target=target, key=key, value=value) if target[:1] != "#":
                of = (target, key, value, "")
            case _:
                self.forget()
                return []
        if of != self._of:
            self._of, self._rooms = of, []
        rooms, self._rooms = self._rooms, [*self._rooms, item.room]
        return rooms
