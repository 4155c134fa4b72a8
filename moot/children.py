"""The supervisor's children: how one is started, and the place it holds over its restarts. Decides nothing."""

import moot.quickstart  # noqa: F401, I001  # before msgspec

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Final

import msgspec

from protocol.control import ControlSocket
from protocol.ipc import VERSION, Beat, Control, Fatal
from protocol.settings import Settings

log = logging.getLogger("moot.supervisor")

BACKOFF_S: Final = (0.1, 10.0)  # before a child is started again: the first, the longest
STEADY_S: Final = 2.0  # a child that lived so long after it was ready was no short life
RELINK_EVERY_S: Final = 1.0  # a child that wants links more often is not heard
PATIENCE_S: Final = 0.5  # for a child that does not read what we say
MAX_SHORT_LIVES: Final = 10  # in a row, of a child that nobody can do without
CHILD_IGNORES: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the supervisor says when to stop
ORPHAN_SIGNAL: Final = signal.SIGQUIT  # its number, 3, is also how many seconds a stuck orphan lives on

REPLACED: Final = (
    "the program on disk is of a version that cannot work together with the running server; "
    "stop the server and start it again"
)

_PR_SET_PDEATHSIG: Final = 1
_spawn = multiprocessing.get_context("spawn")


class Sheet:
    """A file in memory, which the supervisor holds for its brokers and never looks into."""

    def __init__(self, fd: int | None = None) -> None:
        self.fd = _file_in_memory() if fd is None else fd

    def __reduce__(self) -> tuple[Any, ...]:
        return _given_sheet, (DupFd(self.fd),)

    def close(self) -> None:
        os.close(self.fd)


def _given_sheet(dup: Any) -> Sheet:
    return Sheet(dup.detach())


def _file_in_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("moot-attendance", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Order(msgspec.Struct, kw_only=True):
    """What a child must know at its start. JSON, so that one of newer code can still say that it cannot."""

    version: int = VERSION
    kind: str
    incarnation: int
    settings: msgspec.Raw
    directory: str
    awaited: list[int] = []  # for the broker: the workers that have people already


@dataclass(slots=True, eq=False)
class Child:
    """A process. ``name`` is for people."""

    name: str
    place: "Place"
    incarnation: int
    process: SpawnProcess
    control: ControlSocket
    started: float  # monotonic seconds
    answered: float  # its last sign of life
    ready: float | None = None  # since when
    ended: bool = False
    relinked: float = 0.0
    woken: bool = False  # it was a spare
    retired: bool = False  # it has a successor, or will have one, and finishes
    retired_by: int = 0  # a worker: number of the restart that did that; greater for a later one
    kill_at: float | None = None
    fatal: str = ""  # why it cannot do its work, said before its end
    stays: int | None = None  # a retired worker's connections that could not be sent over; None: not said yet

    @property
    def kind(self) -> str:
        return self.place.kind

    def send(self, message: Control, fds: tuple[int, ...] = ()) -> None:
        """Say something, if the child still is there to hear it."""
        with contextlib.suppress(OSError):
            self.control.send(message, fds)

    def may_relink(self, now: float) -> bool:
        """Tell whether its wish for another link is one of few; a hostile child could keep us and its peer busy."""
        if now - self.relinked < RELINK_EVERY_S:
            return False
        self.relinked = now
        return True

    def status(self) -> str:
        """Return how it ended."""
        code = self.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}"
        return f"exit status {code}"


@dataclass(slots=True, eq=False)
class Place:
    """A child's place, kept over its restarts."""

    kind: str  # "broker", "sandbox" or "worker"
    sockets: list[socket.socket] = field(default_factory=list)  # a worker's listening ones
    child: Child | None = None
    successor: Child | None = None  # started to take the place
    restart_at: float | None = 0.0  # when to start one, monotonic seconds; None: it has one, or will be told
    short_lives: int = 0  # in a row

    def lost(self, child: Child, now: float) -> float:
        """The child has ended by itself: return after how many seconds the next one shall start."""
        steady = child.ready is not None and now - child.ready >= STEADY_S
        self.short_lives = 0 if steady else self.short_lives + 1
        return min(BACKOFF_S[0] * 2.0 ** max(0, self.short_lives - 1), BACKOFF_S[1])


class Spare:
    """A process that has loaded all that a broker needs and waits to be told that it is one.

    To start Python and load the program takes longer than all else that a new broker has to do before it serves.
    """

    def __init__(self, sheet: Sheet) -> None:
        """Raises `OSError`."""
        orders, self._orders = _spawn.Pipe(duplex=False)
        try:
            self.process, self._control = _launch("broker", orders, [], sheet)
        except OSError:
            self._orders.close()
            raise
        finally:
            orders.close()

    def become(self, order: bytes) -> tuple[SpawnProcess, ControlSocket] | None:
        """Tell it to be a broker; None: it has died."""
        try:
            self._orders.send_bytes(order)
        except OSError:
            return None
        finally:
            self._orders.close()
        return self.process, self._control

    def end(self) -> None:
        """It is not needed."""
        self.process.kill()
        self.process.join()
        self._orders.close()
        self._control.close()


