"""The server under attack: the real program in a process group of its own, watched through its log. Knows no faults.

Nothing here blocks the event loop, for the load lives in the same process and must keep its schedule.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from client.address import Address

READY_S: Final = 60.0  # for a start, or for a child to be replaced; backoff and heartbeat included
STOP_S: Final = 20.0
POLL_S: Final = 0.02
_READY: Final = re.compile(r"((broker|sandbox|worker)[ \d]*) is ready \(pid (\d+)\)")
_SUCCEEDED: Final = re.compile(r"is ready to succeed (worker \d+)")
_LISTENING: Final = re.compile(r"listening on ([\d.]+):(\d+)")


class ServerError(Exception):
    """The server did not do what it must do to be tested at all; the text says what."""


class Target:
    """`moot serve` on the data directory ``data``, its log in ``log_path``."""

    def __init__(
        self,
        data: Path,
        log_path: Path,
        *options: str,
        hosts: Sequence[str] = ("127.0.0.1",),
        prefix: Sequence[str] = (),  # words before the command, such as those that enter a network namespace
        env: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        self.log_path = log_path
        self.hosts = tuple(hosts)
        self.ports = dict.fromkeys(hosts, 0)
        self.ready_at: dict[int, float] = {}  # pid -> monotonic seconds
        self._options = options
        self._prefix = tuple(prefix)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MOOT_")}
        self._env = {**inherited, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._children: dict[str, list[int]] = defaultdict(list)  # kind -> pids that became ready, since the start
        self._names: dict[str, int] = {}  # as the log calls them -> pid
        self._retired: set[int] = set()
        self._read = 0  # bytes of the log that were looked at
        self._listening = False

    def address(self, number: int = 0) -> Address:
        """Return one of its addresses; any number chooses one."""
        host = self.hosts[number % len(self.hosts)]
        return Address(host, self.ports[host])

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self, kind: str) -> list[int]:
        """Return the living processes of a kind ("broker", "worker", "sandbox") that are ready, oldest first.

        Workers that a rolling restart has retired are left out.
        """
        self._look()
        return [pid for pid in self._children[kind] if pid not in self._retired and _alive(pid)]

    def processes(self) -> dict[str, int]:
        """Return the pids of all processes by name; workers are numbered by age."""
        found = {"supervisor": self.pid}
        for kind in ("broker", "sandbox", "worker"):
            found |= {f"{kind} {n}": pid for n, pid in enumerate(self.children(kind), 1)}
        return found

    async def start(self) -> None:
        """Start it, on the ports it had before if any, and wait until it serves. Raises `ServerError`."""
        self._children.clear()
        self._listening = False
        self._read = self.log_path.stat().st_size if self.log_path.exists() else 0
        listen = [word for host in self.hosts for word in ("--listen", f"{host}:{self.ports[host]}")]
        command = [*self._prefix, sys.executable, "-m", "moot", "serve", "--data", str(self.data)]
        self._process = self._spawn([*command, *listen, *self._options])
        await self.until(lambda: self._listening, "the server to listen")

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )

    async def until(self, probe: Callable[[], object], what: str, limit_s: float = READY_S) -> None:
        """Wait until ``probe`` is true of the running server. Raises `ServerError` when it ends or does not come."""
        end = time.monotonic() + limit_s
        while True:
            self._look()
            if probe():
                return
            if not self.alive:
                assert self._process is not None
                raise ServerError(f"the server ended with {self._process.returncode} while waiting for {what}")
            if time.monotonic() > end:
                raise ServerError(f"waited {limit_s:g} s in vain for {what}")
            await asyncio.sleep(POLL_S)

    async def replaced(self, kind: str, pid: int) -> None:
        """Wait until another process has taken the place of ``pid`` and is ready."""
        count = len(self._children[kind])
        await self.until(
            lambda: not _alive(pid) and len(self._children[kind]) > count, f"a new {kind} in place of {pid}"
        )

    def kill_all(self) -> None:
        """End the supervisor without a word; its children notice by themselves."""
        os.kill(self.pid, signal.SIGKILL)

    async def ended(self, limit_s: float = STOP_S) -> None:
        """Wait until all processes of a killed server are gone. Raises `ServerError`."""
        assert self._process is not None
        group = self._process.pid
        end = time.monotonic() + limit_s
        while self._process.poll() is None or _group_alive(group):
            if time.monotonic() > end:
                raise ServerError(f"{limit_s:g} s after the supervisor was killed its children are still there")
            await asyncio.sleep(POLL_S)

    async def command(self, *words: str) -> None:
        """Run a `moot` command on this server's data directory. Raises `ServerError` when it fails."""
        command = [sys.executable, "-m", "moot", *words, "--data", str(self.data)]
        run = partial(subprocess.run, command, env=self._env, capture_output=True, text=True, check=False)
        done = await asyncio.to_thread(run)
        if done.returncode:
            raise ServerError(f"moot {words[0]} failed with {done.returncode}: {done.stderr or done.stdout}")

    async def stop(self) -> int:
        """Ask it to end; return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, STOP_S)

    def destroy(self) -> None:
        """End everything, whatever state it is in."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _look(self) -> None:
        """Read what the log has got since the last look."""
        with self.log_path.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if found := _READY.search(line):
                self._children[found[2]].append(int(found[3]))
                self._names[found[1]] = int(found[3])
                self.ready_at[int(found[3])] = time.monotonic()
            elif found := _SUCCEEDED.search(line):
                self._retired.add(self._names[found[1]])
            elif found := _LISTENING.search(line):
                self.ports[found[1]] = int(found[2])
                self._listening = found[1] == self.hosts[-1]


@contextlib.asynccontextmanager
async def attacked(target: Target) -> AsyncIterator[Target]:
    """Run ``target`` until the block ends."""
    try:
        await target.start()
        yield target
    finally:
        target.destroy()


def _alive(pid: int) -> bool:
    try:
        return _state(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _group_alive(group: int) -> bool:
    """Whether a living process is in the process group."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _parent, member = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(member) == group and state != "Z":
                    return True
    return False
