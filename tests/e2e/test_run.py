"""`moot` alone: a fresh home directory, one command, and one is in the chat; and what it says when it cannot be."""

import contextlib
import getpass
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from protocol import native
from protocol.names import from_login
from tests.server import LIMIT_S, Peer, Server, until
from tests.tmux import MOOT, Terminal, environment


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home directory in which nothing is remembered; servers left behind there are ended."""
    place = tmp_path / "home"
    yield place
    lock = place / ".local/share/moot/lock"
    with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
        process = psutil.Process(int(lock.read_text()))
        if "moot" in process.cmdline():
            process.terminate()
            process.wait(LIMIT_S)


def moot(*words: str, home: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run moot without a terminal to its end."""
    return subprocess.run(
        [*MOOT, *words],
        env=environment(home, env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), LIMIT_S).close()
    except OSError:
        return False
    return True


def test_one_command_hosts_and_joins_and_leaving_ends_it(home: Path) -> None:
    port = free_port()
    with Terminal([*MOOT, "--listen", f"127.0.0.1:{port}"], home, 120) as ann:
        screen = ann.wait_for("● ann")  # the login name
        assert "#lobby" in screen
        ann.wait_for(f"moot join 127.0.0.1:{port}")  # how others come in
        ann.say("nobody hears me")
        ann.wait_for("│ nobody hears me")
        ann.keys("C-q")
        assert ann.ended() == 0
        assert f"moot join 127.0.0.1:{port}" in ann.scrollback()
        assert "Traceback" not in ann.scrollback()
    assert not accepts(port)
    with Terminal([*MOOT, "--listen", f"127.0.0.1:{port}"], home, 120) as ann:  # again: the history is still there
        ann.wait_for("│ nobody hears me")
        ann.say("/quit")
        assert ann.ended() == 0
    assert not accepts(port)


def test_a_second_one_joins_the_first_and_the_server_can_be_kept(home: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [*MOOT, "--listen", f"127.0.0.1:{port}"]
    with contextlib.ExitStack() as stack:
        ann = stack.enter_context(Terminal(command, home))
        ann.wait_for("● ann")
        bob = stack.enter_context(Terminal([*command, "--nick", "bob"], tmp_path / "bob"))
        bob.wait_for("● bob")
        ann.wait_for("2 ☺")
        bob.say("I found you")
        ann.wait_for("I found you")
        ann.keys("C-q")
        ann.wait_for("bob is still here. Keep hosting in the background? [Y/n]")
        ann.keys("Enter")
        assert ann.ended() == 0
        bob.say("are you gone?")
        bob.wait_for(lambda screen: "│ are you gone?" in screen and "waiting" not in screen)
        stopped = moot("stop", home=home)
        assert (stopped.returncode, stopped.stderr) == (0, "")
        bob.wait_for("not connected")
        bob.keys("C-q")
        assert bob.ended() == 0
    assert not accepts(port)


def test_a_closed_terminal_takes_its_server_along(home: Path) -> None:
    port = free_port()
    ann = Terminal([*MOOT, "--listen", f"127.0.0.1:{port}"], home)
    try:
        ann.wait_for("● ann")
        assert accepts(port)
    finally:
        ann.kill()
    until(lambda: not accepts(port), "the server to end")


def test_join_alone_finds_its_way(server: Server, home: Path) -> None:
    with Terminal([*MOOT, "join", "127.0.0.1", str(server.port), "zoe"], home) as zoe:  # the order of older programs
        zoe.wait_for("● zoe")
        zoe.keys("C-q")
        assert zoe.ended() == 0
    with Terminal([*MOOT, "join", f"127.0.0.1:{server.port}", "--room", "tea"], home) as ann:
        screen = ann.wait_for("● ann")
        assert "#tea" in screen
        ann.keys("C-q")
        assert ann.ended() == 0


def test_without_a_terminal_it_serves_in_the_foreground_and_says_so(home: Path, tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [*MOOT, "--listen", f"127.0.0.1:{port}"],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: f"moot join 127.0.0.1:{port}" in out.read_text(), "the server")
        said = out.read_text()
        assert "No terminal here, so moot serves in the foreground; stop it with Ctrl+C or `moot stop`." in said
        peer = Peer(port)
        peer.enter("ann", "#lobby")
        process.send_signal(signal.SIGINT)
        assert isinstance(peer.next(native.Bye), native.Bye)
        peer.close()
        assert process.wait(LIMIT_S) == 0
        assert "Traceback" not in out.read_text()
    finally:
        process.kill()
        process.wait()


def test_addresses_others_can_use_are_printed_with_the_command_for_them(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [*MOOT, "serve", "--listen", "0.0.0.0:0"], env=environment(home), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: "moot join " in out.read_text(), "the server")
        invitation = re.search(r"moot join (\S+):(\d+)    or: nc (\S+) (\d+)", out.read_text())
        assert invitation is not None
        assert invitation[1] == invitation[3]
        assert invitation[1] != "0.0.0.0"
        socket.create_connection((invitation[1], int(invitation[2])), LIMIT_S).close()
    finally:
        process.terminate()
        assert process.wait(LIMIT_S) == 0


def test_the_login_name_makes_a_nick() -> None:
    assert from_login(getpass.getuser())


def test_who_connects_while_the_server_starts_is_told_the_fun_commands(home: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*MOOT, "serve", "--listen", f"127.0.0.1:{port}"],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: accepts(port), "the first moment it can be reached")
        ann = Peer(port)
        names = {command.name for command in ann.enter("ann").fun}
        ann.close()
        assert {"train", "cowsay", "roll"} <= names
    finally:
        process.terminate()
        assert process.wait(LIMIT_S) == 0


