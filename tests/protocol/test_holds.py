"""When a message is refused for the moment, what was said after it waits."""

from protocol.holds import AGAIN_S, GIVEN_UP_S, Hold
from protocol.native import Error, Ping, Send

FULL = Error(id=1, code="storage", text="The disk is full.", wait=2.0)


def said(cmid: str) -> Send:
    return Send(id=cmid, cmid=cmid, to="#tea", text="hi")


def test_it_ends_when_the_message_comes_again_or_much_time_has_passed() -> None:
    hold = Hold("a", FULL, 100.0)
    assert not hold.ends(said("b"), 100.0)
    assert not hold.ends(Ping(), 100.0)
    assert hold.ends(said("a"), 100.0)
    assert not hold.ends(said("b"), 101.9 + GIVEN_UP_S)
    assert hold.ends(said("b"), 102.0 + GIVEN_UP_S)


def test_what_waits_is_told_the_same_with_what_is_left_of_the_time() -> None:
    hold = Hold("a", FULL, 100.0)
    assert hold.refusal(said("b"), 100.5) == Error(id="b", code="storage", text="The disk is full.", wait=1.5)
    assert hold.refusal(said("b"), 101.99).wait == 0.1
    assert hold.refusal(said("b"), 104.0).wait == AGAIN_S  # it did not come when it might


def test_the_first_of_those_refused_counts_whichever_is_heard_of_first() -> None:
    hold = Hold("b", FULL, 100.0, 7)
    assert hold.precedes("c", 100.0, 8)
    assert not hold.precedes("a", 100.0, 6)
    assert not hold.precedes("b", 100.0, 9)  # again: the time begins anew
    assert not hold.precedes("c", 102.0 + GIVEN_UP_S, 8)  # over


def test_it_ends_when_something_behind_it_comes_again_for_then_its_sender_has_given_it_up() -> None:
    hold = Hold("a", FULL, 100.0)
    hold.refusal(said("b"), 100.0)
    assert not hold.ends(said("c"), 101.0)
    assert hold.ends(said("b"), 101.0)


def test_what_was_refused_behind_it_for_a_reason_of_its_own_ends_it_too() -> None:
    hold = Hold("a", FULL, 100.0, 7)
    assert hold.precedes("b", 100.0, 8)
    assert not hold.precedes("c", 100.0, 6)
    assert hold.ends(said("b"), 101.0)
    assert not hold.ends(said("c"), 101.0)
