"""Power losses by the thousand: a log at work on a recording disk, and what it is worth after a loss at any moment.

    python -m chaos.powerloss --count 10000 --seed 7

Each recording is a log that is created, taken over from the first format, or left by an earlier loss, and then written
to (`chaos.workload`). At many moments of it the power goes (`chaos.disk`), and a real log is opened on what is left and
compared with what it must hold then (`chaos.ledger`). The seed repeats all but the random numbers that SQLite puts into
its files.
"""

import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final

import click

from broker.log import Log
from chaos.disk import Disk, Image, Note, Op, Write, write_image
from chaos.ledger import Held, Inspector, Ledger, OpenLog, Tally, Trying
from chaos.workload import Workload, first_format

LOSSES_EACH: Final = 50  # of one recording
_WAL_HEADER_BYTES: Final = 32


def campaign(count: int, seed: int, *, open_log: OpenLog = lambda path, vfs: Log(path, vfs=vfs)) -> Tally:
    """Lose power ``count`` times."""
    rng = Random(seed)
    tally = Tally()
    memory = Path("/dev/shm")  # here nothing needs to survive: the disk is made up
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        work, after = Path(scratch, "work"), Path(scratch, "after")
        work.mkdir()
        after.mkdir()
        inspector = Inspector(after, tally, open_log)
        left: tuple[Image, Ledger] | None = None
        for recording in range(-(-count // LOSSES_EACH)):
            ledger = Ledger()
            start = rng.choice(["new", "first format", "left", "left"])
            image: Image = {}
            if start == "first format":
                image = first_format(ledger, rng)
            elif start == "left" and left is not None:
                image, ledger = left
            losses = min(LOSSES_EACH, count - tally.losses)
            left = _record_and_lose(image, ledger, work, inspector, rng, losses, f"recording {recording} ({start})")
    return tally


def _record_and_lose(
    image: Image, ledger: Ledger, work: Path, inspector: Inspector, rng: Random, losses: int, where: str
) -> tuple[Image, Ledger] | None:
    """Record one log at work and lose power ``losses`` times. Return what one loss left, to go on from."""
    write_image(image, work)
    held, trying = Held(ledger.now, ledger.epoch), None
    disk = Disk(work)
    try:
        Workload(disk, work, ledger, rng, inspector.open_log).run(rng.choice([1, 5, 20, 40]))
    finally:
        disk.close()
    moments = _moments(disk.ops, rng, losses)
    platter = disk.platter
    left: tuple[Image, Ledger] | None = None
    done = 0
    for at in range(len(disk.ops) + 1):
        while done < len(moments) and moments[done] == at:
            done += 1
            remains = platter.lose(rng)
            goes_on = rng.random() < 0.1  # asked for first: chance must not depend on what is found
            found = inspector.inspect(remains, ledger, held, trying, f"{where}, op {at} of {len(disk.ops)}")
            if found and goes_on:
                left = remains, ledger.at(found)
        if at < len(disk.ops):
            op = disk.ops[at]
            platter.apply(op, rng)
            if isinstance(op, Note) and isinstance(op.what, Held):
                held, trying = op.what, None
            elif isinstance(op, Note) and isinstance(op.what, Trying):
                trying = op.what
    return left


def _moments(ops: list[Op], rng: Random, losses: int) -> list[int]:
    """Return after how many ops the power goes: anywhere, or where most can go wrong.

    That is right after an answer was sent, and while the write-ahead log is begun anew, which is rare.
    """
    promised = [at for at, op in enumerate(ops, 1) if isinstance(op, Note) and isinstance(op.what, Held)]
    anew = [at for at, op in enumerate(ops, 1) if isinstance(op, Write) and len(op.data) == _WAL_HEADER_BYTES]
    anywhere = range(len(ops) + 1)
    weights = [0.45, 0.45, 0.1 if anew else 0]
    return sorted(rng.choice(rng.choices([promised, anywhere, anew], weights)[0]) for _ in range(losses))


@click.command()
@click.option("--count", default=10_000, show_default=True, help="how many power losses")
@click.option("--seed", type=int, help="repeats a campaign [default: from the clock]")
def main(count: int, seed: int | None) -> None:
    """Lose power again and again, and count what was acknowledged and is gone."""
    seed = time.time_ns() % 1_000_000 if seed is None else seed
    begun = time.monotonic()
    tally = campaign(count, seed)
    for problem in tally.problems:
        click.echo(problem)
    click.echo(
        f"{tally.losses} power losses in {time.monotonic() - begun:.0f} s: {tally.rows} acknowledged rows looked for, "
        f"{tally.lost} lost, {tally.corrupt} logs corrupt (seed {seed})"
    )
    sys.exit(1 if tally.lost or tally.corrupt else 0)


if __name__ == "__main__":
    main()
