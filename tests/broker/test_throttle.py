"""Who must wait for how long, by literal times."""

from broker.throttle import FORGET_S, MAX_ENTRIES, Throttle

HOME, CAFE = "192.0.2.7", "198.51.100.9"


def fail(throttle: Throttle, account: str, addr: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.begun(account, addr, now)


def test_the_first_two_failures_cost_nothing_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    throttle = Throttle()
    waits = []
    for _ in range(16):
        throttle.begun("ann", "127.0.0.1", 0.0)
        waits.append(throttle.wait("ann", "127.0.0.1", 0.0))
    assert waits[:7] == [0, 0, 1, 2, 4, 8, 16]
    assert waits[-1] == 900


def test_waiting_helps_and_an_hour_forgets() -> None:
    throttle = Throttle()
    fail(throttle, "ann", HOME, 5)
    assert throttle.wait("ann", HOME, 1.0) == 3.0
    assert throttle.wait("ann", HOME, 4.0) == 0.0
    fail(throttle, "ann", HOME, 1, now=4.0)
    assert throttle.wait("ann", HOME, 4.0) == 8.0
    assert throttle.wait("ann", HOME, 5.0 + FORGET_S) == 0.0
    fail(throttle, "ann", HOME, 1, now=5.0 + FORGET_S)
    assert throttle.wait("ann", HOME, 5.0 + FORGET_S) == 0.0


def test_an_address_that_tries_many_accounts_waits_for_all_of_them_and_the_next_address_does_not() -> None:
    throttle = Throttle()
    for number in range(20):
        throttle.begun(f"u{number}", HOME, 0.0)
    assert throttle.wait("another", HOME, 0.0) > 60
    assert throttle.wait("", HOME, 0.0) > 60
    assert throttle.wait("another", CAFE, 0.0) == 0.0


def test_neighbours_of_one_ipv6_network_are_one_address() -> None:
    throttle = Throttle()
    for number in range(20):
        throttle.begun(f"u{number}", f"2001:db8::{number + 1:x}", 0.0)
    assert throttle.wait("another", "2001:db8::ffff", 0.0) > 60


def test_this_machine_is_throttled_by_account_alone() -> None:
    throttle = Throttle()
    for number in range(100):
        throttle.begun(f"u{number}", "127.0.0.1", 0.0)
    assert throttle.wait("another", "127.0.0.1", 0.0) == 0.0


def test_strangers_never_keep_an_account_from_its_owner_for_long() -> None:
    throttle = Throttle()
    throttle.begun("ann", HOME, 0.0)
    throttle.succeeded("ann", HOME)
    for number in range(10_000):
        throttle.begun("ann", f"10.{number // 250}.{number % 250}.1", 0.0)
    assert throttle.wait("ann", CAFE, 0.0) == 5.0  # from somewhere new
    assert throttle.wait("ann", HOME, 0.0) == 0.0  # from where she has been


def test_success_takes_back_what_had_begun() -> None:
    throttle = Throttle()
    fail(throttle, "ann", HOME, 8)
    throttle.succeeded("ann", HOME)
    assert throttle.wait("ann", HOME, 0.0) == 0.0
    for _ in range(50):
        throttle.begun("ann", HOME, 0.0)
        throttle.succeeded("ann", HOME)
    assert throttle.wait("bob", HOME, 0.0) == 0.0


def test_what_was_not_carried_out_was_not_tried() -> None:
    throttle = Throttle()
    for _ in range(50):
        throttle.begun("ann", HOME, 0.0)
        throttle.dropped("ann", HOME)
    assert throttle.wait("ann", HOME, 0.0) == 0.0


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    throttle = Throttle()
    fail(throttle, "ann", HOME, 3, now=1_000_000.0)
    assert throttle.wait("ann", HOME, 10.0) == 1.0
    assert throttle.wait("ann", HOME, 11.0) == 0.0


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    throttle = Throttle()
    fail(throttle, "first", HOME, 5)
    for number in range(MAX_ENTRIES):
        throttle.begun(f"u{number}", f"10.{number >> 8 & 255}.{number & 255}.1", 0.0)
    assert len(throttle._pairs._entries) == MAX_ENTRIES
    assert len(throttle._accounts._entries) == MAX_ENTRIES
    assert throttle.wait("first", HOME, 0.0) == 0.0


def test_accounts_made_from_one_address_become_rarer() -> None:
    throttle = Throttle()
    waits = []
    for _ in range(6):
        waits.append(throttle.register_wait(HOME, 0.0))
        throttle.registering(HOME, 0.0)
    assert waits == [0, 0, 0, 0, 60, 120]
    assert throttle.register_wait(CAFE, 0.0) == 0.0
    assert throttle.register_wait("127.0.0.1", 0.0) == 0.0
