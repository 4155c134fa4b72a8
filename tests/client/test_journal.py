"""The outbox on disk: what is recorded is there again, for one owner at a time, whatever happened to the file."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from client.address import Address
from client.journal import Desk, Journal, leftovers, open_journal
from client.outbox import Outgoing
from protocol import native

SERVER = Address("example.org", 6668)
ANN = Desk("chat", SERVER, "ann")
SENDER = Desk("send", SERVER, "ann", "#tea")


def said(number: int, text: str = "hi") -> native.Send:
    return native.Send(cmid=f"c{number}", to="#tea", text=text)


def record(journal: Journal, *new: Outgoing, done: tuple[str, ...] = ()) -> str:
    return journal.record(new, done, {request.cmid: request for request in new})


def reopened(journal: Journal, root: Path) -> Journal:
    journal.close()
    return open_journal(journal.desk, root)


def only_file(root: Path) -> Path:
    [path] = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith("-wal")]
    return path


def test_what_is_not_acknowledged_is_there_again_in_order_with_the_token(tmp_path: Path) -> None:
    first = open_journal(ANN, tmp_path)
    requests: list[Outgoing] = [
        said(3),
        native.Fun(cmid="c1", to="@bob", line="/roll 1d6"),
        native.Topic(cmid="c2", room="#tea", text="Oolong"),
    ]
    assert record(first, *requests) == ""
    assert record(first, said(9), done=("c1",)) == ""
    second = reopened(first, tmp_path)
    assert second.pending == [requests[0], requests[2], said(9)]
    assert (second.token, second.problem) == (first.token, "")
    assert len(second.token) >= 16
    second.close()


def test_the_token_and_the_newest_nick_stay_when_all_is_said(tmp_path: Path) -> None:
    first = open_journal(ANN, tmp_path)
    first.named("ann2")
    record(first, said(1))
    record(first, done=("c1",))
    second = reopened(first, tmp_path)
    assert (second.token, second.nick, second.pending) == (first.token, "ann2", [])
    second.close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "LOCALHOST"])
def test_all_names_of_this_machine_are_one_server(tmp_path: Path, name: str) -> None:
    journal = open_journal(Desk("chat", Address("localhost", 6668), "Ann"), tmp_path)
    same = reopened(journal, tmp_path)
    same.close()
    other = open_journal(Desk("chat", Address(name, 6668), "ann"), tmp_path)
    assert other.token == journal.token
    other.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    root = tmp_path / "state" / "moot" / "outbox"
    old = os.umask(0)
    try:
        journal = open_journal(ANN, root)
        record(journal, said(1))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_file()}
        assert modes == {0o600}
        assert {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.iterdir())} == {0o700}
    finally:
        os.umask(old)
        journal.close()


def test_what_is_new_is_synced_and_what_is_done_waits_for_no_disk(tmp_path: Path) -> None:
    journal = open_journal(ANN, tmp_path)
    assert journal._db is not None
    record(journal, said(1))
    full, normal = 2, 1  # what the commit just made was made with
    assert (journal._db.pragma("journal_mode"), journal._db.pragma("synchronous")) == ("wal", full)
    record(journal, done=("c1",))
    assert journal._db.pragma("synchronous") == normal
    record(journal, said(2), done=("c1",))
    assert journal._db.pragma("synchronous") == full
    journal.close()


def test_texts_leave_the_disk_when_they_are_said(tmp_path: Path) -> None:
    journal = open_journal(ANN, tmp_path)
    for number in range(50):
        record(journal, said(number, f"a secret {'x' * 200}"))
    record(journal, done=tuple(f"c{number}" for number in range(50)))
    journal.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"a secret" in path.read_bytes()] == []


def test_two_clients_at_once_have_one_each_and_the_next_takes_over_the_first(tmp_path: Path) -> None:
    one, two = open_journal(ANN, tmp_path), open_journal(ANN, tmp_path)
    assert one.token != two.token
    record(two, said(2))
    assert leftovers(ANN, tmp_path) == ([], [])  # both live
    two.close()
    assert reopened(one, tmp_path).token == one.token
    [left], problems = leftovers(Desk("chat", SERVER, "bob"), tmp_path)
    assert (left.token, left.nick, left.pending, problems) == (two.token, "ann", [said(2)], [])
    left.close()


def test_a_sender_takes_over_what_was_for_its_room_and_a_chat_everything(tmp_path: Path) -> None:
    for desk in (ANN, SENDER, Desk("send", SERVER, "ci", "#builds"), Desk("send", Address("other", 1), "x", "#tea")):
        journal = open_journal(desk, tmp_path)
        record(journal, said(1))
        journal.close()

    def nicks(desk: Desk) -> list[str]:
        found, _ = leftovers(desk, tmp_path)
        for one in found:
            one.close()
        return sorted(f"{one.desk.program} {one.nick}" for one in found)

    assert nicks(Desk("send", SERVER, "zoe", "#tea")) == ["send ann"]
    assert nicks(Desk("chat", SERVER, "zoe")) == ["chat ann", "send ann", "send ci"]
    assert nicks(Desk("chat", Address("third", 1), "zoe")) == []


HOLDER = """
import sys, pathlib
from client.address import Address
from client.journal import Desk, leftovers, open_journal
journal = open_journal(Desk("chat", Address("example.org", 6668), "ann"), pathlib.Path(sys.argv[1]))
leftovers(journal.desk, pathlib.Path(sys.argv[1]))
print(journal.token, flush=True)
sys.stdin.read()
"""


def test_a_client_that_has_looked_for_leftovers_still_has_its_own_journal(tmp_path: Path) -> None:
    """Of two processes: POSIX locks end when any handle of the file is closed, which one process cannot see."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        token = one.stdout.readline().strip()
        two = open_journal(ANN, tmp_path)
        assert two.token != token
        two.close()
        one.stdin.close()
    assert reopened(two, tmp_path).token == token


