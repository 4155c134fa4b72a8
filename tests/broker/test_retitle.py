"""A room gets another name: its messages, people, modes and seqs go with it, and the old name is another room's."""

import itertools
import tempfile
from pathlib import Path

import pytest

from broker import chain
from broker.attendance import Attendance
from broker.audit import Audit
from broker.log import Log, LogError
from broker.moderation import MAX_NAMES
from protocol import moderation, native
from protocol.ipc import Announced, Attach
from protocol.moderation import Change
from tests.broker.desk import ANN, BOB, EVE, Desk, seat, texts
from tests.broker.test_moderation import TEA, change, heard, policy, register, roles

ANNS = b"a" * 16


@pytest.fixture
def tea() -> Desk:
    desk = Desk()
    for who, nick in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):
        desk.enter(who, nick, TEA)
    desk.say(ANN, TEA, "one")
    desk.say(BOB, TEA, "two")
    return desk


def retitle(desk: Desk, who: int = ANN, room: str = TEA, name: str = "#chai", reason: str = "") -> native.Ok:
    return desk.ask(who, moderation.Retitle(room=room, name=name, reason=reason), native.Ok)


def test_everything_goes_with_the_name(tea: Desk) -> None:
    change(tea, ANN, Change("topic-lock"), Change("voice", arg="bob"))
    assert retitle(tea, reason="spring").room == "#chai"
    assert heard(tea, 2) == [moderation.Retitled(room=TEA, name="#chai", by="ann", reason="spring")]
    assert tea.say(EVE, "#chai", "three").seq == 3
    assert texts(tea.ask(BOB, native.History(room="#chai"), native.HistoryPage).messages) == ["one", "two", "three"]
    assert (policy(tea, room="#chai").flags, roles(tea, "bob", "#chai")) == (["topic-lock"], ["voice"])
    rooms = tea.ask(EVE, native.Rooms(), native.RoomList).rooms
    assert [line.room for line in rooms] == ["#chai"]
    assert texts(tea.ask(ANN, native.History(room="!#chai"), native.HistoryPage).messages)[-1] == (
        "gave the room, which was #tea, the name #chai: spring"
    )


def test_what_was_on_its_way_under_the_old_name_arrives(tea: Desk) -> None:
    retitle(tea)
    ok = tea.say(BOB, TEA, "said before bob heard of it")
    assert (ok.room, ok.seq) == ("#chai", 3)
    tea.ask(BOB, native.Leave(room=TEA), native.Ok)


def test_the_old_name_is_free_and_who_knew_it_is_told_the_new_one(tea: Desk) -> None:
    retitle(tea)
    dan = (3 << 32) | 1
    tea.enter(dan, "dan")
    resume = native.Join(room=TEA, after=1, epoch=tea.log.epoch)
    answer = tea.ask(dan, resume, native.Error)
    assert (answer.code, answer.text) == ("no-such-room", "#tea is called #chai now; join that")
    room = tea.ask(dan, native.Join(room=TEA), native.Room)
    assert (room.count, room.seq, room.messages) == (1, 3, [])
    assert roles(tea, "dan") == ["op"]
    assert tea.say(dan, TEA, "another room").seq == 4
    assert texts(tea.ask(dan, native.History(room=TEA), native.HistoryPage).messages) == ["another room"]


def test_who_asks_again_is_told_that_it_is_done(tea: Desk) -> None:
    retitle(tea)
    assert retitle(tea).room == "#chai"
    assert tea.refused(BOB, moderation.Retitle(room=TEA, name="#chai")) == "no-such-room"


def test_the_new_name_of_a_secret_room_is_told_to_nobody(tea: Desk) -> None:
    change(tea, ANN, Change("secret"))
    retitle(tea)
    tea.enter((3 << 32) | 1, "dan")
    for request in (native.Join(room=TEA, after=1, epoch=tea.log.epoch), moderation.Policy(room=TEA)):
        answer = tea.ask((3 << 32) | 1, request, native.Error)
        assert (answer.code, "#chai" in answer.text) == ("no-such-room", False)


def test_a_name_comes_back_where_it_was(tea: Desk) -> None:
    retitle(tea)
    retitle(tea, room="#chai", name=TEA)
    assert tea.say(BOB, TEA, "three").seq == 3
    assert tea.log.rooms().count(TEA) == 1


@pytest.mark.parametrize(
    ("who", "name", "code"),
    [
        (BOB, "#chai", "not-allowed"),
        (ANN, "#lobby", "not-allowed"),
        (ANN, "#b", "room-exists"),
        (ANN, "x", "bad-room"),
        (ANN, "#TEA", "bad-request"),
    ],
)
def test_who_may_not_and_what_cannot_be(tea: Desk, who: int, name: str, code: str) -> None:
    tea.ask(EVE, native.Join(room="#b"), native.Room)
    assert tea.refused(who, moderation.Retitle(room=TEA, name=name)) == code


