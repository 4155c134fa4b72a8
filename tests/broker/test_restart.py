"""A new broker learns from the workers who sits where."""

import os
import tempfile

import msgspec
import pytest

from broker import queries
from broker.attendance import Attendance, Entry
from broker.people import Person
from broker.rooms import Room
from protocol import native
from protocol.ipc import Announced, Attach, Closed, Gone, Posted, Told
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, restarted, seat, token


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
    desk.state.attach(
        Attach(1, [seat(ANN, "anna", "#tea", of="ann"), seat(BOB, "ann", "#tea", of="b")], {"#tea": 0}), 1
    )
    desk.commit()
    assert [(event.conn, event.msg.text) for event in desk.told[1] if isinstance(event, Posted)] == [
        (ANN, "ann's"),
        (0, "eve's"),  # whose worker has not attached
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
    assert [msg.text for msg in desk.told_to(EVE) if isinstance(msg, native.Msg)] == ["two", "three"]


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


def test_the_newer_connection_of_one_person_keeps_its_rooms_and_misses_no_direct_message() -> None:
    before = Desk()
    before.enter(ANN, "ann")
    before.enter(BOB, "bob")
    before.say(BOB, "@ann", "psst")
    desk = Desk(log=before.log)
    new = msgspec.structs.replace(seat(EVE, "ann", "#tea", "#cake"), since=NOON)
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {}), NOON)
    desk.state.attach(Attach(2, [new], {"#tea": 0, "#cake": 0}), NOON)
    desk.commit()
    assert [msg.text for msg in desk.told_to(EVE) if isinstance(msg, native.Msg)] == ["psst"]
    assert desk.say(EVE, "#cake", "here").seq == 1
    assert desk.ask(EVE, native.Who(room="#tea"), native.People).count == 1
    assert {name: room.workers for name, room in desk.state.rooms.by_name.items()} == {"#tea": {2: 1}, "#cake": {2: 1}}


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


# --- what no worker can tell


def a_sheet() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def successor(desk: Desk, *attaches: Attach, awaited: frozenset[int] = frozenset()) -> Desk:
    """A broker that has the attendance sheet of an earlier one, as the workers in ``attaches`` tell of themselves."""
    fd = a_sheet()
    try:
        people = desk.state.people
        Attendance(fd).write(people.touched, people.by_conn.values())
        after = Desk(log=desk.log)
        after.rid = 100
        after.state.restore(Attendance(fd).read(), until=30.0)
    finally:
        os.close(fd)
    for attach in attaches:
        after.state.attach(attach, NOON)
    after.state.let_go(awaited)
    after.commit()
    return after


def left(nick: str, room: str = "#tea") -> Announced:
    return Announced(room, native.Left(room=room, nick=nick, reason="connection lost", quit=True))


def test_people_of_a_worker_that_died_with_the_broker_come_back_unnoticed_by_another() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    before.enter(EVE, "eve", "#tea")
    before.ask(ANN, native.Away(text="lunch"), native.Ok)
    desk = successor(before, Attach(2, [seat(EVE, "eve", "#tea")], {}))
    assert desk.told == {}
    welcome = desk.ask(conn(2, 9), native.Hello(nick="ann", token=token("ann")), native.Welcome)
    assert (welcome.resumed, welcome.away) == (True, "lunch")
    assert desk.ask(conn(2, 9), native.Join(room="#tea", after=0), native.Room).count == 2
    assert desk.told_to(EVE) == []
    assert not [event for event in desk.told[2] if isinstance(event, Announced)]


def test_those_of_them_who_cannot_come_back_leave_once() -> None:
    before = Desk()
    before.post(ANN, native.Hello(nick="ann", token=token("ann")), returns=False)
    before.ask(ANN, native.Join(room="#tea"), native.Room)
    before.enter(EVE, "eve", "#tea")
    desk = successor(before, Attach(2, [seat(EVE, "eve", "#tea")], {}))
    assert desk.told == {2: [left("ann")]}
    assert desk.enter(BOB, "ann").resumed is False


def test_those_of_a_worker_that_is_slow_to_attach_stay() -> None:
    before = Desk()
    before.post(ANN, native.Hello(nick="ann", token=token("ann")), returns=False)
    before.ask(ANN, native.Join(room="#tea"), native.Room)
    before.enter(EVE, "eve", "#tea")
    desk = successor(before, Attach(2, [seat(EVE, "eve", "#tea")], {}), awaited=frozenset({1}))
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea", returns=False)], {"#tea": 0}), NOON)
    desk.commit()
    assert desk.told == {}
    assert desk.state.expire(31.0) is None
    assert desk.ask(EVE, native.Who(room="#tea"), native.People).count == 2


