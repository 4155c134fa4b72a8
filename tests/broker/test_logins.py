"""Logging in, making accounts and what one may do with one's own, over a state with a log in memory."""

import base64
from collections.abc import Callable
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scramp import ScramClient

from broker.accounts import MAX_KEYS, MAX_SESSIONS, Account
from broker.log import LogError
from broker.people import Refusal
from broker.policy import Listing
from broker.process import UNSTORED
from broker.sasl import ABORT
from protocol import accounts, native
from protocol.accounts import (
    AccountInfo,
    Challenge,
    Drop,
    Key,
    LoggedIn,
    LoggedOut,
    Logout,
    Password,
    Register,
    Sasl,
)
from protocol.ipc import Answered, ConnId, Do, Vouched
from protocol.moderation import Change, Claim, Mode
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, settings

CHEAP: Final = {"argon2_memory": 8, "argon2_passes": 1, "scram_iterations": 4096}
SECRET: Final = "correct horse"
CERT: Final = "c1" * 32
DAY_MS: Final = 86_400_000


@pytest.fixture
def desk() -> Desk:
    return Desk(settings(**CHEAP))


def register(desk: Desk, who: ConnId, nick: str, password: str = SECRET) -> LoggedIn:
    desk.enter(who, nick)
    return desk.ask(who, Register(password=password), LoggedIn)


def plain(name: str, password: str = SECRET, **more: bool) -> Sasl:
    return Sasl(mech="PLAIN", data=f"\0{name}\0{password}", **more)


def ticket(desk: Desk, who: ConnId) -> str | None:
    """Return what the last step vouched for ``who`` with; None: it said nothing of it."""
    vouched = [event.ticket for event in desk.events(who) if isinstance(event, Vouched) and event.conn == who]
    return vouched[-1] if vouched else None


def account_of(desk: Desk, who: ConnId) -> str | None:
    return desk.state.people.by_conn[who].person.account


def with_cert(desk: Desk, who: ConnId, request: native.Request, certfp: str = CERT) -> native.Event:
    desk.rid += 1
    desk.state.do(Do(who, desk.rid, request, None, "192.0.2.7", secure=True, certfp=certfp), desk.now)
    desk.commit()
    return next(event.event for event in desk.events(who) if isinstance(event, Answered) and event.rid == desk.rid)


# --- making an account


def test_the_nick_one_has_becomes_an_account_and_one_is_logged_in_to_it(desk: Desk) -> None:
    desk.enter(ANN, "Ann", "#tea")
    answer = desk.ask(ANN, Register(id=1, password=SECRET), LoggedIn)
    assert answer == LoggedIn(id=1, account="Ann", nick="Ann", inbox=0)
    assert account_of(desk, ANN) == "Ann"
    kinds = [type(event) for event in desk.events(ANN)]
    assert kinds.index(Vouched) < kinds.index(Answered)
    assert desk.state.gate.accounts.owner_of("ANN") == "Ann"


def test_an_account_can_be_made_before_hello(desk: Desk) -> None:
    assert desk.ask(ANN, Register(password=SECRET, account="ann"), LoggedIn) == LoggedIn(account="ann")
    assert desk.refused(BOB, Register(password=SECRET)) == "bad-request"


def test_a_name_that_is_somebody_s_or_looks_like_it_cannot_be_registered(desk: Desk) -> None:
    register(desk, ANN, "paypal")
    desk.enter(BOB, "bob")
    assert desk.refused(BOB, Register(password=SECRET, account="раураl")) == "account-exists"
    assert desk.refused(BOB, Register(password="another one", account="PayPal")) == "account-exists"
    desk.enter(EVE, "eve")
    assert desk.refused(BOB, Register(password=SECRET, account="eve")) == "nick-taken"
    assert desk.refused(BOB, Register(password=SECRET, account="no nick")) == "bad-nick"
    assert desk.state.gate.accounts.all()[0].name == "paypal"
    assert len(desk.state.gate.accounts.all()) == 1


def test_who_repeats_a_registration_whose_answer_was_lost_is_logged_in(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.gone(ANN)
    assert desk.ask(BOB, Register(password=SECRET, account="ann"), LoggedIn).account == "ann"


@pytest.mark.parametrize(
    ("password", "why"), [("short", "at least 8"), ("tab\tulator", "control"), ("\ud7ffx" * 8, "control")]
)
def test_a_password_that_will_not_do_is_refused_with_the_reason(desk: Desk, password: str, why: str) -> None:
    desk.enter(ANN, "ann")
    error = desk.ask(ANN, Register(password=password), native.Error)
    assert error.code == "weak-password"
    assert why in error.text
    assert desk.state.gate.accounts.all() == []


def test_who_is_banned_makes_no_account(desk: Desk) -> None:
    def banned(_nick: str, _account: Account | None, addresses: list[str]) -> None:
        if addresses == ["192.0.2.7"]:
            raise Refusal("banned", "you are banned")

    desk.state.seating.check_ban = banned
    assert desk.refused(ANN, Register(password=SECRET, account="ann")) == "banned"
    assert desk.state.accounts.count == 0


def test_registration_can_be_off() -> None:
    desk = Desk(settings(registration=False, **CHEAP))
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, Register(password=SECRET)) == "not-allowed"


