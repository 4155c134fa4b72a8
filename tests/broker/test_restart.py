"""A new broker learns from the workers who sits where."""

import msgspec

from broker import queries
from broker.people import Person
from broker.rooms import Room
from protocol import native
from protocol.ipc import Announced, Attach, Closed, Posted, Told
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, restarted, seat, token


def test_seats_keep_nick_rooms_colour_and_away() -> None:
    desk = restarted()
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob", "#tea")], {"#tea": 0}))
    desk.commit()
    assert desk.told == {}
    people = desk.ask(ANN, native.Who(room="#tea"), native.People).people
    assert people == [native.Person("ann", "#123456", "lunch"), native.Person("bob", "#123456", "lunch")]
    assert desk.ask(ANN, native.Whois(nick="bob"), native.Profile).since == NOON - 5000
    assert desk.refused(EVE, native.Hello(nick="BOB", token=token("eve"))) == "nick-taken"


def test_what_was_not_fanned_out_is_replayed_to_each_worker() -> None:
    desk = restarted("one", "two", "three")
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 1}))
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", "#tea")], {"#tea": 3}))
    desk.commit()
    assert set(desk.told) == {1}
    assert [(event.conn, event.msg.seq, event.msg.text) for event in desk.told[1] if isinstance(event, Posted)] == [
        (ANN, 2, "two"),  # hers, though she was not told: she may have it on her screen already
        (ANN, 3, "three"),
    ]


def test_the_replay_says_whose_message_it_is_under_whatever_nick() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    before.enter(EVE, "eve", "#tea")
    before.say(ANN, "#tea", "ann's")
    before.say(EVE, "#tea", "eve's")
    desk = Desk(log=before.log)
    desk.state.seating.attach(
        Attach(1, [seat(ANN, "anna", "#tea", of="ann"), seat(BOB, "ann", "#tea", of="b")], {"#tea": 0}), 1
    )
    desk.commit()
    assert [(event.conn, event.msg.text) for event in desk.told[1] if isinstance(event, Posted)] == [
        (ANN, "ann's"),
        (0, "eve's"),  # whose worker has not attached
    ]


def test_a_request_sent_again_after_the_restart_is_not_said_again() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 1}))
    assert desk.say(ANN, "#tea", "one", "one").seq == 1
    assert desk.say(ANN, "#tea", "two", "two").seq == 2


def test_missed_direct_messages_are_replayed() -> None:
    before = Desk()
    before.enter(ANN, "ann")
    before.enter(EVE, "eve")
    for text in ("one", "two", "three"):
        before.say(ANN, "@eve", text)
    desk = Desk(log=before.log)
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", inbox=1)], {}))
    desk.commit()
    assert [msg.text for msg in desk.told_to(EVE) if isinstance(msg, native.Msg)] == ["two", "three"]


def test_of_two_seats_with_one_nick_the_first_stays_and_the_other_is_told() -> None:
    desk = restarted()
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {}))
    desk.state.seating.attach(Attach(2, [seat(EVE, "ANN", "#tea", of="eve")], {}))
    desk.commit()
    assert desk.told[2] == [Told(EVE, native.Bye(reason="the nick ANN was taken meanwhile")), Closed(EVE)]
    assert desk.ask(ANN, native.Who(), native.People).count == 1


def test_of_two_seats_of_one_person_the_first_stays() -> None:
    desk = restarted()
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {}))
    desk.state.seating.attach(Attach(2, [seat(EVE, "ann", "#tea")], {}))
    desk.commit()
    assert desk.told == {2: [Closed(EVE)]}


def test_attaching_twice_changes_nothing() -> None:
    desk = restarted("one")
    for _ in range(2):
        desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 1}))
    desk.commit()
    assert desk.told == {}
    assert desk.state.rooms.by_name["#tea"].workers == {1: 1}


def test_a_new_worker_has_nobody() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(7, [], {}))
    assert desk.enter(conn(7, 1), "joe", "#tea").nick == "joe"


def test_of_two_seats_of_one_person_the_newer_connection_stays() -> None:
    for order in ((0, 1), (1, 0)):
        desk = restarted()
        old = msgspec.structs.replace(seat(ANN, "ann", "#tea"), since=NOON - 9000)
        new = msgspec.structs.replace(seat(EVE, "ann", "#tea"), since=NOON - 1000)
        for index in order:
            desk.state.seating.attach(Attach((1, 2)[index], [(old, new)[index]], {}))
        desk.commit()
        assert list(desk.state.people.by_conn) == [EVE]
        assert Closed(ANN) in desk.told[1]
        assert desk.say(EVE, "#tea", "here").seq == 1


def test_the_newer_connection_of_one_person_keeps_its_rooms_and_misses_no_direct_message() -> None:
    before = Desk()
    before.enter(ANN, "ann")
    before.enter(BOB, "bob")
    before.say(BOB, "@ann", "psst")
    desk = Desk(log=before.log)
    new = msgspec.structs.replace(seat(EVE, "ann", "#tea", "#cake"), since=NOON)
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {}))
    desk.state.seating.attach(Attach(2, [new], {"#tea": 0, "#cake": 0}))
    desk.commit()
    assert [msg.text for msg in desk.told_to(EVE) if isinstance(msg, native.Msg)] == ["psst"]
    assert desk.say(EVE, "#cake", "here").seq == 1
    assert desk.ask(EVE, native.Who(room="#tea"), native.People).count == 1
    assert {name: room.workers for name, room in desk.state.rooms.by_name.items()} == {"#tea": {2: 1}, "#cake": {2: 1}}


def test_a_worker_that_lost_only_its_link_keeps_its_people() -> None:
    desk = Desk()
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.seating.worker_lost(1, until=30.0)
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 0}))
    desk.commit()
    assert desk.state.seating.expire(31.0) is None
    desk.say(EVE, "#tea", "still with us?")
    assert [event.msg.text for event in desk.told[1] if isinstance(event, Posted)] == ["still with us?"]


def test_a_worker_that_attaches_after_others_were_served_is_told_who_is_there() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob", "#tea")], {"#tea": 1}))
    desk.ask(BOB, native.Leave(room="#tea"), native.Ok)  # before eve's worker could hear of it
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", "#tea")], {"#tea": 0}), late=True)
    desk.state.seating.attach(Attach(2, [], {}), late=True)
    desk.commit()
    cards = [native.Person(nick, "#123456", "lunch") for nick in ("ann", "eve")]
    told = [event.event if isinstance(event, Announced) else type(event) for event in desk.told[2]]
    assert told == [Posted, native.People(people=cards, count=2, room="#tea")]


def test_what_is_new_comes_after_what_was_missed_though_seats_come_in_parts() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", "#tea")], {"#tea": 1}))
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 0}), late=True)
    desk.say(EVE, "#tea", "two")
    told = list(desk.told[1])
    desk.state.seating.attach(Attach(1, [seat(BOB, "bob", "#tea")], {"#tea": 0}), late=True)
    desk.state.seating.attach(Attach(1, [], {}), late=True)
    desk.commit()
    told += desk.told[1]
    assert [event.msg.text for event in told if isinstance(event, Posted)] == ["one", "two", "one", "two"]
    assert [type(event.event) for event in told if isinstance(event, Announced)] == [native.People]


def test_the_larger_a_room_the_fewer_of_its_people_are_told_to_all() -> None:
    def told(count: int) -> int:
        members = {Person(b"", f"n{number}"): None for number in range(count)}
        return len(queries.resync(Room("#tea", members)).people)

    assert [told(count) for count in (3, 999, 2000, 10_000)] == [3, 999, 500, 200]
