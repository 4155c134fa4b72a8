"""Retention: only the oldest go, in small steps, never by accident of a clock, and people are told."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.log import Log, LogError, inbox_name
from broker.retention import PAUSE_S, ROUND_S, SLICE, Retention, TrustedClock
from protocol import native
from protocol.native import Msg
from protocol.settings import DEFAULTS, Settings
from tests.broker.desk import ANN, NOON, Desk
from tests.server import Peer, serving, until

UID: Final = b"a" * 16
DAY: Final = 86_400_000  # milliseconds
HOUR: Final = 3_600_000


def keeping(days: float = 0, messages: int = 0) -> Settings:
    return msgspec.structs.replace(DEFAULTS, retain_days=days, retain_messages=messages)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log(tmp_path / "moot.db")
    yield opened
    opened.close()


def fill(log: Log, count: int, room: str = "#tea", time_of: Callable[[int], int] = lambda seq: NOON) -> None:
    for _ in range(count):
        seq = log.last(room) + 1
        log.append(room, UID, f"{room} {seq}", time_of(seq), "ann", "text", f"said {seq}")
    log.commit()


def whole_round(log: Log, settings: Settings, wall_ms: int = NOON, now: float = 0.0) -> int:
    """Step until a round is over; return how many steps it took."""
    retention, steps = Retention(log), 0
    while True:
        due = retention.step(settings, now, wall_ms)
        assert due is not None
        steps += 1
        if due >= now + ROUND_S:
            return steps
        now = due


def seqs(messages: list[Msg]) -> list[int]:
    return [msg.seq for msg in messages]


# --- the clock


def test_the_clock_goes_as_the_wall_clock_does() -> None:
    clock = TrustedClock(None, 10.0, NOON)
    assert clock.read(10.0, NOON) == NOON
    assert clock.read(70.0, NOON + 60_000) == NOON + 60_000


def test_a_jump_forward_is_followed_at_twice_the_speed() -> None:
    clock = TrustedClock(None, 0.0, NOON)
    assert clock.read(60.0, NOON + DAY) == NOON + 120_000
    assert clock.read(43_200.0, NOON + DAY + 43_200_000) == NOON + DAY
    assert clock.read(90_000.0, NOON + DAY + 90_000_000) == NOON + DAY + 90_000_000


def test_a_jump_back_is_followed_at_once() -> None:
    clock = TrustedClock(None, 0.0, NOON)
    assert clock.read(60.0, NOON - DAY) == NOON - DAY
    assert clock.read(120.0, NOON + 120_000) == NOON - DAY + 120_000


def test_the_time_the_server_was_down_is_caught_up_with() -> None:
    clock = TrustedClock(NOON, 5.0, NOON + DAY)
    assert clock.read(5.0, NOON + DAY) == NOON
    assert clock.read(3_605.0, NOON + DAY + HOUR) == NOON + 2 * HOUR
    assert TrustedClock(NOON + DAY, 5.0, NOON).read(5.0, NOON) == NOON


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(-3 * DAY, 3 * DAY))))
def test_it_is_never_ahead_of_the_wall_clock_nor_faster_than_twice_the_time(ticks: list[tuple[int, int]]) -> None:
    clock, now = TrustedClock(None, 0.0, NOON), 0.0
    for passed, jump in ticks:
        before = clock.read(now, NOON + 10 * DAY)
        now += passed
        wall_ms = NOON + int(now * 1000) + jump
        after = clock.read(now, wall_ms)
        assert after <= wall_ms
        assert after <= before + passed * 2000 + 1


# --- what goes


def test_the_newest_of_each_room_and_inbox_are_kept(log: Log) -> None:
    for room in ("#tea", inbox_name(UID)):
        fill(log, 30, room)
    fill(log, 5, "#small")
    whole_round(log, keeping(messages=10))
    for room in ("#tea", inbox_name(UID)):
        page = log.after(room, 0, 100)
        assert (seqs(page.messages), page.gaps) == (list(range(21, 31)), [(1, 20)])
        assert log.last(room) == 30
    assert log.pruned("#small") == 0


def test_what_is_older_goes_up_to_the_first_that_is_not(log: Log) -> None:
    ages = {1: 3, 2: 3, 3: 1, 4: 3, 5: 1}  # days; the clock was set back between
    fill(log, 5, time_of=lambda seq: NOON - ages[seq] * DAY)
    whole_round(log, keeping(days=2))
    page = log.after("#tea", 0, 10)
    assert (seqs(page.messages), page.gaps) == ([3, 4, 5], [(1, 2)])


def test_it_goes_in_small_steps_with_pauses(log: Log) -> None:
    fill(log, 2 * SLICE + 60)
    retention, settings = Retention(log), keeping(messages=10)
    assert retention.step(settings, 0.0, NOON) == PAUSE_S
    assert log.pruned("#tea") == SLICE
    assert retention.step(settings, 0.01, NOON) == PAUSE_S
    assert log.pruned("#tea") == SLICE
    assert retention.step(settings, PAUSE_S, NOON) == 2 * PAUSE_S
    assert log.pruned("#tea") == 2 * SLICE
    assert retention.step(settings, 1.0, NOON) == 1.0 + ROUND_S
    assert log.pruned("#tea") == 2 * SLICE + 50


def test_what_is_too_old_goes_in_such_steps_too_whatever_is_missing_before_it(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    for room in ("#tea", "#cake"):
        fill(log, 3 * SLICE, room, lambda _seq: NOON - 3 * DAY)
    log.close()
    other = apsw.Connection(str(tmp_path / "moot.db"))
    other.execute("DELETE FROM messages WHERE seq <= ?", (SLICE,))
    log = Log(tmp_path / "moot.db")
    retention, now, left = Retention(log), 0.0, [2 * 2 * SLICE]
    while left[-1]:
        due = retention.step(keeping(days=2), now, NOON)
        left.append(other.execute("SELECT COUNT(*) FROM messages").get)
        assert due == now + (PAUSE_S if left[-1] else ROUND_S)
        assert 0 < left[-2] - left[-1] <= SLICE
        now = due
    assert [log.pruned(room) for room in ("#tea", "#cake")] == [3 * SLICE, 3 * SLICE]
    other.close()
    log.close()


def test_nothing_ever_goes_unless_it_is_set(log: Log) -> None:
    fill(log, 30, time_of=lambda seq: 0)
    assert Retention(log).step(DEFAULTS, 0.0, NOON) is None
    assert log.pruned("#tea") == 0


@pytest.mark.parametrize("jump", [DAY, -DAY, 400 * DAY])
def test_a_clock_that_jumps_removes_nothing(log: Log, jump: int) -> None:
    fill(log, 20, time_of=lambda seq: NOON - seq)
    retention, settings = Retention(log), keeping(days=1)
    retention.step(settings, 0.0, NOON)
    for minute in range(1, 60):
        now = minute * ROUND_S
        retention.step(settings, now, NOON + int(now * 1000) + jump)
    assert log.pruned("#tea") == 0


def test_what_it_trusts_is_kept_over_a_restart(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    fill(log, 20)
    whole_round(log, keeping(days=1))
    log.close()
    log = Log(tmp_path / "moot.db")
    whole_round(log, keeping(days=1), wall_ms=NOON + 30 * DAY)
    assert log.pruned("#tea") == 0  # the server was down for a month, or the clock is wrong
    log.close()


def test_numbers_and_topic_stay_when_everything_is_gone_over_a_restart_too(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    fill(log, 9, time_of=lambda seq: NOON - 9 * DAY)
    log.append("#tea", UID, "t", NOON - 9 * DAY, "ann", "topic", "Oolong")
    log.commit()
    whole_round(log, keeping(days=2))
    for _ in range(2):
        assert (log.last("#tea"), log.pruned("#tea"), log.topic("#tea")) == (10, 10, "Oolong")
        assert log.names() == [("#tea", "Oolong")]
        for page in (log.after("#tea", 0, 50), log.before("#tea", 11, 50), log.newest("#tea", 50)):
            assert (page.messages, page.gaps) == ([], [(1, 10)])
        assert log.after("#tea", 4, 50).gaps == [(5, 10)]
        log.close()
        log = Log(tmp_path / "moot.db")
    fill(log, 1)
    assert seqs(log.newest("#tea", 5).messages) == [11]
    log.close()
    log = Log(tmp_path / "moot.db")
    assert seqs(log.after("#tea", 0, 5).messages) == [11]
    log.close()


@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 160), st.integers(1, 160))
def test_pages_of_a_pruned_room_leave_no_hole(count: int, keep: int, seq: int, limit: int) -> None:
    log = Log(":memory:")
    fill(log, count)
    whole_round(log, keeping(messages=keep))
    pruned = max(0, count - keep)
    assert log.pruned("#tea") == pruned
    page = log.after("#tea", seq, limit)
    first = max(seq, pruned) + 1
    assert seqs(page.messages) == list(range(first, min(count, first + limit - 1) + 1))
    assert page.gaps == ([(seq + 1, pruned)] if seq < pruned else [])
    page = log.before("#tea", seq, limit)
    last = min(seq - 1, count)
    assert seqs(page.messages) == list(range(max(pruned + 1, last - limit + 1), last + 1))
    reaches = pruned and last >= 1 and last - limit <= pruned
    assert page.gaps == ([(1, min(pruned, last))] if reaches else [])
    assert log.newest("#tea", limit) == log.before("#tea", count + 1, limit)
    log.close()


def test_a_round_that_fails_is_taken_back_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = Log(tmp_path / "moot.db")
    fill(log, 30)
    other = apsw.Connection(str(tmp_path / "moot.db"))
    other.execute("BEGIN IMMEDIATE")
    log._db.set_busy_timeout(1)
    retention, settings = Retention(log), keeping(messages=10)
    assert retention.step(settings, 0.0, NOON) == ROUND_S
    assert "could not be removed" in caplog.text
    assert log.pruned("#tea") == 0
    assert len(log.after("#tea", 0, 50).messages) == 30
    other.execute("COMMIT")
    other.close()
    retention.step(settings, ROUND_S, NOON)
    assert log.pruned("#tea") == 20
    log.close()


def test_what_is_said_to_be_removed_is(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fill(log, SLICE + 60)
    fill(log, 30, "#other")
    retention, settings = Retention(log), keeping(messages=10)
    retention.step(settings, 0.0, NOON)  # all that is to go of one room, some of the other
    log._db.set_commit_hook(lambda: True)  # refuses
    retention.step(settings, 1.0, NOON)
    log._db.set_commit_hook(None)
    fill(log, 15, "#other")
    retention.step(settings, 2 * ROUND_S, NOON)
    retention.step(settings, 3 * ROUND_S, NOON)
    assert (log.pruned("#tea"), log.pruned("#other")) == (SLICE + 50, 35)
    said = [record.getMessage() for record in caplog.records if "retention removed" in record.getMessage()]
    assert sorted(said) == [
        "retention removed messages 1 to 20 of #other",
        "retention removed messages 1 to 230 of #tea",
        "retention removed messages 21 to 35 of #other",
        "retention removed messages 231 to 300 of #tea",
    ]


def test_a_damaged_row_neither_stops_it_nor_spoils_the_next(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    fill(log, 30, time_of=lambda seq: NOON - 3 * DAY if seq <= 20 else NOON)
    log.close()
    other = apsw.Connection(str(tmp_path / "moot.db"))
    other.execute("UPDATE messages SET time = time + (1 << 50) WHERE seq = 10")
    other.execute("UPDATE messages SET sum = x'00' WHERE seq = 20")
    other.close()
    log = Log(tmp_path / "moot.db")
    whole_round(log, keeping(days=2))
    page = log.after("#tea", 0, 50)
    assert (seqs(page.messages), page.gaps) == (list(range(21, 31)), [(1, 20)])
    assert log.last("#tea") == 30
    log.close()
    log = Log(tmp_path / "moot.db")
    assert seqs(log.after("#tea", 0, 50).messages) == list(range(21, 31))
    log.close()


@pytest.mark.parametrize("damaged", [19, 20, 21])
def test_a_damaged_sum_beside_what_is_removed_costs_no_other_message(tmp_path: Path, damaged: int) -> None:
    log = Log(tmp_path / "moot.db")
    fill(log, 30)
    log.close()
    other = apsw.Connection(str(tmp_path / "moot.db"))
    other.execute("UPDATE messages SET sum = x'00' WHERE seq = ?", (damaged,))
    other.close()
    log = Log(tmp_path / "moot.db")
    whole_round(log, keeping(messages=11))
    assert log.pruned("#tea") == 19
    page = log.after("#tea", 19, 50)
    assert seqs(page.messages) == [seq for seq in range(20, 31) if seq != damaged]
    log.close()


def test_a_retry_of_what_was_removed_is_a_new_message_and_of_what_is_kept_is_not(log: Log) -> None:
    fill(log, 3)
    whole_round(log, keeping(messages=1))
    assert log.find(UID, "#tea 1") is None
    assert log.find(UID, "#tea 3") is not None


def test_nothing_is_removed_while_nothing_can_be_written(log: Log) -> None:
    fill(log, 30)
    log.suspect = "disk I/O error"
    Retention(log).step(keeping(messages=1), 0.0, NOON)
    with pytest.raises(LogError):
        log.prune("#tea", 1, 0, 10)
    assert log.pruned("#tea") == 0
    log.suspect = None


# --- what people see


def test_who_comes_back_after_long_gets_a_gap_and_the_rest_and_no_reset() -> None:
    desk = Desk()
    epoch = desk.enter(ANN, "ann", "#tea").epoch
    for number in range(30):
        desk.say(ANN, "#tea", f"said {number}")
    whole_round(desk.log, keeping(messages=10))
    room = desk.ask(ANN, native.Join(room="#tea", after=5, epoch=epoch), native.Room)
    assert (seqs(room.messages), room.gaps, room.reset, room.more) == (list(range(21, 31)), [(6, 20)], False, False)
    page = desk.ask(ANN, native.History(room="#tea", before=15, limit=5), native.HistoryPage)
    assert (page.messages, page.gaps, page.more) == ([], [(1, 14)], False)
    page = desk.ask(ANN, native.History(room="#tea", before=26, limit=5), native.HistoryPage)
    assert (seqs(page.messages), page.gaps, page.more) == ([21, 22, 23, 24, 25], [(1, 20)], False)
    page = desk.ask(ANN, native.History(room="#tea", since=0, limit=5), native.HistoryPage)
    assert (seqs(page.messages), page.gaps, page.more) == ([21, 22, 23, 24, 25], [], True)


def test_a_running_server_removes_old_messages_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits", "--retain-messages", "5") as server:
        peer = Peer(server.port)
        peer.enter("ann", "#tea")
        for number in range(20):
            peer.ask(native.Send(cmid=f"c{number}", to="#tea", text=f"said {number}"), native.Ok)
        server.kill("broker")  # the next one looks at once
        until(lambda: "retention removed messages 1 to 15 of #tea" in server.log, "old messages to go")
        page = peer.ask(native.History(room="#tea", after=0), native.HistoryPage)
        assert (seqs(page.messages), page.gaps) == ([16, 17, 18, 19, 20], [(1, 15)])
        peer.close()
