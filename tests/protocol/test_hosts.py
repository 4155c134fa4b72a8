"""Hosts: what is shown instead of addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import hosts, names


@pytest.mark.parametrize(
    ("account", "host"),
    [
        ("Ann", "ann.user.moot"),
        ("ann-2", "ann-2.user.moot"),
        ("a_b", "x--ab-om4l.user.moot"),
        ("Анна", "x--80aa2ba.user.moot"),
        ("x--y", "x--x--y-.user.moot"),  # else it could pass for a coded one
        ("ann-", "x--ann--.user.moot"),
    ],
)
def test_an_account_is_a_host_and_back(account: str, host: str) -> None:
    assert hosts.of_account(account, "moot") == host
    assert hosts.account_in(host, "moot") == names.fold_nick(account)


@pytest.mark.parametrize("host", ["moot", "ann.user.other", "user.moot", "_.user.moot", "x--ß.user.moot", ".user.moot"])
def test_another_host_is_nobodys(host: str) -> None:
    assert hosts.account_in(host, "moot") is None


def test_a_server_is_a_host_whatever_it_is_called() -> None:
    assert hosts.of_server("chat.example") == "chat.example"
    assert hosts.of_server("Ann's tea room") == "Ann-s-tea-room"
    assert hosts.of_server("!") == "moot"


@given(st.text(st.characters(exclude_categories=["Cs", "Co", "Cc"]), min_size=1, max_size=32))
def test_every_name_has_a_host_of_its_own(account: str) -> None:
    host = hosts.of_account(account, "moot")
    assert re.fullmatch(r"[a-z0-9-]+\.user\.moot", host)
    assert hosts.account_in(host, "moot") == names.fold_nick(account)
