"""The real server loses its processes, one after the other, and goes on."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from moot.supervisor import StartError, prepare_directory, worker_count
from protocol import native
from protocol.settings import Settings
from tests.server import LIMIT_S, Peer, Server, serving, until

MakePeer = Callable[..., Peer]


def refused(*options: str) -> str:
    """Start a server that cannot run; return what it says."""
    command = [sys.executable, "-m", "moot", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode not in (0, 70), done
    assert "Traceback" not in done.stderr
    return done.stderr


def restarted(server: Server, kind: str, number: int = signal.SIGKILL) -> None:
    """Kill the newest process of a kind and wait until the next one is ready."""
    count = len(server.pids(kind))
    server.kill(kind, number)
    until(lambda: len(server.pids(kind)) > count, f"the next {kind}")


def say(peer: Peer, text: str, room: str = "#tea") -> native.Ok:
    return peer.ask(native.Send(cmid=text, to=room, text=text), native.Ok)


# --- what a start can fail at


def test_a_port_in_use_is_one_sentence(server: Server, tmp_path: Path) -> None:
    text = refused("--listen", f"127.0.0.1:{server.port}", "--data", str(tmp_path / "other"))
    assert f"port {server.port} is in use" in text
    assert "choose another port with --listen" in text


def test_a_data_directory_in_use_is_one_sentence(server: Server) -> None:
    text = refused("--listen", "127.0.0.1:0", "--data", str(server.data))
    assert server.process is not None
    assert f"another moot (pid {server.process.pid}) uses {server.data}" in text
    assert "--data DIR" in text


def test_a_data_directory_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = refused("--listen", "127.0.0.1:0", "--data", str(tmp_path / "file" / "data"))
    assert f"cannot write to the data directory {tmp_path}/file/data: Not a directory" in text


def test_a_log_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "moot.db").write_bytes(b"these are not the bytes you look for" * 100)
    text = refused("--listen", "127.0.0.1:0", "--data", str(tmp_path))
    assert "cannot open the log" in text


def test_the_data_directory_is_made_and_private(tmp_path: Path) -> None:
    directory = prepare_directory(Settings(data=str(tmp_path / "a" / "b")))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert list(directory.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="choose another with --data DIR"):
        prepare_directory(Settings(data=str(tmp_path / "file")))


def test_workers_are_one_a_core_unless_told() -> None:
    assert worker_count(Settings(workers=5)) == 5
    assert 1 <= worker_count(Settings()) <= 8


# --- what it survives


def test_clients_keep_their_connections_when_the_broker_dies(server: Server, peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    say(ann, "before")
    for number in range(3):
        restarted(server, "broker")
        assert say(ann, f"after{number}").seq == number + 2
    heard = bob.gather(native.Msg)
    assert [(msg.seq, msg.text) for msg in heard] == [(1, "before"), (2, "after0"), (3, "after1"), (4, "after2")]
    assert {type(event).__name__ for event in bob.events} <= {"Pong", "Joined"}
    error = peer().ask(native.Hello(nick="ann"), native.Error)
    assert error.code == "nick-taken"


def test_messages_under_way_when_the_broker_dies_are_said_once_and_in_order(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        ann, bob = Peer(server.port), Peer(server.port)
        ann.enter("ann", "#tea")
        bob.enter("bob", "#tea")
        for number in range(2000):
            ann.write(native.Send(id=number, cmid=f"c{number}", to="#tea", text=str(number)))
            if number == 1000:
                server.kill("broker")
        oks = [ann.next(native.Ok) for _ in range(2000)]
        assert [ok.id for ok in oks] == list(range(2000))
        assert [ok.seq for ok in oks] == list(range(1, 2001))
        heard = [bob.next(native.Msg) for _ in range(2000)]
        assert [(msg.seq, msg.text) for msg in heard] == [(number + 1, str(number)) for number in range(2000)]
        ann.close()
        bob.close()


def test_the_rest_goes_on_when_a_worker_dies(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        token = "a token of ann, long enough"
        ann = Peer(server.port)
        ann.ask(native.Hello(nick="ann", token=token), native.Welcome)
        ann.ask(native.Join(room="#tea"), native.Room)
        say(ann, "one")
        restarted(server, "worker")
        assert ann.ended()
        again = Peer(server.port)
        assert again.ask(native.Hello(nick="ann", token=token), native.Welcome).resumed
        room = again.ask(native.Join(room="#tea"), native.Room)
        assert ([msg.text for msg in room.messages], room.count) == (["one"], 1)
        assert say(again, "two").seq == 2
        ann.close()
        again.close()


def test_a_dead_sandbox_costs_nobody_but_the_cow(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    restarted(server, "sandbox")
    say(ann, "one")

    def moo() -> bool:
        ann.write(native.Fun(id="moo", cmid=f"m{ann.ids}", to="#tea", line="/cowsay moo"))
        ann.ids += 1
        answer = ann.next(lambda event: getattr(event, "id", None) == "moo")
        return isinstance(answer, native.Ok)

    until(moo, "the cow")


@pytest.mark.parametrize("kind", ["broker", "worker"])
def test_a_process_that_hangs_is_killed_and_replaced(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        restarted(server, kind, signal.SIGSTOP)
        assert "gave no sign of life for 5 s and is killed" in server.log
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        assert say(ann, "alive").seq == 1
        ann.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_says_goodbye_and_leaves_nothing_behind(server: Server, peer: MakePeer, number: int) -> None:
    ann = peer("ann", "#tea")
    assert server.process is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    server.process.send_signal(number)
    bye = ann.next(native.Bye)
    assert bye.reason == "the server is stopping"
    assert bye.retry is not None
    assert 2.0 <= bye.retry <= 4.0
    assert ann.ended()
    assert server.process.wait(LIMIT_S) == 0
    until(lambda: not any(child.is_running() for child in family), "all processes to end")
    assert "is killed" not in server.log


def test_when_the_supervisor_is_killed_all_others_end(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    assert server.process is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(LIMIT_S)
    assert ann.next(native.Bye).reason == "the server died"
    until(lambda: not any(child.is_running() for child in family), "all processes to end")
    server.start()  # the lock went with it, and the port is free
    again = Peer(server.port)
    again.enter("ann", "#tea")
    again.close()


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    prepare_directory(Settings(data=str(shared)))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_people_talk_without_cows_when_the_sandbox_cannot_start(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    (plugins / "fatal-1.dist-info").mkdir(parents=True)
    (plugins / "fatal.py").write_text("import os\nos._exit(3)\n")
    (plugins / "fatal-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fatal\nVersion: 1\n")
    (plugins / "fatal-1.dist-info" / "entry_points.txt").write_text("[moot.funcmds]\nfatal = fatal:fatal\n")
    with serving(tmp_path / "data", "--workers", "1", env={"PYTHONPATH": str(plugins)}) as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        assert say(ann, "no-cows-today").seq == 1
        refusal = ann.ask(native.Fun(cmid="f", to="#tea", line="/cowsay moo"), native.Error)
        assert refusal.code in ("fun-busy", "fun-failed")
        assert server.pids("sandbox") == []
        ann.close()
