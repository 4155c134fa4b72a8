"""One IRC client's connection, sans-IO: the order of answers, what waits, what a room's event is in bytes."""

import msgspec
import pytest

from protocol import native
from protocol.settings import Settings
from workers.dialects import Dialect
from workers.dialects.irc import Irc
from workers.dialects.irc.caps import CAPS
from workers.dialects.irc.numerics import NAMES
from workers.dialects.irc.server import isupport
from workers.dialects.irc.session import MAX_HELD_LINES
from workers.dialects.irc.table import COMMANDS

NOON = 1_700_049_600_000  # 2023-11-15 12:00 UTC


def new(name: str = "moot") -> Irc:
    return Irc(msgspec.structs.replace(Settings(), server_name=name, irc_ping=0), lambda: "c1")


def inside(*caps: str) -> Irc:
    """Ann, in no channel. What she asks next has id 2."""
    irc = new()
    irc.take_caps(frozenset(caps))
    irc.feed(b"NICK ann\r\nUSER ann 0 * :Ann\r\n")
    fun = [native.FunCommand("cowsay", "/cowsay", "A cow.")]
    irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e", fun=fun))
    return irc


def msg(text: str, kind: native.Kind = "text", room: str = "#tea", nick: str = "bob") -> native.Msg:
    return native.Msg(room=room, seq=7, time=NOON, nick=nick, text=text, kind=kind)


def test_it_is_a_dialect() -> None:
    dialect: Dialect = new()
    assert (dialect.name, dialect.resumes, dialect.picky) == ("irc", False, False)


def test_hello_is_said_when_all_is_there() -> None:
    irc = new()
    assert irc.feed(b"CAP LS 302\r\nNICK ann\r\nUSER x 0 * :Ann Example\r\n")[1:] == []
    assert irc.feed(b"CAP END\r\n") == [native.Hello(id=1, nick="ann", name="Ann Example")]


def test_what_is_said_before_the_welcome_is_held_back() -> None:
    irc = new()
    irc.feed(b"NICK ann\r\nUSER x 0 * :x\r\n")
    assert irc.feed(b"JOIN #tea\r\n") == []
    irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e"))
    assert irc.follow_up() == [native.Join(id=2, room="#tea")]


def test_more_than_is_held_back_is_refused_once() -> None:
    irc = new()
    irc.feed(b"NICK ann\r\nUSER x 0 * :x\r\n")
    irc.feed(b"JOIN #tea\r\n" * MAX_HELD_LINES * 3)
    out = irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e"))
    assert out.count(b"too much at once") == 1
    assert len(irc.follow_up()) == MAX_HELD_LINES


def test_answers_come_in_the_order_of_the_commands() -> None:
    irc = inside()
    asked = irc.feed(b"PRIVMSG #tea :hi\r\nFROBNICATE\r\nPRIVMSG bob\r\n")
    assert [type(request) for request in asked] == [native.Send, native.Ping, native.Ping]
    assert irc.receive(native.Error(id=4, code="flood", text="slow down")) == b""
    assert irc.receive(native.Error(id=2, code="not-in-room", text="x")) == (
        b":moot 404 ann #tea :Cannot send to channel\r\n"
    )
    assert irc.receive(native.Pong(id=3, time=1)) == (
        b":moot 421 ann FROBNICATE :Unknown command\r\n"
        b":moot 412 ann :No text to send\r\n:moot 263 ann PRIVMSG :slow down\r\n"
    )


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (msg("hi"), b":bob!~u@moot PRIVMSG #tea :hi\r\n"),
        (msg("waves", "me"), b":bob!~u@moot PRIVMSG #tea :\1ACTION waves\1\r\n"),
        (msg("n", "notice"), b":bob!~u@moot NOTICE #tea :n\r\n"),
        (msg("", "topic"), b":bob!~u@moot TOPIC #tea :\r\n"),
        (msg("a\n\n  b"), b"".join(b":bob!~u@moot PRIVMSG #tea :" + x + b"\r\n" for x in (b"a", b"  b"))),
        (msg("a\n\n  b", "fun"), b"".join(b":bob!~u@moot PRIVMSG #tea :" + x + b"\r\n" for x in (b"a", b" ", b"  b"))),
        (native.Joined(room="#tea", who=native.Person("bob", away="x")), b":bob!~u@moot JOIN #tea\r\n"),
        (native.Left(room="#tea", nick="bob"), b":bob!~u@moot PART #tea\r\n"),
        (native.Left(room="#tea", nick="bob", reason="bed"), b":bob!~u@moot PART #tea :bed\r\n"),
        (native.Left(room="#tea", nick="bob", quit=True), b":bob!~u@moot QUIT :Quit: \r\n"),
        (
            native.Left(room="#tea", nick="bob", reason="connection lost", quit=True),
            b":bob!~u@moot QUIT :connection lost\r\n",
        ),
        (native.Renamed(room="#tea", old="bob", nick="rob"), b":bob!~u@moot NICK rob\r\n"),
        (native.Changed(room="#tea", who=native.Person("bob", away="x")), b""),
        (native.People(people=[], count=0, room="#tea"), b""),
    ],
)
def test_what_a_room_hears(event: native.Event, lines: bytes) -> None:
    assert inside().shared(event) == lines


