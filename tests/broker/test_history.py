"""Catching up and paging back: what a join and a request for history give."""

import pytest

from protocol import native
from protocol.ipc import MAX_BATCH_BYTES
from tests.broker.desk import ANN, BOB, NOON, Desk, settings, texts


def said(desk: Desk, count: int, text: str = "m") -> None:
    desk.enter(ANN, "ann", "#tea")
    for number in range(1, count + 1):
        desk.post(ANN, native.Send(cmid=f"n{number}", to="#tea", text=f"{text}{number}"))
    desk.commit()
    desk.enter(BOB, "bob")


@pytest.mark.parametrize(
    ("after", "messages", "reset"),
    [(0, ["m1", "m2", "m3"], False), (2, ["m3"], False), (3, [], False), (4, ["m1", "m2", "m3"], True)],
)
def test_a_join_resumes_after_a_seq(desk: Desk, after: int, messages: list[str], reset: bool) -> None:
    said(desk, 3)
    room = desk.ask(BOB, native.Join(room="#tea", after=after, epoch=desk.log.epoch), native.Room)
    assert (texts(room.messages), room.reset, room.seq, room.more) == (messages, reset, 3, False)


@pytest.mark.parametrize("epoch", ["another", None])
def test_a_join_from_another_epoch_starts_anew(desk: Desk, epoch: str | None) -> None:
    said(desk, 3)
    room = desk.ask(BOB, native.Join(room="#tea", after=2, epoch=epoch), native.Room)
    assert (texts(room.messages), room.reset) == (["m1", "m2", "m3"], True)


def test_a_first_join_shows_the_newest_and_says_that_there_are_more(desk: Desk) -> None:
    said(desk, 60)
    room = desk.ask(BOB, native.Join(room="#tea"), native.Room)
    assert (len(room.messages), room.messages[0].seq, room.more, room.reset) == (50, 11, True, False)


def test_a_long_gap_is_filled_a_page_at_a_time(desk: Desk) -> None:
    said(desk, 510)
    room = desk.ask(BOB, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    seqs, more = [msg.seq for msg in room.messages], room.more
    while more:
        page = desk.ask(BOB, native.History(room="#tea", after=seqs[-1], limit=500), native.HistoryPage)
        assert 50 <= len(page.messages) <= 100 or not page.more
        seqs += [msg.seq for msg in page.messages]
        more = page.more
    assert seqs == list(range(1, 511))


def test_a_page_of_long_messages_is_short(desk: Desk) -> None:
    said(desk, 200, "x" * 3990)
    room = desk.ask(BOB, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    assert room.more
    assert [msg.seq for msg in room.messages] == list(range(1, 4))
    page = desk.ask(BOB, native.History(room="#tea", limit=200), native.HistoryPage)
    assert page.more
    assert [msg.seq for msg in page.messages] == list(range(170, 201))


@pytest.mark.parametrize(
    ("request_", "seqs", "more"),
    [
        (native.History(room="#tea"), [1, 2, 3, 4, 5], False),
        (native.History(room="#tea", limit=2), [4, 5], True),
        (native.History(room="#tea", before=4, limit=2), [2, 3], True),
        (native.History(room="#tea", before=3, limit=2), [1, 2], False),
        (native.History(room="#tea", before=1), [], False),
        (native.History(room="#tea", after=1, limit=2), [2, 3], True),
        (native.History(room="#tea", after=3, limit=2), [4, 5], False),
        (native.History(room="#tea", after=5), [], False),
        (native.History(room="#tea", after=1 << 53), [], False),
        (native.History(room="#tea", before=1 << 53, limit=1), [5], True),
        (native.History(room="#tea", since=NOON + 5000, limit=9), [3, 4, 5], False),
        (native.History(room="#tea", since=0, limit=1), [1], True),
        (native.History(room="#tea", since=1 << 53), [], False),
    ],
)
def test_history_pages(desk: Desk, request_: native.Request, seqs: list[int], more: bool) -> None:
    desk.enter(ANN, "ann", "#tea")  # two requests, a second each
    for number in range(5):
        desk.say(ANN, "#tea", str(number))
    page = desk.ask(ANN, request_, native.HistoryPage)
    assert [msg.seq for msg in page.messages] == seqs
    assert page.more is more


def test_a_page_fits_a_frame_however_large_a_send_queue_may_be() -> None:
    desk = Desk(settings(max_text=100_000, sendq_hard=1 << 40))
    said(desk, 200, "x" * 99_990)
    desk.post(ANN, native.History(id="page", room="#tea", limit=200))
    ((_worker, frame),) = desk.out.batches()
    assert b"page" in frame
    assert 4_000_000 < len(frame) < MAX_BATCH_BYTES