# --- what stands in the way


def is_one_line(text: str) -> bool:
    return text.startswith("moot: ") and text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize("command", [(), ("serve",)])
def test_a_port_in_use_is_one_line_that_says_what_to_do(home: Path, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = moot(*command, "--listen", f"127.0.0.1:{port}", home=home)
    assert done.returncode == 1
    assert is_one_line(done.stderr)
    assert f"port {port} is in use" in done.stderr
    assert "choose another port with --listen" in done.stderr


def test_a_data_directory_that_cannot_be_written_is_one_line(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = moot("serve", "--listen", "127.0.0.1:0", "--data", str(file / "data"), home=home)
    assert done.returncode == 1
    assert is_one_line(done.stderr)
    expected = (
        f"moot: cannot write to the data directory {file}/data: Not a directory; choose another with --data DIR\n"
    )
    assert done.stderr == expected


@pytest.mark.parametrize("limit", [20, 200])
def test_too_few_open_files_is_one_line(home: Path, limit: int) -> None:
    script = f'ulimit -n {limit}; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "-", *MOOT, "serve", "--listen", "127.0.0.1:0"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    expected = f"only {limit} files may be open at once and a server needs 256; run `ulimit -n 4096` first"
    assert done.stderr == f"moot: {expected}\n"


@pytest.mark.parametrize("way", ["port", "data"])
def test_in_a_terminal_it_is_one_line_too(home: Path, tmp_path: Path, way: str) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.settimeout(LIMIT_S)
        port = taken.getsockname()[1] if way == "port" else 0
        options = ["--listen", f"127.0.0.1:{port}"]
        if way == "data":
            options += ["--data", str(tmp_path / "file" / "data")]
        with Terminal([*MOOT, *options], home, 200) as ann:
            assert ann.ended() == 1
            said = ann.scrollback()
    assert ("is in use" if way == "port" else "cannot write to the data directory") in said
    assert "Traceback" not in said
    assert said.count("moot: ") == 1


def test_what_the_environment_says_wrong_is_named(home: Path) -> None:
    done = moot("serve", home=home, env={"MOOT_WORKERS": "many"})
    assert done.returncode == 2
    assert is_one_line(done.stderr)
    assert re.search(r"(?i)workers", done.stderr)
    assert "many" in done.stderr
