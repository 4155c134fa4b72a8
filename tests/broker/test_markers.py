"""How far people have read, on all their devices."""

import pytest

from broker.log import LogError
from broker.markers import MAX_KEPT
from protocol import moderation, native
from protocol.accounts import Read, ReadUpto
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn
from tests.broker.members import come, log_in, log_out, register

PHONE = conn(2, 7)


def talk(desk: Desk, *texts: str) -> None:
    desk.enter(BOB, "bob", "#tea")
    for text in texts:
        desk.say(BOB, "#tea", text)


def two_devices(desk: Desk) -> None:
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    for who in (ANN, PHONE):
        desk.ask(who, native.Join(room="#tea"), native.Room)


def upto(desk: Desk, who: int, room: str = "#tea") -> int:
    return desk.ask(who, Read(room=room), ReadUpto).seq


def written(desk: Desk) -> dict[str, str]:
    return {key.rpartition("/")[2]: value for key, value in desk.log.recall_under("read/")}


def test_what_one_device_has_read_the_others_are_told(desk: Desk) -> None:
    talk(desk, "one", "two", "three")
    two_devices(desk)
    assert desk.ask(ANN, Read(room="#tea", seq=2), native.Ok).room == "#tea"
    (told,) = desk.told_to(PHONE)
    assert told == ReadUpto(room="#tea", seq=2, time=NOON + 4000)
    assert desk.told_to(ANN) == []
    assert upto(desk, PHONE) == 2
    assert desk.ask(PHONE, native.Join(room="#tea"), native.Room).read == 2


def test_positions_go_forward_only_and_not_beyond_what_is_there(desk: Desk) -> None:
    talk(desk, "one", "two", "three")
    two_devices(desk)
    desk.ask(ANN, Read(room="#tea", seq=3), native.Ok)
    desk.ask(ANN, Read(room="#tea", seq=1), native.Ok)
    assert desk.told_to(PHONE) == []
    assert upto(desk, ANN) == 3
    assert desk.refused(ANN, Read(room="#tea", seq=4)) == "no-such-message"
    assert desk.refused(ANN, Read(room="#cake", seq=1)) == "not-in-room"
    assert desk.refused(ANN, Read(room="a b")) == "bad-room"


def test_the_inbox_is_read_like_a_room(desk: Desk) -> None:
    talk(desk)
    two_devices(desk)
    desk.say(BOB, "@ann", "psst")
    assert upto(desk, ANN, "@") == 0
    desk.ask(ANN, Read(room="@", seq=1), native.Ok)
    assert [event.room for event in desk.told_to(PHONE) if isinstance(event, ReadUpto)] == ["@"]
    assert upto(desk, PHONE, "@") == 1


def test_marking_every_message_writes_a_row_a_second(desk: Desk) -> None:
    talk(desk, *"abcdefgh")
    two_devices(desk)
    before = desk.log.written
    for seq in range(1, 6):
        desk.ask(ANN, Read(room="#tea", seq=seq), native.Ok)
    assert desk.state.expire(10.0) is not None
    assert desk.log.written == before
    desk.ask(ANN, Read(room="#tea", seq=6), native.Ok)
    assert desk.state.expire(11.0) is None
    desk.commit()
    assert desk.log.written == before + 1
    assert written(desk) == {"#tea": "6"}
    assert desk.state.expire(20.0) is None


def test_a_new_broker_knows_what_accounts_have_read(desk: Desk) -> None:
    talk(desk, "one", "two")
    two_devices(desk)
    desk.ask(ANN, Read(room="#tea", seq=2), native.Ok)
    desk.state.expire(0.0)
    desk.state.expire(1.0)
    desk.commit()
    after = Desk(log=desk.log)
    account = after.state.accounts.account("ann")
    assert account is not None
    come(after, ANN, "ann", account)
    assert after.ask(ANN, native.Join(room="#tea"), native.Room).read == 2


def test_what_could_not_be_stored_is_written_later(desk: Desk) -> None:
    talk(desk, "one", "two")
    two_devices(desk)
    desk.ask(ANN, Read(room="#tea", seq=2), native.Ok)
    desk.state.expire(0.0)
    desk.state.expire(1.0)
    desk.log.rollback()
    desk.state.rolled_back()
    assert written(desk) == {}
    desk.state.expire(2.0)
    desk.state.expire(3.0)
    desk.commit()
    assert written(desk) == {"#tea": "2"}


def test_a_guest_who_logs_in_goes_on_where_it_read_and_the_other_way_round(desk: Desk) -> None:
    talk(desk, "one", "two", "three")
    ann = register(desk, "ann")
    desk.enter(ANN, "guest", "#tea")
    desk.ask(ANN, Read(room="#tea", seq=2), native.Ok)
    log_in(desk, ANN, ann)
    assert upto(desk, ANN) == 2
    desk.enter(PHONE, "phone", "#tea")
    desk.ask(PHONE, Read(room="#tea", seq=3), native.Ok)
    log_in(desk, PHONE, ann)
    assert [event.seq for event in desk.told_to(ANN) if isinstance(event, ReadUpto)] == [3]
    log_out(desk, PHONE)
    assert (upto(desk, PHONE), upto(desk, ANN)) == (3, 3)
    desk.say(BOB, "#tea", "four")
    desk.ask(PHONE, Read(room="#tea", seq=4), native.Ok)
    assert (upto(desk, PHONE), upto(desk, ANN)) == (4, 3)


