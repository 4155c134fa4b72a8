"""A scripted server that speaks the wire format over a real socket, and the program on a screen of any size."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from client.terminal.app import MootApp
from client.terminal.main_screen import MainScreen
from client.terminal.settings import SettingsFile
from protocol import accounts, native

NOON = 1_750_000_000_000  # milliseconds; what the fake's clock says at first
FUN = [
    native.FunCommand("train", "/train", "A train crosses the screen."),
    native.FunCommand("cowsay", "/cowsay [-f ANIMAL] TEXT", "A cow says it."),
    native.FunCommand("cows", "/cows", "Lists the animals."),
]


class Fake:
    """One client at a time. It records what it got; `post` and `tell` speak to the client."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[native.Request] = []
        self.logs: dict[str, list[native.Msg]] = {}
        self.people: dict[str, list[native.Person]] = {}
        self.topics: dict[str, str] = {}
        self.taken: set[str] = set()
        self.accounts: dict[str, str] = {}  # nick: password
        self.account = ""  # of who is here
        self.refuse: dict[str, str] = {}  # text: why
        self.acknowledge = True
        self.backlog = 50
        self.done: dict[str, native.Ok] = {}
        self.nick = ""
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the door and the connection; `start` opens the same port again."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def tell(self, *events: native.Event) -> None:
        """Send events as they are."""
        assert self._writer is not None
        self._writer.write(b"".join(map(native.encode, events)))

    def post(self, room: str, nick: str, text: str, *, live: bool = True, **more: Any) -> native.Msg:
        """Somebody says something."""
        log = self.logs.setdefault(room, [])
        msg = native.Msg(room=room, seq=len(log) + 1, time=NOON + 1000 * len(log), nick=nick, text=text, **more)
        log.append(msg)
        if live:
            self.tell(msg)
        return msg

    def sends(self) -> list[tuple[str, str]]:
        """What was said to the server: (to, text)."""
        return [(r.to, r.text) for r in self.got if isinstance(r, native.Send)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        if first == b"\x16":  # it has no TLS, and says so in text
            writer.write(b"what?\n")
            writer.close()
            return
        self._writer = writer
        try:
            while line := first + await reader.readline():
                first = b""
                request = native.decode_request(line)
                if not isinstance(request, native.Ping):
                    self.got.append(request)
                for event in self._answer(request):
                    writer.write(native.encode(event))
                if isinstance(request, native.Quit):
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _answer(self, request: native.Request) -> list[native.Event]:
        i = request.id
        match request:
            case accounts.Sasl(data=str(data)):
                _, name, password = data.split("\0")
                if self.accounts.get(name) != password:
                    return [native.Error(id=i, code="login-failed", text="The password is wrong.", wait=1.0)]
                self.account = name
                return [accounts.LoggedIn(id=i, account=name)]
            case native.Hello(nick=nick) if nick in self.accounts and nick != self.account:
                text = f"{nick} belongs to an account."
                return [native.Error(id=i, code="nick-reserved", text=text, free=nick + "2")]
            case native.Hello(nick=nick) if nick in self.taken:
                return [native.Error(id=i, code="nick-taken", text=f"{nick} is taken.", free=nick + "2")]
            case native.Hello(nick=nick):
                self.nick = nick
                inbox = len(self.logs.get("@", []))
                return [native.Welcome(id=i, nick=nick, server="fake", version="1", epoch="e", fun=FUN, inbox=inbox)]
            case native.Join():
                return [self._join(request)]
            case native.History():
                log = self.logs.get(request.room, [])
                end = len(log) if request.before is None else request.before - 1
                start = request.after or max(0, end - request.limit)
                page = log[start : min(end, start + request.limit)]
                return [native.HistoryPage(id=i, room=request.room, messages=page, more=start > 0)]
            case native.Send(text=text) if text in self.refuse:
                return [native.Error(id=i, code="refused", text=self.refuse[text])]
            case native.Send() if self.acknowledge:
                return self._say(request)
            case native.Ping():
                return [native.Pong(id=i, time=NOON)]
            case native.Quit():
                return [native.Bye(id=i, reason="bye")]
            case native.Fun(line="/cows"):
                return [native.Shown(id=i, text="beavis\n  bunny\ntux")]
            case native.Leave(room=room) | native.Topic(room=room):
                return [native.Ok(id=i, room=room)]
            case native.Nick(nick=nick):
                return [native.Ok(id=i, nick=nick)]
            case native.Send() | native.Fun():
                return []
            case _:
                return [native.Ok(id=i)]

    def _join(self, request: native.Join) -> native.Event:
        log = self.logs.setdefault(request.room, [])
        start = max(0, len(log) - self.backlog) if request.after is None else request.after
        people = [*self.people.get(request.room, []), native.Person(self.nick)]
        return native.Room(
            id=request.id,
            room=request.room,
            seq=len(log),
            topic=self.topics.get(request.room, ""),
            people=people,
            count=len(people),
            messages=log[start:],
            more=request.after is None and start > 0,
        )

    def _say(self, request: native.Send) -> list[native.Event]:
        if (ok := self.done.get(request.cmid)) is None:
            direct = request.to.startswith("@")
            room = "@" if direct else request.to
            to = request.to[1:] if direct else None
            msg = self.post(room, self.nick, request.text, live=False, kind=request.kind, to=to)
            ok = self.done[request.cmid] = native.Ok(room=room, seq=msg.seq, time=msg.time)
            return [native.Ok(id=request.id, room=ok.room, seq=ok.seq, time=ok.time), msg]
        return [native.Ok(id=request.id, room=ok.room, seq=ok.seq, time=ok.time)]


class Terminal:
    """The program as a test sees it: keys in, lines out."""

    def __init__(self, app: MootApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def screen(self) -> MainScreen:
        found = next(screen for screen in reversed(self.app.screen_stack) if isinstance(screen, MainScreen))
        return found

    @property
    def typed(self) -> str:
        return self.screen.composer.text

    def lines(self) -> list[str]:
        """What is on the screen, one string a line, spaces at the ends gone."""
        size = self.app.size
        strips = self.app.screen._compositor.render_strips(size)
        return [strip.text.rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines())

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if c == " " else "slash" if c == "/" else c for c in text))

    async def until(self, what: Callable[[], object], why: str = "") -> None:
        """Let the program run until ``what`` holds; the test's own timeout ends a wait in vain."""
        for _ in range(600):
            await self.pilot.pause()
            if what():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"it never came: {why}\n{self.text}")

    async def sees(self, text: str) -> None:
        await self.until(lambda: text in self.text, text)


Start = Callable[..., AbstractAsyncContextManager[Terminal]]


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    server = Fake()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def start(fake: Fake, tmp_path: Path) -> Start:
    """Return what starts the program: `async with start(size=(100, 30)) as term`."""

    @asynccontextmanager
    async def begin(
        size: tuple[int, int] = (100, 30),
        rooms: tuple[str, ...] = ("#lobby",),
        nick: str = "me",
        wait: str | None = "● ",
    ) -> AsyncIterator[Terminal]:
        app = MootApp(f"127.0.0.1:{fake.port}", nick, rooms, SettingsFile(tmp_path / "terminal.json"))
        async with app.run_test(size=size) as pilot:
            term = Terminal(app, pilot)
            if wait is not None:
                await term.until(
                    lambda: term.screen.chat.session.online and term.screen.tracker.problem == "", "online"
                )
                await term.until(lambda: all(v.here for v in term.screen.chat.session.rooms.values()), "rooms")
            yield term

    return begin
