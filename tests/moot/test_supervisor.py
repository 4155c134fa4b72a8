"""The real server loses its processes, one after the other, and goes on."""

import contextlib
import multiprocessing
import os
import select
import selectors
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from moot.children import MAX_SHORT_LIVES, Child, Place
from moot.datadir import StartError, prepare_directory
from moot.sockets import Listeners
from moot.supervisor import Supervisor, worker_count
from protocol import native
from protocol.control import ControlSocket
from protocol.ipc import Fatal, Stuck
from protocol.settings import Settings
from tests.moot.program import moot
from tests.server import LIMIT_S, Peer, Server, serving, until

MakePeer = Callable[..., Peer]


def refused(*options: str) -> str:
    """Start a server that cannot run; return what it says."""
    done = moot("serve", *options)
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
    directory = prepare_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert list(directory.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="choose another with --data DIR"):
        prepare_directory(tmp_path / "file")


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
    assert {type(event).__name__ for event in bob.events} <= {"Pong", "Joined", "People"}
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


def test_when_it_stops_nobody_is_told_that_the_others_leave(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2") as server:
        peers = [Peer(server.port) for _ in range(6)]
        for number, peer in enumerate(peers):
            peer.enter(f"n{number}", "#tea")
        assert server.stop() == 0
        for peer in peers:
            assert peer.ended()
            kinds = {type(event) for event in peer.events}
            assert native.Bye in kinds
            assert native.Left not in kinds
            peer.close()


@pytest.mark.parametrize("kind", ["broker", "worker"])
def test_a_process_that_hangs_is_killed_and_replaced(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        stopped = time.monotonic()
        server.kill(kind, signal.SIGSTOP)
        until(lambda: "gave no sign of life for 5 s and is killed" in server.log, "the kill")
        assert 4 < time.monotonic() - stopped < 8
        until(lambda: len(server.pids(kind)) == 2, f"the next {kind}")
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
    prepare_directory(shared)
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


# --- how often it tries


def lives(*lengths: float | None) -> list[float]:
    """Return the pauses after lives that ended so many seconds after they were ready (None: never ready)."""
    place = Place("worker")
    return [place.lost(lived(place, 100.0 - length if length is not None else None), 100.0) for length in lengths]


def lived(place: Place, ready: float | None) -> Child:
    return Child("worker 1", place, 1, None, None, 0.0, 0.0, ready)  # type: ignore[arg-type]


def test_pauses_double_while_lives_are_short_and_begin_anew_after_a_long_one() -> None:
    assert lives(1.9, None, 0.1, 0.0) == [0.1, 0.2, 0.4, 0.8]
    assert lives(*[None] * 9)[-2:] == [10.0, 10.0]
    assert lives(None, None, 2.0, None, 500.0, 0.5) == [0.1, 0.2, 0.1, 0.1, 0.1, 0.1]


FRAGILE = """
import os, sys
if any("spawn_main" in word for word in sys.orig_argv):
    if os.path.exists(os.environ["TEST_OF_MOOT"]):
        os._exit(3)
elif "serve" in sys.orig_argv:
    import moot.children
    moot.children.BACKOFF_S = 0.01, 0.02  # in earnest it would take half a minute
"""


def test_a_crash_loop_ends_the_server_with_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sitecustomize.py").write_text(FRAGILE)
    path = os.pathsep.join([str(tmp_path / "code"), str(Path(__file__).parents[2])])
    env = {"PYTHONPATH": path, "TEST_OF_MOOT": str(tmp_path / "flag")}
    with serving(tmp_path / "data", "--workers", "1", env=env) as server:
        (tmp_path / "flag").touch()
        server.kill("broker")
        assert server.process is not None
        assert server.process.wait(LIMIT_S) == 1
        last = server.log.splitlines()[-1]
        assert last == (
            f"moot: the broker ended {MAX_SHORT_LIVES} times in a row, each time before it had been ready for 2 s "
            "(last: exit status 3); the log above says why"
        )


def test_a_supervisor_that_stood_still_kills_nobody(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    until_then = time.monotonic() + 6
    until(lambda: time.monotonic() > until_then, "longer than a child may be silent")
    assert say(ann, "meanwhile").seq == 1
    server.process.send_signal(signal.SIGCONT)
    restarted(server, "sandbox")  # it is at work again
    assert server.log.count("killed") == 1
    assert say(ann, "afterwards").seq == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets one process set the limits of another")
def test_a_process_that_cannot_be_started_now_is_started_later(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    assert server.process is not None
    supervisor = psutil.Process(server.process.pid)
    before = supervisor.rlimit(psutil.RLIMIT_NOFILE)
    supervisor.rlimit(psutil.RLIMIT_NOFILE, (supervisor.num_fds(), before[1]))
    server.kill("sandbox")
    until(lambda: "no sandbox can be started: Too many open files" in server.log, "the attempt")
    assert say(ann, "without-cows").seq == 1
    restart = moot("restart", "--data", server.data)
    assert (restart.returncode, restart.stderr) == (
        1,
        "moot: the worker cannot be renewed, worker 3 stays: Too many open files\n",
    )
    supervisor.rlimit(psutil.RLIMIT_NOFILE, before)
    until(lambda: len(server.pids("sandbox")) == 2, "the next sandbox")


# --- how it ends


@pytest.mark.parametrize("broker", [signal.SIGSTOP, signal.SIGKILL])
def test_it_ends_in_time_though_nobody_reads_and_the_broker_is_no_help(tmp_path: Path, broker: int) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        deaf = [Peer(server.port) for _ in range(40)]
        for number, one in enumerate(deaf):
            one.enter(f"deaf{number}", "#tea")
        text = "x" * 4000
        for number in range(300):
            ann.write(native.Send(id=number, cmid=f"c{number}", to="#tea", text=text))
        ann.next(lambda event: getattr(event, "id", None) == 299)
        server.kill("broker", broker)
        ann.write(native.Send(id=999, cmid="last", to="#tea", text="never answered"))
        told = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - told < 10
        assert ann.next(native.Bye).retry is not None
        for one in (ann, *deaf):
            one.close()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        acknowledged = [say(ann, f"m{number}").seq for number in range(5)]
        server.kill("broker", signal.SIGSTOP)
        ann.write(native.Send(cmid="last", to="#tea", text="never answered"))
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in server.log, "the first to be heard")
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 1.5
        ann.close()
        server.start()
        again = Peer(server.port)
        again.enter("ann")
        room = again.ask(native.Join(room="#tea"), native.Room)
        assert [msg.seq for msg in room.messages] == acknowledged
        again.close()


def test_who_keeps_pressing_ctrl_c_gets_the_usual_status_and_no_traceback(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        assert server.process is not None
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.0005)
        assert server.process.returncode == 0
        assert "Traceback" not in server.log


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_when_the_supervisor_is_killed_the_others_end_though_they_were_stopped(server: Server, peer: MakePeer) -> None:
    ann = peer("ann")
    assert server.process is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    for pid in [*server.pids("broker"), *server.pids("sandbox"), *server.pids("worker")]:
        os.kill(pid, signal.SIGSTOP)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(LIMIT_S)
    assert ann.next(native.Bye).reason == "the server died"  # a worker still ends as it should
    until(lambda: not any(child.is_running() for child in family), "all processes to end", 3.0)
    server.start()  # the port is free


STUCK = """
import os, re, sys
from moot.children import _die_with_parent
if os.fork() == 0:
    _die_with_parent(at_once=False)
    print(os.getpid(), flush=True)
    re.match("(a+)+$", "a" * 60 + "b")  # holds the interpreter for longer than the universe will last
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_an_orphan_that_is_stuck_ends_too() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STUCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    orphan = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, "the orphan to end", 6.0)


# --- who was with a process that died


def test_who_cannot_come_back_leaves_at_once_with_the_worker_and_the_nick_is_free(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        nc = socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)
        nc.sendall(b"bob\n")
        ann = Peer(server.port)
        token = "a token of ann, long enough"
        ann.ask(native.Hello(nick="ann", token=token), native.Welcome)
        ann.ask(native.Join(room="#lobby"), native.Room)
        ann.ask(native.Away(text="lunch"), native.Ok)
        ann.ask(native.Color(color="#123456"), native.Ok)
        until(lambda: ann.ask(native.Who(), native.People).count == 2, "bob")
        restarted(server, "worker")
        new = Peer(server.port)
        new.enter("bob", "#lobby")
        here = new.ask(native.Who(room="#lobby"), native.People).people
        assert here == [native.Person("ann", "#123456", "lunch"), native.Person("bob")]
        again = Peer(server.port)
        welcome = again.ask(native.Hello(nick="ann", token=token), native.Welcome)
        assert (welcome.resumed, welcome.color, welcome.away) == (True, "#123456", "lunch")
        restarted(server, "broker")  # the new worker has been told, and tells the new broker
        assert new.ask(native.Who(room="#lobby"), native.People).people == here
        assert (new.gather(native.Joined), new.gather(native.Left)) == ([], [])
        nc.close()
        for one in (ann, new, again):
            one.close()


def test_who_comes_back_after_worker_and_broker_died_at_once_is_noticed_by_nobody(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        people = [Peer(server.port) for _ in range(16)]

        def hello(number: int) -> native.Hello:
            token = f"a token of p{number}, long enough" if number % 2 else None
            return native.Hello(nick=f"p{number}", token=token)

        for number, one in enumerate(people):
            one.ask(hello(number), native.Welcome)
            one.ask(native.Join(room="#tea"), native.Room)
        for one in people:
            one.gather(native.Joined)
        broker = server.kill("broker", signal.SIGSTOP)  # it shall not learn of the worker's death
        server.kill("worker")
        lost = {number for number, one in enumerate(people) if hung_up(one.sock)}
        os.kill(broker, signal.SIGKILL)
        assert 0 < len(lost) < 16
        for number in sorted(lost):
            people[number].close()
            if number % 2:
                people[number] = Peer(server.port)
                assert people[number].ask(hello(number), native.Welcome).resumed
                people[number].ask(native.Join(room="#tea", after=0), native.Room)
        gone = sorted(f"p{number}" for number in lost if number % 2 == 0)
        for number in set(range(16)) - lost:
            assert people[number].gather(native.Joined) == []
            assert sorted(left.nick for left in people[number].gather(native.Left)) == gone
        for one in people:
            one.close()


def hung_up(sock: socket.socket) -> bool:
    """Whether the other side closes the connection within a quarter of a second."""
    readable, _, _ = select.select([sock], [], [], 0.25)
    try:
        return bool(readable) and not sock.recv(1, socket.MSG_PEEK)
    except ConnectionResetError:
        return True


def test_process_lists_show_what_each_process_is(server: Server) -> None:
    for kind, shown in (("broker", "moot: broker"), ("sandbox", "moot: sandbox"), ("worker", "moot: worker ")):
        assert " ".join(psutil.Process(server.pids(kind)[-1]).cmdline()).startswith(shown)


def test_a_worker_that_serves_clients_ends_neither_the_server_nor_another_process(tmp_path: Path) -> None:
    supervisor = Supervisor(Settings(), tmp_path, Listeners([], []), lambda _: None)
    worker, victim = lived(Place("worker"), 1.0), lived(Place("worker"), 1.0)
    supervisor.children = [victim]
    supervisor._obey(worker, Fatal("all is lost"))
    supervisor._obey(worker, Stuck(victim.incarnation))
    assert not supervisor.ending
    broker = lived(Place("broker"), 1.0)
    broker.place.child = broker
    supervisor._obey(broker, Fatal("the disk is gone"))
    assert supervisor.failure == "the disk is gone"
    supervisor.children = []
    supervisor._kill_all()


def play_dead() -> None:
    os.closerange(0, 1024)
    signal.pause()


def test_a_process_that_only_looks_dead_holds_nobody_up(tmp_path: Path) -> None:
    supervisor = Supervisor(Settings(), tmp_path, Listeners([], []), lambda _: None)
    process = multiprocessing.get_context("spawn").Process(target=play_dead)
    ours, theirs = socket.socketpair()
    process.start()
    supervisor.places = []  # nothing is to be started
    child = Child("worker 1", Place("worker"), 1, process, ControlSocket(ours), 0.0, 0.0)
    supervisor.children = [child]
    supervisor.selector.register(process.sentinel, selectors.EVENT_READ, partial(supervisor._bury, child))
    with theirs:
        while supervisor.children:
            supervisor._turn(LIMIT_S)
    assert child.status() == "killed by SIGKILL"
    supervisor._kill_all()


def test_a_worker_gets_another_link_once_a_second_at_most() -> None:
    worker = lived(Place("worker"), 1.0)
    assert [worker.may_relink(now) for now in (100.0, 100.2, 100.9, 101.0, 101.5)] == [True, False, False, True, False]


def spare_of(server: Server) -> int:
    """Return the pid of the process that waits to be the broker, once there is one that has loaded all it needs."""
    assert server.process is not None
    root = psutil.Process(server.process.pid)

    def waiting() -> int:
        return sum(child.pid for child in root.children() if is_called(child, "moot: spare broker"))

    return int(until(waiting, "a spare broker"))


def is_called(process: psutil.Process, title: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline()).strip() == title
    return False


def test_a_process_that_waits_takes_the_place_of_a_broker_that_dies(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    for count in (1, 2):
        spare = spare_of(server)
        server.kill("broker")
        assert say(ann, f"said-{count}").seq == count
        assert server.pids("broker")[-1] == spare
    assert len(server.pids("broker")) == 3


def test_a_spare_broker_that_dies_is_no_loss_and_ends_with_the_server(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    first = spare_of(server)
    os.kill(first, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(first), "its end")
    server.kill("broker")
    assert say(ann, "hello").seq == 1
    second = spare_of(server)
    assert second != first
    assert server.stop() == 0
    assert not psutil.pid_exists(second)
    assert "is killed" not in server.log


def test_a_spare_broker_that_is_stuck_keeps_people_waiting_for_a_moment_only(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    os.kill(spare_of(server), signal.SIGSTOP)
    server.kill("broker")
    killed = time.monotonic()
    assert say(ann, "hello").seq == 1
    assert time.monotonic() - killed < 6
    assert "broker gave no sign of life for 1 s and is killed" in server.log
