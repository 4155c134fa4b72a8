"""Joins and leaves in one line."""

from client.terminal.folding import Step, fold


def test_joins_and_leaves_are_summed_up() -> None:
    assert fold([Step("joined", "ann"), Step("joined", "bob"), Step("left", "carl")]) == "ann, bob joined; carl left"


def test_one_leave_says_why() -> None:
    assert fold([Step("left", "carl", "tea time")]) == "carl left (tea time)"


def test_who_came_and_went_is_named_once() -> None:
    assert fold([Step("joined", "ann"), Step("left", "ann")]) == "ann joined and left"


def test_who_went_and_came_back_is_named_once() -> None:
    assert fold([Step("left", "ann"), Step("joined", "ann")]) == "ann came back"


def test_a_rename_follows_the_person() -> None:
    assert fold([Step("joined", "ann"), Step("renamed", "ann", "anna")]) == "anna joined; ann is now anna"


def test_many_names_become_a_number() -> None:
    steps = [Step("joined", f"n{i}") for i in range(20)]
    assert fold(steps) == "n0, n1, n2, n3, n4, n5, n6 and 13 others joined"
