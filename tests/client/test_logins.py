"""The file of logins, and what is shown to which server."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from client.address import Address
from client.identity import Proof
from client.logins import MAX_ENTRIES, Login, Logins, Pass, choose

HOME = Address("localhost", 6668)
HERE = "localhost:6668 SHA256:a"
OTHER = "localhost:6668 SHA256:b"


def made(path: Path) -> Logins:
    logins = Logins(path)
    logins.keep(HERE, "Ann", token="t1")
    return logins


def test_a_login_is_found_again_by_another_program(tmp_path: Path) -> None:
    path = tmp_path / "moot" / "logins.json"
    made(path)
    assert Logins(path).find(HERE) == Login(HERE, "Ann", "t1")
    assert Logins(path).find(HERE, "ann") == Login(HERE, "Ann", "t1")
    assert Logins(path).at(Address("127.0.0.1", 6668)) == [Login(HERE, "Ann", "t1")]
    assert Logins(path).newest() == Login(HERE, "Ann", "t1")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "logins.json"
    made(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_server_with_another_key_is_shown_nothing(tmp_path: Path) -> None:
    logins = made(tmp_path / "logins.json")
    assert Pass(logins).proof(OTHER) is None
    assert Pass(logins).proof(HERE) == Proof("Ann", token="t1")


def test_of_several_accounts_the_last_one_is_taken(tmp_path: Path) -> None:
    logins = made(tmp_path / "logins.json")
    logins.keep(HERE, "bob", token="t2")
    assert Pass(logins).proof(HERE) == Proof("bob", token="t2")
    logins.keep(HERE, "ANN")  # used again; its token stays
    assert Pass(logins).proof(HERE) == Proof("ANN", token="t1")
    assert Pass(logins, "bob").proof(HERE) == Proof("bob", token="t2")
    assert [login.account for login in logins.at(HOME)] == ["ANN", "bob"]


def test_a_spent_token_is_gone_and_a_key_stays(tmp_path: Path) -> None:
    logins = made(tmp_path / "logins.json")
    logins.keep(HERE, "bob", token="t2", key="/keys/bob")
    logins.spend(HERE, "ann")
    logins.spend(HERE, "bob")
    assert logins.find(HERE, "ann") is None
    assert logins.find(HERE, "bob") == Login(HERE, "bob", "", "/keys/bob")
    logins.spend(HERE, "nobody")


def test_a_key_is_used_when_there_is_no_token(tmp_path: Path) -> None:
    logins = Logins(None)
    logins.keep(HERE, "ann", key="/keys/ann")
    read: list[Path] = []

    def signer(path: Path) -> Callable[[str], str]:
        read.append(path)
        return lambda challenge: "signed"

    proof = Pass(logins, signer=signer).proof(HERE)
    assert proof is not None
    assert proof.sign is not None
    assert (proof.account, proof.sign("x"), read) == ("ann", "signed", [Path("/keys/ann")])
    assert Pass(logins).proof(HERE) is None
    assert Pass(logins, signer=lambda path: None).proof(HERE) is None


def test_after_logging_out_one_is_a_guest_until_one_logs_in(tmp_path: Path) -> None:
    logins = made(tmp_path / "logins.json")
    one = Pass(logins)
    one.lost(HERE, "ann")
    assert one.proof(HERE) is None
    one.use(Proof("ann", password="pw"))
    assert one.proof(HERE) == Proof("ann", password="pw")
    assert one.proof(HERE) is None  # a password is shown once
    one.won(HERE, "ann", "t2")
    assert one.proof(HERE) == Proof("ann", token="t2")


def test_a_nick_says_which_account_is_meant(tmp_path: Path) -> None:
    logins = made(tmp_path / "logins.json")
    assert choose(logins, HOME, None) == ("Ann", "Ann")
    assert choose(logins, HOME, "ANN") == ("Ann", "ANN")
    assert choose(logins, HOME, "bob") == ("", "bob")
    assert choose(logins, Address("elsewhere", 6668), None) == (None, None)


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b'[{"server": 1}]', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_file_costs_the_logins_and_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "logins.json"
    path.write_bytes(content)
    logins = Logins(path)
    assert logins.find(HERE) is None
    assert str(path) in logins.problem
    logins.keep(HERE, "ann", token="t1")
    assert logins.find(HERE) == Login(HERE, "ann", "t1")  # while this program runs
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "moot").write_text("a file where a directory should be")
    one = Pass(Logins(tmp_path / "moot" / "logins.json"))
    assert "cannot be remembered" in one.won(HERE, "ann", "t1")
    assert one.won(HERE, "ann", "t1") == ""
    assert one.proof(HERE) == Proof("ann", token="t1")


def test_the_file_is_bounded() -> None:
    logins = Logins(None)
    for number in range(MAX_ENTRIES + 10):
        logins.keep(f"host{number}:6668 plain", "ann", token="t")
    assert logins.find("host9:6668 plain") is None
    assert logins.find("host10:6668 plain") is not None


def test_a_token_is_in_no_representation() -> None:
    assert "secret" not in repr(Login(HERE, "ann", "secret"))
