"""What a session writes and reports for what the server says; no sockets."""

from client.session import Answer, Entered, Exited, Members, Message, Online, Presence, Queued, Said, Sent
from protocol.native import (
    Error,
    Fun,
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
    Renamed,
    Room,
    RoomList,
    Rooms,
    Shown,
)
from tests.client.sessions import WELCOME, in_tea, msg, session, told, wrote


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


def test_a_fun_result_for_the_caller_alone_is_an_answer() -> None:
    s = in_tea()
    fun = Fun(cmid="x", to="#tea", line="/cows")
    s.submit(fun)
    s.updates()
    shown = Shown(id=3, text="tux, moose")
    assert told(s, shown) == [Answer(3, Fun(id=3, cmid="x", to="#tea", line="/cows"), shown)]
    assert s.outbox == {}


def test_a_direct_message_of_ours_is_known_in_the_inbox() -> None:
    s = in_tea()
    s.say("@bob", "psst")
    s.updates()
    echo = Msg(room="@", seq=1, time=5, nick="ann", text="psst", to="bob")
    assert told(s, Ok(id=3, room="@", seq=1, time=5), echo) == [Sent("c1", "@", 1, 5), Message(echo, "c1")]


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


def test_the_topic_follows_its_message() -> None:
    s = in_tea()
    told(s, Msg(room="#tea", seq=1, time=0, nick="bob", text="Oolong", kind="topic"))
    assert s.rooms["#tea"].topic == "Oolong"


def test_people_nobody_asked_for_replace_the_members() -> None:
    s = in_tea(msg(1))
    told(s, Joined(room="#tea", who=Person("old")))
    assert told(s, People(room="#tea", people=[Person("ann"), Person("bob")], count=7)) == [Members("#tea")]
    assert (list(s.rooms["#tea"].people), s.rooms["#tea"].count) == (["ann", "bob"], 7)
