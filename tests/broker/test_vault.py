"""The vault's threads: bounded work, results through a descriptor, nothing that can hold up or break the broker."""

import logging
import select
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from broker.vault import MAX_EACH, MAX_WAITING, THREADS, Vault
from tests.server import LIMIT_S


@pytest.fixture
def vault() -> Iterator[Vault]:
    made = Vault()
    yield made
    made.close()


def take(vault: Vault, count: int = 1) -> None:
    """Wait for results and have them taken."""
    while count > 0:
        assert select.select([vault], [], [], LIMIT_S)[0]
        for apply in vault.finished():
            apply()
            count -= 1


def test_what_is_worked_out_comes_back_in_the_caller_s_thread(vault: Vault) -> None:
    got: list[tuple[int | None, int, bool]] = []
    here = threading.get_ident()
    seen: list[int] = []

    def work() -> int:
        seen.append(threading.get_ident())
        return 42

    assert vault.submit("192.0.2.7", work, lambda result: got.append((result, 1, threading.get_ident() == here)))
    take(vault)
    assert got == [(42, 1, True)]
    assert seen != [here]
    assert select.select([vault], [], [], 0)[0] == []


def test_no_more_threads_run_than_two_and_none_before_the_first_work(vault: Vault) -> None:
    assert vault._threads == []
    both, done = threading.Barrier(THREADS), threading.Event()
    most: list[int] = []

    def work() -> None:
        both.wait(LIMIT_S)
        most.append(threading.active_count())

    for _ in range(3 * THREADS):
        assert vault.submit("", work, lambda _result: done.set())
    take(vault, 3 * THREADS)
    assert len(vault._threads) == THREADS
    assert done.is_set()


def test_one_address_has_a_share_of_the_queue_and_the_queue_an_end(vault: Vault) -> None:
    gate = threading.Event()

    def work() -> bool:
        return gate.wait(LIMIT_S)

    taken = [vault.submit("192.0.2.7", work, lambda _result: None) for _ in range(MAX_EACH + 3)]
    assert taken == [True] * MAX_EACH + [False] * 3
    others = [vault.submit(f"192.0.2.{number}", work, lambda _result: None) for number in range(100, 100 + MAX_WAITING)]
    assert others.count(True) == MAX_WAITING - MAX_EACH
    gate.set()
    take(vault, MAX_WAITING)
    assert vault.submit("192.0.2.7", work, lambda _result: None)
    take(vault)


def test_work_that_breaks_gives_none_and_the_thread_goes_on(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    got: list[object] = []

    def broken() -> int:
        raise RuntimeError("no memory, say")

    for work in (broken, broken, broken, lambda: 7):
        assert vault.submit("", work, got.append)
    take(vault, 4)
    assert sorted(got, key=str) == [7, None, None, None]
    assert "could not be worked out" in caplog.text


def test_closing_waits_for_nobody_s_result() -> None:
    vault = Vault()
    started = threading.Event()

    def work() -> None:
        started.set()

    vault.submit("", work, lambda _result: None)
    assert started.wait(LIMIT_S)
    vault.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "vault"]


def test_the_broker_starts_without_what_hashes_passwords() -> None:
    heavy = {"argon2", "scramp", "cryptography", "asn1crypto", "_cffi_backend"}
    look = f"import sys, broker.process; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "[]\n"
