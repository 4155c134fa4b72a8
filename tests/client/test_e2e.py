"""The client library and the tools for pipes against the real server."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import ChatError, connect
from protocol import native
from tests.server import Server, serving


@pytest.fixture
def free(tmp_path: Path) -> Iterator[Server]:
    """A real server without flood limits."""
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as running:
        yield running


async def run(*args: str, stdin: str = "") -> tuple[int | None, str, str]:
    """Run moot with ``args``; return exit status, output and errors."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "moot", *args),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    out, err = await program.communicate(stdin.encode())
    return program.returncode, out.decode(), err.decode()


async def test_what_send_says_tail_prints(free: Server) -> None:
    host = f"127.0.0.1:{free.port}"
    lines = [f"line {n}" for n in range(1, 1201)]
    assert await run("send", host, "#tea", "--nick", "ann", stdin="\n".join(lines)) == (0, "", "")
    code, out, err = await run("tail", host, "#tea", "--since", "all", "--no-follow", "--json")
    assert (code, err) == (0, "")
    told = [native.decode_event(line.encode()) for line in out.splitlines()]
    assert [msg.text for msg in told if isinstance(msg, native.Msg)] == lines
    assert [msg.seq for msg in told if isinstance(msg, native.Msg)] == list(range(1, 1201))
    code, out, _ = await run("tail", host, "tea", "--since", "1198", "--no-follow")
    assert [line.split("ann: ")[1] for line in out.splitlines()] == ["line 1199", "line 1200"]


async def test_the_plain_client_is_a_filter(free: Server) -> None:
    text = "hi\n/cowsay moo\n:thumbs_up:\n/online\n"
    code, out, err = await run(
        "join", f"127.0.0.1:{free.port}", "--plain", "--nick", "zoe", "--room", "#tea", stdin=text
    )
    assert (code, err) == (0, "")
    assert "zoe: hi\n" in out
    assert "< moo >" in out
    assert "zoe: 👍\n" in out
    assert "1 person: zoe\n" in out


async def test_nothing_is_lost_or_doubled_when_processes_die(free: Server) -> None:
    async with (
        connect("127.0.0.1", free.port, nick="ann", rooms=["#tea"]) as ann,
        connect("127.0.0.1", free.port, nick="bob", rooms=["#tea"]) as bob,
    ):
        stream = bob.messages()
        sending = [asyncio.create_task(ann.send("#tea", f"m{n}")) for n in range(300)]
        await sending[50]
        free.kill("broker")
        await sending[150]
        free.kill("worker")
        sent = await asyncio.gather(*sending)
        heard = [await anext(stream) for _ in range(300)]
        assert [msg.text for msg in heard] == [f"m{n}" for n in range(300)]
        assert [msg.seq for msg in heard] == [one.seq for one in sent] == list(range(1, 301))


async def test_a_direct_message_reaches_one_person(server: Server) -> None:
    async with (
        connect("127.0.0.1", server.port, nick="ann", rooms=["#tea"]) as ann,
        connect("127.0.0.1", server.port, nick="bob", rooms=["#tea"]) as bob,
    ):
        sent = await ann.send("@bob", "psst")
        assert (sent.room, sent.seq) == ("@", 1)
        heard = await anext(bob.messages())
        assert (heard.room, heard.nick, heard.to, heard.text) == ("@", "ann", "bob", "psst")
        with pytest.raises(ChatError) as caught:
            await ann.send("@nobody", "psst")
        assert caught.value.code == "no-such-nick"


async def test_a_reader_that_goes_away_ends_tail_quietly(free: Server) -> None:
    host = f"127.0.0.1:{free.port}"
    async with connect("127.0.0.1", free.port, nick="ann", rooms=["#tea"]) as ann:
        await ann.send("#tea", "first")
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "moot", "tail", host, "#tea", "--since", "all"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert program.stdout is not None
        assert program.stderr is not None
        assert (await program.stdout.readline()).endswith(b"ann: first\n")
        program.stdout._transport.close()  # type: ignore[attr-defined]
        while program.returncode is None:
            await ann.send("#tea", "more")
        assert await program.stderr.read() == b""
        assert program.returncode == 0
