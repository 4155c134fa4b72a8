"""Clients that keep to a schedule whatever happens and write everything down. Knows no faults and no server processes.

Most are `client.net.Chat`, the library that users have; some are what `nc` is. All live in one event loop.
"""

import asyncio
import contextlib
import random
import re
import time
import zlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.history import History, Violation
from chaos.reading import note
from client.address import Address
from client.net import PING_S, Chat
from client.session import Failed, Offline, Online, Sent, Session, Update
from protocol import native

TICK_S: Final = 0.005  # the schedule's grain
IMPATIENT_PING_S: Final = 3.0  # of some clients, which find a dead connection within twice that
NAME: Final = re.compile(r"\bm(\d+)-\d+\b")  # a message's own, its cmid: who says it, and which of theirs
_SAID: Final = re.compile(r"\d\d:\d\d (\S+) (\S+): (.+)\n")  # as people with nc are shown it
_FILLER: Final = "the quick brown fox jumps over the lazy dog and naps a while in the warm evening sun"


def words(cmid: str) -> str:
    """Return what is said as the message ``cmid``."""
    return f"{cmid} {_FILLER[: zlib.crc32(cmid.encode()) % len(_FILLER)]}".rstrip()


def name_in(nick: str, text: str, kind: str) -> str:
    """Return which message this is; a description of it when it is not as its sender said it: nobody sent that."""
    found = NAME.search(text)
    if found and nick[1:] == found[1] and (kind == "fun" or text == words(found[0])):
        return found[0]
    return f"{kind} of {nick}: {text}"


@dataclass(slots=True)
class Link:
    """What became of one client's connections. Times are monotonic seconds."""

    back: list[float] = field(default_factory=list)  # introduced again, or for the first time
    lost: list[float] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)  # of ours, of the connections that were lost


