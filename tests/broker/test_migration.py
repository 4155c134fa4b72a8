"""A log of the first format becomes one of today: with a copy kept, whole at any moment, nothing lost."""

import os
import stat
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from broker import schema
from broker.log import Log, LogError, inbox_name
from tests.broker.vfs import Heard

ANN: Final = b"a" * 16
MOMENTS: Final = 40  # writes and syncs of a migration, at least
FORMAT_1: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rooms (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic TEXT NOT NULL) STRICT;
CREATE TABLE messages (
    room INTEGER NOT NULL REFERENCES rooms (id),
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    sender BLOB NOT NULL,
    cmid TEXT,
    nick TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    extra TEXT,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX messages_once ON messages (sender, cmid) WHERE cmid IS NOT NULL;
"""


def first_format(path: Path, *, journal: str = "wal") -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", journal)
    db.execute(FORMAT_1)
    db.execute("INSERT INTO meta VALUES ('epoch', '0123456789abcdef')")
    rooms = [(1, "#tea", "Oolong"), (2, inbox_name(ANN), ""), (3, "#empty", "")]
    db.executemany("INSERT INTO rooms VALUES (?, ?, ?)", rooms)
    rows: list[Any] = [
        (1, 1, 1000, ANN, "c1", "ann", "text", "one ☕", None),
        (1, 2, 1001, ANN, "c2", "ann", "topic", "Oolong", None),
        (
            1,
            3,
            1002,
            ANN,
            "c3",
            "ann",
            "fun",
            "picture",
            '{"cmd":"/x","anim":{"name":"train","seed":1,"duration":2.5}}',
        ),
        (2, 1, 1003, b"b" * 16, None, "bob", "text", "psst", '{"to":"ann"}'),
    ]
    db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.pragma("user_version", 1)
    return db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    first_format(tmp_path / "moot.db").close()
    return tmp_path / "moot.db"


def check_contents(path: Path) -> None:
    log = Log(path)
    assert log.epoch == "0123456789abcdef"
    assert dict(log.names()) == {"#tea": "Oolong", "#empty": ""}
    page = log.after("#tea", 0, 10)
    assert [(msg.seq, msg.time, msg.text, msg.kind) for msg in page.messages] == [
        (1, 1000, "one ☕", "text"),
        (2, 1001, "Oolong", "topic"),
        (3, 1002, "picture", "fun"),
    ]
    assert page.gaps == []
    assert page.messages[2].cmd == "/x"
    assert [(msg.seq, msg.text, msg.to) for msg in log.newest(inbox_name(ANN), 5).messages] == [(1, "psst", "ann")]
    assert log.find(ANN, "c3") is not None
    assert log.append("#empty", ANN, "new", 1, "ann", "text", "new").seq == log.last("#empty") == 1
    log.rollback()
    log.close()


def version(path: Path) -> int:
    db = apsw.Connection(str(path))
    found: int = db.pragma("user_version")
    db.close()
    return found


def test_everything_is_there_after_it_and_the_chain_goes_on(path: Path) -> None:
    check_contents(path)
    log = Log(path)
    assert log.append("#tea", ANN, "c4", 2000, "ann", "text", "four").seq == 4
    log.commit()
    log.close()
    again = Log(path)
    assert [msg.text for msg in again.newest("#tea", 2).messages] == ["picture", "four"]
    again.close()


def test_a_copy_of_before_is_kept_for_its_owner_only(path: Path) -> None:
    old = os.umask(0)
    try:
        Log(path).close()
    finally:
        os.umask(old)
    copy = path.with_name("moot.db.v1.bak")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert version(copy) == 1
    assert version(path) == 2
    assert sorted(file.name for file in path.parent.iterdir()) == ["moot.db", "moot.db.v1.bak"]
    copy.rename(path)
    check_contents(path)


def test_what_is_in_the_write_ahead_log_only_comes_along(tmp_path: Path) -> None:
    """As after a crash: the main file may not even have the tables."""
    db = first_format(tmp_path / "moot.db")
    killed = tmp_path / "killed"
    killed.mkdir()
    for file in ("moot.db", "moot.db-wal"):
        (killed / file).write_bytes((tmp_path / file).read_bytes())
    db.close()
    check_contents(killed / "moot.db")


class Dying(Heard):
    """A file system under a process that is killed after so many writes and syncs."""

    def __init__(self, after: int) -> None:
        super().__init__("dying")
        self.left = after

    def before(self, what: str, file: str) -> None:
        self.left -= 1
        if self.left < 0:
            os._exit(9)


@pytest.mark.parametrize("after", [*range(0, MOMENTS, 2), MOMENTS + 20])
def test_a_crash_at_any_moment_leaves_it_whole(after: int, path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            disk = Dying(after)
            Log(path, vfs=disk.name)
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    killed = os.waitstatus_to_exitcode(status) == 9
    assert killed == (after < MOMENTS)
    assert version(path) in ((1, 2) if killed else (2,))
    check_contents(path)
    assert version(path) == 2


def test_no_room_for_the_copy_leaves_it_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(part: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schema, "sync", full)
    with pytest.raises(LogError, match="No space left"):
        Log(path)
    monkeypatch.undo()
    assert version(path) == 1
    assert [file.name for file in path.parent.glob("*.bak*")] == []
    check_contents(path)


def test_a_damaged_row_is_left_out_and_named_and_the_copy_has_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    db = apsw.Connection(str(path))
    db.execute("UPDATE messages SET text = CAST(x'ff00' AS TEXT) WHERE seq = 2")
    db.close()
    log = Log(path)
    page = log.after("#tea", 0, 10)
    assert [msg.seq for msg in page.messages] == [1, 3]
    assert page.gaps == [(2, 2)]
    log.close()
    assert "message 2 of #tea is damaged and was left out; the copy has it" in caplog.text


def test_it_gives_signs_of_life_while_it_takes_its_time(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
        " INSERT INTO messages SELECT 1, i, i, x'61', 'm' || i, 'ann', 'text', 'hello', NULL FROM n"
    )
    db.close()
    signs = []
    log = Log(path, alive=lambda: signs.append(1))
    assert len(signs) > 2
    assert log.last("#tea") == 30000
    assert log.after("#tea", 29000, 1000).gaps == []
    log.close()


@pytest.mark.parametrize("number", [-16777214, 0, 1])
def test_a_damaged_format_number_gives_no_damaged_row_another_sum(number: int, tmp_path: Path) -> None:
    path = tmp_path / "moot.db"
    log = Log(path)
    for seq in (1, 2, 3):
        log.append("#tea", b"a" * 16, f"c{seq}", seq, "ann", "text", f"text {seq}")
    log.commit()
    log.close()
    db = apsw.Connection(str(path))
    db.execute("UPDATE messages SET text = 'forged' WHERE seq = 2")
    db.pragma("user_version", number)
    db.close()
    log = Log(path)
    page = log.after("#tea", 0, 10)
    log.close()
    assert [msg.text for msg in page.messages] == ["text 1", "text 3"]
    assert page.gaps == [(2, 2)]
    assert version(path) == schema.VERSION


def test_a_format_that_never_was_is_said_and_nothing_is_changed(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.pragma("user_version", -5)
    db.close()
    with pytest.raises(LogError, match="format -5, which there never was"):
        Log(path)
    assert version(path) == -5
