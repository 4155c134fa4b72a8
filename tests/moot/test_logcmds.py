"""The commands on the log, as people run them: beside a running server, after a crash, on damaged files."""

import fcntl
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from bench.bitflips import fill
from broker.log import Log, LogError
from broker.newlog import NewLogError, placed
from moot.datadir import StartError, locked
from moot.running import holder
from protocol import native
from tests.server import Peer, Server, serving


def moot(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "moot", *map(str, words)], input=stdin, capture_output=True, timeout=60
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a log of 300 messages."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    log = Log(directory / "moot.db")
    fill(log, 300, random.Random(1))
    log.close()
    return directory


def forge(path: Path) -> None:
    """Damage two messages of #tea."""
    connection = apsw.Connection(str(path))
    room = connection.execute("SELECT id FROM rooms WHERE name = '#tea'").get
    change = "UPDATE messages SET text = 'forged' WHERE room = ? AND seq IN (7, 20)"
    connection.execute(change, (room,)).fetchall()
    connection.close()


def say(peer: Peer, count: int, room: str = "#tea") -> None:
    for number in range(count):
        peer.ask(native.Send(cmid=f"{room[1:]}-{number}", to=room, text=f"{number} " * 50), native.Ok)


@pytest.fixture
def unlimited(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "--no-limits") as server:
        yield server


def test_everything_works_beside_a_running_server(unlimited: Server, tmp_path: Path) -> None:
    server = unlimited
    ann = Peer(server.port)
    ann.enter("ann", "#tea")
    say(ann, 30)
    checked = moot("check", "--data", server.data)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "moot.db: sound; 30 messages in 1 room, " in checked.stdout

    copied = moot("backup", tmp_path / "copy.db", "--data", server.data)
    assert (copied.returncode, copied.stderr) == (0, "")
    assert copied.stdout.startswith(f"{tmp_path}/copy.db: ")
    assert copied.stdout.endswith(" bytes, 30 messages, verified\n")
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600

    lines = moot("export", "--data", server.data).stdout.splitlines()
    assert json.loads(lines[1]) == {"line": "room", "room": "#tea", "topic": ""}
    first = json.loads(lines[2])
    assert (first["seq"], first["nick"], first["text"]) == (1, "ann", ("0 " * 50).rstrip())
    assert json.loads(lines[-1]) == {"line": "end", "rooms": 1, "messages": 30}

    for command in ("restore", "import"):
        refused = moot(command, tmp_path / "copy.db", "--data", server.data)
        assert refused.returncode == 1
        assert refused.stderr.startswith("moot: another moot (pid ")
    say(ann, 3, "#tea")  # said before: the server answers as it did
    assert moot("check", "--data", server.data, "--json").stdout.count('"sound":true') == 1
    ann.close()


