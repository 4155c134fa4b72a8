"""`moot send` against a scripted server."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable

import pytest

from client.console import cut_lines, input_lines
from client.net import ChatError
from client.send import Tally, run_send, send
from tests.client.fake import FakeServer, fake_server


async def given(lines: Iterable[str]) -> AsyncIterator[list[str]]:
    yield list(lines)


async def say(server: FakeServer, lines: Iterable[str]) -> Tally:
    tally = Tally()
    await send(f"127.0.0.1:{server.port}", "#tea", "ann", given(lines), tally)
    return tally


async def test_every_line_is_said_in_order_and_counted() -> None:
    async with fake_server() as server:
        assert await say(server, [f"line {n}" for n in range(200)]) == Tally(200, 200, 0)
        assert [m.text for m in server.logs["#tea"]] == [f"line {n}" for n in range(200)]


async def test_blank_lines_are_skipped_and_slashes_said() -> None:
    async with fake_server() as server:
        assert await say(server, ["", "/etc/hosts", "  "]) == Tally(1, 1, 0)
        assert [m.text for m in server.logs["#tea"]] == ["/etc/hosts"]


async def test_a_refused_line_is_named_and_the_others_said(capsys: pytest.CaptureFixture[str]) -> None:
    async with fake_server() as server:
        assert await say(server, ["one", "forbidden", "two"]) == Tally(3, 2, 1)
        assert [m.text for m in server.logs["#tea"]] == ["one", "two"]
    assert capsys.readouterr().err == "moot: line 2: At most 4,000 characters.\n"


async def test_lost_acknowledgements_and_flood_waits_lose_nothing() -> None:
    async with fake_server() as server:
        server.lose_acks = 1
        assert await say(server, ["one", "two", "three"]) == Tally(3, 3, 0)
        assert [m.text for m in server.logs["#tea"]] == ["one", "two", "three"]
        server.floods = 3
        assert await say(server, ["four", "five", "six"]) == Tally(3, 3, 0)
        assert [m.text for m in server.logs["#tea"]][3:] == ["four", "five", "six"]


async def test_a_taken_nick_is_replaced() -> None:
    async with fake_server() as server:
        server.taken.add("ann")
        await say(server, ["hi"])
        assert server.logs["#tea"][0].nick == "ann2"


async def test_a_refused_room_is_an_error() -> None:
    async with fake_server() as server:
        with pytest.raises(ChatError, match="No such room") as caught:
            await send(f"127.0.0.1:{server.port}", "#forbidden", "ann", given(["hi"]), Tally())
        assert caught.value.code == "bad-room"


async def test_exit_statuses(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    async def run(host: str, text: bytes) -> int:
        reading, writing = os.pipe()
        os.write(writing, text)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            return await asyncio.to_thread(run_send, host, "#tea", "ann")

    async with fake_server() as server:
        assert await run(f"127.0.0.1:{server.port}", b"hi\r\nthere") == 0
        assert [m.text for m in server.logs["#tea"]] == ["hi", "there"]
        assert await run(f"127.0.0.1:{server.port}", b"forbidden\n") == 1
        assert await run("127.0.0.1:x", b"hi\n") == 2
        port = server.port
    assert await run(f"127.0.0.1:{port}", b"hi\n") == 3
    err = capfd.readouterr().err
    assert f"moot: cannot connect to 127.0.0.1:{port}" in err
    assert "Traceback" not in err


def test_lines_are_cut_from_chunks_and_never_grow_without_end() -> None:
    assert cut_lines(b"a", b"b\r\nc\nd") == ([b"ab", b"c"], b"d")
    assert cut_lines(b"", b"x" * 65537) == ([b"x" * 65536], b"x")


async def test_input_lines_ends_with_the_input() -> None:
    reading, writing = os.pipe()
    os.write(writing, "grüße\nohne Ende".encode())
    os.close(writing)
    assert [line async for line in input_lines(reading)] == ["grüße", "ohne Ende"]
    os.close(reading)
