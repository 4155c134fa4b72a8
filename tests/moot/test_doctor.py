"""What the doctor finds, and what to do about it."""

import json
import os
from pathlib import Path

import pytest

from moot.doctor import Finding, disk, examine, file_system, python, seccomp, sqlite, terminal
from moot.doctor import run_doctor as run
from protocol.settings import Settings

MOUNTS = "overlay / overlay rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/sda1 /tmp/my\\040disk ext4 rw 0 0\n"


def test_an_old_python_is_a_problem() -> None:
    assert python((3, 10, 4)) == Finding("Python", "problem", "3.10.4", "install Python 3.11 or newer")
    assert python((3, 11, 0)).level == "ok"


def test_a_sqlite_that_can_corrupt_a_wal_is_a_problem() -> None:
    assert sqlite("3.51.2").level == "problem"
    assert sqlite("3.51.3") == Finding("SQLite", "ok", "3.51.3, from the package apsw")


def test_the_file_system_is_that_of_the_innermost_mount() -> None:
    assert file_system(Path("/srv"), MOUNTS) == "overlay"
    assert file_system(Path("/tmp/x"), MOUNTS) == "tmpfs"
    assert file_system(Path("/tmp/my disk/x"), MOUNTS) == "ext4"
    assert file_system(Path("/tmpfiles"), MOUNTS) == "overlay"


def test_a_data_directory_that_is_not_there_yet_is_judged_by_the_one_above(tmp_path: Path) -> None:
    (finding,) = disk(tmp_path / "not" / "yet")
    assert finding.text.startswith(f"{tmp_path}/not/yet")
    assert "a synced write takes " in finding.text
    assert list(tmp_path.iterdir()) == []


def test_libseccomp_is_missed_on_linux_only() -> None:
    assert seccomp("darwin").level == "ok"


def test_a_capable_terminal_is_described() -> None:
    env = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8", "TMUX": "x"}
    text = "xterm-256color 100x30, inside tmux, 256 colours"
    assert terminal(env, os.terminal_size((100, 30)), True) == [Finding("terminal", "ok", text)]


def test_a_poor_terminal_gets_a_remedy_for_each_lack() -> None:
    found = terminal({"TERM": "dumb", "LANG": "C", "NO_COLOR": "1"}, os.terminal_size((30, 5)), True)
    assert [(finding.matter, finding.level) for finding in found] == [
        ("terminal", "warning"),
        ("locale", "warning"),
        ("terminal size", "warning"),
        ("terminal", "ok"),
    ]
    assert all(finding.remedy for finding in found[:3])


def test_all_matters_are_looked_at_and_a_taken_port_is_a_problem(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = examine(Settings(data=str(tmp_path), listen=[f"127.0.0.1:{port}"]))
    assert [finding.matter for finding in found] == [
        *("Python", "SQLite", "disk", "open files", "port", "certificate", "libseccomp", "sandbox", "terminal"),
    ]
    assert found[4].level == "problem"
    assert found[4].text.startswith(f"port {port} is in use")
    assert "--listen" in found[4].remedy


def test_findings_can_be_had_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(Settings(data=str(tmp_path), listen=["127.0.0.1:0"]), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert code in (0, 1)
    assert set(shown[0]) == {"matter", "level", "text", "remedy"}
