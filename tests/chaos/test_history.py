"""The checker of histories: every broken promise planted in a literal history, and each found."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.history import History, RoomLog, check

Logs = dict[str, RoomLog]


def tea() -> tuple[History, Logs]:
    """Ann says a1 and a2, Bob says b1, all acknowledged and seen by both; a3 got no answer and is not there."""
    history = History()
    for client, cmid in (("ann", "a1"), ("bob", "b1"), ("ann", "a2"), ("ann", "a3")):
        history.invoke(client, "#tea", cmid)
    for seq, cmid in enumerate(("a1", "b1", "a2"), 1):
        history.ok(cmid, "#tea", seq)
        for reader in ("ann", "bob"):
            history.saw(reader, "#tea", seq, cmid)
    for reader in ("ann", "bob"):
        history.stays(reader, "#tea")
    return history, {"#tea": RoomLog([(1, "a1"), (2, "b1"), (3, "a2")])}


def kinds(history: History, served: Logs, stored: Logs | None = None, pruned: dict[str, int] | None = None) -> set[str]:
    return {violation.kind for violation in check(history, served, stored, pruned)}


def test_a_sound_history_breaks_nothing() -> None:
    history, logs = tea()
    assert check(history, logs, logs) == []


def test_an_unanswered_message_may_be_there_once() -> None:
    history, logs = tea()
    logs["#tea"].messages.append((4, "a3"))
    for reader in ("ann", "bob"):
        history.saw(reader, "#tea", 4, "a3")
    assert check(history, logs) == []


def without_a2(_history: History, logs: Logs) -> None:
    logs["#tea"].messages.pop()


def with_a1_twice(_history: History, logs: Logs) -> None:
    logs["#tea"].messages.append((4, "a1"))


def with_a1_in_two_rooms(_history: History, logs: Logs) -> None:
    logs["#other"] = RoomLog([(1, "a1")])


def with_what_nobody_sent(_history: History, logs: Logs) -> None:
    logs["#tea"].messages.append((4, "x9"))


def in_another_room(history: History, logs: Logs) -> None:
    history.invoke("ann", "#milk", "a9")
    logs["#tea"].messages.append((4, "a9"))


def with_a_refused_one(history: History, logs: Logs) -> None:
    history.fail("a3")
    logs["#tea"].messages.append((4, "a3"))


def with_a_hole(_history: History, logs: Logs) -> None:
    logs["#tea"].messages[2:] = [(4, "a2")]


def not_from_one(_history: History, logs: Logs) -> None:
    logs["#tea"].messages[:] = [(2, "a1"), (3, "b1"), (4, "a2")]


def with_one_seq_twice(_history: History, logs: Logs) -> None:
    logs["#tea"].messages.append((3, "a3"))


def acknowledged_elsewhere(_history: History, logs: Logs) -> None:
    logs["#tea"].messages[:2] = [(1, "b1"), (2, "a1")]


def acknowledged_in_another_room(history: History, logs: Logs) -> None:
    history.ok("a3", "#milk", 4)
    logs["#tea"].messages.append((4, "a3"))


def acknowledged_twice(history: History, _logs: Logs) -> None:
    history.ok("a1", "#tea", 7)


def acknowledged_and_refused(history: History, _logs: Logs) -> None:
    history.fail("a1")


def refused_and_acknowledged(history: History, logs: Logs) -> None:
    history.fail("a3")
    history.ok("a3", "#tea", 4)
    logs["#tea"].messages.append((4, "a3"))


def swallowed(history: History, _logs: Logs) -> None:
    history.invoke("nc", "#tea", "n1")
    history.unknown("n1")
    history.unanswered("nc", 0)


def told_to_forget(history: History, _logs: Logs) -> None:
    history.reset("bob", "#tea")


def in_wrong_order(history: History, logs: Logs) -> None:
    history.invoke("ann", "#tea", "a4")
    logs["#tea"].messages += [(4, "a4"), (5, "a3")]


def seen_otherwise(history: History, _logs: Logs) -> None:
    history.saw("eve", "#tea", 2, "a2")


def seen_twice(history: History, _logs: Logs) -> None:
    history.saw("bob", "#tea", 3, "a2")


def seen_with_a_hole(history: History, _logs: Logs) -> None:
    history.saw("eve", "#tea", 1, "a1")
    history.saw("eve", "#tea", 3, "a2")


def not_seen_from_the_start(history: History, _logs: Logs) -> None:
    history.begins("eve", "#tea")
    history.saw("eve", "#tea", 2, "b1")


def seen_nothing(history: History, _logs: Logs) -> None:
    history.begins("eve", "#tea")
    history.stays("eve", "#tea")


def told_that_it_never_comes(history: History, _logs: Logs) -> None:
    history.saw("eve", "#tea", 1, "a1")
    history.gap("eve", "#tea", 2, 2)
    history.saw("eve", "#tea", 3, "a2")


def told_of_less_than_is_missing(history: History, logs: Logs) -> None:
    logs["#tea"].messages.append((4, "a3"))
    history.saw("eve", "#tea", 1, "a1")
    history.gap("eve", "#tea", 2, 2)
    history.saw("eve", "#tea", 4, "a3")


def seen_and_gone(history: History, _logs: Logs) -> None:
    history.saw("bob", "#tea", 4, "a3")


def seen_as_something_else(_history: History, logs: Logs) -> None:
    logs["#tea"].messages[2] = (3, "a3")


def not_seen_to_the_end(_history: History, logs: Logs) -> None:
    logs["#tea"].messages.append((4, "a3"))


def heard_with_a_hole(history: History, _logs: Logs) -> None:
    history.heard("nc", "#tea", "a1", "nobody")
    history.heard("nc", "#tea", "a2", "nobody")


def not_heard_from_the_start(history: History, _logs: Logs) -> None:
    history.begins("nc", "#tea")
    history.heard("nc", "#tea", "b1")


def heard_in_another_room(history: History, _logs: Logs) -> None:
    history.heard("nc", "#milk", "a1")


def heard_twice(history: History, _logs: Logs) -> None:
    history.heard("nc", "#tea", "a2")
    history.heard("nc", "#tea", "a2")


def heard_and_gone(history: History, _logs: Logs) -> None:
    history.heard("nc", "#tea", "a3")


def not_heard_to_the_end(history: History, _logs: Logs) -> None:
    history.heard("nc", "#tea", "a1")
    history.stays("nc", "#tea")


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (without_a2, "lost"),
        (with_a1_twice, "doubled"),
        (with_a1_in_two_rooms, "doubled"),
        (with_what_nobody_sent, "nobodys"),
        (in_another_room, "nobodys"),
        (with_a_refused_one, "refused"),
        (with_a_hole, "not-dense"),
        (not_from_one, "not-dense"),
        (with_one_seq_twice, "not-dense"),
        (acknowledged_elsewhere, "seq"),
        (acknowledged_in_another_room, "seq"),
        (acknowledged_twice, "answers-differ"),
        (acknowledged_and_refused, "answers-differ"),
        (refused_and_acknowledged, "answers-differ"),
        (swallowed, "swallowed"),
        (told_to_forget, "reset"),
        (in_wrong_order, "sender-order"),
        (seen_otherwise, "order-differs"),
        (seen_twice, "seen-again"),
        (seen_with_a_hole, "hole"),
        (not_seen_from_the_start, "hole"),
        (seen_nothing, "missed"),
        (told_that_it_never_comes, "false-gap"),
        (told_of_less_than_is_missing, "hole"),
        (seen_and_gone, "vanished"),
        (seen_as_something_else, "vanished"),
        (not_seen_to_the_end, "missed"),
        (heard_with_a_hole, "hole"),
        (not_heard_from_the_start, "hole"),
        (heard_in_another_room, "vanished"),
        (heard_twice, "seen-again"),
        (heard_and_gone, "vanished"),
        (not_heard_to_the_end, "missed"),
    ],
)
def test_a_broken_promise_is_found(plant: Callable[[History, Logs], None], kind: str) -> None:
    history, logs = tea()
    plant(history, logs)
    assert kind in kinds(history, logs)


def test_what_is_served_is_compared_with_the_file() -> None:
    history, served = tea()
    stored = {"#tea": RoomLog([(1, "a1"), (2, "b1")])}
    assert kinds(history, served, stored) == {"served-differs"}


def test_what_retention_removed_is_no_hole() -> None:
    history, logs = tea()
    logs["#tea"] = RoomLog([(3, "a2")], gaps=[(1, 1), (2, 2)])
    assert check(history, logs, pruned={"#tea": 2}) == []


def test_a_server_that_owns_to_a_loss_is_not_excused_by_it() -> None:
    history, logs = tea()
    logs["#tea"] = RoomLog([(3, "a2")], gaps=[(1, 2)])
    assert kinds(history, logs) == {"damaged", "lost", "not-dense", "vanished"}
    assert kinds(history, logs, pruned={"#tea": 1}) == {"damaged", "lost", "not-dense", "vanished"}


def test_a_reader_that_is_told_of_a_hole_may_go_on_behind_it() -> None:
    history, logs = tea()
    logs["#tea"] = RoomLog([(3, "a2")], gaps=[(1, 2)])
    history.saw("eve", "#tea", 1, "a1")
    history.gap("eve", "#tea", 2, 2)
    history.saw("eve", "#tea", 3, "a2")
    assert check(history, logs, pruned={"#tea": 2}) == []


def test_a_reader_that_is_told_to_forget_a_room_may_begin_anywhere() -> None:
    history, logs = tea()
    history.saw("eve", "#tea", 3, "a2")
    history.reset("eve", "#tea")
    history.saw("eve", "#tea", 1, "a1")
    assert kinds(history, logs) == {"reset"}


def test_a_line_that_was_refused_need_not_be_there() -> None:
    history, logs = tea()
    swallowed(history, logs)
    history.unanswered("nc", 1)
    assert check(history, logs) == []


def test_own_words_are_not_missed_by_who_gets_no_echo() -> None:
    history, logs = tea()
    history.heard("nc of bob", "#tea", "a1", "bob")
    history.heard("nc of bob", "#tea", "a2", "bob")
    history.stays("nc of bob", "#tea")
    assert check(history, logs) == []


def test_a_cmid_is_invoked_once() -> None:
    history, _logs = tea()
    with pytest.raises(ValueError, match="used before"):
        history.invoke("ann", "#tea", "a1")


@st.composite
def sound(draw: st.DrawFn) -> tuple[History, Logs]:
    """A history as a right server makes them: senders, rooms, losses of answers, readers that come at any time."""
    history = History()
    logs: Logs = {}
    for room in ("#a", "#b")[: draw(st.integers(1, 2))]:
        messages: list[tuple[int, str]] = []
        for number in range(draw(st.integers(1, 12))):
            cmid = f"{room}{number}"
            history.invoke(draw(st.sampled_from(["ann", "bob"])), room, cmid)
            fate = draw(st.sampled_from(["ok", "unknown", "open", "fail", "unknown and gone"]))
            if fate in ("ok", "unknown", "open"):
                messages.append((len(messages) + 1, cmid))
            if fate == "ok":
                history.ok(cmid, room, len(messages))
            elif fate == "fail":
                history.fail(cmid)
            elif fate != "open":
                history.unknown(cmid)
        for reader in ("ann", "bob", "eve"):
            for seq, cmid in messages[draw(st.integers(0, len(messages))) :]:
                history.saw(reader, room, seq, cmid)
            history.stays(reader, room)
        logs[room] = RoomLog(messages)
    return history, logs


@given(sound())
def test_a_right_server_breaks_nothing(made: tuple[History, Logs]) -> None:
    history, logs = made
    assert check(history, logs, logs) == []


@given(sound(), st.data())
def test_any_acknowledged_or_seen_message_that_is_gone_moved_or_doubled_is_found(
    made: tuple[History, Logs], data: st.DataObject
) -> None:
    history, logs = made
    known = {cmid for cmid, one in history.operations.items() if one.status == "ok"}
    known |= {cmid for order in history.order.values() for cmid in order.values()}
    places = [(room, at) for room, log in logs.items() for at, (_, cmid) in enumerate(log.messages) if cmid in known]
    if not places:
        return
    room, at = data.draw(st.sampled_from(places))
    messages = logs[room].messages
    match data.draw(st.sampled_from(["gone", "moved", "doubled", "another"])):
        case "gone":
            messages[at:] = [(seq - 1, cmid) for seq, cmid in messages[at + 1 :]]
        case "moved":
            messages[at:] = [(seq + 1, cmid) for seq, cmid in messages[at:]]
        case "doubled":
            messages.append((len(messages) + 1, messages[at][1]))
        case "another":
            messages[at] = (messages[at][0], "x")
    assert check(history, logs)
