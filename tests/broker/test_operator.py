"""What the operator's shell asks of the chat, and is told."""

import msgspec

from broker.accounts import Account, Accounts
from broker.operator import Operator
from protocol import native, operator
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
