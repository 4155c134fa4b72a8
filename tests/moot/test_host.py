"""`moot` alone: a server in the background, its person in the chat, and what happens when that person leaves."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from moot.host import running_here
from moot.probe import is_moot, is_open, others_online
from moot.running import holder, last_line, stop
from protocol.settings import Settings
from tests.server import LIMIT_S, Peer, Server, serving, until
from tests.tls import TlsPeer, closing


class Hosting:
    """`moot host --plain` on a terminal, and the data directory it uses."""

    def __init__(self, data: Path) -> None:
        self.data = data
        words = ["-m", "moot", "host", "--listen", "127.0.0.1:0", "--workers", "1", "--nick", "ann", "--plain"]
        self.terminal = pexpect.spawn(
            sys.executable,
            [*words, "--data", str(data)],
            env={
                **os.environ,
                "TERM": "xterm-256color",
                "LC_ALL": "C.UTF-8",
                "PROMPT_TOOLKIT_NO_CPR": "1",
                "XDG_CONFIG_HOME": str(data),
            },
            encoding="utf-8",
            timeout=LIMIT_S,
            dimensions=(30, 100),
        )
        self.terminal.expect(r"moot listens on 127\.0\.0\.1:(\d+)\.")
        assert isinstance(self.terminal.match, re.Match)
        self.port = int(self.terminal.match[1])
        self.terminal.expect("#lobby>")

    def log(self) -> str:
        return (self.data / "server.log").read_text()


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[Hosting]:
    one = Hosting(tmp_path / "data")
    yield one
    one.terminal.close(force=True)
    if (pid := holder(one.data)) is not None:
        os.kill(pid, signal.SIGTERM)
        until(lambda: holder(one.data) is None, "the server to end")


def test_when_the_host_leaves_alone_the_server_stops(hosting: Hosting) -> None:
    assert {path.stat().st_mode & 0o077 for path in hosting.data.iterdir()} == {0}
    hosting.terminal.send("/quit\r")
    hosting.terminal.expect(pexpect.EOF)
    hosting.terminal.wait()
    assert hosting.terminal.exitstatus == 0
    assert holder(hosting.data) is None
    assert not is_open("127.0.0.1", hosting.port)


def test_when_others_stay_the_host_is_asked_and_may_let_the_server_go_on(hosting: Hosting) -> None:
    bob = Peer(hosting.port)
    bob.enter("bob", "#lobby")
    hosting.terminal.send("/quit\r")
    hosting.terminal.expect(r"bob is still here\. Keep hosting in the background\? \[Y/n\]")
    hosting.terminal.send("y\r")
    hosting.terminal.expect(r"The server goes on \(process \d+\); `.*moot stop` ends it")
    hosting.terminal.expect(pexpect.EOF)
    assert bob.gather(object)
    assert stop(hosting.data) > 0
    assert bob.ended()
    bob.close()


def test_when_others_stay_and_the_host_says_no_the_server_stops(hosting: Hosting) -> None:
    bob = Peer(hosting.port)
    bob.enter("bob")
    hosting.terminal.send("/quit\r")
    hosting.terminal.expect("Keep hosting")
    hosting.terminal.send("n\r")
    hosting.terminal.expect(pexpect.EOF)
    assert bob.ended()
    assert holder(hosting.data) is None
    bob.close()


def test_without_a_terminal_it_serves_in_the_foreground_and_says_so(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "moot", "--listen", "127.0.0.1:0", "--data", str(tmp_path), "--workers", "1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    with process, process.stdout:
        first = process.stdout.readline()
        assert first == "No terminal here, so moot serves in the foreground; stop it with Ctrl+C or `moot stop`.\n"
        assert re.fullmatch(r"moot listens on 127\.0\.0\.1:\d+\.\n", process.stdout.readline())
        assert stop(tmp_path) == process.pid
        assert process.wait(LIMIT_S) == 0


def test_a_server_that_runs_here_is_found_and_a_stranger_is_not_taken_for_one(server: Server) -> None:
    here = Settings(listen=["127.0.0.1:0", f"0.0.0.0:{server.port}"])
    assert running_here(here) == f"127.0.0.1:{server.port}"
    assert running_here(Settings(listen=["127.0.0.1:0"])) is None
    assert is_moot("127.0.0.1", server.port)


def test_those_online_are_listed_without_the_one_who_asks(server: Server) -> None:
    ann, bob = Peer(server.port), Peer(server.port)
    ann.enter("ann")
    bob.enter("bob")
    assert others_online("127.0.0.1", server.port, but="ann") == ["bob"]
    ann.close()
    bob.close()


def test_those_online_are_listed_by_a_server_that_wants_tls_of_everybody(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--plaintext", "none") as server, closing() as keep:
        keep(TlsPeer(server.port)).enter("bob")
        assert is_moot("127.0.0.1", server.port)
        assert others_online("127.0.0.1", server.port, but="ann") == ["bob"]


def test_the_last_line_of_a_log_is_its_last_with_words(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert last_line(log) == ""
    log.write_text("one\ntwo\n\n")
    assert last_line(log) == "two"
