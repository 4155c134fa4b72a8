"""The broker's process: waits for batches, applies all that wait as one transaction, and answers with one batch each.

One thread and one selector; no client's socket is ever here. Nothing is told before the log has committed.
"""

import logging
import secrets
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from broker import checks, operator
from broker.askers import Asker, Askers
from broker.attendance import Attendance
from broker.log import Log, LogError, LogLost
from broker.operator import Operator
from broker.order import Order
from broker.outbox import Outbox
from broker.people import Device
from broker.state import State
from broker.upkeep import Upkeep
from broker.vault import Vault
from protocol import logs, native
from protocol.control import ControlSocket
from protocol.ipc import (
    Answered,
    Asked,
    Attach,
    Beat,
    ConnId,
    Do,
    Fatal,
    Gone,
    Hush,
    Link,
    Ready,
    Reload,
    Stop,
    Stuck,
    Up,
    worker_of,
)
from protocol.operator import Answer, Found, decode_order
from protocol.operator import Order as OperatorOrder
from protocol.pipes import BadFrame, PipeReader, PipeWriter, decode_batch
from protocol.settings import Settings

log = logging.getLogger("moot.broker")

LOG_FILE: Final = "moot.db"
STEP_S: Final = 0.1
PAGES_S: Final = 0.001  # for pages of messages between two steps for everything else
SHARE: Final = 4000  # commands of one worker that wait to be applied; the rest waits in its backlog and its pipe
OFFENCES_LOGGED: Final = 10  # of each worker
ATTACH_WAIT_S: Final = 1.0  # a new broker waits this long for all workers' seats before it serves any of them

UNSTORED: Final = native.Error(
    code="storage", text="the server cannot store anything at the moment, so this was not said", wait=1.0
)
INTERNAL: Final = native.Error(code="internal", text="internal error; the server's log has more")

_decoder: msgspec.msgpack.Decoder[list[Up]] = msgspec.msgpack.Decoder(list[Up])


class Worker:
    """The broker's view of one worker: its two pipes and what of it waits to be applied."""

    def __init__(self, incarnation: int, reader: PipeReader, writer: PipeWriter) -> None:
        self.incarnation = incarnation
        self.reader = reader
        self.writer = writer
        self.attached = False
        self.backlog: deque[Up] = deque()  # read, not yet taken up; while there is some, no more is read
        self.waiting = 0  # commands taken up, not yet applied
        self.offences = 0


