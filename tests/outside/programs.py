"""Chat programs that nobody here wrote, each with a person in front of it: started, typed into, read.

Whatever they are, a test sees the same of them: `say` has the person say a line in the room, `shown` is all text that
the program has shown so far, `lives` tells whether it is still connected as it was.
"""

import contextlib
import os
import shutil
import ssl
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from protocol import native
from tests.server import LIMIT_S, Server, until
from tests.tls import dialled
from tests.tmux import MOOT, Terminal, environment

PACKAGES: Final = {
    "irssi": "irssi",
    "weechat": "weechat-curses",
    "nc": "netcat-openbsd",
    "openssl": "openssl",
    "tmux": "tmux",
    "ngircd": "ngircd",
    "inspircd": "inspircd",
}
SCREEN: Final = (120, 200)  # columns and rows: all that is said in a test stays on it
HERE: Final = Path(__file__).parent


def need(*programs: str) -> None:
    """Leave the test out when a program is not installed, and say what to install; CI must have them all."""
    missing = [PACKAGES[program] for program in programs if not found(program)]
    if missing:
        reason = f"needs programs that are not installed: apt-get install {' '.join(missing)}"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)


def found(program: str) -> str | None:
    """Return the path of a program; servers are where only root looks."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


class Person(ABC):
    """Somebody with a program. `echoes`: it shows one's own words where the server put them among the others'."""

    echoes = True

    def __init__(self, nick: str) -> None:
        self.nick = nick

    @abstractmethod
    def say(self, text: str) -> None: ...

    @abstractmethod
    def shown(self) -> str: ...

    @abstractmethod
    def lives(self) -> bool: ...

    @abstractmethod
    def close(self) -> None: ...

    def sees(self, *words: str) -> None:
        """Wait until the program has shown all ``words``."""
        try:
            until(lambda: all(word in self.shown() for word in words), f"{words} at {self.nick}'s")
        except AssertionError:
            print(f"--- {self.nick} sees\n{self.shown()}\n---")
            raise


class OnScreen(Person):
    """A full-screen program in tmux."""

    def __init__(self, nick: str, command: Sequence[str], home: Path) -> None:
        super().__init__(nick)
        self.terminal = Terminal(command, home, *SCREEN)

    def say(self, text: str) -> None:
        self.terminal.say(text)

    def shown(self) -> str:
        return self.terminal.screen()

    def lives(self) -> bool:
        return "exit status" not in self.shown() and not self.lost(self.shown())

    def lost(self, screen: str) -> bool:
        """Whether the screen says that the connection was lost."""
        raise NotImplementedError

    def close(self) -> None:
        self.terminal.kill()


class Irssi(OnScreen):
    """irssi, which shows one's own words at once: it knows no echo-message."""

    echoes = False

    def __init__(self, nick: str, port: int, room: str, home: Path, password: str = "") -> None:
        home.mkdir(parents=True)
        sasl = f'sasl_mechanism = "PLAIN"; sasl_username = "{nick}"; sasl_password = "{password}";' if password else ""
        (home / "config").write_text(
            f"""servers = ({{ address = "127.0.0.1"; chatnet = "moot"; port = "{port}"; autoconnect = "yes"; }});
chatnets = {{ moot = {{ type = "IRC"; nick = "{nick}"; {sasl} }}; }};
channels = ({{ name = "{room}"; chatnet = "moot"; autojoin = "yes"; }});
settings = {{
  core = {{ real_name = "Irssi Example"; user_name = "{nick}"; nick = "{nick}"; }};
  "fe-common/core" = {{ window_auto_change = "yes"; }};
}};
"""
        )
        super().__init__(nick, ["irssi", f"--home={home}", f"--config={home / 'config'}"], home)

    def lost(self, screen: str) -> bool:
        return "Connection lost" in screen


class WeeChat(OnScreen):
    """WeeChat, through TLS. It knows the server by its certificate. This version knows no echo-message either."""

    echoes = False

    def __init__(self, nick: str, port: int, room: str, home: Path, password: str = "") -> None:
        with dialled(port) as tls:
            shown = sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
        options = {
            "ssl_fingerprint": shown,
            "nicks": nick,
            "realname": "WeeChat Example",
            "autojoin": room,
            "capabilities": "*,draft/chathistory",  # all that it knows, and one to be used by hand
        }
        if password:
            options |= {"sasl_mechanism": "plain", "sasl_username": nick, "sasl_password": password}
        commands = [f"/server add moot 127.0.0.1/{port} -ssl"]
        commands += [f"/set irc.server.moot.{name} {value}" for name, value in options.items()]
        commands += ["/bar hide buflist", "/bar hide nicklist", "/set irc.server.moot.anti_flood_prio_high 0"]
        commands += ["/connect moot"]
        runs = [word for command in commands for word in ("--run-command", command)]
        super().__init__(nick, ["weechat", "--dir", str(home / "weechat"), *runs], home)

    def lost(self, screen: str) -> bool:
        return "disconnected" in screen


