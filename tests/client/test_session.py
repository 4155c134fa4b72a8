"""What a session writes and reports for what the server says; no sockets."""

import json
from itertools import count

import pytest
from msgspec.structs import replace

from client.session import (
    Answer,
    Delayed,
    Entered,
    Exited,
    Failed,
    Lost,
    Members,
    Message,
    Offline,
    Online,
    Presence,
    Queued,
    Said,
    Sent,
    Session,
    Update,
)
from protocol.native import (
    Away,
    Bye,
    Error,
    Event,
    Fun,
    History,
    HistoryPage,
    Join,
    Joined,
    Leave,
    Left,
    Msg,
    Nick,
    Notice,
    Ok,
    People,
    Person,
    Profile,
    Quit,
    Renamed,
    Room,
    RoomList,
    Rooms,
    Send,
    Shown,
    Topic,
    Welcome,
    encode,
)

WELCOME = Welcome(id=1, nick="ann", server="moot", version="0.1.0", epoch="e1")


def session(*rooms: str) -> Session:
    numbers = count(1)
    return Session("ann", rooms, token="t" * 16, new_id=lambda: f"c{next(numbers)}")


def wrote(s: Session) -> list[dict[str, object]]:
    return [json.loads(line) for line in s.outgoing().splitlines()]


def told(s: Session, *events: Event) -> list[Update]:
    s.feed(b"".join(encode(event) for event in events))
    return s.updates()


def msg(seq: int, text: str = "", room: str = "#tea", nick: str = "bob") -> Msg:
    return Msg(room=room, seq=seq, time=1000 + seq, nick=nick, text=text or f"m{seq}")


def in_tea(*seen: Msg) -> Session:
    """Return a session that is in #tea and has said what it has to say about that. The next id is 3."""
    s = session("#tea")
    s.connected()
    told(s, WELCOME, Room(id=2, room="#tea", seq=seen[-1].seq if seen else 0, messages=list(seen)))
    s.outgoing()
    return s


def connected(s: Session, first_id: int = 1) -> None:
    s.connected()
    s.outgoing()
    told(s, replace(WELCOME, id=first_id))


def reconnect(s: Session, first_id: int, *, inbox: int = 0, epoch: str = "e1") -> list[Update]:
    s.disconnected("cut")
    s.connected()
    s.updates()
    s.outgoing()
    return told(s, Welcome(id=first_id, nick="ann", server="moot", version="0.1.0", epoch=epoch, inbox=inbox))


def test_a_session_says_hello_and_enters_its_rooms() -> None:
    s = session("#tea")
    s.connected()
    assert wrote(s) == [{"op": "hello", "id": 1, "nick": "ann", "token": "t" * 16}]
    assert told(s, WELCOME) == [Online(WELCOME)]
    assert wrote(s) == [{"op": "join", "id": 2, "room": "#tea"}]
    room = Room(
        id=2, room="#tea", seq=2, topic="Oolong", people=[Person("ann"), Person("bob")], count=2, messages=[msg(2)]
    )
    assert told(s, room) == [Entered("#tea", [msg(2)])]
    view = s.rooms["#tea"]
    assert (view.topic, view.count, list(view.people), view.first, view.last) == ("Oolong", 2, ["ann", "bob"], 2, 2)
    assert s.online
    assert s.nick == "ann"


def test_a_message_is_sent_acknowledged_and_known_as_ours() -> None:
    s = in_tea()
    assert s.say("#tea", "hi") == "c1"
    assert s.updates() == [Queued("c1", "#tea", "hi", "text")]
    assert wrote(s) == [{"op": "send", "id": 3, "cmid": "c1", "to": "#tea", "text": "hi"}]
    assert list(s.outbox) == ["c1"]
    assert told(s, Ok(id=3, room="#tea", seq=1, time=5)) == [Sent("c1", "#tea", 1, 5)]
    assert s.outbox == {}
    mine = msg(1, "hi", nick="ann")
    assert told(s, mine) == [Message(mine, "c1")]
    assert told(s, mine) == []


