"""Where a server can be put to be cut off or run out of space: a network namespace, a small disk. Needs root."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FULL: Final = "chaos-fills-the-disk"


class Unavailable(Exception):
    """This machine cannot do that; the text says why."""


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace with two cables to it: the server listens at the inner end of both, clients come over either."""

    name: str
    hosts: tuple[str, str]  # addresses in the namespace

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before a command that is to run in there."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    async def plug(self, cable: int, *, up: bool) -> None:
        """Plug one cable in, or pull it out without a word to anybody."""
        await _run("ip", "-n", self.name, "link", "set", f"in{cable}", "up" if up else "down")


@contextlib.asynccontextmanager
async def network() -> AsyncIterator[Network]:
    """Make a network namespace, gone after the block. Raises `Unavailable`."""
    _need_root("a network namespace", "ip", "nsenter")
    pid = os.getpid()
    name = f"moot-{pid}"
    nets = [f"10.{pid % 250 + 1}.{pid // 250 % 250}.{low}" for low in (0, 4)]
    hosts = tuple(_host(net, 2) for net in nets)
    try:
        await _run("ip", "netns", "add", name)
        await _run("ip", "-n", name, "link", "set", "lo", "up")
        for cable, net in enumerate(nets):
            outer, inner = f"m{pid}c{cable}", f"in{cable}"
            await _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            await _run("ip", "addr", "add", f"{_host(net, 1)}/30", "dev", outer)
            await _run("ip", "link", "set", outer, "up")
            await _run("ip", "-n", name, "addr", "add", f"{_host(net, 2)}/30", "dev", inner)
            await _run("ip", "-n", name, "link", "set", inner, "up")
        yield Network(name, (hosts[0], hosts[1]))
    finally:
        with contextlib.suppress(Unavailable):
            await _run("ip", "netns", "del", name)


def _host(net: str, number: int) -> str:
    head, _, low = net.rpartition(".")
    return f"{head}.{int(low) + number}"


@dataclass(frozen=True, slots=True)
class Disk:
    """A small file system of its own."""

    path: Path

    def fill(self) -> None:
        """Take all the space that is left."""
        with contextlib.suppress(OSError), (self.path / _FULL).open("ab") as file:  # the server takes some meanwhile
            while free := shutil.disk_usage(self.path).free:
                os.posix_fallocate(file.fileno(), file.tell(), free)
                file.seek(0, os.SEEK_END)

    def free(self) -> None:
        (self.path / _FULL).unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def small_disk(path: Path, size_mib: int) -> AsyncIterator[Disk]:
    """Mount a file system of ``size_mib`` in memory at ``path``, unmounted after the block. Raises `Unavailable`."""
    _need_root("a disk that can be filled", "mount", "umount")
    await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
    await _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0700", "moot-chaos", str(path))
    try:
        yield Disk(path)
    finally:
        await _run("umount", "--lazy", str(path))


def _need_root(what: str, *programs: str) -> None:
    if os.geteuid() != 0:
        raise Unavailable(f"{what} needs root")
    for program in programs:
        if shutil.which(program) is None:
            raise Unavailable(f"{what} needs the program {program!r}")


async def _run(*command: str) -> None:
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
