"""A broker's loop with real pipes and a real control socket; the test plays supervisor and workers."""

import os
import socket
from pathlib import Path

import msgspec

from broker.process import Broker
from protocol import native
from protocol.control import ControlSocket
from protocol.ipc import (
    Answered,
    Do,
    Down,
    Link,
    Posted,
    Up,
)
from protocol.pipes import PipeReader, PipeWriter
from protocol.settings import DEFAULTS
from tests.broker.desk import token

ROOMY = msgspec.structs.replace(DEFAULTS, max_text=100_000)  # so that few messages fill a page, a pipe, a disk
_decoder = msgspec.msgpack.Decoder(list[Down])


class FakeWorker:
    """The other ends of a worker's two pipes."""

    def __init__(self, incarnation: int, supervisor: ControlSocket) -> None:
        to_broker, from_worker = os.pipe()
        from_broker, to_worker = os.pipe()
        self.writer, self.reader = PipeWriter(from_worker), PipeReader(from_broker)
        supervisor.send(Link("worker", incarnation), (to_broker, to_worker))
        os.close(to_broker)
        os.close(to_worker)

    def put(self, *commands: Up) -> None:
        self.writer.put(msgspec.msgpack.encode(commands))

    def batches(self) -> list[list[Down]]:
        return [_decoder.decode(frame) for frame in self.reader.read()]

    def told(self) -> list[Down]:
        return [event for batch in self.batches() for event in batch]

    def die(self) -> None:
        self.writer.close()
        self.reader.close()


class Bench:
    def __init__(self, directory: Path, *awaited: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.supervisor = ControlSocket(ours)
        self.control = ControlSocket(theirs)
        self.broker = Broker(self.control, ROOMY, directory, frozenset(awaited))
        self.made: list[FakeWorker] = []

    def worker(self, incarnation: int) -> FakeWorker:
        made = FakeWorker(incarnation, self.supervisor)
        self.made.append(made)
        self.turn()
        return made

    def turn(self) -> None:
        """Have what waits applied."""
        self.broker.turn(0.0)
        while self.broker.pages:
            self.broker.step()

    def close(self) -> None:
        for made in self.made:
            made.die()
        for worker in list(self.broker.workers.values()):
            self.broker._lose(worker)
        self.broker.vault.close()
        self.broker.log.close()
        self.broker.selector.close()
        self.control.close()
        self.supervisor.close()


def hello(who: int, nick: str, rid: int = 1) -> Do:
    return Do(who, rid, native.Hello(nick=nick, token=token(nick)), None, "127.0.0.1", "native", True)


def join(who: int, room: str, rid: int = 2) -> Do:
    return Do(who, rid, native.Join(room=room))


def say(who: int, text: str, rid: int, to: str = "#tea") -> Do:
    return Do(who, rid, native.Send(id=rid, cmid=f"c{rid}", to=to, text=text))


def answers(events: list[Down]) -> dict[int, native.Event]:
    return {event.rid: event.event for event in events if isinstance(event, Answered)}


def code(event: native.Event) -> str:
    assert isinstance(event, native.Error), event
    return event.code


def posts(events: list[Down]) -> list[tuple[int, str]]:
    return [(event.msg.seq, event.msg.text) for event in events if isinstance(event, Posted)]
