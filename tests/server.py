"""The real program for tests: started as a user would, on a free port, in a process group of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from protocol import native

LIMIT_S: Final = 20.0  # for anything a test waits for
E = TypeVar("E")


def until(probe: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Return the first true value of ``probe``, asked again and again."""
    end = time.monotonic() + limit_s
    while not (found := probe()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s:g} s in vain for {what}")
        time.sleep(0.01)
    return found


class Server:
    """`moot serve` in a subprocess. `log` is what it wrote so far."""

    def __init__(self, data: Path, *options: str, port: int = 0, env: dict[str, str] | None = None) -> None:
        self.data = data
        self.options = options
        self.env = {**os.environ, **(env or {})}
        self.log_path = data.with_name(data.name + ".log")
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def start(self) -> "Server":
        """Start it, on the port it had before if there is one, and wait until it serves."""
        command = [
            sys.executable,
            "-m",
            "moot",
            "serve",
            "--listen",
            f"127.0.0.1:{self.port}",
            "--data",
            str(self.data),
        ]
        skip = len(self.log) if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                start_new_session=True,
            )

        def listening() -> re.Match[str] | None:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log}")
            return re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log[skip:])

        self.port = int(until(listening, "the server to listen")[1])
        return self

    def pids(self, kind: str) -> list[int]:
        """Return the processes of a kind ("worker", "broker", "sandbox") ever started, newest last."""
        return [int(pid) for pid in re.findall(rf"{kind}[ \d]* is ready \(pid (\d+)\)", self.log)]

    def kill(self, kind: str, number: int = signal.SIGKILL) -> int:
        """Signal the newest process of a kind; return its pid."""
        pid = self.pids(kind)[-1]
        os.kill(pid, number)
        return pid

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def crash(self) -> None:
        """Kill every process of it at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT_S)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Nothing is answered while the block runs."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def destroy(self) -> None:
        """End it and everything it started, whatever state it is in."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LIMIT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Peer:
    """A raw native connection that reads and writes when it is told to, nothing by itself."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.rest = b""
        self.events: list[native.Event] = []  # came, not yet asked for
        self.ids = 0

    def write(self, request: native.Request) -> None:
        self.sock.sendall(native.encode(request))

    def ask(self, request: native.Request, kind: type[E]) -> E:
        """Send a request with an id of its own and return its answer, which must be of ``kind``."""
        self.ids += 1
        self.write(msgspec.structs.replace(request, id=self.ids))
        answer = self.next(lambda event: getattr(event, "id", None) == self.ids)
        assert isinstance(answer, kind), answer
        return answer

    def next(self, wanted: Callable[[native.Event], bool] | type) -> Any:
        """Return the next event that is ``wanted``; the others are kept in `events`."""
        test = (lambda event: isinstance(event, wanted)) if isinstance(wanted, type) else wanted
        for index, event in enumerate(self.events):
            if test(event):
                return self.events.pop(index)
        while True:
            event = self._read()
            if test(event):
                return event
            self.events.append(event)

    def gather(self, kind: type[E]) -> list[E]:
        """Return all events of a kind that came before an answered ping: the barrier instead of a sleep."""
        self.ask(native.Ping(), native.Pong)
        found: list[E] = [event for event in self.events if isinstance(event, kind)]
        self.events = [event for event in self.events if not isinstance(event, kind)]
        return found

    def _read(self) -> native.Event:
        while b"\n" not in self.rest:
            chunk = self.sock.recv(1 << 16)
            if not chunk:
                raise EOFError("the server closed the connection")
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\n")
        return native.decode_event(line)

    def ended(self) -> bool:
        """Read to the end of the connection; False when it does not end in time."""
        try:
            while True:
                self.events.append(self._read())
        except (EOFError, ConnectionError):
            return True
        except TimeoutError:
            return False

    def enter(self, nick: str, *rooms: str) -> native.Welcome:
        welcome = self.ask(native.Hello(nick=nick), native.Welcome)
        for room in rooms:
            self.ask(native.Join(room=room), native.Room)
        return welcome

    def close(self) -> None:
        self.sock.close()


@contextlib.contextmanager
def serving(data: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Serve from ``data`` until the block ends."""
    server = Server(data, *options, env=env)
    try:
        yield server.start()
    except BaseException:
        if server.log_path.exists():
            print(f"--- the server's log\n{server.log[-8000:]}")
        raise
    finally:
        server.destroy()


def meeting(server: Server) -> Iterator[Callable[..., Peer]]:
    """Yield what makes introduced peers, ``make("ann", "#tea")``, or bare connections; close them after."""
    made: list[Peer] = []

    def make(nick: str = "", *rooms: str) -> Peer:
        one = Peer(server.port)
        made.append(one)
        if nick:
            one.enter(nick, *rooms)
        return one

    yield make
    for one in made:
        one.close()