class Load:
    """The clients' common ground: history, clock, names."""

    def __init__(self, history: History, rng: random.Random) -> None:
        self.history = history
        self.rng = rng
        self.now = time.monotonic
        self.links: dict[str, Link] = {}  # by client
        self.natives: list[Native] = []
        self.plains: list[Plain] = []
        self.marks: dict[str, str] = {}  # room -> cmid of the message that all wait for
        self.acknowledged = 0.0  # when the newest message that was acknowledged had been invoked
        self.broken: list[Violation] = []  # what clients must not meet, whatever happens
        self._begin = self.now()
        self._clients = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def number(self) -> int:
        """Return a client number that nobody had."""
        self._clients += 1
        return self._clients

    def spawn(self, address: Address, rooms: Sequence[str], *, plain: bool = False, ping_s: float = PING_S) -> str:
        """Add a client that speaks in the first of ``rooms``; return a native one's name."""
        if plain:
            nc = Plain(self, address, rooms[0])
            self.plains.append(nc)
            self._keep(nc.live())
            return ""
        one = Native(self, address, rooms, ping_s)
        self.natives.append(one)
        self._keep(one.live())
        return one.name

    def _keep(self, life: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(life))

    @property
    def _everyone(self) -> list["Native | Plain"]:
        return [*self.natives, *self.plains]

    async def here(self, limit_s: float = 60.0) -> None:
        """Wait until everybody is in their rooms. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not all(one.here for one in self._everyone):
                self.check()
                await asyncio.sleep(TICK_S)

    def gave_up(self, one: "Native", reason: str) -> None:
        """``one`` ended by itself; go on without it."""
        text = f"{one.name} gave up {self.now() - self._begin:.1f} s after the start: {reason}"
        self.broken.append(Violation("gave-up", text))
        self.natives.remove(one)

    def check(self) -> None:
        """Raise what ended a client that should live on: a mistake in the client, not in the server."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def talk(self, rate: float, ended: asyncio.Event) -> None:
        """Say ``rate`` messages a second in all, open loop, until ``ended``."""
        start, said = self.now(), 0
        while not ended.is_set():
            due = int((self.now() - start) * rate)
            for _ in range(due - said):
                self._say()
            said = due
            self.check()
            await asyncio.sleep(TICK_S)

    def _say(self) -> None:
        dice = self.rng.random()
        self.rng.choice(self._everyone).say(fun=dice > 0.998)

    async def goes_on(self, since: float, limit_s: float = 30.0) -> bool:
        """Wait until something that was said after ``since`` is acknowledged; False when that does not come."""
        return await self._wait(lambda: self.acknowledged > since, limit_s)

    async def settle(self, rooms: Sequence[str], limit_s: float = 90.0) -> bool:
        """Wait until all outboxes are empty and everybody has read all there is; False when that does not come.

        A last message in each room, said when nothing else is under way, is the mark that all wait for.
        """
        done = await self._wait(lambda: all(one.settled for one in self.natives), limit_s)
        everyone = self._everyone
        for _ in range(2):  # what a plain client said last may come behind the first mark
            speakers = {one.rooms[0]: one for one in self.natives}
            self.marks = {room: speakers[room].say() for room in rooms}
            done &= await self._wait(lambda: all(one.read(self.marks) for one in everyone), limit_s)
        for one in everyone:
            one.stays()
        return done

    def unsettled(self) -> str:
        """Return who has not read everything, or has something left to say."""
        slow = [one for one in self._everyone if not one.read(self.marks)]
        return "; ".join(str(one) for one in slow[:10]) + (f"; and {len(slow) - 10} more" if len(slow) > 10 else "")

    async def _wait(self, probe: Callable[[], bool], limit_s: float) -> bool:
        end = self.now() + limit_s
        while not probe():
            self.check()
            if self.now() > end:
                return False
            await asyncio.sleep(TICK_S * 4)
        return True

    async def close(self) -> None:
        """End all clients at once, without a goodbye."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Watched(Chat):
    """A `Chat` that says which port of this machine it uses."""

    @property
    def local_port(self) -> int:
        writer = self._writer
        name = None if writer is None else writer.get_extra_info("sockname")
        return 0 if name is None else int(name[1])


class Native:
    """One person with a native client. It comes back by itself; its outbox outlives its connections."""

    def __init__(self, load: Load, address: Address, rooms: Sequence[str], ping_s: float) -> None:
        self.load = load
        self.rooms = list(rooms)
        self.number = load.number()
        self.name = f"n{self.number}"
        self.link = load.links[self.name] = Link()
        session = Session(self.name, rooms, client="chaos")
        self.chat = Watched(address, session, patient=True, ping_s=ping_s)
        self._count = 0
        self._marks: set[str] = set()  # shown
        self._port = 0  # ours, of the connection
        self._reason = ""  # why the last connection ended

    @property
    def here(self) -> bool:
        session = self.chat.session
        return session.online and all(view.here for view in session.rooms.values())

    @property
    def settled(self) -> bool:
        return self.here and not self.chat.session.outbox

    async def live(self) -> None:
        """Be there until cancelled, or until the client gives up, which it must not."""
        feed = self.chat.updates()
        async with self.chat:
            while batch := await feed.batch():
                now = self.load.now()
                for update in batch:
                    self._note(update, now)
        self.load.gave_up(self, self._reason)

    def say(self, *, fun: bool = False) -> str:
        """Put a message into the outbox; return its cmid."""
        self._count += 1
        cmid = f"m{self.number}-{self._count}"
        to = self.rooms[0]
        self.load.history.invoke(self.name, to, cmid, self.load.now())
        request = native.Send(cmid=cmid, to=to, text=words(cmid))
        self.chat.session.submit(native.Fun(cmid=cmid, to=to, line=f"/cowsay {cmid}") if fun else request)
        self.chat.flush()
        return cmid

    def read(self, marks: dict[str, str]) -> bool:
        """Whether the mark of each of its rooms was shown, and its own is acknowledged."""
        return self.settled and all(marks[room] in self._marks for room in self.rooms)

    def __str__(self) -> str:
        session = self.chat.session
        views = ", ".join(f"{view.name} {view.last} of {view.head}" for view in session.rooms.values())
        where = "online" if session.online else "offline"
        return f"{self.name} is {where}, has {len(session.outbox)} messages to send, and read {views}"

    def stays(self) -> None:
        for room in self.rooms:
            self.load.history.stays(self.name, room)

    def _note(self, update: Update, now: float) -> None:
        history = self.load.history
        match update:
            case Sent(cmid=cmid, room=room, seq=seq):
                history.ok(cmid, room, seq, now)
                self.load.acknowledged = max(self.load.acknowledged, history.operations[cmid].invoked)
            case Failed(cmid=cmid, text=text, error=error):
                history.fail(cmid, now)
                if text == words(cmid):  # a drawing may fail
                    self.load.broken.append(Violation("turned-down", f"{cmid}: {error.code}, {error.text}"))
            case Online():
                self.link.back.append(now)
                self._port = self.chat.local_port
            case Offline(reason=reason):
                self._reason = reason
                if len(self.link.lost) < len(self.link.back):  # not a failed attempt
                    self.link.lost.append(now)
                    self.link.ports.append(self._port)
            case _:
                note(history, self.name, update, self._named)

    def _named(self, msg: native.Msg) -> str:
        cmid = name_in(msg.nick, msg.text, msg.kind)
        if self.load.marks.get(msg.room) == cmid:
            self._marks.add(cmid)
        return cmid


class Plain:
    """A person with `nc`, who types their nick again after each loss and is somebody else then."""

    def __init__(self, load: Load, address: Address, room: str) -> None:
        self.load = load
        self.room = room
        self.here = False
        self.name = ""
        self.link = Link()
        self._address = address
        self._count = 0
        self._number = 0
        self._refusals = 0
        self._port = 0  # ours, of the connection
        self._mark = ""  # the newest shown
        self._writer: asyncio.StreamWriter | None = None

    async def live(self) -> None:
        """Be there until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._once()
            if self.here:  # not when we end it ourselves
                self.here = False
                self.link.lost.append(self.load.now())
                self.link.ports.append(self._port)
            await asyncio.sleep(self.load.rng.uniform(0.1, 1.0))

    async def _once(self) -> None:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        self._number, self._count, self._refusals, self._mark = self.load.number(), 0, 0, ""
        self.name = f"p{self._number}"
        self.link = self.load.links[self.name] = Link()
        self._writer, self._port = writer, writer.get_extra_info("sockname")[1]
        try:
            writer.write(f"{self.name}\n/join {self.room}\n".encode())
            while line := await reader.readline():
                self._hear(line.decode())
        finally:
            self._writer = None
            writer.close()

    def _hear(self, line: str) -> None:
        history = self.load.history
        if not self.here and f"* You are in {self.room}" in line:
            self.here = True
            self.link.back.append(self.load.now())
            if (self.name, self.room) not in history.heard_of:  # they are shown the newest messages first
                history.begins(self.name, self.room)
        elif line[0] == "!":  # a refusal; it may repeat what was typed
            self._refusals += 1
        elif said := _SAID.fullmatch(line):
            room, nick, text = said.groups()
            self._heard(name_in(nick, text, "text") if room == self.room else line)
        elif line.startswith("    ") and (drawn := NAME.search(line)):
            self._heard(drawn[0])

    def _heard(self, cmid: str) -> None:
        self.load.history.heard(self.name, self.room, cmid, self.name)
        if self.load.marks.get(self.room) == cmid:
            self._mark = cmid

    def say(self, *, fun: bool = False) -> None:
        """Type a line, if there is a connection; nothing tells whether it is stored."""
        if not self.here or self._writer is None or self._writer.is_closing():
            return
        self._count += 1
        cmid = f"m{self._number}-{self._count}"
        self.load.history.invoke(self.name, self.room, cmid, self.load.now())
        self.load.history.unknown(cmid)
        self._writer.write(f"{f'/cowsay {cmid}' if fun else words(cmid)}\n".encode())

    def read(self, marks: dict[str, str]) -> bool:
        return self.here and self._mark == marks[self.room]

    def __str__(self) -> str:
        return f"{self.name} is {'in' if self.here else 'not in'} {self.room} and has read {self._mark or 'no mark'}"

    def stays(self) -> None:
        if self.here:
            self.load.history.stays(self.name, self.room)
            self.load.history.unanswered(self.name, self._refusals)
