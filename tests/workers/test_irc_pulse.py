"""PING to silent IRC clients, sans-IO."""

import msgspec

from protocol import native
from protocol.settings import Settings
from workers.dialects import Wake
from workers.dialects.irc import Irc

PING = b":moot PING :moot\r\n"


def inside() -> tuple[Irc, Wake]:
    """Ann, and what wakes her dialect."""
    irc = Irc(msgspec.structs.replace(Settings(), irc_ping=90, irc_ping_timeout=60), str)
    irc.feed(b"NICK ann\r\nUSER ann 0 * :Ann\r\n")
    irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e"))
    (wake,) = irc.follow_up()
    assert isinstance(wake, Wake)
    return irc, wake


def test_who_says_something_is_not_asked() -> None:
    irc, wake = inside()
    irc.feed(b"PONG x\r\n")
    (again,) = wake.then()
    assert isinstance(again, Wake)
    assert (wake.after, again.after) == (90, 90)


def test_who_is_silent_is_asked_and_goes_on_when_there_is_an_answer() -> None:
    irc, wake = inside()
    ping, wait = wake.then()
    assert ping == PING
    assert isinstance(wait, Wake)
    assert wait.after == 60
    irc.feed(b"PONG :moot\r\n")
    (again,) = wait.then()
    assert isinstance(again, Wake)
    assert [again.after, *again.then()[:1]] == [90, PING]  # and is asked again after another silence


def test_who_does_not_answer_goes_and_is_told_why() -> None:
    irc, wake = inside()
    _ping, wait = wake.then()
    assert isinstance(wait, Wake)
    assert wait.then() == [native.Quit(reason="Ping timeout: 60 seconds")]
    told = irc.receive(native.Bye(reason="Ping timeout: 60 seconds"))
    assert told == b":moot ERROR :Closing link: ann (Ping timeout: 60 seconds)\r\n"
    left = native.Left(room="#tea", nick="bob", reason="Ping timeout: 60 seconds", quit=True)
    assert irc.shared(left) == b":bob!~u@moot QUIT :Ping timeout: 60 seconds\r\n"


def test_nobody_is_asked_when_that_is_switched_off() -> None:
    irc = Irc(msgspec.structs.replace(Settings(), irc_ping=0), str)
    irc.feed(b"NICK ann\r\nUSER ann 0 * :Ann\r\n")
    irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e"))
    assert irc.follow_up() == ()
