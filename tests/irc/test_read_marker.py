"""How far one has read: IRCv3 draft/read-marker."""

import base64
import itertools
from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]
CAP = "draft/read-marker"
CAPS = ("batch", "server-time", "message-tags", "echo-message", CAP)
_accounts = itertools.count(1)


def marks(told: list[Message]) -> list[list[str]]:
    return [m.params for m in told if m.command == "MARKREAD"]


def said(who: Client, to: str, text: str = "message") -> str:
    (echo,) = who.ask(f"PRIVMSG {to} :{text}")
    return f"timestamp={echo.tags['time']}"


def test_a_mark_is_set_and_told(client: Make, channel: str) -> None:
    """The server MUST reply to a successful MARKREAD client set command using a MARKREAD server command"""
    ann = client("ann", *CAPS)
    ann.join(channel)
    assert marks(ann.ask(f"MARKREAD {channel}")) == [[channel, "*"]]
    when = said(ann, channel)
    assert marks(ann.ask(f"MARKREAD {channel} {when}")) == [[channel, when]]
    assert marks(ann.ask(f"MARKREAD {channel}")) == [[channel, when]]


def test_a_mark_only_goes_forward(client: Make, channel: str) -> None:
    """If the provided timestamp is older than the server's stored value, the server MUST reply to the client with a
    MARKREAD command carrying the server's stored value."""
    ann = client("ann", *CAPS)
    ann.join(channel)
    first, second = said(ann, channel, "one"), said(ann, channel, "two")
    ann.ask(f"MARKREAD {channel} {second}")
    assert marks(ann.ask(f"MARKREAD {channel} {first}")) == [[channel, second]]
    old = "timestamp=2001-01-01T00:00:00.000Z"
    assert marks(ann.ask(f"MARKREAD {channel} {old}")) == [[channel, second]]
    far = "timestamp=2100-01-01T00:00:00.000Z"
    third = said(ann, channel, "three")
    assert marks(ann.ask(f"MARKREAD {channel} {far}")) == [[channel, third]]


def test_joining_tells_it_before_the_end_of_the_names(client: Make, channel: str) -> None:
    """after the server sends a server JOIN command to the client for a corresponding channel, the server MUST send a
    MARKREAD command for that channel. The command MUST be sent before the RPL_ENDOFNAMES reply"""
    ann = client("ann", *CAPS)
    commands = [m.command for m in ann.ask(f"JOIN {channel}")]
    assert commands.index("JOIN") < commands.index("MARKREAD") < commands.index("366")
    when = said(ann, channel)
    ann.ask(f"MARKREAD {channel} {when}", *(f"PRIVMSG {channel} :{number}" for number in range(60)), f"PART {channel}")
    told = ann.ask(f"JOIN {channel}")
    assert marks(told) == [[channel, when]]
    assert "MARKREAD" not in [m.command for m in client("bob").ask(f"JOIN {channel}")]


def test_each_conversation_has_a_mark_of_its_own(client: Make) -> None:
    """The target parameter specifies a single buffer (channel or nickname)."""
    ann, bob, eve = client("ann", *CAPS), client("bob", *CAPS), client("eve", *CAPS)
    by_bob, by_eve = said(bob, "ann"), said(eve, "ann")
    assert marks(ann.ask("MARKREAD bob", f"MARKREAD bob {by_bob}", "MARKREAD eve")) == [
        ["bob", "*"],
        ["bob", by_bob],
        ["eve", "*"],
    ]
    assert marks(ann.ask(f"MARKREAD Eve {by_eve}", "MARKREAD eve")) == [["Eve", by_eve], ["eve", by_eve]]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("MARKREAD", "NEED_MORE_PARAMS"),
        ("MARKREAD {c} *", "INVALID_PARAMS"),
        ("MARKREAD {c} 2019-01-04T14:33:26.123Z", "INVALID_PARAMS"),
        ("MARKREAD {c} timestamp=yesterday", "INVALID_PARAMS"),
        ("MARKREAD #nowhere", "INVALID_PARAMS"),
        ("MARKREAD #nowhere timestamp=2019-01-04T14:33:26.123Z", "INVALID_PARAMS"),
        ("MARKREAD no.where.at!all", "INVALID_PARAMS"),
    ],
)
def test_what_cannot_be_marked_fails_with_its_code(client: Make, channel: str, line: str, code: str) -> None:
    """If the selectors were invalid, the INVALID_PARAMS error code SHOULD be returned. ... NEED_MORE_PARAMS"""
    ann = client("ann", *CAPS)
    ann.join(channel)
    (told,) = ann.ask(line.format(c=channel))
    assert (told.command, told.params[:2]) == ("FAIL", ["MARKREAD", code])


def logged_in(client: Make, account: str) -> Client:
    one = client()
    one.send(f"CAP REQ :sasl {' '.join(CAPS)}", f"NICK {account}", f"USER {account} 0 * :x", "AUTHENTICATE PLAIN")
    one.until("AUTHENTICATE")
    one.send("AUTHENTICATE " + base64.b64encode(f"\0{account}\0correct horse".encode()).decode())
    assert one.until(lambda m: m.command in ("903", "904", "905"))[-1].command == "903"
    one.send("CAP END")
    one.until("001")
    return one


def test_the_other_devices_of_an_account_hear_of_it(client: Make, channel: str) -> None:
    """after the last read timestamp of a target changes, the server SHOULD send a MARKREAD command for that target to
    all the clients of the user"""
    account = f"reader{next(_accounts)}"
    first = client(account, *CAPS, "draft/account-registration")
    first.send("REGISTER * * :correct horse")
    first.until("REGISTER")
    second = logged_in(client, account)
    first.join(channel)
    when = said(first, channel)
    second.told()
    first.ask(f"MARKREAD {channel} {when}")
    assert marks(second.told()) == [[channel, when]]
    third = logged_in(client, account)
    third.send(f"JOIN {channel}")
    assert [channel, when] in marks(third.told())
    assert marks(client("bob", *CAPS).told()) == []  # "The read markers sent by a user MUST NOT be disclosed to others"
