"""Whether a process grows, from literal samples; and a short churn against the real server."""

import sys

import pytest

from chaos.churn import Outcome, churn, trend


def test_what_fills_up_at_first_and_stays_is_flat() -> None:
    samples = [(float(t), 50.0 + min(t, 30)) for t in range(100)]
    assert trend("broker", "MiB", samples).flat


def test_what_grows_to_the_end_is_not() -> None:
    samples = [(float(t), 50.0 + 0.2 * t) for t in range(100)]
    found = trend("broker", "MiB", samples)
    assert not found.flat
    assert (round(found.first), round(found.last)) == (58, 70)


def test_one_descriptor_too_many_now_and_then_is_a_leak() -> None:
    samples = [(float(t), 20.0 + t // 5) for t in range(100)]
    assert not trend("worker 1", "descriptors", samples).flat


def test_noise_is_no_growth() -> None:
    samples = [(float(t), 50.0 + (t * 7919 % 10) / 5) for t in range(100)]
    assert trend("broker", "MiB", samples).flat


@pytest.mark.parametrize(
    ("replaced", "visits", "served", "sound"),
    [([], 100, 95, True), (["broker 1"], 100, 100, False), ([], 100, 80, False), ([], 0, 0, False)],
)
def test_a_server_that_is_flat_because_it_starts_anew_or_lets_nobody_in_is_not_sound(
    replaced: list[str], visits: int, served: int, sound: bool
) -> None:
    assert Outcome([], replaced, visits, served).sound == sound


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted as Linux does")
async def test_clients_come_and_go() -> None:
    outcome = await churn(5, 20, seed=1, rooms=5)
    assert outcome.replaced == []
    assert outcome.visits > 50
    assert outcome.served >= 0.9 * outcome.visits
    assert {one.name for one in outcome.trends} == {"supervisor", "broker 1", "sandbox 1", "worker 1", "worker 2"}
