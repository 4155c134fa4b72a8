"""The disk that fails on command: SQLite in another process fails as the flag says, and recovers with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.campaign import SABOTAGE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults need Linux")

SCRIPT = """
import apsw, os, sys
from pathlib import Path

flag = Path(os.environ["CHAOS_DISK"])
db = apsw.Connection(sys.argv[1])
db.pragma("journal_mode", "WAL")
db.execute("CREATE TABLE t (x)")
flag.write_text(sys.argv[2])
try:
    db.execute("INSERT INTO t VALUES ('failed')")
except apsw.Error as error:
    print(type(error).__name__)
flag.unlink()
db.execute("INSERT INTO t VALUES ('stored')")
print(db.execute("SELECT x FROM t").fetchall())
"""


@pytest.mark.parametrize(
    ("word", "error"),
    [("fsync", "IOError"), ("write", "IOError"), ("full", "FullError"), ("readonly", "ReadOnlyError")],
)
def test_sqlite_fails_as_told(tmp_path: Path, word: str, error: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(SABOTAGE), "CHAOS_DISK": str(tmp_path / "flag")}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "x.db"), word]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [error, "[('stored',)]"]