def test_a_gap_is_filled_before_what_came_after_it() -> None:
    s = in_tea(msg(1))
    assert told(s, msg(4), msg(5)) == []
    assert wrote(s) == [{"op": "history", "id": 3, "room": "#tea", "after": 1, "limit": 500}]
    page = HistoryPage(id=3, room="#tea", messages=[msg(2), msg(3), msg(4)])
    assert told(s, page) == [Message(msg(seq)) for seq in (2, 3, 4, 5)]
    assert wrote(s) == []


def test_a_long_gap_is_filled_page_by_page() -> None:
    s = in_tea(msg(1))
    told(s, msg(6))
    s.outgoing()
    assert told(s, HistoryPage(id=3, room="#tea", messages=[msg(2), msg(3)], more=True)) == [
        Message(msg(2)),
        Message(msg(3)),
    ]
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "after": 3, "limit": 500}]
    updates = told(s, HistoryPage(id=4, room="#tea", messages=[msg(4), msg(5)], more=True))
    assert updates == [Message(msg(seq)) for seq in (4, 5, 6)]
    assert wrote(s) == []


def test_a_gap_the_server_cannot_fill_is_said_not_hidden() -> None:
    s = in_tea(msg(1))
    told(s, msg(4))
    assert told(s, HistoryPage(id=3, room="#tea", messages=[])) == [Lost("#tea", 2, 3), Message(msg(4))]
    assert told(s, msg(5)) == [Message(msg(5))]


def test_what_was_missed_offline_comes_in_order_with_entered_and_pages() -> None:
    s = in_tea(msg(1))
    reconnect(s, 3)
    assert wrote(s) == [{"op": "join", "id": 4, "room": "#tea", "after": 1, "epoch": "e1"}]
    updates = told(s, Room(id=4, room="#tea", seq=4, messages=[msg(2)], more=True), msg(5))
    assert updates == [Entered("#tea", [msg(2)])]
    assert wrote(s) == [{"op": "history", "id": 5, "room": "#tea", "after": 2, "limit": 500}]
    assert told(s, HistoryPage(id=5, room="#tea", messages=[msg(3), msg(4)])) == [Message(msg(n)) for n in (3, 4, 5)]


def test_another_log_resets_the_room() -> None:
    s = in_tea(msg(7))
    reconnect(s, 3, epoch="e2")
    assert wrote(s) == [{"op": "join", "id": 4, "room": "#tea", "after": 7, "epoch": "e1"}]
    updates = told(s, Room(id=4, room="#tea", seq=2, messages=[msg(1), msg(2)], reset=True))
    assert updates == [Entered("#tea", [msg(1), msg(2)], reset=True)]
    assert told(s, msg(3)) == [Message(msg(3))]


def test_live_messages_before_the_answer_to_a_resumed_join_wait_for_it() -> None:
    s = in_tea(msg(1))
    reconnect(s, 3)
    assert told(s, msg(2), msg(4)) == []
    updates = told(s, Room(id=4, room="#tea", seq=3, messages=[msg(2), msg(3)]))
    assert updates == [Entered("#tea", [msg(2), msg(3), msg(4)])]


def test_the_outbox_survives_the_connection_and_goes_out_in_order_with_the_same_ids() -> None:
    s = in_tea()
    s.say("#tea", "one")
    s.disconnected("cut")
    s.say("#tea", "two")
    s.connected()
    s.outgoing()
    told(s, Welcome(id=4, nick="ann", server="moot", version="0.1.0", epoch="e1"))
    assert [line["op"] for line in wrote(s)] == ["join"]
    told(s, Room(id=5, room="#tea", seq=0))
    assert wrote(s) == [
        {"op": "send", "id": 6, "cmid": "c1", "to": "#tea", "text": "one"},
        {"op": "send", "id": 7, "cmid": "c2", "to": "#tea", "text": "two"},
    ]


