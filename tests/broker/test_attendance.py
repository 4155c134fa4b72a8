"""What no worker can tell a new broker stands on the attendance sheet."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from broker.attendance import Attendance, Entry
from protocol import native
from protocol.ipc import Announced, Attach
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, seat, sizes, token


@pytest.fixture
def sheet() -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def note(sheet: Attendance, desk: Desk) -> None:
    """Have everybody who changed noted, as the broker does after each step."""
    people = desk.state.people
    sheet.write(people.touched, people.by_conn.values())
    people.touched.clear()


def successor(desk: Desk, *attaches: Attach, awaited: frozenset[int] = frozenset()) -> Desk:
    """A broker that has the attendance sheet of an earlier one, as the workers in ``attaches`` tell of themselves."""
    after = Desk(log=desk.log)
    after.rid = 100
    with tempfile.TemporaryFile() as file:
        note(Attendance(file.fileno()), desk)
        after.state.seating.restore(Attendance(file.fileno()).read(), until=30.0)
    for attach in attaches:
        after.state.seating.attach(attach)
    after.state.seating.let_go(awaited)
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
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea", returns=False)], {"#tea": 0}))
    desk.commit()
    assert desk.told == {}
    assert desk.state.seating.expire(31.0) is None
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
    assert [person.nick for person in desk.state.people.by_uid.values()] == ["ann"]
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
    assert desk.state.seating.expire(31.0) is None
    assert desk.refused(ANN, native.Hello(nick="ann", token=token("ann"))) == "bad-request"


def test_nobody_else_is_introduced_where_somebody_lingers() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    desk = successor(before, Attach(1, [], {}))
    assert desk.refused(ANN, native.Hello(nick="bob", token=token("bob"))) == "bad-request"


def test_a_worker_that_tells_of_another_person_at_a_connection_leaves_no_ghost() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    desk = successor(before, Attach(1, [seat(ANN, "mallory", "#tea", of="mallory")], {}))
    assert [person.nick for person in desk.ask(ANN, native.Who(), native.People).people] == ["mallory"]
    desk.state.seating.worker_lost(1, until=30.0)
    desk.state.seating.expire(31.0)
    assert sizes(desk) == [0, 0, 0, 0, 0, 0, 0]


def test_of_two_in_the_sheet_who_cannot_both_be_here_one_is() -> None:
    """A kill may tear the sheet between the entries of one who gave up a nick and one who took it."""
    desk = Desk()
    ann = Entry(b"a" * 16, b"a" * 16, ANN, "ann", "192.0.2.7", "native", returns=True, rooms=["#tea"])
    bob = Entry(b"b" * 16, b"b" * 16, BOB, "Ann", "192.0.2.7", "native", returns=True, rooms=["#tea"])
    cyd = Entry(b"c" * 16, b"c" * 16, ANN, "cyd", "192.0.2.7", "native", returns=True, rooms=["#tea"])
    desk.state.seating.restore([ann, bob, cyd], until=30.0)
    assert [person.nick for person in desk.state.people.by_uid.values()] == ["ann"]
    desk.state.seating.expire(31.0)
    assert sizes(desk) == [0, 0, 0, 0, 0, 0, 0]


def test_a_sheet_torn_by_a_kill_has_all_but_the_last_entry(sheet: int) -> None:
    desk, noted = Desk(), Attendance(sheet)
    desk.enter(ANN, "ann", "#tea")
    note(noted, desk)
    whole = os.fstat(sheet).st_size
    desk.enter(BOB, "bob", "#tea")
    note(noted, desk)
    for cut in range(whole, os.fstat(sheet).st_size):
        os.ftruncate(sheet, cut)
        assert [entry.nick for entry in Attendance(sheet).read()] == ["ann"]
        assert os.fstat(sheet).st_size == whole


def test_a_broker_killed_while_it_writes_the_sheet_anew_leaves_one_whole_sheet(
    sheet: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, noted = Desk(), Attendance(sheet)
    for who, nick in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):
        desk.enter(who, nick, "#tea")
    stood: list[bytes] = []  # in the file, at each moment at which a kill may come
    pwrite, ftruncate = os.pwrite, os.ftruncate

    def stands() -> None:
        stood.append(os.pread(sheet, os.fstat(sheet).st_size, 0))

    def watched_pwrite(fd: int, content: bytes, at: int) -> int:
        for cut in range(0, len(content), 50) if len(content) > 12 else ():  # what is short is written at once
            pwrite(fd, content[:cut], at)
            stands()
        written = pwrite(fd, content, at)
        stands()
        return written

    def watched_ftruncate(fd: int, size: int) -> None:
        ftruncate(fd, size)
        stands()

    monkeypatch.setattr("broker.attendance._SPARE", 300)
    note(noted, desk)
    monkeypatch.setattr("os.pwrite", watched_pwrite)
    monkeypatch.setattr("os.ftruncate", watched_ftruncate)
    begins = set()
    for _ in range(60):
        desk.state.people.touch(desk.state.people.by_conn[ANN].person)
        note(noted, desk)
        begins.add(noted._begin)
    monkeypatch.undo()
    assert len(begins) >= 3  # as it was, behind it, before it
    assert os.fstat(sheet).st_size < 5000
    for content in stood:
        ftruncate(sheet, 0)
        pwrite(sheet, content, 0)
        here = sorted((entry.nick, entry.rooms) for entry in Attendance(sheet).read())
        assert here == [("ann", ["#tea"]), ("bob", ["#tea"]), ("eve", ["#tea"])]


def test_a_sheet_does_not_grow_with_time(sheet: int) -> None:
    desk, noted = Desk(), Attendance(sheet)
    desk.enter(ANN, "ann", "#tea")
    ann = desk.state.people.by_conn[ANN].person
    for number in range(30_000):
        ann.away = f"{number} " + "x" * 100
        desk.state.people.touch(ann)
        note(noted, desk)
    assert os.fstat(sheet).st_size < 3 << 20
    (entry,) = Attendance(sheet).read()
    assert (entry.nick, entry.rooms, entry.away) == ("ann", ["#tea"], ann.away)
