"""Mutants of the program: each breaks one promise, and an ordeal that the program survives must find it.

    python -m chaos.mutants --count 10

They are planted by patching the real classes for as long as an ordeal lasts; the program has no hooks for them.
"""

import contextlib
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final
from unittest import mock

import click
import msgspec

from broker import chain
from broker.log import Log, Stored
from broker.outbox import Outbox
from broker.people import Device
from broker.process import Broker
from broker.saying import Saying
from broker.state import State
from chaos.history import Violation
from chaos.ordeal import Plant, ordeal
from protocol import native
from protocol.ipc import Do, Posted
from protocol.native import Msg
from protocol.pipes import encode_frames

_encoder = msgspec.msgpack.Encoder()


def _tells_first(chosen: Callable[[object], bool]) -> AbstractContextManager[object]:
    """Send what is ``chosen`` of the outbox before the log commits."""
    step = Broker.step

    def mutated(self: Broker) -> float | None:
        commit = self.log.commit

        def tell_and_commit() -> None:
            for worker, events in self.out._events.items():
                early = [event for event in events if chosen(event)]
                self.out._events[worker] = [event for event in events if not chosen(event)]
                for frame in encode_frames(early, _encoder) if early else ():
                    self._put(worker, frame)
            commit()

        with mock.patch.object(self.log, "commit", tell_and_commit):
            return step(self)

    return mock.patch.object(Broker, "step", mutated)


def acknowledges_before_commit() -> AbstractContextManager[object]:
    return _tells_first(lambda event: not isinstance(event, Posted))


def fans_out_before_commit() -> AbstractContextManager[object]:
    return _tells_first(lambda event: isinstance(event, Posted))


