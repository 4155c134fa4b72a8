"""The sandbox process: a small single-threaded zygote that forks a caged child for every fun command. Unix only.

It holds the commands, never runs one itself, and survives whatever a child does. Workers send requests over pipes; each
has a bounded queue of its own and they take turns, so one worker's flood costs the others nothing. Every request is
answered by its deadline: with art, or with an error.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from funcmds import registry as registry_module
from funcmds import render
from funcmds.cage import Cage, guard_parent
from funcmds.registry import Registry
from protocol.control import ControlSocket
from protocol.ipc import Beat, Catalogue, FromSandbox, Link, Ready, Render, Rendered, Stop
from protocol.pipes import BadFrame, PipeReader, PipeWriter, decode_batch
from protocol.settings import Settings

MAX_CAGES: Final = 4  # children at work at once
MAX_CAGES_A_LINK: Final = 3  # of one worker, so that another's cow always finds a place
MAX_CAGES_A_CALLER: Final = 2  # of one nick, so that a person's looping commands leave room for their neighbours
MAX_WAITING: Final = 64  # requests queued a worker; more are refused as busy
MAX_UNSENT: Final = 4 * 1024 * 1024  # bytes a worker may leave unread before its link is dropped
_SLOW_S: Final = 0.05  # a child older than this yields to everything else on the machine
_MARGIN_S: Final = 0.03  # a child is killed this long before its caller's deadline
_BUSY: Final = "the fun commands are busy; try again in a moment"
_KEPT_ENVIRONMENT: Final = ("LANG", "LC_", "PYTHON", "TZ")

_decoder: Final = msgspec.msgpack.Decoder(list[Render])
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(slots=True, eq=False)
class _Job:
    """A request, from its arrival to its answer."""

    request: Render
    link: "_Worker"
    deadline: float  # time.monotonic() at which its child is killed
    running: render.Running | None = None
    slow_at: float = 0.0  # time.monotonic() at which its child loses its priority; inf: it has
    answered: bool = False


@dataclass(slots=True, eq=False)
class _Worker:
    """A link to a worker."""

    incarnation: int
    reader: PipeReader
    writer: PipeWriter
    waiting: deque[_Job] = field(default_factory=deque)  # at most MAX_WAITING
    answers: list[FromSandbox] = field(default_factory=list)  # of this turn, to go out as one frame


class Zygote:
    """The loop. ``control`` is the supervisor's; ``registry`` is loaded and ``cage`` probed before."""

    def __init__(self, control: ControlSocket, registry: Registry, cage: Cage, settings: Settings) -> None:
        self._control = control
        self._registry = registry
        self._cage = cage
        self._max_input = settings.fun_input
        self._time_s = settings.fun_time
        self._within_s = settings.fun_time - min(_MARGIN_S, settings.fun_time / 5)
        self._workers: deque[_Worker] = deque()  # whose turn is next, first
        self._jobs: dict[int, _Job] = {}  # by pid: children not reaped yet
        self._selector = selectors.DefaultSelector()
        self._stopped = False

    def run(self) -> None:
        """Serve until the supervisor says stop or is gone; children die with us."""
        wake_reader, wake_writer = os.pipe()
        for fd in (wake_reader, wake_writer):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        self._selector.register(wake_reader, selectors.EVENT_READ, None)
        self._selector.register(self._control, selectors.EVENT_READ, self._control)
        try:
            while not self._stopped:
                for key, mask in self._selector.select(self._wait_s()):
                    self._ready(key, mask)
                self._reap()
                self._expire(time.monotonic())
                self._start_waiting()
                self._answer_all()
        finally:
            for job in self._jobs.values():
                if job.running is not None:
                    job.running.kill()
            signal.set_wakeup_fd(-1)

    def _ready(self, key: selectors.SelectorKey, mask: int) -> None:
        if key.data is None:
            os.read(key.fd, 4096)
        elif key.data is self._control:
            self._hear_supervisor()
        elif isinstance(key.data, _Job):
            self._hear_child(key.data)
        elif key.data in self._workers:
            self._hear_worker(key.data, mask)

    def _wait_s(self) -> float | None:
        """Return the seconds to the next thing that time alone brings about."""
        moments = [min(job.deadline, job.slow_at) for job in self._jobs.values() if not job.answered]
        moments += [worker.waiting[0].deadline for worker in self._workers if worker.waiting]
        return max(min(moments) - time.monotonic(), 0.0) if moments else None

    # --- supervisor and workers

    def _hear_supervisor(self) -> None:
        try:
            messages = self._control.recv()
        except EOFError:
            self._stopped = True
            return
        for message, fds in messages:
            match message:
                case Stop():
                    self._stopped = True
                case Beat():
                    with contextlib.suppress(OSError):
                        self._control.send(message)
                case Link(peer="worker"):
                    self._link(message.incarnation, fds)
                case Link():
                    for fd in fds:
                        os.close(fd)

    def _link(self, incarnation: int, fds: list[int]) -> None:
        for old in [worker for worker in self._workers if worker.incarnation == incarnation]:
            self._unlink(old)
        worker = _Worker(incarnation, PipeReader(fds[0]), PipeWriter(fds[1], MAX_UNSENT))
        self._workers.append(worker)
        self._selector.register(worker.reader, selectors.EVENT_READ, worker)
        worker.answers.append(Catalogue(self._registry.catalogue()))

    def _unlink(self, worker: _Worker) -> None:
        """Forget a worker that is gone or broken, and end what it asked for."""
        self._workers.remove(worker)
        self._selector.unregister(worker.reader)
        with contextlib.suppress(KeyError):
            self._selector.unregister(worker.writer)
        worker.reader.close()
        worker.writer.close()
        for job in self._jobs.values():
            if job.link is worker and job.running is not None:
                self._retire(job, job.running)

    def _hear_worker(self, worker: _Worker, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE:
                worker.writer.flush()
                self._watch_writer(worker)
            if mask & selectors.EVENT_READ:
                for frame in worker.reader.read():
                    for request in decode_batch(frame, _decoder):
                        self._enqueue(worker, request)
        except (EOFError, OSError, BadFrame):
            self._unlink(worker)

    def _enqueue(self, worker: _Worker, request: Render) -> None:
        if len(worker.waiting) >= MAX_WAITING:
            worker.answers.append(Rendered(request.rid, error=_BUSY))
            return
        worker.waiting.append(_Job(request, worker, time.monotonic() + self._within_s))

    def _watch_writer(self, worker: _Worker) -> None:
        watched = worker.writer.fileno() in self._selector.get_map()
        if worker.writer.pending and not watched:
            self._selector.register(worker.writer, selectors.EVENT_WRITE, worker)
        elif watched and not worker.writer.pending:
            self._selector.unregister(worker.writer)

    def _answer_all(self) -> None:
        """Send each worker what it is owed, as one frame."""
        for worker in [worker for worker in self._workers if worker.answers]:
            frame = _encoder.encode(worker.answers)
            worker.answers.clear()
            try:
                if not worker.writer.put(frame):
                    raise BrokenPipeError("does not read")
                self._watch_writer(worker)
            except OSError:
                self._unlink(worker)

    # --- children

    def _start_waiting(self) -> None:
        """Fork for those who wait, a request a worker in turn, while there are cages free."""
        idle = 0  # workers in a row that have nothing that may start
        while idle < len(self._workers) and self._at_work() < MAX_CAGES:
            worker = self._workers[0]
            self._workers.rotate(-1)
            job = self._next_of(worker)
            idle = 0 if job is not None else idle + 1
            if job is not None:
                self._start(job)

    def _at_work(self) -> int:
        return sum(not job.answered for job in self._jobs.values())

    def _next_of(self, worker: _Worker) -> _Job | None:
        at_work = [job for job in self._jobs.values() if not job.answered]
        if sum(job.link is worker for job in at_work) >= MAX_CAGES_A_LINK:
            return None
        callers = Counter(job.request.nick for job in at_work)
        for job in worker.waiting:
            if callers[job.request.nick] < MAX_CAGES_A_CALLER:
                worker.waiting.remove(job)
                return job
        return None

    def _start(self, job: _Job) -> None:
        try:
            job.running = render.start(self._cage, self._registry, job.request, self._max_input)
        except OSError as why:
            job.link.answers.append(Rendered(job.request.rid, error=f"the sandbox cannot start a process: {why}"))
            return
        job.slow_at = time.monotonic() + _SLOW_S
        self._jobs[job.running.pid] = job
        self._selector.register(job.running.fd, selectors.EVENT_READ, job)

    def _hear_child(self, job: _Job) -> None:
        running = job.running
        if running is None or job.answered or not running.take():
            return
        self._selector.unregister(running.fd)
        running.close()
        answer = render.read_answer(running)
        if answer is not None:
            self._answer(job, answer)
            running.kill()  # it may go on after its answer; nobody waits for it
        # else it has died or is about to: `_reap` learns how, or the deadline comes

    def _reap(self) -> None:
        """Take leave of children that have ended."""
        for pid in list(self._jobs):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            job = self._jobs[pid]
            if not ended or job.running is None:
                continue
            if not job.answered:
                self._last_words(job, job.running, status)
            del self._jobs[pid]

    def _last_words(self, job: _Job, running: render.Running, status: int) -> None:
        """A child ended before we knew its answer: it may stand in its pipe."""
        answer = None
        if running.fd >= 0:
            running.drain()
            self._selector.unregister(running.fd)
            running.close()
            answer = render.read_answer(running)
        self._answer(job, answer or render.died(job.request, status))

    def _expire(self, now: float) -> None:
        """Answer those whose time is over; a child at work is killed."""
        for job in list(self._jobs.values()):
            if job.answered or job.running is None:
                continue
            if job.deadline <= now:
                error = f"that fun command took longer than {self._time_s * 1000:.0f} ms and was stopped"
                self._answer(job, Rendered(job.request.rid, error=error))
                self._retire(job, job.running)
            elif job.slow_at <= now:
                job.slow_at = float("inf")
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, job.running.pid, 19)
        for worker in self._workers:
            while worker.waiting and worker.waiting[0].deadline <= now:
                worker.answers.append(Rendered(worker.waiting.popleft().request.rid, error=_BUSY))

    def _retire(self, job: _Job, running: render.Running) -> None:
        job.answered = True
        if running.fd >= 0:
            self._selector.unregister(running.fd)
            running.close()
        running.kill()

    def _answer(self, job: _Job, answer: Rendered) -> None:
        job.answered = True
        job.link.answers.append(answer)


