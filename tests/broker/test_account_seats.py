"""Seats of those who are logged in, as workers and the attendance sheet tell a new broker of them."""

import msgspec
import pytest

from broker.accounts import Account
from protocol import accounts, native
from protocol.ipc import Announced, Attach, ConnId, Parted, Seat, Told, Vouched
from tests.broker.desk import ANN, BOB, Desk, conn, seat
from tests.broker.members import come, log_in, register, ticket
from tests.broker.test_attendance import successor

PHONE = conn(2, 7)


def vouched(desk: Desk, who: ConnId, nick: str, account: Account, *rooms: str, of: str = "", proof: str = "") -> Seat:
    told = seat(who, nick, *rooms, of=of or nick)
    return msgspec.structs.replace(told, ticket=proof or ticket(desk, who, account), secure=True, away=None)


@pytest.fixture
def before() -> Desk:
    """A broker with bob, and ann on two devices at two workers, in #tea."""
    desk = Desk()
    desk.enter(BOB, "bob", "#tea")
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    for who in (ANN, PHONE):
        desk.ask(who, native.Join(room="#tea"), native.Room)
    return desk


def account_of(desk: Desk) -> Account:
    account = desk.state.accounts.account("ann")
    assert account is not None
    return account


def people(desk: Desk) -> list[tuple[str, str | None]]:
    return [(person.nick, person.account) for person in desk.ask(BOB, native.Who(), native.People).people]


def test_tickets_make_two_seats_one_person_without_a_sheet(before: Desk) -> None:
    ann = account_of(before)
    desk = Desk(log=before.log)
    desk.state.seating.attach(Attach(1, [seat(BOB, "bob", "#tea"), vouched(desk, ANN, "ann", ann, "#tea")], {}))
    desk.state.seating.attach(Attach(2, [vouched(desk, PHONE, "ann", ann, "#tea", of="phone")], {}))
    desk.commit()
    assert people(desk) == [("ann", "ann"), ("bob", None)]
    desk.say(BOB, "@ann", "psst")
    told = [event for events in desk.told.values() for event in events if isinstance(event, Told)]
    assert {event.conn for event in told} == {ANN, PHONE, BOB}


@pytest.mark.parametrize("proof", ["1 00 ann", "nonsense", "another's"])
def test_a_forged_ticket_makes_a_guest_of_the_seat(before: Desk, proof: str) -> None:
    ann = account_of(before)
    desk = Desk(log=before.log)
    forged = ticket(desk, ANN, ann) if proof == "another's" else proof
    desk.state.seating.attach(Attach(1, [seat(BOB, "bob", "#tea")], {}))
    desk.state.seating.attach(Attach(2, [vouched(desk, PHONE, "ann", ann, "#tea", proof=forged)], {}))
    desk.commit()
    assert Vouched(PHONE, "") in desk.told[2]
    assert [type(event) for event in desk.told_to(PHONE)] == [accounts.LoggedOut, native.Notice]
    assert people(desk) == [("ann", None), ("bob", None)]
    desk.state.seating.expire(0.0)
    desk.state.seating.expire(60.0)
    desk.commit()
    assert people(desk) == [("ann2", None), ("bob", None)]


def test_a_guest_whose_nick_its_account_has_by_now_is_given_another(before: Desk) -> None:
    ann = account_of(before)
    desk = Desk(log=before.log)
    desk.state.seating.attach(Attach(1, [seat(BOB, "bob"), vouched(desk, ANN, "ann", ann)], {}))
    desk.state.seating.attach(Attach(2, [vouched(desk, PHONE, "ann", ann, of="phone", proof="forged")], {}))
    desk.commit()
    told = desk.told_to(PHONE)
    assert accounts.LoggedOut(nick="ann2", reason="what proved your account does not any more; log in again") in told
    assert people(desk) == [("ann", "ann"), ("ann2", None), ("bob", None)]


def test_of_two_seats_that_disagree_about_the_nick_the_first_is_right(before: Desk) -> None:
    ann = account_of(before)
    desk = Desk(log=before.log)
    desk.state.seating.attach(Attach(1, [seat(BOB, "bob"), vouched(desk, ANN, "annie", ann, of="ann")], {}))
    desk.state.seating.attach(Attach(2, [vouched(desk, PHONE, "ann", ann, of="phone")], {}))
    desk.commit()
    assert native.Renamed(room="@", old="ann", nick="annie", account="ann") in desk.told_to(PHONE)
    assert people(desk) == [("annie", "ann"), ("bob", None)]


def test_no_worker_takes_a_nick_from_its_account_by_coming_first(before: Desk) -> None:
    ann, eve = account_of(before), conn(3, 1)
    hostile = Attach(3, [seat(eve, "ann", "#tea", of="eve")], {})
    sound = Attach(1, [seat(BOB, "bob", "#tea"), vouched(before, ANN, "ann", ann, "#tea")], {})
    desk = successor(before, hostile, sound)
    assert people(desk) == [("ann", "ann"), ("ann2", None), ("bob", None)]
    assert desk.state.people.by_conn[eve].person.nick == "ann2"


