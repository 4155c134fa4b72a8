"""What the operator's shell asks of the chat, and is told."""

import msgspec
import pytest

from broker.accounts import Account, Accounts
from broker.credentials import Costs, made
from broker.operator import Operator, answers
from protocol import native, operator
from protocol.accounts import LoggedIn, LoggedOut, Register, Sasl
from protocol.ipc import Asked
from protocol.operator import Order
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk

ASKED = Asked(b"{}", 90.0, 3)


def found(desk: Desk, order: Order) -> operator.Found | None:
    return Operator(desk.state, lambda: 4096).find(ASKED, order, NOON + 60_000)


def test_users_are_listed_by_nick_with_where_they_come_from(desk: Desk) -> None:
    desk.enter(BOB, "Bob", "#tea", "#den")
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, native.Away(text="lunch"), native.Ok)
    listed = found(desk, operator.Users())
    assert isinstance(listed, operator.UserList)
    assert listed.count == 2
    ann, bob = listed.users
    assert (ann.nick, ann.away, ann.rooms, ann.dialects, ann.addresses) == (
        "ann",
        "lunch",
        ["#tea"],
        ["native"],
        ["192.0.2.7"],
    )
    assert (bob.nick, bob.away, bob.rooms, bob.idle, bob.lingers) == ("Bob", None, ["#den", "#tea"], 59, False)


def test_rooms_are_listed_fullest_first_with_those_that_nobody_is_in(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#den")
    desk.enter(BOB, "bob", "#tea")
    desk.ask(ANN, native.Topic(cmid="t", room="#den", text="hush"), native.Ok)
    desk.say(ANN, "#den", "hi")
    desk.ask(ANN, native.Leave(room="#den"), native.Ok)
    listed = found(desk, operator.Rooms())
    assert isinstance(listed, operator.RoomList)
    assert [(room.room, room.people, room.messages, room.topic) for room in listed.rooms] == [
        ("#tea", 2, 0, ""),
        ("#den", 0, 2, "hush"),
    ]


def test_statistics_count_everything(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve")
    desk.say(ANN, "#tea", "hi")
    desk.say(ANN, "@eve", "psst")  # lies in two inboxes
    Accounts(desk.log).create(Account(name="ann", uid="ab" * 16, since=NOON))
    counted = found(desk, operator.Stats())
    assert isinstance(counted, operator.Statistics)
    assert msgspec.structs.asdict(counted) | {"version": ""} == {
        "people": 2,
        "devices": {"native": 2},
        "rooms": 1,
        "rooms_kept": 1,
        "messages": 3,
        "accounts": 1,
        "log_bytes": 4096,
        "uptime": 90.0,
        "restarts": 3,
        "version": "",
    }
    listed = found(desk, operator.Accounts())
    assert listed == operator.AccountList(accounts=[operator.AccountLine("ann", NOON)], count=1)


def test_of_very_many_accounts_no_more_are_read_than_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts(desk.log)
    for number in range(5):
        accounts.create(Account(name=f"ann{number}", uid=f"{number}" * 32, since=NOON))
    monkeypatch.setattr("broker.operator.LISTED", 2)
    listed = found(desk, operator.Accounts())
    assert isinstance(listed, operator.AccountList)
    assert [line.account for line in listed.accounts] == ["ann0", "ann1"]
    assert listed.count == 5
    assert len(accounts.all(3)) == 3
    desk.log.remember("account/ann0", "what no version knows")
    assert [account.name for account in accounts.all(2)] == ["ann1"]


def carried_out(desk: Desk, order: Order) -> native.Event:
    carrier = Operator(desk.state, lambda: 4096)
    number = carrier.carry_out(order, NOON)
    return answers(desk.out)[number]


def test_an_account_becomes_an_admin_and_is_told_and_is_none_when_that_could_not_be_stored(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.ask(ANN, Register(password="correct horse"), LoggedIn)
    assert carried_out(desk, operator.Admin(account="Ann")) == native.Ok()
    desk.commit()
    told = [event for event in desk.told_to(ANN) if isinstance(event, LoggedIn)]
    assert [event.admin for event in told] == [True]
    assert desk.state.people.by_conn[ANN].person.card.admin
    carried_out(desk, operator.Admin(account="ann", on=False))
    desk.log.rollback()
    desk.state.rolled_back()
    desk.out.refuse_unstored(desk.state.last, desk.log.topic, native.Error(code="storage", text="x"))
    desk.gather()
    assert desk.state.people.by_conn[ANN].person.card.admin
    account = Accounts(desk.log).account("ann")
    assert account is not None
    assert account.admin


def test_an_account_is_dropped_and_its_people_are_guests(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.ask(ANN, Register(password="correct horse"), LoggedIn)
    assert carried_out(desk, operator.Drop(account="ann")) == native.Ok()
    desk.commit()
    assert [type(event) for event in desk.told_to(ANN)][-1] is LoggedOut
    assert Accounts(desk.log).all() == []


def test_what_cannot_be_stored_is_told_the_operator_as_an_error(desk: Desk) -> None:
    Accounts(desk.log).create(Account(name="ann", uid="ab" * 16, since=NOON))
    desk.commit()
    carrier = Operator(desk.state, lambda: 4096)
    number = carrier.carry_out(operator.Drop(account="ann"), NOON)
    desk.log.rollback()
    desk.out.refuse_unstored(desk.state.last, desk.log.topic, native.Error(code="storage", text="x"))
    answer = answers(desk.out)[number]
    assert isinstance(answer, native.Error)
    assert answer.code == "storage"


def test_an_account_that_there_is_not_is_neither(desk: Desk) -> None:
    for order in (operator.Admin(account="nobody"), operator.Drop(account="x" * 300)):
        answer = carried_out(desk, order)
        assert isinstance(answer, native.Error)
        assert answer.code == "no-such-account"


def test_somebody_who_forgot_the_password_gets_another_and_is_logged_out(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.ask(ANN, Register(password="correct horse"), LoggedIn)
    kept = made("battery staple", Costs(8, 1, 1, 4096))
    assert kept.scram is not None
    scram = (kept.scram.salt, kept.scram.iterations, kept.scram.stored_key, kept.scram.server_key)
    assert carried_out(desk, operator.Reset(account="Ann", password=kept.password, scram=scram)) == native.Ok()
    desk.commit()
    assert [type(event) for event in desk.told_to(ANN)][-1] is LoggedOut
    assert desk.refused(BOB, Sasl(mech="PLAIN", data="\0ann\0correct horse")) == "login-failed"
    assert desk.ask(EVE, Sasl(mech="PLAIN", data="\0ann\0battery staple"), LoggedIn).account == "ann"
