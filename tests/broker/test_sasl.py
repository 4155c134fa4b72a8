"""The messages of SASL: what is one, what is none, and that nothing a client sends is anything but an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import sasl
from broker.credentials import BadCredential, Costs, ScramServer, decoy_scram, made, public_key, signed, verify
from broker.sasl import BadMessage, Plain

CHEAP = Costs(memory=8, passes=1, lanes=1, scram=4096)
TEXTS = st.text(max_size=80)


def test_plain_has_an_account_and_a_password() -> None:
    assert sasl.plain("\0ann\0pass\tword") == Plain("ann", "pass\tword")
    assert sasl.plain("ann\0ann\0x") == Plain("ann", "x")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "two NULs"),
        ("ann", "two NULs"),
        ("\0ann", "two NULs"),
        ("\0ann\0x\0", "two NULs"),
        ("bob\0ann\0x", "for another account"),
        ("\0\0x", "name is missing"),
        ("\0ann\0", "1 to 300 characters"),
        ("\0ann\0" + "x" * 301, "1 to 300 characters"),
        ("\0" + "a" * 257 + "\0x", "much too long"),
    ],
)
def test_what_is_no_plain_says_why(data: str, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        sasl.plain(data)


def test_the_name_is_read_out_of_scram_as_it_is_escaped() -> None:
    assert sasl.scram_name("n,,n=ann,r=abc") == "ann"
    assert sasl.scram_name("y,,n=a=2Cb=3Dc,r=abc,x=y") == "a,b=c"


@pytest.mark.parametrize(
    "data", ["", "n,,r=a,n=ann", "n,,n=,r=a", "n,,n=a=b,r=a", "n,,n=ann", "n,,n=" + "a" * 300 + ",r=x"]
)
def test_what_is_no_scram_has_no_name(data: str) -> None:
    with pytest.raises(BadMessage):
        sasl.scram_name(data)


@given(TEXTS, st.text(min_size=1, max_size=80))
def test_every_name_and_password_without_nul_survive_plain(name: str, password: str) -> None:
    name, password = name.replace("\0", "") or "x", password.replace("\0", "") or "x"
    assert sasl.plain(f"\0{name}\0{password}") == Plain(name, password)


@given(st.text(min_size=1, max_size=80).filter(lambda name: "\0" not in name))
def test_every_name_survives_scram(name: str) -> None:
    escaped = name.replace("=", "=3D").replace(",", "=2C")
    assert sasl.scram_name(f"n,,n={escaped},r=nonce") == name


PARTS = st.lists(st.sampled_from(["n", "y", "p=", ",", "=", "n=ann", "r=x", "\0", "ann"])).map("".join)


@given(TEXTS | PARTS)
def test_any_text_is_a_message_or_a_bad_one(data: str) -> None:
    for read in (sasl.plain, sasl.scram_name, sasl.account_name, sasl.token):
        told = ""
        try:
            assert read(data)
        except BadMessage as error:
            told = str(error)
        assert len(told) < 200


@given(TEXTS, TEXTS)
def test_any_text_is_a_step_of_scram_or_a_bad_one(first: str, final: str) -> None:
    server = ScramServer(decoy_scram("ann", b"k" * 32, CHEAP))
    for begin in (first, "n,,n=ann,r=" + first):
        try:
            assert server.first(begin).startswith("r=")
        except BadCredential:
            continue
        with pytest.raises(BadCredential):
            server.final(final)


@given(TEXTS)
def test_any_text_is_a_key_or_a_bad_one_and_signs_nothing(text: str) -> None:
    for line in (text, "ssh-ed25519 " + text):
        with pytest.raises(BadCredential):
            public_key(line)
    assert not signed("challenge", text, [])


@given(st.text(max_size=20))
def test_a_wrong_password_of_any_kind_is_wrong(password: str) -> None:
    kept = made("correct horse", CHEAP)
    assert not verify(password, kept.password, kept.scram, CHEAP).right


def test_a_challenge_has_no_line_and_no_more_words_than_it_should() -> None:
    said = sasl.challenge("our\nserver", "SHA256:abc", "ann", b"\x01" * 16)
    assert said == "moot login our server SHA256:abc ann " + "01" * 16
    assert sasl.challenge("moot", "", "ann", b"\x01" * 16) == "moot login moot - ann " + "01" * 16


# --- nobody learns who has an account


class Counted:
    """Stands in for argon2's hasher: notes what is compared with what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import argon2

        self.calls: list[str] = []
        real = argon2.PasswordHasher.verify

        def counted(hasher: argon2.PasswordHasher, kept: str, password: str) -> bool:
            self.calls.append(kept.rpartition("$")[0].rpartition("$")[0])  # the parameters, without salt and hash
            return bool(real(hasher, kept, password))

        monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)


def test_an_unknown_account_costs_the_same_work_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = made("correct horse", CHEAP)
    counted = Counted(monkeypatch)
    answers = [
        verify("wrong horse", kept.password, kept.scram, CHEAP),
        verify("wrong horse", "", None, CHEAP),
        verify("a password of nobody", "", None, CHEAP),
        verify("\x00control", kept.password, kept.scram, CHEAP),
        verify("\x00control", "", None, CHEAP),
    ]
    assert answers == [answers[0]] * 5
    assert counted.calls == ["$argon2id$v=19$m=8,t=1,p=1"] * 5


def test_what_is_kept_of_a_password_is_argon2id_with_the_parameters_of_owasp_by_default() -> None:
    from protocol.settings import DEFAULTS

    costs = Costs(DEFAULTS.argon2_memory, DEFAULTS.argon2_passes, DEFAULTS.argon2_lanes, DEFAULTS.scram_iterations)
    kept = made("correct horse", costs)
    assert kept.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept.scram is not None
    assert kept.scram.iterations == 100_000
    assert made("correct horse", costs).password != kept.password
