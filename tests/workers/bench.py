"""A worker on the test's own event loop, with real connections; the test plays supervisor, broker and clients."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable

import msgspec

from protocol import native
from protocol.control import ControlSocket
from protocol.ipc import Answered, Do, Down, Entered, Link, Up
from protocol.pipes import PipeReader, PipeWriter
from protocol.settings import DEFAULTS
from workers.process import Worker

_ups = msgspec.msgpack.Decoder(list[Up])


async def become(state: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(10):
        while not state():  # noqa: ASYNC110
            await asyncio.sleep(0)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, *requests: native.Request) -> None:
        self.writer.write(b"".join(map(native.encode, requests)))

    def reset(self) -> None:
        """Be gone at once; a close would wait for the answers to what was asked."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def next(self) -> native.Event:
        return native.decode_event(await asyncio.wait_for(self.reader.readline(), 10))


class Bench:
    """A worker, its supervisor's end and the ends of a broker."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.supervisor, self.control = ControlSocket(ours), ControlSocket(theirs)
        self.worker = Worker(asyncio.get_running_loop(), self.control, DEFAULTS, 1)
        self.ends: list[PipeReader | PipeWriter] = []
        self.clients: list[Client] = []
        self.up: list[Up] = []
        self.port = 0

    async def start(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        await self.worker.listen([sock])
        self.new_broker()

    def new_broker(self) -> None:
        to_broker, from_worker = os.pipe()
        from_broker, to_worker = os.pipe()
        self.reader, self.writer = PipeReader(to_broker), PipeWriter(to_worker)
        self.ends += [self.reader, self.writer]
        self.supervisor.send(Link("broker", 2), (from_broker, from_worker))
        os.close(from_broker)
        os.close(from_worker)
        self.worker.obey()

    async def client(self) -> Client:
        made = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(made)
        return made

    async def heard(self, count: int) -> list[Up]:
        """Wait until the worker sent ``count`` commands up; return and forget them."""
        async with asyncio.timeout(10):
            while len(self.up) < count:
                for frame in self.reader.read():
                    self.up += _ups.decode(frame)
                await asyncio.sleep(0)
        found, self.up = self.up[:count], self.up[count:]
        return found

    def tell(self, *events: Down) -> None:
        self.writer.put(msgspec.msgpack.encode(events))

    async def introduced(self, nick: str) -> tuple[Client, int]:
        client = await self.client()
        client.write(native.Hello(nick=nick, token="0123456789abcdef" + nick), native.Join(room="#tea"))
        hello, join = await self.heard(2)
        assert isinstance(hello, Do)
        assert isinstance(join, Do)
        welcome = native.Welcome(nick=nick, server="moot", version="0", epoch="e")
        room = native.Room(room="#tea", seq=4)
        self.tell(
            Answered(hello.conn, hello.rid, welcome), Entered(join.conn, "#tea"), Answered(join.conn, join.rid, room)
        )
        assert isinstance(await client.next(), native.Welcome)
        assert isinstance(await client.next(), native.Room)
        return client, hello.conn

    async def stop(self) -> None:
        for client in self.clients:
            client.reset()
        await become(lambda: not self.worker.conns)
        for server in self.worker._servers:
            server.close()
        if self.worker.attachment.link is not None:
            self.worker.attachment.link.close()
        if self.worker._tick is not None:
            self.worker._tick.cancel()
        for end in self.ends:
            end.close()
        self.supervisor.close()
        self.control.close()
