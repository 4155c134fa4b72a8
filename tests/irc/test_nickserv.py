"""NickServ: what other networks have for accounts, over the ones built in here. (No specification has it.)"""

import re
from collections.abc import Callable

from tests.irc.client import Client, Message

Make = Callable[..., Client]
PASSWORD = "sesame-poppy"


def said(told: list[Message]) -> list[str]:
    """What NickServ answered."""
    assert all(m.nick == "NickServ" for m in told if m.command == "NOTICE")
    return [m.last for m in told if m.command == "NOTICE"]


def test_one_registers_logs_out_and_identifies(client: Make, name: str) -> None:
    one = client(name)
    told = one.ask(f"PRIVMSG NickServ :REGISTER {PASSWORD} ann@example.org")
    assert "900" in [m.command for m in told]
    assert said(told) == [f"{name} is yours from now on, and you are logged in."]
    told = one.ask("NS LOGOUT")
    assert "901" in [m.command for m in told]
    assert said(told) == ["You are logged out."]
    guest = next(m.last for m in told if m.command == "NICK")
    assert guest != name  # which is its owner's alone
    assert said(one.ask(f"NICKSERV IDENTIFY {name} wrong"))[0].startswith("Not logged in: ")
    told = one.ask(f"PRIVMSG nickserv@services.example :identify {name} {PASSWORD}")
    assert [m.params for m in told if m.command == "NICK"] == [[name]]
    assert said(told) == [f"You are logged in as {name}."]


def test_an_account_is_told_about(client: Make, name: str) -> None:
    one, other = client(name), client(f"g{name}")
    one.ask(f"NS REGISTER {PASSWORD}")
    assert re.fullmatch(rf"{name} was registered on \d{{4}}-\d\d-\d\d\.", said(other.ask(f"NS INFO {name}"))[0])
    assert said(one.ask("NS INFO")) == said(other.ask(f"NS INFO {name.upper()}"))
    assert "nobody has registered" in said(other.ask("NS INFO nobodyatall"))[0]


def test_the_password_is_changed_and_the_account_deleted(client: Make, name: str) -> None:
    one = client(name)
    one.ask(f"NS REGISTER {PASSWORD}")
    assert said(one.ask("NS SET PASSWORD wrong other-poppy"))[0].startswith("The password stays: ")
    assert said(one.ask(f"NS SET PASSWORD {PASSWORD} other-poppy")) == ["The password is another one from now on."]
    assert said(one.ask(f"NS DROP {PASSWORD}"))[0].startswith("Not deleted: ")
    told = one.ask("NS DROP other-poppy")
    assert "901" in [m.command for m in told]
    assert said(told) == [f"The account {name} is deleted, and its nick is anybody's."]
    assert said(client(f"g{name}").ask(f"NS INFO {name}"))[0].startswith("nobody has registered")


def test_certificates_are_added_and_removed(client: Make, name: str) -> None:
    one = client(name)
    one.ask(f"NS REGISTER {PASSWORD}")
    fingerprint = "ab" * 32
    assert said(one.ask("NS CERT ADD"))[0].startswith("You showed no certificate")
    assert said(one.ask("NS CERT ADD xyz"))[0].startswith("A fingerprint is")
    assert said(one.ask(f"NS CERT ADD {fingerprint.upper()}"))[0].startswith("The certificate is added")
    assert f"Key: certfp:{fingerprint}" in said(one.ask("NS CERT LIST"))
    assert said(one.ask(f"NS CERT DEL {fingerprint}")) == ["The certificate is removed."]


def test_help_and_nonsense_are_answered_and_nothing_is_repeated(client: Make, name: str) -> None:
    one = client(name)
    assert any(line.startswith("IDENTIFY [account] password") for line in said(one.ask("NS HELP")))
    assert said(one.ask("NS HELP identify")) == ["IDENTIFY [account] password", "Log in."]
    told = one.ask(f"PRIVMSG NickServ :FROB {PASSWORD}", f"PRIVMSG NickServ :{PASSWORD}x", "PRIVMSG NickServ :SET")
    assert len(said(told)) == 3
    assert PASSWORD not in "".join(m.raw for m in told)
    assert said(one.ask("NS GHOST somebody"))[0].startswith("Whoever logs in to somebody has the nick")
    assert one.ask("NOTICE NickServ :IDENTIFY x") == []


def test_what_is_said_to_it_is_no_message(client: Make, name: str) -> None:
    """Passwords never come back, nor into what one can read again."""
    one = client(name, "echo-message", "batch", "draft/chathistory", "server-time", "message-tags")
    told = one.ask(f"PRIVMSG NickServ :REGISTER {PASSWORD}", "CHATHISTORY LATEST NickServ * 10")
    assert [m for m in told if m.command == "PRIVMSG"] == []
