"""Lagging clients: those that read too slowly, whose output was freed, and what they are replayed from the log.

A lagging client is in none of its rooms' fan-out. Whenever its socket has taken everything, the worker asks the
broker for the next page of a room on its behalf, and passes it on. The page that reaches the room's end puts it back:

    Answers and messages come from the broker through one pipe, in the order of the log. When a page without `more` is
    here, so is every message up to its end, and none after it. So the first message that the client hears live is the
    one after the page's last: no hole, nothing twice.

The questions are kept in the worker's `pending` like everybody's, so a new broker answers what the old one did not.
"""

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from protocol import native
from protocol.ipc import Do
from workers import tcp
from workers.conn import Conn
from workers.sendq import Logged

if TYPE_CHECKING:
    from workers.process import Worker

log = logging.getLogger("moot.worker")

PAGE: Final = 500  # messages at most; the broker makes pages as short as it can afford
AT_ONCE: Final = 4  # pages asked for by one worker: they cost the broker time that everybody waits for
RETRY_S: Final = 1.0
OURS_FIRST_S: Final = 10.0


class Lag:
    """Where one client must go on."""

    __slots__ = ("after", "people", "rid")

    def __init__(self) -> None:
        self.after: dict[str, int] = {}  # room or `@` -> newest seq it was sent; replayed one room after the other
        self.people: dict[str, None] = {}  # rooms whose comings and goings it missed
        self.rid = 0  # of the question under way; 0: none


class CatchUp:
    """All lagging clients of a worker."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self.asked: dict[int, Conn] = {}  # by rid: questions under way
        self._ready: dict[Conn, None] = {}  # can be written to; wait for their turn to ask

    # --- falling behind

    def free(self, conn: Conn, reason: str) -> None:
        """Drop what the log has of ``conn``'s send queue; it lags.

        Must not run while a room is being told something, for it leaves their members.
        """
        queue = conn.queue
        assert queue is not None
        missing = queue.free()
        lag = conn.lag
        if lag is None:
            lag = conn.lag = Lag()
            log.info("%s lags behind: %s", conn.peer, reason)
            if conn.transport is not None:
                # Longer than we wait ourselves: the kernel would end it without a word in anybody's log.
                tcp.allow_silence(conn.transport, self._worker.settings.lag_limit + OURS_FIRST_S)
        for name in conn.rooms or ():
            room = self._worker.rooms[name]
            if room.members.pop(conn.id, None) is not None:
                room.lagging[conn.id] = conn
                lag.after[name] = missing.get(name, room.told)
                lag.people.pop(name, None)  # asked for again at the end
            elif name in missing:  # a page of the replay itself
                lag.after[name] = missing[name]
        if native.INBOX in missing or native.INBOX not in lag.after:
            lag.after[native.INBOX] = missing.get(native.INBOX, conn.inbox)

    def hears_inbox(self, conn: Conn) -> bool:
        """Whether ``conn`` is told its direct messages as they come."""
        return conn.lag is None or native.INBOX not in conn.lag.after

    def entered(self, conn: Conn, name: str) -> None:
        """``conn`` has just been told all about a room: nothing of it needs to be replayed."""
        if conn.lag is not None:
            conn.lag.after.pop(name, None)
            conn.lag.people.pop(name, None)
            self._worker.rooms[name].lagging.pop(conn.id, None)

    def parted(self, conn: Conn, name: str) -> None:
        """``conn`` is in a room no more."""
        if conn.queue is not None:
            conn.queue.left(name)
        if conn.lag is not None:
            conn.lag.after.pop(name, None)
            conn.lag.people.pop(name, None)

    def retitled(self, conn: Conn, old: str, name: str) -> None:
        """A room that ``conn`` is in has another name."""
        if conn.queue is not None:
            conn.queue.retitled(old, name)
        if conn.lag is not None:
            for rooms in (conn.lag.after, conn.lag.people):
                if old in rooms:
                    rooms[name] = rooms.pop(old)  # type: ignore[assignment]  # each has values of its own

    def lost(self, conn: Conn) -> None:
        """``conn`` is closed."""
        self._ready.pop(conn, None)
        if conn.lag is not None and self.asked.pop(conn.lag.rid, None) is not None:
            self._worker.pending.pop(conn.lag.rid, None)
            self._ask_next()

    # --- catching up

    def drained(self, conn: Conn) -> None:
        """Everything that ``conn`` was sent is on its way: go on with it when it is its turn."""
        if conn.lag is not None:
            self._ready[conn] = None
            self._ask_next()

    def answered(self, do: Do, answer: native.Event) -> None:
        """A question of ours is answered."""
        conn = self.asked.pop(do.rid)
        lag = conn.lag
        assert lag is not None
        lag.rid = 0
        request = do.request
        match answer, request:
            case native.HistoryPage() as page, native.History(room=room, after=int(after)):
                if lag.after.get(room) == after:  # else it entered anew, or a page before this one was dropped
                    self._replay(conn, page, after)
                self.drained(conn)
            case native.People() as people, native.Who(room=str(room)):
                if room in lag.people:
                    del lag.people[room]
                    conn.reply(msgspec.structs.replace(people, id=None))
                self.drained(conn)
            case native.Error(code="not-in-room" | "not-introduced"), native.History() | native.Who():
                lag.after.pop(request.room or "", None)
                lag.people.pop(request.room or "", None)
                self.drained(conn)
            case native.Error(code="storage") as no, _:
                self._worker.loop.call_later(no.wait or RETRY_S, self.drained, conn)
            case _:
                conn.drop(f"what it missed could not be had: {getattr(answer, 'text', answer)}")
        self._ask_next()

    def _replay(self, conn: Conn, page: native.HistoryPage, after: int) -> None:
        """Pass a page on, and put ``conn`` back among those who hear what is live if it reaches the end."""
        name, lag = page.room, conn.lag
        assert lag is not None
        if page.more:
            reached = max([after, *(msg.seq for msg in page.messages[-1:]), *(last for _first, last in page.gaps[-1:])])
            if reached == after:
                conn.drop(f"what it missed of {name} could not be had: the page after {after} is empty")
                return
            lag.after[name] = reached
        else:
            del lag.after[name]
            if name != native.INBOX:
                lag.people[name] = None
                self._worker.hears_again(conn, name)
        conn.reply(msgspec.structs.replace(page, id=None), Logged(name, after))

    def _ask_next(self) -> None:
        """Ask for those whose turn it is."""
        while self._ready and len(self.asked) < AT_ONCE:
            conn = next(iter(self._ready))
            del self._ready[conn]
            if conn.lag is not None and not (conn.lag.rid or conn.full or conn.deaf or conn.closing):
                self._ask(conn, conn.lag)

    def _ask(self, conn: Conn, lag: Lag) -> None:
        if lag.after:
            room, after = next(iter(lag.after.items()))
            lag.rid = self._worker.ask(conn, native.History(room=room, after=after, limit=PAGE))
        elif lag.people:
            lag.rid = self._worker.ask(conn, native.Who(room=next(iter(lag.people))))
        else:
            conn.lag = None
            log.info("%s has caught up", conn.peer)
            if conn.transport is not None:
                tcp.allow_silence(conn.transport, self._worker.settings.dead_after)
            return
        self.asked[lag.rid] = conn
