"""`moot tail` against a scripted server."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from client.net import ChatError
from client.session import Entered, Message
from client.tail import Sieve, Since, parse_since, run_tail, tail
from protocol.native import Left, Msg, encode
from tests.client.fake import FakeServer, fake_server


def filled(count: int) -> FakeServer:
    server = FakeServer()
    for n in range(1, count + 1):
        server.post("#tea", "bob", f"m{n}")
    return server


async def texts(server: FakeServer, since: Since) -> list[str]:
    """Return what a tail that does not follow prints."""
    found: list[str] = []
    await tail(f"127.0.0.1:{server.port}", "#tea", since, False, "ann", lambda msgs: found.extend(m.text for m in msgs))
    return found


@pytest.mark.parametrize(
    ("since", "first", "count"),
    [
        (Since(), 71, 50),
        (Since(seq=0), 1, 120),
        (Since(seq=100), 101, 20),
        (Since(seq=120), 121, 0),
        (Since(seq=999), 121, 0),
        (Since(time=1_700_000_000_009), 10, 111),
        (Since(time=1_800_000_000_000), 121, 0),
    ],
)
async def test_a_tail_begins_where_it_is_told(since: Since, first: int, count: int) -> None:
    server = filled(120)
    server.page = 7
    async with fake_server(server=server):
        assert await texts(server, since) == [f"m{n}" for n in range(first, first + count)]


async def test_following_across_cuts_has_no_hole_and_no_double() -> None:
    async with fake_server(server=filled(3)) as server:
        printed: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def write(messages: list[Msg]) -> None:
            for msg in messages:
                loop.call_soon_threadsafe(printed.put_nowait, msg.text)

        task = asyncio.create_task(tail(f"127.0.0.1:{server.port}", "#tea", Since(seq=0), True, "ann", write))
        assert [await printed.get() for _ in range(3)] == ["m1", "m2", "m3"]
        server.post("#tea", "bob", "m4")
        assert await printed.get() == "m4"
        server.cut()
        for n in range(5, 9):
            server.post("#tea", "bob", f"m{n}", live=False)
        assert [await printed.get() for _ in range(4)] == ["m5", "m6", "m7", "m8"]
        server.post("#tea", "bob", "m9")
        assert await printed.get() == "m9"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert printed.empty()


async def test_json_is_the_wire_format_and_text_is_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    async with fake_server(server=filled(1)) as server:
        host = f"127.0.0.1:{server.port}"

        async def run(as_json: bool) -> str:
            code = await asyncio.to_thread(run_tail, host, "#tea", json=as_json, since="all", follow=False, nick="ann")
            assert code == 0
            return capfd.readouterr().out

        assert json.loads(await run(True)) == {
            "ev": "msg",
            "room": "#tea",
            "seq": 1,
            "time": 1_700_000_000_000,
            "from": "bob",
            "text": "m1",
        }
        assert (await run(False)).endswith(" bob: m1\n")


@pytest.mark.parametrize("as_json", [True, False])
async def test_what_is_no_longer_kept_is_told_beside_the_messages(
    capfd: pytest.CaptureFixture[str], as_json: bool
) -> None:
    async with fake_server(server=filled(12)) as server:
        server.page, server.pruned = 3, 9

        async def run(since: str) -> tuple[int, str]:
            where = f"127.0.0.1:{server.port}"
            code = await asyncio.to_thread(run_tail, where, "#tea", json=as_json, since=since, follow=False, nick="ann")
            out, err = capfd.readouterr()
            assert code == 0
            return len(out.splitlines()), err

        shown, told = await run("all")
        assert shown == 3
        assert told == "".join(
            f"moot: #tea: messages {first} to {first + 2} are no longer kept\n" for first in (1, 4, 7)
        )
        assert await run("8") == (3, "moot: #tea: message 9 is no longer kept\n")
        assert await run("9") == (3, "")
        server.pruned = 12
        assert await run("10") == (0, "moot: #tea: messages 11 to 12 are no longer kept\n")


async def test_a_wrong_beginning_and_a_missing_server_say_so(capfd: pytest.CaptureFixture[str]) -> None:
    async with fake_server() as server:
        port = server.port
    assert run_tail_apart("127.0.0.1:1", "yesterday") == 2
    assert "moot: 'yesterday' is no place to begin" in capfd.readouterr().err
    assert await asyncio.to_thread(run_tail_apart, f"127.0.0.1:{port}", None) == 3
    assert "cannot connect" in capfd.readouterr().err


def run_tail_apart(host: str, since: str | None) -> int:
    return run_tail(host, "#tea", json=False, since=since, follow=False, nick=None)


def test_where_to_begin() -> None:
    assert parse_since(None) == Since()
    assert parse_since("ALL") == Since(seq=0)
    assert parse_since("17") == Since(seq=17)
    assert parse_since("2026-01-31T12:00Z") == Since(time=1_769_860_800_000)
    local = datetime(2026, 1, 31, 12, 0).astimezone(UTC).timestamp() * 1000
    assert parse_since("2026-01-31 12:00") == Since(time=int(local))


def test_the_sieve_drops_what_came_before_the_beginning_and_what_comes_twice() -> None:
    def msg(seq: int) -> Msg:
        return Msg(room="#tea", seq=seq, time=0, nick="bob", text=f"m{seq}")

    sieve = Sieve("#tea", 0, 1)
    assert sieve.sift(
        [Entered("#tea", [msg(3)]), Message(msg(1)), Message(msg(2)), Message(msg(3)), Message(msg(3))]
    ) == [
        msg(2),
        msg(3),
    ]
    assert sieve.sift([Entered("#cake", [msg(4)]), Entered("#tea", [msg(9)], reset=True), Message(msg(10))]) == [
        msg(9),
        msg(10),
    ]


@pytest.mark.parametrize("way", ["put out", "not let in again"])
async def test_following_ends_when_the_room_is_closed_to_us(way: str) -> None:
    async with fake_server(server=filled(1)) as server:
        shown = asyncio.Event()
        loop = asyncio.get_running_loop()

        def write(messages: list[Msg]) -> None:
            loop.call_soon_threadsafe(shown.set)

        task = asyncio.create_task(tail(f"127.0.0.1:{server.port}", "#tea", Since(seq=0), True, "ann", write))
        await shown.wait()
        if way == "put out":
            for writer in server.conns:
                writer.write(encode(Left(room="#tea", nick="ann")))
        else:
            server.closed.add("#tea")
            server.cut()
        with pytest.raises(ChatError, match="put us out of #tea" if way == "put out" else "No such room"):
            await task