def test_a_device_that_logs_in_is_told_what_the_others_have_read(desk: Desk) -> None:
    talk(desk, "one", "two", "three")
    two_devices(desk)
    desk.ask(ANN, Read(room="#tea", seq=3), native.Ok)
    third = conn(2, 8)
    desk.enter(third, "third", "#tea")
    account = desk.state.accounts.account("ann")
    assert account is not None
    log_in(desk, third, account)
    assert [event.seq for event in desk.told_to(third) if isinstance(event, ReadUpto)] == [3]


def test_an_account_keeps_so_many_and_those_of_rooms_it_has_left_give_way(desk: Desk) -> None:
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    for number in range(MAX_KEPT + 5):
        room = f"#r{number}"
        desk.ask(ANN, native.Join(room=room), native.Room)
        desk.say(ANN, room, "hi", f"m{number}")
        desk.ask(ANN, Read(room=room, seq=1), native.Ok)
        if number < MAX_KEPT:
            desk.ask(ANN, native.Leave(room=room), native.Ok)
    desk.state.expire(0.0)
    desk.state.expire(1.0)
    desk.commit()
    assert len(written(desk)) == MAX_KEPT
    assert "#r0" not in written(desk)
    assert f"#r{MAX_KEPT + 4}" in written(desk)


def test_a_guest_keeps_no_more_than_that_either(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.say(ANN, "@ann", "hi")
    for number in range(MAX_KEPT + 5):
        desk.ask(ANN, Read(room=f"@nick{number}", seq=1), native.Ok)
    assert len(desk.state.people.by_conn[ANN].person.read or {}) == MAX_KEPT


def test_what_cannot_be_read_for_the_moment_keeps_nobody_from_being_who_they_are(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    talk(desk, "one", "two")
    desk.ask(ANN, Read(room="#tea", seq=2), native.Ok)
    desk.state.expire(0.0)
    desk.state.expire(1.0)
    desk.commit()
    desk.gone(ANN)

    def broken(_prefix: str) -> list[tuple[str, str]]:
        raise LogError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(desk.log, "recall_under", broken)
        log_in(desk, BOB, ann)
    assert desk.state.people.by_conn[BOB].person.account == "ann"
    assert upto(desk, BOB) == 2


def test_a_room_that_gets_another_name_is_read_as_far_as_before(desk: Desk) -> None:
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    desk.ask(ANN, moderation.Claim(room="#tea"), native.Ok)
    desk.say(ANN, "#tea", "one")
    desk.ask(ANN, Read(room="#tea", seq=1), native.Ok)
    desk.state.expire(0.0)
    desk.state.expire(1.0)
    desk.commit()
    desk.ask(ANN, moderation.Retitle(room="#tea", name="#chai"), native.Ok)
    assert upto(desk, ANN, "#chai") == 1
    desk.state.expire(2.0)
    desk.state.expire(3.0)
    desk.commit()
    assert written(desk) == {"#chai": "1"}


def test_a_dropped_account_leaves_nothing(desk: Desk) -> None:
    talk(desk, "one")
    two_devices(desk)
    desk.ask(ANN, Read(room="#tea", seq=1), native.Ok)
    desk.state.expire(0.0)
    desk.state.expire(1.0)
    desk.commit()
    account = desk.state.accounts.account("ann")
    assert account is not None
    desk.state.gate.registrar.drop(account)
    desk.commit()
    assert written(desk) == {}


def test_a_dropped_account_leaves_nothing_that_was_about_to_be_written(desk: Desk) -> None:
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    talk(desk, "one", "two")
    desk.state.expire(0.0)
    desk.ask(ANN, Read(room="#tea", seq=1), native.Ok)
    desk.state.expire(1.0)
    desk.commit()
    desk.ask(ANN, Read(room="#tea", seq=2), native.Ok)
    desk.state.gate.registrar.drop(ann)
    desk.commit()
    desk.state.markers.rolled_back()
    desk.state.expire(2.0)
    desk.state.expire(9.0)
    desk.commit()
    assert written(desk) == {}


def test_what_somebody_said_has_a_position_of_its_own_beside_that_of_the_inbox(desk: Desk) -> None:
    for who, nick in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):
        desk.enter(who, nick)
    desk.say(BOB, "@ann", "one")
    desk.say(EVE, "@ann", "two")
    assert desk.ask(ANN, Read(room="@Bob", seq=1), native.Ok).room == "@bob"
    assert desk.ask(ANN, Read(room="@bob"), ReadUpto).seq == 1
    assert desk.ask(ANN, Read(room="@eve"), ReadUpto).seq == 0
    assert desk.ask(ANN, Read(room="@"), ReadUpto).seq == 0
    desk.ask(ANN, Read(room="@", seq=2), native.Ok)
    assert desk.ask(ANN, Read(room="@eve"), ReadUpto).seq == 2
    assert desk.refused(ANN, Read(room="@not a nick")) in ("bad-nick", "bad-room")


def test_a_time_marks_the_last_message_that_is_not_later(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    times = [desk.say(ANN, "#tea", text).time or 0 for text in ("one", "two", "three")]
    for time, seq in ((times[0] - 1, 0), (times[1], 2), (times[0], 2), (times[2] - 1, 2), (1 << 53, 3)):
        upto = desk.ask(ANN, Read(room="#tea", time=time), ReadUpto)
        assert (upto.seq, upto.time) == (seq, times[seq - 1] if seq else 0)
