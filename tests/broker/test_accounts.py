"""Accounts over the log: names, what looks like them, certificates, sessions; nothing is left of what is dropped."""

from collections.abc import Iterator

import pytest

from broker.accounts import Account, Accounts, Session
from broker.log import Log, Spoilt

ANN = Account(name="Ann", uid="ab" * 16, since=1_700_000_000_000)


@pytest.fixture
def log() -> Iterator[Log]:
    opened = Log(":memory:")
    yield opened
    opened.close()


@pytest.fixture
def accounts(log: Log) -> Accounts:
    return Accounts(log)


def keys(log: Log) -> list[str]:
    return [str(row[0]) for row in log._db.execute("SELECT key FROM meta WHERE key LIKE '%/%' ORDER BY key").fetchall()]


def test_an_account_is_found_however_its_name_is_written(accounts: Accounts) -> None:
    accounts.create(ANN)
    assert accounts.account("aNN") == ANN
    assert accounts.uid("ann") == b"\xab" * 16
    assert accounts.account("anna") is None
    assert accounts.uid("anna") is None


def test_a_name_and_all_that_looks_like_it_are_its_owner_s(accounts: Accounts) -> None:
    accounts.create(Account(name="paypal", uid="01" * 16, since=1))
    assert accounts.owner_of("PayPal") == "paypal"
    assert accounts.owner_of("раураl") == "paypal"
    assert accounts.owner_of("paypa1") == accounts.owner_of("paypaI") == "paypal"
    assert accounts.owner_of("paypol") is None


def test_what_is_rolled_back_was_never_an_account(accounts: Accounts, log: Log) -> None:
    accounts.create(ANN)
    log.rollback()
    assert (accounts.account("ann"), accounts.owner_of("ann"), keys(log)) == (None, None, [])


def test_a_certificate_leads_to_its_account_as_long_as_it_has_it(accounts: Accounts, log: Log) -> None:
    accounts.create(ANN)
    with_cert = accounts.change(ANN, certs=["c1" * 32])
    assert accounts.of_cert("c1" * 32) == with_cert
    assert accounts.of_cert("c2" * 32) is None
    changed = accounts.change(with_cert, certs=["c2" * 32])
    assert accounts.of_cert("c1" * 32) is None
    assert accounts.of_cert("c2" * 32) == changed


def test_a_token_stands_for_a_session_until_its_account_has_it_no_more(accounts: Accounts) -> None:
    accounts.create(ANN)
    session = Session("ann", ANN.uid, 1, 5)
    accounts.remember_session("5e" * 32, session)
    ann = accounts.change(ANN, sessions=["5e" * 32])
    assert accounts.session("5e" * 32) == session
    accounts.change(ann, sessions=[])
    assert accounts.session("5e" * 32) is None


def test_nothing_is_left_of_an_account_that_is_dropped(accounts: Accounts, log: Log) -> None:
    accounts.create(ANN)
    accounts.remember_session("5e" * 32, Session("ann", ANN.uid, 1, 5))
    ann = accounts.change(ANN, certs=["c1" * 32], sessions=["5e" * 32])
    assert keys(log) == ["account/ann", "cert/" + "c1" * 32, "look/ann", "session/" + "5e" * 32]
    accounts.drop(ann)
    assert keys(log) == []
    assert accounts.owner_of("ann") is None


def test_all_are_listed_by_name(accounts: Accounts) -> None:
    bob = Account(name="Bob", uid="02" * 16, since=2, admin=True)
    accounts.create(bob)
    accounts.create(ANN)
    assert accounts.all() == [ANN, bob]


@pytest.mark.parametrize("value", ["{}", "[]", "nonsense", '{"name":"Ann","uid":5}'])
def test_an_account_that_cannot_be_read_is_still_somebody_s(accounts: Accounts, log: Log, value: str) -> None:
    log.remember("account/ann", value)
    assert accounts.owner_of("Ann") == "Ann"
    with pytest.raises(Spoilt):
        accounts.account("ann")
