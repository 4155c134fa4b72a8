"""Entries as lines, letter by letter."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from client.terminal.entries import Entry, Fold, Note, Post
from client.terminal.folding import Step
from client.terminal.formatting import Page, day, hour, layout
from protocol.text import clean

AT = 1_750_000_000_000  # Sunday, 15 June 2025, 15:06:40 UTC
WIDE = Page(60, me="kim", nick_width=8)
NARROW = Page(40, me="kim")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this platform cannot change the time zone")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def post(text: str, nick: str = "ann", **more: object) -> Post:
    return Post(**{"seq": 1, "time": AT, "nick": nick, "text": text, **more})  # type: ignore[arg-type]


def drawn(entry: Entry, page: Page, before: Entry | None = None, *, marked: bool = False) -> list[str]:
    return [line.text for line in layout(entry, before or Note(AT, ""), page, marked=marked)]


def test_a_message_hangs_beside_its_nick() -> None:
    text = "it is a long message that has to be wrapped"
    assert drawn(post(text), WIDE) == [
        " 15:06      ann │ it is a long message that has to be",
        "                │ wrapped",
    ]


def test_in_a_narrow_pane_the_nick_stands_before_the_text() -> None:
    assert drawn(post("it is a long message to be wrapped"), NARROW) == [
        "15:06 ann: it is a long message to be",
        "      wrapped",
    ]


def test_the_next_message_of_the_same_person_has_no_nick_and_no_time_of_the_same_minute() -> None:
    assert drawn(post("two"), WIDE, post("one")) == ["                │ two"]
    assert drawn(post("two", time=AT + 60_000), WIDE, post("one")) == [" 15:07          │ two"]
    assert drawn(post("two", time=AT + 600_000), WIDE, post("one")) == [" 15:16      ann │ two"]


def test_a_new_day_has_a_line() -> None:
    lines = [line.text for line in layout(post("hi"), None, Page(44, clock="off"))]
    assert lines == ["─────────── Sunday, 15 June 2025 ───────────", "ann: hi"]


def test_the_marker_stands_above_what_is_new() -> None:
    assert drawn(post("hi"), Page(24, clock="off"), marked=True) == ["───── new messages ─────", "ann: hi"]


def test_an_action_a_topic_and_a_pending_message() -> None:
    assert drawn(post("waves", kind="me"), WIDE) == [" 15:06        * │ ann waves"]
    assert drawn(post("tea", kind="topic"), WIDE) == [" 15:06        # │ ann set the topic: tea"]
    assert drawn(post("hi", seq=0), WIDE) == ["   ⋯        ann │ hi"]


def test_what_names_us_has_a_mark_and_our_nick_stands_out() -> None:
    (line,) = layout(post("hey kim!", mention=True), Note(AT, ""), WIDE)
    assert line.text == " 15:06      ann ┃ hey kim!"
    assert [(s.text, s.role) for s in line.spans[-3:]] == [("hey ", "text"), ("kim", "mention"), ("!", "text")]


def test_a_link_is_a_span_of_its_own_also_when_it_is_broken() -> None:
    lines = layout(post("https://example.org/a/very/long/path/indeed/it/is"), Note(AT, ""), NARROW)
    links = [span for line in lines for span in line.spans if span.role == "link"]
    assert len(links) == 2
    assert {span.arg for span in links} == {"https://example.org/a/very/long/path/indeed/it/is"}


def test_a_picture_is_not_wrapped_but_cut_off() -> None:
    cow = post("  ^__^\n  (oo)" + "_" * 60, kind="fun", cmd="/cowsay moo")
    assert drawn(cow, NARROW) == ["15:06 ann /cowsay moo", "   ^__^", "   (oo)" + "_" * 32 + "…"]


def test_a_played_animation_leaves_only_its_command() -> None:
    assert drawn(post("CHOO", kind="fun", cmd="/train", played=True), NARROW) == ["15:06 ann /train"]


def test_an_answer_quotes_what_it_answers() -> None:
    answered = post("what is\nthe time?", nick="bob")
    lines = [line.text for line in layout(post("late"), Note(AT, ""), WIDE, answered=answered)]
    assert lines == [" 15:06      ann │ ↪ bob: what is", "                │ late"]


def test_folds_and_notes() -> None:
    fold = Fold(AT)
    fold.add(Step("joined", "bob"), AT)
    assert drawn(fold, WIDE) == [" 15:06        · │ bob joined"]
    assert drawn(Note(AT, "no", "error"), NARROW) == ["15:06 ! no"]


def test_no_line_is_wider_than_the_pane() -> None:
    for width in range(8, 90):
        for line in layout(post("word " * 30 + "x" * 90, nick="n" * 20), None, Page(width)):
            assert len(line.text) <= max(width, 26), (width, line.text)


def test_days_and_hours() -> None:
    assert day(AT) == "Sunday, 15 June 2025"
    assert [hour(AT, clock) for clock in ("24", "12", "off")] == ["15:06", " 3:06", ""]


def test_a_table_for_one_person_is_kept_where_it_fits_and_wrapped_where_not() -> None:
    table = Note(AT, "/help   shows the commands\n/quit   leaves the chat", "art")
    assert drawn(table, WIDE) == [
        " 15:06        › │ /help   shows the commands",
        "                │ /quit   leaves the chat",
    ]
    assert drawn(table, Page(24, clock="off")) == [
        "  /help — shows the",
        "  commands",
        "  /quit — leaves the",
        "  chat",
    ]


@given(
    st.text(max_size=200), st.text(max_size=20), st.integers(34, 120), st.sampled_from(["text", "me", "fun", "topic"])
)
def test_whatever_is_said_fits_the_pane(text: str, nick: str, width: int, kind: str) -> None:
    said = post(clean(text), clean(nick, newlines=False)[:20] or "x", kind=kind, mention=True)
    for line in layout(said, None, Page(width, me="kim")):
        assert sum(cell_len(span.text) for span in line.spans) <= width
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line.text)
