"""What a power loss may leave of a file: all that was synced, and any part of the rest."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from chaos.disk import Disk, Name, Op, Platter, Sync, Truncate, Write, read_image, write_image


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.close()


def left(ops: list[Op], image: dict[str, bytes] | None = None) -> set[frozenset[tuple[str, bytes]]]:
    """Return everything that many losses leave after ``ops``."""
    found = set()
    for seed in range(300):
        rng = Random(seed)
        platter = Platter(image if image is not None else {"a": b"old"})
        for op in ops:
            platter.apply(op, rng)
        found.add(frozenset(platter.lose(rng).items()))
    return found


def test_what_was_synced_is_always_there() -> None:
    assert left([Write(0, 0, b"new"), Sync(0)]) == {frozenset({("a", b"new")})}


def test_what_was_not_synced_is_there_or_not_or_torn() -> None:
    contents = {dict(files)["a"] for files in left([Write(0, 0, b"new")])}
    assert contents == {b"old", b"new", b"nld", b"ned", b"oew", b"olw"}


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    contents = {dict(files)["a"] for files in left([Write(0, 0, b"x" * 512), Write(0, 512, b"y" * 512)])}
    assert any(content[512:] == b"y" * 512 and content[:512] != b"x" * 512 for content in contents)


def test_a_file_may_have_grown_without_its_content() -> None:
    contents = {dict(files)["a"] for files in left([Write(0, 3, b"more")])}
    assert b"old" + b"\xff" * 4 in contents


def test_a_truncation_needs_a_sync_too() -> None:
    assert {dict(files)["a"] for files in left([Truncate(0, 1)])} == {b"o", b"old"}
    assert {dict(files)["a"] for files in left([Truncate(0, 1), Sync(0)])} == {b"o"}


def test_a_name_is_safe_when_its_directory_was_synced() -> None:
    made: list[Op] = [Name("b", 1), Write(1, 0, b"x"), Sync(1)]
    assert left(made) == {frozenset({("a", b"old")}), frozenset({("a", b"old"), ("b", b"x")})}
    assert left([*made, Sync(0, directory=True)]) == {frozenset({("a", b"old"), ("b", b"x")})}
    assert left([Name("a", None)]) == {frozenset(), frozenset({("a", b"old")})}
    assert left([Name("a", None, synced=True)]) == {frozenset()}


def test_a_failed_sync_is_not_made_good_by_the_next_one() -> None:
    contents = {dict(files)["a"] for files in left([Write(0, 0, b"new"), Sync(0, failed=True), Sync(0)])}
    assert {b"old", b"new"} < contents


def test_a_database_in_use_is_recorded_byte_for_byte(tmp_path: Path, disk: Disk) -> None:
    db = apsw.Connection(str(tmp_path / "x.db"), vfs=disk.name)
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE t (x)")
    for number in range(50):
        db.execute("INSERT INTO t VALUES (?)", (str(number) * 500,))
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.execute("INSERT INTO t VALUES ('last')")
    platter, rng = disk.platter, Random(0)
    for op in disk.ops:
        platter.apply(op, rng)
    (db_file,) = {op.file for op in disk.ops if isinstance(op, Name) and op.name == "x.db"}
    assert platter.lose(rng) == read_image(tmp_path)  # all of it was synced
    assert db_file == platter.names["x.db"]
    db.close()


def test_a_failing_disk_says_so_to_sqlite(tmp_path: Path, disk: Disk) -> None:
    db = apsw.Connection(str(tmp_path / "x.db"), vfs=disk.name)
    db.execute("CREATE TABLE t (x)")
    disk.failing.add("write")
    with pytest.raises(apsw.FullError):
        db.execute("INSERT INTO t VALUES (1)")
    disk.failing = {"sync"}
    with pytest.raises(apsw.IOError):
        db.execute("INSERT INTO t VALUES (1)")
    disk.failing.clear()
    db.execute("INSERT INTO t VALUES (1)")
    db.close()


def test_a_directory_becomes_an_image(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x")
    write_image({"a": b"1", "b": b""}, tmp_path)
    assert read_image(tmp_path) == {"a": b"1", "b": b""}
