"""The supervisor: binds the ports, starts broker, sandbox and workers, watches and restarts them. Owns no chat state.

Every child has a control socket; its end is the child's sign that the supervisor is gone. Pipes between children are
made here and handed to both ends over those sockets, so that a restarted child is linked to the living ones.
"""

import moot.quickstart  # noqa: F401, I001  # before msgspec

import contextlib
import fcntl
import logging
import multiprocessing
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

import msgspec

from moot.sockets import ListenError, Listeners, bind
from protocol import addresses
from protocol.control import ControlSocket
from protocol.ipc import Beat, Fatal, Link, Ready, Relink, Stop, Stuck
from protocol.pipes import make_pipe
from protocol.settings import DEFAULTS, Settings

log = logging.getLogger("moot.supervisor")

BEAT_EVERY_S: Final = 1.0
BEAT_LIMIT_S: Final = 5.0  # without an answer a child is stuck and is killed
START_LIMIT_S: Final = 20.0
BACKOFF_S: Final = (0.1, 10.0)
STEADY_S: Final = 60.0  # a child that lived this long starts with the shortest backoff again
SANDBOX_WAIT_S: Final = 5.0  # clients are served without fun commands when it takes longer
MAX_FAILED_STARTS: Final = 6  # in a row, before the first sign of life
WORKERS_STOP_S: Final = 7.0
REST_STOP_S: Final = 2.0
COME_BACK_S: Final = 2.0  # what clients of a stopping server are told to wait at least

CHILD_IGNORES: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the supervisor says when to stop

_spawn = multiprocessing.get_context("spawn")


class StartError(Exception):
    """The server cannot run; the text says why and what to do."""


@dataclass(slots=True, eq=False)
class Place:
    """A child's place, kept over its restarts."""

    kind: str  # "broker", "sandbox" or "worker"
    sockets: list[socket.socket] = field(default_factory=list)  # a worker's listening ones
    incarnation: int = 0
    process: SpawnProcess | None = None
    control: ControlSocket | None = None
    ready: bool = False
    started: float = 0.0  # monotonic seconds
    answered: float = 0.0
    backoff: float = BACKOFF_S[0]
    failed_starts: int = 0
    restart_at: float | None = None

    @property
    def name(self) -> str:
        return self.kind if self.kind != "worker" else f"worker {self.incarnation}"