def test_what_a_device_could_not_be_told_it_is_told_with_the_next_link(before: Desk) -> None:
    account = account_of(before)
    told = vouched(before, PHONE, "ann", account, "#tea", of="phone")
    before.state.seating.worker_lost(2, until=30.0)
    before.say(BOB, "@ann", "psst")
    before.ask(ANN, native.Leave(room="#tea"), native.Ok)
    before.ask(ANN, native.Nick(nick="annie"), native.Ok)
    before.state.seating.attach(Attach(2, [told], {}))
    before.commit()
    events = before.told_to(PHONE)
    assert native.Left(room="#tea", nick="annie", account="ann") in events
    assert native.Renamed(room="@", old="ann", nick="annie", account="ann") in events
    assert [event.text for event in events if isinstance(event, native.Msg)] == ["psst"]
    assert Parted(PHONE, "#tea") in before.told[2]

    before.state.seating.worker_lost(2, until=30.0)
    before.state.gate.registrar.drop(account)
    before.state.seating.attach(Attach(2, [msgspec.structs.replace(told, rooms=[])], {}))
    before.commit()
    assert Vouched(PHONE, "") in before.told[2]
    assert [type(event) for event in before.told_to(PHONE)] == [accounts.LoggedOut]


def test_who_lingers_is_still_the_accounts(before: Desk) -> None:
    before.state.seating.worker_lost(2, until=30.0)
    ann = account_of(before)
    desk = successor(before, Attach(1, [seat(BOB, "bob", "#tea"), vouched(before, ANN, "ann", ann, "#tea")], {}))
    assert people(desk) == [("ann", "ann"), ("bob", None)]
    again = conn(3, 1)
    welcome = come(desk, again, "ann", of="phone")
    assert isinstance(welcome, native.Welcome)
    assert welcome.resumed
    assert not [event for event in desk.told.get(1, []) if isinstance(event, Announced)]
    assert desk.state.people.by_conn[again].person is desk.state.people.by_conn[ANN].person


def test_who_lingers_in_an_account_that_is_gone_is_a_guest(before: Desk) -> None:
    before.state.seating.worker_lost(2, until=30.0)
    before.state.accounts.drop(account_of(before))
    before.log.commit()
    desk = successor(before, Attach(1, [seat(BOB, "bob", "#tea")], {}))
    assert ("ann", "ann") not in people(desk)
    assert all(account is None for _nick, account in people(desk))


def test_rooms_that_no_device_hears_are_kept(before: Desk) -> None:
    before.ask(ANN, native.Join(room="#cake"), native.Room)
    before.gone(ANN)
    ann = account_of(before)
    told = vouched(before, PHONE, "ann", ann, "#tea", of="phone")
    desk = successor(before, Attach(1, [seat(BOB, "bob", "#tea")], {}), Attach(2, [told], {}))
    person = desk.state.people.by_conn[PHONE].person
    assert (sorted(person.rooms), sorted(desk.state.people.by_conn[PHONE].rooms)) == (["#cake", "#tea"], ["#tea"])


def test_what_another_device_said_of_the_person_outlives_the_broker(before: Desk) -> None:
    before.ask(PHONE, native.Away(text="lunch"), native.Ok)
    before.gone(PHONE)
    ann = account_of(before)
    desk = successor(before, Attach(1, [seat(BOB, "bob", "#tea"), vouched(before, ANN, "ann", ann, "#tea")], {}))
    assert desk.ask(BOB, native.Whois(nick="ann"), native.Profile).away == "lunch"


def test_a_login_that_no_worker_heard_of_counts_for_nothing(before: Desk) -> None:
    """The sheet has it, the worker will ask again."""
    third = conn(2, 8)
    before.enter(third, "third", "#tea")
    log_in(before, third, account_of(before))
    ann = account_of(before)
    seats = [vouched(before, PHONE, "ann", ann, "#tea", of="phone"), seat(third, "third", "#tea")]
    first = Attach(1, [seat(BOB, "bob", "#tea"), vouched(before, ANN, "ann", ann, "#tea")], {})
    desk = successor(before, first, Attach(2, seats, {}))
    assert people(desk) == [("ann", "ann"), ("bob", None), ("third", None)]
    log_in(desk, third, account_of(desk))
    assert people(desk) == [("ann", "ann"), ("bob", None)]


def test_a_hello_whose_answer_was_lost_with_the_broker_is_answered_by_the_next(before: Desk) -> None:
    ann = account_of(before)
    seats = [seat(BOB, "bob", "#tea"), vouched(before, ANN, "ann", ann, "#tea")]
    desk = successor(before, Attach(1, seats, {}), Attach(2, [], {}))
    again = come(desk, PHONE, "ann", ann, of="phone")
    assert isinstance(again, native.Welcome)
    assert (again.nick, again.resumed) == ("ann", True)
    assert people(desk) == [("ann", "ann"), ("bob", None)]
