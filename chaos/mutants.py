"""The same ordeal for the program and for mutants of it: what is planted here the checker must find.

    python -m chaos.mutants --seed 7

An ordeal is people talking, coming and going, while the broker is killed, the power lost, the disk full or failing, and
acknowledgements lost, each at any write to the disk (`chaos.stage`). The unmutated program survives every ordeal; each
mutant breaks one promise, and `chaos.history` says which.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import click
import msgspec

from broker.log import Log, Stored
from broker.outbox import Outbox
from broker.process import Broker
from broker.state import State
from chaos.courier import Client
from chaos.history import History, RoomLog, Violation, check
from chaos.ledger import stored
from chaos.stage import Stage
from client.updates import Answer, Entered, Failed, Message, Sent
from protocol import native
from protocol.ipc import Do, Posted
from protocol.native import Msg
from protocol.pipes import encode_frames

NAMES: Final = ("ann", "bob", "cyd")
ROOMS: Final = ("#tea", "#cake")
ROUNDS: Final = 60
_encoder = msgspec.msgpack.Encoder()


class Ordeal:
    """One run. Everything follows from the seed."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = Random(seed)
        self.stage = Stage(directory, list(NAMES), list(ROOMS), self.rng)
        self.history = History()
        self.said = 0

    def run(self) -> list[Violation]:
        with self.stage:
            self.stage.settle()
            for _ in range(ROUNDS):
                self._something()
                self.stage.round(deliver=self.rng.random() > 0.04)
                self.stage.disk.failing.clear()
                self._observe()
            try:
                self.stage.settle()
            except AssertionError as err:
                return [Violation("stuck", str(err))]
            self._observe()
            return self._judge()

    def _something(self) -> None:
        """Have something happen in the coming round."""
        rng, stage = self.rng, self.stage
        for client in stage.clients.values():
            if client.conn is None and rng.random() < 0.3:
                stage.connect(client)
            elif client.conn is not None and rng.random() < 0.05:
                stage.courier.cut(client)
            if client.session.retry_after is not None:
                client.session.retry()
            for _ in range(rng.choice([0, 0, 1, 3])):
                self._say(client)
        chance = rng.random()
        if chance < 0.1:
            stage.fault_after(rng.randrange(12), rng.choice(["kill", "power"]))
        elif chance < 0.15:
            stage.fault(rng.choice(["kill", "power"]))
        elif chance < 0.2:
            stage.disk.failing.add(rng.choice(["write", "sync"]))

    def _say(self, client: Client) -> None:
        self.said += 1
        cmid, room = f"{client.name}-{self.said}", self.rng.choice(ROOMS)
        self.history.invoke(client.name, room, cmid)
        client.session.submit(native.Send(cmid=cmid, to=room, text=cmid + " x" * self.rng.choice([0, 1, 900])))

    def _observe(self) -> None:
        """Write down what people were told."""
        for client in self.stage.clients.values():
            told, client.told = client.told + client.session.updates(), []
            for update in told:
                match update:
                    case Sent(cmid=cmid, room=room, seq=seq):
                        self.history.ok(cmid, room, seq)
                    case Failed(cmid=cmid):
                        self.history.fail(cmid)
                    case Message(msg=msg):
                        self._saw(client, msg)
                    case Entered(room=room, messages=messages, reset=reset):
                        if reset:
                            self.history.reset(client.name, room)
                        for msg in messages:
                            self._saw(client, msg)
                    case _:
                        pass

    def _saw(self, client: Client, msg: Msg) -> None:
        self.history.saw(client.name, msg.room, msg.seq, cmid_of(msg))

    def _judge(self) -> list[Violation]:
        for client in self.stage.clients.values():
            for room in ROOMS:
                self.history.stays(client.name, room)
        served = {room: self._read(room) for room in ROOMS}
        try:
            on_disk = stored(self.stage.path)
        except ValueError as err:
            return [Violation("file", str(err)), *check(self.history, served)]
        kept = {room: RoomLog([(row[0], row[6].split(" ")[0]) for row in on_disk[room][1]]) for room in on_disk}
        found = check(self.history, served, kept)
        if self.history.resets:  # nothing was pruned, damaged or exchanged
            found.append(Violation("reset", f"readers were told {self.history.resets} times to start anew"))
        return found

    def _read(self, room: str) -> RoomLog:
        """Read a room as the newest of clients would, page by page, and believe nothing."""
        found = RoomLog([])
        last = 0
        while True:
            page = self._ask(native.History(room=room, after=last, limit=7))
            assert isinstance(page, native.HistoryPage), page
            found.messages += [(msg.seq, cmid_of(msg)) for msg in page.messages]
            found.gaps += page.gaps
            last = max([last + 1] + [msg.seq for msg in page.messages] + [end for _, end in page.gaps])
            if not page.more:
                return found

    def _ask(self, request: native.Request) -> native.Event:
        """Have ann ask and return the answer."""
        ann = self.stage.clients["ann"]
        number = ann.session.request(request)
        self.stage.round()
        told, ann.told = ann.told + ann.session.updates(), []
        return next(update.event for update in told if isinstance(update, Answer) and update.id == number)