def test_a_server_has_only_so_many_accounts_and_counts_them_right() -> None:
    desk = Desk(settings(max_accounts=2, **CHEAP))
    register(desk, ANN, "ann")
    register(desk, BOB, "bob")
    desk.enter(EVE, "eve")
    assert desk.refused(EVE, Register(password=SECRET)) == "full-list"
    desk.ask(ANN, Drop(password=SECRET), native.Ok)
    desk.log.remember("account/x", "{}")
    desk.log.rollback()
    desk.state.rolled_back()
    desk.ask(EVE, Register(password=SECRET), LoggedIn)
    assert desk.refused(conn(1, 9), Register(password=SECRET, account="cleo")) == "full-list"


@pytest.mark.parametrize("name", ["NickServ", "admin", "server"])
def test_names_of_services_and_of_those_in_charge_are_nobody_s(desk: Desk, name: str) -> None:
    assert desk.refused(ANN, Register(password=SECRET, account=name)) == "nick-reserved"


def test_one_address_makes_only_so_many_accounts(desk: Desk) -> None:
    for number in range(4):
        desk.ask(conn(1, 10 + number), Register(password=SECRET, account=f"ann{number}"), LoggedIn)
    error = desk.ask(conn(1, 20), Register(password=SECRET, account="ann9"), native.Error)
    assert (error.code, error.wait is not None and error.wait > 30) == ("login-throttled", True)


# --- PLAIN


def test_the_right_password_logs_in_before_hello_and_after_it(desk: Desk) -> None:
    register(desk, ANN, "Ann")
    desk.gone(ANN)
    assert desk.ask(BOB, plain("ann"), LoggedIn) == LoggedIn(account="Ann")
    first = ticket(desk, BOB)
    desk.enter(EVE, "eve")
    assert desk.ask(EVE, plain("ANN"), LoggedIn).account == "Ann"
    assert account_of(desk, EVE) == "Ann"
    second = ticket(desk, EVE)
    assert first
    assert second
    assert first != second
    holder = desk.state.gate.holder(BOB, first)
    assert holder is not None
    assert holder.name == "Ann"


@pytest.mark.parametrize(
    "data",
    [
        "\0ann\0wrong horse",
        "\0nobody\0correct horse",
        "bob\0ann\0correct horse",
        "\0ann\0",
        "\0\0correct horse",
        "ann\0correct horse",
        "",
        "nonsense",
        "\0" * 4000,
        "\0ann\0\ud7ff",
        f"\0{'a' * 3000}\0x",
    ],
)
def test_anything_else_does_not_and_the_connection_goes_on(desk: Desk, data: str) -> None:
    register(desk, ANN, "ann")
    desk.enter(BOB, "bob")
    assert desk.refused(BOB, Sasl(mech="PLAIN", data=data)) == "login-failed"
    assert ticket(desk, BOB) is None
    assert account_of(desk, BOB) is None
    desk.ask(BOB, native.Ping(), native.Pong)


def test_wrong_account_and_wrong_password_are_answered_the_same(desk: Desk) -> None:
    register(desk, ANN, "ann")
    unknown = desk.ask(BOB, plain("nobody"), native.Error)
    wrong = desk.ask(conn(1, 9), plain("ann", "wrong horse"), native.Error)
    assert unknown == wrong


def test_the_message_may_come_after_the_mechanism(desk: Desk) -> None:
    register(desk, ANN, "ann")
    assert desk.ask(BOB, Sasl(mech="PLAIN"), Challenge) == Challenge(data="")
    assert desk.ask(BOB, Sasl(data="\0ann\0correct horse"), LoggedIn).account == "ann"
    assert desk.refused(BOB, Sasl(data="\0ann\0correct horse")) == "login-failed"  # none is under way


