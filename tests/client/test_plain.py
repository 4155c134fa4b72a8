"""`moot join --plain` as a program of its own: as a filter on pipes, and in a terminal."""

import asyncio
import os
import re
import sys

import pexpect
import pytest

from tests.client.fake import FakeServer, fake_server

PROGRAM = "import sys; from client.plain import run_plain; sys.exit(run_plain(sys.argv[1], 'ann', ['#tea']))"


async def filtered(server: FakeServer, text: str) -> tuple[int | None, str, str]:
    """Run the client on pipes with ``text`` as its input; return exit status, output and errors."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", PROGRAM, f"127.0.0.1:{server.port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "1", "TZ": "UTC"},
    )
    out, err = await program.communicate(text.encode())
    return program.returncode, out.decode(), err.decode()


async def test_as_a_filter_lines_go_in_and_lines_come_out() -> None:
    server = FakeServer()
    server.post("#tea", "bob", "old \x1b[31mred")
    async with fake_server(server=server):
        code, out, err = await filtered(server, "hi\n/me waves\n/who\n/nosuch\nbye")
        assert [m.text for m in server.logs["#tea"]][1:] == ["hi", "waves", "bye"]
    assert (code, err) == (0, "")
    assert "22:13 bob: old [31mred\n22:13" not in out
    assert out.startswith("You are ann on fake. /help lists the commands.\nYou are in #tea. 1 person: ann\n")
    assert "22:13 bob: old [31mred\n" in out
    assert "22:13 ann: hi\n" in out
    assert "1 person: ann\n" in out
    assert "There is no command /nosuch." in out
    assert "\x1b" not in out


async def test_as_a_filter_a_refused_line_shows_in_the_exit_status() -> None:
    async with fake_server() as server:
        code, out, _ = await filtered(server, "forbidden\n")
    assert code == 1
    assert "Not said: At most 4,000 characters.\n    forbidden\n" in out


async def test_a_taken_nick_is_said_with_a_free_one() -> None:
    async with fake_server() as server:
        server.taken.add("ann")
        code, out, err = await filtered(server, "hi\n")
    assert (code, out, err) == (3, "", "moot: ann is taken; ann2 is free.\n")


async def test_the_filter_does_not_load_prompt_toolkit() -> None:
    program = "import sys, client.plain; sys.exit('prompt_toolkit' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0


def visible(raw: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
async def test_in_a_terminal_what_comes_in_leaves_the_typed_line_alone() -> None:
    async with fake_server() as server:
        terminal = pexpect.spawn(
            sys.executable,
            ["-c", PROGRAM, f"127.0.0.1:{server.port}"],
            encoding="utf-8",
            dimensions=(24, 80),
            env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        )
        try:
            await asyncio.to_thread(terminal.expect, "You are in #tea", 10)
            await asyncio.to_thread(terminal.expect, "#tea>", 10)
            terminal.send("half a li")
            await asyncio.to_thread(terminal.expect, "half a li", 10)
            for n in range(20):
                server.post("#tea", "bob", f"noise {n}")
            await asyncio.to_thread(terminal.expect, "noise 19", 10)
            await asyncio.to_thread(terminal.expect, "half a li", 10)  # drawn again below
            terminal.send("ne\r")
            await server.until("Send")
            assert [m.text for m in server.logs["#tea"]][-1] == "half a line"
            terminal.send("gone")
            await asyncio.to_thread(terminal.expect, "gone", 10)
            terminal.send("\x03")  # Ctrl+C empties the line first
            terminal.send("/who\r")
            await asyncio.to_thread(terminal.expect, "1 person: ann", 10)
            terminal.send("/quit\r")
            await asyncio.to_thread(terminal.expect, pexpect.EOF, 10)
            assert "Traceback" not in visible(terminal.before or "")
            await asyncio.to_thread(terminal.wait)
            assert terminal.exitstatus == 0
        finally:
            terminal.close(force=True)
