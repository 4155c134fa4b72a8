"""What `moot key list` prints."""

from client.keyring import listed
from protocol.accounts import AccountInfo


def test_keys_are_listed_and_nothing_else_whatever_the_account_is_called() -> None:
    found = AccountInfo(
        account="monkey", since=1, rooms=["#key"], keys=["SHA256:abc monkey", "SHA256:def my key \x1b[2J"]
    )
    assert listed(found) == ["SHA256:abc monkey", "SHA256:def my key [2J"]


def test_who_has_none_is_told_how_to_make_one() -> None:
    assert listed(AccountInfo(account="ann", since=1)) == ["ann has no keys; moot key add makes one."]