def test_capabilities_change_what_a_room_hears_and_the_variant() -> None:
    irc = inside("server-time", "message-tags", "away-notify", "extended-join", "batch", "echo-message")
    assert irc.variant == "irc moot ajmt"
    assert irc.shared(msg("a\nb")) == (
        b"@time=2023-11-15T12:00:00.000Z;msgid=e-7-5d7a09bf :bob!~u@moot PRIVMSG #tea :a\r\n"
        b"@time=2023-11-15T12:00:00.000Z :bob!~u@moot PRIVMSG #tea :b\r\n"
    )
    who = native.Person("bob", away="lunch", name="Bob B")
    assert irc.shared(native.Joined(room="#tea", who=who)) == (
        b":bob!~u@moot JOIN #tea * :Bob B\r\n:bob!~u@moot AWAY :lunch\r\n"
    )
    assert inside("batch", "echo-message").variant == "irc moot "


def test_a_server_name_that_no_source_may_have_is_made_one() -> None:
    irc = new("Ann's Chat!")
    assert irc.feed(b"FOO\r\n") == [b":Ann-s-Chat 451 * :You have not registered\r\n"]


def test_an_error_that_nobody_asked_for_ends_it() -> None:
    assert inside().receive(native.Error(code="too-slow", text="you read too slowly")) == (
        b":moot ERROR :Closing link: you read too slowly\r\n"
    )
    assert inside().receive(native.Bye(reason="lunch")) == b":moot ERROR :Closing link: ann (lunch)\r\n"


def test_the_end_of_the_input_is_a_quit() -> None:
    assert inside().end() == [native.Quit(reason="connection closed")]
    assert new().end() == []


def test_the_tables_are_in_order() -> None:
    assert [command.name for command in COMMANDS] == sorted(command.name for command in COMMANDS)
    assert [cap.name for cap in CAPS] == sorted(cap.name for cap in CAPS)
    assert list(NAMES) == sorted(NAMES)


def test_the_names_of_a_full_channel_are_asked_for() -> None:
    irc = inside("batch", "labeled-response")
    irc.feed(b"@label=x JOIN #tea\r\n")
    out = irc.receive(native.Room(id=2, room="#tea", seq=0, people=[native.Person("ann")], count=300))
    assert out == b"@label=x :moot BATCH +b1 labeled-response\r\n@batch=b1 :ann!~u@moot JOIN #tea\r\n"
    assert irc.follow_up() == [native.Who(id=3, room="#tea")]
    people = [native.Person(f"n{number}") for number in range(200)]
    lines = irc.receive(native.People(id=3, people=people, count=300, room="#tea")).split(b"\r\n")
    assert [line.split(b" ")[2] for line in lines[:-2]] == [b"353", b"353", b"366"]
    assert lines[-2] == b":moot BATCH -b1"


def test_an_echo_that_came_before_its_answer_is_not_waited_for() -> None:
    irc = inside("batch", "labeled-response", "echo-message")
    irc.feed(b"@label=x PRIVMSG #tea :hi\r\n")
    own = msg("hi", nick="ann")
    assert irc.echo(own, irc.shared(own)) == b":ann!~u@moot PRIVMSG #tea :hi\r\n"  # replayed by a new broker
    assert irc.receive(native.Ok(id=2, room="#tea", seq=7, time=NOON)) == b"@label=x :moot ACK\r\n"