def test_who_came_over_just_before_the_broker_died_is_still_in_their_rooms() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    before.enter(EVE, "eve", "#tea")
    new = conn(3, 1)
    before.ask(new, native.Hello(nick="ann", token=token("ann")), native.Welcome)
    desk = successor(before, Attach(2, [seat(EVE, "eve", "#tea")], {}), Attach(3, [seat(new, "ann")], {}))
    assert desk.ask(new, native.Join(room="#tea"), native.Room).count == 2
    assert not [event for event in desk.told.get(2, []) if isinstance(event, Announced)]


def test_what_a_worker_tells_goes_before_the_sheet() -> None:
    before = Desk()
    before.enter(ANN, "ann")
    before.ask(ANN, native.Nick(nick="anna"), native.Ok)
    desk = successor(before, Attach(1, [seat(ANN, "ann")], {}))  # had not heard of the new nick yet
    assert [person.nick for person in desk.state.people.by_conn.values()] == ["ann"]
    assert desk.enter(BOB, "anna").nick == "anna"


def test_a_hello_whose_answer_was_lost_with_the_broker_is_answered_by_the_next() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    before.enter(EVE, "eve", "#tea")
    desk = successor(before, Attach(1, [], {}), Attach(2, [seat(EVE, "eve", "#tea")], {}))
    again = desk.ask(ANN, native.Hello(nick="ann", token=token("ann")), native.Welcome)
    assert (again.nick, again.resumed) == ("ann", True)
    assert desk.told_to(ANN) == []
    assert desk.ask(ANN, native.Join(room="#tea"), native.Room).count == 2
    assert desk.state.expire(31.0) is None
    assert desk.refused(ANN, native.Hello(nick="ann", token=token("ann"))) == "bad-request"


def test_nobody_else_is_introduced_where_somebody_lingers() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    desk = successor(before, Attach(1, [], {}))
    assert desk.refused(ANN, native.Hello(nick="bob", token=token("bob"))) == "bad-request"


def tables(desk: Desk) -> list[int]:
    people = desk.state.people
    kept = (people.by_conn, people.by_key, people.by_uid, people.skeletons, people.per_address, people.lingering)
    return [len(table) for table in kept]


def test_a_worker_that_tells_of_another_person_at_a_connection_leaves_no_ghost() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    desk = successor(before, Attach(1, [seat(ANN, "mallory", "#tea", of="mallory")], {}))
    assert [person.nick for person in desk.ask(ANN, native.Who(), native.People).people] == ["mallory"]
    desk.state.worker_lost(1, until=30.0)
    desk.state.expire(31.0)
    assert tables(desk) == [0, 0, 0, 0, 0, 0]


def test_of_two_in_the_sheet_who_cannot_both_be_here_one_is() -> None:
    """A kill may tear the sheet between the entries of one who gave up a nick and one who took it."""
    desk = Desk()
    ann = Entry(b"a" * 16, ANN, "ann", "192.0.2.7", "native", returns=True, rooms=["#tea"])
    bob = Entry(b"b" * 16, BOB, "Ann", "192.0.2.7", "native", returns=True, rooms=["#tea"])
    cyd = Entry(b"c" * 16, ANN, "cyd", "192.0.2.7", "native", returns=True, rooms=["#tea"])
    desk.state.restore([ann, bob, cyd], until=30.0)
    assert [person.nick for person in desk.state.people.by_conn.values()] == ["ann"]
    desk.state.expire(31.0)
    assert tables(desk) == [0, 0, 0, 0, 0, 0]


def test_who_was_sent_over_keeps_the_seat_for_a_while() -> None:
    desk = Desk()
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.gone(Gone(ANN, "sent over", returns=True), until=30.0)
    desk.commit()
    assert desk.told == {1: [Closed(ANN)]}
    desk.say(EVE, "#tea", "one")
    assert [event.msg.text for event in desk.told[1] if isinstance(event, Posted)] == ["one"]  # for bob
    desk.gone(BOB)
    desk.say(EVE, "#tea", "two")
    assert 1 not in desk.told
    assert desk.ask(conn(2, 9), native.Hello(nick="ann", token=token("ann")), native.Welcome).resumed
    assert desk.state.expire(31.0) is None
    desk.gone(conn(2, 9), "connection lost")
    assert left("ann") in desk.told[2]


def test_a_sheet_torn_by_a_kill_has_all_but_the_last_entry() -> None:
    desk = Desk()
    desk.enter(ANN, "ann", "#tea")
    fd = a_sheet()
    try:
        sheet, people = Attendance(fd), desk.state.people
        sheet.write(people.touched, people.by_conn.values())
        whole = os.fstat(fd).st_size
        people.touched.clear()
        desk.enter(BOB, "bob", "#tea")
        sheet.write(people.touched, people.by_conn.values())
        for cut in range(whole, os.fstat(fd).st_size):
            os.ftruncate(fd, cut)
            assert [entry.nick for entry in Attendance(fd).read()] == ["ann"]
            assert os.fstat(fd).st_size == whole
    finally:
        os.close(fd)


