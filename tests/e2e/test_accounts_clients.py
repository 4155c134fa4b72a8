"""Accounts as people use them: our own clients in a real terminal, on a real server."""

import contextlib
import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import accounts, native
from protocol.account_commands import plain_login
from tests.server import LIMIT_S, Peer, Server, until
from tests.tmux import MOOT, Terminal, environment

MakePeer = Callable[..., Peer]
Sit = Callable[..., Terminal]
PASSWORD = "correct horse battery"


@pytest.fixture
def sit(server: Server, tmp_path: Path) -> Iterator[Sit]:
    """Open terminals of one person (all in one home directory) in the chat."""
    with contextlib.ExitStack() as stack:

        def one(*options: str, home: str = "home", width: int = 80, height: int = 24) -> Terminal:
            command = [*MOOT, "join", f"127.0.0.1:{server.port}", *options]
            return stack.enter_context(Terminal(command, tmp_path / home, width, height))

        yield one


def here(nick: str) -> Callable[[str], bool]:
    """Return a test whether a terminal client is connected as ``nick``."""
    return lambda screen: f"● {nick}" in screen and "not connected" not in screen


def register(peer: Peer, nick: str = "ann") -> None:
    peer.enter(nick, "#lobby")
    peer.ask(accounts.Register(password=PASSWORD), accounts.LoggedIn)


def registered_in(terminal: Terminal) -> None:
    """Register in a terminal client, as a person does."""
    terminal.say("/register")
    terminal.wait_for("a password")
    terminal.type(PASSWORD)
    terminal.keys("Enter")
    terminal.type(PASSWORD)
    terminal.keys("Enter")
    terminal.wait_for("You are logged in as ann.")


def test_who_registers_is_logged_in_by_itself_ever_after(sit: Sit, tmp_path: Path) -> None:
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    registered_in(ann)
    screen = ann.wait_for(here("ann ✓"))
    assert PASSWORD not in ann.scrollback()
    assert "correct" not in screen
    ann.keys("C-q")
    ann.wait_for("exit status 0")

    file = tmp_path / "home" / ".local/state/moot/logins.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (login,) = json.loads(file.read_text())
    assert login["account"] == "ann"
    assert PASSWORD not in file.read_text()

    again = sit()  # without a nick: the account's
    again.wait_for(here("ann ✓"))


def test_a_client_that_is_killed_logs_in_again(sit: Sit, server: Server) -> None:
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    registered_in(ann)
    ann.wait_for(here("ann ✓"))
    pid = int(ann.state("pane_pid"))
    (client,) = subprocess.check_output(["pgrep", "-P", str(pid)], text=True).split()
    os.kill(int(client), signal.SIGKILL)
    ann.wait_for("exit status 137")
    again = sit()
    again.wait_for(here("ann ✓"))
    server.kill("broker")
    again.say("still logged in after the broker's death")
    again.wait_for("ann │ still logged in")
    again.say("/account")
    again.wait_for("devices here: 1")


def test_a_password_is_asked_for_on_the_smallest_screen(sit: Sit, peer: MakePeer) -> None:
    owner = peer()
    register(owner)
    owner.close()
    small = sit("--nick", "guest7", width=20, height=5)
    small.wait_for("● guest7")
    small.say("/login ann")
    small.wait_for("its password")
    small.type(PASSWORD)
    screen = small.wait_for("•••")
    assert "correct" not in screen
    small.keys("Enter")
    small.wait_for("logged in")
    small.keys("Escape")
    small.say("/whois ann")
    small.wait_for("ann")


def test_escape_leaves_the_question(sit: Sit) -> None:
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    ann.say("/register")
    ann.wait_for("a password")
    ann.type("half a pass")
    ann.keys("Escape")
    ann.wait_for(lambda screen: "a password" not in screen and "•" not in screen)
    ann.say("a line")
    ann.wait_for("ann │ a line")


def test_a_nick_that_is_an_accounts_asks_for_its_password(sit: Sit, peer: MakePeer) -> None:
    owner = peer()
    register(owner)
    owner.close()
    ann = sit("--nick", "ann")
    ann.wait_for("its password")
    ann.type(PASSWORD)
    ann.keys("Enter")
    ann.wait_for(here("ann ✓"))
    assert PASSWORD not in ann.scrollback()


def test_a_wrong_password_is_asked_for_again(sit: Sit, peer: MakePeer) -> None:
    owner = peer()
    register(owner)
    owner.close()
    ann = sit("--nick", "ann")
    ann.wait_for("its password")
    ann.type("no horse at all")
    ann.keys("Enter")
    ann.wait_for("the account or the password is wrong")
    ann.wait_for("its password")
    ann.type(PASSWORD)
    ann.keys("Enter")
    ann.wait_for(here("ann ✓"))
    assert "horse" not in ann.scrollback()


def test_a_password_typed_in_one_line_is_not_called_back(sit: Sit, peer: MakePeer) -> None:
    owner = peer()
    register(owner)
    owner.close()
    ann = sit("--nick", "guest7")
    ann.wait_for(here("guest7"))
    ann.say(f"/login ann {PASSWORD}")
    ann.wait_for(here("ann ✓"))
    ann.keys("Up")
    screen = ann.wait_for("/login ann")
    assert "correct" not in screen


def test_a_session_that_was_ended_elsewhere_makes_a_guest_who_is_told(sit: Sit, peer: MakePeer) -> None:
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    registered_in(ann)
    ann.keys("C-q")
    ann.wait_for("exit status 0")
    other = peer()
    other.ask(plain_login("ann", PASSWORD), accounts.LoggedIn)
    other.enter("ann")
    other.ask(accounts.Logout(everywhere=True), native.Ok)
    again = sit()
    again.wait_for("You are not logged in as ann any more")
    again.wait_for(lambda screen: "● ann" in screen and "✓" not in screen)


