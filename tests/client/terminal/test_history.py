"""Calling back what was sent."""

from client.terminal.history import KEPT, InputHistory


def test_older_and_newer_and_the_draft() -> None:
    history = InputHistory()
    history.add("one")
    history.add("two")
    assert history.older("draft") == "two"
    assert history.older("two") == "one"
    assert history.older("one") is None
    assert history.newer("one") == "two"
    assert history.newer("two") == "draft"
    assert history.newer("draft") is None


def test_repeats_and_blank_lines_are_not_kept() -> None:
    history = InputHistory()
    for line in ("one", "one", "  "):
        history.add(line)
    assert history.older("") == "one"
    assert history.older("one") is None


def test_it_is_bounded() -> None:
    history = InputHistory()
    for n in range(KEPT + 50):
        history.add(str(n))
    seen = 0
    while history.older("") is not None:
        seen += 1
    assert seen == KEPT