def run(control: socket.socket, settings: Settings) -> None:
    """Be the sandbox process until ``control`` ends or says stop."""
    link = ControlSocket(control)
    registry, cage = prepare(settings)
    with contextlib.suppress(OSError):  # the supervisor is gone; the loop will see it
        link.send(Ready("; ".join([cage.describe(), *registry.problems])))
    Zygote(link, registry, cage, settings).run()


def prepare(settings: Settings) -> tuple[Registry, Cage]:
    """Load everything, in the order that leaves third-party code the least, and probe the cage.

    This process is changed for good: its environment is emptied and, on Linux, it can no longer write files, open
    connections or run programs. Only then third-party commands are imported, if there is a cage to run them in.
    """
    registry = registry_module.load(plugins=False)
    _warm(registry)
    cage = Cage(settings.fun_memory, settings.fun_time)
    for name in [name for name in os.environ if not name.startswith(_KEPT_ENVIRONMENT)]:
        del os.environ[name]
    sys.dont_write_bytecode = True
    failures = guard_parent(_code_places())
    cage.probe()
    if cage.layers:
        registry.add_plugins()
    if threading.active_count() > 1:
        registry.problems.append("a plugin started a thread while it was imported; threads are lost in the sandbox")
    gc.collect()
    gc.freeze()  # children share these pages; the collector would write to them
    cage.missing += failures
    return registry, cage


def _warm(registry: Registry) -> None:
    """Make the built-in commands import and build what they need: a caged child can open no file."""
    from random import Random

    for line in ("/cowsay 漢字 \u200d👍🏽 é", "/emoji cow", "/cows", "/banner a", "/train"):
        registry.render(line, Random(0))


def _code_places() -> list[str]:
    """Return where Python code and libraries are: all that may still be read while plugins are imported."""
    places = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path]
    system = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo"]
    system += ["/dev/urandom", "/dev/null"]
    closed = {os.path.realpath(os.path.expanduser("~")), "/"}
    return [place for place in places if place and os.path.realpath(place) not in closed] + system


def layers(settings: Settings) -> str:
    """Return one line that says which layers a cage has here, and which not and why. Forks once; changes nothing."""
    cage = Cage(settings.fun_memory, settings.fun_time)
    cage.probe()
    return cage.describe()


def render_once(line: str, settings: Settings, **more: Any) -> Rendered:
    """Render one command in a sandbox process of its own, started and stopped for it: for tests and `moot doctor`."""
    from funcmds.trial import Trial

    with Trial(settings) as trial:
        return trial.render(line, **more)
