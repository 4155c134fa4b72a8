"""Devices of one account are one person; logging in and out moves them from person to person."""

import msgspec
import pytest

from broker.accounts import Account
from protocol import accounts, native
from protocol.ipc import Announced, ConnId, Posted, Told, Vouched
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, settings, texts
from tests.broker.members import come, log_in, log_out, register, ticket

PHONE = conn(2, 7)  # ann's second device, at another worker


@pytest.fixture
def ann(desk: Desk) -> Account:
    return register(desk, "ann")


def announced(desk: Desk, worker: int, but: ConnId | None = None) -> list[native.Event]:
    """Return what the last step told rooms at ``worker``, as those hear it whom it is not kept from."""
    found = [event for event in desk.told.get(worker, []) if isinstance(event, Announced)]
    return [event.event for event in found if but is None or event.conn == but]


def nicks(desk: Desk, room: str, asker: ConnId = BOB) -> list[str]:
    return [person.nick for person in desk.ask(asker, native.Who(room=room), native.People).people]


# --- in


def test_a_guest_becomes_the_accounts_person_with_its_nick(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.enter(ANN, "guest", "#tea")
    log_in(desk, ANN, ann)
    was = native.Person("guest")
    assert announced(desk, 1) == [
        native.Changed(room="#tea", who=native.Person("guest", account="ann"), was=was),
        native.Renamed(room="#tea", old="guest", nick="ann", account="ann"),
    ]
    person = desk.state.people.by_conn[ANN].person
    assert (person.uid.hex(), person.nick, person.account) == (ann.uid, "ann", "ann")
    assert nicks(desk, "#tea") == ["ann", "bob"]


def test_an_account_whose_nick_somebody_has_is_called_as_before(desk: Desk) -> None:
    desk.enter(BOB, "ann")
    desk.enter(ANN, "guest")
    log_in(desk, ANN, register(desk, "ann"))
    assert desk.state.people.by_conn[ANN].person.nick == "guest"


def test_a_second_device_joins_the_person_and_the_guest_is_gone(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea", "#cake", "#milk")
    desk.enter(ANN, "ann1", "#tea", "#milk")
    log_in(desk, ANN, ann)
    desk.ask(ANN, native.Away(text="lunch"), native.Ok)
    desk.enter(PHONE, "ann2", "#tea", "#cake")
    desk.told.clear()
    log_in(desk, PHONE, ann)
    who = native.Person("ann", away="lunch", account="ann")
    gone = native.Left(room="#cake", nick="ann2", reason="logged in as ann", quit=True)
    assert announced(desk, 1, but=PHONE) == [
        native.Joined(room="#cake", who=who),
        msgspec.structs.replace(gone, room="#tea"),
        gone,
    ]
    assert desk.told_to(ANN) == [accounts.Inside(rooms=["#cake"])]
    assert desk.told_to(PHONE) == [
        native.Left(room="#tea", nick="ann", account="ann"),
        native.Renamed(room="@", old="ann2", nick="ann", account="ann"),
        native.Changed(room="@", who=who, was=native.Person("ann2")),
        accounts.Inside(rooms=["#milk"]),
    ]
    for room in ("#tea", "#cake", "#milk"):
        assert nicks(desk, room) == ["ann", "bob"]
    assert desk.ask(BOB, native.Who(), native.People).count == 2


def test_a_room_that_only_the_guest_was_in_goes_on(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    desk.enter(PHONE, "ann2", "#cellar")
    desk.say(PHONE, "#cellar", "one")
    log_in(desk, PHONE, ann)
    assert desk.say(PHONE, "#cellar", "two").seq == 2
    assert texts(desk.ask(ANN, native.Join(room="#cellar"), native.Room).messages) == ["one", "two"]


def test_who_is_in_all_the_rooms_allowed_enters_no_more_by_logging_in() -> None:
    desk = Desk(settings(max_rooms_each=2))
    ann = register(desk, "ann")
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#a"), native.Room)
    desk.enter(PHONE, "ann2", "#b", "#c")
    log_in(desk, PHONE, ann)
    assert sorted(desk.state.people.by_conn[ANN].person.rooms) == ["#a", "#b"]
    assert [event.room for event in desk.told_to(PHONE) if isinstance(event, native.Left)] == ["#c"]


def test_rooms_that_do_not_admit_the_person_are_left(desk: Desk, ann: Account) -> None:
    desk.state.seating.merging.admits = lambda person, room: room.name != "#guests" or person.account is None
    come(desk, ANN, "ann", ann)
    desk.enter(PHONE, "ann2", "#guests")
    log_in(desk, PHONE, ann)
    assert desk.state.people.by_conn[PHONE].person.rooms == {}
    assert isinstance(desk.told_to(PHONE)[0], native.Left)
    assert desk.refused(PHONE, native.Send(cmid="c", to="#guests", text="hi")) == "not-in-room"


def test_logging_in_to_another_account_leaves_the_first(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    log_in(desk, PHONE, register(desk, "eve"))
    people = desk.ask(ANN, native.Who(), native.People).people
    assert people == [native.Person("ann", account="ann"), native.Person("eve", account="eve")]


# --- hello


def test_who_is_logged_in_before_hello_is_one_person_with_the_others_of_the_account(desk: Desk, ann: Account) -> None:
    first = come(desk, ANN, "annie", ann)
    assert isinstance(first, native.Welcome)
    assert first.nick == "annie"
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    second = come(desk, PHONE, "someone", ann)
    assert isinstance(second, native.Welcome)
    assert (second.nick, second.people) == ("annie", 1)
    assert desk.told_to(PHONE) == [accounts.Inside(rooms=["#tea"])]
    assert announced(desk, 1) == []


def test_a_forged_ticket_makes_a_guest_who_is_told(desk: Desk, ann: Account) -> None:
    welcome = come(desk, PHONE, "phone", proof=ticket(desk, ANN, ann))
    assert isinstance(welcome, native.Welcome)
    assert desk.state.people.by_conn[PHONE].person.account is None
    assert Vouched(PHONE, "") in desk.told[2]
    assert [type(event) for event in desk.told_to(PHONE)] == [accounts.LoggedOut]


@pytest.mark.parametrize("nick", ["ann", "ANN", "аnn"])
def test_the_nick_of_an_account_and_what_looks_like_it_is_refused_to_others(
    desk: Desk, ann: Account, nick: str
) -> None:
    no = come(desk, BOB, nick)
    assert isinstance(no, native.Error)
    assert no.code == "nick-reserved"
    assert no.free is not None
    assert isinstance(come(desk, BOB, no.free), native.Welcome)
    assert desk.refused(BOB, native.Nick(nick=nick)) == "nick-reserved"
    assert isinstance(come(desk, ANN, "ann", ann), native.Welcome)


# --- several devices


def test_what_one_device_says_the_others_hear(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    desk.enter(BOB, "bob", "#tea")
    for who in (ANN, PHONE):
        desk.ask(who, native.Join(room="#tea"), native.Room)
    desk.say(ANN, "#tea", "hi")
    assert [event.conn for event in desk.told[2] if isinstance(event, Posted)] == [ANN]
    desk.say(ANN, "@bob", "psst")
    told = [event for events in desk.told.values() for event in events if isinstance(event, Told)]
    assert {(event.conn, event.by) for event in told} == {(ANN, ANN), (PHONE, ANN), (BOB, 0)}
    desk.say(BOB, "@ann", "yes?")
    told = [event for events in desk.told.values() for event in events if isinstance(event, Told)]
    assert {event.conn for event in told} == {ANN, PHONE, BOB}
    assert [event.event.seq for event in told if event.conn != BOB and isinstance(event.event, native.Msg)] == [2, 2]


def test_joining_and_leaving_is_the_persons(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea")
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    assert [type(event) for event in announced(desk, 1)] == [native.Joined]
    assert desk.told_to(PHONE) == [accounts.Inside(rooms=["#tea"])]
    assert desk.ask(PHONE, native.Join(room="#tea"), native.Room).count == 2
    assert announced(desk, 1) == []
    assert desk.told_to(ANN) == []
    desk.ask(PHONE, native.Leave(room="#tea", reason="tired"), native.Ok)
    left = native.Left(room="#tea", nick="ann", reason="tired", account="ann")
    assert announced(desk, 1) == [left]
    assert desk.told_to(ANN) == [left]
    assert desk.told_to(PHONE) == []


def test_the_end_of_one_device_is_not_the_persons(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea")
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    for who in (ANN, PHONE):
        desk.ask(who, native.Join(room="#tea"), native.Room)
    desk.ask(PHONE, native.Quit(), native.Bye)
    assert announced(desk, 1) == []
    desk.gone(ANN, "connection closed")
    assert announced(desk, 1) == [
        native.Left(room="#tea", nick="ann", reason="connection closed", quit=True, account="ann")
    ]


def test_what_one_device_changes_the_others_are_told(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    desk.ask(ANN, native.Nick(nick="annie"), native.Ok)
    assert desk.told_to(PHONE) == [native.Renamed(room="@", old="ann", nick="annie", account="ann")]
    assert desk.told_to(ANN) == []
    desk.ask(ANN, native.Color(color="#123456"), native.Ok)
    assert [type(event) for event in desk.told_to(PHONE)] == [native.Changed]


# --- out


def test_a_device_that_logs_out_leaves_a_person_that_stays(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea")
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    for who in (ANN, PHONE):
        desk.ask(who, native.Join(room="#tea"), native.Room)
    log_out(desk, PHONE)
    assert announced(desk, 1, but=PHONE) == [native.Joined(room="#tea", who=native.Person("ann2"))]
    assert desk.told_to(PHONE) == [
        native.Renamed(room="@", old="ann", nick="ann2"),
        native.Changed(room="@", who=native.Person("ann2"), was=native.Person("ann", account="ann")),
        native.Joined(room="#tea", who=native.Person("ann", account="ann")),
        accounts.LoggedOut(nick="ann2", reason=""),
    ]
    assert Vouched(PHONE, "") in desk.told[2]
    assert nicks(desk, "#tea") == ["ann", "ann2", "bob"]


def test_the_last_device_that_logs_out_takes_the_person_along_under_a_free_nick(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea")
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    log_out(desk, ANN, "the account was deleted")
    guest = native.Person("ann")
    assert announced(desk, 1) == [
        native.Changed(room="#tea", who=guest, was=native.Person("ann", account="ann")),
        native.Renamed(room="#tea", old="ann", nick="ann2"),
    ]
    assert desk.told_to(ANN) == [accounts.LoggedOut(nick="ann2", reason="the account was deleted")]
    assert nicks(desk, "#tea") == ["ann2", "bob"]


def test_a_nick_that_belongs_to_nobody_is_kept_when_the_account_is_dropped(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    desk.state.accounts.drop(ann)
    log_out(desk, ANN, "the account was deleted")
    assert desk.state.people.by_conn[ANN].person.nick == "ann"


def test_an_inbox_is_the_persons_so_a_guests_comes_to_light_again(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob")
    desk.enter(ANN, "guest")
    desk.say(BOB, "@guest", "to the guest")
    log_in(desk, ANN, ann)
    desk.say(BOB, "@ann", "to the account")
    inbox = native.History(room="@")
    assert texts(desk.ask(ANN, inbox, native.HistoryPage).messages) == ["to the account"]
    assert desk.state.seating.merging.logged_in(desk.state.people.by_conn[ANN]).inbox == 1
    log_out(desk, ANN)
    assert texts(desk.ask(ANN, inbox, native.HistoryPage).messages) == ["to the guest"]


def test_a_message_that_is_said_again_after_logging_in_is_the_same(desk: Desk, ann: Account) -> None:
    desk.enter(ANN, "guest", "#tea")
    first = desk.say(ANN, "#tea", "hi", "c1")
    log_in(desk, ANN, ann)
    assert desk.say(ANN, "#tea", "hi", "c1").seq == first.seq


# --- take-overs


def take_over(desk: Desk, who: ConnId, nick: str, of: str, *, secure: bool = True) -> native.Event:
    return come(desk, who, nick, of=of, secure=secure)


def test_a_take_over_is_logged_in_as_the_seat_was(desk: Desk, ann: Account) -> None:
    desk.enter(BOB, "bob", "#tea")
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    new = conn(2, 9)
    welcome = take_over(desk, new, "ann", "ann")
    assert isinstance(welcome, native.Welcome)
    assert welcome.resumed
    assert announced(desk, 1) == []
    assert [event.account for event in desk.told_to(new) if isinstance(event, accounts.LoggedIn)] == ["ann"]
    assert Vouched(new, ticket(desk, new, ann)) in desk.told[2]


def test_who_took_a_seat_over_and_has_joined_nothing_yet_is_told_of_its_new_nick(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    come(desk, PHONE, "ann", ann, of="phone")
    new = conn(2, 9)
    take_over(desk, new, "ann", "ann")
    desk.ask(PHONE, native.Nick(nick="annie"), native.Ok)
    assert desk.told_to(new) == [native.Renamed(room="@", old="ann", nick="annie", account="ann")]
    desk.ask(new, native.Join(room="#tea"), native.Room)
    desk.ask(PHONE, native.Nick(nick="ann"), native.Ok)
    assert desk.told_to(new) == []


def test_a_take_over_in_clear_text_from_afar_is_a_guests(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    no = take_over(desk, PHONE, "ann", "ann", secure=False)
    assert isinstance(no, native.Error)
    assert no.code == "nick-reserved"
    assert isinstance(desk.do(ANN, native.Ping()), native.Pong)  # the seat stays
    assert isinstance(take_over(desk, PHONE, "other", "ann", secure=False), native.Welcome)
    assert desk.state.people.by_conn[PHONE].person.account is None


def test_a_token_that_once_came_in_clear_text_never_brings_the_account_again(desk: Desk, ann: Account) -> None:
    come(desk, EVE, "guest", of="phone", secure=False)
    phone = conn(2, 9)
    assert isinstance(take_over(desk, phone, "guest", "phone"), native.Welcome)
    log_in(desk, phone, ann)
    listener = conn(2, 10)
    assert isinstance(take_over(desk, listener, "listener", "phone"), native.Welcome)
    assert desk.state.people.by_conn[listener].person.account is None


def test_one_of_several_devices_that_is_taken_over_without_the_account_is_a_newcomer(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    come(desk, PHONE, "ann", ann, of="phone")
    new = conn(2, 9)
    assert isinstance(take_over(desk, new, "stranger", "phone", secure=False), native.Welcome)
    people = desk.ask(ANN, native.Who(), native.People).people
    assert people == [native.Person("ann", account="ann"), native.Person("stranger")]


def test_a_guests_seat_that_is_taken_over_by_who_is_logged_in_joins_the_person(desk: Desk, ann: Account) -> None:
    come(desk, ANN, "ann", ann)
    desk.enter(EVE, "phone", "#tea")
    welcome = come(desk, PHONE, "phone", ann)
    assert isinstance(welcome, native.Welcome)
    assert (welcome.nick, welcome.resumed) == ("ann", True)
    assert nicks(desk, "#tea", ANN) == ["ann"]