def test_a_broker_killed_while_it_writes_the_sheet_anew_leaves_one_whole_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    for who, nick in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):
        desk.enter(who, nick, "#tea")
    fd = a_sheet()
    stood: list[bytes] = []  # in the file, at each moment at which a kill may come
    pwrite, ftruncate = os.pwrite, os.ftruncate

    def note() -> None:
        stood.append(os.pread(fd, os.fstat(fd).st_size, 0))

    def noted_pwrite(fd: int, content: bytes, at: int) -> int:
        for cut in range(0, len(content), 50) if len(content) > 12 else ():  # what is short is written at once
            pwrite(fd, content[:cut], at)
            note()
        written = pwrite(fd, content, at)
        note()
        return written

    def noted_ftruncate(fd: int, size: int) -> None:
        ftruncate(fd, size)
        note()

    def told(content: bytes) -> list[tuple[str, list[str] | None]]:
        copy = a_sheet()
        try:
            pwrite(copy, content, 0)
            return sorted((entry.nick, entry.rooms) for entry in Attendance(copy).read())
        finally:
            os.close(copy)

    try:
        monkeypatch.setattr("broker.attendance._SPARE", 300)
        sheet, people = Attendance(fd), desk.state.people
        sheet.write(people.touched, people.by_conn.values())
        people.touched.clear()
        monkeypatch.setattr("os.pwrite", noted_pwrite)
        monkeypatch.setattr("os.ftruncate", noted_ftruncate)
        begins = set()
        for _ in range(60):
            people.touch(people.by_conn[ANN])
            sheet.write(people.touched, people.by_conn.values())
            people.touched.clear()
            begins.add(sheet._begin)
        monkeypatch.undo()
        assert len(begins) >= 3  # as it was, behind it, before it
        assert {tuple((nick, *(rooms or ())) for nick, rooms in told(content)) for content in stood} == {
            (("ann", "#tea"), ("bob", "#tea"), ("eve", "#tea"))
        }
        assert os.fstat(fd).st_size < 5000
    finally:
        os.close(fd)


def test_a_sheet_does_not_grow_with_time() -> None:
    desk = Desk()
    desk.enter(ANN, "ann", "#tea")
    fd = a_sheet()
    try:
        sheet, people = Attendance(fd), desk.state.people
        for number in range(30_000):
            person = people.by_conn[ANN]
            person.away = f"{number} " + "x" * 100
            people.touch(person)
            sheet.write(people.touched, people.by_conn.values())
        assert os.fstat(fd).st_size < 3 << 20
        (entry,) = Attendance(fd).read()
        assert (entry.nick, entry.rooms, entry.away) == ("ann", ["#tea"], person.away)
    finally:
        os.close(fd)


def test_a_worker_that_attaches_after_others_were_served_is_told_who_is_there() -> None:
    desk = restarted("one")
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob", "#tea")], {"#tea": 1}), NOON)
    desk.ask(BOB, native.Leave(room="#tea"), native.Ok)  # before eve's worker could hear of it
    desk.state.attach(Attach(2, [seat(EVE, "eve", "#tea")], {"#tea": 0}), NOON, late=True)
    desk.state.attach(Attach(2, [], {}), NOON, late=True)
    desk.commit()
    cards = [native.Person(nick, "#123456", "lunch") for nick in ("ann", "eve")]
    told = [event.event if isinstance(event, Announced) else type(event) for event in desk.told[2]]
    assert told == [Posted, native.People(people=cards, count=2, room="#tea")]


def test_what_is_new_comes_after_what_was_missed_though_seats_come_in_parts() -> None:
    desk = restarted("one")
    desk.state.attach(Attach(2, [seat(EVE, "eve", "#tea")], {"#tea": 1}), NOON)
    desk.state.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 0}), NOON, late=True)
    desk.say(EVE, "#tea", "two")
    told = list(desk.told[1])
    desk.state.attach(Attach(1, [seat(BOB, "bob", "#tea")], {"#tea": 0}), NOON, late=True)
    desk.state.attach(Attach(1, [], {}), NOON, late=True)
    desk.commit()
    told += desk.told[1]
    assert [event.msg.text for event in told if isinstance(event, Posted)] == ["one", "two", "one", "two"]
    assert [type(event.event) for event in told if isinstance(event, Announced)] == [native.People]


def test_the_larger_a_room_the_fewer_of_its_people_are_told_to_all() -> None:
    def told(count: int) -> int:
        members = {number: Person(number, b"", f"n{number}", "", "", "", 0) for number in range(count)}
        return len(queries.resync(Room("#tea", members)).people)

    assert [told(count) for count in (3, 999, 2000, 10_000)] == [3, 999, 500, 200]