class Supervisor:
    """See the module."""

    def __init__(self, settings: Settings, directory: Path, listeners: Listeners, on_ready: Callable[[], None]) -> None:
        self.settings = settings
        self.directory = directory
        self.on_ready = on_ready
        self.selector = selectors.DefaultSelector()
        self.places = [Place("sandbox"), Place("broker"), *(Place("worker", socks) for socks in listeners.places)]
        self.incarnations = 0
        self.announced = False
        self.signals: list[int] = []
        self.failure: str | None = None
        self.beat = 0
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)
        os.set_blocking(self._wake_r, False)
        self.selector.register(self._wake_r, selectors.EVENT_READ)

    def run(self) -> int:
        """Serve until a signal or a failure; return the exit status."""
        restore = self._catch_signals()
        try:
            for place in self.places:
                self._start(place)
            next_beat = time.monotonic() + BEAT_EVERY_S
            while not self.signals and self.failure is None:
                self._turn(max(0.0, next_beat - time.monotonic()))
                now = time.monotonic()
                if now >= next_beat:
                    self._beat(late=now - next_beat > BEAT_LIMIT_S / 2)
                    next_beat = now + BEAT_EVERY_S
            self._stop()
        finally:
            self._kill_all()
            restore()
        if self.failure is not None:
            raise StartError(self.failure)
        return 0

    def _catch_signals(self) -> Callable[[], None]:
        def caught(number: int, _frame: object) -> None:
            self.signals.append(number)

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before: list[Any] = [signal.signal(number, caught) for number in numbers]
        wakeup = signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)

        def restore() -> None:
            signal.set_wakeup_fd(wakeup)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

        return restore

    # --- children

    def _start(self, place: Place) -> None:
        self.incarnations += 1
        place.incarnation = self.incarnations
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        awaited = sum(other.kind == "worker" and other.process is not None for other in self.places)
        arguments = (place.kind, theirs, place.sockets, self.settings, self.directory, place.incarnation, awaited)
        process = _spawn.Process(target=_run_child, args=arguments, name=f"moot {place.kind}")
        quiet = signal.pthread_sigmask(signal.SIG_BLOCK, CHILD_IGNORES)  # until the child ignores them by itself
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, quiet)
        theirs.close()
        now = time.monotonic()
        place.process, place.control = process, ControlSocket(ours)
        place.ready, place.restart_at = False, None
        place.started = place.answered = now
        self.selector.register(place.control, selectors.EVENT_READ, place)
        self.selector.register(process.sentinel, selectors.EVENT_READ, place)
        for other in self.places:
            if other is not place and other.control is not None:
                self._link(place, other)

    def _link(self, one: Place, other: Place) -> None:
        """Make the two pipes between a worker and the broker or sandbox, and hand both their ends."""
        if (one.kind == "worker") == (other.kind == "worker"):
            return
        one_reads, other_writes = make_pipe()
        other_reads, one_writes = make_pipe()
        ends = (one_reads, other_writes, other_reads, one_writes)
        with contextlib.suppress(OSError):  # a child that died meanwhile is restarted and linked again
            assert one.control is not None
            assert other.control is not None
            one.control.send(Link(other.kind, other.incarnation), (one_reads.fileno(), one_writes.fileno()))
            other.control.send(Link(one.kind, one.incarnation), (other_reads.fileno(), other_writes.fileno()))
        for end in ends:
            end.close()

    def _turn(self, timeout: float) -> None:
        """Wait for something to happen and deal with it."""
        for key, _events in self.selector.select(timeout):
            place: Place | None = key.data
            if place is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_r, 4096)
            elif key.fileobj is place.control:
                self._hear(place)
            elif place.process is not None and key.fd == place.process.sentinel:
                self._bury(place)
        now = time.monotonic()
        for place in self.places:
            ends = self.signals or self.failure is not None
            if place.restart_at is not None and place.restart_at <= now and not ends:
                self._start(place)
        self._announce()

    def _hear(self, place: Place) -> None:
        assert place.control is not None
        try:
            messages = place.control.recv()
        except (EOFError, msgspec.DecodeError):
            self.selector.unregister(place.control)  # its sentinel tells the rest
            return
        for message, _fds in messages:
            match message:
                case Ready(text=text):
                    place.ready = True
                    place.failed_starts = 0
                    log.info(
                        "%s is ready (pid %s)%s", place.name, place.process and place.process.pid, text and f"; {text}"
                    )
                    self._announce()
                case Beat():
                    place.answered = time.monotonic()
                case Relink(peer=peer):
                    for other in self.places:
                        if other.kind == peer and other.control is not None and other.ready:
                            self._link(place, other)
                case Fatal(text=text):
                    self.failure = text
                case Stuck(incarnation=incarnation):
                    for other in self.places:
                        if other.incarnation == incarnation and other.process is not None:
                            other.process.kill()
                case _:
                    log.warning("unexpected message from %s: %r", place.name, message)

    def _announce(self) -> None:
        """Say that clients are served. A sandbox that cannot start keeps nobody waiting: people talk without cows."""
        now = time.monotonic()
        if not self.announced and all(
            place.ready or (place.kind == "sandbox" and (place.failed_starts or now - place.started > SANDBOX_WAIT_S))
            for place in self.places
        ):
            self.announced = True
            self.on_ready()

    def _bury(self, place: Place) -> None:
        """A child has ended: close what was its, and plan the next one."""
        process, control = place.process, place.control
        assert process is not None
        assert control is not None
        process.join()
        self.selector.unregister(process.sentinel)
        control.setblocking(False)
        if control in self.selector.get_map():
            self._hear(place)  # its last words may say why
        if control in self.selector.get_map():
            self.selector.unregister(control)
        control.close()
        place.process = place.control = None
        if self.signals or self.failure is not None:
            return
        lived = time.monotonic() - place.started
        if not place.ready:
            place.failed_starts += 1
            if place.failed_starts >= MAX_FAILED_STARTS and place.kind != "sandbox":
                self.failure = f"the {place.kind} ends as soon as it is started; the log above says why"
                return
        if lived > STEADY_S:
            place.backoff = BACKOFF_S[0]
        log.error(
            "%s ended (%s) after %.1f s; the next one starts in %.1f s",
            place.name,
            _status(process),
            lived,
            place.backoff,
        )
        place.restart_at = time.monotonic() + place.backoff
        place.backoff = min(place.backoff * 2, BACKOFF_S[1])
        place.ready = False

    def _beat(self, *, late: bool) -> None:
        """Ask every child for a sign of life and kill those that gave none.

        ``late``: this process itself stood still (suspended, a sleeping machine); nobody is to blame then.
        """
        self.beat += 1
        now = time.monotonic()
        for place in self.places:
            if place.control is None or place.process is None:
                continue
            if late:
                place.answered = now
            limit = BEAT_LIMIT_S if place.ready else START_LIMIT_S
            if now - place.answered > limit:
                log.error("%s gave no sign of life for %.0f s and is killed", place.name, limit)
                place.process.kill()
                continue
            with contextlib.suppress(OSError):
                if place.ready:
                    place.control.send(Beat(self.beat))

    # --- the end

    def _stop(self) -> None:
        """Workers first: they answer what is under way, which needs the broker."""
        log.info("stopping")
        stop = Stop("the server is stopping", COME_BACK_S)
        self._stop_places([place for place in self.places if place.kind == "worker"], stop, WORKERS_STOP_S)
        self._stop_places(self.places, stop, REST_STOP_S)

    def _stop_places(self, places: list[Place], stop: Stop, limit_s: float) -> None:
        for place in places:
            if place.control is not None:
                with contextlib.suppress(OSError):
                    place.control.send(stop)
        until = time.monotonic() + limit_s
        asked = len(self.signals)
        while any(place.process is not None for place in places):
            left = until - time.monotonic()
            if left <= 0 or len(self.signals) > max(asked, 1):
                return  # out of patience, ours or the operator's
            self._turn(left)

    def _kill_all(self) -> None:
        for place in self.places:
            if place.process is not None:
                log.warning("%s did not end and is killed", place.name)
                place.process.kill()
                place.process.join()
        self.selector.close()
        os.close(self._wake_r)
        os.close(self._wake_w)


