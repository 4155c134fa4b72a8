"""The supervisor: binds the ports, starts broker, sandbox and workers, watches and restarts them. Owns no chat state.

Every child has a control socket; its end is the child's sign that the supervisor is gone. Pipes between children are
made here and handed to both ends over those sockets, so that a restarted child is linked to the living ones.
`moot.children` starts a child, `moot.operating` does what the operator asks for.
"""

import moot.quickstart  # noqa: F401, I001  # before msgspec

import contextlib
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from moot import certificate
from moot.admin import Admin
from moot.certificate import Identity
from moot.children import MAX_SHORT_LIVES, STEADY_S, Child, Place, Sheet, Spare, start
from moot.datadir import StartError, locked, prepare_directory
from moot.operating import Operator
from moot.sockets import ListenError, Listeners, bind
from protocol import addresses, logs
from protocol.ipc import (
    Beat,
    Certificate,
    Control,
    Fatal,
    Hush,
    Link,
    Ready,
    Relink,
    Retire,
    Retired,
    Stop,
    Stuck,
)
from protocol.pipes import make_pipe
from protocol.settings import DEFAULTS, Settings

log = logging.getLogger("moot.supervisor")

BEAT_EVERY_S: Final = 1.0
BEAT_LIMIT_S: Final = 5.0  # without an answer a child is stuck and is killed
START_LIMIT_S: Final = 20.0
AGAIN_S: Final = 1.0  # until a process is tried again that the system would not let us start
SPARE_AFTER_S: Final = 1.0  # a broker is ready for so long before another is held ready: first come those who wait
WAKE_LIMIT_S: Final = 1.0  # a spare that has heard nothing by then is stuck, and another is started in its place
SPARE_EVERY_S: Final = 2.0  # at the most one is started
SANDBOX_WAIT_S: Final = 5.0  # clients are served without fun commands when it takes longer
WORKERS_STOP_S: Final = 7.0
REST_STOP_S: Final = 2.0
RETIRE_GRACE_S: Final = 30.0  # a retired worker may take longer than it was told to
COME_BACK_S: Final = 2.0  # what clients of a stopping server are told to wait at least
ENDS: Final = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """See the module."""

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        listeners: Listeners,
        on_ready: Callable[[Identity], None],
        reload: Callable[[], Settings] | None = None,
        log_place: str = "the log above",
        identity: Identity | None = None,
    ) -> None:
        """``identity``: None, and it is made as soon as people are served."""
        self.settings = settings
        self.directory = directory
        self.identity = identity
        self._on_ready = on_ready
        self._listeners = listeners
        self.places = [Place("sandbox"), Place("broker"), *(Place("worker", socks) for socks in listeners.places)]
        self.children: list[Child] = []  # that live, in a place or retired
        self.incarnations = 0
        self.started = time.monotonic()
        self.restarts = 0  # of processes that had ended by themselves or were killed
        self.announced = False
        self.signals: list[int] = []
        self.failure: str | None = None
        self._log_place = log_place
        self._hung_up = False  # SIGHUP came: the settings are to be read again
        self._beat_number = 0
        self._sheet = Sheet()
        self._spare: Spare | None = None
        self._spare_at = 0.0  # not before, monotonic seconds
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)
        os.set_blocking(self._wake_r, False)
        self.selector = selectors.DefaultSelector()  # each with the function to call
        self.selector.register(self._wake_r, selectors.EVENT_READ, self._woken)
        self._operator = Operator(self, reload)
        self._admin = Admin(self.selector, directory, self._operator.asked)

    @property
    def ending(self) -> bool:
        return self.failure is not None or bool(self.signals)

    def place(self, kind: str) -> Place:
        """Return the place of the broker or sandbox."""
        return next(place for place in self.places if place.kind == kind)

    def run(self) -> int:
        """Serve until a signal or a failure; return the exit status. Raises `StartError`.

        Those signals are ignored from then on: the process is to end, and a further Ctrl+C must not make it a failure.
        """
        self._catch_signals()
        try:
            self._fill_places()
            next_beat = time.monotonic() + BEAT_EVERY_S
            while not self.ending:
                starts = [place.restart_at for place in self.places if place.restart_at is not None]
                self._turn(max(0.0, min([next_beat, *starts]) - time.monotonic()))
                now = time.monotonic()
                if now >= next_beat:
                    self._beat(late=now - next_beat > BEAT_LIMIT_S / 2)
                    next_beat = now + BEAT_EVERY_S
            self._stop()
        finally:
            self._ignore_signals()
            self._kill_all()
        if self.failure is not None:
            raise StartError(self.failure)
        return 0

    # --- signals

    def _catch_signals(self) -> None:
        def caught(number: int, _frame: object) -> None:
            if number == signal.SIGHUP and not self._operator.hung_up():
                self._hung_up = True
            elif number in ENDS or number not in self.signals:  # a terminal's end is told by the kernel and by shells
                self.signals.append(number)

        for number in (*ENDS, signal.SIGHUP):
            signal.signal(number, caught)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)

    def _ignore_signals(self) -> None:
        # Blocked, for the interpreter gives its handlers back before it ends, and then they would kill.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*ENDS, signal.SIGHUP))
        signal.set_wakeup_fd(-1)

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_r, 4096)

    # --- children

    def _fill_places(self) -> None:
        """Start what is due. A machine that has no room for another process now may have it later."""
        now = time.monotonic()
        for place in self.places:
            if place.restart_at is not None and place.restart_at <= now:
                try:
                    self.start(place)
                except OSError as err:
                    log.error("no %s can be started: %s; trying again in %g s", place.kind, err.strerror, AGAIN_S)
                    place.restart_at = now + AGAIN_S

    def start(self, place: Place, *, succeeds: bool = False) -> Child:
        """Start a process for ``place``, or one that is to take it when it is ready. Raises `OSError`."""
        self.incarnations += 1
        awaited = [child.incarnation for child in self.children if child.kind == "worker" and child.ready is not None]
        spare = self._take_spare() if place.kind == "broker" else None
        child = start(place, self.settings, self.directory, self.incarnations, awaited, self._sheet, spare)
        place.restart_at = None
        if succeeds:
            place.successor = child
        else:
            place.child = child
        self.children.append(child)
        self.selector.register(child.control, selectors.EVENT_READ, partial(self._hear, child))
        self.selector.register(child.process.sentinel, selectors.EVENT_READ, partial(self._bury, child))
        if not succeeds or place.kind == "worker":
            self._link_all(child)
        if place.kind == "worker" and self.identity is not None:
            child.send(Certificate(self.identity.pem))
        return child

    def _hold_spare(self, now: float) -> None:
        """Have a process at hand that can be the broker at once, should this one die."""
        broker = self.place("broker").child
        steady = broker is not None and broker.ready is not None and now - broker.ready >= SPARE_AFTER_S
        if self._spare is None and steady and self.announced and now >= self._spare_at:
            self._spare_at = now + SPARE_EVERY_S
            with contextlib.suppress(OSError):  # then a broker is started when one is needed
                self._spare = Spare(self._sheet)
                self.selector.register(self._spare.process.sentinel, selectors.EVENT_READ, self.drop_spare)

    def _take_spare(self) -> Spare | None:
        spare, self._spare = self._spare, None
        if spare is not None:
            self.selector.unregister(spare.process.sentinel)
        return spare

    def drop_spare(self) -> None:
        """The spare broker has died, or was loaded from a program that is to be renewed."""
        spare = self._take_spare()
        if spare is not None:
            spare.end()

    def show(self, identity: Identity) -> None:
        """Have all workers show ``identity`` to who connects from now on."""
        self.identity = identity
        for child in self.children:
            if child.kind == "worker":
                child.send(Certificate(identity.pem))

    def promote(self, place: Place, successor: Child) -> Child | None:
        """Give ``place`` to its successor; return the process that had it, if it still lives."""
        if successor.ended or place.successor is not successor:
            return None
        old, place.child, place.successor = place.child, successor, None
        place.short_lives = 0
        if old is not None:
            old.retired = True
        if place.kind != "worker":
            self._link_all(successor)
        return old

    def retire(self, child: Child, message: Retire, limit_s: float) -> None:
        """Let a worker that has a successor send its clients over and end."""
        child.kill_at = time.monotonic() + limit_s + RETIRE_GRACE_S
        child.send(message)

    def finish(self, child: Child) -> None:
        """Stop a process that has a successor, or will be followed by one at once."""
        child.retired = True
        child.kill_at = time.monotonic() + REST_STOP_S
        child.send(Stop("renewed", 0.0))

    def dismiss(self, child: Child, text: str) -> None:
        """Have a worker tell whoever it still has ``text``, and end."""
        child.kill_at = time.monotonic() + WORKERS_STOP_S
        child.send(Stop(text))

    def _link_all(self, child: Child) -> None:
        for other in self.children:
            if other is not child and (other.kind == "worker" or not other.retired):
                _link(child, other)

    def _turn(self, timeout: float) -> None:
        """Wait for something to happen and deal with it."""
        for key, _events in self.selector.select(timeout):
            key.data()
        if self.ending:
            return
        if self._hung_up:
            self._hung_up = False
            self._operator.reload()
        self._fill_places()
        self._operator.advance()
        self._announce()

    def _hear(self, child: Child) -> None:
        if child.ended:
            return
        try:
            messages = child.control.recv()
        except EOFError:
            self.selector.unregister(child.control)  # its sentinel tells the rest
            return
        for message, _fds in messages:
            self._obey(child, message)

    def _obey(self, child: Child, message: Control) -> None:
        match message:
            case Ready(text=text):
                child.ready = child.answered = time.monotonic()
                log.info("%s is ready (pid %s)%s", child.name, child.process.pid, text and f"; {text}")
            case Beat():
                child.answered = time.monotonic()
            case Relink(peer=peer):
                wanted = self.children if child.may_relink(time.monotonic()) else []
                for other in wanted:
                    if other.kind == peer and other.ready is not None and not other.retired:
                        _link(child, other)
            case Retired(people=people):
                child.stays = people
            case Fatal(text=text) if child.kind == "broker" or child.ready is None:  # who serves clients ends no server
                child.fatal = text
                if child is child.place.child:
                    self.failure = text
            case Stuck(incarnation=incarnation) if child.kind == "broker":
                for other in self.children:
                    if other.incarnation == incarnation:
                        other.process.kill()
            case _:
                log.warning("unexpected message from %s: %r", child.name, message)

    def _announce(self) -> None:
        """Say that clients are served. A sandbox that cannot start keeps nobody waiting: people talk without cows."""
        if self.announced:
            return
        now = time.monotonic()
        for place in self.places:
            child = place.child
            ready = child is not None and child.ready is not None
            patient = child is not None and now - child.started <= SANDBOX_WAIT_S and not place.short_lives
            if not ready and (place.kind != "sandbox" or patient):
                return
        self.announced = True
        for host, port in self._listeners.addresses:
            log.info("listening on %s", addresses.show(host, port))
        self._announce_ready()

    def _announce_ready(self) -> None:
        """Make the certificate if there is none: workers let who speaks TLS wait for it."""
        if self.identity is None:
            try:
                self.show(certificate.load_or_make(self.settings, self.directory))
            except StartError as err:
                self.failure = str(err)
                return
            assert self.identity is not None
        log.info("the server's key is %s", self.identity.pin)
        if trouble := certificate.complaint(self.identity, datetime.now(UTC)):
            log.warning("%s", trouble)
        self._on_ready(self.identity)

    def _bury(self, child: Child) -> None:
        """A child has ended: close what was its, and plan the next one."""
        child.process.kill()  # it may have closed what we watch, and live
        child.process.join()
        self.selector.unregister(child.process.sentinel)
        child.control.setblocking(False)
        if child.control in self.selector.get_map():
            self._hear(child)  # its last words may say why
        if child.control in self.selector.get_map():
            self.selector.unregister(child.control)
        child.control.close()
        child.ended = True
        self.children.remove(child)
        place, now = child.place, time.monotonic()
        held = child is place.child
        if child is place.successor:
            place.successor = None
        elif held:
            place.child = None
        if self.ending:
            return
        if child.retired:
            log.info("%s, renewed, has ended (%s)", child.name, child.status())
            if held:  # it had to end before its successor may start
                place.restart_at = now
        elif place.child is not None:
            log.error("%s ended (%s); it was to succeed %s", child.name, child.status(), place.child.name)
        elif place.successor is not None:
            log.error("%s ended (%s); its successor was started already", child.name, child.status())
            place.child, place.successor = place.successor, None
            if place.kind != "worker":
                self._link_all(place.child)
        else:
            self._plan(place, child, now)

    def _plan(self, place: Place, child: Child, now: float) -> None:
        """A place is empty: fill it again after a pause, unless that is in vain."""
        self.restarts += 1
        pause = place.lost(child, now)
        if place.short_lives >= MAX_SHORT_LIVES and place.kind != "sandbox":
            self.failure = (
                f"the {place.kind} ended {place.short_lives} times in a row, each time before it had been ready for "
                f"{STEADY_S:g} s (last: {child.status()}); {self._log_place} says why"
            )
            return
        lived = now - child.started
        log.error("%s ended (%s) after %.1f s; the next one starts in %.1f s", child.name, child.status(), lived, pause)
        place.restart_at = now + pause

    def _beat(self, *, late: bool) -> None:
        """Ask every child for a sign of life and kill those that gave none, and those retired whose time is over.

        ``late``: this process itself stood still (suspended, a sleeping machine); nobody is to blame then.
        """
        self._beat_number += 1
        now = time.monotonic()
        self._admin.tick(now)
        self._hold_spare(now)
        for child in self.children:
            if late:
                child.answered = now
            limit = START_LIMIT_S if child.ready is None else BEAT_LIMIT_S
            if child.woken and child.answered == child.started:
                limit = WAKE_LIMIT_S
            if now - child.answered > limit:
                log.error("%s gave no sign of life for %.0f s and is killed", child.name, limit)
                child.process.kill()
            elif child.kill_at is not None and now > child.kill_at and not late:
                log.error("%s, renewed, did not end and is killed", child.name)
                child.process.kill()
            elif child.ready is not None:
                child.send(Beat(self._beat_number))

    # --- the end

    def _stop(self) -> None:
        """Workers first: they answer what is under way, which needs the broker."""
        log.info("stopping")
        self.drop_spare()
        self._operator.end(self.failure or "the server is stopping")
        self._admin.close()
        for child in self.children:
            if child.kind == "broker":
                child.send(Hush())  # before any worker sends anybody away
        stop = Stop("the server is stopping", COME_BACK_S)
        self._stop_children([child for child in self.children if child.kind == "worker"], stop, WORKERS_STOP_S)
        self._stop_children(self.children, stop, REST_STOP_S)

    def _stop_children(self, children: list[Child], stop: Stop, limit_s: float) -> None:
        children = list(children)
        for child in children:
            child.send(stop)
        until = time.monotonic() + limit_s
        while any(not child.ended for child in children):
            left = until - time.monotonic()
            if left <= 0 or len(self.signals) > 1:
                return  # out of patience, ours or the operator's
            self._turn(left)

    def _kill_all(self) -> None:
        for child in self.children:
            log.warning("%s did not end and is killed", child.name)
            child.process.kill()
            child.process.join()
        self.drop_spare()
        self._admin.close()
        self.selector.close()
        self._sheet.close()
        os.close(self._wake_r)
        os.close(self._wake_w)


