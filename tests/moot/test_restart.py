"""`moot restart`: every process but the supervisor is renewed, and people notice nothing."""

import asyncio
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from client.net import Chat, ChatError, connect
from client.updates import Offline, Presence
from moot.admin import MAX_CONNECTIONS, Admin, ask
from moot.running import Refused
from protocol import native
from protocol.operator import Ask
from tests.moot.program import MOOT, moot
from tests.server import LIMIT_S, Peer, Server, serving, until

MakePeer = Callable[..., Peer]


def restart(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return moot("restart", "--data", data, *options)


def restarting(server: Server, spread: str) -> subprocess.Popen[str]:
    """Begin a restart; return when clients are being sent over."""
    words = [*MOOT, "restart", "--data", str(server.data), "--spread", spread]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until(lambda: "clients are sent over" in server.log, "the restart to be under way")
    return process


def alive(server: Server, kind: str) -> set[int]:
    return {pid for pid in server.pids(kind) if psutil.pid_exists(pid)}


class Speaker:
    """A real client that speaks all the time, and what it saw."""

    def __init__(self, chat: Chat, room: str) -> None:
        self.chat = chat
        self.room = room
        self.acknowledged: list[tuple[int, str]] = []
        self.heard: list[tuple[int, str, str]] = []
        self.presence: list[native.Event] = []
        self.losses: list[Offline] = []
        self.over = asyncio.Event()

    async def speak(self) -> None:
        number = 0
        while not self.over.is_set():
            text = f"{self.chat.nick} {number}"
            self.acknowledged.append(((await self.chat.send(self.room, text)).seq, text))
            number += 1

    async def listen(self) -> None:
        with contextlib.suppress(ChatError):  # goodbye
            async for msg in self.chat.messages(own=True, history=True):
                self.heard.append((msg.seq, msg.nick, msg.text))

    async def watch(self) -> None:
        with contextlib.suppress(ChatError):
            async for update in self.chat.updates():
                if isinstance(update, Presence):
                    self.presence.append(update.event)
                elif isinstance(update, Offline):
                    self.losses.append(update)


async def test_nobody_loses_doubles_or_notices_anything_while_all_processes_are_renewed(tmp_path: Path) -> None:
    rooms = ["#tea", "#hall"]
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        before = {kind: alive(server, kind) for kind in ("worker", "broker", "sandbox")}
        chats = [connect("127.0.0.1", server.port, nick=f"p{n}", rooms=[rooms[n % 2]]) for n in range(8)]
        async with asyncio.TaskGroup() as tasks:
            speakers = [Speaker(await chat.__aenter__(), rooms[n % 2]) for n, chat in enumerate(chats)]
            watching = [tasks.create_task(one.watch()) for one in speakers]
            hearing = [tasks.create_task(one.listen()) for one in speakers]
            for one in speakers:
                await one.chat.settled()
            until_all_are_in = [len(one.presence) for one in speakers]
            speaking = [tasks.create_task(one.speak()) for one in speakers]
            done = await asyncio.to_thread(restart, server.data, "--spread", "1")
            assert done.returncode == 0, done.stdout + done.stderr + server.log
            assert "2 new workers serve" in done.stdout
            assert "every process is renewed but the supervisor" in done.stdout
            for one in speakers:
                one.over.set()
            await asyncio.gather(*speaking)
            for one in speakers:
                await one.chat.settled()
            for one, count in zip(speakers, until_all_are_in, strict=True):
                assert one.presence[count:] == []
                assert [(loss.reason, loss.retry) for loss in one.losses] == [
                    ("the server is being renewed; you are taken over at once", 0.0)
                ]
            for one in speakers:
                await one.chat.close()
            await asyncio.gather(*watching, *hearing)
        for room in rooms:
            here = [one for one in speakers if one.room == room]
            said = sorted(pair for one in here for pair in one.acknowledged)
            assert [seq for seq, _ in said] == list(range(1, len(said) + 1))
            for one in here:
                assert one.acknowledged == sorted(one.acknowledged)
                heard = [(seq, text) for seq, _, text in one.heard]
                assert heard == [pair for pair in said if pair[0] >= heard[0][0]]
        until(lambda: not any(before[kind] & alive(server, kind) for kind in before), "the old processes to end")
        assert [len(alive(server, kind)) for kind in before] == [2, 1, 1]
        assert "is killed" not in server.log


class Nc:
    """A person with `nc`."""

    def __init__(self, port: int, nick: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.lines = self.sock.makefile("r", encoding="utf-8")
        self.say(nick)
        self.expect("You are in #lobby")

    def say(self, line: str) -> None:
        self.sock.sendall(line.encode() + b"\n")

    def expect(self, text: str) -> str:
        for line in self.lines:
            if text in line:
                return line
        raise AssertionError(f"the connection ended without {text!r}")

    def close(self) -> None:
        self.lines.close()
        self.sock.close()


def test_people_with_nc_stay_where_they_are_and_talk_on(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        old = alive(server, "worker")
        ann, bob = Nc(server.port, "ann"), Nc(server.port, "bob")
        done = restart(server.data, "--spread", "0")
        assert done.returncode == 0, done.stderr
        assert "2 connections cannot be sent over" in done.stdout
        eve = Nc(server.port, "eve")  # served by the new worker
        ann.say("still here")
        bob.expect("ann: still here")
        eve.expect("ann: still here")
        assert old < alive(server, "worker")
        ann.say("/quit")
        bob.close()
        until(lambda: not old & alive(server, "worker"), "the old worker to end")
        assert "is killed" not in server.log
        assert len(server.pids("worker")) == 2
        eve.say("/who")
        eve.expect("eve")
        for one in (ann, eve):
            one.close()


def test_people_with_nc_are_told_when_their_time_is_over(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--restart-keep", "0.2") as server:
        ann = Nc(server.port, "ann")
        assert restart(server.data, "--spread", "0").returncode == 0
        ann.expect("the server was renewed and this connection could not be taken along; connect again")
        assert ann.lines.read() == ""
        again = Nc(server.port, "ann")  # the nick is free at once
        ann.close()
        again.close()


def test_of_workers_that_people_with_nc_keep_alive_only_the_newest_two_generations_stay(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        people = []
        for number in range(4):
            people.append(Nc(server.port, f"p{number}"))
            done = restart(server.data, "--spread", "0")
            assert done.returncode == 0, done.stderr
            assert "1 new worker serves" in done.stdout
            assert ("ends; whoever it still has is told to connect again" in done.stdout) == (number > 1)
        for outlived in people[:2]:
            outlived.expect("the server was renewed once more and this connection could not be taken along")
            assert outlived.lines.read() == ""
        until(lambda: len(alive(server, "worker")) == 3, "the oldest workers to end")
        people[2].say("still here")
        people[3].expect("p2: still here")
        assert "is killed" not in server.log
        for one in people:
            one.close()


@pytest.mark.parametrize("spread", ["nan", "inf", "-1"])
def test_a_spread_that_is_no_time_is_refused(spread: str) -> None:
    done = restart(Path("nowhere"), "--spread", spread)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--spread" in done.stderr


def test_a_second_restart_meanwhile_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        ann = Peer(server.port)
        ann.ask(native.Hello(nick="ann", token="a token of ann, long"), native.Welcome)
        first = restarting(server, "1")
        second = restart(server.data)
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr == "moot: a restart is under way already; wait until it is done\n"
        assert first.communicate(timeout=LIMIT_S)[1] == ""
        assert first.returncode == 0
        bye = ann.next(native.Bye)
        assert bye.retry == 0.0
        ann.close()


BROKEN = """
import os
what = os.environ["TEST_OF_MOOT"]
if os.path.exists(what):
    if open(what).read() == "version":
        import protocol.ipc
        protocol.ipc.VERSION = 99
    else:
        os._exit(3)
"""


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("broken", "it ended before it was ready (exit status 3); the log says why"),
        ("version", "stop the server and start it again"),
    ],
)
def test_a_successor_that_cannot_be_leaves_everything_as_it_was(tmp_path: Path, how: str, why: str) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sitecustomize.py").write_text(BROKEN)
    flag = tmp_path / "flag"
    path = os.pathsep.join([str(tmp_path / "code"), str(Path(__file__).parents[2])])
    env = {"PYTHONPATH": path, "TEST_OF_MOOT": str(flag)}
    with serving(tmp_path / "data", "--workers", "1", env=env) as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        flag.write_text(how)
        done = restart(server.data, "--spread", "0")
        assert done.returncode == 1
        assert "the worker cannot be renewed, worker 3 stays: " in done.stderr
        assert why in done.stderr
        assert ann.ask(native.Send(cmid="c", to="#tea", text="as before"), native.Ok).seq == 1
        flag.unlink()
        assert restart(server.data, "--spread", "0").returncode == 0  # and a better one succeeds
        ann.close()


def test_told_to_stop_during_a_restart_it_stops(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2") as server:
        ann, bob = Peer(server.port), Nc(server.port, "bob")
        ann.ask(native.Hello(nick="ann", token="a token of ann, long"), native.Welcome)
        abandoned = restarting(server, "600")
        assert server.stop() == 0
        assert abandoned.communicate(timeout=LIMIT_S)[1] == "moot: the restart is abandoned: the server is stopping\n"
        assert abandoned.returncode == 1
        assert ann.next(native.Bye).reason == "the server is stopping"
        bob.expect("the server is stopping")
        assert "is killed" not in server.log
        ann.close()
        bob.close()


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_worker_that_dies_during_a_restart_is_replaced_and_the_restart_goes_on(tmp_path: Path, which: str) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        bob = Nc(server.port, "bob")  # keeps the old worker alive
        going_on = restarting(server, "1")
        old, new = server.pids("worker")
        os.kill(old if which == "old" else new, signal.SIGKILL)
        assert going_on.communicate(timeout=LIMIT_S)[1] == ""
        assert going_on.returncode == 0
        until(lambda: len(alive(server, "worker") - {old}) == 1, "a worker to serve")
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        assert ann.ask(native.Send(cmid="c", to="#tea", text="served"), native.Ok).seq == 1
        ann.close()
        bob.close()


def test_who_asks_when_too_many_do_is_told_so(server: Server) -> None:
    with contextlib.ExitStack() as closing:
        for _ in range(MAX_CONNECTIONS):
            sock = closing.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(server.data / "moot.sock"))
        (answer,) = ask(server.data, Ask("reload"))
        assert answer.code == 1
        assert "too many are asking" in answer.text
    until(lambda: list(ask(server.data, Ask("reload")))[-1].code == 0, "them to be forgotten")


def test_a_server_that_does_not_answer_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.process is not None
    monkeypatch.setattr("moot.admin.FIRST_ANSWER_S", 0.2)
    os.kill(server.process.pid, signal.SIGSTOP)
    with pytest.raises(Refused, match="does not answer"):
        list(ask(server.data, Ask("reload")))
    os.kill(server.process.pid, signal.SIGCONT)
    assert [answer.code for answer in ask(server.data, Ask("reload"))] == [0]


def test_a_restart_needs_a_server_and_a_path_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    deep.parent.mkdir()
    none = restart(deep)
    assert none.returncode == 1
    assert none.stderr == f"moot: no server uses the data directory {deep}; name the right one with --data DIR\n"
    with serving(deep, "--workers", "1") as server:
        assert (deep / "moot.sock").stat().st_mode & 0o777 == 0o600
        os.kill(server.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        server.process.wait()  # type: ignore[union-attr]
        assert (deep / "moot.sock").exists()
        server.start()  # removes what the dead one left
        assert restart(server.data, "--spread", "0").returncode == 0
        assert server.stop() == 0
    assert not (deep / "moot.sock").exists()


def test_who_asks_nothing_is_sent_away(tmp_path: Path) -> None:
    selector = selectors.DefaultSelector()
    admin = Admin(selector, tmp_path, lambda question, tell: None)

    def turn() -> None:
        for key, _ in selector.select(LIMIT_S):
            key.data()

    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as asking:
        for sock in (silent, asking):
            sock.connect(str(tmp_path / "moot.sock"))
            turn()
        silent.sendall(b"{")
        turn()
        asking.sendall(b'{"do":"reload"}\n')
        turn()
        admin.tick(time.monotonic() + 9)
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(1)
        admin.tick(time.monotonic() + 11)
        assert silent.makefile("rb").read() == b'{"text":"nothing was asked within 10 s","code":1}\n'
        asking.setblocking(False)
        with pytest.raises(BlockingIOError):
            asking.recv(1)
        admin.close()
    selector.close()
