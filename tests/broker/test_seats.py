"""One person, two connections: who has the seat, and who holds it while their worker is replaced."""

import pytest

from protocol import native
from protocol.ipc import Announced, Attach, Closed, Gone, Parted, Posted, Seat
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, sizes, texts, token


def try_hello(desk: Desk, who: int, attempt: int | None) -> native.Event:
    return desk.do(who, native.Hello(nick="ann", token=token("ann"), attempt=attempt))


@pytest.mark.parametrize("late", [4, 5])
def test_a_hello_that_comes_late_or_twice_is_refused_and_disturbs_nobody(desk: Desk, late: int) -> None:
    assert isinstance(try_hello(desk, ANN, 5), native.Welcome)
    refused = try_hello(desk, EVE, late)
    assert isinstance(refused, native.Error)
    assert (refused.code, refused.attempt) == ("replaced", 5)
    assert "late" in refused.text
    assert desk.told_to(ANN) == []
    assert isinstance(desk.do(ANN, native.Ping()), native.Pong)
    assert desk.refused(EVE, native.Ping()) == "not-introduced"


@pytest.mark.parametrize(("seated", "new"), [(5, 6), (None, 1), (5, None), (None, None)])
def test_a_greater_attempt_takes_over_and_so_does_one_that_cannot_be_compared(
    desk: Desk, seated: int | None, new: int | None
) -> None:
    try_hello(desk, ANN, seated)
    assert isinstance(try_hello(desk, EVE, new), native.Welcome)
    assert isinstance(desk.do(EVE, native.Ping()), native.Pong)
    assert desk.refused(ANN, native.Ping()) == "not-introduced"


def test_a_seat_without_a_connection_is_open_to_any_attempt(desk: Desk) -> None:
    try_hello(desk, ANN, 5)
    desk.state.seating.worker_lost(1, 30.0)
    desk.commit()
    assert isinstance(try_hello(desk, EVE, 3), native.Welcome)


def test_attempts_are_known_to_the_next_broker(desk: Desk) -> None:
    first, second = (native.Hello(nick="ann", token=token("ann"), attempt=number) for number in (5, 6))
    desk.state.seating.attach(Attach(2, [Seat(EVE, second, ["#tea"], "192.0.2.7", "native", NOON - 9000)], {}))
    desk.state.seating.attach(Attach(1, [Seat(ANN, first, ["#tea"], "192.0.2.7", "native", NOON)], {}))
    desk.commit()
    assert Closed(ANN) in desk.told[1]
    assert isinstance(desk.do(EVE, native.Ping()), native.Pong)
    refused = try_hello(desk, conn(1, 9), 6)
    assert isinstance(refused, native.Error)
    assert refused.code == "replaced"


def test_the_same_token_takes_the_seat_over_and_nobody_hears_of_it(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    welcome = desk.ask(EVE, native.Hello(nick="ann", token=token("ann")), native.Welcome)
    assert welcome.resumed
    assert desk.told_to(ANN) == [
        native.Error(code="replaced", text="you connected from elsewhere; this connection ends")
    ]
    assert Closed(ANN) in desk.told[1]
    assert Parted(ANN, "#tea") in desk.told[1]
    assert [event for event in desk.told[1] if isinstance(event, Announced)] == []
    room = desk.ask(EVE, native.Join(room="#tea"), native.Room)
    assert room.count == 2
    assert [event for event in desk.told.get(1, []) if isinstance(event, Announced)] == []
    assert desk.refused(ANN, native.Ping()) == "not-introduced"
    assert sorted(person.nick for person in desk.ask(EVE, native.Who(), native.People).people) == ["ann", "bob"]


def test_taking_over_under_another_nick_renames(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    assert desk.ask(EVE, native.Hello(nick="anna", token=token("ann")), native.Welcome).nick == "anna"
    assert Announced("#tea", native.Renamed(room="#tea", old="ann", nick="anna")) in desk.told[1]
    assert desk.refused(BOB, native.Whois(nick="ann")) == "no-such-nick"


def test_a_take_over_that_wants_a_taken_nick_is_refused_and_the_old_seat_stays(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    assert desk.refused(EVE, native.Hello(nick="bob", token=token("ann"))) == "nick-taken"
    assert desk.say(ANN, "#tea", "still here").seq == 1


def test_a_worker_restarted_within_the_time_is_noticed_by_nobody(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.seating.worker_lost(2, until=100.0)
    desk.say(ANN, "#tea", "missed")
    assert 2 not in desk.told
    assert desk.state.seating.expire(99.0) == 100.0
    again = conn(3, 1)
    assert desk.ask(again, native.Hello(nick="eve", token=token("eve")), native.Welcome).resumed
    room = desk.ask(again, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    assert texts(room.messages) == ["missed"]
    assert desk.told.get(1, []) == []
    assert desk.state.seating.expire(101.0) is None
    assert desk.ask(ANN, native.Who(), native.People).count == 2


def test_who_does_not_come_back_in_time_leaves(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.seating.worker_lost(2, until=100.0)
    assert desk.state.seating.expire(100.0) is None
    desk.commit()
    left = native.Left(room="#tea", nick="eve", reason="connection lost", quit=True)
    assert desk.told == {1: [Announced("#tea", left)]}
    assert desk.notes[-1] == "eve left connection lost; did not come back"
    assert desk.enter(BOB, "eve").resumed is False


def test_when_all_of_a_room_linger_and_expire_the_room_goes(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.state.seating.worker_lost(1, until=5.0)
    desk.state.seating.expire(5.0)
    assert desk.state.rooms.by_name == {}
    assert sizes(desk) == [0, 0, 0, 0, 0, 0, 0]


def test_a_take_over_moves_address_program_and_colour_too(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    again = native.Hello(nick="ann", token=token("ann"), client="newer 2.0", color="#123456")
    desk.post(EVE, again, addr="198.51.100.9")
    desk.commit()
    assert desk.ask(BOB, native.Whois(nick="ann"), native.Profile).client == "newer 2.0"
    assert desk.state.people.per_address == {"192.0.2.7": 1, "198.51.100.9": 1}
    ann = native.Person("ann", "#123456", roles=["op"])
    assert desk.ask(BOB, native.Who(room="#tea"), native.People).people[0] == ann


def test_who_was_sent_over_keeps_the_seat_for_a_while() -> None:
    desk = Desk()
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.seating.gone(Gone(ANN, "sent over", returns=True), until=30.0)
    desk.commit()
    assert desk.told == {1: [Closed(ANN)]}
    desk.say(EVE, "#tea", "one")
    assert [event.msg.text for event in desk.told[1] if isinstance(event, Posted)] == ["one"]  # for bob
    desk.gone(BOB)
    desk.say(EVE, "#tea", "two")
    assert 1 not in desk.told
    assert desk.ask(conn(2, 9), native.Hello(nick="ann", token=token("ann")), native.Welcome).resumed
    assert desk.state.seating.expire(31.0) is None
    desk.gone(conn(2, 9), "connection lost")
    left = native.Left(room="#tea", nick="ann", reason="connection lost", quit=True)
    assert Announced("#tea", left) in desk.told[2]
