"""What is typed about accounts."""

import pytest

from protocol import accounts
from protocol.account_commands import in_one_line
from protocol.commands import Context, Local, Parsed, Problem, masked, parse


def typed(line: str) -> Parsed:
    return parse(line, Context("#tea", "ann"), lambda: "c1")


def test_a_password_in_the_line_is_used_as_it_stands() -> None:
    assert typed("/register correct horse") == [accounts.Register(password="correct horse")]
    assert typed("/login ann correct horse") == [accounts.Sasl(mech="PLAIN", data="\0ann\0correct horse")]
    assert typed("/identify @ann pw") == [accounts.Sasl(mech="PLAIN", data="\0ann\0pw")]
    assert typed("/password old new") == [accounts.Password(old="old", new="new")]
    assert typed("/drop pw") == [accounts.Drop(password="pw")]


def test_a_password_that_is_left_out_is_asked_for_by_whoever_shows_the_chat() -> None:
    assert typed("/register") == Local("register")
    assert typed("/login") == Local("login")
    assert typed("/login bob") == Local("login", "bob")
    assert typed("/password") == Local("password")
    assert typed("/drop") == Local("drop")
    assert typed("/key add") == Local("key")
    assert typed("/key add ~/.ssh/id_ed25519.pub") == Local("key", "~/.ssh/id_ed25519.pub")


def test_what_needs_no_secret_is_a_request() -> None:
    assert typed("/account") == typed("/key list") == typed("/key") == [accounts.Account()]
    assert typed("/account @bob") == [accounts.Account(account="bob")]
    assert typed("/logout") == [accounts.Logout()]
    assert typed("/logout everywhere") == [accounts.Logout(everywhere=True)]
    assert typed("/key add ssh-ed25519 AAAA me@here") == [accounts.Key(add="ssh-ed25519 AAAA me@here")]
    assert typed("/key add certfp:00ff") == [accounts.Key(add="certfp:00ff")]
    assert typed("/key remove SHA256:abc") == [accounts.Key(remove="SHA256:abc")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/login -x pw", "cannot be a nick"),
        ("/password old", "The new password is missing"),
        ("/logout elsewhere", "Type /logout or /logout everywhere"),
        ("/key remove", "Which key?"),
        ("/key destroy x", "/key add|remove|list"),
        ("/account a b", "cannot be a nick"),
        ("/register " + "x" * 301, "at most 300 characters"),
        ("/register a\nb", "one line"),
    ],
)
def test_what_cannot_be_is_explained(line: str, says: str) -> None:
    problem = typed(line)
    assert isinstance(problem, Problem)
    assert says in problem.text


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("/register correct horse", "/register"),
        ("/login ann correct horse", "/login ann"),
        ("/LOGIN ann", "/LOGIN ann"),
        ("/password old new", "/password"),
        ("/drop pw", "/drop"),
        ("/key add ssh-ed25519 AAAA", "/key add ssh-ed25519 AAAA"),
        ("say /login ann pw", "say /login ann pw"),
        ("//login ann pw", "//login ann pw"),
        ("", ""),
        ("/", "/"),
    ],
)
def test_what_is_remembered_of_a_line_has_no_password(line: str, kept: str) -> None:
    assert masked(line) == kept


def test_a_password_is_in_no_representation_of_a_request() -> None:
    for line in ("/register hunter2", "/login ann hunter2", "/password hunter2 hunter2", "/drop hunter2"):
        requests = typed(line)
        assert isinstance(requests, list)
        assert "hunter2" not in repr(requests)


def test_where_nobody_can_be_asked_the_line_is_named_in_which_it_goes() -> None:
    assert in_one_line(Local("login"), "ann") == "Here it takes one line: /login ann PASSWORD"
    assert in_one_line(Local("clear"), "ann") is None
