"""`moot send` and `moot tail` in scripts, and the example bots: over real pipes, on a real server."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from protocol import native
from tests.server import LIMIT_S, Peer, Server, serving, until
from tests.tmux import MOOT, environment

MakePeer = Callable[..., Peer]
ROOT = Path(__file__).parents[2]


class Pipe:
    """A program on pipes. What it writes is kept in files, so that it never waits for its reader."""

    def __init__(
        self, command: list[str], place: Path, stdin: int | IO[bytes] = subprocess.PIPE, home: Path | None = None
    ) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._out, self._err = place / "out", place / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            env = environment(home or place / "home")
            self.process = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err, env=env)

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self, limit_s: float = 60.0) -> int:
        """Close its input and return its exit status."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        return self.process.wait(limit_s)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


Run = Callable[..., Pipe]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start programs: ``run("send", where, "#tea")`` for moot's own, ``run("echo_bot.py", …)`` for the examples."""
    made: list[Pipe] = []

    def one(name: str, *words: str, home: Path | None = None) -> Pipe:
        program = [sys.executable, str(ROOT / "examples" / name)] if name.endswith(".py") else [*MOOT, name]
        made.append(Pipe([*program, *words], tmp_path / f"pipe{len(made)}", home=home))
        return made[-1]

    yield one
    for pipe in made:
        pipe.kill()


def where(server: Server) -> str:
    return f"127.0.0.1:{server.port}"


def log(server: Server, room: str) -> list[tuple[int, str]]:
    """Return all messages of a room: seq and text."""
    reader = Peer(server.port)
    try:
        reader.enter(f"reader{os.urandom(3).hex()}", room)
        found: list[native.Msg] = []
        while True:
            after = found[-1].seq if found else 0
            page = reader.ask(native.History(room=room, after=after, limit=500), native.HistoryPage)
            found += page.messages
            if not page.more:
                return [(msg.seq, msg.text) for msg in found]
    finally:
        reader.close()


def said(texts: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(texts, 1))


# --- send


def test_a_thousand_lines_are_all_said_in_order(tmp_path: Path, run: Run) -> None:
    lines = [f"line {number}" for number in range(1, 1001)]
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        sender = run("send", where(server), "#tea")
        sender.write("\n".join(lines) + "\n")
        assert (sender.end(), sender.out, sender.err) == (0, "", "")
        assert log(server, "#tea") == said(lines)


def test_with_flood_limits_every_line_is_said_all_the_same(server: Server, run: Run) -> None:
    lines = [f"line {number}" for number in range(1, 31)]
    sender = run("send", where(server), "#tea")
    sender.write("\n".join(lines) + "\n")
    assert (sender.end(), sender.err) == (0, "")
    assert log(server, "#tea") == said(lines)


def test_a_server_killed_midway_gets_every_line_once(tmp_path: Path, run: Run) -> None:
    lines = [f"line {number}" for number in range(1, 1001)]
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        sender = run("send", where(server), "#tea")
        sender.write("\n".join(lines[:300]) + "\n")
        until(lambda: len(log(server, "#tea")) > 20, "some lines to be said")
        sender.write("\n".join(lines[300:600]) + "\n")
        server.crash()
        sender.write("\n".join(lines[600:]) + "\n")
        until(lambda: "trying again" in sender.err, "the sender to notice")
        server.start()
        assert sender.end() == 0
        assert log(server, "#tea") == said(lines)
        assert "Traceback" not in sender.err


def test_senders_killed_midway_say_every_line_once_and_in_order(tmp_path: Path, run: Run) -> None:
    lines = [f"line {number}" for number in range(1, 2001)]
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        ear = Peer(server.port)
        ear.enter("ear", "#tea")
        at = unsaid = 0
        for size in (250, 300, 350, 300, 250):
            sender = run("send", where(server), "#tea", home=tmp_path / "home")
            sender.write("".join(f"{line}\n" for line in lines[at : at + size]))  # under 4 KiB: one read takes all
            while ear.next(native.Msg).text != lines[at]:
                pass
            sender.kill()
            at += size
            unsaid += len(log(server, "#tea")) < at
        assert unsaid >= 1  # or it was no test
        last = run("send", where(server), "#tea", home=tmp_path / "home")
        last.write("".join(f"{line}\n" for line in lines[at:]))
        assert last.end() == 0
        assert log(server, "#tea") == said(lines)
        assert "Traceback" not in last.err
        ear.close()


