"""Faults: each does its harm, waits, and undoes it. Knows the server's processes and places, nothing of the load."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.places import Disk, Network
from chaos.server import ServerError, Target

STEADY_S: Final = 2.2  # a child that lived this long is restarted at once when it is killed again
HELD_S: Final = 1.0, 2.5  # how long a disk is full, failing, or a cable out
STOP_LIMIT_S: Final = 10.0  # from SIGTERM to the end
SPREAD_S: Final = 2.0  # clients are sent over to new workers within that
LONG_CUT_S: Final = 8.0  # longer than clients wait for a ping


@dataclass(slots=True)
class Blow:
    """One fault that was inflicted. Times are monotonic seconds."""

    fault: str
    begin: float
    end: float = 0.0  # undone, or the victim replaced
    hit: set[int] | None = None  # clients' ports that sat on the victim; None: others may suffer, too


class Nemesis:
    """Inflicts faults on one server. ``disk`` and ``network`` are None where this machine cannot have them."""

    def __init__(
        self, target: Target, rng: random.Random, flag: Path, disk: Disk | None = None, network: Network | None = None
    ) -> None:
        self.target = target
        self.blows: list[Blow] = []
        self._rng = rng
        self._flag = flag  # the file that makes the server's disk fail; see chaos/sabotage
        self._disk = disk
        self._faults: dict[str, Callable[[Blow], Awaitable[None]]] = {
            "kill-broker": lambda blow: self._kill(blow, "broker"),
            "kill-worker": lambda blow: self._kill(blow, "worker"),
            "kill-sandbox": lambda blow: self._kill(blow, "sandbox"),
            "kill-supervisor": self._kill_supervisor,
            "terminate": self._terminate,
            "restart": lambda _: self._restart(),
            "stop-broker": lambda blow: self._stop(blow, "broker"),
            "stop-worker": lambda blow: self._stop(blow, "worker"),
            "starve-broker": lambda blow: self._starve(blow, "broker"),
            "starve-worker": lambda blow: self._starve(blow, "worker"),
            "fsync-error": lambda _: self._fail("fsync"),
            "write-error": lambda _: self._fail("write"),
            "read-only": lambda _: self._fail("readonly"),
        }
        if disk is not None:
            self._faults["disk-full"] = lambda _: self._fill(disk)
        if network is not None:
            self._faults["cut"] = lambda _: self._cut(network, self._rng.uniform(*HELD_S))
            self._faults["long-cut"] = lambda _: self._cut(network, LONG_CUT_S)

    @property
    def faults(self) -> list[str]:
        """The names of what can be inflicted here."""
        return list(self._faults)

    async def inflict(self, fault: str) -> Blow:
        """Do harm and undo it; return when the server is whole again. Raises `ServerError` when it does not recover."""
        blow = Blow(fault, time.monotonic())
        self.blows.append(blow)
        await self._faults[fault](blow)
        blow.end = time.monotonic()
        return blow

    async def _victim(self, blow: Blow, kind: str) -> int:
        """Choose a process, of workers rather one with many clients, and let it live long enough not to be taken for
        one that cannot run."""
        pids = self.target.children(kind)
        weights = [len(peers(pid)) + 1 for pid in pids] if kind == "worker" else None
        (pid,) = self._rng.choices(pids, weights)
        await asyncio.sleep(max(0.0, self.target.ready_at[pid] + STEADY_S - time.monotonic()))
        blow.begin = time.monotonic()
        if kind == "worker":
            blow.hit = peers(pid)
        return pid

    async def _kill(self, blow: Blow, kind: str) -> None:
        pid = await self._victim(blow, kind)
        os.kill(pid, signal.SIGKILL)
        await self.target.replaced(kind, pid)

    async def _kill_supervisor(self, blow: Blow) -> None:
        blow.begin = time.monotonic()
        self.target.kill_all()
        await self.target.ended()
        await self.target.start()

    async def _terminate(self, blow: Blow) -> None:
        """Ask the server to end, as an operator does, and start it again."""
        blow.begin = time.monotonic()
        status = await self.target.stop()
        if status:
            raise ServerError(f"the server ended with {status} after SIGTERM")
        if time.monotonic() - blow.begin > STOP_LIMIT_S:
            raise ServerError(f"the server took more than {STOP_LIMIT_S:g} s to end after SIGTERM")
        await self.target.start()

    async def _restart(self) -> None:
        """Renew all processes while people talk on."""
        (broker,) = self.target.children("broker")
        await self.target.command("restart", "--spread", f"{SPREAD_S:g}")
        await self.target.replaced("broker", broker)  # the last to be renewed

    async def _stop(self, blow: Blow, kind: str) -> None:
        """Stop a process for good: the supervisor must find out and replace it."""
        pid = await self._victim(blow, kind)
        os.kill(pid, signal.SIGSTOP)
        await self.target.replaced(kind, pid)

    async def _starve(self, blow: Blow, kind: str) -> None:
        """Stop a process for a while that is too short to be killed for."""
        pid = await self._victim(blow, kind)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._rng.uniform(*HELD_S))
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _fail(self, word: str) -> None:
        self._flag.write_text(word)
        try:
            await asyncio.sleep(self._rng.uniform(*HELD_S))
        finally:
            self._flag.unlink()
        await self.recovered()

    async def _fill(self, disk: Disk) -> None:
        disk.fill()
        try:
            await asyncio.sleep(self._rng.uniform(*HELD_S))
        finally:
            disk.free()
        await self.recovered()

    async def _cut(self, network: Network, seconds: float) -> None:
        cable = self._rng.randrange(2)
        await network.plug(cable, up=False)
        try:
            await asyncio.sleep(seconds)
        finally:
            await network.plug(cable, up=True)

    async def recovered(self) -> None:
        """Wait until all processes are there, should a fault have ended one."""
        kinds = ("broker", "sandbox", "worker")
        await self.target.until(lambda: all(self.target.children(kind) for kind in kinds), "all processes to be there")


def peers(pid: int) -> set[int]:
    """Return the clients' ports of the connections that process ``pid`` holds, IPv4 only."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = os.readlink(entry)
        except FileNotFoundError:
            continue
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[9] in inodes and words[3] == "01":  # established
            found.add(int(words[2].rpartition(":")[2], 16))
    return found
