import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import moderation, native
from protocol.settings import DEFAULTS
from workers.flood import Bucket, cost


def test_a_burst_goes_at_once_then_two_lines_a_second() -> None:
    bucket = Bucket(burst=10, rate=2.0, now=100.0)
    for _ in range(10):
        assert bucket.wait(1.0, 100.0) == 0.0
        bucket.take(1.0, 100.0)
    assert bucket.wait(1.0, 100.0) == 0.5
    assert bucket.wait(1.0, 100.25) == 0.25
    assert bucket.wait(1.0, 100.5) == 0.0
    assert bucket.wait(5.0, 100.0) == 2.5


def test_silence_fills_the_bucket_but_not_above_its_burst() -> None:
    bucket = Bucket(burst=3, rate=2.0, now=0.0)
    bucket.take(3.0, 0.0)
    assert bucket.wait(3.0, 1000.0) == 0.0
    assert bucket.wait(4.0, 1000.0) == 0.5


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from([0.1, 1.0])), max_size=60))
def test_nobody_sends_more_than_the_burst_and_the_rate_allow(steps: list[tuple[float, float]]) -> None:
    bucket, now, spent = Bucket(burst=10, rate=2.0, now=0.0), 0.0, 0.0
    for pause, price in steps:
        now += pause
        if bucket.wait(price, now) == 0.0:
            bucket.take(price, now)
            spent += price
        assert spent <= 10 + 2.0 * now + 1e-6


@pytest.mark.parametrize(
    ("request_", "price"),
    [
        (native.Send(cmid="c", to="#t", text="a\nb\nc"), 1.0),  # a pasted message counts once
        (native.Join(room="#t"), 1.0),
        (native.Leave(room="#t"), 1.0),
        (native.Who(room="#t"), 0.25),
        (moderation.Policy(room="#t"), 0.1),
        (moderation.Mode(room="#t", changes=[]), 1.0),
        (native.Nick(nick="n"), 1.0),
        (native.History(room="#t"), 0.1),
        (native.Ping(), 0.1),
        (native.Whois(nick="n"), 0.1),
        (native.Who(), 1.0),
        (native.Rooms(), 1.0),
        (native.Quit(), 0.0),
    ],
)
def test_saying_costs_a_line_and_reading_a_tenth(request_: native.Request, price: float) -> None:
    assert cost(request_) == price


def test_the_first_two_hellos_are_free_and_more_cost_a_line() -> None:
    assert [cost(native.Hello(nick="n"), hellos) for hellos in range(4)] == [0.0, 0.0, 1.0, 1.0]


def test_all_the_rooms_one_may_be_in_are_entered_at_once() -> None:
    """IRC clients do that when they come, each in one line."""
    bucket = Bucket(DEFAULTS.flood_burst, DEFAULTS.flood_rate, now=0.0)
    for number in range(DEFAULTS.max_rooms_each):
        price = cost(native.Join(room=f"#r{number}"), first=True)
        assert bucket.wait(price, 0.0) < DEFAULTS.flood_delay
        bucket.take(price, 0.0)