def test_lines_that_a_stopped_server_did_not_take_are_kept_over_ctrl_c_and_kill(
    server: Server, run: Run, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    first = run("send", where(server), "#tea", "--nick", "ann", home=home)
    first.write("one\n")
    until(lambda: log(server, "#tea"), "the first line")
    with server.stopped():
        first.write("two\nthree\n")
        journal = home / ".local/state/moot/outbox"
        until(lambda: any(b"three" in path.read_bytes() for path in journal.rglob("send-*-wal")), "the lines on disk")
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(LIMIT_S) == 130
        assert first.err == "moot: 2 lines not acknowledged; kept for the next `moot send` to this room\n"
    second = run("send", where(server), "tea", "--nick", "bob", home=home)
    second.write("four\n")
    assert second.end() == 0
    assert second.err == "moot: 2 lines of an earlier run not acknowledged then; saying them first\n"
    assert log(server, "#tea") == said(["one", "two", "three", "four"])


def test_without_a_place_for_the_outbox_a_sender_warns_and_works(server: Server, run: Run, tmp_path: Path) -> None:
    (tmp_path / "home/.local").mkdir(parents=True)
    (tmp_path / "home/.local/state").write_text("no directory")
    sender = run("send", where(server), "#tea", home=tmp_path / "home")
    sender.write("one\n")
    assert sender.end() == 0
    assert re.fullmatch(r"moot: what you say cannot be kept on disk \(.+\); should this .+ is lost\n", sender.err)
    assert log(server, "#tea") == [(1, "one")]


def test_a_refused_line_is_named_and_shows_in_the_exit_status(server: Server, run: Run) -> None:
    sender = run("send", where(server), "tea")
    sender.write("one\n" + "x" * 4001 + "\ntwo\n")
    assert sender.end() == 1
    assert "line 2: " in sender.err
    assert log(server, "#tea") == [(1, "one"), (2, "two")]


def test_a_server_that_is_not_there_is_one_clear_line(server: Server, run: Run) -> None:
    server.stop()
    for name in ("send", "tail", "join"):
        room = ["#tea"] if name != "join" else []
        program = run(name, where(server), *room)
        assert program.end() == 3
        assert program.out == ""
        assert program.err == f"moot: cannot connect to {where(server)}: Connection refused\n"


# --- tail


def test_tail_prints_what_was_asked_for(server: Server, peer: MakePeer, run: Run) -> None:
    bob = peer("bob", "#tea")
    acks = [bob.ask(native.Send(cmid=f"m{n}", to="#tea", text=f"m{n}"), native.Ok) for n in range(1, 6)]
    bob.ask(native.Send(cmid="two", to="#tea", text="two\nlines \x1b[31m"), native.Ok)

    def tail(*options: str) -> list[dict[str, object]]:
        program = run("tail", where(server), "#tea", "--json", "--no-follow", *options)
        assert (program.end(), program.err) == (0, "")
        return [json.loads(line) for line in program.out.splitlines()]

    everything = tail("--since", "all")
    assert [(msg["seq"], msg["from"]) for msg in everything] == [(n, "bob") for n in range(1, 7)]
    assert [msg["text"] for msg in everything] == ["m1", "m2", "m3", "m4", "m5", "two\nlines [31m"]
    assert [msg["seq"] for msg in tail()] == [1, 2, 3, 4, 5, 6]
    assert [msg["seq"] for msg in tail("--since", "4")] == [5, 6]
    assert [msg["seq"] for msg in tail("--since", "6")] == []
    assert [msg["seq"] for msg in tail("--since", "2001-01-01")] == [1, 2, 3, 4, 5, 6]
    assert [msg["seq"] for msg in tail("--since", "2101-01-01")] == []
    assert acks[-1].seq == 5
    text = run("tail", where(server), "tea", "--no-follow")
    assert text.end() == 0
    assert text.out.splitlines()[0].endswith(" bob: m1")
    assert "\x1b" not in text.out
    wrong = run("tail", where(server), "#tea", "--since", "yesterday")
    assert wrong.end() == 2
    assert wrong.err.startswith("moot: 'yesterday' is no place to begin; write all,")


def test_tail_follows_across_a_restart_without_holes_or_doubles(tmp_path: Path, run: Run) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        tail = run("tail", where(server), "#tea", "--json", "--since", "all")
        for part in range(3):
            sender = run("send", where(server), "#tea")
            sender.write("".join(f"part {part} line {number}\n" for number in range(100)))
            assert sender.end() == 0
            until(lambda: tail.out, "the first line")  # before that, no server would be its end
            if part < 2:
                server.crash()
                server.start()
        until(lambda: len(tail.out.splitlines()) >= 300, "300 lines")
        texts = [json.loads(line)["text"] for line in tail.out.splitlines()]
        assert texts == [f"part {part} line {number}" for part in range(3) for number in range(100)]
        assert "Traceback" not in tail.err


def test_a_reader_that_had_enough_is_no_error(tmp_path: Path, run: Run) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server:
        sender = run("send", where(server), "#tea")
        sender.write("".join(f"line {number} {'x' * 500}\n" for number in range(400)))
        assert sender.end() == 0
        script = '"$@" | head -n 1; echo "status ${PIPESTATUS[0]}"'
        command = ["bash", "-c", script, "-", *MOOT, "tail", where(server), "#tea", "--since", "all"]
        done = subprocess.run(
            command, env=environment(tmp_path / "home"), capture_output=True, timeout=LIMIT_S, check=False
        )
        first, status = done.stdout.decode().splitlines()
        assert "line 0 x" in first
        assert status == "status 0"
        assert done.stderr == b""


def test_a_tail_ends_when_its_reader_does_and_not_with_the_next_message(
    server: Server, peer: MakePeer, tmp_path: Path
) -> None:
    peer("bob", "#tea").ask(native.Send(cmid="1", to="#tea", text="there"), native.Ok)
    command = [*MOOT, "tail", where(server), "#tea"]
    env = environment(tmp_path / "home")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert b"there" in tail.stdout.readline()
        tail.stdout.close()
        assert tail.wait(LIMIT_S) == 0
        assert tail.stderr.read() == b""


def test_interrupted_it_ends_at_once_without_a_traceback(server: Server, peer: MakePeer, run: Run) -> None:
    bob, tail = peer("bob", "#tea"), run("tail", where(server), "#tea")
    bob.next(native.Joined)
    bob.ask(native.Send(cmid="1", to="#tea", text="there"), native.Ok)
    until(lambda: "there" in tail.out, "the line")
    tail.process.send_signal(signal.SIGINT)
    assert tail.process.wait(LIMIT_S) == 130
    assert tail.err == ""


# --- bots


def test_the_examples_talk_to_a_real_server(server: Server, peer: MakePeer, run: Run) -> None:
    ann = peer("ann", "#lobby")
    run("echo_bot.py", where(server))
    run("dice_bot.py", where(server))
    minimal = run("minimal_client.py", "127.0.0.1", str(server.port), "mini")
    here = {ann.next(native.Joined).who.nick for _ in range(3)}
    assert here == {"echo", "dice", "mini"}
    minimal.write("echo: hi\n")
    asked, answered = ann.next(native.Msg), ann.next(native.Msg)
    assert [(asked.nick, asked.text), (answered.nick, answered.text)] == [("mini", "echo: hi"), ("echo", "hi")]
    minimal.write("dice: 2d1\n")
    asked, answered = ann.next(native.Msg), ann.next(native.Msg)
    assert (answered.nick, answered.text) == ("dice", "mini, 2d1: 1 + 1 = 2")
    until(lambda: "dice: mini, 2d1" in minimal.out, "the answer")
    assert minimal.end() == 0
    assert "Traceback" not in minimal.err


# --- waiting


def test_waiting_costs_no_cpu(server: Server, peer: MakePeer, run: Run) -> None:
    ann = peer("ann", "#tea")
    programs = [
        run("tail", where(server), "#tea", "--nick", "tail"),
        run("join", where(server), "--plain", "--nick", "plain", "--room", "#tea"),
        run("send", where(server), "#tea", "--nick", "send"),
    ]
    assert {ann.next(native.Joined).who.nick for _ in programs} == {"tail", "plain", "send"}

    def cpu_s() -> float:
        return sum(sum(psutil.Process(program.process.pid).cpu_times()[:2]) for program in programs)

    before, end = cpu_s(), time.monotonic() + 1.5
    until(lambda: time.monotonic() > end, "a while")
    assert cpu_s() - before < 0.3  # of 4.5 s
