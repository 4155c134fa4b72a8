"""Settings read again while the server runs: `moot reload` and SIGHUP."""

import os
import pty
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from moot.config import changes
from moot.table import settings_table
from protocol import native
from protocol.settings import Settings
from tests.moot.program import moot
from tests.server import LIMIT_S, Peer, Server, serving, until


def contains(server: Server, text: str) -> bool:
    return text in server.log


def test_what_is_taken_and_what_is_not_is_said_of_each_setting() -> None:
    now = Settings(motd="hello", fun_input=200, workers=2)
    wanted = Settings(motd="welcome", fun_input=300, workers=3, linger=5.0)
    after, lines = changes(now, wanted)
    assert after == Settings(motd="welcome", fun_input=200, workers=2, linger=5.0)
    assert lines == [
        "workers stays 2; for 3, stop the server and start it again",
        'motd is "welcome" now; it was "hello"',
        "linger is 5.0 now; it was 30.0",
        "fun_input stays 200; for 300, run `moot restart`",
    ]
    assert changes(now, now) == (now, ["no setting has changed"])


def test_processes_that_are_renewed_take_all_but_what_the_supervisor_holds() -> None:
    after, lines = changes(Settings(), Settings(fun_input=300, data="/other"), renewing=True)
    assert after == Settings(fun_input=300)
    assert lines == [
        'data stays ""; for "/other", stop the server and start it again',
        "fun_input is 300 now; it was 200",
    ]


def test_every_setting_is_taken_at_some_time() -> None:
    taken = {row.key: row.taken for row in settings_table().values()}
    assert {key for key, when in taken.items() if when == "start"} == {"listen", "workers", "data"}
    assert {key for key, when in taken.items() if when == "restart"} == {
        *("fun_time", "fun_memory", "fun_input", "sendq_soft", "dead_after")
    }


@pytest.mark.parametrize("by", ["command", "signal"])
def test_a_running_server_takes_new_settings_for_those_who_are_in_already(tmp_path: Path, by: str) -> None:
    file = tmp_path / "moot.toml"
    file.write_text('motd = "hello"\nmax_text = 100\n')
    with serving(tmp_path / "data", "--workers", "2", "--backlog", "1", "--config", str(file)) as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        file.write_text('motd = "welcome"\nmax_text = 10\nbacklog = 20\nfun_time = 0.5\nmax_rooms_each = 2\n')
        expected = [
            'motd is "welcome" now; it was "hello"',
            "max_text is 10 now; it was 100",
            "max_rooms_each is 2 now; it was 100",
            "fun_time stays 0.25; for 0.5, run `moot restart`",
        ]  # a flag goes before the file, so the backlog is what it was
        if by == "command":
            done = moot("reload", "--data", server.data)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines() == expected
        else:
            assert server.process is not None
            os.kill(server.process.pid, signal.SIGHUP)
            for line in expected:
                until(partial(contains, server, f"reload: {line}"), line)

        def taken() -> bool:  # the worker may take it a moment later
            refused = ann.ask(native.Send(cmid="c", to="#nowhere", text="eleven long"), native.Error)
            return refused.code == "too-long"

        until(taken, "the worker to know")
        bob = Peer(server.port)
        assert bob.enter("bob", "#one", "#two").motd == "welcome"
        assert bob.ask(native.Join(room="#three"), native.Error).code == "too-many-rooms"
        server.kill("broker")  # the next one has them too
        until(lambda: len(server.pids("broker")) == 2, "the next broker")
        eve = Peer(server.port)
        assert eve.enter("eve").motd == "welcome"
        for one in (ann, bob, eve):
            one.close()


def test_a_bad_file_changes_nothing_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "moot.toml"
    file.write_text('motd = "hello"\n')
    with serving(tmp_path / "data", "--workers", "1", "--config", str(file)) as server:
        for text, why in (
            (
                'motd = "bye"\nmax_text = -1\n',
                "max_text: got -1, expected a whole number from 1 to 100000 (characters)",
            ),
            (f"max_text = {'9' * 5000}\n", "is not TOML"),
            ('motd = "bye\n', "is not TOML"),
        ):
            file.write_text(text)
            done = moot("reload", "--data", server.data)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith("moot: nothing is changed: ")
            assert why in done.stderr
        refused = moot("restart", "--data", server.data)
        assert refused.returncode == 2
        assert "is not TOML" in refused.stderr
        ann = Peer(server.port)
        assert ann.enter("ann").motd == "hello"
        ann.close()


@pytest.mark.parametrize("nohup", [False, True])
def test_a_closed_terminal_ends_a_server_unless_it_was_told_to_survive_that(tmp_path: Path, nohup: bool) -> None:
    log = tmp_path / "log"
    master, slave = pty.openpty()
    words = ["-m", "moot", "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--data", str(tmp_path / "data")]
    start = (
        "import fcntl, os, signal, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        + ("signal.signal(signal.SIGHUP, signal.SIG_IGN);" if nohup else "")
        + "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, "-c", start, *words], stdin=slave, stdout=out, stderr=out)
    os.close(slave)
    try:
        until(lambda: "listening on" in log.read_text(), "the server")
        os.kill(server.pid, signal.SIGHUP)  # the terminal is there
        until(lambda: "reload: no setting has changed" in log.read_text(), "the reload")
        port = re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())
        assert port
        ann = Peer(int(port[1]))
        ann.enter("ann")
        os.close(master)  # now it is not, and the kernel sends SIGHUP
        if nohup:
            until(lambda: log.read_text().count("reload: no setting has changed") == 2, "the reload")
            server.terminate()
        else:
            until(lambda: "stopping" in log.read_text(), "the end to begin")
            os.kill(server.pid, signal.SIGHUP)  # the shell passes it on
        assert ann.next(native.Bye).reason == "the server is stopping"
        ann.close()
        assert server.wait(LIMIT_S) == 0
        assert "is killed" not in log.read_text()
    finally:
        server.kill()
        server.wait()