def test_a_message_whose_acknowledgement_was_lost_is_known_as_ours_when_replayed() -> None:
    s = in_tea()
    s.say("#tea", "hi")
    reconnect(s, 4)
    s.outgoing()
    replay = [msg(1), msg(2, "hi", nick="ann"), msg(3)]
    assert told(s, Room(id=5, room="#tea", seq=3, messages=replay), msg(4)) == []
    assert wrote(s) == [{"op": "send", "id": 6, "cmid": "c1", "to": "#tea", "text": "hi"}]
    assert told(s, Ok(id=6, room="#tea", seq=2, time=9)) == [
        Sent("c1", "#tea", 2, 9),
        Entered("#tea", [msg(1)]),
        Message(replay[1], "c1"),
        Message(msg(3)),
        Message(msg(4)),
    ]


def test_a_resent_message_refused_for_now_does_not_hold_the_room_up() -> None:
    s = in_tea()
    s.say("#tea", "hi")
    reconnect(s, 4)
    flood = Error(id=6, code="flood", text="slow", wait=3)
    updates = told(s, Room(id=5, room="#tea", seq=1, messages=[msg(1)]), flood)
    assert updates == [Delayed("c1", flood), Entered("#tea", [msg(1)])]
    assert s.retry_after == 3
    s.outgoing()
    s.retry()
    assert [line["id"] for line in wrote(s)] == [7]


def test_only_sixteen_messages_are_unacknowledged_at_once() -> None:
    s = in_tea()
    for n in range(20):
        s.say("#tea", str(n))
    assert len(wrote(s)) == 16
    told(s, Ok(id=3, room="#tea", seq=1, time=0))
    assert [line["text"] for line in wrote(s)] == ["16"]


def test_a_refusal_with_a_wait_keeps_the_message_and_the_order() -> None:
    s = in_tea()
    s.say("#tea", "one")
    s.say("#tea", "two")
    s.outgoing()
    s.updates()
    flood = [Error(id=number, code="flood", text="slow down", wait=2.5) for number in (3, 4)]
    assert told(s, *flood) == [Delayed("c1", flood[0]), Delayed("c2", flood[1])]
    assert s.retry_after == 2.5
    s.say("#tea", "three")
    assert wrote(s) == []
    s.retry()
    assert [line["text"] for line in wrote(s)] == ["one"]
    told(s, Ok(id=5, room="#tea", seq=1, time=0))
    assert [line["text"] for line in wrote(s)] == ["two"]


@pytest.mark.parametrize("code", ["offline", "busy", "storage"])
def test_a_passing_trouble_is_tried_again_after_a_second_unless_told_otherwise(code: str) -> None:
    s = in_tea()
    s.say("#tea", "one")
    told(s, Error(id=3, code=code, text="later"))
    assert s.retry_after == 1.0
    assert list(s.outbox) == ["c1"]


@pytest.mark.parametrize(
    ("request_", "back"),
    [
        (Send(cmid="x", to="#tea", text="hi"), "hi"),
        (Send(cmid="x", to="#tea", text="/etc"), "//etc"),
        (Send(cmid="x", to="#tea", text="waves", kind="me"), "/me waves"),
        (Fun(cmid="x", to="#tea", line="/cowsay hi"), "/cowsay hi"),
        (Topic(cmid="x", room="#tea", text="Oolong"), "/topic Oolong"),
    ],
)
def test_a_refused_message_is_given_back_as_typed(request_: Send | Fun | Topic, back: str) -> None:
    s = in_tea()
    assert s.submit(request_) == "x"
    s.updates()
    error = Error(id=3, code="too-long", text="At most 4,000 characters.")
    assert told(s, error) == [Failed("x", back, error)]
    assert s.outbox == {}


def test_a_fun_result_for_the_caller_alone_is_an_answer() -> None:
    s = in_tea()
    fun = Fun(cmid="x", to="#tea", line="/cows")
    s.submit(fun)
    s.updates()
    shown = Shown(id=3, text="tux, moose")
    assert told(s, shown) == [Answer(3, Fun(id=3, cmid="x", to="#tea", line="/cows"), shown)]
    assert s.outbox == {}


