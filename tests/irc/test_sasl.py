"""AUTHENTICATE: IRCv3, "SASL Authentication" 3.1 and 3.2; RFC 4616, RFC 7677."""

import base64
from collections.abc import Callable

import pytest
import scramp

from tests.irc.client import Client, Message

Make = Callable[..., Client]
PASSWORD = "sesame and poppy"


@pytest.fixture
def registered(client: Make, name: str) -> str:
    """An account with `PASSWORD`."""
    one = client(name)
    assert one.ask(f"REGISTER * * :{PASSWORD}")[0].params[0] == "SUCCESS"
    one.leave()
    return name


def coded(message: str) -> str:
    return base64.b64encode(message.encode()).decode()


def plain(name: str, password: str = PASSWORD) -> str:
    return coded(f"{name}\0{name}\0{password}")


def knocking(client: Make, nick: str) -> Client:
    """A client in the middle of its registration."""
    one = client()
    one.nick = nick
    one.send("CAP LS 302", "CAP REQ :sasl", f"NICK {nick}", f"USER {nick} 0 * :{nick}")
    one.until(lambda message: message.command == "CAP" and message.params[1] == "ACK")
    return one


def login(one: Client, *lines: str) -> list[str]:
    """Send them, and return the numbers up to the one that ends it."""
    one.send(*lines)
    return [m.command for m in one.until(lambda message: message.command in ("903", "904", "905", "906", "907"))]


def test_the_mechanisms_are_listed(client: Make) -> None:
    """Servers SHOULD advertise the available SASL authentication mechanisms in the value of the sasl client capability
    in CAP LS. The value, if present, MUST be a comma separated list"""
    one = client()
    one.send("CAP LS 302")
    words = [m.last.split() for m in one.until(lambda m: m.command == "CAP" and m.params[2] != "*")]
    values = dict(word.partition("=")[::2] for line in words for word in line)
    assert values["sasl"] == "PLAIN,SCRAM-SHA-256"


def test_one_logs_in_with_a_password_before_being_registered(client: Make, registered: str) -> None:
    """S: AUTHENTICATE + ... S: :jaguar.test 900 jilles jilles!jilles@localhost.stack.nl jilles :You are now logged in
    as jilles S: :jaguar.test 903 jilles :SASL authentication successful C: CAP END"""
    one = knocking(client, registered)
    one.send("AUTHENTICATE PLAIN")
    assert one.until("AUTHENTICATE")[-1].params == ["+"]
    one.send(f"AUTHENTICATE {plain(registered)}")
    told = one.until("903")
    assert [m.command for m in told] == ["900", "903"]
    assert told[0].params[2] == registered
    assert told[0].params[1].startswith(f"{registered}!")
    one.send("CAP END")
    assert one.until("001")[-1].params[0] == registered
    assert [m.last for m in one.until("422") if m.command == "221"] == ["+r"]
    assert {m.command: m.params for m in one.ask(f"WHOIS {registered}")}["330"][1:3] == [registered, registered]


def test_registration_waits_for_a_login_that_is_under_way(client: Make, registered: str) -> None:
    """clients may issue additional IRC commands while previous commands are being processed"""
    one = knocking(client, registered)
    one.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(registered)}", "CAP END", "JOIN #sasl")
    told = [m.command for m in one.until("366")]
    assert told.index("903") < told.index("001") < told.index("JOIN")


def test_one_logs_in_with_scram(client: Make, registered: str) -> None:
    """A set of regular AUTHENTICATE messages transmits a response from client to server or vice versa. (RFC 7677)"""
    one = knocking(client, registered)
    scram = scramp.ScramClient(["SCRAM-SHA-256"], registered, PASSWORD)
    one.send("AUTHENTICATE SCRAM-SHA-256")
    one.until("AUTHENTICATE")
    one.send(f"AUTHENTICATE {coded(scram.get_client_first())}")
    scram.set_server_first(base64.b64decode(one.until("AUTHENTICATE")[-1].last).decode())
    one.send(f"AUTHENTICATE {coded(scram.get_client_final())}")
    scram.set_server_final(base64.b64decode(one.until("AUTHENTICATE")[-1].last).decode())  # raises if it lies
    assert login(one, "AUTHENTICATE +") == ["900", "903"]


@pytest.mark.parametrize("word", ["wrong", "", "x" * 900])
def test_a_wrong_password_fails_and_may_be_tried_again(client: Make, registered: str, word: str) -> None:
    """If authentication fails, a 904 or 905 numeric will be sent and the client MAY retry from the AUTHENTICATE
    <mechanism> command."""
    one = knocking(client, registered)
    text = plain(registered, word)
    pieces = [text[start : start + 400] for start in range(0, len(text), 400)]
    pieces += ["+"] if len(pieces[-1]) == 400 else []
    assert login(one, "AUTHENTICATE PLAIN", *(f"AUTHENTICATE {piece}" for piece in pieces))[-1] == "904"
    assert login(one, "AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(registered)}")[-2:] == ["900", "903"]


def test_an_unknown_account_fails_like_a_wrong_password(client: Make, registered: str, name: str) -> None:
    """904: because of invalid credentials or other errors not explicitly mentioned by other numerics"""
    one = knocking(client, registered)
    answers: list[Message] = []
    for who in (registered, name + "x"):
        one.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(who, 'wrong')}")
        answers.append(one.until("904")[-1])
    assert answers[0].params == answers[1].params


