"""Who is typing, and when to say that one types oneself."""

import pytest

from client.terminal.typists import MAX_TYPISTS, SEEN_MS, TOLD_MS, OwnTyping, Typists, sentence


def test_a_sign_of_typing_runs_out() -> None:
    typists = Typists()
    typists.note("#tea", "ann", "active", 1000)
    assert typists.names("#tea", 1000 + SEEN_MS - 1) == ["ann"]
    assert typists.names("#tea", 1000 + SEEN_MS) == []
    assert not typists


def test_it_ends_with_what_they_say_or_when_they_stop() -> None:
    typists = Typists()
    for nick in ("ann", "bob", "carl"):
        typists.note("#tea", nick, "active", 0)
    typists.note("#tea", "ann", "done", 1)
    typists.note("#tea", "bob", "paused", 1)
    assert typists.names("#tea", 1) == ["carl"]
    typists.stop("#tea", "carl")
    assert typists.names("#tea", 1) == []


def test_a_crowd_is_not_remembered() -> None:
    typists = Typists()
    for number in range(1000):
        typists.note("#tea", f"nick{number}", "active", 0)
    assert len(typists.names("#tea", 0)) == MAX_TYPISTS
    for number in range(1000):
        typists.note(f"#room{number}", "ann", "active", 0)
    assert typists.names("#room999", 0) == []


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], ""),
        (["ann"], "ann is typing…"),
        (["ann", "bob"], "ann, bob are typing…"),
        (["a", "b", "c", "d"], "several people are typing…"),
    ],
)
def test_the_sentence_is_short(names: list[str], says: str) -> None:
    assert sentence(names) == says


def test_oneself_is_told_seldom_and_taken_back_when_nothing_was_said() -> None:
    own = OwnTyping()
    assert own.typed("#tea", "h", 0) == "active"
    assert own.typed("#tea", "hi", TOLD_MS - 1) is None
    assert own.typed("#tea", "hi!", TOLD_MS) == "active"
    assert own.typed("#tea", "", TOLD_MS + 1) == "done"
    assert own.typed("#tea", "", TOLD_MS + 2) is None


def test_commands_and_what_was_sent_are_no_typing() -> None:
    own = OwnTyping()
    assert own.typed("#tea", "/login ann secret", 0) is None
    assert own.typed("#tea", "//shrug", 0) == "active"
    own.said()
    assert own.typed("#tea", "", 1) is None
    assert own.typed("#tea", "a", 2) == "active"
    assert own.typed("#lobby", "b", 3) == "active"
