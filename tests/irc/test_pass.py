"""PASS: Modern IRC, "PASS message". Here it logs in: `account:password`."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_pass_logs_in(client: Make, name: str) -> None:
    """The PASS command is used to set a 'connection password'. ... MUST be sent before any attempt to register the
    connection is made."""
    client(name).ask("REGISTER * * :sesame-poppy")
    one = client()
    one.send(f"PASS {name}:sesame-poppy", "NICK other", "USER x 0 * :x", "JOIN #pass")
    told = [m.command for m in one.until("366")]
    assert told.index("900") < told.index("001") < told.index("JOIN")
    one.nick = name
    assert {m.command: m.params for m in one.ask(f"WHOIS {name}")}["330"][2] == name


def test_a_wrong_password_is_said_so_and_the_client_is_not_let_in(client: Make, name: str) -> None:
    """ERR_PASSWDMISMATCH: Returned to indicate that the connection could not be registered as the password was either
    incorrect or not supplied."""
    one = client()
    one.send(f"PASS {name}:wrong", "NICK other", "USER x 0 * :x")
    assert [m.command for m in one.until("464")] == ["464"]
    one.send("NICK other")  # and goes on as a guest when it says so once more
    assert one.until("001")


def test_a_password_for_the_server_is_ignored(client: Make, name: str) -> None:
    """(There is none.)"""
    one = client()
    one.send("PASS anything", f"NICK {name}", "USER x 0 * :x")
    assert one.until("001")[-1].params[0] == name