def test_a_registered_room_stays_its_owners(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    retitle(tea)
    assert tea.state.policies.owned_by("ann") == ["#chai"]


def test_a_worker_that_had_not_heard_of_it_is_told_by_the_next_broker(tea: Desk) -> None:
    retitle(tea)
    after = Desk(log=tea.log)
    after.state.seating.attach(Attach(1, [seat(ANN, "ann", TEA)], {TEA: 2}, tea.log.epoch))
    after.commit()
    assert [event for event in after.told[1] if isinstance(event, Announced)] == [
        Announced(TEA, moderation.Retitled(room=TEA, name="#chai", by="ann"))
    ]
    after.rid = 100
    assert after.say(ANN, "#chai", "three").seq == 3


def test_nor_is_anybody_left_in_the_old_one_who_was_noted_there_when_the_broker_ended(tea: Desk) -> None:
    change(tea, ANN, Change("invite-only"))
    with tempfile.TemporaryFile() as sheet:
        people = tea.state.people
        Attendance(sheet.fileno()).write(dict(people.by_device), people.by_conn.values())
        retitle(tea)
        after = Desk(log=tea.log)
        after.state.seating.restore(Attendance(sheet.fileno()).read(), until=30.0)
        seats = [seat(who, nick, TEA) for who, nick in ((ANN, "ann"), (BOB, "bob"))]
        after.state.seating.attach(Attach(1, seats, {TEA: 2}, tea.log.epoch))
        after.state.seating.attach(Attach(2, [seat(EVE, "eve", TEA)], {TEA: 2}, tea.log.epoch))
        after.commit()
    assert {name: len(room.members) for name, room in after.state.rooms.by_name.items()} == {"#chai": 3}
    assert roles(after, "ann", "#chai") == ["op"]


def test_a_new_room_of_the_old_name_is_not_taken_for_the_old_one(tea: Desk) -> None:
    retitle(tea)
    tea.ask(EVE, native.Join(room=TEA), native.Room)
    after = Desk(log=tea.log)
    after.state.seating.attach(Attach(2, [seat(EVE, "eve", TEA)], {TEA: 3}, tea.log.epoch))
    after.commit()
    assert list(after.state.rooms.by_name) == [TEA]


def test_what_cannot_be_stored_leaves_the_name(tea: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LogError("disk full")

    monkeypatch.setattr(Log, "_write", full)
    with pytest.raises(LogError):
        tea.post(ANN, moderation.Retitle(room=TEA, name="#chai"))
    monkeypatch.undo()
    tea.gather()
    assert 2 not in tea.told
    assert tea.say(ANN, TEA, "three").seq == 3
    assert list(tea.state.rooms.by_name) == [TEA]


def test_a_log_with_other_names_is_sound_and_read_after_a_restart(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    for number in range(5):
        log.append(TEA, ANNS, f"c{number}", number, "ann", "text", f"text {number}")
    log.commit()
    log._rooms[TEA].head = chain.start(TEA)  # as after damage: the chain begins anew under this name
    log.append(TEA, ANNS, "c5", 5, "ann", "text", "text 5")
    log.commit()
    log.retitle([(TEA, "#chai")])
    log.append("#chai", ANNS, "c6", 6, "ann", "text", "text 6")
    log.append(TEA, ANNS, "d", 7, "ann", "text", "elsewhere")
    log.commit()
    log.close()
    with Audit(tmp_path / "moot.db", live=False) as audit:
        list(audit.rows())
        assert audit.damage == []
    again = Log(tmp_path / "moot.db")
    page = again.newest("#chai", 10)
    assert (texts(page.messages), page.gaps) == ([f"text {number}" for number in range(7)], [])
    page = again.newest(TEA, 10)
    assert (texts(page.messages), page.gaps) == (["elsewhere"], [(1, 7)])
    assert again.names() == [(TEA, ""), ("#chai", "")] or again.names() == [("#chai", ""), (TEA, "")]
    again.close()


def test_a_room_that_has_the_name_of_another_one_is_managed_like_any(tea: Desk) -> None:
    retitle(tea)
    register(tea, EVE, "eve")
    tea.ask(EVE, native.Join(room=TEA), native.Room)
    tea.ask(EVE, moderation.Claim(room=TEA), native.Ok)
    tea.ask(EVE, native.Leave(room=TEA), native.Ok)
    tea.ask(EVE, moderation.Ban(mask="bob", room=TEA), native.Ok)


def test_what_is_said_to_a_new_room_of_the_old_name_is_not_said_in_the_other(tea: Desk) -> None:
    retitle(tea)
    tea.ask(EVE, native.Join(room=TEA), native.Room)
    assert tea.refused(BOB, native.Send(cmid="1", to=TEA, text="hi")) == "not-in-room"


def test_nobody_fills_the_server_with_names_that_a_room_had(tea: Desk) -> None:
    called = [TEA, *(f"#x{number}" for number in range(MAX_NAMES))]
    for old, new in itertools.pairwise(called):
        retitle(tea, room=old, name=new)
    assert tea.refused(ANN, moderation.Retitle(room=called[-1], name="#another")) == "too-many-rooms"
    retitle(tea, room=called[-1], name="#x1")
