"""A new broker learns from the workers who sits where."""

import msgspec

from protocol import native
from protocol.ipc import Attach, Closed, Posted, Seat, Told
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, token


def seat(who: int, nick: str, *rooms: str, inbox: int = 0, of: str = "", returns: bool = True) -> Seat:
    hello = native.Hello(nick=nick, token=token(of or nick), color="#123456")
    return Seat(who, hello, list(rooms), "192.0.2.7", "native", NOON - 5000, "lunch", inbox, returns)


def restarted(*said: str) -> Desk:
    """A broker on the log of an earlier one, in which ann spoke in #tea."""
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    for text in said:
        before.say(ANN, "#tea", text, text)
    after = Desk(log=before.log)
    after.rid = 100
    return after


def test_seats_keep_nick_rooms_colour_and_away() -> None:
    desk = restarted()
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob", "#tea")], {"#tea": 0}), NOON)
    desk.commit()
    assert desk.told == {}
    people = desk.ask(ANN, native.Who(room="#tea"), native.People).people
    assert people == [native.Person("ann", "#123456", "lunch"), native.Person("bob", "#123456", "lunch")]
    assert desk.ask(ANN, native.Whois(nick="bob"), native.Profile).since == NOON - 5000
    assert desk.refused(EVE, native.Hello(nick="BOB", token=token("eve"))) == "nick-taken"


def test_what_was_not_fanned_out_is_replayed_to_each_worker() -> None:
    desk = restarted("one", "two", "three")
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 1}), NOON)
    desk.state.attach(Attach(2, [seat(EVE, "eve", "#tea")], {"#tea": 3}), NOON)
    desk.commit()
    assert set(desk.told) == {1}
    assert [(event.conn, event.msg.seq, event.msg.text) for event in desk.told[1] if isinstance(event, Posted)] == [
        (0, 2, "two"),
        (0, 3, "three"),
    ]


def test_a_request_sent_again_after_the_restart_is_not_said_again() -> None:
    desk = restarted("one")
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 1}), NOON)
    assert desk.say(ANN, "#tea", "one", "one").seq == 1
    assert desk.say(ANN, "#tea", "two", "two").seq == 2


def test_missed_direct_messages_are_replayed() -> None:
    before = Desk()
    before.enter(ANN, "ann")
    before.enter(EVE, "eve")
    for text in ("one", "two", "three"):
        before.say(ANN, "@eve", text)
    desk = Desk(log=before.log)
    desk.state.attach(Attach(2, [seat(EVE, "eve", inbox=1)], {}), NOON)
    desk.commit()
    assert [event.event.text for event in desk.told[2] if isinstance(event, Told)] == ["two", "three"]  # type: ignore[union-attr]


def test_of_two_seats_with_one_nick_the_first_stays_and_the_other_is_told() -> None:
    desk = restarted()
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {}), NOON)
    desk.state.attach(Attach(2, [seat(EVE, "ANN", "#tea", of="eve")], {}), NOON)
    desk.commit()
    assert desk.told[2] == [Told(EVE, native.Bye(reason="the nick ANN was taken meanwhile")), Closed(EVE)]
    assert desk.ask(ANN, native.Who(), native.People).count == 1


def test_of_two_seats_of_one_person_the_first_stays() -> None:
    desk = restarted()
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {}), NOON)
    desk.state.attach(Attach(2, [seat(EVE, "ann", "#tea")], {}), NOON)
    desk.commit()
    assert desk.told == {2: [Closed(EVE)]}


def test_attaching_twice_changes_nothing() -> None:
    desk = restarted("one")
    for _ in range(2):
        desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 1}), NOON)
    desk.commit()
    assert desk.told == {}
    assert desk.state.rooms.by_name["#tea"].workers == {1: 1}


def test_a_new_worker_has_nobody() -> None:
    desk = restarted("one")
    desk.state.attach(Attach(7, [], {}), NOON)
    assert desk.enter(conn(7, 1), "joe", "#tea").nick == "joe"


def test_of_two_seats_of_one_person_the_newer_connection_stays() -> None:
    for order in ((0, 1), (1, 0)):
        desk = restarted()
        old = msgspec.structs.replace(seat(ANN, "ann", "#tea"), since=NOON - 9000)
        new = msgspec.structs.replace(seat(EVE, "ann", "#tea"), since=NOON - 1000)
        for index in order:
            desk.state.attach(Attach((1, 2)[index], [(old, new)[index]], {}), NOON)
        desk.commit()
        assert list(desk.state.people.by_conn) == [EVE]
        assert Closed(ANN) in desk.told[1]
        assert desk.say(EVE, "#tea", "here").seq == 1


def test_a_worker_that_lost_only_its_link_keeps_its_people() -> None:
    desk = Desk()
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.worker_lost(1, until=30.0)
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 0}), NOON)
    desk.commit()
    assert desk.state.expire(31.0) is None
    desk.say(EVE, "#tea", "still with us?")
    assert [event.msg.text for event in desk.told[1] if isinstance(event, Posted)] == ["still with us?"]
