"""Whether a process grows, from literal samples."""

from chaos.churn import trend


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