def test_old_direct_messages_are_not_replayed_but_missed_ones_are() -> None:
    s = session()
    s.connected()
    assert told(s, Welcome(id=1, nick="ann", server="moot", version="1", epoch="e1", inbox=5))[1:] == []
    s.outgoing()
    assert told(s, msg(6, room="@")) == [Message(msg(6, room="@"))]
    reconnect(s, 2, inbox=8)
    assert wrote(s) == [{"op": "history", "id": 3, "room": "@", "after": 6, "limit": 500}]
    page = HistoryPage(id=3, room="@", messages=[msg(7, room="@"), msg(8, room="@")])
    assert told(s, page) == [Message(msg(7, room="@")), Message(msg(8, room="@"))]


def test_a_direct_message_of_ours_is_known_in_the_inbox() -> None:
    s = in_tea()
    s.say("@bob", "psst")
    s.updates()
    echo = Msg(room="@", seq=1, time=5, nick="ann", text="psst", to="bob")
    assert told(s, Ok(id=3, room="@", seq=1, time=5), echo) == [Sent("c1", "@", 1, 5), Message(echo, "c1")]


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


def test_requests_while_offline_are_answered_with_an_error() -> None:
    s = session("#tea")
    number = s.request(Rooms())
    (answer,) = s.updates()
    assert isinstance(answer, Answer)
    assert isinstance(answer.event, Error)
    assert (answer.id, answer.event.code) == (number, "offline")


def test_answers_find_their_requests() -> None:
    s = in_tea()
    number = s.request(Rooms())
    event = RoomList(id=number, rooms=[], count=0)
    assert told(s, event) == [Answer(number, Rooms(id=number), event)]


def test_joining_and_leaving_on_request() -> None:
    s = in_tea()
    number = s.request(Join(room="#Cake"))
    room = Room(id=number, room="#cake", seq=0)
    assert told(s, room) == [Entered("#cake", []), Answer(number, Join(id=number, room="#Cake"), room)]
    number = s.request(Leave(room="#cake"))
    ok = Ok(id=number, room="#cake")
    assert told(s, ok) == [Answer(number, Leave(id=number, room="#cake"), ok), Exited("#cake")]
    assert list(s.rooms) == ["#tea", "@"]


def test_a_wanted_room_that_refuses_us_is_forgotten() -> None:
    s = session("bad room", "#tea")
    s.connected()
    error = Error(id=2, code="bad-room", text="A room is #name.")
    updates = told(s, WELCOME, error, Room(id=3, room="#tea", seq=0))[1:]
    assert updates == [Answer(2, Join(id=2, room="bad room"), error), Exited("bad room"), Entered("#tea", [])]
    assert list(s.rooms) == ["#tea", "@"]


def test_a_room_is_known_as_the_server_spells_it() -> None:
    s = session("#Tea")
    s.connected()
    told(s, WELCOME, Room(id=2, room="#tea", seq=0))
    assert list(s.rooms) == ["@", "#tea"]


def test_our_new_nick_follows_the_answer_and_the_event() -> None:
    s = in_tea()
    number = s.request(Nick(nick="anna"))
    told(s, Ok(id=number, nick="anna"))
    assert s.nick == "anna"
    told(s, Renamed(room="#tea", old="anna", nick="ann"))
    assert s.nick == "ann"


def test_who_is_in_a_room_follows_what_happens() -> None:
    s = in_tea()
    joined = Joined(room="#tea", who=Person("bob"))
    renamed = Renamed(room="#tea", old="bob", nick="rob")
    assert told(s, joined, renamed) == [Presence(joined), Presence(renamed)]
    assert (s.rooms["#tea"].people, s.rooms["#tea"].count) == ({"rob": Person("rob")}, 1)
    told(s, Left(room="#tea", nick="rob"))
    assert (s.rooms["#tea"].people, s.rooms["#tea"].count) == ({}, 0)


def test_being_put_out_of_a_room_ends_it() -> None:
    s = in_tea()
    left = Left(room="#tea", nick="ann", reason="why not")
    assert told(s, left) == [Presence(left), Exited("#tea")]
    assert list(s.rooms) == ["@"]


