"""`moot send` against a scripted server."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable

import pytest

from client.address import Address
from client.console import cut_lines, input_lines
from client.journal import Desk, open_journal
from client.net import ChatError
from client.send import Tally, run_send, send
from protocol import native
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


def kept(server: FakeServer, nick: str, *texts: str, room: str = "#tea") -> None:
    """Leave lines as a sender does that is killed."""
    desk = Desk("send", Address("127.0.0.1", server.port), nick, room)
    journal = open_journal(desk)
    journal.record([native.Send(cmid=f"{nick}-{text}", to=room, text=text) for text in texts], [], {})
    journal.close()


async def test_what_earlier_runs_left_is_said_first_as_who_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    async with fake_server() as server:
        kept(server, "bob", "two", "three")
        kept(server, "ann", "four", "forbidden")
        kept(server, "ann", "elsewhere", room="#milk")
        server.post("#tea", "bob", "two")
        server.done["bob-two"] = native.Ok(room="#tea", seq=1, time=0)  # its answer was lost
        tally = await say(server, ["five"])
        assert [(m.nick, m.text) for m in server.logs["#tea"]] == [
            ("bob", "two"),
            ("bob", "three"),
            ("ann", "four"),
            ("ann", "five"),
        ]
        assert (tally.read, tally.kept, tally.taken, tally.refused, tally.left) == (1, 4, 4, 1, 0)
        assert capsys.readouterr().err == (
            "moot: 4 lines of an earlier run not acknowledged then; saying them first\n"
            "moot: 'forbidden' of an earlier run: At most 4,000 characters.\n"
        )
        await say(server, ["six"])
        assert [m.text for m in server.logs["#tea"]][4:] == ["six"]
        assert "#milk" not in server.logs
        assert capsys.readouterr().err == ""


async def test_lines_without_an_answer_are_counted_and_kept() -> None:
    async with fake_server() as server:
        tally = Tally()

        async def lines() -> AsyncIterator[list[str]]:
            yield ["one"]
            await server.until("Send")
            server.mute = True
            yield ["two", "three"]
            await server.until("Send", 3)
            for writer in server.conns:
                writer.write(native.encode(native.Error(code="replaced", text="You are elsewhere.")))
            await asyncio.Event().wait()

        with pytest.raises(ChatError, match="elsewhere"):
            await send(f"127.0.0.1:{server.port}", "#tea", "ann", lines(), tally)
        assert tally.leftover() == "2 lines not acknowledged; kept for the next `moot send` to this room"
        server.mute = False
        assert (await say(server, [])).kept == 2
        assert [m.text for m in server.logs["#tea"]] == ["one", "two", "three"]


async def test_a_server_that_cannot_store_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("client.send.STORAGE_S", 0.05)
    async with fake_server() as server:
        server.floods, server.refusal = 12, "storage"
        assert (await say(server, ["one", "two"])).taken == 2
        assert [m.text for m in server.logs["#tea"]] == ["one", "two"]
    assert capsys.readouterr().err == (
        "moot: the server cannot store messages at the moment; trying again\nmoot: the server stores messages again\n"
    )


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


def test_what_is_told_has_a_line_of_its_own_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(read=12, taken=3, progress=True)
    tally.show()
    tally.tell("line 7: No.\x1b[2J")
    tally.show(end="\n")
    progress = "3 of 12 lines taken"
    assert capsys.readouterr().err == f"\r{progress}\r{' ' * len(progress)}\rmoot: line 7: No.[2J\n\r{progress}\n"
