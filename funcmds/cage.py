"""The cage: layers by which a forked child gives up everything but computing and one pipe. Unix only.

`Cage.probe` tries every layer in a child once, so what is reported as on was seen to work. `Cage.enter` then insists
on exactly those: a child in which one of them fails does not render. Where none works, plugins must not be loaded.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

NOBODY: Final = 65534  # user and group
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class CageError(Exception):
    """A layer that worked when probed does not work now; the child must not go on."""


class _Report(msgspec.Struct):
    on: list[str]
    missing: list[str]


class Cage:
    """Made once in the parent; entered in each child. ``memory`` is what a child may use beyond the parent's, bytes."""

    def __init__(self, memory: int, seconds: float) -> None:
        self.layers: list[str] = []  # on, as probed
        self.missing: list[str] = []  # "name (why)"
        self._memory = memory
        self._cpu_s = int(seconds) + 1
        self._unfit: dict[str, str] = {}  # layers whose preparation failed, and why
        self._filter: Any = None
        self._statm = self._open_statm()
        self._prepare()

    def _open_statm(self) -> int:
        try:
            return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1

    def _prepare(self) -> None:
        """Load now what cannot be loaded in a cage."""
        if not sys.platform.startswith("linux"):
            for name in ("die-with-parent", "non-dumpable", "no-new-privs", "landlock", "seccomp"):
                self._unfit[name] = "Linux only"
            return
        try:
            from funcmds import landlock

            landlock.version()
        except OSError as why:
            self._unfit["landlock"] = f"the kernel says {why.strerror}"
        try:
            from funcmds import syscalls

            self._filter = syscalls.cage_filter()
        except (ImportError, RuntimeError, OSError) as why:
            self._unfit["seccomp"] = f"{why}; install libseccomp2 and pyseccomp"

    def probe(self) -> None:
        """Fill `layers` and `missing` by trying everything in a child."""
        reader, writer = os.pipe()
        size = self.parent_bytes()
        if (pid := os.fork()) == 0:
            try:
                os.write(writer, msgspec.json.encode(self._try_all(writer, size)))
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            found = pipe.read()
        os.waitpid(pid, 0)
        try:
            report = msgspec.json.decode(found, type=_Report)
        except msgspec.DecodeError:
            report = _Report([], ["all (the probe died)"])
        self.layers, self.missing = report.on, report.missing

    def _try_all(self, keep: int, parent_bytes: int) -> _Report:
        report = _Report([], [])
        for name, apply in self._steps(keep, parent_bytes):
            if name in self._unfit:
                report.missing.append(f"{name} ({self._unfit[name]})")
                continue
            try:
                apply()
            except (OSError, ValueError) as why:
                report.missing.append(f"{name} ({why})")
            else:
                report.on.append(name)
        return report

    def enter(self, keep: int, parent_bytes: int) -> None:
        """Lock this process in, for good; of its descriptors only ``keep`` stays. Raises `CageError`."""
        for name, apply in self._steps(keep, parent_bytes):
            if name in self.layers:
                try:
                    apply()
                except (OSError, ValueError) as why:
                    raise CageError(f"{name}: {why}") from why

    def parent_bytes(self) -> int:
        """Return this process's address space in bytes, 0 where it cannot be told. Ask before forking."""
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 64, 0).split()[0]) * _PAGE

    def describe(self) -> str:
        """Return one line for people."""
        text = "sandbox layers: " + (", ".join(self.layers) or "none, so plugins are not loaded")
        return text + (f"; not here: {', '.join(self.missing)}" if self.missing else "")

    def _steps(self, keep: int, parent_bytes: int) -> list[tuple[str, Callable[[], None]]]:
        """Return the layers in the order they must come: seccomp last, for it forbids what the others do."""
        steps: list[tuple[str, Callable[[], None]]] = [
            ("descriptors", lambda: _close_all_but(keep)),
            ("session", os.setsid),
        ]
        if os.geteuid() == 0:
            steps.append(("user nobody", _become_nobody))
        return [
            *steps,
            ("die-with-parent", lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)),
            ("non-dumpable", lambda: _prctl(_PR_SET_DUMPABLE, 0)),
            ("no-new-privs", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1)),
            ("landlock", _no_files),
            ("rlimits", lambda: self._set_rlimits(parent_bytes)),
            ("seccomp", lambda: self._filter.load()),
        ]

    def _set_rlimits(self, parent_bytes: int) -> None:
        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NOFILE: 0,
            resource.RLIMIT_NPROC: 0,  # root ignores it; seccomp and the change of user do not
            resource.RLIMIT_CPU: self._cpu_s,  # the deadline comes first; this is for a parent that is stuck
        }
        if parent_bytes:
            limits[resource.RLIMIT_AS] = parent_bytes + self._memory
        for what, most in limits.items():
            resource.setrlimit(what, (most, most))


def _close_all_but(keep: int) -> None:
    os.closerange(0, keep)
    os.closerange(keep + 1, max(os.sysconf("SC_OPEN_MAX"), 65536))
    sys.stdin = sys.stdout = sys.stderr = None  # print says nothing


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY) if hasattr(os, "setresgid") else os.setgid(NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY) if hasattr(os, "setresuid") else os.setuid(NOBODY)


def _prctl(option: int, value: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _no_files() -> None:
    from funcmds import landlock

    landlock.restrict()


def guard_parent(readable: list[str]) -> list[str]:
    """Take from this process, the cages' parent, what it needs no more; return the failures, "name (why)".

    Afterwards it can read files below ``readable``, fork, and use what it has open; it cannot write files, open
    connections, run programs, or (Landlock 6) signal others than its children.
    """
    if not sys.platform.startswith("linux"):
        return ["zygote guard (Linux only)"]
    from funcmds import landlock, syscalls

    failures = []
    steps: list[tuple[str, Callable[[], object]]] = [
        ("no-new-privs", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1)),
        ("landlock", lambda: landlock.restrict(readable)),
        ("seccomp", lambda: syscalls.zygote_filter().load()),
    ]
    for name, apply in steps:
        try:
            apply()
        except (ImportError, RuntimeError, OSError) as why:
            failures.append(f"zygote {name} ({why})")
    return failures