def cmid_of(msg: Msg) -> str:
    """Return the cmid that the text of ``msg`` begins with."""
    return msg.text.split(" ")[0]


def ordeal(seed: int, plant: "Plant | None" = None) -> list[Violation]:
    """Run one ordeal, with a mutant if ``plant`` is given."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory,
        plant() if plant is not None else contextlib.nullcontext(),
    ):
        return Ordeal(Path(directory), seed).run()


# --- the mutants

Plant = Callable[[], AbstractContextManager[object]]


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


def _resumes(from_: int) -> AbstractContextManager[object]:
    after = Log.after

    def mutated(self: Log, room: str, seq: int, limit: int) -> Any:
        return after(self, room, max(0, seq + from_), limit)

    return mock.patch.object(Log, "after", mutated)


def resumes_one_too_late() -> AbstractContextManager[object]:
    return _resumes(1)


def resumes_one_too_early() -> AbstractContextManager[object]:
    return _resumes(-1)


def keeps_numbers_of_what_was_rolled_back() -> AbstractContextManager[object]:
    rollback = Log.rollback

    def mutated(self: Log) -> None:
        undone = {name: self._rooms[name].last for name in self._undo if name not in self._added}
        rollback(self)
        for name, last in undone.items():
            self._rooms[name].last = last

    return mock.patch.object(Log, "rollback", mutated)


def acknowledges_another_seq() -> AbstractContextManager[object]:
    acknowledge = State._acknowledge

    def mutated(self: State, do: Do, msg: Msg) -> None:
        acknowledge(self, do, msgspec.structs.replace(msg, seq=msg.seq + 1))

    return mock.patch.object(State, "_acknowledge", mutated)


def acknowledges_what_the_disk_refused() -> AbstractContextManager[object]:
    return mock.patch.object(Outbox, "refuse_unstored")


def takes_a_new_epoch_each_time() -> AbstractContextManager[object]:
    return _opened(lambda log: setattr(log, "epoch", f"{log.epoch}{id(log)}"))


MUTANTS: Final[dict[str, Plant]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        acknowledges_before_commit,
        fans_out_before_commit,
        commits_without_sync,
        has_no_unique_index,
        forgets_cmids_when_it_restarts,
        resumes_one_too_late,
        resumes_one_too_early,
        keeps_numbers_of_what_was_rolled_back,
        acknowledges_another_seq,
        acknowledges_what_the_disk_refused,
        takes_a_new_epoch_each_time,
    )
}


@click.command()
@click.option(
    "--count", default=10, show_default=True, help="ordeals for the program, and at most as many for each mutant"
)
@click.option("--seed", default=1, show_default=True, help="of the first ordeal")
def main(count: int, seed: int) -> None:
    """Run ordeals for the program and for every mutant."""
    seeds = range(seed, seed + count)
    broken = [(one, found) for one in seeds if (found := ordeal(one))]
    for one, found in broken:
        click.echo(f"the program, seed {one}: {found[0]}")
    missed = 0
    for name, plant in MUTANTS.items():
        caught = next(((one, found) for one in seeds if (found := ordeal(one, plant))), None)
        missed += caught is None
        click.echo(f"{name}: {'NOT CAUGHT' if caught is None else f'seed {caught[0]}: {caught[1][0]}'}")
    click.echo(f"{count} ordeals of the program, {len(broken)} broken; {missed} of {len(MUTANTS)} mutants not caught")
    sys.exit(1 if broken or missed else 0)


if __name__ == "__main__":
    main()
