"""Logging in on IRC, sans-IO: what is asked of the broker, what waits for its answer, what is told unasked."""

import base64

import msgspec

from protocol import native
from protocol.accounts import Challenge, Inside, LoggedIn, LoggedOut, Register, Sasl
from protocol.settings import Settings
from workers.dialects import UNKNOWN, Peer
from workers.dialects.irc import Irc

QUIET = msgspec.structs.replace(Settings(), irc_ping=0)


def new(peer: Peer = UNKNOWN) -> Irc:
    irc = Irc(QUIET, str, peer)
    irc.take_caps(frozenset({"sasl", "account-notify"}))
    return irc


def inside() -> Irc:
    """Ann, a guest. What she asks next has id 2."""
    irc = new()
    irc.feed(b"NICK ann\r\nUSER ann 0 * :Ann\r\n")
    irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e"))
    return irc


def coded(text: str) -> bytes:
    return base64.b64encode(text.encode())


def test_base64_is_taken_off_and_a_hello_waits_for_the_answer() -> None:
    irc = new()
    asked = irc.feed(b"NICK ann\r\nUSER a 0 * :Ann\r\nAUTHENTICATE PLAIN\r\n")
    assert asked[0] == native.Hello(id=1, nick="ann", name="Ann")  # no CAP LS came, so nothing held it back
    irc = new()
    irc.feed(b"CAP LS 302\r\nNICK ann\r\nUSER a 0 * :Ann\r\n")
    assert irc.feed(b"AUTHENTICATE PLAIN\r\n") == [b":moot AUTHENTICATE +\r\n"]
    said = irc.feed(b"AUTHENTICATE " + coded("\0ann\0sesame") + b"\r\nCAP END\r\nJOIN #tea\r\n")
    assert said == [Sasl(id=1, mech="PLAIN", data="\0ann\0sesame")]
    assert irc.receive(LoggedIn(id=1, account="ann")) == (
        b":moot 900 * ann!~u@ann.user.moot ann :You are now logged in as ann\r\n"
        b":moot 903 * :SASL authentication successful\r\n"
    )
    assert irc.follow_up() == [native.Hello(id=2, nick="ann", name="Ann")]
    irc.receive(native.Welcome(id=2, nick="ann", server="moot", version="1", epoch="e"))
    assert irc.follow_up() == [native.Join(id=3, room="#tea")]


def test_a_login_of_several_messages_goes_on_with_the_brokers_challenge() -> None:
    irc = new()
    irc.feed(b"CAP LS 302\r\nAUTHENTICATE SCRAM-SHA-256\r\n")
    assert irc.feed(b"AUTHENTICATE " + coded("n,,n=ann,r=x") + b"\r\n") == [
        Sasl(id=1, mech="SCRAM-SHA-256", data="n,,n=ann,r=x")
    ]
    assert irc.receive(Challenge(id=1, data="r=xy")) == b":moot AUTHENTICATE " + coded("r=xy") + b"\r\n"
    assert irc.feed(b"AUTHENTICATE " + coded("c=biws") + b"\r\n") == [Sasl(id=2, data="c=biws")]
    assert irc.receive(Challenge(id=2, data="x" * 300)) == (
        b":moot AUTHENTICATE " + coded("x" * 300) + b"\r\n:moot AUTHENTICATE +\r\n"
    )
    assert irc.feed(b"AUTHENTICATE +\r\n") == [Sasl(id=3, data="")]


def test_where_others_can_read_it_no_password_is_taken() -> None:
    irc = new(Peer(secure=False, local=False))
    (answer,) = irc.feed(b"CAP LS 302\r\nAUTHENTICATE PLAIN\r\n")[1:]
    assert isinstance(answer, bytes)
    assert answer.startswith(b":moot 908 * SCRAM-SHA-256 :are available SASL mechanisms\r\n:moot 904 ")


def test_a_password_becomes_a_request_and_is_kept_nowhere() -> None:
    irc = new()
    assert irc.feed(b"PASS ann:pass:word\r\nNICK ann\r\nUSER a 0 * :Ann\r\n") == [
        Sasl(id=1, mech="PLAIN", data="\0ann\0pass:word")
    ]
    assert irc.login.password == ""
    assert irc.receive(native.Error(id=1, code="login-failed", text="no")) == b":moot 464 * :Password incorrect: no\r\n"
    assert irc.follow_up() == ()
    assert irc.feed(b"NICK ann\r\n") == [native.Hello(id=2, nick="ann", name="Ann")]


def test_what_is_said_to_nickserv_is_a_request_and_no_message() -> None:
    irc = inside()
    assert irc.feed(b"PRIVMSG NickServ :REGISTER sesame\r\n") == [Register(id=2, password="sesame")]
    assert irc.feed(b"PRIVMSG NICKSERV@x :IDENTIFY pw\r\nNOTICE NickServ :IDENTIFY pw\r\n") == [
        Sasl(id=3, mech="PLAIN", data="\0ann\0pw"),
        native.Ping(id=4),  # the notice, which nobody hears, waits for its turn
    ]


def test_being_logged_in_and_out_unasked_is_told() -> None:
    irc = inside()
    assert irc.receive(LoggedIn(account="Anna", nick="Anna", admin=True)) == (
        b":ann!~u@moot NICK Anna\r\n"
        b":moot 900 Anna Anna!~u@anna.user.moot Anna :You are now logged in as Anna\r\n"
        b":Anna!~u@moot ACCOUNT :Anna\r\n"
        b":Anna!~u@anna.user.moot MODE Anna +orw\r\n"
    )
    assert irc.receive(LoggedOut(nick="Anna2", reason="the password was changed")) == (
        b":Anna!~u@anna.user.moot NICK Anna2\r\n"
        b":moot 901 Anna2 Anna2!~u@moot :You are now logged out\r\n"
        b":Anna2!~u@anna.user.moot ACCOUNT :*\r\n"
        b":Anna2!~u@moot MODE Anna2 -or\r\n"
        b":moot NOTICE Anna2 :the password was changed\r\n"
    )
    assert irc.receive(LoggedOut(nick="Anna2", reason="")) == b""


def test_it_joins_where_its_persons_other_connections_are() -> None:
    irc = inside()
    assert irc.receive(Inside(rooms=["#tea", "#bee"])) == b""
    assert irc.follow_up() == [native.Join(id=2, room="#tea"), native.Join(id=3, room="#bee")]


def test_only_admins_who_want_to_hear_what_is_said_to_admins() -> None:
    irc = inside()
    notice = native.Notice(text="moo", by="root", admins=True)
    assert irc.receive(notice) == b""
    irc.receive(LoggedIn(account="ann", admin=True))
    assert irc.receive(notice) == b":root!~u@moot WALLOPS :moo\r\n"
    irc.feed(b"MODE ann -w\r\n")
    assert irc.receive(notice) == b""
    assert irc.receive(native.Notice(text="moo", by="root")) == b":root!~u@moot NOTICE ann :moo\r\n"