def start(
    place: Place,
    settings: Settings,
    directory: Path,
    incarnation: int,
    awaited: list[int],
    sheet: Sheet,
    spare: Spare | None = None,
) -> Child:
    """Start a process for ``place``, or have ``spare`` be it. Raises `OSError`."""
    name = place.kind if place.kind != "worker" else f"worker {incarnation}"
    order = msgspec.json.encode(
        Order(
            kind=place.kind,
            incarnation=incarnation,
            settings=msgspec.Raw(msgspec.json.encode(settings)),
            directory=str(directory),
            awaited=awaited,
        )
    )
    made = spare.become(order) if spare is not None else None
    woken = made is not None
    if made is None:
        if spare is not None:
            spare.end()
        made = _launch(place.kind, order, place.sockets, sheet if place.kind == "broker" else None)
    process, control = made
    now = time.monotonic()
    return Child(name, place, incarnation, process, control, now, now, woken=woken)


def _launch(
    kind: str, orders: "bytes | Connection[Any, Any]", sockets: list[socket.socket], sheet: Sheet | None
) -> tuple[SpawnProcess, ControlSocket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    process = _spawn.Process(target=_run, args=(theirs, orders, sockets, sheet), name=f"moot {kind}")
    quiet = signal.pthread_sigmask(signal.SIG_BLOCK, CHILD_IGNORES)  # until the child ignores them by itself
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, quiet)
        theirs.close()
    return process, ControlSocket(ours, PATIENCE_S)


def _run(
    control: socket.socket, orders: "bytes | Connection[Any, Any]", sockets: list[socket.socket], sheet: Sheet | None
) -> None:
    """The first function of every child. ``orders``: its `Order`, or where a spare broker hears it."""
    from protocol import logs

    for number in CHILD_IGNORES:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CHILD_IGNORES)
    if not isinstance(orders, bytes):
        _die_with_parent(at_once=True)
        orders = _waited_for(orders)
        ControlSocket(control).send(Beat(0))  # awake
    order = msgspec.json.decode(orders, type=Order)
    _die_with_parent(at_once=order.kind != "worker")
    try:
        settings = msgspec.json.decode(order.settings, type=Settings)
    except msgspec.ValidationError:  # of a version that has other settings
        settings = None
    if order.version != VERSION or settings is None:
        ControlSocket(control).send(Fatal(REPLACED))
        return
    logs.setup(settings.log_format)
    _set_title(order.kind + (f" {order.incarnation}" if order.kind == "worker" else ""))
    if order.kind == "broker":
        from broker.process import run as run_broker

        fd = sheet.fd if sheet is not None else None
        run_broker(control, settings, Path(order.directory), frozenset(order.awaited), fd)
    elif order.kind == "sandbox":
        from funcmds.sandbox import run as run_sandbox

        run_sandbox(control, settings)
    else:
        from workers.process import run as run_worker

        run_worker(control, sockets, settings, order.incarnation)


def _waited_for(orders: "Connection[Any, Any]") -> bytes:
    """Load what a broker needs, and return its `Order` when it comes."""
    import broker.process  # noqa: F401  # this is what takes time

    _set_title("spare broker")
    try:
        return orders.recv_bytes()
    except EOFError:  # the server ends
        sys.exit(0)


def _die_with_parent(*, at_once: bool) -> None:
    """Have the kernel end this process when the supervisor dies, should it be too stuck to see its control socket end.

    A broker or sandbox has nobody to say goodbye to, and a broker must never write beside its successor: killed at
    once. A worker gets `ORPHAN_SIGNAL`, whose handler is the C library's `alarm` itself: called with the signal's
    number it lets the process live for so many seconds more, whatever Python is doing. It gets SIGCONT too, for a
    stopped one would keep the port; a thread asks for that, since each thread may ask for one signal. Linux only.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc = ctypes.CDLL(None)

    def ask_for(number: int) -> None:
        libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number))

    if at_once:
        ask_for(signal.SIGKILL)
        return
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    libc.signal(int(ORPHAN_SIGNAL), ctypes.cast(libc.alarm, ctypes.c_void_p))
    ask_for(ORPHAN_SIGNAL)

    def continue_with_parent() -> None:
        ask_for(signal.SIGCONT)
        threading.Event().wait()  # for ever: the wish ends with its thread

    threading.Thread(target=continue_with_parent, daemon=True).start()


def _set_title(what: str) -> None:
    """Let `ps` show what this process is, where the package for that is there."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(f"moot: {what}")