def test_a_backup_is_restored_and_clients_notice(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        ann = Peer(server.port)
        before = ann.enter("ann", "#tea")
        say(ann, 5)
        assert moot("backup", tmp_path / "copy.db", "--data", server.data).returncode == 0
        ann.ask(native.Send(cmid="late", to="#tea", text="after the backup"), native.Ok)
        ann.close()
        server.stop()
        restored = moot("restore", tmp_path / "copy.db", "--data", server.data)
        assert (restored.returncode, restored.stderr) == (0, "")
        assert "5 messages, verified; what was there is kept as " in restored.stdout
        aside = Path(restored.stdout.split("kept as ")[1].strip())
        assert ": sound; 6 messages in 1 room, " in moot("check", aside).stdout
        server.start()
        ann = Peer(server.port)
        assert ann.enter("ann").epoch != before.epoch
        assert ann.ask(native.Join(room="#tea"), native.Room).messages[-1].seq == 5
        ann.close()


def test_what_a_killed_server_left_is_checked_without_being_touched(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        say(ann, 5)
        ann.close()
        assert server.process is not None
        os.killpg(server.process.pid, 9)
        server.process.wait()

        def left() -> dict[str, bytes]:
            return {each.name: each.read_bytes() for each in server.data.iterdir() if each.name.startswith("moot.db")}

        before = left()
        assert "moot.db-wal" in before
        checked = moot("check", "--data", server.data)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert "moot.db: sound; 5 messages in 1 room, " in checked.stdout
        assert left() == before


def test_damage_is_named_and_what_is_sound_is_kept(data: Path, tmp_path: Path) -> None:
    forge(data / "moot.db")
    checked = moot("check", "--data", data)
    assert checked.returncode == 1
    assert checked.stdout.splitlines()[:2] == ["#tea 7: not as it was written", "#tea 20: not as it was written"]
    assert "moot.db: DAMAGED; 298 messages in 5 rooms are sound" in checked.stdout

    found = json.loads(moot("check", "--data", data, "--json").stdout)
    assert (found["sound"], found["messages"]) == (False, 298)
    assert [(each["room"], each["first"], each["last"]) for each in found["damage"]] == [
        ("#tea", 7, 7),
        ("#tea", 20, 20),
    ]

    refused = moot("backup", tmp_path / "copy.db", "--data", data)
    assert refused.returncode == 1
    assert "is damaged (#tea 7: not as it was written, and 1 more); `moot check` names all of it" in refused.stderr
    assert not (tmp_path / "copy.db").exists()
    assert moot("backup", tmp_path / "copy.db", "--data", data, "--no-verify").returncode == 0

    exported = moot("export", "--data", data)
    assert exported.returncode == 1
    assert exported.stderr.splitlines() == [
        "moot: #tea 7: not as it was written",
        "moot: #tea 20: not as it was written",
        "moot: what is damaged was left out; the rest is whole",
    ]
    assert json.loads(exported.stdout.splitlines()[-1])["messages"] == 298

    assert moot("check", "--data", data, "--repair", tmp_path / "sound.db").returncode == 1
    checked = moot("check", tmp_path / "sound.db")
    assert checked.returncode == 0
    assert checked.stdout.splitlines()[0] == "#tea 7: left out by an earlier repair or import (this is no new damage)"
    assert moot("check", data / "moot.db", "--repair", tmp_path / "cut.db", "--cut").returncode == 1
    cut = moot("export", tmp_path / "cut.db", "--room", "tea")
    assert json.loads(cut.stdout.splitlines()[-1]) == {"line": "end", "rooms": 1, "messages": 6}


def test_an_export_is_imported_elsewhere(data: Path, tmp_path: Path) -> None:
    lines = moot("export", "--data", data).stdout
    added = moot("import", "-", "--data", tmp_path / "new", stdin=lines.encode())
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == f"{tmp_path}/new/moot.db: 300 messages in 5 rooms were added\n"
    assert moot("export", "--data", tmp_path / "new").stdout.splitlines()[1:] == lines.splitlines()[1:]
    again = moot("import", "-", "--data", tmp_path / "new", stdin=lines.encode())
    assert again.returncode == 1
    assert "is in the log already; nothing was imported" in again.stderr

    half = moot("import", "-", "--data", tmp_path / "none", stdin=lines.encode()[:9000])
    assert half.returncode == 1
    assert "nothing was imported" in half.stderr
    assert not (tmp_path / "none" / "moot.db").exists()


def test_direct_messages_can_be_left_out(data: Path) -> None:
    with_direct = moot("export", "--data", data).stdout.splitlines()
    without = moot("export", "--data", data, "--no-direct").stdout.splitlines()
    assert without[1:-1] == [line for line in with_direct[1:-1] if not json.loads(line)["room"].startswith("~")]
    assert len(without) < len(with_direct)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["check", "--data", "nowhere"], 1, "there is no log {cwd}/nowhere/moot.db; name the data directory with"),
        (["check", "no.db"], 2, "'no.db' does not exist"),
        (["check", "data", "--data", "data"], 2, "name either a FILE or --data DIR"),
        (["check", "data", "--cut"], 2, "--cut goes with --repair NEW"),
        (["check", "data", "--repair", "there"], 1, "there is there already; name another file, or replace it with"),
        (["backup", "there", "--data", "data"], 1, "there is there already; name another file, or replace it with"),
        (["backup", "no/where", "--data", "data"], 1, "cannot write no/where: No such file or directory"),
        (["restore", "there", "--data", "data"], 1, "cannot read the log there"),
        (["import", "there", "--data", "data"], 1, "line 1: expected the first line of an export"),
        (["export", "--data", "data", "--room", "coffee"], 1, "there is no room #coffee in "),
        (["export", "--data", "data", "--room", "a b"], 2, "cannot be a room"),
    ],
)
def test_what_cannot_be_done_is_one_line(data: Path, tmp_path: Path, words: list[str], code: int, says: str) -> None:
    (tmp_path / "there").write_text("no log\n" * 1000)
    before = moot("export", data).stdout
    command = [sys.executable, "-m", "moot", *words]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (code, "")
    assert says.format(cwd=tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1
    assert moot("export", data).stdout == before


def test_an_existing_backup_is_replaced_when_asked(data: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("old")
    assert moot("backup", tmp_path / "copy.db", "--data", data, "--force").returncode == 0
    assert moot("check", tmp_path / "copy.db").returncode == 0


def test_a_log_is_not_repaired_into_itself(data: Path) -> None:
    before = (data / "moot.db").read_bytes()
    refused = moot("check", "--data", data, "--repair", data / "moot.db", "--force")
    assert refused.returncode == 1
    assert "is the log itself" in refused.stderr
    refused = moot("backup", data / "moot.db", "--data", data, "--force")
    assert refused.returncode == 1
    assert "is the log itself" in refused.stderr
    assert (data / "moot.db").read_bytes() == before


def test_no_server_starts_while_a_log_is_read(data: Path) -> None:
    (data / "lock").touch()
    reader = subprocess.Popen(
        [sys.executable, "-m", "moot", "export", "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert reader.stdout is not None
    assert reader.stdout.readline().startswith(b'{"line":"moot"')  # and it waits for us to read the rest
    refused = moot("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "is being read by moot check, backup or export" in refused.stderr
    reader.communicate(timeout=30)
    assert reader.returncode == 0


def test_a_server_is_told_who_reads_its_log_and_follows_no_link(data: Path, tmp_path: Path) -> None:
    with locked(data):
        pass
    with (data / "lock").open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        with pytest.raises(StartError, match="being read by moot check"), locked(data):
            pass
        threading.Timer(0.1, fcntl.flock, (reader, fcntl.LOCK_UN)).start()
        with locked(data):
            assert holder(data) == os.getpid()
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (data / "lock").unlink()
    (data / "lock").symlink_to(precious)
    with pytest.raises(StartError, match="remove it"), locked(data):
        pass
    assert precious.read_text() == "kept"


@pytest.mark.parametrize("error", [apsw.FullError("not an error"), LogError("cannot open the log .x.db: no space")])
def test_a_file_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path, error: Exception) -> None:
    error.__cause__ = None if isinstance(error, apsw.Error) else apsw.FullError("no space")
    why = r"cannot write .*/x\.db: (the disk is full|no space)$"
    with pytest.raises(NewLogError, match=why), placed(tmp_path / "x.db", replace=False):
        raise error
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_log_is_called_so(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("milk, eggs, tea. " * 50)
    for words in (("check", other), ("export", other)):
        done = moot(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"moot: {other} is no log of moot, or nothing of it can be read")


def test_an_interrupted_restore_is_named_by_readers_and_finished_by_the_next_start(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea", "#lost")
        say(ann, 5)
        assert moot("backup", tmp_path / "copy.db", "--data", server.data).returncode == 0
        say(ann, 1, "#lost")
        ann.close()
        server.stop()
        (tmp_path / "copy.db").rename(server.data / "moot.db.20260101-120000.restoring")
        for command in ("check", "export"):
            done = moot(command, "--data", server.data)
            assert (done.returncode, done.stdout) == (1, "")
            assert "was interrupted; start the server, which finishes it, or restore again" in done.stderr
        server.start()
        assert "moot.db: sound; 5 messages" in moot("check", "--data", server.data).stdout
        assert ": sound; 6 messages" in moot("check", server.data / "moot.db.20260101-120000.old").stdout
        server.stop()
        (server.data / "moot.db").unlink()
        with pytest.raises(AssertionError, match="which a restore kept"):
            server.start()
        assert not (server.data / "moot.db").exists()
