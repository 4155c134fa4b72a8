"""What a new broker finds in the write-ahead log that the last one left."""

import shutil
from pathlib import Path

import pytest

from broker.log import Log, LogError
from tests.broker.desk import NOON

FRAME = 24 + 4096


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A log as a killed broker leaves it: twenty transactions of one message each in the write-ahead log."""
    log = Log(tmp_path / "a.db")
    for number in range(20):
        log.append("#tea", b"u" * 16, f"c{number}", NOON, "ann", "text", f"message {number}")
        log.commit()
    path = tmp_path / "moot.db"
    shutil.copy(tmp_path / "a.db", path)
    shutil.copy(tmp_path / "a.db-wal", tmp_path / "moot.db-wal")
    log.close()
    return path


def test_all_of_it_counts(left: Path) -> None:
    log = Log(left)
    assert log.last("#tea") == 20
    log.close()


@pytest.mark.parametrize("frame", [0, 4, 20])
def test_damage_that_would_drop_acknowledged_messages_is_no_start_and_changes_nothing(left: Path, frame: int) -> None:
    side = left.with_name("moot.db-wal")
    wal = bytearray(side.read_bytes())
    wal[12 if frame == 0 else 32 + (frame - 1) * FRAME + 1000] ^= 4
    side.write_bytes(wal)
    before = left.read_bytes()
    for _ in range(2):
        with pytest.raises(LogError, match=r"write-ahead log is damaged.*moot check --repair NEW.*moot restore NEW"):
            Log(left)
    assert (left.read_bytes(), side.read_bytes()) == (before, bytes(wal))


def test_a_last_transaction_that_is_not_whole_was_never_acknowledged(left: Path) -> None:
    side = left.with_name("moot.db-wal")
    side.write_bytes(side.read_bytes()[:-100] + bytes(100))
    log = Log(left)
    assert log.last("#tea") == 19
    log.close()
