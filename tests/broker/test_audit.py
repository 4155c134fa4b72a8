"""The audit finds what is damaged in a log, says which message it is, and lets the rest be read."""

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from bench.bitflips import fill, flip_frames, flip_rows
from broker import chain
from broker.audit import Audit, AuditError
from broker.log import Log
from broker.verify import Row

ROOM, OTHER = "#tea", "#cake"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound log in one file: 400 messages in two rooms, long and short."""
    path = tmp_path_factory.mktemp("whole") / "log.db"
    log = Log(path)
    rng = random.Random(1)
    for number in range(1, 201):
        for room in (ROOM, OTHER):
            text = "tea " * (2000 if number % 50 == 0 else rng.randrange(1, 60))
            log.append(room, b"a" * 16, f"{room}{number}", 1000 + number, "ann", "text", text)
    log.commit()
    log.close()
    connection = apsw.Connection(str(path))
    connection.execute("VACUUM").fetchall()
    connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    connection.close()
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "log.db"))


def findings(path: Path) -> tuple[list[str], int]:
    """Return what an audit says and how many messages are sound."""
    with Audit(path, live=False) as audit:
        kept = [item for item in audit.rows() if isinstance(item, Row)]
        audit.structure()
        assert len(kept) == audit.messages
        return [str(each) for each in audit.damage], len(kept)


def change(path: Path, sql: str, *values: object) -> None:
    """Change a log behind its back, as SQLite sees fit."""
    with sqlite3.connect(path) as connection:
        connection.execute(sql, values)
    connection.close()


def test_a_sound_log_is_sound_and_reading_it_leaves_no_trace(path: Path) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert findings(path) == ([], 400)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(path.parent.iterdir()) == [path]


def test_single_flipped_bits_in_stored_rows_are_found_and_named(tmp_path: Path) -> None:
    results = flip_rows(tmp_path, 500, 60, random.Random(20261121))
    assert [(each.found, each.named) for each in results] == [(True, True)] * 60


def test_flipped_bits_in_the_write_ahead_log_are_found_and_named(tmp_path: Path) -> None:
    results = flip_frames(tmp_path, 40, random.Random(20261121))
    assert all(each.found and each.named for place in results.values() for each in place)
    assert sum(len(place) for place in results.values()) == 40


def test_a_changed_text_condemns_its_message_only(path: Path) -> None:
    change(path, "UPDATE messages SET text = 'coffee' WHERE seq = 17 AND room = 1")
    assert findings(path) == ([f"{ROOM} 17: not as it was written"], 399)


def test_a_changed_checksum_condemns_its_message_and_not_the_next(path: Path) -> None:
    change(path, "UPDATE messages SET sum = zeroblob(16) WHERE seq = 17 AND room = 2")
    assert findings(path) == ([f"{OTHER} 17: not as it was written"], 399)


def test_a_changed_seq_is_told_from_a_missing_message(path: Path) -> None:
    change(path, "UPDATE messages SET seq = 100000 WHERE seq = 200 AND room = 1")
    assert findings(path) == ([f"{ROOM} 200: its seq is damaged"], 399)


def test_the_first_and_the_last_message_of_a_room_are_named_rightly(path: Path) -> None:
    change(path, "UPDATE messages SET nick = 'bob' WHERE seq IN (1, 200)")
    said, kept = findings(path)
    assert said == [f"{room} {seq}: not as it was written" for room in (ROOM, OTHER) for seq in (1, 200)]
    assert kept == 396


def test_several_damaged_messages_in_a_row_are_one_finding(path: Path) -> None:
    change(path, "UPDATE messages SET time = 0 WHERE room = 1 AND seq BETWEEN 50 AND 59")
    assert findings(path) == ([f"{ROOM} 50 to 59: not as they were written"], 390)


def test_deleted_messages_are_missed(path: Path) -> None:
    change(path, "DELETE FROM messages WHERE room = 1 AND seq BETWEEN 50 AND 59")
    change(path, "DELETE FROM messages WHERE room = 2 AND seq > 195")
    said, kept = findings(path)
    assert said[0].startswith(f"{ROOM} 50 to ")  # the one behind them cannot be verified, unless its bytes are found
    assert said[1] == f"{OTHER} 196 to 200: missing, unreadable, or behind what is missing"
    assert kept in (384, 385)


def test_messages_that_a_repair_left_out_are_no_damage(path: Path) -> None:
    columns = sqlite3.connect(path).execute(
        "SELECT seq, time, sender, cmid, nick, kind, text, extra FROM messages WHERE room = 1 AND seq = 200"
    )
    anew = chain.link(chain.start(ROOM), columns.fetchone())
    columns.connection.close()
    change(path, "DELETE FROM messages WHERE room = 1 AND seq = 199")
    change(path, "UPDATE messages SET sum = ? WHERE room = 1 AND seq = 200", anew)
    change(
        path,
        "UPDATE rooms SET head = ?, sum = ? WHERE id = 1",
        anew,
        chain.of_room(ROOM, "", 0, chain.start(ROOM), 200, anew),
    )
    with Audit(path, live=False) as audit:
        assert sum(isinstance(item, Row) for item in audit.rows()) == 399
        assert audit.damage == []
        assert [str(each) for each in audit.holes] == [f"{ROOM} 199: left out by an earlier repair or import"]


@pytest.mark.parametrize("column", ["topic = 'x'", "pruned = 4", "last = 456", "name = '#tee'", "base = zeroblob(16)"])
def test_a_damaged_room_is_named_and_its_messages_are_read(path: Path, column: str) -> None:
    change(path, f"UPDATE rooms SET {column} WHERE id = 1")
    said, kept = findings(path)
    assert "its entry among the rooms is damaged" in said[0]
    assert (len(said), kept) == (1, 400)


def test_a_room_whose_entry_is_gone_is_found_by_its_messages(path: Path) -> None:
    change(path, "DELETE FROM rooms WHERE id = 1")
    said, kept = findings(path)
    assert said[0].startswith("#lost-1 1: ")  # what its first message follows from is lost with its name
    assert kept == 399


def test_a_room_under_a_wrong_number_is_recognised(path: Path) -> None:
    change(path, "UPDATE rooms SET id = 77 WHERE id = 1")
    said, kept = findings(path)
    assert said == [f"{ROOM}: its number among the rooms is damaged"]
    assert kept == 399  # the first, before it was clear which of the two numbers was wrong


def test_text_that_is_not_utf_8_is_damage_and_no_error(path: Path) -> None:
    change(path, "UPDATE messages SET text = CAST(x'ff80' AS TEXT) WHERE room = 1 AND seq = 9")
    assert findings(path) == ([f"{ROOM} 9: not as it was written"], 399)


def test_a_damaged_index_is_found(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA writable_schema=ON").fetchall()
    connection.execute("UPDATE sqlite_schema SET sql = NULL, type = 'x' WHERE name = 'messages_once'").fetchall()
    connection.close()
    said, kept = findings(path)
    assert said
    assert all(each.startswith("SQLite: ") for each in said)
    assert kept == 400


def pages_of(path: Path, kind: int) -> list[int]:
    raw = path.read_bytes()
    return [at for at in range(0, len(raw), 4096) if raw[at] == kind and at > 0]


@pytest.mark.parametrize("fill_with", [b"\0", b"\xff"], ids=["zeros", "ones"])
def test_a_lost_page_costs_its_messages_only(path: Path, fill_with: bytes) -> None:
    raw = bytearray(path.read_bytes())
    leaves = pages_of(path, 10)
    at = leaves[len(leaves) // 2]
    raw[at : at + 4096] = fill_with * 4096
    path.write_bytes(raw)
    said, kept = findings(path)
    assert said
    assert kept > 350


def test_a_lost_schema_costs_no_message(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[100:4096] = bytes(3996)
    path.write_bytes(raw)
    said, kept = findings(path)
    assert any("the schema is damaged" in each for each in said)
    assert kept >= 398  # the first of each room follows from its name, which is lost


def test_a_wrong_pointer_within_the_tree_costs_no_message(path: Path) -> None:
    with Audit(path, live=False) as audit:
        root = audit._tables["messages"]
    raw = bytearray(path.read_bytes())
    at = (root - 1) * 4096
    assert raw[at] == 2
    first = at + int.from_bytes(raw[at + 12 : at + 14], "big")
    raw[first + 3] ^= 1
    path.write_bytes(raw)
    said, kept = findings(path)
    assert said
    assert kept == 400


def damages(rng: random.Random, raw: bytearray) -> bytearray:
    """Do something bad to a file."""
    size = len(raw)
    page = rng.randrange(size // 4096) * 4096

    def flips(count: int) -> None:
        for _ in range(count):
            raw[rng.randrange(size)] ^= 1 << rng.randrange(8)

    def cut() -> None:
        del raw[rng.randrange(1, size) :]

    def noise() -> None:
        raw[page : page + 4096] = rng.randbytes(4096)

    def header() -> None:
        raw[page + rng.randrange(12)] ^= 1 << rng.randrange(8)

    def twice() -> None:
        other = rng.randrange(size // 4096) * 4096
        raw[page : page + 4096] = raw[other : other + 4096]

    ways: list[Callable[[], None]] = [
        lambda: flips(1),
        lambda: flips(30),
        lambda: flips(1000),
        cut,
        noise,
        header,
        twice,
    ]
    rng.choice(ways)()
    return raw


@pytest.mark.parametrize("seed", range(60))
def test_no_damage_ends_an_audit_with_an_error_of_ours(path: Path, seed: int) -> None:
    path.write_bytes(damages(random.Random(seed), bytearray(path.read_bytes())))
    with contextlib.suppress(AuditError):
        findings(path)


def test_a_transaction_cut_off_at_the_end_is_a_note_and_no_damage(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.db")
    fill(log, 40, random.Random(1))
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    wal = (tmp_path / "a.db-wal").read_bytes()
    log.close()
    (tmp_path / "b.db-wal").write_bytes(wal[:-100] + bytes(100))
    with Audit(tmp_path / "b.db", live=False) as audit:
        kept = sum(isinstance(item, Row) for item in audit.rows())
        audit.structure()
        assert audit.damage == []
        assert "not whole" in audit.notes[0]
    assert kept == 20  # the transactions before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.db", "b.db", "b.db-wal"]
    assert (tmp_path / "b.db-wal").read_bytes() == wal[:-100] + bytes(100)


def test_messages_behind_a_damaged_frame_are_still_read(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.db")
    fill(log, 100, random.Random(1))
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    wal = bytearray((tmp_path / "a.db-wal").read_bytes())
    log.close()
    wal[32 + 3 * 4120 + 16] ^= 1  # the checksum of the fourth frame
    (tmp_path / "b.db-wal").write_bytes(wal)
    with Audit(tmp_path / "b.db", live=False) as audit:
        assert sum(isinstance(item, Row) for item in audit.rows()) == 100
        (damage,) = audit.damage
    assert "frame 4" in str(damage)
    assert "silently drop" in str(damage)


def test_a_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.db")
    fill(log, 300, random.Random(1))
    with Audit(tmp_path / "a.db", live=True) as audit:
        rows: Iterator[object] = audit.rows()
        next(rows)
        fill_more(log)
        assert 1 + sum(isinstance(item, Row) for item in rows) == 300
        audit.structure()
        assert audit.damage == []
    log.close()
    assert findings(tmp_path / "a.db") == ([], 800)


def fill_more(log: Log) -> None:
    for number in range(500):
        log.append("#more", b"d" * 16, f"more-{number}", 1, "dan", "text", "x" * 200)
        log.commit()


def test_an_older_format_is_said(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("CREATE TABLE messages (room INTEGER)")
    connection.close()
    with pytest.raises(AuditError, match="format 1, which had no checksums"):
        Audit(tmp_path / "old.db", live=False)


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(AuditError, match="is empty"):
        Audit(tmp_path / "empty.db", live=False)
