"""A real broker, a real log on a disk that may lose power, and real client sessions, in one thread and in lock step.

Between the broker and the sessions stand its real pipes and the least of a worker: it keeps what is not answered, sends
it again to a new broker, and fans out. Sockets and clocks are left out, so a run depends on its seed alone, and a fault
may come at any write to the disk: `Stage.fault_after`.
"""

import contextlib
import os
import socket
import time
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
from protocol.ipc import Down, Link, Up
from protocol.pipes import PipeReader, PipeWriter, encode_frames
from protocol.settings import Settings

Fault = Literal["kill", "power"]
SETTINGS: Final = Settings(workers=1, backlog=5, linger=3600.0)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Down]] = msgspec.msgpack.Decoder(list[Down])


class Stage:
    """Everything together. Use it as a context manager; the directory is its own."""

    def __init__(self, directory: Path, names: list[str], rooms: list[str], rng: Random) -> None:
        self.directory = directory
        self.rng = rng
        self.clients = {name: Client(name, Session(name, rooms, token=f"the token of {name}")) for name in names}
        self.courier = Courier(1)
        self.disk = Disk(directory)
        self.faults: list[Fault] = []  # that came true
        self._countdown: tuple[int, Fault] | None = None
        self._fallen: tuple[Fault, Image, Platter] | None = None
        self._received: list[bytes] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Stage":
        self._stack.enter_context(mock.patch.object(broker.process, "Log", self._open_log))
        self._start()
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

    # --- the broker's life

    def _open_log(self, path: Path, **options: Any) -> Log:
        log = Log(path, **{**options, "vfs": self.disk.name})
        log._db.pragma("wal_autocheckpoint", self.rng.choice([2, 10, 1000]))
        return log

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._control = ControlSocket(ours)
        self.broker = Broker(ControlSocket(theirs), SETTINGS, self.directory, frozenset({self.courier.incarnation}))
        up_read, up_write = os.pipe()
        down_read, down_write = os.pipe()
        self._up, self._down = PipeWriter(up_write), PipeReader(down_read)
        self._control.send(Link("worker", self.courier.incarnation), (up_read, down_write))
        os.close(up_read)
        os.close(down_write)
        self._put(self.courier.attach())
        self.disk.watch = self._watch

    def _end(self) -> None:
        """Close everything a dead process held."""
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
        self.broker.log.close()

    def fault(self, kind: Fault) -> None:
        """The broker is killed now, or the power goes and the sessions stay (as if they were on another machine)."""
        self._fall(kind)
        self._rise()

    def fault_after(self, writes: int, kind: Fault) -> None:
        """The same before the ``writes``-th write to the disk from now on."""
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
        with contextlib.suppress(EOFError):
            self._received += self._down.read()
        platter = self.disk.platter
        for op in self.disk.ops:
            platter.apply(op, self.rng)
        self.disk.ops.clear()
        if kind == "power":
            image = platter.lose(self.rng)
            platter = Platter(image)
        else:
            image = read_image(self.directory)
        self._fallen = kind, image, platter
        self.disk.watch = None

    def _rise(self) -> None:
        assert self._fallen is not None
        kind, image, platter = self._fallen
        self._fallen = None
        self._countdown = None
        self._hear()
        self._end()
        self.disk.close()
        write_image(image, self.directory)
        self.disk = Disk(self.directory, platter)
        self.faults.append(kind)
        self._start()

    # --- a round

    def round(self, *, deliver: bool = True) -> None:
        """Carry everything up, let the broker do a step, carry everything down; a fault on its way ends this early.

        ``deliver``: False: the connections break before clients hear the answers.
        """
        self._put(self.courier.gather())
        self.broker.waiting += self.broker._wait(time.monotonic())
        if not self.broker.seated:
            self.broker.seated = True
            self.broker._take_seats()
        self.broker.step()
        if self._fallen is not None:
            self._rise()
            return
        if not deliver:
            for client in self.clients.values():
                if client.conn is not None:
                    self.courier.cut(client)
        with contextlib.suppress(EOFError):
            self._received += self._down.read()
        self._hear()

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

    def settle(self, rounds: int = 200) -> None:
        """Connect everybody and go on until nothing is under way."""
        for _ in range(rounds):
            for client in self.clients.values():
                self.connect(client)
                if client.session.retry_after is not None:
                    client.session.retry()
            self.round()
            if not self.courier.pending and not any(client.session.outbox for client in self.clients.values()):
                up = [client for client in self.clients.values() if client.session._out]
                if not up:
                    return
        raise AssertionError("it does not settle")
