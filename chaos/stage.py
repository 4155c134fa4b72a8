"""A real broker, a real log on a disk that may lose power, and real client sessions, in one thread and in lock step.

Between the broker and the sessions stand its real pipes and the least of a worker (`chaos.courier`). Sockets and the
clock are left out, so a run depends on its seed alone, and a fault may come at any write to the disk:
`Stage.fault_after`.
"""

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Literal
from unittest import mock

import msgspec

import broker.process
from broker.log import Log
from broker.process import LOG_FILE, Broker
from chaos.courier import Client, Courier
from chaos.disk import Disk, Image, Platter, read_image, write_image
from client.session import Session
from protocol.control import ControlSocket
from protocol.ipc import Do, Down, Link, Up
from protocol.pipes import PipeReader, PipeWriter, encode_frames
from protocol.settings import Settings

Fault = Literal["kill", "worker", "power"]
SETTINGS: Final = Settings(workers=1, backlog=5, linger=3600.0)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Down]] = msgspec.msgpack.Decoder(list[Down])


@dataclass(frozen=True, slots=True)
class _Fallen:
    """What is left at the moment of a fault."""

    kind: Fault
    image: Image
    platter: Platter
    sheet: bytes  # who was here


class Clock:
    """Stands in for the module `time` in the broker's shell: a second passes with each round."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int((1_700_000_000 + self.now) * 1e9)


class Stage:
    """Everything together. Use it as a context manager; the directory is its own."""

    def __init__(self, directory: Path, names: list[str], rooms: list[str], rng: Random) -> None:
        self.directory = directory
        self.rng = rng
        self.clients = {name: Client(name, Session(name, rooms, token=f"the token of {name}")) for name in names}
        self.courier = Courier(1)
        self.disk = Disk(directory)
        self.faults: list[Fault] = []  # that came true
        self.unanswered: list[Do] = []  # what was under way at the last of them
        self._clock = Clock()
        self._countdown: tuple[int, Fault] | None = None
        self._fallen: _Fallen | None = None
        self._received: list[bytes] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Stage":
        self._stack.enter_context(mock.patch.object(broker.process, "Log", self._open_log))
        self._stack.enter_context(mock.patch.object(broker.process, "time", self._clock))
        self._sheet = self._stack.enter_context(tempfile.TemporaryFile(buffering=0))
        self._start(frozenset())
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self.disk.close()
        self._stack.close()

    @property
    def log(self) -> Log:
        return self.broker.log

    @property
    def path(self) -> Path:
        return self.directory / LOG_FILE

    # --- processes

    def _open_log(self, path: Path, **options: Any) -> Log:
        log = Log(path, **{**options, "vfs": self.disk.name})
        log._db.pragma("wal_autocheckpoint", self.rng.choice([2, 10, 1000]))
        return log

    def _start(self, awaited: frozenset[int]) -> None:
        ours, theirs = socket.socketpair()
        self._control = ControlSocket(ours)
        self.broker = Broker(ControlSocket(theirs), SETTINGS, self.directory, awaited, self._sheet.fileno())
        self._link()
        self.disk.watch = self._watch

    def _link(self) -> None:
        """Give courier and broker their pipes."""
        up_read, up_write = os.pipe()
        down_read, down_write = os.pipe()
        self._up, self._down = PipeWriter(up_write), PipeReader(down_read)
        self._control.send(Link("worker", self.courier.incarnation), (up_read, down_write))
        os.close(up_read)
        os.close(down_write)
        self._put(self.courier.attach())

    def _end(self) -> None:
        """Close everything a dead broker held, and our ends of it."""
        self.disk.watch = None
        self.disk.failing.clear()
        for worker in list(self.broker.workers.values()):
            worker.reader.close()
            worker.writer.close()
        self._up.close()
        self._down.close()
        self._control.close()
        self.broker.control.close()
        self.broker.selector.close()
        self.broker.vault.close()
        self.broker.log.close()

    def _new_courier(self) -> None:
        """The worker is dead: its clients' connections end, what it kept is gone."""
        clients = [client for client in self.clients.values() if client.conn is not None]
        for client in clients:
            self.courier.cut(client)
        self.courier = Courier(self.courier.incarnation + 1)

    # --- faults

    def fault(self, kind: Fault) -> None:
        """This happens now: the broker is killed, the worker is, or the power goes and takes both."""
        if kind == "worker":  # just before it hears what came of its last words
            if self._step():
                self.unanswered = list(self.courier.pending.values())
                self.faults.append(kind)
                self._up.close()
                self._down.close()
                self._new_courier()
                self._link()
            return
        self._fall(kind)
        self._rise()

    def fault_after(self, writes: int, kind: Fault) -> None:
        """A fault, not of the worker, before the ``writes``-th write to the disk from now on."""
        self._countdown = writes, kind

    def _watch(self) -> None:
        if self._countdown is None:
            return
        left, kind = self._countdown
        self._countdown = (left - 1, kind) if left else None
        if not left:
            self._fall(kind)

    def _fall(self, kind: Fault) -> None:
        """Take down what is on the disk and what was heard up to now."""
        self.disk.watch = None
        with contextlib.suppress(EOFError):
            self._received += self._down.read()
        platter = self.disk.platter
        for op in self.disk.ops:
            platter.apply(op, self.rng)
        self.disk.ops.clear()
        if kind == "power":
            image = platter.lose(self.rng)
            self._fallen = _Fallen(kind, image, Platter(image), b"")
        else:
            sheet = os.pread(self._sheet.fileno(), 1 << 24, 0)
            self._fallen = _Fallen(kind, read_image(self.directory), platter, sheet)

    def _rise(self) -> None:
        assert self._fallen is not None
        fallen, self._fallen = self._fallen, None
        self._countdown = None
        if fallen.kind == "kill" or self.rng.random() < 0.5:  # else it did not get beyond the worker
            self._hear()
        self._received.clear()
        self.unanswered = list(self.courier.pending.values())
        self.faults.append(fallen.kind)
        self._end()
        self.disk.close()
        write_image(fallen.image, self.directory)
        self._sheet.truncate(0)
        os.pwrite(self._sheet.fileno(), fallen.sheet, 0)
        self.disk = Disk(self.directory, fallen.platter)
        if fallen.kind == "power":
            self._new_courier()
            self._start(frozenset())
        else:
            self._start(frozenset({self.courier.incarnation}))

    def prune(self, room: str, keep: int, limit: int = 1000) -> bool:
        """Have the broker remove old messages, as its retention does; False: it died of it and another has begun."""
        self.log.prune(room, keep, 0, limit)
        self.log.commit()
        if self._fallen is None:
            return True
        self._rise()
        return False

    # --- a round

    def round(self, *, deliver: bool = True) -> None:
        """Carry everything up, let the broker do a step, carry everything down; a fault on its way ends this early.

        ``deliver``: False: the connections break before clients hear the answers.
        """
        self._put(self.courier.gather())
        if not self._step():
            return
        if not deliver:
            for client in self.clients.values():
                if client.conn is not None:
                    self.courier.cut(client)
        with contextlib.suppress(EOFError):
            self._received += self._down.read()
        self._hear()

    def _step(self) -> bool:
        """Have the broker take what waits for it, and do a step; False: it died of it and another has begun."""
        self._clock.now += 1
        ready = self.broker
        ready.waiting += ready._wait(self._clock.now)  # a new link
        ready.turn(self._clock.now)  # what came over it
        assert not ready.awaited
        while ready.pages and self._fallen is None:
            ready.step()
        if self._fallen is None:
            return True
        self._rise()
        return False

    def _hear(self) -> None:
        received, self._received = self._received, []
        for frame in received:
            for event in _decoder.decode(frame):
                self.courier.hear(event)

    def _put(self, commands: list[Up]) -> None:
        for frame in encode_frames(commands, _encoder) if commands else ():
            assert self._up.put(frame)
        assert not self._up.pending, "more than the pipe takes"

    def connect(self, client: Client) -> None:
        if client.conn is None:
            self.courier.open(client)

    def settle(self, then: Callable[[], object] = lambda: None, rounds: int = 200) -> None:
        """Connect everybody and go on until nothing is under way; call ``then`` after each round.

        Raises `AssertionError` if that does not end.
        """
        for _ in range(rounds):
            for client in self.clients.values():
                self.connect(client)
                if client.session.retry_after is not None:
                    client.session.retry()
            self.round()
            then()
            if not self.courier.pending and all(client.settled for client in self.clients.values()):
                return
        raise AssertionError("it does not settle")
