"""Fun commands that try to break out, hang, grow or die. None must cost anybody but its caller anything."""

import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from random import Random
from typing import NoReturn

from funcmds.registry import FunError, funcmd
from protocol.ipc import Art
from protocol.native import Anim

IMPORT_TRIED: list[str] = []  # what this module's import could do outside a cage


def _try_at_import() -> None:
    try:
        Path("/tmp/moot-hostile-was-here").write_text("x")
        IMPORT_TRIED.append("wrote a file")
    except OSError:
        pass
    try:
        Path("/etc/passwd").read_text()
        IMPORT_TRIED.append("read a file")
    except OSError:
        pass
    try:
        socket.socket().close()
        IMPORT_TRIED.append("made a socket")
    except OSError:
        pass
    try:
        subprocess.run(["/bin/true"], check=True)
        IMPORT_TRIED.append("ran a program")
    except OSError:
        pass


if os.environ.get("PYTHON_MOOT_HOSTILE_IMPORT"):
    _try_at_import()


@funcmd("imported")
def imported(args: str, rng: Random) -> str:
    """Tells what the import could do, and what is left of the environment."""
    return f"import: {', '.join(IMPORT_TRIED) or 'nothing'}; secret: {os.environ.get('MOOT_TEST_SECRET', 'gone')}"


@funcmd("open")
def open_file(args: str, rng: Random) -> str:
    """Reads a file."""
    return Path(args).read_text()


@funcmd("write")
def write_file(args: str, rng: Random) -> str:
    """Makes a file."""
    Path(args).write_text("x")
    return "written"


@funcmd("socket")
def open_socket(args: str, rng: Random) -> str:
    """Makes a socket."""
    return str(socket.socket())


@funcmd("fork")
def fork(args: str, rng: Random) -> str:
    """Forks."""
    return str(os.fork())


@funcmd("thread")
def thread(args: str, rng: Random) -> str:
    """Starts a thread."""
    threading.Thread(target=time.sleep, args=(1,)).start()
    return "started"


@funcmd("system")
def system(args: str, rng: Random) -> str:
    """Runs a shell."""
    status = os.system("exit 7")  # noqa: TID251
    if os.waitstatus_to_exitcode(status) != 7:
        raise FunError("no shell here")
    return "ran"


@funcmd("run")
def run(args: str, rng: Random) -> str:
    """Runs a program."""
    return str(subprocess.run(["/bin/true"], check=True))


@funcmd("loop")
def loop(args: str, rng: Random) -> str:
    """Never ends."""
    while True:
        pass


@funcmd("stubborn")
def stubborn(args: str, rng: Random) -> str:
    """Never ends, and ignores signals and exceptions."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


@funcmd("allocate")
def allocate(args: str, rng: Random) -> str:
    """Takes memory without end."""
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


@funcmd("reserve")
def reserve(args: str, rng: Random) -> str:
    """Takes more memory at once than there may be."""
    return str(len(bytearray(1 << 30)))


@funcmd("flood")
def flood(args: str, rng: Random) -> str:
    """Answers with twenty megabytes."""
    return "x" * 20_000_000


@funcmd("print")
def print_forever(args: str, rng: Random) -> str:
    """Prints without end."""
    while True:
        print("x" * 1000)


@funcmd("descriptors")
def descriptors(args: str, rng: Random) -> str:
    """Writes to every descriptor it may have inherited, and then goes on to answer."""
    for fd in range(256):
        try:
            os.write(fd, b"\xff" * 10)
        except OSError:
            continue
    return "wrote"


@funcmd("pipeflood")
def pipe_flood(args: str, rng: Random) -> str:
    """Writes to its result pipe without end."""
    while True:
        for fd in range(256):
            try:
                os.write(fd, b"\x00" * 60_000)
            except OSError:
                continue


def _forge(text: str, private: bool = False) -> NoReturn:
    """Write an answer past whatever bounds answers in here, and end."""
    import msgspec

    answer = msgspec.msgpack.encode(((text, "fun", private, None), ""))
    for fd in range(256):
        try:
            os.write(fd, answer)
        except OSError:
            continue
    os._exit(0)


@funcmd("forge")
def forge(args: str, rng: Random) -> str:
    """Answers past the bounds, terminal control and all."""
    _forge("\x1b]0;owned\x07" + "X" * 90)


@funcmd("forgework")
def forge_work(args: str, rng: Random) -> str:
    """Answers past the bounds with what is much work to clean, of almost the most an answer may have."""
    pairs = 3000 if args else 4000
    _forge("\n\u064b" + "\u200c\u064b" * pairs + "x" * (args != ""), private=True)


@funcmd("exit")
def exit_now(args: str, rng: Random) -> str:
    """Ends the process."""
    os._exit(0)


@funcmd("systemexit")
def system_exit(args: str, rng: Random) -> str:
    """Asks Python to end."""
    raise SystemExit("bye")


@funcmd("segfault")
def segfault(args: str, rng: Random) -> str:
    """Reads address 0."""
    return str(ctypes.string_at(0))


@funcmd("recurse")
def recurse(args: str, rng: Random) -> str:
    """Calls itself without end."""

    def deeper(n: int) -> int:
        return deeper(n + 1) + 1

    return str(deeper(0))


@funcmd("parricide")
def parricide(args: str, rng: Random) -> str:
    """Kills its parent and everything else it may."""
    os.kill(os.getppid(), signal.SIGKILL)
    return "killed"


@funcmd("killall")
def kill_all(args: str, rng: Random) -> str:
    """Kills its process group."""
    os.killpg(0, signal.SIGKILL)
    return "killed"


@funcmd("wrongtype")
def wrong_type(args: str, rng: Random) -> str:
    """Answers with a number."""
    return 42  # type: ignore[return-value]


@funcmd("wide")
def wide(args: str, rng: Random) -> str:
    """Answers with a picture that is too wide and too high."""
    return "\n".join("漢" * 50 for _ in range(50))


@funcmd("tall")
def tall(args: str, rng: Random) -> Art:
    """Answers privately with more than fits."""
    return Art("y" * 17_000, private=True)


@funcmd("longplay")
def long_play(args: str, rng: Random) -> Art:
    """Wants an animation that lasts for a day."""
    return Art("x", anim=Anim("train", 1, 86400.0))


@funcmd("memory")
def memory(args: str, rng: Random) -> str:
    """Uses less memory than it may."""
    return str(len(bytearray(32 << 20)))


@funcmd("escape")
def escape(args: str, rng: Random) -> str:
    """Answers with terminal control sequences."""
    return "\x1b[2J\x1b]52;c;aGk=\x07red\u202eder\r\n\x9b31m"
