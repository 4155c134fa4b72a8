"""`moot admin`, against the real program."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest

from moot.admin import ask
from moot.running import Refused
from protocol import native, operator
from protocol.operator import MAX_ORDER, Ask
from tests.irc.client import Client
from tests.moot.program import moot
from tests.server import LIMIT_S, Peer, Server, serving, until

MakePeer = Callable[..., Peer]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as running:
        yield running


def admin(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return moot("admin", *words, "--data", server.data)


def asked(server: Server, order: object) -> list[operator.Answer]:
    return list(ask(server.data, Ask("chat", order=msgspec.Raw(msgspec.json.encode(order)))))


def test_users_and_rooms_are_tables_or_json(server: Server, peer: MakePeer) -> None:
    peer("ann", "#tea", "#den").ask(native.Away(text="at lunch"), native.Ok)
    irc = Client(("127.0.0.1", server.port))
    irc.register("bob")
    irc.join("#tea")
    listed = admin(server, "users")
    assert (listed.returncode, listed.stderr) == (0, "")
    head, ann, bob = listed.stdout.splitlines()
    assert head.split()[:3] == ["nick", "rooms", "devices"]  # nobody has an account, and no such column stands there
    assert re.fullmatch(r"ann +#den #tea +native 127\.0\.0\.1 +\d\d:\d\d +\d+s +at lunch", ann)
    assert re.match(r"bob +#tea +irc 127\.0\.0\.1 ", bob)
    found = json.loads(admin(server, "users", "--json").stdout)
    assert [(user["nick"], user["dialects"]) for user in found["users"]] == [("ann", ["native"]), ("bob", ["irc"])]
    rooms = [line.split() for line in admin(server, "rooms").stdout.splitlines()]
    assert [line[:2] for line in rooms] == [["room", "people"], ["#tea", "2"], ["#den", "1"]]
    irc.leave()


def test_an_empty_server_says_so(server: Server) -> None:
    for what, says in (("users", "Nobody is here."), ("rooms", "There are no rooms."), ("accounts", "There are no a")):
        done = admin(server, what)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(says)


def test_statistics_tell_of_people_log_and_restarts(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    ann.ask(native.Send(cmid="c", to="#tea", text="hi"), native.Ok)
    before = json.loads(admin(server, "stats", "--json").stdout)
    assert (before["people"], before["devices"], before["messages"], before["restarts"]) == (1, {"native": 1}, 1, 0)
    assert before["log_bytes"] == sum(
        file.stat().st_size for file in server.data.glob("moot.db*") if "shm" not in file.name
    )
    server.kill("broker")
    until(lambda: len(server.pids("broker")) == 2, "another broker")
    after = json.loads(admin(server, "stats", "--json").stdout)
    assert (after["people"], after["messages"], after["restarts"]) == (1, 1, 1)
    assert after["uptime"] > before["uptime"] > 0
    shown = admin(server, "stats").stdout
    assert re.search(r"^devices +1 \(1 native\)$", shown, re.M)
    assert re.search(r"^restarts +1 of its processes", shown, re.M)


def test_reload_is_that_of_the_server(server: Server) -> None:
    done = admin(server, "reload")
    assert (done.returncode, done.stdout) == (0, "no setting has changed\n")


def test_what_is_wrong_is_said_with_a_status(server: Server, tmp_path: Path) -> None:
    nobody = admin(server, "kick", "nobody")
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("moot: ")
    for words in (("ban",), ("ban", "x", "--for", "soon"), ("announce",), ("announce", " "), ("kick", "x", "y" * 401)):
        wrong = admin(server, *words)
        assert (wrong.returncode, wrong.stdout) == (2, ""), words
        assert wrong.stderr.count("\n") == 1
    nowhere = moot("admin", "users", "--data", tmp_path / "nowhere")
    assert nowhere.returncode == 1
    assert "no server uses the data directory" in nowhere.stderr
    assert server.stop() == 0
    assert admin(server, "users").returncode == 1


def test_orders_that_are_none_are_refused_and_hurt_nobody(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    for order, says in (
        ({"op": "fly"}, "does not know what was asked for"),
        ({"op": "kick"}, "does not know what was asked for"),
        ([1, [2, [3]]], "does not know what was asked for"),
        ({"op": "kick", "nick": "x", "reason": "y" * MAX_ORDER}, "an order has at most"),
    ):
        [answer] = asked(server, order)
        assert answer.code == 1
        assert says in answer.text
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(server.data / "moot.sock"))
        raw.sendall(b'{"do":"chat"}\n')
        assert msgspec.json.decode(raw.makefile("rb").read(), type=operator.Answer).code == 1
    assert ann.ask(native.Ping(), native.Pong)
    assert len(server.pids("broker")) == 1


def test_the_socket_is_its_owners_alone(server: Server) -> None:
    assert (server.data / "moot.sock").stat().st_mode & 0o777 == 0o600


def test_a_shell_completes_commands_and_nicks(server: Server, peer: MakePeer) -> None:
    peer("Anna", "#tea")
    peer("bob", "#tea")

    def completed(words: str) -> set[str]:
        env = {"_MOOT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        done = moot(env=env | {"MOOT_DATA": str(server.data)})
        return {line.partition(",")[2] for line in done.stdout.splitlines()}

    assert completed("moot admin un") == {"unban"}
    assert completed("moot admin kick an") == {"Anna"}
    assert completed("moot admin ban ") >= {"Anna", "bob"}


# --- the broker dies


def test_who_waits_for_a_broker_that_is_killed_hears_that_at_once(server: Server) -> None:
    broker = server.kill("broker", signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(server.data / "moot.sock"))
        waiting.sendall(b'{"do":"chat","order":{"op":"stats"}}\n')
        assert [answer.code for answer in ask(server.data, Ask("reload"))] == [0]  # so the other was handed over
        os.kill(broker, signal.SIGKILL)
        assert waiting.recv(1) == b""
    until(lambda: len(server.pids("broker")) == 2, "another broker")
    assert admin(server, "stats").returncode == 0


def test_who_waits_for_a_stuck_broker_hears_of_its_end(server: Server) -> None:
    server.kill("broker", signal.SIGSTOP)
    done = admin(server, "stats")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("moot: the broker ended before it had answered; another takes its place")


def test_a_broker_that_is_killed_again_and_again_leaves_no_question_open(server: Server) -> None:
    over = threading.Event()

    def answers() -> list[str]:
        told = []
        while not over.is_set():
            try:
                [answer] = asked(server, operator.Stats())
                told.append(answer.text)
            except Refused as refused:
                told.append(str(refused))
        return told

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(answers) for _ in range(4)]
        for count in range(2, 6):
            server.kill("broker")
            until(partial(has_started, server, count), "another broker")
            assert admin(server, "stats").returncode == 0
        over.set()
        told = {text.partition(";")[0] for one in asking for text in one.result(LIMIT_S)}
    assert "" in told  # they were answered, too
    assert told <= {"", "the broker ended before it had answered", "the broker is about to be started"}


def has_started(server: Server, count: int) -> bool:
    return len(server.pids("broker")) == count
