"""How a session comes in, is sent away and comes back; and what is no server of ours."""

import pytest
from msgspec.structs import replace

from client.session import Answer, Entered, Message, Offline, Online, Said
from protocol.native import Away, Bye, Error, Ok, Profile, Quit, Room, Rooms, Welcome, encode
from tests.client.sessions import WELCOME, connected, in_tea, msg, reconnect, session, told, wrote

STRANGE = "the other side does not speak moot's native protocol"


def test_a_taken_nick_is_final_at_first() -> None:
    s = session("#tea")
    s.connected()
    error = Error(id=1, code="nick-taken", text="ann is taken; ann2 is free.", free="ann2")
    assert told(s, error) == [Offline("ann is taken; ann2 is free.", None, True, error)]
    assert s.hang_up
    s.disconnected("closed")
    assert s.updates() == []


def test_a_nick_taken_meanwhile_is_replaced_by_the_free_one() -> None:
    s = in_tea()
    s.disconnected("cut")
    s.connected()
    s.outgoing()
    s.updates()
    assert told(s, Error(id=3, code="nick-taken", text="taken", free="ann2")) == []
    assert [line["nick"] for line in wrote(s)] == ["ann2"]
    told(s, Welcome(id=4, nick="ann2", server="moot", version="1", epoch="e1"))
    assert s.nick == "ann2"


def test_a_connection_replaced_by_our_other_one_stays_away() -> None:
    s = in_tea()
    error = Error(code="replaced", text="You came in from elsewhere.")
    assert told(s, error, Bye(reason="replaced")) == [Offline("You came in from elsewhere.", None, True, error)]


def test_an_orderly_close_says_when_to_come_back_and_answers_what_was_asked() -> None:
    s = in_tea()
    number = s.request(Rooms())
    updates = told(s, Bye(reason="restart", retry=2.0))
    lost = Error(id=number, code="offline", text="Connection lost before the answer: restart")
    assert updates == [
        Answer(number, Rooms(id=number), lost),
        Offline("restart", 2.0),
    ]
    s.disconnected("closed")
    assert s.updates() == []


def test_quitting_is_final() -> None:
    s = in_tea()
    number = s.request(Quit(reason="tea"))
    bye = Bye(id=number, reason="tea")
    assert told(s, bye) == [Answer(number, Quit(id=number, reason="tea"), bye), Offline("tea", None, True)]


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b":irc.example NOTICE * :Looking up your hostname\r\n" * 11,
        b"x" * 4097,
        b"x" * 3000 + b"\n" + b"y" * 1097 + b"\n",
    ],
)
def test_a_server_that_speaks_something_else_is_left_for_good(words: bytes) -> None:
    s = session()
    s.connected()
    s.feed(words)
    assert s.updates() == [Offline(STRANGE, None, True)]


def test_a_server_that_said_nothing_we_know_and_closed_is_left_for_good() -> None:
    s = session()
    s.connected()
    s.feed(b":irc.example NOTICE * :Looking up your hostname\r\n")
    assert s.updates() == []
    s.feed_eof()
    s.disconnected("closed")
    assert s.updates() == [Offline(STRANGE, None, True)]


def test_a_server_that_took_us_for_a_person_is_our_server() -> None:
    s = session()
    s.connected()
    s.feed(b"Welcome to moot, a chat.\nWhat is your nick?\n" + encode(WELCOME))
    assert s.updates() == [Online(WELCOME)]
    s.feed_eof()
    s.disconnected("closed")
    assert s.updates() == [Offline("closed")]


def test_a_server_that_closed_without_a_word_or_broke_off_is_tried_again() -> None:
    s = session()
    s.connected()
    s.feed_eof()
    s.disconnected("closed")
    s.connected()
    s.feed(b"Welcome to moot, a chat.\n")
    s.disconnected("broken")
    assert s.updates() == [Offline("closed"), Offline("broken")]


def test_who_was_online_comes_back_whatever_answers_meanwhile() -> None:
    s = in_tea()
    s.disconnected("cut")
    s.updates()
    s.connected()
    s.feed(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert s.updates() == [Offline(STRANGE, None, False)]


def test_attempts_are_numbered_by_the_clock_and_grow_even_when_it_goes_back() -> None:
    s, attempts = session(), []
    for now_ms in (1000, 1000, 10, 2000):
        s.connected(now_ms)
        attempts.append(wrote(s)[0]["attempt"])
        s.disconnected("cut")
    assert attempts == [1000, 1001, 1002, 2000]


def test_a_hello_that_another_of_ours_overtook_is_said_again_with_a_greater_number() -> None:
    s = session()
    s.connected(1000)
    s.outgoing()
    error = Error(id=1, code="replaced", text="A newer connection is here.", attempt=5000)
    assert told(s, error) == [Offline("A newer connection is here.", None, False, error)]
    s.disconnected("closed")
    s.connected(1001)
    assert wrote(s)[0]["attempt"] == 5001


def test_events_and_fields_of_a_newer_server_are_ignored() -> None:
    s = in_tea()
    s.feed(b'{"ev":"sparkle","room":"#tea"}\n{"ev":"notice","text":"hi","shiny":true}\n{"ev":"msg","seq":"x"}\n')
    assert s.updates() == [Said("hi")]


def test_a_reason_given_before_the_close_explains_it() -> None:
    s = session()
    s.connected()
    error = Error(code="busy", text="Too many connections from your address.")
    told(s, error)
    s.disconnected("closed")
    assert s.updates() == [Offline("Too many connections from your address.", None, False, error)]


def test_being_away_is_said_again_when_the_server_had_let_go() -> None:
    s = in_tea()
    s.request(Away(text="lunch"))
    told(s, Ok(id=3))
    s.disconnected("cut")
    connected(s, 4)
    assert [(line["op"], line.get("text")) for line in wrote(s)] == [("away", "lunch"), ("join", None)]
    assert told(s, Ok(id=5)) == []
    s.disconnected("cut")
    s.connected()
    s.outgoing()
    told(s, replace(WELCOME, id=7, resumed=True, away="lunch"))
    assert [line["op"] for line in wrote(s)] == ["join"]


def test_who_takes_over_a_seat_enters_the_rooms_it_had() -> None:
    s = session("#tea")
    s.connected()
    s.outgoing()
    told(s, replace(WELCOME, resumed=True))
    assert [(line["op"], line["id"]) for line in wrote(s)] == [("join", 2), ("whois", 3)]
    told(s, Room(id=2, room="#tea", seq=0))
    assert told(s, Profile(id=3, nick="ann", rooms=["#milk", "#tea"], since=0, idle=0)) == []
    assert wrote(s) == [{"op": "join", "id": 4, "room": "#milk"}]
    assert told(s, Room(id=4, room="#milk", seq=1, messages=[msg(1, room="#milk")])) == [
        Entered("#milk", [msg(1, room="#milk")])
    ]
    reconnect(s, 5)
    assert [line["op"] for line in wrote(s)] == ["join", "join"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"ev":"notice","text":"x","more":' + b"[" * 20_000,
        b'{"ev":"msg","room":"#tea","seq":-1,"time":0,"from":"bob","text":"x"}',
        b'{"ev":"room","room":"#tea","seq":1,"gaps":[[-5,-1]],"id":3}',
    ],
)
def test_what_no_server_of_ours_says_is_passed_over(line: bytes) -> None:
    s = in_tea(msg(1))
    s.feed(line + b"\n")
    assert s.updates() == []
    assert told(s, msg(2)) == [Message(msg(2))]