def test_the_server_speaks_to_people() -> None:
    s = in_tea()
    assert told(s, Notice(text="Tea time."), Error(code="bad-request", text="What?")) == [
        Said("Tea time."),
        Said("What?"),
    ]


def test_older_messages_are_asked_for_before_the_oldest_seen() -> None:
    s = in_tea(msg(5), msg(6))
    number = s.older("#tea", 2)
    assert wrote(s) == [{"op": "history", "id": number, "room": "#tea", "before": 5, "limit": 2}]
    page = HistoryPage(id=number, room="#tea", messages=[msg(3), msg(4)], more=True)
    assert told(s, page) == [Answer(number, History(id=number, room="#tea", before=5, limit=2), page)]
    assert s.rooms["#tea"].first == 3


def test_the_topic_follows_its_message() -> None:
    s = in_tea()
    told(s, Msg(room="#tea", seq=1, time=0, nick="bob", text="Oolong", kind="topic"))
    assert s.rooms["#tea"].topic == "Oolong"


STRANGE = "the other side does not speak moot's native protocol"


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


# --- whose connection it is


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


def test_the_same_id_twice_is_a_mistake_of_the_caller() -> None:
    s = in_tea()
    s.submit(Send(cmid="x", to="#tea", text="hi"))
    with pytest.raises(ValueError, match="'x' is in the outbox"):
        s.submit(Send(cmid="x", to="#tea", text="hi"))


# --- replays, gaps, and a session before this one


def test_a_replay_is_taken_like_a_page_and_what_is_live_goes_on() -> None:
    s = in_tea(msg(1))
    page = HistoryPage(room="#tea", messages=[msg(1), msg(2), msg(5)], gaps=[(3, 4)], more=True)
    assert told(s, page) == [Message(msg(2)), Lost("#tea", 3, 4), Message(msg(5))]
    assert told(s, HistoryPage(room="#tea", messages=[msg(6)]), msg(7)) == [Message(msg(6)), Message(msg(7))]
    assert wrote(s) == []


def test_a_replay_that_begins_too_late_waits_for_what_is_between() -> None:
    s = in_tea(msg(1))
    assert told(s, HistoryPage(room="#tea", messages=[msg(4), msg(5)])) == []
    assert wrote(s) == [{"op": "history", "id": 3, "room": "#tea", "after": 1, "limit": 500}]
    assert told(s, HistoryPage(id=3, room="#tea", messages=[msg(2), msg(3), msg(4)])) == [
        Message(msg(seq)) for seq in (2, 3, 4, 5)
    ]
    assert wrote(s) == []


def test_a_replay_of_a_room_we_are_not_in_is_nothing() -> None:
    s = in_tea(msg(1))
    assert told(s, HistoryPage(room="#milk", messages=[msg(1)]), People(room="#milk", people=[], count=0)) == []


def test_people_nobody_asked_for_replace_the_members() -> None:
    s = in_tea(msg(1))
    told(s, Joined(room="#tea", who=Person("old")))
    assert told(s, People(room="#tea", people=[Person("ann"), Person("bob")], count=7)) == [Members("#tea")]
    assert (list(s.rooms["#tea"].people), s.rooms["#tea"].count) == (["ann", "bob"], 7)


def test_a_page_that_is_only_a_gap_is_told_and_asked_behind() -> None:
    s = in_tea(msg(1))
    told(s, msg(900))
    s.outgoing()
    assert told(s, HistoryPage(id=3, room="#tea", messages=[], gaps=[(2, 500)], more=True)) == [Lost("#tea", 2, 500)]
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "after": 500, "limit": 500}]
    told_now = told(s, HistoryPage(id=4, room="#tea", messages=[msg(899)], gaps=[(501, 898)]))
    assert told_now == [Lost("#tea", 501, 898), Message(msg(899)), Message(msg(900))]
    assert wrote(s) == []


def test_an_empty_page_never_asks_for_the_same_again() -> None:
    s = in_tea(msg(1))
    told(s, msg(3))
    s.outgoing()
    assert told(s, HistoryPage(id=3, room="#tea", messages=[], more=True)) == [Lost("#tea", 2, 2), Message(msg(3))]
    assert wrote(s) == []