class Broker:
    """The shell around `State`. Owns the log, the pipes and the control socket."""

    def __init__(
        self,
        control: ControlSocket,
        settings: Settings,
        directory: Path,
        workers: frozenset[int],
        sheet: int | None = None,
    ) -> None:
        """``workers``: those that had people when the last broker ended. ``sheet``: see `Attendance`."""
        self.control = control
        self.settings = settings
        self.log = Log(directory / LOG_FILE, alive=_signs_of_life(control), looked_through=bool(workers))
        self.upkeep = Upkeep(self.log)
        self.out = Outbox()
        self.vault = Vault()
        self.state = State(settings, self.log, self.out, _note, self.vault, secrets.token_bytes)
        self.order = Order(self.state.may_retry)
        self.workers: dict[int, Worker] = {}
        self.awaited = set(workers)  # those that are to attach before the first request is served
        self.serve_at = time.monotonic() + ATTACH_WAIT_S
        self.seated = False  # the seats were taken before anything else
        self.attendance = Attendance(sheet)
        self.state.seating.restore(self.attendance.read(), time.monotonic() + settings.linger)
        self.waiting: list[tuple[Worker, Up]] = []  # read, not yet applied
        self.pages: dict[ConnId, list[tuple[Worker, Up]]] = {}  # put off: see `_all_but_pages`
        self.pages_next = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)
        self.askers = Askers(self.selector)
        self.operator = Operator(self.state, lambda: _size_of(directory / LOG_FILE))
        self.selector.register(self.vault, selectors.EVENT_READ)
        self.proven = False  # the vault has results
        self.bereft = False  # a worker was lost in this step
        self.stopping = False

    @property
    def serving(self) -> bool:
        return not self.awaited or time.monotonic() >= self.serve_at

    def run(self) -> None:
        due: float | None = self.serve_at
        while not self.stopping:
            due = self.turn(due)

    def turn(self, due: float | None) -> float | None:
        """Wait for commands until ``due`` (monotonic; None: for ever) and apply some. Return the next ``due``."""
        behind = bool(self.waiting or self.pages) or any(worker.backlog for worker in self.workers.values())
        self.waiting += self._wait(0.0 if behind and self.serving else due)
        if not self.serving:
            return self.serve_at
        if not self.seated:
            self._take_seats()
            self.seated = True
        elif behind:
            self.waiting = _in_turns(self.waiting)
        if self.proven:
            self.proven = False
            self._take_proofs()
        return self.step()

    def _wait(self, due: float | None) -> list[tuple[Worker, Up]]:
        """Return the commands that wait, after waiting for some at the longest until ``due`` (monotonic)."""
        timeout = None if due is None else max(0.0, due - time.monotonic())
        commands: list[tuple[Worker, Up]] = []
        for key, events in self.selector.select(timeout):
            if key.fileobj is self.control:
                self._obey()
                continue
            if isinstance(key.data, Asker):
                self.askers.flush(key.data)
                continue
            if key.fileobj is self.vault:
                self.proven = True
                continue
            worker: Worker = key.data
            if events & selectors.EVENT_WRITE and worker.incarnation in self.workers:
                self._flush(worker)
            if events & selectors.EVENT_READ and worker.incarnation in self.workers:
                self._read(worker)
        for worker in self.workers.values():
            taken = min(SHARE - worker.waiting, len(worker.backlog))
            commands += [(worker, worker.backlog.popleft()) for _ in range(taken)]
            worker.waiting += taken
        return commands

    def _read(self, worker: Worker) -> None:
        if worker.backlog:
            return
        try:
            frames = worker.reader.read()
            for frame in frames:
                batch = decode_batch(frame, _decoder)  # a worker speaks for its own connections only
                worker.backlog += [command for command in batch if _owner(command) == worker.incarnation]
        except EOFError:
            self._lose(worker)
            return
        except BadFrame as err:
            log.error("worker %d sent garbage and is cut off: %s", worker.incarnation, err)
            self.control.send(Stuck(worker.incarnation))
            self._lose(worker)
            return
        if not worker.attached and worker.backlog:
            worker.attached = True
            self.awaited.discard(worker.incarnation)

    def _take_seats(self) -> None:
        """Who sits where comes first of all: a newcomer at one worker must not take a nick of another's seat."""
        seats = [item for item in self.waiting if isinstance(item[1], Attach)]
        self.waiting = [item for item in self.waiting if not isinstance(item[1], Attach)]
        now_ms = time.time_ns() // 1_000_000
        self.state.tick(now_ms)
        for worker, attach in seats:
            worker.waiting -= 1
            self._apply(worker, attach, now_ms)
        self.state.seating.let_go(self.awaited & self.workers.keys())
        self.state.seating.tell_who_is_here()

    def _take_proofs(self) -> None:
        """Apply what the vault has worked out, each as a transaction of its own; `step` tells of it."""
        self.upkeep.mend(time.monotonic())
        for apply in self.vault.finished():
            self.state.tick(time.time_ns() // 1_000_000)
            try:
                apply()
                self.state.commit()
            except LogError as err:
                self._unstored(err)
            except Exception:  # as of a command
                log.exception("a proof could not be taken")
                self.log.rollback()
                self.state.rolled_back()

    def step(self) -> float | None:
        """Apply what waits as one transaction and tell the workers. Return when to step again at the latest.

        A step takes no longer than `STEP_S` and a little: the rest waits for the next, so that no crowd of costly
        requests keeps the broker from its heartbeat.
        """
        now_ms = time.time_ns() // 1_000_000
        self.state.tick(now_ms)
        self.upkeep.mend(time.monotonic())
        if self.pages_next:
            self._some_pages(now_ms)
        else:
            self._all_but_pages(now_ms)
        self.pages_next = bool(self.pages) and not self.pages_next
        due = self.state.expire(time.monotonic())
        asked = self._ask(now_ms)
        ends = self._settle(now_ms)
        try:
            self.log.commit()
        except LogError as err:
            self._unstored(err)
        self.state.policies.committed()
        self.order.committed()
        self._answer(asked)
        self.bereft = False
        # Before anybody is told: what stands nowhere else must not be less than what people know.
        self.attendance.write(self.state.people.touched, self.state.people.by_conn.values())
        self.state.people.touched.clear()
        for incarnation, frame in self.out.batches():
            self._put(incarnation, frame)
        log_due = self.upkeep.prune(self.settings, time.monotonic(), now_ms)
        if self.bereft:
            return 0.0  # the others are to hear of a worker lost just now
        return min((at for at in (due, ends, log_due) if at is not None), default=None)

    def _settle(self, now_ms: int) -> float:
        """Have the state settle what is due. Return when to do so again, monotonic seconds."""
        try:
            left_ms = self.state.moderation.settle(now_ms) - now_ms
        except LogError as err:
            if self.log.pending:
                self._unstored(err)
            else:
                self.upkeep.complain(err, time.monotonic())
            left_ms = 1000.0
        return time.monotonic() + min(3600.0, max(0.0, left_ms / 1000))  # no selector waits for years

    def _all_but_pages(self, now_ms: int) -> None:
        """Apply what waits, but put off what asks for a page of messages, and all behind it of the same connection."""
        until = time.monotonic() + STEP_S
        done = 0
        for done, (worker, command) in enumerate(self.waiting, 1):
            conn = 0 if isinstance(command, Attach) else command.conn
            if conn in self.pages:
                self.pages[conn].append((worker, command))
                continue
            if _is_paged(command):
                self.pages[conn] = [(worker, command)]
                continue
            worker.waiting -= 1
            self._apply(worker, command, now_ms)
            if (done % 16 == 0 or type(command) is Attach) and time.monotonic() > until:
                break
        del self.waiting[:done]

    def _some_pages(self, now_ms: int) -> None:
        """Apply some of what was put off, connection by connection, so that many who come back delay nobody else."""
        until = time.monotonic() + PAGES_S
        while self.pages:
            conn = next(iter(self.pages))
            commands = self.pages.pop(conn)
            upto = next((at for at, (_, command) in enumerate(commands) if at and _is_paged(command)), len(commands))
            for worker, command in commands[:upto]:
                worker.waiting -= 1
                self._apply(worker, command, now_ms)
            if upto < len(commands):
                self.pages[conn] = commands[upto:]  # after all others
            if time.monotonic() > until:
                break

    def _apply(self, worker: Worker, command: Up, now_ms: int) -> None:
        """Apply one command, whatever comes of it: the others of its batch are other people's."""
        lost = self.workers.get(worker.incarnation) is not worker
        if lost and not isinstance(command, Attach):
            return  # its connections are closed
        verdict = checks.checked(command, self.settings)
        if isinstance(verdict, checks.Offence):
            self._resent(worker, command, verdict)
            return
        command = verdict
        rollbacks = self.log.rollbacks
        try:
            if isinstance(command, Do):
                if (no := self.order.refusal(command, time.monotonic)) is not None:
                    self._refuse(command, no)
                    return
                self.state.do(command, now_ms)
            elif isinstance(command, Gone):
                self.state.gate.gone(command.conn)
                self.state.seating.gone(command, time.monotonic() + self.settings.linger)
            else:
                self.state.seating.attach(command, time.monotonic() + self.settings.linger, late=self.seated)
                if lost:
                    self.state.seating.worker_lost(worker.incarnation, time.monotonic() + self.settings.linger)
        except LogError as err:
            if self.log.pending or self.log.rollbacks != rollbacks:
                self._unstored(err)
            else:
                self.upkeep.complain(err, time.monotonic())
            self._refuse(command, UNSTORED)
            if isinstance(command, Do):
                self.order.unstored({(command.conn, command.rid)}, UNSTORED, time.monotonic())
        except Exception:  # else a worker would send the same command to the next broker, and to the one after it
            log.exception("a command could not be carried out")
            self._refuse(command, INTERNAL)

    def _ask(self, now_ms: int) -> "list[Answering]":
        """Find or do what the operator's shell asks for."""
        asked: list[Answering] = []
        waiting, self.askers.waiting = self.askers.waiting, []
        for asker in waiting:
            rollbacks = self.log.rollbacks
            try:
                order = decode_order(asker.asked.order)
                found = self.operator.find(asker.asked, order, now_ms)
                asked.append((asker, order, self.operator.carry_out(order, now_ms) if found is None else found))
            except native.UNDECODABLE as err:
                self.askers.answer(asker, Answer(f"the running server does not know what was asked for: {err}", 1))
            except LogError as err:
                if self.log.pending or self.log.rollbacks != rollbacks:
                    self._unstored(err)
                self.askers.answer(asker, Answer(f"the server's log cannot be read or written: {err}", 1))
            except Exception:
                log.exception("the operator was not answered")
                self.askers.answer(asker, Answer(INTERNAL.text, 1))
        return asked

    def _answer(self, asked: "list[Answering]") -> None:
        """After the transaction: say what came of what the operator's shell asked for."""
        if asked:
            events = operator.answers(self.out)
            for asker, order, found in asked:
                if isinstance(found, int):
                    answer = operator.told(order, events.get(found, INTERNAL))
                else:
                    answer = operator.found(found)
                self.askers.answer(asker, answer)

    def _resent(self, worker: Worker, command: Up, offence: checks.Offence) -> None:
        """A worker passed on what it should have refused: its client is told no, the others of its batch go on."""
        worker.offences += 1
        if worker.offences <= OFFENCES_LOGGED:
            log.error("worker %d passed on %s; it was refused", worker.incarnation, offence.why)
        self._refuse(command, INTERNAL)

    def _unstored(self, err: LogError) -> None:
        """This transaction failed. What comes after it in the same step is a transaction of its own."""
        now = time.monotonic()
        self.upkeep.complain(err, now)
        self.log.rollback()
        self.state.rolled_back()
        self.upkeep.mend(now)
        self.order.unstored(self.out.refuse_unstored(self.state.last, self.log.topic, UNSTORED), UNSTORED, now)

    def _refuse(self, command: Up, error: native.Error) -> None:
        if isinstance(command, Do):
            answer = msgspec.structs.replace(error, id=command.request.id)
            self.out.tell(worker_of(command.conn), Answered(command.conn, command.rid, answer))

    def _put(self, incarnation: int, frame: bytes) -> None:
        worker = self.workers.get(incarnation)
        if worker is None:
            return  # lost in this very step
        try:
            taken = worker.writer.put(frame)
        except OSError:
            self._lose(worker)
            return
        if not taken:
            log.error("worker %d does not drain its queue and is cut off", incarnation)
            self.control.send(Stuck(incarnation))
            self._lose(worker)
        elif worker.writer.pending:
            self._watch_writing(worker)

    def _flush(self, worker: Worker) -> None:
        try:
            worker.writer.flush()
        except OSError:
            self._lose(worker)
            return
        if not worker.writer.pending:
            self.selector.unregister(worker.writer)

    def _watch_writing(self, worker: Worker) -> None:
        if worker.writer not in self.selector.get_map():
            self.selector.register(worker.writer, selectors.EVENT_WRITE, worker)

    def _lose(self, worker: Worker) -> None:
        if self.workers.get(worker.incarnation) is not worker:
            return
        del self.workers[worker.incarnation]
        self.awaited.discard(worker.incarnation)
        for end in (worker.reader, worker.writer):
            if end in self.selector.get_map():
                self.selector.unregister(end)
            end.close()
        self.state.gate.worker_lost(worker.incarnation)
        self.state.seating.worker_lost(worker.incarnation, time.monotonic() + self.settings.linger)
        self.bereft = True

    def _obey(self) -> None:
        """Do what the supervisor says."""
        try:
            messages = self.control.recv()
        except EOFError:
            self.stopping = True
            return
        for message, fds in messages:
            match message:
                case Link(peer="worker", incarnation=incarnation):
                    worker = Worker(incarnation, PipeReader(fds[0]), PipeWriter(fds[1]))
                    if incarnation in self.workers:
                        self._lose(self.workers[incarnation])
                    self.workers[incarnation] = worker
                    self.selector.register(worker.reader, selectors.EVENT_READ, worker)
                case Beat():
                    self.control.send(message)
                case Asked():
                    self.askers.take(fds[0], message)
                case Stop():
                    self.stopping = True
                case Hush():
                    self.state.rooms.hushed = True
                case Reload(settings=settings):
                    if settings.log_format != self.settings.log_format:
                        logs.setup(settings.log_format)
                    self.settings = settings
                    self.state.take_settings(settings)
                case _:
                    log.warning("unexpected control message %r", message)


Answering = tuple[Asker, OperatorOrder, Found | int]
"""Who asked for what, and what was found, or the number of what was ordered."""


def _in_turns(commands: list[tuple[Worker, Up]]) -> list[tuple[Worker, Up]]:
    """Return the same, 16 of each worker in turn, so that one with very many keeps no other waiting."""
    seen: Counter[Worker] = Counter()
    ranked: list[tuple[int, tuple[Worker, Up]]] = []
    for item in commands:
        ranked.append((seen[item[0]] // 16, item))
        seen[item[0]] += 1
    ranked.sort(key=lambda entry: entry[0])  # stable: each worker's order is kept
    return [item for _rank, item in ranked]


def _signs_of_life(control: ControlSocket) -> Callable[[], None]:
    """Return what tells the supervisor, once a second, that the log is being migrated and that this goes on."""
    due = 0.0

    def alive() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + 1.0
            control.send(Beat(0))

    return alive


def _size_of(path: Path) -> int:
    """Return the size of the log, its write-ahead log included, bytes."""
    return sum(file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists())


def _owner(command: Up) -> int:
    """Return the worker that may say this."""
    return command.worker if isinstance(command, Attach) else worker_of(command.conn)


def _is_paged(command: Up) -> bool:
    return type(command) is Do and type(command.request) in native.PAGED


def _note(what: str, device: Device, details: str) -> None:
    log.info("%s %s (%s, %s) %s", device.person.nick, what, device.addr, device.dialect, details)


def run(
    control_sock: socket.socket, settings: Settings, directory: Path, workers: frozenset[int], sheet: int | None
) -> None:
    """Be the broker until told to stop, or until the supervisor is gone. ``workers``, ``sheet``: see `Broker`."""
    control = ControlSocket(control_sock)
    try:
        broker = Broker(control, settings, directory, workers, sheet)
    except LogError as err:
        control.send(Fatal(str(err)))
        return
    control.send(Ready())
    try:
        broker.run()
    except LogLost as err:
        control.send(Fatal(str(err)))
    finally:
        broker.askers.close()
        broker.vault.close()
        broker.log.close()