def test_a_login_can_be_broken_off(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.ask(BOB, Sasl(mech="PLAIN"), Challenge)
    assert desk.refused(BOB, Sasl(data=ABORT)) == "login-failed"
    assert desk.refused(BOB, Sasl(data="\0ann\0correct horse")) == "login-failed"


def test_a_login_that_takes_too_long_must_begin_again(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.ask(BOB, Sasl(mech="PLAIN"), Challenge)
    desk.now += 121_000
    error = desk.ask(BOB, Sasl(data="\0ann\0correct horse"), native.Error)
    assert (error.code, error.wait) == ("login-failed", 0.0)


def test_a_hash_with_other_parameters_is_made_anew_when_its_password_comes(desk: Desk) -> None:
    register(desk, ANN, "ann")
    before = desk.state.gate.accounts.account("ann")
    desk.state.take_settings(settings(argon2_memory=16, argon2_passes=1, scram_iterations=5000))
    desk.ask(BOB, plain("ann"), LoggedIn)
    after = desk.state.gate.accounts.account("ann")
    assert before is not None
    assert after is not None
    assert after.scram is not None
    assert ("m=8," in before.password, "m=16," in after.password, after.scram.iterations) == (True, True, 5000)
    desk.ask(EVE, plain("ann"), LoggedIn)
    assert desk.state.gate.accounts.account("ann") == after


# --- SCRAM


def scram(desk: Desk, who: ConnId, name: str, password: str) -> native.Event:
    """Go through SCRAM-SHA-256; return the last answer."""
    client = ScramClient(["SCRAM-SHA-256"], name, password)
    first = desk.do(who, Sasl(mech="SCRAM-SHA-256", data=client.get_client_first()))
    if not isinstance(first, Challenge):
        return first
    client.set_server_first(first.data)
    final = desk.do(who, Sasl(data=client.get_client_final()))
    if not isinstance(final, Challenge):
        return final
    client.set_server_final(final.data)
    return desk.do(who, Sasl(data=""))


def test_scram_proves_a_password_that_never_comes(desk: Desk) -> None:
    register(desk, ANN, "ann")
    assert scram(desk, BOB, "ann", SECRET) == LoggedIn(account="ann")
    assert ticket(desk, BOB)


def test_scram_knows_a_password_as_its_preparation_writes_it(desk: Desk) -> None:
    register(desk, ANN, "ann", "Ⅸ lives\u00a0and more")
    assert scram(desk, BOB, "ann", "IX lives and more") == LoggedIn(account="ann")
    assert desk.ask(EVE, plain("ann", "IX lives and more"), LoggedIn).account == "ann"


def test_scram_with_a_wrong_password_or_name_fails_at_the_same_step(desk: Desk) -> None:
    register(desk, ANN, "ann")
    wrong, unknown = scram(desk, BOB, "ann", "wrong horse"), scram(desk, EVE, "nobody", SECRET)
    assert wrong == unknown
    assert isinstance(wrong, native.Error)
    assert wrong.code == "login-failed"


def test_the_salt_of_nobody_is_always_the_same_and_another_s_is_another(desk: Desk) -> None:
    def salt(name: str) -> str:
        first = desk.ask(BOB, Sasl(mech="SCRAM-SHA-256", data=f"n,,n={name},r=abc"), Challenge)
        return dict(part.split("=", 1) for part in first.data.split(","))["s"]

    assert salt("nobody") == salt("NoBody")
    assert salt("nobody") != salt("noone")


@pytest.mark.parametrize(
    "data", ["", "n,,", "n,,n=ann", "n,,n=,r=x", "p=tls-unique,,n=ann,r=x", "n,,n=ann,r=x,y", "x" * 4096]
)
def test_what_is_no_scram_is_refused(desk: Desk, data: str) -> None:
    register(desk, ANN, "ann")
    assert desk.refused(BOB, Sasl(mech="SCRAM-SHA-256", data=data)) == "login-failed"


def test_scram_can_be_off(desk: Desk) -> None:
    desk.state.take_settings(settings(argon2_memory=8, argon2_passes=1, scram_iterations=0))
    register(desk, ANN, "ann")
    account = desk.state.gate.accounts.account("ann")
    assert account is not None
    assert account.scram is None
    assert desk.refused(BOB, Sasl(mech="SCRAM-SHA-256", data="n,,n=ann,r=abc")) == "not-supported"


# --- keys and certificates

ED25519: Final = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
LINE: Final = ED25519.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " ann at home"


def sign(challenge: str, key: Ed25519PrivateKey = ED25519) -> Sasl:
    return Sasl(data=base64.b64encode(key.sign(challenge.encode())).decode())


def test_a_key_is_added_listed_used_and_removed(desk: Desk) -> None:
    register(desk, ANN, "ann")
    info = desk.ask(ANN, Key(add=LINE), AccountInfo)
    assert len(info.keys) == 1
    assert info.keys[0].startswith("SHA256:")
    assert info.keys[0].endswith(" ann at home")
    challenge = desk.ask(BOB, Sasl(mech="ED25519", data="Ann"), Challenge).data
    assert challenge.startswith("moot login moot - ann ")
    assert desk.ask(BOB, sign(challenge), LoggedIn).account == "ann"
    assert desk.ask(ANN, Key(remove=info.keys[0]), AccountInfo).keys == []
    again = desk.ask(EVE, Sasl(mech="ED25519", data="ann"), Challenge).data
    assert again != challenge
    assert desk.refused(EVE, sign(again)) == "login-failed"


def test_a_signature_counts_for_its_own_challenge_and_key_alone(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.ask(ANN, Key(add=LINE), AccountInfo)
    first = desk.ask(BOB, Sasl(mech="ED25519", data="ann"), Challenge).data
    second = desk.ask(BOB, Sasl(mech="ED25519", data="ann"), Challenge).data
    assert desk.refused(BOB, sign(first)) == "login-failed"
    assert desk.refused(BOB, sign(second)) == "login-failed"  # one try for each challenge
    third = desk.ask(BOB, Sasl(mech="ED25519", data="ann"), Challenge).data
    assert desk.refused(BOB, sign(third, Ed25519PrivateKey.from_private_bytes(b"x" * 32))) == "login-failed"


def test_who_is_unknown_is_challenged_like_anybody(desk: Desk) -> None:
    challenge = desk.ask(BOB, Sasl(mech="ED25519", data="nobody"), Challenge).data
    assert challenge.startswith("moot login moot - nobody ")
    assert desk.refused(BOB, sign(challenge)) == "login-failed"


@pytest.mark.parametrize(
    "line",
    [
        "ssh-rsa AAAA",
        "ssh-ed25519",
        "ssh-ed25519 ####",
        "ssh-ed25519 AAAA",
        "certfp:12",
        "certfp:" + "g" * 64,
        "x",
        " ",
    ],
)
def test_what_is_no_key_is_refused(desk: Desk, line: str) -> None:
    register(desk, ANN, "ann")
    assert desk.refused(ANN, Key(add=line)) == "bad-key"


def test_an_account_has_only_so_many_keys(desk: Desk) -> None:
    register(desk, ANN, "ann")
    for number in range(MAX_KEYS):
        desk.ask(ANN, Key(add=f"certfp:{number:064x}"), AccountInfo)
    assert desk.refused(ANN, Key(add=LINE)) == "full-list"
    assert desk.refused(ANN, Key(remove="certfp:" + "f" * 64)) == "no-such-entry"


def test_the_certificate_that_a_worker_saw_logs_in_to_its_account(desk: Desk) -> None:
    register(desk, ANN, "ann")
    external = Sasl(mech="EXTERNAL", data="")
    assert isinstance(with_cert(desk, BOB, external), native.Error)
    desk.ask(ANN, Key(add=":".join(["certfp", *["C1"] * 32])), AccountInfo)
    answer = with_cert(desk, BOB, external)
    assert isinstance(answer, LoggedIn)
    assert answer.account == "ann"
    assert isinstance(with_cert(desk, BOB, Sasl(mech="EXTERNAL", data="ann")), LoggedIn)
    assert isinstance(with_cert(desk, BOB, Sasl(mech="EXTERNAL", data="eve")), native.Error)
    assert isinstance(with_cert(desk, BOB, external, ""), native.Error)
    register(desk, EVE, "eve")
    assert desk.refused(EVE, Key(add="certfp:" + CERT)) == "bad-key"


# --- sessions


def test_a_token_logs_in_until_its_time_is_over(desk: Desk) -> None:
    register(desk, ANN, "ann")
    token = desk.ask(BOB, plain("ann", remember=True), LoggedIn).session
    assert token is not None
    assert len(token) == 43
    for _ in range(3):  # each use counts from then on
        desk.now += 60 * DAY_MS
        assert desk.ask(EVE, Sasl(mech="SESSION", data=token), LoggedIn).account == "ann"
    desk.now += 91 * DAY_MS
    assert desk.refused(EVE, Sasl(mech="SESSION", data=token)) == "login-failed"


def test_no_token_is_kept_as_it_is(desk: Desk) -> None:
    register(desk, ANN, "ann")
    token = desk.ask(BOB, plain("ann", remember=True), LoggedIn).session
    assert token is not None
    kept = [str(row) for row in desk.log._db.execute("SELECT key, value FROM meta").fetchall()]
    assert len(kept) >= 5
    assert not [row for row in kept if token in row or SECRET in row]


def test_the_last_use_is_written_once_a_day(desk: Desk) -> None:
    register(desk, ANN, "ann")
    token = desk.ask(BOB, plain("ann", remember=True), LoggedIn).session
    written = desk.log.written
    for _ in range(5):
        desk.ask(EVE, Sasl(mech="SESSION", data=token), LoggedIn)
    assert desk.log.written == written
    desk.now += DAY_MS + 1
    desk.ask(EVE, Sasl(mech="SESSION", data=token), LoggedIn)
    desk.ask(EVE, Sasl(mech="SESSION", data=token), LoggedIn)
    assert desk.log.written == written + 1


def test_of_too_many_tokens_the_one_used_least_lately_goes(desk: Desk) -> None:
    register(desk, ANN, "ann")
    tokens = [desk.ask(conn(1, 50 + n), plain("ann", remember=True), LoggedIn).session for n in range(MAX_SESSIONS + 1)]
    assert desk.refused(EVE, Sasl(mech="SESSION", data=tokens[0])) == "login-failed"
    assert desk.ask(EVE, Sasl(mech="SESSION", data=tokens[1]), LoggedIn).account == "ann"
    assert desk.ask(ANN, accounts.Account(), AccountInfo).sessions == MAX_SESSIONS


def test_no_token_is_given_where_others_can_read_it(desk: Desk) -> None:
    desk.secure = False
    desk.enter(ANN, "ann")
    assert desk.ask(ANN, Register(password=SECRET, remember=True), LoggedIn).session is None
    assert desk.ask(BOB, plain("ann", remember=True), LoggedIn).session is None
    desk.post(BOB, plain("ann", remember=True), addr="127.0.0.1")
    desk.commit()
    (answer,) = answers_to(desk, BOB)
    assert isinstance(answer, LoggedIn)
    assert answer.session is not None


def test_a_login_that_could_not_be_stored_is_none(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.ask(ANN, Key(add="certfp:" + CERT), AccountInfo)
    desk.gone(ANN)
    desk.enter(BOB, "bob", "#tea")
    desk.rid += 1
    login = Sasl(id=7, mech="EXTERNAL", data="", remember=True)
    desk.state.do(Do(BOB, desk.rid, login, None, "192.0.2.7", secure=True, certfp=CERT), desk.now)
    assert account_of(desk, BOB) == "ann"
    fail(desk)
    (error,) = answers_to(desk, BOB)
    assert isinstance(error, native.Error)
    assert (error.id, error.code) == (7, "storage")
    assert account_of(desk, BOB) is None
    assert ticket(desk, BOB) == ""
    assert isinstance(desk.told_to(BOB)[-1], LoggedOut)


def test_a_login_before_hello_that_could_not_be_stored_vouches_for_nobody(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.post(BOB, plain("ann", remember=True))
    fail(desk)
    assert [getattr(event, "code", event) for event in answers_to(desk, BOB)] == ["storage"]
    assert ticket(desk, BOB) == ""


def test_a_login_that_wrote_nothing_stands_whatever_else_was_not_stored(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.enter(BOB, "bob")
    desk.post(BOB, plain("ann"))
    desk.post(ANN, native.Send(cmid="c", to="#tea", text="hi"))
    fail(desk)
    assert isinstance(answers_to(desk, BOB)[0], LoggedIn)
    assert account_of(desk, BOB) == "ann"


def fail(desk: Desk) -> None:
    """End the step with a disk that fails."""
    desk.log.rollback()
    desk.state.rolled_back()
    desk.out.refuse_unstored(desk.state.last, desk.log.topic, UNSTORED)
    desk.commit()


def test_who_may_not_be_here_is_not_vouched_for(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.enter(BOB, "bob")

    def banned(_nick: str, _account: Account | None, _addresses: list[str]) -> None:
        raise Refusal("banned", "ann is banned")

    desk.state.seating.check_ban = banned
    assert desk.refused(BOB, plain("ann")) == "banned"
    assert ticket(desk, BOB) is None


@pytest.mark.parametrize("data", ["", "x", "A" * 43, "A" * 44, "ä" * 43])
def test_what_is_no_token_is_refused(desk: Desk, data: str) -> None:
    assert desk.refused(EVE, Sasl(mech="SESSION", data=data)) == "login-failed"


# --- one's own account


def test_a_password_is_changed_with_the_old_one_and_other_devices_are_sent_off(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.enter(EVE, "eve")
    desk.ask(EVE, plain("ann"), LoggedIn)
    token = desk.ask(BOB, plain("ann", remember=True), LoggedIn).session
    old = ticket(desk, BOB)
    assert old
    assert desk.refused(ANN, Password(old="wrong horse", new="battery staple")) == "login-failed"
    assert desk.refused(ANN, Password(old=SECRET, new="short")) == "weak-password"
    desk.ask(ANN, Password(old=SECRET, new="battery staple"), native.Ok)
    assert account_of(desk, ANN) == "ann"
    assert account_of(desk, EVE) is None
    assert [type(event) for event in desk.told_to(EVE)][-1] is LoggedOut
    assert ticket(desk, EVE) == ""
    mine = ticket(desk, ANN)
    assert mine
    assert desk.state.gate.holder(ANN, mine) is not None
    assert desk.state.gate.holder(BOB, old) is None
    assert desk.refused(conn(1, 7), Sasl(mech="SESSION", data=token)) == "login-failed"
    assert desk.refused(conn(1, 7), plain("ann")) == "login-failed"
    assert desk.ask(conn(1, 7), plain("ann", "battery staple"), LoggedIn).account == "ann"


def test_who_logs_out_is_a_guest_and_their_tokens_stay(desk: Desk) -> None:
    register(desk, ANN, "ann")
    token = desk.ask(BOB, plain("ann", remember=True), LoggedIn).session
    desk.ask(ANN, Logout(), native.Ok)
    assert account_of(desk, ANN) is None
    assert ticket(desk, ANN) == ""
    assert desk.ask(EVE, Sasl(mech="SESSION", data=token), LoggedIn).account == "ann"
    assert desk.refused(ANN, Logout()) == "account-needed"


def test_logging_out_everywhere_ends_tokens_tickets_and_all_other_logins(desk: Desk) -> None:
    register(desk, ANN, "ann")
    mine = ticket(desk, ANN)
    desk.enter(EVE, "eve")
    token = desk.ask(EVE, plain("ann", remember=True), LoggedIn).session
    desk.ask(ANN, Logout(everywhere=True), native.Ok)
    assert (account_of(desk, ANN), account_of(desk, EVE)) == (None, None)
    assert [type(event) for event in desk.told_to(EVE)][-1] is LoggedOut
    assert desk.state.gate.holder(ANN, mine or "") is None
    assert desk.refused(EVE, Sasl(mech="SESSION", data=token)) == "login-failed"


def test_an_account_tells_its_owner_more_than_others(desk: Desk) -> None:
    register(desk, ANN, "ann")
    desk.ask(ANN, Key(add=LINE), AccountInfo)
    desk.ask(conn(1, 7), plain("ann", remember=True), LoggedIn)
    mine = desk.ask(ANN, accounts.Account(), AccountInfo)
    assert (mine.account, len(mine.keys), mine.sessions) == ("ann", 1, 1)
    desk.enter(BOB, "bob")
    assert desk.ask(BOB, accounts.Account(account="Ann"), AccountInfo) == AccountInfo(account="ann", since=mine.since)
    assert desk.refused(BOB, accounts.Account(account="eve")) == "no-such-account"
    assert desk.refused(BOB, accounts.Account()) == "account-needed"


def test_an_account_that_is_dropped_is_gone_with_everything_and_its_nick_is_free(desk: Desk) -> None:
    register(desk, ANN, "ann")
    mine = ticket(desk, ANN)
    token = desk.ask(conn(1, 7), plain("ann", remember=True), LoggedIn).session
    assert desk.refused(ANN, Drop(password="wrong horse")) == "login-failed"
    desk.ask(ANN, Drop(password=SECRET), native.Ok)
    assert account_of(desk, ANN) is None
    assert desk.state.gate.accounts.all() == []
    assert desk.refused(BOB, Sasl(mech="SESSION", data=token)) == "login-failed"
    assert desk.refused(BOB, plain("ann")) == "login-failed"
    desk.ask(BOB, Register(password="another one", account="ann2"), LoggedIn)
    desk.ask(ANN, Register(password="another one"), LoggedIn)
    assert desk.state.gate.holder(ANN, mine or "") is None  # an earlier account of that name


def test_guests_have_no_password_and_nothing_to_drop(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    for request in (Password(old="x", new="y"), Drop(password="x"), Key(), Logout(), accounts.Account()):
        assert desk.refused(ANN, request) == "account-needed"
    assert desk.refused(BOB, Drop(password="x")) == "not-introduced"


# --- who must wait


def test_wrong_passwords_make_one_wait_longer_and_longer(desk: Desk) -> None:
    register(desk, ANN, "ann")
    waits = []
    for _ in range(8):
        error = desk.ask(BOB, plain("ann", "wrong horse"), native.Error)
        waits.append(error.wait)
        desk.now += round((error.wait or 0) * 1000)
    assert waits == [None, None, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    error = desk.ask(BOB, plain("ann", "wrong horse"), native.Error)
    refused = desk.ask(BOB, plain("ann"), native.Error)
    assert refused.code == "login-throttled"
    assert refused.wait is not None
    assert refused.wait > 60


def test_the_owner_comes_in_from_elsewhere_whatever_a_stranger_does(desk: Desk) -> None:
    register(desk, ANN, "ann")
    for _ in range(200):
        desk.ask(BOB, plain("ann", "wrong horse"), native.Error)
    rid = desk.post(EVE, plain("ann"), addr="198.51.100.9")
    desk.commit()
    answers = {event.rid: event.event for event in desk.events(EVE) if isinstance(event, Answered)}
    assert isinstance(answers[rid], LoggedIn)


def test_without_limits_nobody_waits() -> None:
    desk = Desk(settings(limits=False, **CHEAP))
    register(desk, ANN, "ann")
    codes = {desk.refused(BOB, plain("ann", "wrong horse")) for _ in range(40)}
    assert codes == {"login-failed"}


# --- what goes with an account


def test_an_account_tells_the_rooms_it_owns_and_hidden_ones_to_itself_alone(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#den")
    desk.ask(ANN, Register(password=SECRET), LoggedIn)
    for room in ("#tea", "#den"):
        desk.ask(ANN, Claim(room=room), native.Ok)
    desk.ask(ANN, Mode(room="#den", changes=[Change("secret")]), native.Ok)
    desk.enter(BOB, "bob")
    assert desk.ask(BOB, accounts.Account(account="ann"), AccountInfo).rooms == ["#tea"]
    assert desk.ask(ANN, accounts.Account(), AccountInfo).rooms == ["#den", "#tea"]


def test_who_takes_the_name_of_a_dropped_account_takes_nothing_else(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, Register(password=SECRET), LoggedIn)
    desk.ask(ANN, Claim(room="#tea"), native.Ok)
    mine = desk.state.people.by_conn[ANN].person.uid
    desk.ask(ANN, Drop(password=SECRET), native.Ok)
    desk.gone(ANN)
    desk.enter(BOB, "bob", "#tea")
    assert desk.ask(BOB, Register(password="another one", account="ann"), LoggedIn).nick == "ann"
    assert desk.ask(BOB, accounts.Account(), AccountInfo).rooms == []
    assert desk.state.people.by_conn[BOB].person.uid != mine  # nor the inbox


def test_who_takes_the_name_of_a_dropped_account_is_not_let_in_where_that_was(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#den")
    closed = [Change("invite-only"), Change("invited", arg="account:ann"), Change("ban", arg="account:ann")]
    desk.ask(EVE, Mode(room="#den", changes=closed), native.Ok)
    desk.state.bans.add(Listing("except", "account:ann", "boss", desk.now), desk.now, 10)
    desk.state.bans.add(Listing("ban", "account:bob", "boss", desk.now), desk.now, 10)
    register(desk, ANN, "ann")
    desk.ask(ANN, Drop(password=SECRET), native.Ok)
    desk.gone(ANN)
    assert [entry.kind for entry in desk.state.rooms.by_name["#den"].policy.entries] == ["ban"]
    assert [entry.mask for entry in desk.state.bans.entries] == ["account:bob"]
    register(desk, BOB, "ann")
    assert desk.refused(BOB, native.Join(room="#den")) in ("invite-only", "banned")


# --- the vault takes its time


class Later:
    """In the place of the vault: works when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.whose: list[str] = []
        self.full = False

    def submit(self, whose: str, work: Callable[[], Any], done: Callable[[Any], None]) -> bool:
        self.waiting.append(lambda: done(work()))
        self.whose.append(whose)
        return not self.full

    def work(self) -> None:
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            one()


@pytest.fixture
def later(desk: Desk) -> Later:
    register(desk, ANN, "ann")
    made = Later()
    desk.state.gate.proving._vault = made
    return made


def answers_to(desk: Desk, who: ConnId) -> list[native.Event]:
    return [event.event for event in desk.events(who) if isinstance(event, Answered) and event.conn == who]


def test_who_is_gone_when_the_vault_is_done_proves_nothing(desk: Desk, later: Later) -> None:
    desk.enter(BOB, "bob")
    desk.post(BOB, plain("ann", remember=True))
    desk.state.gate.gone(BOB)
    desk.gone(BOB)
    later.work()
    desk.commit()
    assert answers_to(desk, BOB) == []
    account = desk.state.gate.accounts.account("ann")
    assert account is not None
    assert account.sessions == []


def test_who_sat_with_a_worker_that_died_proves_nothing(desk: Desk, later: Later) -> None:
    desk.post(EVE, plain("ann"))
    desk.post(conn(2, 5), Sasl(mech="PLAIN"))
    desk.state.gate.worker_lost(2)
    later.work()
    desk.commit()
    assert [event for event in desk.events(EVE) if isinstance(event, Vouched)] == []
    assert desk.state.gate.logins._exchanges == {}


def test_the_same_request_again_while_it_is_looked_at_is_answered_once(desk: Desk, later: Later) -> None:
    for _ in range(2):  # from a worker that was linked anew
        desk.state.do(Do(BOB, 77, plain("ann"), None, "192.0.2.7"), desk.now)
    assert len(later.waiting) == 1
    later.work()
    desk.commit()
    assert [type(event) for event in answers_to(desk, BOB)] == [LoggedIn]


@pytest.mark.parametrize("change", ["password", "dropped", "another"])
def test_an_account_that_changed_meanwhile_is_not_logged_in_to(desk: Desk, later: Later, change: str) -> None:
    desk.post(BOB, plain("ann"))
    known = desk.state.gate.accounts
    account = known.account("ann")
    assert account is not None
    if change == "password":
        known.change(account, password="$argon2id$another")
    else:
        desk.state.gate.registrar.remove(account)
    if change == "another":
        known.create(Account(name="ann", uid="99" * 16, since=5, password=account.password))
    later.work()
    desk.commit()
    assert [getattr(event, "code", event) for event in answers_to(desk, BOB)] == ["login-failed"]


def test_what_changed_while_a_new_password_was_hashed_stays_changed(desk: Desk, later: Later) -> None:
    registrar, known = desk.state.gate.registrar, desk.state.accounts.account
    registrar.appoint(known("ann") or pytest.fail("ann is there"), on=True)
    desk.post(ANN, Password(old=SECRET, new="battery staple"))
    desk.post(BOB, plain("ann", remember=True))
    later.waiting.reverse()  # bob's login is looked at first
    registrar.appoint(known("ann") or pytest.fail("ann is there"), on=False)
    later.work()
    desk.commit()
    assert native.Ok() in answers_to(desk, ANN)
    changed = known("ann")
    assert changed is not None
    assert not changed.admin
    assert desk.log.recall_under("session/") == []


def test_neighbours_share_their_part_of_the_vault_and_people_behind_a_proxy_here_do_not(
    desk: Desk, later: Later
) -> None:
    for number, addr in enumerate(("2001:db8::1", "2001:db8::ffff", "192.0.2.7", "127.0.0.1", "::1")):
        desk.post(conn(1, 60 + number), plain("ann"), addr=addr)
    assert later.whose == ["2001:db8::/64", "2001:db8::/64", "192.0.2.7", "", ""]


def test_two_who_register_one_name_at_once_do_not_both_get_it(desk: Desk, later: Later) -> None:
    desk.post(BOB, Register(password=SECRET, account="cleo"))
    desk.post(EVE, Register(password="another one", account="Cleo"))
    later.work()
    desk.commit()
    assert [type(event) for event in answers_to(desk, BOB)] == [LoggedIn]
    assert [getattr(event, "code", event) for event in answers_to(desk, EVE)] == ["account-exists"]


def test_a_full_vault_is_told_and_costs_no_try(desk: Desk, later: Later) -> None:
    later.full = True
    for _ in range(20):
        error = desk.ask(BOB, plain("ann"), native.Error)
        assert (error.code, error.wait) == ("login-throttled", 2.0)
    later.full = False
    later.waiting.clear()
    desk.post(BOB, plain("ann"))
    later.work()
    desk.commit()
    assert [type(event) for event in answers_to(desk, BOB)] == [LoggedIn]


def test_who_goes_while_their_account_is_made_has_made_one_and_who_is_refused_has_not(desk: Desk, later: Later) -> None:
    for number in range(4):
        who = conn(1, 50 + number)
        desk.post(who, Register(password=SECRET, account=f"eve{number}"))
        desk.state.gate.gone(who)
    desk.post(EVE, Register(password=SECRET, account="eve"))
    desk.commit()
    assert [getattr(event, "code", event) for event in answers_to(desk, EVE)] == ["login-throttled"]
    for _ in range(5):
        desk.post(BOB, Register(password="short", account="bob"), addr="198.51.100.1")
        later.work()
        desk.commit()
        assert [getattr(event, "code", event) for event in answers_to(desk, BOB)] == ["weak-password"]


def test_an_account_that_cannot_be_stored_is_told_so_and_nobody_is_logged_in(
    desk: Desk, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.post(BOB, Register(id=3, password=SECRET))

    def broken() -> None:
        desk.log.rollback()
        raise LogError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(desk.log, "commit", broken)
        with pytest.raises(LogError):
            later.work()
    desk.state.rolled_back()
    desk.commit()
    (error,) = answers_to(desk, BOB)
    assert isinstance(error, native.Error)
    assert (error.id, error.code, error.wait) == (3, "storage", 1.0)
    assert account_of(desk, BOB) is None
    assert ticket(desk, BOB) is None
    assert desk.state.gate.accounts.account("bob") is None


def test_work_that_broke_is_an_internal_error_for_the_asker(desk: Desk) -> None:
    desk.state.gate.proving._vault = Broken()
    assert desk.refused(BOB, plain("ann")) == "internal"


def test_a_result_that_cannot_be_taken_is_answered_all_the_same(
    desk: Desk, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.post(BOB, plain("ann"))

    def mistaken(*_args: object, **_more: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(desk.state.gate.logins, "succeed", mistaken)
    with pytest.raises(RuntimeError):
        later.work()
    desk.commit()
    assert [getattr(event, "code", event) for event in answers_to(desk, BOB)] == ["internal"]


class Broken:
    """A vault in which everything breaks."""

    def submit(self, whose: str, work: Callable[[], Any], done: Callable[[Any], None]) -> bool:
        done(None)
        return True


def test_what_a_deleted_account_owned_stays_nobody_s_whatever_becomes_of_the_next_transaction(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, Register(password=SECRET), LoggedIn)
    desk.ask(ANN, Claim(room="#tea"), native.Ok)
    later = Later()
    desk.state.gate.proving._vault = later
    desk.post(ANN, Drop(password=SECRET))
    later.work()
    desk.state.commit()
    desk.log.remember("room/#tea", "something else")
    desk.log.rollback()
    desk.state.rolled_back()
    desk.commit()
    assert desk.state.policies.owned_by("ann") == []
