"""The fault proxy: each fault, seen from both ends."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from chaos.proxy import LIFE, Proxy
from client.address import Address

LIMIT_S = 20.0


class Echo:
    """Answers each connection's first line with `hello <line>`, then says the same line for ever when asked to."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.flood = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(b"hello " + line)
                while self.flood:
                    writer.write(b"0123456789\n")
                    await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def between(*faults: str) -> AsyncIterator[tuple[Echo, Proxy]]:
    """An echo server and a proxy in front of it that inflicts one of ``faults``."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = Proxy(lambda: Address("127.0.0.1", port), random.Random(1), faults, spared=False)
    await proxy.start()
    try:
        async with asyncio.timeout(LIMIT_S):
            yield echo, proxy
    finally:
        echo.flood = False
        await proxy.close()
        server.close()


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize("fault", ["delay", "drip"])
async def test_a_slow_connection_changes_no_byte(fault: str) -> None:
    async with between(fault) as (_echo, proxy), connected(proxy) as (reader, writer):
        for word in (b"one\n", b"two\n", b"x" * 5000 + b"\n"):
            writer.write(word)
            assert await reader.readline() == b"hello " + word
        assert proxy.counts == {fault: 1}


async def test_a_reset_comes_in_mid_line() -> None:
    async with between("reset") as (echo, proxy), connected(proxy) as (reader, writer):
        echo.flood = True
        writer.write(b"go\n")
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := await reader.read(1 << 16):
                got += chunk
        assert not got.endswith(b"\n")
        assert proxy.counts == {"reset": 1}


async def test_a_half_open_connection_is_silent_but_not_closed() -> None:
    async with between("half-open") as (echo, proxy), connected(proxy) as (reader, writer):
        echo.flood = True
        writer.write(b"go\n")
        got = b""
        while not proxy.counts["half-open"]:
            got += await reader.read(1 << 16)
        echo.flood = False
        assert len(got) <= LIFE[1]
        assert not reader.at_eof()
        proxy.heal()
        while await reader.read(1 << 16):
            pass  # what was under way, and then the end


async def test_a_duplicate_connection_introduces_itself_twice_and_is_heard_once() -> None:
    async with between("duplicate") as (echo, proxy), connected(proxy) as (reader, writer):
        writer.write(b"ann\n")
        assert await reader.readline() == b"hello ann\n"
        assert echo.heard == [b"ann\n", b"ann\n"]
        writer.write(b"more\n")
        assert await reader.readline() == b"hello more\n"
        assert echo.heard[2:] == [b"more\n"]


async def test_a_hello_reaches_the_server_though_its_client_has_gone() -> None:
    async with between("duplicate") as (echo, proxy), connected(proxy) as (_reader, writer):
        writer.write(b"ann\n")
        writer.close()
        await writer.wait_closed()
        while len(echo.heard) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert echo.heard == [b"ann\n", b"ann\n"]


async def test_a_healed_proxy_does_no_more_harm() -> None:
    async with between("reset") as (_echo, proxy):
        proxy.heal()
        async with connected(proxy) as (reader, writer):
            for _ in range(LIFE[1] // 500):
                writer.write(b"y" * 1000 + b"\n")
                assert await reader.readline() == b"hello " + b"y" * 1000 + b"\n"
        assert not proxy.counts
