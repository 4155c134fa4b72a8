"""The first admin of a server: made before it starts, with a password that is shown once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from broker.accounts import Accounts
from broker.log import Log
from moot.appointing import appoint, new_password
from moot.datadir import StartError
from protocol.accounts import LoggedIn, Password, Sasl
from protocol.native import Hello, Ok, Welcome
from protocol.settings import DEFAULTS
from tests.server import Peer, serving
from tests.tls import closing

CHEAP = msgspec.structs.replace(DEFAULTS, argon2_memory=8, argon2_passes=1, scram_iterations=4096)


def made(directory: Path, nick: str) -> list[str]:
    """Appoint; return what was shown."""
    shown: list[str] = []
    appoint(directory, CHEAP, nick, shown.append)
    return shown


def test_a_new_account_gets_a_password_and_an_old_one_only_the_right(tmp_path: Path) -> None:
    (said,) = made(tmp_path, "Ann")
    assert re.search(r"shown only now: [a-z2-9]{4}(-[a-z2-9]{4}){3}\n", said)
    assert made(tmp_path, "ann") == []
    log = Log(tmp_path / "moot.db")
    accounts = Accounts(log)
    (account,) = accounts.all()
    assert (account.name, account.admin) == ("Ann", True)
    accounts.change(account, admin=False)
    log.commit()
    log.close()
    assert made(tmp_path, "ANN") == ["Ann is an admin of this server from now on."]


def test_no_account_is_made_whose_password_could_not_be_shown(tmp_path: Path) -> None:
    def broken(_line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        appoint(tmp_path, CHEAP, "ann", broken)
    log = Log(tmp_path / "moot.db")
    assert Accounts(log).all() == []
    log.close()


@pytest.mark.parametrize(
    ("nick", "why"),
    [("no nick", "cannot be a nick"), ("раураl", "looks like paypal"), ("admin", "nobody can be called admin")],
)
def test_what_cannot_be_an_account_is_refused(tmp_path: Path, nick: str, why: str) -> None:
    made(tmp_path, "paypal")
    with pytest.raises(StartError, match=why):
        made(tmp_path, nick)


def test_no_two_passwords_are_the_same() -> None:
    assert len({new_password() for _ in range(1000)}) == 1000


def test_the_admin_of_a_first_start_logs_in_with_what_the_terminal_showed(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--admin", "ann") as server, closing() as keep:
        found = re.search(r"shown only now: (\S+)", server.log)
        assert found is not None
        ann = keep(Peer(server.port))
        assert ann.ask(Sasl(mech="PLAIN", data=f"\0ann\0{found[1]}"), LoggedIn).admin
        ann.ask(Hello(nick="ann"), Welcome)
        ann.ask(Password(old=found[1], new="a much better one"), Ok)
    with serving(tmp_path / "data", "--workers", "1", "--admin", "ann") as server, closing() as keep:
        assert "shown only now" not in server.log.rpartition("is ready")[2]
        assert keep(Peer(server.port)).ask(Sasl(mech="PLAIN", data="\0ann\0a much better one"), LoggedIn).admin


def test_a_nick_that_is_none_stops_the_start(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "moot",
        "serve",
        "--data",
        str(tmp_path),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "#x",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=dict(os.environ))
    assert done.returncode == 1
    assert "cannot be a nick" in done.stderr