def test_gaps_in_what_was_missed_stand_in_their_place() -> None:
    s = in_tea(msg(1))
    reconnect(s, 3)
    room = Room(id=4, room="#tea", seq=6, messages=[msg(4), msg(6)], gaps=[(2, 3), (5, 5)])
    assert told(s, room) == [Entered("#tea", [msg(4), msg(6)], gaps=[(2, 3), (5, 5)])]
    assert told(s, msg(7)) == [Message(msg(7))]


def test_scrolling_back_goes_on_behind_a_gap() -> None:
    s = session("#tea")
    connected(s)
    told(s, Room(id=2, room="#tea", seq=9, messages=[msg(9)], more=True))
    s.outgoing()
    s.older("#tea")
    assert wrote(s) == [{"op": "history", "id": 3, "room": "#tea", "before": 9, "limit": 100}]
    told(s, HistoryPage(id=3, room="#tea", messages=[], gaps=[(5, 8)], more=True))
    s.older("#tea")
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "before": 5, "limit": 100}]


def test_a_page_from_before_one_went_back_is_no_gap() -> None:
    s = in_tea(msg(1))
    told(s, msg(2), msg(3), msg(6))
    s.outgoing()
    s.rewind("#tea", 0)
    updates = told(s, HistoryPage(id=3, room="#tea", messages=[msg(4), msg(5)]))
    assert updates == []
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "after": 0, "limit": 500}]


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


def test_what_an_earlier_session_left_goes_out_first_with_its_ids_and_is_known_when_it_comes() -> None:
    left = [Send(cmid="old", to="#tea", text="hi"), Send(cmid="older", to="#milk", text="ho")]
    s = Session("ann", ["#tea"], token="t" * 16, pending=left)
    assert s.updates() == [Queued("old", "#tea", "hi", "text"), Queued("older", "#milk", "ho", "text")]
    assert s.restored == {"old", "older"}
    s.say("#tea", "new")
    connected(s)
    assert [line["room"] for line in wrote(s)] == ["#tea", "#milk"]
    hi = Msg(room="#tea", seq=1, time=5, nick="ann", text="hi")
    assert told(s, Room(id=2, room="#tea", seq=1, messages=[hi]), Room(id=3, room="#milk", seq=0)) == []
    assert [line["text"] for line in wrote(s)] == ["hi", "ho", "new"]
    updates = told(s, Ok(id=4, room="#tea", seq=1, time=5), Ok(id=5, room="#milk", seq=1, time=6))
    assert updates == [
        Sent("old", "#tea", 1, 5),
        Sent("older", "#milk", 1, 6),
        Entered("#tea", []),
        Message(hi, "old"),
        Entered("#milk", []),
    ]


def test_an_earlier_session_s_message_to_one_person_needs_no_room() -> None:
    s = Session("ann", [], token="t" * 16, pending=[Send(cmid="old", to="@bob", text="hi")])
    connected(s)
    assert [line["op"] for line in wrote(s)] == ["send"]


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


def test_a_room_asked_for_twice_at_once_is_told_once() -> None:
    s = session("#tea")
    s.connected()
    told(s, WELCOME)
    s.request(Join(room="#tea"))
    both = [Room(id=number, room="#tea", seq=2, messages=[msg(1), msg(2)]) for number in (2, 3)]
    seen = [m.seq for update in told(s, *both) if isinstance(update, Entered) for m in update.messages]
    assert seen == [1, 2]


def test_a_message_that_came_early_and_again_in_a_page_is_told_once_though_a_gap_follows() -> None:
    s = session("#tea")
    s.connected()
    told(s, WELCOME)
    early = [msg(9)]
    updates = told(
        s,
        *early,
        Room(id=2, room="#tea", seq=13, messages=[msg(8), msg(9)]),
        HistoryPage(id=3, room="#tea", messages=[]),
    )
    assert [u for u in updates if isinstance(u, Lost | Message)] == [Lost("#tea", 10, 13)]


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