def test_a_response_comes_in_pieces(client: Make, registered: str) -> None:
    """then split to 400-byte chunks, and each chunk is sent as a separate AUTHENTICATE command. ... If the last chunk
    was exactly 400 bytes long, it must also be followed by AUTHENTICATE + to signal end of response."""
    one = knocking(client, registered)
    text = plain(registered, "x" * (300 - 2 * len(registered) - 2))
    assert len(text) == 400
    assert login(one, "AUTHENTICATE PLAIN", f"AUTHENTICATE {text}", "AUTHENTICATE +")[-1] == "904"


def test_a_piece_may_not_be_too_long(client: Make, registered: str) -> None:
    """905: because the client-sent AUTHENTICATE command was too long (i.e. the parameter longer than 400 bytes)"""
    one = knocking(client, registered)
    assert login(one, "AUTHENTICATE PLAIN", "AUTHENTICATE " + "x" * 401)[-1] == "905"
    assert login(one, "AUTHENTICATE PLAIN", *(["AUTHENTICATE " + "x" * 400] * 16))[-1] == "905"


def test_a_login_may_be_broken_off(client: Make, registered: str) -> None:
    """The client can abort an authentication by sending an asterisk as the data. The server will send a 906 numeric."""
    one = knocking(client, registered)
    assert login(one, "AUTHENTICATE PLAIN", "AUTHENTICATE *")[-1] == "906"
    assert login(one, "AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(registered)}")[-1] == "903"


def test_registration_breaks_off_what_the_client_does_not_go_on_with(client: Make, name: str) -> None:
    """If the client completes registration while the SASL authentication is still in progress, the server SHOULD abort
    it and send a 906 numeric, then register the client without authentication."""
    one = knocking(client, name)
    one.send("AUTHENTICATE PLAIN", "CAP END")
    told = [m.command for m in one.until("001")]
    assert told.index("906") < told.index("001")


@pytest.mark.parametrize("lines", [["AUTHENTICATE FOO"], ["AUTHENTICATE EXTERNAL"]])
def test_other_mechanisms_are_refused_and_those_there_are_named(client: Make, name: str, lines: list[str]) -> None:
    """908 aka RPL_SASLMECHS MAY be sent in reply to an AUTHENTICATE command which requests an unsupported mechanism."""
    one = knocking(client, name)
    one.send(*lines)
    told = one.until("904")
    assert [m.command for m in told] == ["908", "904"]
    assert told[0].params[1] == "PLAIN,SCRAM-SHA-256"


@pytest.mark.parametrize("line", ["AUTHENTICATE %%%", "AUTHENTICATE /w==", "AUTHENTICATE +", "AUTHENTICATE eA=="])
def test_nonsense_fails(client: Make, name: str, line: str) -> None:
    """because of invalid credentials or other errors"""
    assert login(knocking(client, name), "AUTHENTICATE PLAIN", line)[-1] == "904"


def test_the_capability_is_needed(client: Make, name: str) -> None:
    """The client MUST enable the sasl capability before using the AUTHENTICATE command"""
    assert client(name).numbers("AUTHENTICATE PLAIN") == ["904"]


def test_one_logs_in_after_being_registered_and_has_the_nick(client: Make, registered: str, name: str) -> None:
    """Servers SHOULD allow a client, authenticated or otherwise, to reauthenticate by sending a new AUTHENTICATE
    message at any time."""
    one = client(f"g{name}", "sasl", "account-notify")
    told = one.ask("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(registered)}")
    assert [m.command for m in told if m.command in ("NICK", "900", "ACCOUNT", "903")] == [
        "NICK",
        "900",
        "ACCOUNT",
        "903",
    ]
    assert next(m for m in told if m.command == "NICK").params == [registered]
    assert next(m for m in told if m.command == "ACCOUNT").params == [registered]
    again = one.ask("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(registered)}")
    assert again[-1].command in ("903", "907")


def test_a_nick_that_is_registered_is_its_owners(client: Make, registered: str) -> None:
    """the desired nickname cannot be claimed because it is reserved, either by another account or by the system"""
    one = client()
    one.send(f"NICK {registered}", "USER x 0 * :x")
    told = one.until("NOTICE")
    assert [m.command for m in told] == ["433", "NOTICE"]
    assert "IDENTIFY" in told[-1].last
    two = client("guest", "standard-replies")
    told = two.ask(f"NICK {registered.upper()}")
    assert [(m.command, m.params[:2]) for m in told] == [
        ("433", ["guest", registered.upper()]),
        ("FAIL", ["NICK", "NICKNAME_RESERVED"]),
    ]


def test_who_gives_up_while_an_answer_is_under_way_may_begin_anew(client: Make, registered: str) -> None:
    """The client can abort an authentication by sending an asterisk as the data. The server will send a 906 numeric."""
    one = client("ann", "sasl")
    first = coded(f"n,,n={registered},r=abcdef")
    assert one.numbers("AUTHENTICATE SCRAM-SHA-256", f"AUTHENTICATE {first}", "AUTHENTICATE *") == [
        "AUTHENTICATE",
        "906",
    ]
    assert "904" not in one.numbers("AUTHENTICATE SCRAM-SHA-256", f"AUTHENTICATE {first}", "AUTHENTICATE *")
    one.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(registered)}")
    assert one.until(lambda message: message.command in ("903", "904"))[-1].command == "903"
