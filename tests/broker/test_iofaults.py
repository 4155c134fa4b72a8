"""Disks that are full, fail or forget: nothing false is acknowledged, reading goes on, writing comes back by itself."""

import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import pytest

from broker.log import Log, LogError, LogLost
from broker.upkeep import AGAIN_S, Upkeep
from protocol import native
from protocol.accounts import LoggedIn, Register, Sasl
from protocol.ipc import Announced, Do, Vouched
from tests.broker.desk import ANN as ANN_CONN
from tests.broker.shell import Bench, answers, code, hello, join, posts, say
from tests.broker.vfs import Heard
from tests.server import LIMIT_S, Peer, Server, until

ANN: Final = b"a" * 16


class Faulty(Heard):
    """A file system that fails on demand: `failing` has pairs of what is done and the end of the file's name."""

    def __init__(self, *, default: bool = False) -> None:
        super().__init__("faulty", default=default)
        self.failing: set[tuple[str, str]] = set()
        self.once = False  # and is well again after that
        self.done: list[tuple[str, str]] = []

    def before(self, what: str, file: str) -> None:
        self.done.append((what, file))
        if (what, file) in self.failing:
            if self.once:
                self.failing.clear()
            code = apsw.SQLITE_IOERR_FSYNC if what == "sync" else apsw.SQLITE_IOERR_WRITE
            raise apsw.exception_for(code)


@pytest.fixture
def disk() -> Iterator[Faulty]:
    made = Faulty()
    yield made
    made.unregister()


@pytest.fixture
def log(disk: Faulty, tmp_path: Path) -> Iterator[Log]:
    opened = Log(tmp_path / "moot.db", vfs="faulty")
    add(opened, "one")
    add(opened, "two")
    opened.commit()
    yield opened
    disk.failing.clear()
    opened.close()


def add(log: Log, text: str, room: str = "#tea") -> int:
    return log.append(room, ANN, text, 1000, "ann", "text", text).seq


def texts(log: Log, room: str = "#tea") -> list[str]:
    return [msg.text for msg in log.before(room, 99, 50).messages]


def one_fails(log: Log, disk: Faulty) -> None:
    """Have a message refused for a failed sync; then the disk is well again."""
    disk.failing.add(("sync", "db-wal"))
    add(log, "lost")
    with pytest.raises(LogError):
        log.commit()
    disk.failing.clear()


def change(path: Path, *statements: str) -> None:
    """Change the log behind the broker's back."""
    other = apsw.Connection(str(path), vfs="unix")
    for statement in statements:
        other.execute(statement)
    other.close()


def writable(log: Log) -> bool:
    return log.suspect is None


