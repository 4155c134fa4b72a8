"""What a new broker finds in the write-ahead log that the last one left."""

import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from broker.log import Log, LogError
from broker.walfile import HEADER, commits_behind
from tests.broker.desk import NOON

FRAME = 24 + 4096


def filled(path: Path) -> Log:
    log = Log(path)
    for number in range(20):
        log.append("#tea", b"u" * 16, f"c{number}", NOON, "ann", "text", f"message {number}")
        log.commit()
    return log


def commits(wal: bytes | bytearray) -> list[int]:
    """Return where the frames begin that end a transaction."""
    return [at for at in range(HEADER.size, len(wal), FRAME) if int.from_bytes(wal[at + 4 : at + 8], "big")]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A log as a killed broker leaves it: twenty transactions of one message each in the write-ahead log."""
    log = filled(tmp_path / "a.db")
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


def test_a_head_that_a_power_loss_tore_is_no_transaction(left: Path) -> None:
    side = left.with_name("moot.db-wal")
    wal = bytearray(side.read_bytes())
    end = commits(wal)[-2]
    torn = end + FRAME  # the first frame of the last transaction: a sector ended behind its first eight bytes
    wal[torn : torn + 8] = wal[end : end + 8]
    side.write_bytes(wal)
    log = Log(left)
    assert log.last("#tea") == 19
    log.close()


def test_a_transaction_whose_end_is_damaged_counts_all_the_same(left: Path) -> None:
    side = left.with_name("moot.db-wal")
    wal = bytearray(side.read_bytes())
    wal[commits(wal)[-2] + 2000] ^= 1
    side.write_bytes(wal)
    with pytest.raises(LogError, match="the 2 last transactions of it would be dropped"):
        Log(left)


@pytest.mark.parametrize("written", [18, 20, 28])
def test_a_power_loss_while_the_write_ahead_log_is_begun_anew_costs_nothing(tmp_path: Path, written: int) -> None:
    log = filled(tmp_path / "a.db")
    log._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    before = (tmp_path / "a.db-wal").read_bytes()
    log.append("#tea", b"u" * 16, "c20", NOON, "ann", "text", "message 20")
    shutil.copy(tmp_path / "a.db", tmp_path / "moot.db")
    log.commit()
    after = (tmp_path / "a.db-wal").read_bytes()
    assert before[:32] != after[:32]
    (tmp_path / "moot.db-wal").write_bytes(after[:written] + before[written:])  # a part of its header, no more
    log.close()
    again = Log(tmp_path / "moot.db")
    assert again.last("#tea") == 20
    look = "import apsw, sys; apsw.Connection(sys.argv[1]).execute('SELECT * FROM meta').fetchall()"
    subprocess.run([sys.executable, "-c", look, tmp_path / "moot.db"], check=True)
    assert (tmp_path / "moot.db-wal").exists()  # who comes and goes is not the last user: our locks are still there
    again.close()


def test_a_header_alone_has_no_transactions_however_many_frames_are_said_to_count(left: Path) -> None:
    side = left.with_name("moot.db-wal")
    side.write_bytes(side.read_bytes()[: HEADER.size])
    with side.open("rb") as file:
        assert commits_behind(file, 9) == 0
