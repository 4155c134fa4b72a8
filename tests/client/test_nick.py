"""The nick of somebody who named none; what is made of a login name is `tests/protocol/test_names.py`'s."""

import pytest

from client.nick import login_nick


def test_it_is_made_of_the_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "DOMAIN\\john.doe")
    assert login_nick() == "john_doe"


@pytest.mark.parametrize("error", [OSError, KeyError, ImportError])
def test_who_has_no_login_name_is_a_guest(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    assert login_nick() == "guest"
