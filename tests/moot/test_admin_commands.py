"""`moot admin`, against the real program."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import pytest

from moot.admin import ask
from moot.running import Refused
from protocol import accounts, moderation, native, operator
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
    for line in (
        b'{"do":"chat"}',
        b'{"do":"chat","order":' + b"[" * 6000 + b"]" * 6000 + b"}",
        b'{"do":"chat","order":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"do":"chat","order":"\xff\xfe"}',
        b'{"do":"chat","order":{"op":"kick","nick":"\xff"}}',
        b"[" * 60_000,
    ):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(server.data / "moot.sock"))
            raw.sendall(line + b"\n")
            assert msgspec.json.decode(raw.makefile("rb").read(), type=operator.Answer).code == 1, line[:40]
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


# --- what an admin does


def done(server: Server, *words: str) -> str:
    """Do something that works; return what was said."""
    came = admin(server, *words)
    assert (came.returncode, came.stderr) == (0, ""), words
    return came.stdout


def test_somebody_is_put_off_and_may_come_back(server: Server, peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    assert done(server, "kick", "BOB", "sleep", "it", "off") == "BOB was put off the server.\n"
    bye = bob.next(native.Bye)
    assert "the operator" in bye.reason
    assert "sleep it off" in bye.reason
    assert bob.ended()
    assert ann.next(native.Left).nick == "bob"
    peer("bob", "#tea")
    nobody = admin(server, "kick", "nobody")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "nobody here is called nobody" in nobody.stderr


def test_who_is_banned_stays_off_until_it_is_taken_back(server: Server, peer: MakePeer) -> None:
    done(server, "announce", "nobody hears this")
    eve = peer("eve", "#tea")
    done(server, "ban", "eve", "--for", "2d", "no hats")
    assert eve.ended()
    done(server, "ban", "203.0.113.0/24")
    assert done(server, "ban", "mallory", "10m", "no", "boots") == "mallory is banned from the server.\n"
    (timed,) = [ban for ban in json.loads(done(server, "bans", "--json"))["bans"] if ban["mask"].startswith("mallory")]
    assert (timed["reason"], timed["until"] - timed["at"]) == ("no boots", 600_000)
    done(server, "unban", "mallory")
    server.kill("broker")
    until(lambda: len(server.pids("broker")) == 2, "another broker")
    refused = peer().ask(native.Hello(nick="Eve"), native.Error)
    assert refused.code == "banned"
    assert "no hats" in refused.text
    listed = done(server, "bans")
    assert re.search(r"^eve!\*@\* +the operator .* no hats$", listed, re.M)
    assert re.search(r"^203\.0\.113\.0/24 +the operator .* taken back$", listed, re.M)
    found = json.loads(done(server, "bans", "--json"))["bans"]
    assert [(ban["mask"], ban["by"], "until" in ban) for ban in found] == [
        ("eve!*@*", "the operator", True),
        ("203.0.113.0/24", "the operator", False),
    ]
    assert found[0]["until"] - found[0]["at"] == 2 * 24 * 3600 * 1000
    done(server, "unban", "eve")
    peer("eve", "#tea")
    again = admin(server, "unban", "eve")
    assert (again.returncode, again.stdout) == (1, "")
    for mask in ("*!*@*.x!y", "300.1.1.1/99"):
        assert admin(server, "ban", mask).returncode == 1, mask


@pytest.mark.parametrize("group", ["admin", "key"])
def test_a_group_without_a_command_shows_its_help(group: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "moot", group], capture_output=True, text=True, check=False, timeout=30
    )
    assert found.returncode == 2
    assert found.stderr.startswith(f"Usage: moot {group} [OPTIONS]")
    assert "try `moot" not in found.stderr


def test_an_announcement_is_heard_on_every_dialect(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    irc = Client(("127.0.0.1", server.port))
    irc.register("bob")
    assert done(server, "announce", "we move", "at noon 🎉") == "Everybody here was told.\n"
    assert ann.next(native.Notice).text == "we move at noon 🎉"
    assert any("we move at noon 🎉" in message.last for message in irc.told())
    irc.leave()


def test_admins_are_made_and_unmade_and_accounts_deleted(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    ann.ask(accounts.Register(password="correct horse battery"), accounts.LoggedIn)
    assert "no account" in admin(server, "add", "nobody").stderr
    assert ann.ask(moderation.Announce(text="hi"), native.Error).code == "not-allowed"
    done(server, "add", "Ann")
    assert ann.next(accounts.LoggedIn).admin
    ann.ask(moderation.Announce(text="hi"), native.Ok)
    assert re.search(r"^ann +[-:\d ]+ +1 +server admin$", done(server, "accounts"), re.M)
    assert re.search(r"^ann \(server admin\) +ann ", done(server, "users"), re.M)
    done(server, "remove", "ann")
    assert ann.ask(moderation.Announce(text="hi"), native.Error).code == "not-allowed"
    assert admin(server, "drop", "ann").returncode in (1, 130)  # nobody there to say yes
    assert json.loads(done(server, "accounts", "--json"))["count"] == 1
    done(server, "drop", "ann", "--yes")
    assert json.loads(done(server, "accounts", "--json"))["count"] == 0
    ann.next(accounts.LoggedOut)


def test_rooms_show_whose_they_are(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    ann.ask(accounts.Register(password="correct horse battery"), accounts.LoggedIn)
    ann.ask(moderation.Claim(room="#tea"), native.Ok)
    ann.ask(moderation.Mode(room="#tea", changes=[moderation.Change("secret")]), native.Ok)
    (room,) = json.loads(done(server, "rooms", "--json"))["rooms"]
    assert (room["room"], room["owner"]) == ("#tea", "ann")
    assert "secret" in room["flags"]


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
    server.kill("broker", signal.SIGSTOP)  # the supervisor kills it some seconds later
    with pytest.raises(Refused, match="the broker ended before it had answered; another takes its place"):
        asked(server, operator.Stats())


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


def test_a_forgotten_password_is_replaced_by_one_that_is_shown_once(server: Server, peer: MakePeer) -> None:
    peer("ann").ask(accounts.Register(password="correct horse"), accounts.LoggedIn)
    done = admin(server, "password", "ann")
    assert (done.returncode, done.stderr) == (0, "")
    found = re.search(r"^It is: (\S+)$", done.stdout, re.MULTILINE)
    assert found is not None
    login = accounts.Sasl(mech="PLAIN", data=f"\0ann\0{found[1]}")
    assert peer().ask(login, accounts.LoggedIn).account == "ann"
    none = admin(server, "password", "nobody")
    assert (none.returncode, none.stdout) == (1, "")