def _link(one: Child, other: Child) -> None:
    """Make the two pipes between a worker and the broker or sandbox, and hand both their ends."""
    if (one.kind == "worker") == (other.kind == "worker"):
        return
    with contextlib.ExitStack() as ends:
        try:
            one_reads, other_writes = map(ends.enter_context, make_pipe())
            other_reads, one_writes = map(ends.enter_context, make_pipe())
        except OSError as err:  # too many open files; a worker without a broker asks for another link
            log.error("%s and %s cannot be linked: %s", one.name, other.name, err.strerror)
            return
        one.send(Link(other.kind, other.incarnation), (one_reads.fileno(), one_writes.fileno()))
        other.send(Link(one.kind, one.incarnation), (other_reads.fileno(), other_writes.fileno()))


def worker_count(settings: Settings) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return settings.workers or max(1, min(8, cores))


def serve(
    settings: Settings,
    *,
    on_ready: Callable[[list[tuple[str, int]], Identity], None] | None = None,
    reload: Callable[[], Settings] | None = None,
    log_place: str = "the log above",
    prepare: Callable[[Path], None] = lambda directory: None,
) -> int:
    """Run the server until it is told to stop; return the exit status. Raises `StartError`.

    ``prepare`` is called with the data directory before anything is started, ``on_ready`` with the bound addresses and
    with what the server shows of itself as soon as clients are served. ``reload`` reads the settings again, and may
    raise `ConfigError`. ``log_place`` is where people are sent who ask why.
    """
    logs.setup(settings.log_format)
    os.umask(0o077)
    directory = prepare_directory(Path(settings.data))
    with locked(directory):
        prepare(directory)
        identity = certificate.load(settings, directory)
        optional = frozenset(DEFAULTS.listen) if settings.listen == DEFAULTS.listen else frozenset()
        try:
            listeners = bind(settings.listen, worker_count(settings), optional=optional)
        except ListenError as err:
            raise StartError(str(err)) from err

        def ready(identity: Identity) -> None:
            if on_ready is not None:
                on_ready(listeners.addresses, identity)

        try:
            return Supervisor(settings, directory, listeners, ready, reload, log_place, identity).run()
        finally:
            listeners.close()
