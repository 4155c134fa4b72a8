"""A session that logs in, without sockets."""

import pytest
from msgspec.structs import replace

from client.identity import Proof
from client.session import Identified, Offline, Online, Session
from client.updates import Update
from protocol.accounts import Challenge, Drop, LoggedIn, LoggedOut, Logout, Register
from protocol.native import Error, Ok
from tests.client.sessions import WELCOME, session, told, wrote

TOKEN = Proof("ann", token="s" * 43)


def proving(proof: Proof) -> Session:
    s = session()
    s.proof = proof
    s.connected()
    return s


def identified(updates: list[Update]) -> list[Identified]:
    return [update for update in updates if isinstance(update, Identified)]


def test_a_token_is_shown_before_the_hello_which_waits_for_the_answer() -> None:
    s = proving(TOKEN)
    assert wrote(s) == [{"op": "sasl", "id": 1, "mech": "SESSION", "data": "s" * 43}]
    updates = told(s, LoggedIn(id=1, account="ann"))
    assert identified(updates) == [Identified("ann", "You are logged in as ann.")]
    (hello,) = wrote(s)
    assert (hello["op"], hello["nick"]) == ("hello", "ann")
    assert isinstance(told(s, replace(WELCOME, id=2))[0], Online)
    assert s.identity.account == "ann"


def test_coming_back_is_no_news() -> None:
    s = proving(TOKEN)
    told(s, LoggedIn(id=1, account="ann"), replace(WELCOME, id=2))
    s.disconnected("cut")
    s.connected()
    assert wrote(s)[-1]["id"] == 4  # 3 had asked how far the inbox was read
    updates = told(s, LoggedIn(id=4, account="ann"))
    assert [update.text for update in identified(updates)] == [""]


def test_a_token_that_no_longer_counts_makes_a_guest_under_whatever_nick_is_free() -> None:
    s = proving(TOKEN)
    s.outgoing()
    (said,) = identified(told(s, Error(id=1, code="login-failed", text="The session has ended.")))
    assert (said.account, said.spent) == (None, "ann")
    assert "The session has ended." in said.text
    assert "/login ann" in said.text
    assert [line["op"] for line in wrote(s)] == ["hello"]
    told(s, Error(id=2, code="nick-reserved", text="ann is an account's.", free="ann2"))
    (again,) = wrote(s)
    assert (again["op"], again["nick"]) == ("hello", "ann2")


def test_a_wrong_password_makes_no_guest_of_who_typed_it() -> None:
    s = proving(Proof("ann", password="wrong horse"))
    s.outgoing()
    updates = told(s, Error(id=1, code="login-failed", text="The password is wrong.", wait=1.0))
    assert wrote(s) == []
    assert s.hang_up
    assert identified(updates) == [Identified(None, "")]
    (offline,) = [update for update in updates if isinstance(update, Offline)]
    assert (offline.reason, offline.final) == ("The password is wrong.", True)
    assert offline.error is not None
    assert offline.error.code == "login-failed"


def test_a_proof_refused_for_another_reason_is_kept_for_later() -> None:
    s = proving(TOKEN)
    (said,) = identified(told(s, Error(id=1, code="insecure", text="Use TLS.")))
    assert (said.account, said.spent) == (None, None)


def test_a_server_that_is_busy_is_asked_again_later() -> None:
    s = proving(TOKEN)
    told(s, Error(id=1, code="login-throttled", text="Too many tries.", wait=3.0))
    assert s.hang_up
    assert s.proof == TOKEN


def test_a_key_signs_the_challenge() -> None:
    s = proving(Proof("ann", sign=lambda challenge: f"signed({challenge})"))
    s.pin = "SHA256:abc"
    assert wrote(s) == [{"op": "sasl", "id": 1, "mech": "ED25519", "data": "ann", "remember": True}]
    challenge = "moot login our moot SHA256:abc ann 00ff"
    told(s, Challenge(id=1, data=challenge))
    assert wrote(s) == [{"op": "sasl", "id": 2, "data": f"signed({challenge})", "remember": True}]
    assert identified(told(s, LoggedIn(id=2, account="ann", session="t1")))[0].token == "t1"


def test_a_challenge_that_is_none_is_not_signed() -> None:
    def refuse(challenge: str) -> str:
        raise ValueError("no login")

    s = proving(Proof("ann", sign=refuse))
    s.outgoing()
    told(s, Challenge(id=1, data="transfer all money"))
    assert [line["op"] for line in wrote(s)] == ["hello"]
    assert s.identity.account is None


@pytest.mark.parametrize(
    ("pin", "shown"), [("SHA256:abc", "SHA256:def"), ("SHA256:abc", "-"), ("", "SHA256:abc"), ("SHA256:abc", "")]
)
def test_the_challenge_of_another_server_is_not_signed(pin: str, shown: str) -> None:
    s = proving(Proof("ann", sign=lambda challenge: "signed"))
    s.pin = pin
    s.outgoing()
    told(s, Challenge(id=1, data=f"moot login moot {shown} ann 00ff"))
    assert [line["op"] for line in wrote(s)] == ["hello"]


def test_registering_and_leaving_again_changes_who_we_are() -> None:
    s = session()
    s.connected()
    told(s, WELCOME)
    asked = s.request(Register(password="pw", remember=True))
    updates = told(s, LoggedIn(id=asked, account="ann", nick="ann", session="t1"))
    assert identified(updates) == [Identified("ann", "", "t1")]
    asked = s.request(Logout())
    assert identified(told(s, Ok(id=asked)))[0].spent == "ann"
    assert s.identity.account is None
    asked = s.request(Drop(password="pw"))
    told(s, Error(id=asked, code="account-needed", text="You are a guest."))


def test_another_device_logs_us_out() -> None:
    s = proving(TOKEN)
    told(s, LoggedIn(id=1, account="ann"), replace(WELCOME, id=2))
    (said,) = identified(told(s, LoggedOut(nick="ann2", reason="the password was changed")))
    assert said.text == "You are logged out (the password was changed). You are ann2 now."
    assert s.nick == "ann2"


def test_no_secret_is_in_a_representation() -> None:
    assert "hunter2" not in repr(Proof("ann", token="hunter2")) + repr(Proof("ann", password="hunter2"))
    assert "hunter2" not in repr(Identified("ann", "", "hunter2"))