class MootTerminal(OnScreen):
    """moot's own client."""

    def __init__(self, nick: str, port: int, room: str, home: Path) -> None:
        command = [*MOOT, "join", f"127.0.0.1:{port}", "--nick", nick, "--room", room]
        super().__init__(nick, command, home)

    def lost(self, screen: str) -> bool:
        return False  # it comes back by itself, and loses nothing


class Piped(Person):
    """A program of lines: what one types goes in, what it shows comes out."""

    echoes = False

    def __init__(self, nick: str, command: Sequence[str], home: Path, first: str = "") -> None:
        super().__init__(nick)
        home.mkdir(parents=True, exist_ok=True)
        self._out = home / "out"
        env = environment(home) | {"PYTHONUNBUFFERED": "1"}
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=env, start_new_session=True
            )
        if first:
            self.say(first)

    def say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()

    def shown(self) -> str:
        return self._out.read_text(errors="replace")

    def lives(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()


def script(package: str, nick: str, port: int, room: str, home: Path, *password: str) -> Piped:
    """Return a person with a client that uses ``package``, "irc" or "pydle"."""
    program = str(HERE / f"with_{package}.py")
    return Piped(nick, [sys.executable, program, str(port), nick, room, *password], home)


def netcat(nick: str, port: int, home: Path) -> Piped:
    return Piped(nick, [found("nc") or "nc", "127.0.0.1", str(port)], home, first=nick)


def openssl(nick: str, port: int, home: Path) -> Piped:
    """Return a person with `openssl s_client`, who is served as one with `nc` is."""
    return Piped(nick, ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}"], home, first=nick)


class Web(Person):
    """The client of the package `websockets`: native requests in text frames, through TLS if there is a context."""

    def __init__(self, nick: str, port: int, room: str, context: ssl.SSLContext | None = None) -> None:
        super().__init__(nick)
        self._room = room
        self._heard: list[str] = []
        self._count = 0
        self.ended = False
        scheme = "wss" if context else "ws"
        self._stack = contextlib.ExitStack()
        uri = f"{scheme}://127.0.0.1:{port}/ws"
        self._socket = self._stack.enter_context(connect(uri, ssl=context, compression=None))
        self._write(native.Hello(nick=nick))
        self._write(native.Join(room=room))
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _write(self, request: native.Request) -> None:
        self._socket.send(native.encode(request).decode().rstrip("\n"))

    def _listen(self) -> None:
        try:
            for frame in self._socket:
                event = native.decode_event(frame.encode() if isinstance(frame, str) else frame)
                if isinstance(event, native.Msg):
                    self._heard.append(f"<{event.nick}> {event.text}")
                elif isinstance(event, native.Room):
                    self._heard += [f"<{msg.nick}> {msg.text}" for msg in event.messages]
                    self._heard.append(f"* {self.nick} entered")
        except ConnectionClosed:
            pass
        self.ended = True

    def say(self, text: str) -> None:
        self._count += 1
        self._write(native.Send(cmid=f"{self.nick}-{self._count}", to=self._room, text=text))

    def shown(self) -> str:
        return "\n".join(self._heard)

    def lives(self) -> bool:
        return not self.ended

    def close(self) -> None:
        self._stack.close()
        self._listener.join(LIMIT_S)


class Classic(Person):
    """A script of the classic protocol that ends its messages with newlines."""

    def __init__(self, nick: str, port: int, home: Path) -> None:
        super().__init__(nick)
        first = f"CON,nickname={nick};password=;color=#D333FF,"
        self._pipe = Piped(nick, [found("nc") or "nc", "127.0.0.1", str(port)], home, first=first)

    def say(self, text: str) -> None:
        self._pipe.say(f"CHAT,rec=-ALL,{text}")

    def shown(self) -> str:
        return self._pipe.shown()

    def lives(self) -> bool:
        return self._pipe.lives()

    def close(self) -> None:
        self._pipe.close()


@contextlib.contextmanager
def everybody(server: Server, room: str, home: Path) -> Iterator[list[Person]]:
    """One person with each program, all in ``room``."""
    port = server.port
    with contextlib.ExitStack() as stack:
        people: list[Person] = []

        def add(person: Person, *entered: str) -> None:
            stack.callback(person.close)
            person.sees(*entered)
            people.append(person)

        add(Irssi("irssi", port, room, home / "irssi"), f"has joined {room}")
        add(WeeChat("weechat", port, room, home / "weechat"), "has joined")
        add(script("irc", "ircpy", port, room, home / "irc"), "ircpy entered")
        add(script("pydle", "pydle", port, room, home / "pydle"), "pydle entered")
        add(Web("web", port, room), "web entered")
        add(netcat("netcat", port, home / "nc"), f"You are in {room}")
        add(openssl("openssl", port, home / "openssl"), f"You are in {room}")
        add(Classic("classic", port, home / "classic"), "CONVER")
        add(MootTerminal("mooty", port, room, home / "moot"), room, "classic")
        yield people
