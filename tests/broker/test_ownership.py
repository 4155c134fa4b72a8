"""Nicks that belong to accounts, and those that nobody can have."""

import pytest

from protocol import accounts, native
from protocol.ipc import Announced, Attach
from tests.broker.desk import BOB, EVE, Desk, seat, settings
from tests.broker.members import come, log_in, register
from tests.broker.test_attendance import successor

WARNING = "the nick ann belongs to the account ann: log in to it, or take another nick; in 60 seconds you are given one"


def expire(desk: Desk, now: float) -> float | None:
    due = desk.state.seating.expire(now)
    desk.commit()
    return due


def held(desk: Desk) -> Desk:
    """Somebody is called ann when that becomes an account's, of which nobody is here but one under another nick."""
    desk.enter(BOB, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    log_in(desk, EVE, register(desk, "ann"))
    return desk


def test_who_holds_a_nick_that_becomes_an_accounts_is_warned_and_renamed_after_a_while(desk: Desk) -> None:
    held(desk)
    assert desk.told_to(BOB) == [native.Notice(text=WARNING)]
    assert expire(desk, 100.0) == 160.0
    assert expire(desk, 159.9) == 160.0
    assert desk.told == {}
    assert expire(desk, 160.0) is None
    assert desk.notes[-1] == "ann2 renamed from ann, an account's"
    renamed = native.Renamed(room="#tea", old="ann", nick="ann2")
    assert Announced("#tea", renamed) in desk.told[1]
    assert desk.told_to(BOB) == [native.Notice(text="you are ann2 now: ann belongs to an account")]
    assert desk.refused(BOB, native.Nick(nick="Ann")) == "nick-reserved"
    desk.ask(EVE, native.Nick(nick="ann"), native.Ok)


def test_what_looks_like_an_accounts_nick_is_given_up_too(desk: Desk) -> None:
    desk.enter(BOB, "раураl", "#tea")
    desk.enter(EVE, "eve")
    log_in(desk, EVE, register(desk, "paypal"))
    expire(desk, 0.0)
    expire(desk, 60.0)
    assert desk.state.people.by_conn[BOB].person.nick != "раураl"


@pytest.mark.parametrize("way", ["nick", "log in", "go", "the account goes"])
def test_who_gives_up_the_nick_or_owns_it_in_time_is_left_alone(desk: Desk, way: str) -> None:
    held(desk)
    expire(desk, 0.0)
    account = desk.state.accounts.account("ann")
    assert account is not None
    match way:
        case "nick":
            desk.ask(BOB, native.Nick(nick="bob"), native.Ok)
        case "log in":
            log_in(desk, BOB, account)
        case "go":
            desk.gone(BOB)
        case _:
            desk.state.gate.registrar.drop(account)
            desk.commit()
    nicks = sorted(person.nick for person in desk.ask(EVE, native.Who(), native.People).people)
    assert expire(desk, 60.0) is None
    assert sorted(person.nick for person in desk.ask(EVE, native.Who(), native.People).people) == nicks


def test_the_warning_is_given_once_and_counts_anew_for_a_new_broker(desk: Desk) -> None:
    held(desk)
    account = desk.state.accounts.account("ann")
    assert account is not None
    expire(desk, 0.0)
    log_in(desk, EVE, account)
    assert desk.told_to(BOB) == []
    after = successor(desk, Attach(1, [seat(BOB, "ann", "#tea")], {}))
    assert native.Notice(text=WARNING) in after.told_to(BOB)
    assert expire(after, 1000.0) == 1060.0
    expire(after, 1060.0)
    assert after.state.people.by_conn[BOB].person.nick == "ann2"


def test_the_time_is_a_setting() -> None:
    desk = held(Desk(settings(nick_grace=0.0)))
    assert expire(desk, 5.0) == 5.0
    expire(desk, 5.0)
    assert desk.state.people.by_conn[BOB].person.nick == "ann2"


def test_who_is_in_no_room_is_told_of_the_new_nick(desk: Desk) -> None:
    desk.enter(BOB, "ann")
    desk.enter(EVE, "eve")
    log_in(desk, EVE, register(desk, "ann"))
    expire(desk, 0.0)
    expire(desk, 60.0)
    assert native.Renamed(room="@", old="ann", nick="ann2") in desk.told_to(BOB)


@pytest.mark.parametrize("nick", ["admin", "NickServ", "аdmin"])
def test_names_of_those_in_charge_are_nobodys(desk: Desk, nick: str) -> None:
    no = come(desk, BOB, nick)
    assert isinstance(no, native.Error)
    assert (no.code, no.text.partition(":")[0]) == ("nick-reserved", f"{nick} is reserved")
    assert no.free is not None
    assert isinstance(come(desk, BOB, no.free), native.Welcome)
    assert desk.refused(BOB, accounts.Register(account=nick, password="correct horse battery")) == "nick-reserved"
