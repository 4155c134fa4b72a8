"""Power losses by the hundred; `python -m chaos.powerloss` has more."""

from pathlib import Path

from click.testing import CliRunner

from broker.log import Log
from chaos.powerloss import campaign, main


def test_a_power_loss_at_any_moment_loses_nothing_that_was_acknowledged() -> None:
    tally = campaign(600, seed=3)
    assert tally.problems == []
    assert (tally.losses, tally.lost, tally.corrupt) == (600, 0, 0)
    assert tally.rows > 10_000


def test_a_log_that_does_not_wait_for_the_disk_is_found_out() -> None:
    def careless(path: Path, vfs: str | None) -> Log:
        log = Log(path, vfs=vfs)
        log._db.pragma("synchronous", 1)  # NORMAL
        return log

    tally = campaign(150, seed=3, open_log=careless)
    assert tally.lost > 0
    assert any("lost" in problem for problem in tally.problems)


def test_a_seed_repeats_a_campaign() -> None:
    assert campaign(40, seed=8) == campaign(40, seed=8)


def test_the_command_says_what_came_of_it() -> None:
    result = CliRunner().invoke(main, ["--count", "20", "--seed", "5"])
    assert result.exit_code == 0
    assert result.output.startswith("20 power losses in ")
    assert " 0 lost, 0 logs corrupt (seed 5)" in result.output
