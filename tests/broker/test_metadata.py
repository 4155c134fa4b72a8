"""What people and rooms say of themselves, at the broker."""

import pytest

from broker.metadata import LATER_S, MEMBERS_TOLD
from protocol import native
from protocol.ipc import Announced
from protocol.metadata import MAX_KEYS, Datum, MetaClear, Metadata, Metadatum, MetaGet, MetaSet
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, settings


@pytest.fixture
def desk() -> Desk:
    return Desk(settings(limits=False))


def test_what_somebody_says_is_told_to_their_rooms_and_kept(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.ask(ANN, MetaSet(target="Ann", key="mood", value="happy"), native.Ok)
    told = Metadatum(room="#tea", target="ann", key="mood", value="happy")
    assert desk.told[2] == [Announced("#tea", told, ANN)]
    found = desk.ask(EVE, MetaGet(target="ann", keys=["mood", "url"]), Metadata)
    assert (found.target, found.values) == ("ann", [Datum("ann", "mood", "happy")])


def test_the_same_again_is_told_to_nobody(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.ask(ANN, MetaSet(target="ann", key="mood", value="happy"), native.Ok)
    desk.ask(ANN, MetaSet(target="ann", key="mood", value="happy"), native.Ok)
    assert 2 not in desk.told
    desk.ask(ANN, MetaSet(target="ann", key="other"), native.Ok)
    assert 2 not in desk.told


def test_only_oneself_may_say_something_of_oneself(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    assert desk.refused(EVE, MetaSet(target="ann", key="mood", value="x")) == "not-allowed"
    assert desk.refused(EVE, MetaClear(target="ann")) == "not-allowed"
    assert desk.refused(EVE, MetaSet(target="#tea", key="url", value="x")) == "not-allowed"
    assert desk.refused(EVE, MetaGet(target="nobody")) == "no-such-nick"
    assert desk.refused(EVE, MetaGet(target="#coffee")) == "not-in-room"
    assert desk.refused(EVE, MetaGet(target="no nick")) == "bad-nick"
    assert desk.refused(EVE, MetaGet(target="#no room")) == "bad-room"


def test_there_is_a_limit_and_clearing_tells_what_there_was(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    for number in range(MAX_KEYS):
        desk.ask(ANN, MetaSet(target="ann", key=f"k{number:02}", value="x"), native.Ok)
    assert desk.refused(ANN, MetaSet(target="ann", key="more", value="x")) == "full-list"
    desk.ask(ANN, MetaSet(target="ann", key="k00", value="y"), native.Ok)
    cleared = desk.ask(ANN, MetaClear(target="ann"), Metadata).values
    assert len(cleared) == MAX_KEYS
    assert cleared[0] == Datum("ann", "k00", "y")
    assert desk.ask(ANN, MetaGet(target="ann"), Metadata).values == []


def test_a_room_is_asked_for_with_its_members(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.ask(ANN, MetaSet(target="ann", key="mood", value="happy"), native.Ok)
    desk.ask(EVE, MetaSet(target="eve", key="mood", value="sad"), native.Ok)
    desk.ask(EVE, MetaSet(target="eve", key="url", value="x"), native.Ok)
    found = desk.ask(ANN, MetaGet(target="#tea", keys=["mood"], members=True), Metadata)
    assert found.values == [Datum("ann", "mood", "happy"), Datum("eve", "mood", "sad")]


def test_a_large_room_is_asked_for_one_by_one(desk: Desk) -> None:
    for number in range(MEMBERS_TOLD + 1):
        desk.enter(conn(3, number), f"n{number}", "#tea")
    found = desk.ask(conn(3, 0), MetaGet(target="#tea", keys=["mood"], members=True), Metadata)
    assert (found.values, found.wait) == ([], LATER_S)


def test_who_watches_without_sharing_a_room_is_told_too(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.enter(EVE, "eve")
    for who in (BOB, EVE):
        desk.ask(who, native.Watch(add=["ann"]), native.Watched)
    desk.ask(ANN, MetaSet(target="ann", key="mood", value="happy"), native.Ok)
    assert desk.told_to(EVE) == [Metadatum(room="@", target="ann", key="mood", value="happy")]
    assert desk.told_to(BOB) == []  # hears it in the room


def test_what_a_room_says_goes_when_it_is_nobodys_and_all_have_left(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, MetaSet(target="#tea", key="url", value="x"), native.Ok)
    assert desk.ask(ANN, MetaGet(target="#tea"), Metadata).values == [Datum("#tea", "url", "x")]
    desk.ask(ANN, native.Leave(room="#tea"), native.Ok)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    assert desk.ask(ANN, MetaGet(target="#tea"), Metadata).values == []
