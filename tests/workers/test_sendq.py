"""A send queue keeps order, counts bytes, and gives back what the log has too."""

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.sendq import Logged, SendQueue


def filled(*lines: tuple[bytes, Logged | None]) -> SendQueue:
    queue = SendQueue()
    for each, logged in lines:
        queue.add(each, logged)
    return queue


def test_what_is_taken_is_whole_and_at_least_what_was_added_in_one_go() -> None:
    queue = filled((b"long line\n", None), (b"a\n", None), (b"b\n", None), (b"c\n", None))
    assert queue.take(4) == b"long line\n"
    assert queue.take(4) == b"a\nb\n"
    assert queue.size == 2
    assert queue.take(100) == b"c\n"
    assert (queue.size, queue.take(100)) == (0, b"")


def test_freeing_keeps_answers_and_says_from_where_each_room_is_missing() -> None:
    queue = filled(
        (b"five\n", Logged("#tea", 4)),
        (b"answer\n", None),
        (b"six\n", Logged("#tea", 5)),
        (b"psst\n", Logged("@", 0)),
        (b"pong\n", None),
    )
    assert queue.free() == {"#tea": 4, "@": 0}
    assert queue.size == len(b"answer\npong\n")
    assert queue.take(100) == b"answer\npong\n"
    assert queue.free() == {}


def test_of_a_room_that_was_left_nothing_is_missed() -> None:
    queue = filled((b"five\n", Logged("#tea", 4)), (b"six\n", Logged("#coffee", 5)))
    queue.left("#tea")
    assert queue.free() == {"#coffee": 5}
    assert queue.size == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.booleans())), st.integers(1, 50))
def test_whatever_is_added_comes_out_in_order_and_is_counted(lines: list[tuple[bytes, bool]], limit: int) -> None:
    queue = filled(*((each, Logged("#r", 1) if logged else None) for each, logged in lines))
    taken = b""
    while queue.size:
        before = queue.size
        part = queue.take(limit)
        assert part
        assert queue.size == before - len(part)
        taken += part
    assert taken == b"".join(each for each, _logged in lines)


def test_what_a_room_heard_is_missed_under_its_new_name() -> None:
    queue = SendQueue()
    queue.add(b"one\n", Logged("#tea", 3))
    queue.add(b"two\n", Logged("#cake", 5))
    queue.retitled("#tea", "#chai")
    assert queue.free() == {"#chai": 3, "#cake": 5}
