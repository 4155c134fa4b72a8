"""Start the program under measurement and read what it costs."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

READY_LIMIT_S: Final = 30.0


@dataclass(frozen=True)
class Server:
    """A running server, in a process group of its own."""

    name: str
    port: int
    pid: int

    def processes(self) -> list[psutil.Process]:
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def pss_kib(self) -> int:
        """Return the memory of all its processes, shared pages counted in proportion, KiB (Linux)."""
        total = 0
        for process in self.processes():
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
            total += int(found[1]) if found else 0
        return total


@contextlib.contextmanager
def running(name: str, command: list[str], listening: str) -> Iterator[Server]:
    """Run ``command`` until the block ends; ``listening`` is a pattern whose group 1 is the port it logs."""
    with tempfile.NamedTemporaryFile("w+", suffix=".log", prefix=f"{name}-") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Server(name, _port(process, Path(log.name), listening), process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path, listening: str) -> int:
    until = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < until:
        if found := re.search(listening, log.read_text()):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"the server did not start:\n{log.read_text()}")


@contextlib.contextmanager
def moot(workers: int, *options: str, limits: bool = False) -> Iterator[Server]:
    """Run moot on a free port with a log of its own in a directory on disk, limits lifted unless told otherwise."""
    with tempfile.TemporaryDirectory(prefix="moot-bench-") as data:
        command = [sys.executable, "-m", "moot", "serve", "--listen", "127.0.0.1:0", "--data", data]
        command += ["--workers", str(workers), *([] if limits else ["--no-limits"]), *options]
        with running("moot", command, r"listening on 127\.0\.0\.1:(\d+)") as server:
            yield server


@contextlib.contextmanager
def baseline() -> Iterator[Server]:
    """Run the bare broadcast server: no log, no batching, no rooms."""
    with running("bare", [sys.executable, "-m", "bench.bare"], r"listening on (\d+)") as server:
        yield server