PROGRAM = """
import os, sys, pathlib
from client.address import Address
from client.journal import Desk, open_journal
from protocol import native
journal = open_journal(Desk("chat", Address("example.org", 6668), "ann"), pathlib.Path(sys.argv[1]))
number = len(journal.pending)
while True:
    new = native.Send(cmid=f"c{number}", to="#tea", text=str(number))
    journal.record([new], [], {})
    os.write(1, b"%d\\n" % number)
    number += 1
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    last = -1
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            for _ in range(50):
                last = int(program.stdout.readline())
            program.send_signal(signal.SIGKILL)
            last = int((program.stdout.read().split() or [b"%d" % last])[-1])
        journal = open_journal(ANN, tmp_path)
        assert journal.problem == ""
        texts = [request.text for request in journal.pending if isinstance(request, native.Send)]
        assert texts[: last + 1] == [str(number) for number in range(last + 1)]
        assert len(texts) <= last + 2  # the one that was not told of
        journal.close()


def test_a_torn_end_costs_what_was_not_whole_and_nothing_else(tmp_path: Path) -> None:
    journal = open_journal(ANN, tmp_path)
    record(journal, said(1))
    wal = Path(f"{only_file(tmp_path)}-wal")
    whole = wal.read_bytes()
    record(journal, said(2))
    longer = wal.read_bytes()
    place = only_file(tmp_path)
    for cut in (len(whole), len(whole) + 1, len(longer) - 1):
        copy = tmp_path / f"copy{cut}" / place.parent.name
        copy.mkdir(parents=True)
        (copy / place.name).write_bytes(place.read_bytes())
        (copy / wal.name).write_bytes(longer[:cut])
        torn = open_journal(ANN, copy.parent)
        assert (torn.pending, torn.problem, torn.token) == ([said(1)], "", journal.token)
        torn.close()
    journal.close()


@pytest.mark.parametrize("damage", ["garbage", "tail", "foreign", "request"])
def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path, damage: str) -> None:
    journal = open_journal(ANN, tmp_path)
    record(journal, said(1))
    journal.close()
    path = only_file(tmp_path)
    if damage == "garbage":
        path.write_bytes(b"what is this\n" * 400)
    elif damage == "tail":
        path.write_bytes(path.read_bytes()[:5000] + os.urandom(1000))
    else:
        db = apsw.Connection(str(path))
        change = {
            "foreign": "DROP TABLE owner",
            "request": "UPDATE outbox SET request = 'no'",
        }
        db.execute(change[damage])
        db.close()
    found, problems = leftovers(Desk("chat", SERVER, "bob"), tmp_path)
    assert found == []
    assert "damaged" in problems[0]
    assert Path(f"{path}-damaged-0").exists()
    path.write_bytes(b"again, and longer than a header" * 100)
    again = open_journal(ANN, tmp_path)
    assert f"{path}-damaged-1" in again.problem
    assert record(again, said(2)) == ""
    assert again.safe
    assert reopened(again, tmp_path).pending == [said(2)]


def test_without_a_place_to_write_one_is_warned_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = open_journal(ANN, tmp_path / "file" / "below")
    assert journal.problem.startswith("what you say cannot be kept on disk (")
    assert journal.problem.endswith("should this program die before it is sent, it is lost")
    assert record(journal, said(1)) == ""
    assert not journal.safe
    assert len(journal.token) >= 16
    assert leftovers(ANN, tmp_path / "file" / "below") == ([], [])


def test_a_full_disk_is_told_once_and_written_when_there_is_room_again(tmp_path: Path) -> None:
    journal = open_journal(ANN, tmp_path)
    assert journal._db is not None
    outbox: dict[str, Outgoing] = {}

    def say(number: int) -> str:
        new = said(number, "x" * 3000)
        outbox[new.cmid] = new
        return journal.record([new], [], outbox)

    assert say(1) == ""
    journal._db.pragma("max_page_count", 6)
    told = [say(number) for number in range(2, 12)]
    [problem] = filter(None, told)
    assert "cannot be kept on disk" in problem
    assert journal.problem == problem
    journal._db.pragma("max_page_count", 1000)
    assert say(12) == "what you say is kept on disk again"
    assert say(13) == ""
    assert [request.cmid for request in reopened(journal, tmp_path).pending] == [f"c{n}" for n in range(1, 14)]


def test_what_a_newer_program_keeps_is_left_to_it(tmp_path: Path) -> None:
    journal = open_journal(ANN, tmp_path)
    record(journal, said(1))
    journal.close()
    path = only_file(tmp_path)
    with contextlib.closing(apsw.Connection(str(path))) as db:
        db.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    assert leftovers(ANN, tmp_path) == ([], [])
    older = open_journal(ANN, tmp_path)
    assert older.problem == f"what a newer moot has not sent yet is kept in {path}; start that one to send it"
    assert record(older, said(2)) == ""
    assert older.safe
    older.close()
    assert path.read_bytes() == before


def test_a_file_whose_maker_was_killed_at_once_belongs_to_whoever_it_was_made_for(tmp_path: Path) -> None:
    open_journal(SENDER, tmp_path).close()
    path = only_file(tmp_path)
    path.write_bytes(b"")
    assert leftovers(Desk("chat", SERVER, "bob"), tmp_path) == ([], [])
    journal = open_journal(SENDER, tmp_path)
    record(journal, said(1))
    journal.close()
    [left], _ = leftovers(Desk("send", SERVER, "zoe", "#tea"), tmp_path)
    assert (left.desk, left.pending) == (SENDER, [said(1)])
    left.close()
