"""A scripted server for client tests: it speaks the wire format over a real socket and keeps one log in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from protocol import accounts, native


class FakeServer:
    """Everybody is in every room they join. Messages are numbered per room, retries are recognized by cmid."""

    def __init__(self) -> None:
        self.port = 0
        self.epoch = "e1"
        self.logs: dict[str, list[native.Msg]] = {}
        self.done: dict[str, native.Ok] = {}
        self.seen: list[native.Request] = []
        self.taken: set[str] = set()
        self.newest = 0  # attempt of a connection with the same token that is here
        self.lose_acks = 0  # close the connection instead of acknowledging, so many times
        self.floods = 0  # refuse so many sends with a wait
        self.refusal = "flood"  # and with this code
        self.pruned = 0  # newest seq of every room that is no longer kept
        self.closed = {"#forbidden"}  # rooms that nobody may enter
        self.mute = False  # answer nothing
        self.page = 500
        self.conns: dict[asyncio.StreamWriter, tuple[str, set[str]]] = {}
        self.connections = 0
        self._news = asyncio.Event()

    async def until(self, what: type[native.Request] | str, count: int = 1) -> None:
        """Wait until ``count`` requests of this kind have come."""
        while sum(type(r).__name__ == what or type(r) is what for r in self.seen) < count:
            self._news.clear()
            await self._news.wait()

    def post(self, room: str, nick: str, text: str, *, kind: native.Kind = "text", live: bool = True) -> native.Msg:
        """Put a message into a room's log and, if ``live``, before everyone in it."""
        log = self.logs.setdefault(room, [])
        msg = native.Msg(
            room=room, seq=len(log) + 1, time=1_700_000_000_000 + len(log), nick=nick, text=text, kind=kind
        )
        log.append(msg)
        if live:
            for writer, (_, rooms) in self.conns.items():
                if room in rooms:
                    writer.write(native.encode(msg))
        return msg

    def cut(self) -> None:
        """Close every connection."""
        for writer in self.conns:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        if first == b"\x16":  # it has no TLS, and says so in text
            writer.write(b"what?\n")
            writer.close()
            return
        self.connections += 1
        try:
            while line := first + await reader.readline():
                first = b""
                request = native.decode_request(line)
                self.seen.append(request)
                self._news.set()
                if self.mute:
                    continue
                for event in self.answer(writer, request):
                    writer.write(native.encode(event))
                if isinstance(request, native.Quit):
                    break
        except ConnectionError:
            pass
        finally:
            self.conns.pop(writer, None)
            writer.close()

    def answer(self, writer: asyncio.StreamWriter, request: native.Request) -> list[native.Event]:
        match request:
            case native.Hello():
                if request.nick in self.taken:
                    free = request.nick + "2"
                    text = f"{request.nick} is taken; {free} is free."
                    return [native.Error(id=request.id, code="nick-taken", text=text, free=free)]
                if self.newest and (request.attempt or 0) <= self.newest:
                    text = "A newer connection is here."
                    return [native.Error(id=request.id, code="replaced", text=text, attempt=self.newest)]
                self.conns[writer] = (request.nick, set())
                fun = [native.FunCommand("roll", "/roll NdM", "Throws dice.")]
                welcome = native.Welcome(
                    id=request.id, nick=request.nick, server="fake", version="1", epoch=self.epoch, fun=fun
                )
                return [welcome]
            case native.Join():
                return self.join(writer, request)
            case native.History():
                return self.history(request)
            case native.Send() | native.Fun():
                return self.send(writer, request)
            case accounts.Sasl():
                return [native.Error(id=request.id, code="login-failed", text="the password is wrong", wait=1.0)]
            case accounts.Key(add="refused"):
                return [native.Error(id=request.id, code="no-such-entry", text="no such key")]
            case accounts.Key():
                return [accounts.AccountInfo(id=request.id, account="ann", since=1)]
            case native.Ping():
                return [native.Pong(id=request.id, time=5)]
            case native.Quit():
                return [native.Bye(id=request.id, reason=request.reason)]
            case native.Leave():
                self.conns[writer][1].discard(request.room)
                return [native.Ok(id=request.id, room=request.room)]
            case native.Who():
                people = [native.Person(nick) for nick, _ in self.conns.values()]
                return [native.People(id=request.id, people=people, count=len(people))]
            case _:
                return [native.Error(id=request.id, code="bad-request", text="The fake does not know that.")]

    def join(self, writer: asyncio.StreamWriter, request: native.Join) -> list[native.Event]:
        if request.room in self.closed:
            return [native.Error(id=request.id, code="bad-room", text="No such room.")]
        nick, rooms = self.conns[writer]
        rooms.add(request.room)
        log = self.logs.setdefault(request.room, [])
        honoured = request.after is not None and request.epoch == self.epoch and request.after <= len(log)
        start = (request.after or 0) if honoured else max(len(log) - 50, 0)
        messages = log[start:][: self.page] if honoured else log[start:]
        room = native.Room(
            id=request.id,
            room=request.room,
            seq=len(log),
            people=[native.Person(nick)],
            count=1,
            messages=[msg for msg in messages if msg.seq > self.pruned],
            more=start + len(messages) < len(log) if honoured else start > 0,
            reset=request.after is not None and not honoured,
        )
        return [room]

    def history(self, request: native.History) -> list[native.Event]:
        log = self.logs.get(request.room, [])
        limit = min(request.limit, self.page)
        if request.since is not None:
            found = [msg for msg in log if msg.time >= request.since]
        elif request.before is not None:
            found = log[: request.before - 1]
            return [
                native.HistoryPage(id=request.id, room=request.room, messages=found[-limit:], more=len(found) > limit)
            ]
        elif request.after is None:
            return [native.HistoryPage(id=request.id, room=request.room, messages=log[-limit:], more=len(log) > limit)]
        else:
            page = log[request.after :][:limit]
            last = request.after + len(page)
            gaps = [(request.after + 1, min(self.pruned, last))] if request.after < self.pruned else []
            kept = [msg for msg in page if msg.seq > self.pruned]
            more = last < len(log)
            return [native.HistoryPage(id=request.id, room=request.room, messages=kept, gaps=gaps, more=more)]
        return [native.HistoryPage(id=request.id, room=request.room, messages=found[:limit], more=len(found) > limit)]

    def send(self, writer: asyncio.StreamWriter, request: native.Send | native.Fun) -> list[native.Event]:
        nick, rooms = self.conns[writer]
        if request.to not in rooms:
            return [native.Error(id=request.id, code="not-in-room", text=f"You are not in {request.to}.")]
        if self.floods:
            self.floods -= 1
            return [native.Error(id=request.id, code=self.refusal, text="Slow down.", wait=0.01)]
        ok = self.done.get(request.cmid)
        if ok is None:
            text = request.text if isinstance(request, native.Send) else f"drew {request.line}"
            if text == "forbidden":
                return [native.Error(id=request.id, code="too-long", text="At most 4,000 characters.")]
            msg = self.post(request.to, nick, text, live=False)
            ok = self.done[request.cmid] = native.Ok(room=msg.room, seq=msg.seq, time=msg.time)
            if self.lose_acks:
                self.lose_acks -= 1
                writer.close()
                return []
            for other, (_, theirs) in self.conns.items():
                if other is not writer and msg.room in theirs:
                    other.write(native.encode(msg))
            return [native.Ok(id=request.id, room=ok.room, seq=ok.seq, time=ok.time), msg]
        return [native.Ok(id=request.id, room=ok.room, seq=ok.seq, time=ok.time)]


@asynccontextmanager
async def fake_server(port: int = 0, server: FakeServer | None = None) -> AsyncIterator[FakeServer]:
    """Run a `FakeServer` on a loopback port while the block runs."""
    fake = server or FakeServer()
    listener = await asyncio.start_server(fake.serve, "127.0.0.1", port)
    fake.port = listener.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        listener.close()
        fake.cut()
        await listener.wait_closed()
