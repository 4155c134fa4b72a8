"""Serving from the command line: in the foreground, or in the background while its person is in the chat. Unix only.

The server of `moot host` is a process of its own, in a session of its own: Ctrl+C and a closed terminal are the
client's. It gets its settings on standard input and says once on standard output that it is ready, or why not.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from client import trust
from client.address import Address
from moot import addresses
from moot.admin import ask
from moot.certificate import Identity
from moot.config import ConfigError, Wish
from moot.datadir import StartError
from moot.enter import enter, is_interactive
from moot.invitation import Invitation, qr_code
from moot.openfiles import complaint, raise_limit
from moot.probe import is_moot, others_online
from moot.running import Refused, last_line, stop
from protocol.addresses import show
from protocol.operator import Ask
from protocol.settings import Settings

READY_LIMIT_S: Final = 30.0
LOG_NAME: Final = "server.log"  # in the data directory
HANGUP: Final = 128 + signal.SIGHUP


class Report(msgspec.Struct):
    """What the server of `moot host` says to its parent, as one line of JSON."""

    listen: list[tuple[str, int]] = []
    pin: str = ""  # of its key
    own: bool = True  # nobody but us vouches for that
    error: str = ""


def serve_here(wish: Wish, admin: str | None = None) -> int:
    """Serve in the foreground until stopped; return the exit code. Raises Refused, ConfigError.

    ``admin``: whose account becomes an admin of the server, and is made if there is none.
    """
    from moot.appointing import appoint
    from moot.supervisor import serve

    limit = raise_limit()
    if trouble := complaint(limit):
        raise Refused(trouble)

    settings = wish.settings()

    def ready(bound: list[tuple[str, int]], identity: Identity) -> None:
        with contextlib.suppress(OSError):  # nobody reads what is printed; the log says it too, and people are served
            announce(bound, settings, identity.pin if identity.own else "")

    def prepare(directory: Path) -> None:
        if admin is not None:
            appoint(directory, settings, admin, click.echo)

    try:
        return serve(settings, on_ready=ready, reload=wish.settings, prepare=prepare)
    except StartError as error:
        raise Refused(str(error)) from error


def serve_for_parent() -> int:
    """Serve as the child of `moot host`; return the exit code."""
    # The answer goes to a descriptor of ours alone: the children to come must not hold the parent's pipe open.
    answer = os.fdopen(os.dup(1), "wb")
    wish = msgspec.json.decode(sys.stdin.buffer.read(), type=Wish)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)

    def tell(report: Report) -> None:
        if not answer.closed:
            try:
                answer.write(msgspec.json.encode(report) + b"\n")
                answer.close()
            except BrokenPipeError:
                pass  # the parent is gone; whoever is in the chat stays

    from moot.supervisor import serve

    limit = raise_limit()
    try:
        if trouble := complaint(limit):
            raise StartError(trouble)
        settings = wish.settings()
        its_log = str(Path(settings.data) / LOG_NAME)
        return serve(
            settings,
            on_ready=lambda bound, identity: tell(Report(listen=bound, pin=identity.pin, own=identity.own)),
            reload=wish.settings,
            log_place=its_log,
        )
    except (StartError, ConfigError) as error:
        tell(Report(error=str(error)))
        return 1


def announce(bound: Sequence[tuple[str, int]], settings: Settings, pin: str) -> None:
    """Print by which addresses and commands others come in; ``pin``: of the key, when nobody else vouches for it."""
    click.echo(f"moot listens on {', '.join(show(host, port) for host, port in bound)}.")
    click.echo(join_commands(bound, short=settings.plaintext != "all"))
    url = str(invitation(bound, settings.lobby, pin))
    click.echo(f"An invitation{' that names the key of this server' if pin else ''}:")
    click.echo(f"  moot join '{url}'")
    if _reachable(bound) and (picture := qr_code(url)):
        click.echo(picture)


def invitation(bound: Sequence[tuple[str, int]], lobby: str, pin: str) -> Invitation:
    """Return an invitation to the likeliest address of a server that is ``bound`` so."""
    host, port = next(iter(_reachable(bound)), (addresses.dialable(bound[0][0]), bound[0][1]))
    return Invitation(Address(host, port), lobby, pin)


def join_commands(bound: Sequence[tuple[str, int]], *, short: bool = False) -> str:
    """Return the lines that say how others join a server that is ``bound`` so; ``short``: with moot only."""
    places = _reachable(bound)
    leads = ["Others join with:"] + ["or:"] * (len(places) - 1)
    if not places:
        places, leads = [(addresses.dialable(bound[0][0]), bound[0][1])], ["On this machine:"]
    return "\n".join(
        f"{lead:>{len(leads[0])}} moot join {addresses.join_target(host, port)}"
        + ("" if short else f"    or: nc {host} {port}")
        for lead, (host, port) in zip(leads, places, strict=True)
    )


def _reachable(bound: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    return addresses.invitations(bound, addresses.local_addresses())


def host_and_join(wish: Wish, nick: str | None, rooms: Sequence[str], *, plain: bool) -> int:
    """Start a server, or find the one that runs here, and go into it; return the exit code.

    Raises Refused, ConfigError.
    """
    settings = wish.settings()
    if not is_interactive():
        click.echo("No terminal here, so moot serves in the foreground; stop it with Ctrl+C or `moot stop`.")
        return serve_here(wish)
    if (found := running_here(settings)) is not None:
        click.echo(f"A moot server runs here already, at {found}; joining it.")
        return enter(found, nick, rooms, plain=plain)

    def hung_up(_number: int, _frame: Any) -> None:
        raise SystemExit(HANGUP)

    signal.signal(signal.SIGHUP, hung_up)
    with Child(wish) as server:
        pin = server.report.pin if server.report.own else ""
        announce(server.bound, settings, pin)
        host, port = server.bound[0]
        address = Address(addresses.dialable(host), port)
        trust.vouch(address, server.report.pin)
        greeting = (
            f"{join_commands(server.bound, short=True)}\nor: moot join '{invitation(server.bound, rooms[0], pin)}'"
        )
        code = enter(show(*address), nick, rooms, plain=plain, greeting=greeting)
        if wants_to_go_on(others_online(*address, but=nick or "")):
            server.keep()
            click.echo(f"The server goes on (process {server.pid}); `{me()} stop` ends it, `{me()}` joins it again.")
    return code


def running_here(settings: Settings) -> str | None:
    """Return the address of a moot server that listens where ``settings`` would, or None."""
    for text in settings.listen:
        host, port = addresses.split(text)
        host = addresses.dialable(host)
        if port and is_moot(host, port):
            return show(host, port)
    return None


def me() -> str:
    """Return the command that starts this program here."""
    if shutil.which("moot"):
        return "moot"
    return f"{sys.executable} -m moot" if sys.argv[0].endswith("__main__.py") else sys.argv[0]


def wants_to_go_on(others: list[str] | None) -> bool:
    """Ask whether to keep hosting, if there is anybody to keep it for."""
    if not others:
        return False
    who = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    verb = "is" if len(others) == 1 else "are"
    try:
        return click.confirm(f"{who} {verb} still here. Keep hosting in the background?", default=True)
    except click.Abort:
        return True  # nobody is thrown out by a second Ctrl+C


class Child:
    """The server process; leaving the block stops it unless `keep` was called."""

    def __init__(self, wish: Wish) -> None:
        """Raises Refused, ConfigError."""
        data = Path(wish.settings().data)
        self.log = data / LOG_NAME
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _private(self.log) as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "moot", "hosted"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            text = f"cannot write to the data directory {data}: {error.strerror}; choose another with --data DIR"
            raise Refused(text) from error
        self.pid = self._process.pid
        self._kept = False
        self._data = data
        self.report = self._start(wish)
        self.bound = self.report.listen

    def _start(self, wish: Wish) -> Report:
        """Hand over the settings and wait for the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(msgspec.json.encode(wish))
            stdin.close()
        except BrokenPipeError:
            pass  # it died; the log says of what
        try:
            line = stdout.readline()
        except BaseException:
            self._process.terminate()
            raise
        stdout.close()
        if not line:
            self._process.wait()
            raise Refused(
                f"the server did not start: {last_line(self.log) or 'it said nothing'}; its log is {self.log}"
            )
        report = msgspec.json.decode(line, type=Report)
        if report.error:
            self._process.wait()
            raise Refused(report.error)
        return report

    def keep(self) -> None:
        """Let the server run on when the block ends."""
        self._kept = True

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept:
            self._process.returncode = 0  # it is not ours to wait for any more
            return
        self._process.terminate()
        try:
            self._process.wait(READY_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _private(path: Path) -> BinaryIO:
    """Open a file to add to it, which only its owner may read, and no link to one elsewhere."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "ab")


def stop_server(data: Path) -> int:
    """Stop the server of a data directory and say so; return the exit code. Raises Refused."""
    click.echo(f"Stopped the server (process {stop(data)}).")
    return 0


def command(data: Path, question: Ask) -> int:
    """Have the server of a data directory do something and show what it says; return the exit code. Raises Refused."""
    code = 0
    for answer in ask(data, question):
        code = answer.code or 0
        click.echo(f"moot: {answer.text}" if code else answer.text, err=code != 0)
    return code
