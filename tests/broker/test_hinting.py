"""That somebody types, and tags without a message: told, bounded, and kept by nobody."""

import pytest

from broker import hinting
from protocol import moderation, native
from protocol.ipc import Announced
from tests.broker.desk import ANN, BOB, EVE, Desk, conn


def announced(desk: Desk, worker: int = 1) -> list[tuple[int, native.Event]]:
    return [(event.conn, event.event) for event in desk.told.get(worker, []) if isinstance(event, Announced)]


def test_a_room_hears_that_somebody_types_and_nothing_is_kept(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    assert desk.do(ANN, native.Typing(id=7, to="#tea")) == native.Ok(id=7)
    typing = native.IsTyping(room="#tea", nick="ann", state="active")
    assert announced(desk) == announced(desk, 2) == [(ANN, typing)]
    assert desk.log.last("#tea") == 0


def test_the_same_is_not_told_again_at_once(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    for state in ("active", "active", "paused", "active"):
        desk.post(ANN, native.Typing(to="#tea", state=state))
        desk.now -= 1000  # the desk's clock goes on by a second with each request
    desk.commit()
    assert [event.state for _conn, event in announced(desk) if isinstance(event, native.IsTyping)] == [
        "active",
        "paused",
    ]
    desk.now += hinting.TYPING_MS
    desk.do(ANN, native.Typing(to="#tea"))
    assert len(announced(desk)) == 1


def test_in_a_large_room_nobody_hears_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hinting, "TYPING_MEMBERS", 1)
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.ask(ANN, native.Typing(to="#tea"), native.Ok)
    assert announced(desk) == []


def test_one_person_hears_it_on_all_devices_as_of_the_inbox(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.ask(ANN, native.Typing(to="@bob", state="done"), native.Ok)
    assert desk.told_to(BOB) == [native.IsTyping(room="@", nick="ann", state="done")]
    desk.ask(ANN, native.Tag(to="@bob", tags={"+a": "1"}), native.Ok)
    assert desk.told_to(BOB) == [native.Tagged(room="@", nick="ann", tags={"+a": "1"})]
    assert desk.told_to(ANN) == []


def test_tags_reach_a_room(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, native.Tag(to="#tea", tags={"+a": "1"}), native.Ok)
    assert announced(desk) == [(ANN, native.Tagged(room="#tea", nick="ann", tags={"+a": "1"}))]
    desk.ask(ANN, native.Tag(to="#tea", tags={"+a": "1"}, audience="op"), native.Ok)
    assert announced(desk) == []  # nobody has that role


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (native.Typing(to="#tea"), "not-in-room"),
        (native.Typing(to="@nobody"), "no-such-nick"),
        (native.Tag(to="#tea", tags={"+a": ""}), "not-in-room"),
        (native.Tag(to="@no body", tags={"+a": ""}), "bad-nick"),
        (native.Typing(to="tea time"), "bad-room"),
    ],
)
def test_what_reaches_nobody_is_an_error(desk: Desk, request_: native.Request, code: str) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, request_) == code
    assert conn(1, 1) == ANN


def test_who_may_not_speak_is_not_heard_typing(desk: Desk) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.enter(ANN, "ann", "#tea")
    desk.ask(BOB, moderation.Mode(room="#tea", changes=[moderation.Change("moderated")]), native.Ok)
    desk.ask(ANN, native.Typing(to="#tea"), native.Ok)
    assert announced(desk) == []
    assert desk.refused(ANN, native.Tag(to="#tea", tags={"+a": "b"})) == "not-allowed"
    desk.ask(BOB, native.Typing(to="#tea"), native.Ok)
    assert len(announced(desk)) == 1


def test_tags_for_some_reach_those_with_the_role(desk: Desk) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, native.Tag(to="#tea", tags={"+a": "1"}, audience="op"), native.Ok)
    assert desk.told_to(BOB) == [native.Tagged(room="#tea", nick="ann", tags={"+a": "1"}, audience="op")]