def after_a_crash(path: Path, elsewhere: Path) -> list[str]:
    """Return what a log opened on a copy of the files as they are has."""
    elsewhere.mkdir(exist_ok=True)
    for file in path.parent.glob("moot.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, elsewhere / file.name)
    crashed = Log(elsewhere / "moot.db")
    found = texts(crashed)
    crashed.close()
    return found


@pytest.mark.parametrize("fault", [("sync", "db-wal"), ("write", "db-wal")])
def test_after_an_error_nothing_is_written_until_the_disk_has_proven_sound(
    fault: tuple[str, str], log: Log, disk: Faulty, tmp_path: Path
) -> None:
    disk.failing.add(fault)
    add(log, "lost")
    add(log, "lost too", "#new")
    with pytest.raises(LogError, match="cannot write the log"):
        log.commit()
    assert not writable(log)
    assert (log.last("#tea"), log.last("#new")) == (2, 0)
    assert texts(log) == ["one", "two"]
    with pytest.raises(LogError):
        add(log, "refused")
    assert log.find(ANN, "one") is not None  # a retry of what is there is answered
    with pytest.raises(LogError, match="cannot be written yet"):
        log.recover()
    disk.failing.clear()
    with pytest.raises(LogError):
        add(log, "refused")  # the next fsync would succeed; it is not trusted
    log.recover()
    assert writable(log)
    assert after_a_crash(tmp_path / "moot.db", tmp_path / "crashed") == ["one", "two"]
    assert add(log, "three") == 3
    log.commit()
    assert texts(log) == ["one", "two", "three"]
    assert after_a_crash(tmp_path / "moot.db", tmp_path / "later") == ["one", "two", "three"]


def test_what_failed_is_void_even_while_somebody_reads_an_older_state(log: Log, disk: Faulty, tmp_path: Path) -> None:
    reader = apsw.Connection(str(tmp_path / "moot.db"))
    reader.execute("BEGIN; SELECT count(*) FROM messages").fetchall()
    one_fails(log, disk)
    log.recover()
    assert after_a_crash(tmp_path / "moot.db", tmp_path / "crashed") == ["one", "two"]
    reader.execute("COMMIT")
    reader.close()


def test_acknowledged_messages_that_are_gone_stop_it_with_their_numbers(log: Log, disk: Faulty, tmp_path: Path) -> None:
    one_fails(log, disk)
    change(tmp_path / "moot.db", "DELETE FROM messages WHERE seq = 2", "DELETE FROM rooms")
    with pytest.raises(LogLost, match="has lost messages 1 to 2 of room #tea, though acknowledged"):
        log.recover()
    with pytest.raises(LogError):
        add(log, "nothing more")


def test_an_acknowledged_message_that_is_damaged_stops_it_too(log: Log, disk: Faulty, tmp_path: Path) -> None:
    one_fails(log, disk)
    change(tmp_path / "moot.db", "UPDATE messages SET text = 'other' WHERE seq = 1")
    with pytest.raises(LogLost, match="messages 1 of room #tea"):
        log.recover()


def test_what_was_damaged_before_does_not_stop_it(log: Log, disk: Faulty, tmp_path: Path) -> None:
    log.close()
    change(tmp_path / "moot.db", "UPDATE messages SET text = 'other' WHERE seq = 1")
    log = Log(tmp_path / "moot.db", vfs="faulty")
    assert texts(log) == ["two"]
    one_fails(log, disk)
    log.recover()
    assert add(log, "three") == 3
    log.commit()
    log.close()


def test_a_log_opened_on_a_failing_disk_is_read_and_written_when_the_disk_is_well(
    log: Log, disk: Faulty, tmp_path: Path
) -> None:
    log.close()
    disk.failing.add(("sync", "db-wal"))
    log = Log(tmp_path / "moot.db", vfs="faulty")
    assert not writable(log)
    assert texts(log) == ["one", "two"]
    disk.failing.clear()
    log.recover()
    assert add(log, "three") == 3
    log.commit()
    log.close()


def test_what_a_killed_broker_left_unsynced_is_synced_before_anybody_hears_of_it(
    log: Log, disk: Faulty, tmp_path: Path
) -> None:
    assert after_a_crash(tmp_path / "moot.db", tmp_path / "killed") == ["one", "two"]
    for file in ("moot.db", "moot.db-wal"):
        shutil.copy(tmp_path / file, tmp_path / "killed" / file)
    log.close()
    disk.done.clear()
    Log(tmp_path / "killed" / "moot.db", vfs="faulty").close()
    syncs = [file for what, file in disk.done if what == "sync"]
    assert syncs[:2] == ["db-wal", "db"]


def test_it_is_tried_again_once_a_second_and_complained_of_as_often(
    log: Log, disk: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    upkeep = Upkeep(log)
    disk.failing.add(("sync", "db-wal"))
    add(log, "lost")
    with pytest.raises(LogError):
        log.commit()
    tries = []
    for step in range(25):
        disk.done.clear()
        upkeep.mend(100.0 + step / 10)
        tries.append(bool(disk.done))
    assert [step for step, tried in enumerate(tries) if tried] == [0, 10, 20]
    assert len(caplog.records) == 3
    disk.failing.clear()
    upkeep.mend(100.0 + 3 * AGAIN_S)
    assert log.suspect is None
    assert caplog.records[-1].message.endswith("writing goes on")


# --- the whole broker


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[tuple[Bench, Faulty]]:
    disk = Faulty(default=True)
    made = Bench(tmp_path)
    yield made, disk
    disk.failing.clear()
    made.close()
    disk.unregister()


def test_senders_are_told_while_the_disk_fails_and_heard_when_it_is_well(bench: tuple[Bench, Faulty]) -> None:
    broker, disk = bench
    one = broker.worker(1)
    one.put(hello(ANN_CONN, "ann"), join(ANN_CONN, "#tea"), say(ANN_CONN, "kept", 3))
    broker.turn()
    one.told()
    disk.failing.add(("sync", "db-wal"))
    for rid in (4, 5):
        one.put(say(ANN_CONN, "lost", rid), say(ANN_CONN, "kept", 3))
        broker.turn()
        told = one.told()
        assert posts(told) == []
        refused = answers(told)[rid]
        assert isinstance(refused, native.Error)
        assert (refused.code, refused.wait) == ("storage", 1.0)
    disk.failing.clear()
    broker.broker.upkeep._mend_at = 0.0
    one.put(say(ANN_CONN, "next", 4))
    broker.turn()
    told = one.told()
    assert posts(told) == [(2, "next")]


def test_a_disk_that_is_well_again_at_once_costs_one_refusal(bench: tuple[Bench, Faulty]) -> None:
    broker, disk = bench
    one = broker.worker(1)
    one.put(hello(ANN_CONN, "ann"), join(ANN_CONN, "#tea"))
    broker.turn()
    one.told()
    disk.failing.add(("sync", "db-wal"))
    disk.once = True
    one.put(say(ANN_CONN, "a", 4))
    broker.turn()
    assert code(answers(one.told())[4]) == "storage"
    one.put(say(ANN_CONN, "a", 4))
    broker.turn()
    assert posts(one.told()) == [(1, "a")]


def test_a_broker_that_lost_acknowledged_messages_answers_nobody_and_says_why(
    bench: tuple[Bench, Faulty], tmp_path: Path
) -> None:
    broker, disk = bench
    one = broker.worker(1)
    one.put(hello(ANN_CONN, "ann"), join(ANN_CONN, "#tea"), say(ANN_CONN, "kept", 3))
    broker.turn()
    one.told()
    disk.failing.add(("sync", "db-wal"))
    one.put(say(ANN_CONN, "lost", 4))
    broker.turn()
    one.told()
    disk.failing.clear()
    change(tmp_path / "moot.db", "DELETE FROM messages")
    broker.broker.upkeep._mend_at = 0.0
    one.put(say(ANN_CONN, "next", 5))
    with pytest.raises(LogLost, match="messages 1 of room #tea, though acknowledged"):
        broker.turn()
    assert one.told() == []


# --- a real full disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "moot-test", str(place)], stderr=subprocess.DEVNULL
    )
    if not mounted:
        pytest.skip("a small file system can be mounted by root only")
    yield place
    subprocess.check_call(["umount", str(place)])


def test_a_full_disk_refuses_in_time_and_serves_what_there_is_and_recovers(small: Path, tmp_path: Path) -> None:
    server = Server(small / "data", "--workers", "1", "--no-limits")
    server.log_path = tmp_path / "server.log"
    server.start()
    until(lambda: (small / "data" / "tls.pem").exists(), "the first start to be over")
    peer = Peer(server.port)
    try:
        peer.enter("ann", "#tea")

        def say(text: str) -> native.Ok | native.Error:
            peer.ids += 1
            peer.write(native.Send(id=peer.ids, cmid=f"c{peer.ids}", to="#tea", text=text))
            answer = peer.next(lambda event: getattr(event, "id", None) == peer.ids)
            assert isinstance(answer, native.Ok | native.Error)
            return answer

        assert isinstance(say("first"), native.Ok)
        acknowledged = 1
        with (small / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 4096)
        while isinstance(answer := say("y" * 4000), native.Ok):
            acknowledged = answer.seq or 0
        begun = time.monotonic()
        refused = say("refused")
        while isinstance(refused, native.Ok):  # a short one may still have found room
            acknowledged = refused.seq or 0
            refused = say("refused" * 500)
        assert refused.code == "storage"
        assert time.monotonic() - begun < 1.0
        page = peer.ask(native.History(room="#tea", limit=500), native.HistoryPage)
        assert page.messages[-1].seq == acknowledged

        killed = server.kill("broker")
        until(lambda: server.pids("broker")[-1] != killed, "another broker")
        page = peer.ask(native.History(room="#tea", limit=500), native.HistoryPage)
        assert page.messages[-1].seq == acknowledged

        (small / "ballast").unlink()
        said = until(lambda: answer if isinstance(answer := say("back"), native.Ok) else None, "writing to come back")
        assert said.seq == acknowledged + 1
    finally:
        peer.close()
        server.destroy()
        print(server.log[-4000:])


def proof(bench: Bench) -> None:
    """Have the vault's next result applied."""
    assert select.select([bench.broker.vault], [], [], LIMIT_S)[0]
    bench.turn()


def test_an_account_is_made_when_the_disk_has_it_and_others_are_not_disturbed_by_one_that_could_not_be(
    bench: tuple[Bench, Faulty],
) -> None:
    broker, disk = bench
    one = broker.worker(1)
    register = Register(password="correct horse", account="ann")
    one.put(hello(ANN_CONN, "ann"), join(ANN_CONN, "#tea"), Do(ANN_CONN, 3, register, addr="127.0.0.1"))
    broker.turn()
    one.told()
    disk.failing.add(("sync", "db-wal"))
    proof(broker)
    told = one.told()
    assert code(answers(told)[3]) == "storage"
    assert not [event for event in told if isinstance(event, Vouched | Announced)]
    disk.failing.clear()

    def well() -> bool:
        broker.turn()
        return writable(broker.broker.log)

    until(well, "the log to be writable again")
    one.put(Do(ANN_CONN, 4, register, addr="127.0.0.1"), say(ANN_CONN, "hi", 5))
    broker.turn()
    assert isinstance(answers(one.told())[5], native.Ok)  # the log's thread did not wait for the hash
    proof(broker)
    told = one.told()
    assert isinstance(answers(told)[4], LoggedIn)
    assert [event.conn for event in told if isinstance(event, Vouched)] == [ANN_CONN]


def test_a_session_that_could_not_be_stored_is_given_to_nobody(bench: tuple[Bench, Faulty]) -> None:
    broker, disk = bench
    one = broker.worker(1)
    one.put(Do(ANN_CONN, 1, Register(password="correct horse", account="ann"), addr="127.0.0.1"))
    broker.turn()
    proof(broker)
    one.told()
    login = Sasl(mech="PLAIN", data="\0ann\0correct horse", remember=True)
    one.put(Do(ANN_CONN, 2, login, addr="127.0.0.1"))
    broker.turn()
    disk.failing.add(("sync", "db-wal"))
    proof(broker)
    assert code(answers(one.told())[2]) == "storage"
    disk.failing.clear()
    account = broker.broker.state.accounts.account("ann")
    assert account is not None
    assert account.sessions == []
