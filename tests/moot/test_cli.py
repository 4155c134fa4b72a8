"""The command line as a person meets it: the real program, its words and its exit codes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.moot.program import moot

LOG_COMMANDS = ("check", "backup", "restore", "export", "import")
COMMANDS = (
    "host",
    "serve",
    "stop",
    "restart",
    "reload",
    "join",
    "send",
    "tail",
    "forget",
    "doctor",
    "key",
    "admin",
    *LOG_COMMANDS,
    "completion",
)


def test_the_version_is_said_without_importing_anything_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "moot", "--version"], capture_output=True, text=True, timeout=30
    )
    assert re.fullmatch(r"moot \d+\.\d+\.\d+\n", done.stdout)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    heavy = {"click", "msgspec", "asyncio", "textual", "prompt_toolkit", "apsw", "importlib.metadata", "emoji", "json"}
    assert imported & heavy == set()


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    shown = moot("--help")
    assert shown.returncode == 0
    assert re.findall(r"^  ([a-z]+) {2,}[A-Z]", shown.stdout, re.M) == list(COMMANDS)
    assert "Exit codes:" in shown.stdout
    assert "moot join 192.168.1.5" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    shown = moot(command, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"Usage: moot {command} ")
    assert "Examples:" in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ("serve", "--workers", "99"),
            2,
            'moot: --workers: got "99", expected a whole number from 0 to 64 (processes)\n',
        ),
        (
            ("serve", "--listen", "7000"),
            2,
            'moot: --listen: got "7000", expected HOST:PORT; a port alone is written :7000\n',
        ),
        (
            ("send", "localhost", "tea", "--nick", "\udcff"),
            2,
            r"moot: invalid value for '--nick' (env var: 'MOOT_NICK'): '\udcff' is no UTF-8; try `moot send --help`"
            + "\n",
        ),
        (
            ("tail", "localhost", "\udcff"),
            2,
            r"moot: invalid value for 'ROOM': '\udcff' is no UTF-8; try `moot tail --help`" + "\n",
        ),
        (("sevre",), 2, "moot: there is no command 'sevre'; did you mean serve; try `moot --help`\n"),
        (("tail", "localhost"), 2, "moot: missing argument 'ROOM'; try `moot tail --help`\n"),
        (
            ("--wrkers", "1"),
            2,
            "moot: no such option '--wrkers'; did you mean '--key', '--workers'; try `moot host --help`\n",
        ),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], code: int, says: str) -> None:
    done = moot(*words)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", says)


def test_an_unwritable_data_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = moot("serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert done.stderr == (
        f"moot: cannot write to the data directory {tmp_path}/file/data: Not a directory; "
        "choose another with --data DIR\n"
    )


def test_stopping_what_does_not_run_is_said(tmp_path: Path) -> None:
    done = moot("stop", "--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"moot: no server uses the data directory {tmp_path}; name the right one with --data DIR\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_and_how_to_install_it(shell: str) -> None:
    done = moot("completion", shell)
    assert done.returncode == 0
    assert done.stdout.startswith(f"# Completion of moot for {shell}.")
    assert f"moot completion {shell} >" in done.stdout
    assert f"_MOOT_COMPLETE={shell}_complete" in done.stdout


def test_completion_knows_commands_and_flags() -> None:
    env = {"_MOOT_COMPLETE": "bash_complete", "COMP_WORDS": "moot se", "COMP_CWORD": "1"}
    assert moot(env=env).stdout.split() == ["plain,serve", "plain,send"]
    assert moot(env={**env, "COMP_WORDS": "moot --work"}).stdout.split() == ["plain,--workers"]
    env = {**env, "COMP_WORDS": "moot serve --log-format j", "COMP_CWORD": "3"}
    assert moot(env=env).stdout.split() == ["plain,json"]


def test_an_error_of_our_own_shows_no_traceback_and_names_its_file(tmp_path: Path) -> None:
    code = (
        "import sys, moot.cli\n"
        "def broken(argv): raise ZeroDivisionError('oops')\n"
        "moot.cli.dispatch = broken\n"
        "from moot.__main__ import run\n"
        "sys.exit(run(['doctor']))\n"
    )
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=env)
    assert done.returncode == 70
    match = re.fullmatch(
        r"moot: internal error \(ZeroDivisionError: oops\); please report it with the file (\S+)\n", done.stderr
    )
    assert match
    assert "Traceback (most recent call last)" in Path(match[1]).read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_a_full_output_is_one_sentence(argument: str) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "moot", argument]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (1, "moot: cannot write the output: no space left where it goes\n")
