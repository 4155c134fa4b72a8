"""What the server has at the end: read by a fresh client that pages through everything, and from the database file."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

import apsw
import msgspec

from chaos.history import RoomLog
from chaos.load import name_in
from client.address import Address
from protocol import native

LIMIT_S: Final = 60.0  # for one answer
E = TypeVar("E", bound=native.Event)


class ReadError(Exception):
    """The server did not answer a reader as it must; the text says how."""


async def served(address: Address, rooms: Iterable[str]) -> dict[str, RoomLog]:
    """Return what a client that was never there before is given of ``rooms``, from the first message on."""
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=64 << 20)
    try:
        one = _Reader(reader, writer)
        await one.ask(native.Hello(nick="checker"), native.Welcome)
        return {room: await one.room(room) for room in rooms}
    finally:
        writer.close()


class _Reader:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = 0

    async def room(self, room: str) -> RoomLog:
        entered = await self.ask(native.Join(room=room), native.Room)
        log = RoomLog([])
        after = 0
        while True:
            page = await self.ask(native.History(room=room, after=after, limit=500), native.HistoryPage)
            log.messages += [(msg.seq, name_in(msg.nick, msg.text, msg.kind)) for msg in page.messages]
            log.gaps += page.gaps
            ends = [msg.seq for msg in page.messages[-1:]] + [last for _first, last in page.gaps]
            if not page.more:
                break
            if max(ends, default=0) <= after:
                raise ReadError(f"a page of {room} after {after} says that there is more, and does not go on")
            after = max(ends)
        if max(ends, default=after) < entered.seq:
            raise ReadError(f"{room} has {entered.seq} messages by its join, and its pages end before")
        return log

    async def ask(self, request: native.Request, kind: type[E]) -> E:
        self._ids += 1
        request = msgspec.structs.replace(request, id=self._ids)
        self._writer.write(native.encode(request))
        async with asyncio.timeout(LIMIT_S):
            while line := await self._reader.readline():
                event = native.decode_event(line)
                if getattr(event, "id", None) == self._ids:
                    if not isinstance(event, kind):
                        raise ReadError(f"{request} was answered with {event}")
                    return event
        raise ReadError(f"the connection was closed instead of an answer to {request}")


def stored(path: Path) -> dict[str, RoomLog]:
    """Return what the database file has of the rooms people can join. The server may be running."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        logs = {name: RoomLog([]) for (name,) in db.execute("SELECT name FROM rooms WHERE name LIKE '#%'")}
        rows = db.execute(
            "SELECT rooms.name, seq, nick, text, kind FROM messages JOIN rooms ON rooms.id = messages.room "
            "WHERE rooms.name LIKE '#%' ORDER BY rooms.id, seq"
        )
        for name, seq, nick, text, kind in rows:
            logs[name].messages.append((seq, name_in(nick, text, kind)))
        return logs
    finally:
        db.close()