def test_history_is_asked_for_until_there_is_enough() -> None:
    irc = inside("batch", "draft/chathistory")
    assert irc.feed(b"CHATHISTORY LATEST #tea * 2\r\n") == [native.History(id=2, room="#tea", limit=100)]
    topics = [msgspec.structs.replace(msg("t", "topic"), seq=seq) for seq in (5, 6)]
    page = native.HistoryPage(id=2, room="#tea", messages=[*topics, msg("two")], more=True)
    assert irc.receive(page) == b""
    assert irc.follow_up() == [native.History(id=3, room="#tea", before=5, limit=100)]
    earlier = [msgspec.structs.replace(msg(text), seq=seq) for seq, text in ((3, "zero"), (4, "one"))]
    assert irc.receive(native.HistoryPage(id=3, room="#tea", messages=earlier, more=True)) == (
        b":moot BATCH +b1 chathistory #tea\r\n@batch=b1 :bob!~u@moot PRIVMSG #tea :one\r\n"
        b"@batch=b1 :bob!~u@moot PRIVMSG #tea :two\r\n:moot BATCH -b1\r\n"
    )


def test_history_of_what_is_no_longer_kept_is_looked_for_beyond_the_gap() -> None:
    irc = inside("batch")
    irc.feed(b"CHATHISTORY BEFORE #tea timestamp=2023-11-15T12:00:00.000Z 5\r\n")
    irc.receive(native.HistoryPage(id=2, room="#tea", messages=[], gaps=[(4, 9)]))
    assert irc.follow_up() == [native.History(id=3, room="#tea", before=4, limit=100)]


def test_an_empty_answer_is_an_empty_batch() -> None:
    irc = inside("batch")
    irc.feed(b"CHATHISTORY LATEST #tea * 5\r\n")
    assert irc.receive(native.HistoryPage(id=2, room="#tea", messages=[])) == (
        b":moot BATCH +b1 chathistory #tea\r\n:moot BATCH -b1\r\n"
    )


def test_a_nick_taken_by_another_device_is_heard_while_ones_own_is_asked_for() -> None:
    irc = inside()
    assert irc.feed(b"NICK cat\r\n") == [native.Nick(id=2, nick="cat")]
    assert irc.hears(native.Renamed(room="#tea", old="ann", nick="bee"))
    assert irc.receive(native.Error(id=2, code="nick-taken", text="x")) == (
        b":moot 433 bee cat :Nickname is already in use\r\n"
    )
    irc.feed(b"NICK cat\r\n")
    assert not irc.hears(native.Renamed(room="#tea", old="bee", nick="cat"))
    assert irc.receive(native.Ok(id=3, nick="cat")) == b":bee!~u@moot NICK cat\r\n"


def test_a_long_list_of_capabilities_is_repeated_whole() -> None:
    irc = new("n" * 63)
    wanted = [cap.name for cap in CAPS if cap.asked]
    said = irc.feed(f"CAP REQ :{' '.join(wanted)}\r\n".encode())
    lines = [line for one in said if isinstance(one, bytes) for line in one.decode().split("\r\n") if line]
    assert all(len(line) <= 510 and " ACK :" in line for line in lines)
    assert [word for line in lines for word in line.partition(" ACK :")[2].split()] == wanted
    assert irc.caps == set(wanted)


def test_userhost_marks_admins_and_takes_as_many_lines_as_names_need() -> None:
    irc = inside()
    irc.feed(b"USERHOST a b c d e\r\n")
    nick = "é" * 32
    out = b""
    for number in range(2, 7):
        out += irc.receive(native.Profile(id=number, nick=nick, account=nick, rooms=[], idle=0, since=0, admin=True))
    words = [word for line in out.decode().split("\r\n") for word in line.partition(" :")[2].split()]
    assert len(words) == 5
    assert {word.partition("=")[0] for word in words} == {nick + "*"}
    assert len(set(words)) == 1


@pytest.mark.parametrize(
    "name", ["moot", "n" * 63, "\u00e9 " * 31, "\U0001f42e" * 63], ids=["usual", "long", "spaces", "cows"]
)
def test_what_is_supported_is_told_whole_whatever_the_server_is_called(name: str) -> None:
    irc = new(name)
    nick = "\u00e9" * 32
    irc.feed(f"NICK {nick}\r\nUSER x 0 * :x\r\n".encode())
    told = irc.receive(native.Welcome(id=1, nick=nick, server=name, version="1", epoch="e")).decode().split("\r\n")
    lines = [line for line in told if line.split(" ")[1:2] == ["005"]]
    assert all(len(line.encode()) <= 510 and line.endswith(" :are supported by this server") for line in lines)
    words = [line.partition(" :are")[0].split(" ")[3:] for line in lines]
    assert [word for line in words for word in line] == isupport(irc)
    assert max(map(len, words)) <= 12
