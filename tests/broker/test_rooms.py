"""Coming into rooms, leaving them, and the list of them."""

import pytest

from protocol import native
from protocol.ipc import Announced, Entered, Parted
from tests.broker.desk import ANN, BOB, EVE, Desk, settings, texts


def test_joining_shows_the_room_and_tells_those_inside(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.do(EVE, native.Topic(cmid="t", room="#tea", text="Earl Grey"))
    desk.enter(ANN, "ann")
    room = desk.ask(ANN, native.Join(id=1, room="#TEA"), native.Room)
    assert (room.room, room.seq, room.topic, room.count) == ("#tea", 1, "Earl Grey", 2)
    assert room.people == [native.Person("eve", roles=["op"]), native.Person("ann")]
    assert texts(room.messages) == ["Earl Grey"]
    assert desk.told[2] == [Announced("#tea", native.Joined(room="#tea", who=native.Person("ann")))]
    assert Entered(ANN, "#tea", 1) in desk.told[1]


def test_joining_twice_answers_and_announces_once(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.enter(ANN, "ann", "#tea")
    assert desk.ask(ANN, native.Join(room="#tea"), native.Room).count == 2
    assert 2 not in desk.told


@pytest.mark.parametrize("room", ["tea", "", "#", "# tea", "#" + "x" * 65, "@ann"])
def test_a_bad_room_is_refused(desk: Desk, room: str) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, native.Join(room=room)) == "bad-room"


def test_rooms_are_limited_for_one_and_for_all() -> None:
    desk = Desk(settings(max_rooms_each=2, max_rooms=3))
    desk.enter(ANN, "ann", "#a", "#b")
    assert desk.refused(ANN, native.Join(room="#c")) == "too-many-rooms"
    desk.enter(BOB, "bob", "#c")
    assert desk.refused(BOB, native.Join(room="#d")) == "too-many-rooms"
    assert desk.ask(BOB, native.Join(room="#a"), native.Room).count == 2


def test_leaving_tells_the_rest_and_ends_membership(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.enter(ANN, "ann", "#tea")
    assert desk.ask(ANN, native.Leave(room="#tea", reason="bye"), native.Ok).room == "#tea"
    assert Parted(ANN, "#tea") in desk.told[1]
    assert desk.told[2] == [Announced("#tea", native.Left(room="#tea", nick="ann", reason="bye"))]
    for request in (
        native.Leave(room="#tea"),
        native.Send(cmid="c", to="#tea", text="x"),
        native.Topic(cmid="c", room="#tea", text="x"),
        native.Who(room="#tea"),
        native.History(room="#tea"),
    ):
        assert desk.refused(ANN, request) == "not-in-room"


def test_an_empty_room_is_forgotten_and_its_messages_kept(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.say(ANN, "#tea", "one")
    desk.do(ANN, native.Leave(room="#tea"))
    assert desk.state.rooms.by_name == {}
    assert texts(desk.ask(ANN, native.Join(room="#tea"), native.Room).messages) == ["one"]


def test_rooms_lists_the_fullest_first_and_empty_ones_with_messages(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#old")
    desk.enter(BOB, "bob", "#tea")
    desk.do(ANN, native.Topic(cmid="t", room="#old", text="once"))
    desk.do(ANN, native.Leave(room="#old"))
    answer = desk.ask(BOB, native.Rooms(), native.RoomList)
    assert answer.rooms == [native.RoomLine("#tea", 2), native.RoomLine("#old", 0, "once")]
    assert answer.count == 2


def test_rooms_that_only_have_a_history_count_too() -> None:
    desk = Desk(settings(max_rooms=2))
    desk.enter(ANN, "ann", "#tea")
    desk.say(ANN, "#tea", "kept")
    desk.do(ANN, native.Leave(room="#tea"))
    desk.ask(ANN, native.Join(room="#coffee"), native.Room)
    assert desk.refused(ANN, native.Join(room="#cocoa")) == "too-many-rooms"
    desk.ask(ANN, native.Join(room="#tea"), native.Room)


def test_the_list_of_rooms_shows_the_beginning_of_a_long_topic(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.do(ANN, native.Topic(cmid="t", room="#tea", text="long " * 80))
    (line,) = desk.ask(ANN, native.Rooms(), native.RoomList).rooms
    assert len(line.topic) == 100
    assert line.topic.endswith("…")
