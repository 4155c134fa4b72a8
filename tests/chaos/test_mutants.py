"""The program survives its ordeals, and no mutant does: so the ordeals and the checker have teeth."""

import logging

import pytest
from click.testing import CliRunner

from chaos.mutants import MUTANTS, main
from chaos.ordeal import ordeal

SEEDS = range(1, 13)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "moot.broker")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_program_survives(seed: int) -> None:
    assert ordeal(seed) == []


BROKEN = {
    "acknowledges before commit": "lost",
    "fans out before commit": "vanished",
    "commits without sync": "lost",
    "has no unique index": "doubled",
    "forgets cmids when it restarts": "doubled",
    "resumes one too late": "not-dense",
    "resumes one too early": "not-dense",
    "keeps numbers of what was rolled back": "damaged",
    "acknowledges another seq": "seq",
    "acknowledges what the disk refused": "lost",
    "takes a new epoch each time": "reset",
    "removes one more than it says": "damaged",
    "verifies nothing": "damaged",
}


def test_every_mutant_has_a_promise_to_break() -> None:
    assert BROKEN.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_that(name: str) -> None:
    kinds: set[str] = set()
    for seed in SEEDS:
        kinds |= {violation.kind for violation in ordeal(seed, MUTANTS[name])}
        if BROKEN[name] in kinds:
            return
    raise AssertionError(f"found {sorted(kinds)} only")


def test_the_command_counts_both() -> None:
    result = CliRunner().invoke(main, ["--count", "3"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"3 ordeals, 0 broken; 0 of {len(MUTANTS)} mutants not caught"