def _status(process: SpawnProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _run_child(
    kind: str,
    control: socket.socket,
    sockets: list[socket.socket],
    settings: Settings,
    directory: Path,
    incarnation: int,
    awaited: int,
) -> None:
    """The first function of every child."""
    from protocol import logs

    for number in CHILD_IGNORES:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CHILD_IGNORES)
    logs.setup(settings.log_format)
    if kind == "broker":
        from broker.process import run as run_broker

        run_broker(control, settings, directory, awaited)
    elif kind == "sandbox":
        from funcmds.sandbox import run as run_sandbox

        run_sandbox(control, settings)
    else:
        from workers.process import run as run_worker

        run_worker(control, sockets, settings, incarnation)


def prepare_directory(settings: Settings) -> Path:
    """Return the data directory, made if need be, private to its owner. Raises `StartError`."""
    if settings.data:
        directory = Path(settings.data).expanduser()
    else:
        from platformdirs import user_data_path

        directory = user_data_path("moot", appauthor=False)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if directory.stat().st_mode & 0o077:  # it was there before; closing it to others is its owner's business
            log.warning("others may look into the data directory %s; run: chmod 700 %s", directory, directory)
        probe = directory / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as err:
        text = f"cannot write to the data directory {directory}: {err.strerror}; choose another with --data DIR"
        raise StartError(text) from err
    return directory


@contextlib.contextmanager
def _locked(directory: Path) -> Any:
    """Hold the data directory for this server alone; the lock goes with the process, however it ends."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
            text = f"another moot (pid {holder}) uses {directory}; stop it, or choose another directory with --data DIR"
            raise StartError(text) from err
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def worker_count(settings: Settings) -> int:
    return settings.workers or max(1, min(8, os.cpu_count() or 1))


def serve(settings: Settings, *, on_ready: Callable[[list[tuple[str, int]]], None] | None = None) -> int:
    """Run the server until it is told to stop; return the exit status. Raises `StartError`.

    ``on_ready`` is called with the bound addresses as soon as clients are served.
    """
    from protocol import logs

    logs.setup(settings.log_format)
    os.umask(0o077)
    directory = prepare_directory(settings)
    with _locked(directory):
        optional = frozenset(DEFAULTS.listen) if settings.listen == DEFAULTS.listen else frozenset()
        try:
            listeners = bind(settings.listen, worker_count(settings), optional=optional)
        except ListenError as err:
            raise StartError(str(err)) from err

        def ready() -> None:
            for host, port in listeners.addresses:
                log.info("listening on %s", addresses.show(host, port))
            if on_ready is not None:
                on_ready(listeners.addresses)

        try:
            return Supervisor(settings, directory, listeners, ready).run()
        finally:
            listeners.close()
