"""Fan-out: what a room hears, encoded once for each variant and joined, written once to each member of a turn.

One send costs the kernel some 20 microseconds, whatever is in it, so everything here gathers. Knows no sockets: it
adds bytes to connections' output and leaves the writing to the worker.
"""

from protocol.ipc import Announced, ConnId, Posted
from workers.conn import Conn
from workers.sendq import Logged


class LocalRoom:
    """A room's members at this worker, and what they are to hear of this turn."""

    __slots__ = ("heard", "lagging", "last", "members", "name", "particular", "told")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[ConnId, Conn] = {}
        self.lagging: dict[ConnId, Conn] = {}  # members too, but replayed from the log (`workers.catchup`)
        self.heard: list[Posted | Announced] = []  # not yet written
        self.particular: set[ConnId] = set()  # members who do not hear all of `heard`: they said some of it
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
            return
        if item.msg.seq <= self.last:
            return
        self.heard.append(item)
        self.last = item.msg.seq
        sender = self.members.get(item.conn)
        if sender is not None and sender.dialect is not None and not sender.dialect.echoes:
            self.particular.add(item.conn)

    def flush(self) -> None:
        """Give every member what it is to hear. Must run before the membership changes."""
        heard, self.heard = self.heard, []
        particular, self.particular = self.particular, set()
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
            if dialect.picky or conn.id in particular:
                conn.send(_for_one(conn, heard, encoded[variant]), logged)
            else:
                conn.send(joined[variant], logged)


def _for_one(conn: Conn, heard: list[Posted | Announced], encoded: list[bytes]) -> bytes:
    return b"".join(line for item, line in zip(heard, encoded, strict=True) if _is_for(conn, item))


def _is_for(conn: Conn, item: Posted | Announced) -> bool:
    if isinstance(item, Announced):
        return True
    dialect = conn.dialect
    assert dialect is not None
    if item.conn == conn.id:
        return dialect.echoes or item.msg.kind in ("fun", "topic")
    return not dialect.picky or dialect.wants(item.msg)