def test_wrong_passwords_are_refused_with_a_reason(sit: Sit, peer: MakePeer) -> None:
    register(peer())
    bob = sit("--nick", "bob")
    bob.wait_for(here("bob"))
    bob.say("/login ann wrong password")
    bob.wait_for("the account or the password is wrong")
    bob.wait_for(here("bob"))


# --- line by line


def test_the_plain_client_asks_without_showing(sit: Sit, tmp_path: Path) -> None:
    ann = sit("--plain", "--nick", "ann")
    ann.wait_for("#lobby>")
    ann.say("/register")
    ann.wait_for("Password for your nick:")
    ann.say(PASSWORD)
    ann.wait_for("The same again:")
    ann.say(PASSWORD)
    ann.wait_for("You are logged in as ann.")
    assert "correct" not in ann.scrollback()
    ann.keys("C-d")
    ann.wait_for("exit status 0")
    again = sit("--plain")
    again.wait_for("#lobby>")
    assert "You are ann on" in again.screen()
    again.say("/account")
    again.wait_for("ann is registered since")


def test_the_plain_client_asks_for_the_password_of_a_nick_that_is_an_accounts(sit: Sit, peer: MakePeer) -> None:
    owner = peer()
    register(owner)
    owner.close()
    ann = sit("--plain", "--nick", "ann")
    ann.wait_for("Password of ann (just Enter leaves):")
    ann.say("no horse at all")
    ann.wait_for("the account or the password is wrong")
    ann.wait_for(lambda screen: screen.count("Password of ann") == 2)
    ann.say(PASSWORD)
    ann.wait_for("#lobby>")
    assert "You are ann on" in ann.screen()
    assert "horse" not in ann.scrollback()
    ann.keys("C-d")
    ann.wait_for("exit status 0")
    bob = sit("--plain", "--nick", "ann", home="other")
    bob.wait_for("Password of ann")
    bob.keys("Enter")
    bob.wait_for("exit status 3")


def test_a_script_speaks_as_the_account(sit: Sit, server: Server, peer: MakePeer, tmp_path: Path) -> None:
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    registered_in(ann)
    ear = peer("ear", "#lobby")
    words = [*MOOT, "send", f"127.0.0.1:{server.port}", "#lobby"]
    done = subprocess.run(
        words, input=b"by a script\n", env=environment(tmp_path / "home"), capture_output=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr.decode()
    msg = ear.next(lambda event: isinstance(event, native.Msg))
    assert (msg.nick, msg.account, msg.text) == ("ann", "ann", "by a script")


def test_a_password_in_a_pipe_stands_in_the_line(server: Server, peer: MakePeer, tmp_path: Path) -> None:
    register(peer(), "bob")
    words = [*MOOT, "join", f"127.0.0.1:{server.port}", "--plain", "--nick", "someone"]
    text = f"/login bob\n/login bob {PASSWORD}\n/account\n"
    done = subprocess.run(
        words, input=text.encode(), env=environment(tmp_path / "bob"), capture_output=True, timeout=LIMIT_S
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said + done.stderr.decode()
    assert "Here it takes one line: /login bob PASSWORD" in said
    assert "You are logged in as bob." in said
    assert "bob is registered since" in said


# --- keys


def test_a_key_logs_in_where_no_session_is(server: Server, sit: Sit, tmp_path: Path) -> None:
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    registered_in(ann)
    ann.keys("C-q")
    ann.wait_for("exit status 0")
    home, where = tmp_path / "home", f"127.0.0.1:{server.port}"

    def moot(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MOOT, *words],
            env=environment(home),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            stdin=subprocess.DEVNULL,
        )

    added = moot("key", "add")
    assert (added.returncode, added.stderr) == (0, "")
    assert "logs you in as ann" in added.stdout
    listed = moot("key", "list", "--host", where)
    assert listed.stdout.startswith("SHA256:"), listed.stderr
    key = next((home / ".local/state/moot/keys").glob(f"*_{server.port}"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    file = home / ".local/state/moot/logins.json"
    (login,) = json.loads(file.read_text())
    assert login.pop("token")
    file.write_text(json.dumps([login]))
    again = sit()
    again.wait_for(here("ann ✓"))
    until(lambda: json.loads(file.read_text())[0].get("token"), "a session by the key")
    again.say(f"/key remove {listed.stdout.split()[0]}")
    again.wait_for("ann is registered since")
    assert "has no keys" in moot("key", "list").stdout
    assert moot("key", "remove", "SHA256:none").returncode == 1


def test_a_key_of_ssh_with_a_passphrase_asks_for_it_before_the_chat(server: Server, sit: Sit, tmp_path: Path) -> None:
    home = tmp_path / "home"
    ann = sit("--nick", "ann")
    ann.wait_for(here("ann"))
    registered_in(ann)
    (home / ".ssh").mkdir()
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-C", "me", "-f", str(home / ".ssh/id_ed25519")]
    subprocess.run(words, check=True)
    ann.say("/key add ~/.ssh/id_ed25519.pub")
    ann.wait_for("key SHA256:")
    ann.keys("C-q")
    ann.wait_for("exit status 0")
    file = home / ".local/state/moot/logins.json"
    (login,) = json.loads(file.read_text())
    del login["token"]
    file.write_text(json.dumps([login]))
    again = sit()
    again.wait_for("Passphrase of")
    again.say("open sesame")
    again.wait_for(here("ann ✓"))


def test_without_an_account_there_is_nothing_to_add_a_key_to(server: Server, tmp_path: Path) -> None:
    words = [*MOOT, "key", "add", "--host", f"127.0.0.1:{server.port}"]
    done = subprocess.run(
        words,
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert "log in with moot join" in done.stderr
