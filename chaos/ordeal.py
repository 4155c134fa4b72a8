"""An ordeal: people talk, come and go, while everything that may die does, and then everything is compared.

The broker is killed, the worker, the power goes, the disk is full or fails, acknowledgements are lost, old messages are
removed, at any moment, at any write to the disk (`chaos.stage`). `chaos.history` says which promise was broken.
"""

import contextlib
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from random import Random
from typing import Final

import apsw

from broker.log import LogLost
from chaos.courier import Client
from chaos.history import History, RoomLog, Violation, check
from chaos.ledger import stored
from chaos.reading import note
from chaos.stage import Stage
from client.updates import Answer, Failed, Sent
from protocol import native
from protocol.native import Msg

Plant = Callable[[], AbstractContextManager[object]]
NAMES: Final = ("ann", "bob", "cyd")
ROOMS: Final = ("#tea", "#cake")
ROUNDS: Final = 60


class Ordeal:
    """One run. Everything follows from the seed."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = Random(seed)
        self.stage = Stage(directory, list(NAMES), list(ROOMS), self.rng)
        self.history = History()
        self.said = 0
        self.pruned = dict.fromkeys(ROOMS, 0)

    def run(self) -> list[Violation]:
        with self.stage:
            try:
                self._people_talk()
                return self._judge() or self._damage()
            except LogLost as err:  # the server stops: it found by itself that something is wrong
                return [Violation("stopped", str(err))]
            except AssertionError as err:
                return [*self.history.contradictions(), Violation("stuck", str(err))]

    def _people_talk(self) -> None:
        self.stage.settle()
        for _ in range(ROUNDS):
            self._something()
            self.stage.round(deliver=self.rng.random() > 0.04)
            self.stage.disk.failing.clear()
            self._observe()
        self.stage.settle()
        self._observe()

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
            stage.fault(rng.choice(["kill", "worker", "power"]))
        elif chance < 0.2:
            self._prune(rng.choice(ROOMS), rng.randrange(5, 30))
        elif chance < 0.25:
            stage.disk.failing.add(rng.choice(["write", "sync"]))

    def _prune(self, room: str, keep: int) -> None:
        self.stage.settle()  # a message that is removed before its sender knows that it was stored is stored again
        self._observe()
        log = self.stage.log
        if log.last(room) and log.suspect is None:
            self.stage.prune(room, keep)
            self.pruned[room] = self.stage.log.pruned(room)

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
                    case _:
                        note(self.history, client.name, update, cmid_of)

    def _judge(self) -> list[Violation]:
        for client in self.stage.clients.values():
            for room in ROOMS:
                self.history.stays(client.name, room)
        served = {room: self._read(room) for room in ROOMS}
        kept, broken = None, []
        try:
            on_disk = stored(self.stage.path)
            kept = {room: RoomLog([(row[0], row[6].split(" ")[0]) for row in on_disk[room][1]]) for room in on_disk}
        except ValueError as err:
            broken.append(Violation("file", str(err)))
        return broken + check(self.history, served, kept, self.pruned)

    def _damage(self) -> list[Violation]:
        """Change one bit of a stored text: it must not be served."""
        room = self.rng.choice(ROOMS)
        row = self.rng.choice(stored(self.stage.path)[room][1])
        text = chr(ord(row[6][0]) ^ 1) + row[6][1:]
        with closing(apsw.Connection(str(self.stage.path), vfs=self.stage.disk.name)) as db:
            query = "UPDATE messages SET text = ? WHERE seq = ? AND room = (SELECT id FROM rooms WHERE name = ?)"
            db.execute(query, (text, row[0], room))
        self.stage.fault("kill")
        self.stage.settle()
        served = self._read(room)
        if row[0] not in dict(served.messages) and any(low <= row[0] <= high for low, high in served.gaps):
            return []
        return [Violation("damaged", f"{row[0]} of {room} is served though a bit of it is wrong")]

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


def ordeal(seed: int, plant: Plant | None = None) -> list[Violation]:
    """Run one ordeal, with a mutant if ``plant`` is given."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory,
        plant() if plant is not None else contextlib.nullcontext(),
    ):
        return Ordeal(Path(directory), seed).run()
