"""The program survives its ordeals, and no mutant does: so the ordeals and the checker have teeth."""

import logging

import pytest
from click.testing import CliRunner

from chaos.mutants import MUTANTS, caught, main
from chaos.ordeal import ordeal

SEEDS = range(1, 13)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "moot.broker")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_program_survives(seed: int) -> None:
    assert ordeal(seed) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_by_what_it_breaks(name: str) -> None:
    assert caught(name, SEEDS) is not None


def test_the_command_counts_both() -> None:
    result = CliRunner().invoke(main, ["--count", "3"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"3 ordeals, 0 broken; 0 of {len(MUTANTS)} mutants not caught"
