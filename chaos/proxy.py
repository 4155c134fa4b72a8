"""A proxy between clients and server that does to connections what bad networks do. Seeded; knows nothing of chat
but that lines end with a newline and that a client introduces itself with the first.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Final

from client.address import Address

FAULTS: Final = ("delay", "drip", "reset", "half-open", "duplicate")
MAX_DELAY_S: Final = 0.3
CHUNK: Final = 64 * 1024
DRIPPED: Final = 2048  # bytes of a connection's start, each direction, that go one by one
LIFE: Final = 500, 60_000  # bytes from the server before a reset, or before nothing more is forwarded
LIFE_S: Final = 30.0  # a half-open connection is given up after that
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds


class Proxy:
    """Listens on a port of its own and forwards to ``upstream()``. Each connection gets a fault, or none, by dice.

    A hello goes on to the server even when its client has given the connection up meanwhile, as on a real network.

    `counts` says how often each fault was inflicted. After `heal` new connections get none, and those that stand are
    forwarded faithfully, but for half-open ones, which are closed.
    """

    def __init__(
        self,
        upstream: Callable[[], Address],
        rng: random.Random,
        faults: tuple[str, ...] = FAULTS,
        *,
        spared: bool = True,  # some connections get no fault
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._upstream = upstream
        self._rng = rng
        self._faults = (*faults, "none") if spared else faults
        self._healed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def heal(self) -> None:
        self._healed.set()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = "none" if self._healed.is_set() else self._rng.choice(self._faults)
        upstream: list[asyncio.StreamWriter] = []
        try:
            first = await reader.read(1)
            if first == b"\x16":  # its faults are those of lines, so it has no TLS: the client comes again without
                writer.write(b"no TLS here\n")
                return
            first += await reader.readline()
            if fault == "duplicate":  # the same hello twice: the second may come long after the first
                other, twin = await self._connect(upstream)
                twin.write(first)
                await other.readline()
                self.counts[fault] += 1
            up_reader, up_writer = await self._connect(upstream)
            up_writer.write(first)
            forward = _Forward(fault, self._rng, self._healed, self.counts)
            ways = [
                asyncio.create_task(forward.up(reader, up_writer)),
                asyncio.create_task(forward.down(up_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            if forward.torn:
                for end in (writer, up_writer):
                    _reset(end)
        except (OSError, TimeoutError, ValueError):
            pass  # the server is away: the client sees an end
        finally:
            for end in (writer, *upstream):
                end.close()

    async def _connect(self, made: list[asyncio.StreamWriter]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._upstream()
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(address.host, address.port)
        made.append(writer)
        return reader, writer


class _Forward:
    """The two directions of one connection under one fault."""

    def __init__(self, fault: str, rng: random.Random, healed: asyncio.Event, counts: Counter[str]) -> None:
        self.torn = False
        self._fault = fault
        self._rng = rng
        self._healed = healed
        self._counts = counts
        self._left = rng.randint(*LIFE)  # bytes from the server until the reset or the silence
        if fault in ("delay", "drip"):
            counts[fault] += 1

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if self._silent:
                continue
            await self._write(writer, data)

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            if self._fault in ("reset", "half-open") and not self._healed.is_set():
                self._left -= len(data)
                if self._left < 0:
                    await self._break(data, writer)
                    return
            await self._write(writer, data)

    @property
    def _silent(self) -> bool:
        return self._fault == "half-open" and self._left < 0

    async def _break(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """Cut in the middle of a line, by a reset or by silence."""
        self._counts[self._fault] += 1
        writer.write(data[: self._rng.randrange(len(data))].rstrip(b"\n"))
        with contextlib.suppress(OSError):
            await writer.drain()
        if self._fault == "reset":
            self.torn = True
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIFE_S):
                await self._healed.wait()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._fault == "delay" and not self._healed.is_set():
            await asyncio.sleep(self._rng.uniform(0, MAX_DELAY_S))
        if self._fault == "drip" and not self._healed.is_set():
            for at in range(min(DRIPPED, len(data))):
                writer.write(data[at : at + 1])
                await asyncio.sleep(0)  # a write and a segment of its own
                if writer.is_closing():
                    return
            data = data[DRIPPED:]
        writer.write(data)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of an end."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    writer.transport.abort()
