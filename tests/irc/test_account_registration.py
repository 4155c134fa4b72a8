"""REGISTER, VERIFY: IRCv3, "account-registration"."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]
CAP = "draft/account-registration"


def test_an_account_is_made_for_the_nick_one_has(client: Make, name: str) -> None:
    """REGISTER SUCCESS <account> <message> ... Afterward, the client is assumed to be authenticated to the <account> as
    if it used SASL."""
    one = client(name, CAP, "account-notify")
    told = one.ask("REGISTER * * :sesame-poppy")
    assert [(m.command, m.params[:-1]) for m in told[:1]] == [("REGISTER", ["SUCCESS", name])]
    assert [m.params for m in told if m.command in ("900", "ACCOUNT")] == [
        [name, f"{name}!{told[1].params[1].partition('!')[2]}", name, f"You are now logged in as {name}"],
        [name],
    ]
    assert "330" in one.numbers(f"WHOIS {name}")


def test_the_name_may_be_another_and_is_the_nick_then(client: Make, name: str) -> None:
    """custom-account-name - if present, the account name can be different from the user's current nickname"""
    one = client("somebody", CAP)
    told = one.ask(f"REGISTER {name} * :sesame-poppy")
    assert told[0].params[:2] == ["SUCCESS", name]
    assert [m.params for m in told if m.command == "NICK"] == [[name]]


def test_one_may_register_before_coming_in(client: Make, name: str) -> None:
    """before-connect - if present, indicates the server supports early registration ... NEED_NICK: Sent by the server
    if the client sends REGISTER before sending a NICK command."""
    one = client()
    one.send("CAP LS 302", "REGISTER * * :sesame-poppy")
    fail = one.until("FAIL")[-1]
    assert fail.params[:3] == ["REGISTER", "NEED_NICK", "*"]
    one.send(f"NICK {name}", "USER x 0 * :x", "REGISTER * * :sesame-poppy", "CAP END")
    told = [m.command for m in one.until("001")]
    assert told.index("REGISTER") < told.index("900") < told.index("001")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("REGISTER #tea * :sesame-poppy", "BAD_ACCOUNT_NAME"),
        ("REGISTER * * :" + "x" * 301, "UNACCEPTABLE_PASSWORD"),
        ("REGISTER * * :", "UNACCEPTABLE_PASSWORD"),
        ("REGISTER * * :weak", "WEAK_PASSWORD"),
        ("VERIFY nobody 1234", "INVALID_CODE"),
    ],
)
def test_what_cannot_be_has_its_failure(client: Make, name: str, line: str, code: str) -> None:
    """FAIL REGISTER BAD_ACCOUNT_NAME <account> <message>; UNACCEPTABLE_PASSWORD; FAIL VERIFY INVALID_CODE"""
    told = client(name, CAP).ask(line)
    assert [(m.command, m.params[1]) for m in told] == [("FAIL", code)]
    assert len(told[0].params) == 4


def test_what_is_somebodys_cannot_be_registered(client: Make, name: str) -> None:
    """FAIL REGISTER ACCOUNT_EXISTS <account> <message>; FAIL REGISTER ALREADY_AUTHENTICATED <account> <message>"""
    ann = client(name, CAP)
    ann.ask("REGISTER * * :sesame-poppy")
    assert ann.ask("REGISTER * * :sesame-poppy")[0].params[:3] == ["REGISTER", "ALREADY_AUTHENTICATED", name]
    assert ann.ask(f"VERIFY {name} 1")[0].params[:3] == ["VERIFY", "ALREADY_AUTHENTICATED", name]
    other = client("somebody", CAP)
    assert other.ask(f"REGISTER {name} * :other-poppy")[0].params[:3] == ["REGISTER", "ACCOUNT_EXISTS", name]
    client("bystander")
    assert other.ask("REGISTER bystander * :x1x2x3x4")[0].params[1] == "BAD_ACCOUNT_NAME"


def test_parameters_are_needed(client: Make, name: str) -> None:
    """ERR_NEEDMOREPARAMS"""
    assert client(name).numbers("REGISTER *", "VERIFY x") == ["461", "461"]
