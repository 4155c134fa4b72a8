"""Other people's IRC servers, as Debian has them, for the same tests: started on a free port, with limits lifted."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from tests.irc.client import Client
from tests.outside.programs import found
from tests.server import LIMIT_S, until

HERE: Final = Path(__file__).parent
Address = tuple[str, int]


@dataclass(frozen=True)
class Claims:
    """What a server says it can do."""

    caps: frozenset[str]
    tokens: dict[str, str]  # of RPL_ISUPPORT


def claimed_by(address: Address) -> Claims:
    """Ask a server for its capabilities, and read its 005."""
    one = Client(address)
    one.send("CAP LS 302", "NICK asker", "USER asker 0 * :Asker", "CAP END")
    told = one.until(lambda message: message.command in ("376", "422"))
    one.leave()
    listed = [word for m in told if m.command == "CAP" for word in m.last.split()]
    words = [word for m in told if m.command == "005" for word in m.params[1:-1]]
    caps = frozenset(word.partition("=")[0] for word in listed)
    return Claims(caps, dict(word.partition("=")[::2] for word in words))


@contextlib.contextmanager
def peer(name: str) -> Iterator[Address]:
    """Run ``name``, "ngircd" or "inspircd", until the block ends; yield where it listens."""
    place = Path(tempfile.mkdtemp(prefix=f"moot-{name}-"))
    place.chmod(0o755)  # ngircd, started by root, becomes somebody else
    port = _free_port()
    config = place / f"{name}.conf"
    template = Template((HERE / "peers" / config.name).read_text())
    config.write_text(template.substitute(port=port, place=place))
    program = found(name) or name
    words = {
        "ngircd": [program, "--nodaemon", "--config", str(config)],
        "inspircd": [program, "--nofork", "--nopid", "--config", str(config)],
    }[name]
    if name == "inspircd" and os.geteuid() == 0:
        words.append("--runasroot")
    log = place / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: process.poll() is not None or _listens(port), f"{name} to listen")
        assert process.poll() is None, log.read_text(errors="replace")
        yield "127.0.0.1", port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT_S)
        shutil.rmtree(place, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
