"""A restore is killed between every two of its steps, and whoever goes on is killed too: no log is ever lost."""

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.bitflips import fill
from broker import placing
from broker.log import Log, LogError
from broker.newlog import NewLogError, restored, verified

ANN = b"a" * 16
KILLED = 9
STEPS = ("tempfile.mkstemp", "os.listdir", "os.rename", "os.remove")  # what changes names, and a look at them


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    path = tmp_path / "backup.db"
    log = Log(path)
    fill(log, 40, random.Random(1))
    log.close()
    return path


def after_a_crash(path: Path) -> None:
    """Make a log whose one message is in its write-ahead log alone."""
    log = Log(path)
    log.append("#tea", ANN, "only here", 1, "ann", "text", "only here")
    log.commit()
    wal = path.with_name(path.name + "-wal")
    raw = path.read_bytes(), wal.read_bytes()
    log.close()
    path.write_bytes(raw[0])
    wal.write_bytes(raw[1])


def ended_well(path: Path) -> None:
    log = Log(path)
    log.append("#tea", ANN, "only here", 1, "ann", "text", "only here")
    log.commit()
    log.close()


def damaged(path: Path) -> None:
    after_a_crash(path)
    path.write_bytes(b"no log at all" + path.read_bytes()[13:])


def killed(step: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a process that is killed before its ``step``th step; return whether it came that far."""
    pid = os.fork()
    if pid == 0:
        left = step

        def hook(event: str, _arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in STEPS:
                left -= 1
                if left < 0:
                    os._exit(KILLED)

        try:
            sys.addaudithook(hook)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED


def content(path: Path) -> tuple[bytes, bytes]:
    """Return a log's bytes, and those of its write-ahead log."""
    wal = path.with_name(path.name + "-wal")
    return path.read_bytes(), wal.read_bytes() if wal.exists() else b""


def kept(log: Path) -> list[Path]:
    return [each for each in log.parent.iterdir() if each.name.endswith(placing.KEPT)]


def whole(log: Path, old: tuple[bytes, bytes]) -> bool:
    """Check that the old log or the new one is there; return whether the new one is."""
    if not placing.waiting(log) and not kept(log):
        assert content(log) == old
        return False
    Log(log).close()
    assert verified(log, "it") == 40
    (aside,) = kept(log)
    assert content(aside) == old
    return True


@pytest.mark.parametrize("make", [after_a_crash, ended_well, damaged])
def test_a_restore_killed_at_any_moment_leaves_the_old_log_or_the_new_one(
    backup: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "moot.db")
    old = content(tmp_path / "moot.db")
    outcomes = set()
    step = 0
    while True:
        data = tmp_path / f"data{step}"
        data.mkdir()
        log = data / "moot.db"
        for side, raw in zip(("", "-wal"), old, strict=True):
            if raw:
                Path(f"{log}{side}").write_bytes(raw)
        if not killed(step, lambda log=log: restored(backup, log)):  # type: ignore[misc]
            break
        left, again = tmp_path / "left", 0
        shutil.copytree(data, left)
        if placing.waiting(log):  # whoever finishes it is killed too
            while killed(again, lambda log=log: placing.prepare(log)):  # type: ignore[misc]
                assert whole(log, old)
                shutil.rmtree(data)
                shutil.copytree(left, data)
                again += 1
            assert again >= 2
        outcomes.add(whole(log, old))
        shutil.rmtree(left)
        step += 1
    assert whole(log, old)
    assert outcomes == {False, True}


def test_a_restore_removes_the_copies_of_those_that_were_killed(backup: Path, tmp_path: Path) -> None:
    log, step = tmp_path / "data" / "moot.db", 0
    log.parent.mkdir()
    ended_well(log)
    hidden = 0
    while killed(step, lambda: restored(backup, log)):
        hidden = max(hidden, len(list(log.parent.glob(".moot.db.*"))))
        step += 1
    assert hidden > 0
    assert not list(log.parent.glob(".moot.db.*"))


def test_a_restored_log_takes_the_place_of_the_old_one_and_nothing_of_it(backup: Path, tmp_path: Path) -> None:
    log = tmp_path / "moot.db"
    after_a_crash(log)
    messages, aside = restored(backup, log)
    assert messages == 40
    assert not (tmp_path / "moot.db-wal").exists()
    for file, count in ((log, 40), (aside, 1)):
        opened = Log(file)
        assert (opened.find(ANN, "only here") is not None) == (file == aside)
        opened.close()
        assert verified(file, "it") == count
    with pytest.raises(NewLogError, match="is the log that is to be replaced"):
        restored(log, log)
    _, another = restored(backup, log)  # in the same second, perhaps
    assert another != aside
    assert verified(aside, "it") == 1


def test_no_empty_log_is_begun_beside_one_that_was_kept(backup: Path, tmp_path: Path) -> None:
    log = tmp_path / "moot.db"
    ended_well(log)
    _, aside = restored(backup, log)
    log.unlink()
    with pytest.raises(LogError, match=rf"it is not there, but .*{aside.name} is, which a restore kept"):
        Log(log)
    assert not log.exists()
    aside.rename(log)
    assert verified(log, "it") == 1
    Log(log).close()