def _opened(then: Callable[[Log], object]) -> AbstractContextManager[object]:
    """Do something to every log that is opened."""
    init = Log.__init__

    def mutated(self: Log, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        then(self)

    return mock.patch.object(Log, "__init__", mutated)


def commits_without_sync() -> AbstractContextManager[object]:
    return _opened(lambda log: log._db.pragma("synchronous", 1))


def _indexless() -> AbstractContextManager[object]:
    return _opened(lambda log: log._db.execute("DROP INDEX IF EXISTS messages_once"))


@contextlib.contextmanager
def has_no_unique_index() -> Iterator[None]:
    with _indexless(), mock.patch.object(Log, "find", return_value=None):
        yield


@contextlib.contextmanager
def forgets_cmids_when_it_restarts() -> Iterator[None]:
    append = Log.append

    def remembering(self: Log, room: str, sender: bytes, cmid: str | None, *args: Any) -> Msg:
        msg = append(self, room, sender, cmid, *args)
        vars(self).setdefault("remembered", {})[sender, cmid] = Stored(room, msg)
        return msg

    def find(self: Log, sender: bytes, cmid: str) -> Stored | None:
        found: Stored | None = vars(self).get("remembered", {}).get((sender, cmid))
        return found

    with _indexless(), mock.patch.object(Log, "append", remembering), mock.patch.object(Log, "find", find):
        yield


def resumes_one_too_late() -> AbstractContextManager[object]:
    join = State._join

    def mutated(self: State, device: Device, do: Do) -> None:
        request = do.request
        if isinstance(request, native.Join) and request.after is not None:
            later = msgspec.structs.replace(request, after=request.after + 1)
            do = msgspec.structs.replace(do, request=later)
        join(self, device, do)

    return mock.patch.object(State, "_join", mutated)


def _pages_begin(later: int) -> AbstractContextManager[object]:
    after = Log.after

    def mutated(self: Log, room: str, seq: int, limit: int) -> Any:
        return after(self, room, max(0, seq + later), limit)

    return mock.patch.object(Log, "after", mutated)


def pages_begin_one_too_late() -> AbstractContextManager[object]:
    return _pages_begin(1)


def pages_begin_one_too_early() -> AbstractContextManager[object]:
    return _pages_begin(-1)


def keeps_numbers_of_what_was_rolled_back() -> AbstractContextManager[object]:
    rollback = Log.rollback

    def mutated(self: Log) -> None:
        undone = {name: self._rooms[name].last for name in self._undo if name not in self._added}
        rollback(self)
        for name, last in undone.items():
            self._rooms[name].last = last

    return mock.patch.object(Log, "rollback", mutated)


def acknowledges_another_seq() -> AbstractContextManager[object]:
    acknowledge = Saying._acknowledge

    def mutated(self: Saying, do: Do, msg: Msg) -> None:
        acknowledge(self, do, msgspec.structs.replace(msg, seq=msg.seq + 1))

    return mock.patch.object(Saying, "_acknowledge", mutated)


def acknowledges_what_the_disk_refused() -> AbstractContextManager[object]:
    return mock.patch.object(Outbox, "refuse_unstored")


def takes_a_new_epoch_each_time() -> AbstractContextManager[object]:
    return _opened(lambda log: setattr(log, "epoch", secrets.token_hex(8)))


def removes_one_more_than_it_says() -> AbstractContextManager[object]:
    prune = Log.prune

    def mutated(self: Log, room: str, *args: int) -> int:
        removed = prune(self, room, *args)
        if removed:
            known = self._rooms[room]
            self._db.execute("DELETE FROM messages WHERE room = ? AND seq = ?", (known.id, known.pruned + 1))
        return removed

    return mock.patch.object(Log, "prune", mutated)


def verifies_nothing() -> AbstractContextManager[object]:
    sound = chain.Walk.sound

    def mutated(self: chain.Walk, *args: Any) -> bool:
        sound(self, *args)
        return True

    return mock.patch.object(chain.Walk, "sound", mutated)


MUTANTS: Final[dict[str, tuple[Plant, str]]] = {
    plant.__name__.replace("_", " "): (plant, kind)
    for plant, kind in (
        (acknowledges_before_commit, "lost"),
        (fans_out_before_commit, "vanished"),
        (commits_without_sync, "lost"),
        (has_no_unique_index, "doubled"),
        (forgets_cmids_when_it_restarts, "doubled"),
        (resumes_one_too_late, "false-gap"),
        (pages_begin_one_too_late, "not-dense"),
        (pages_begin_one_too_early, "not-dense"),
        (keeps_numbers_of_what_was_rolled_back, "damaged"),
        (acknowledges_another_seq, "seq"),
        (acknowledges_what_the_disk_refused, "lost"),
        (takes_a_new_epoch_each_time, "reset"),
        (removes_one_more_than_it_says, "damaged"),
        (verifies_nothing, "damaged"),
    )
}
"""What is planted, and the kind of violation that it must be found by: another one may come of anything."""


def caught(name: str, seeds: Iterable[int]) -> tuple[int, Violation] | None:
    """Return the first of ``seeds`` whose ordeal finds what the mutant breaks, and the finding."""
    plant, kind = MUTANTS[name]
    for seed in seeds:
        for violation in ordeal(seed, plant):
            if violation.kind == kind:
                return seed, violation
    return None


@click.command()
@click.option(
    "--count", default=10, show_default=True, help="ordeals for the program, and at most as many for each mutant"
)
@click.option("--seed", default=1, show_default=True, help="of the first ordeal")
def main(count: int, seed: int) -> None:
    """Run ordeals for the program and for every mutant."""
    seeds = range(seed, seed + count)
    broken = [(one, amiss) for one in seeds if (amiss := ordeal(one))]
    for one, amiss in broken:
        click.echo(f"the program, seed {one}: {amiss[0]}")
    missed = 0
    for name in MUTANTS:
        found = caught(name, seeds)
        missed += found is None
        click.echo(f"{name}: {'NOT CAUGHT' if found is None else f'seed {found[0]}: {found[1]}'}")
    click.echo(f"{count} ordeals, {len(broken)} broken; {missed} of {len(MUTANTS)} mutants not caught")
    sys.exit(1 if broken or missed else 0)


if __name__ == "__main__":
    main()
