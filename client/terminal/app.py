"""The terminal program: themes, settings, the connection's life. The chat itself is `MainScreen`."""

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import ClassVar

from textual.app import App

from client.address import parse_address
from client.delivery import deliver, farewell
from client.identity import Proof
from client.journal import Desk, Journal
from client.logins import Logins, Pass
from client.net import Chat
from client.session import Outgoing, Session
from client.terminal import altkeys
from client.terminal.main_screen import MainScreen
from client.terminal.panels import SettingsScreen, Wanted
from client.terminal.settings import ALARM, CLOCK, NOTIFY, SettingsFile
from client.terminal.themes import NAMES, OWN

CLIENT = "moot terminal"


class MootApp(App[int]):
    """See the module."""

    CSS_PATH: ClassVar[Path] = Path(__file__).with_name("moot.tcss")
    ENABLE_COMMAND_PALETTE = False
    TITLE = "moot"

    def __init__(
        self,
        host: str,
        nick: str,
        rooms: Sequence[str],
        settings: SettingsFile,
        greeting: str = "",
        *,
        journal: Journal | None = None,  # default: nothing is kept
        leftovers: Sequence[Journal] = (),  # of clients that are gone; theirs is said too
        problems: Sequence[str] = (),  # with those files, for people
        credentials: Pass | None = None,  # default: one comes as a guest
    ) -> None:
        altkeys.install()
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)  # then no colour is written at all
        self.host = host
        self.settings = settings
        self._greeting = greeting  # said by this program in the first room
        self._rooms = list(rooms)
        self._journal = journal or Journal(Desk("chat", parse_address(host), nick))
        self._leftovers = list(leftovers)
        self._credentials = credentials or Pass(Logins(None))
        self._problems = list(filter(None, [self._journal.problem, *problems]))
        self._deliveries: list[asyncio.Task[None]] = []
        self._chat = self._new_chat(nick, self._journal.pending)
        self._stack = AsyncExitStack()
        self._title = ""
        self._reason = ""
        for theme in OWN:
            self.register_theme(theme)
        self.theme = settings.values.theme if settings.values.theme in NAMES else NAMES[0]

    def _new_chat(self, nick: str, pending: Iterable[Outgoing]) -> Chat:
        session = Session(
            nick,
            self._rooms,
            token=self._journal.token,
            color=self.settings.values.color,
            client=CLIENT,
            pending=pending,
            follow=True,
        )
        address = parse_address(self.host)
        return Chat(address, session, patient=True, keeper=self._journal, credentials=self._credentials)

    async def on_mount(self) -> None:
        """Connect; the screen shows what comes of it."""
        if sys.platform != "win32":  # killed, it still gives the terminal back as it was
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, 128 + signal.SIGTERM)
        self._write("\x1b[22;0t")  # remember the terminal's title
        await self.push_screen(MainScreen(self.host, self._chat, self.settings, self._greeting, self._problems))
        await self._stack.enter_async_context(self._chat)
        for journal in self._leftovers:
            self._deliveries.append(asyncio.create_task(deliver(journal, CLIENT, self._tell)))

    def _tell(self, text: str) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen):
                screen.tell(text)

    @property
    def farewell(self) -> str:
        """What to say when the program has ended; mostly nothing."""
        return farewell(self._chat.session, self._journal)

    async def on_unmount(self) -> None:
        """Say goodbye."""
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self._chat.close(self._reason)
        await self._stack.aclose()
        self._write("\x1b[23;0t")

    def quit(self, reason: str) -> None:
        """End the program, telling the others why."""
        self._reason = reason
        self.exit(0)

    async def try_nick(self, wanted: Wanted | None) -> None:
        """Connect anew under another nick, or as whose it is; without one, end."""
        if wanted is None:
            self.exit(1)
            return
        await self._stack.aclose()
        if wanted.password:
            self._credentials.use(Proof(wanted.nick, password=wanted.password))
        self._chat = self._new_chat(wanted.nick, list(self._chat.session.outbox.values()))
        await self.switch_screen(MainScreen(self.host, self._chat, self.settings, self._greeting))
        await self._stack.enter_async_context(self._chat)

    # --- settings

    def action_settings(self) -> None:
        """Show the settings."""
        values = self.settings.values
        on_off = ("on", "off")
        rows = [
            ("theme", values.theme, NAMES),
            ("notify", values.notify, NOTIFY),
            ("alarm", values.alarm, ALARM),
            ("clock", values.clock, CLOCK),
            ("motion", on_off[not values.motion], on_off),
            ("typing", on_off[not values.typing], on_off),
        ]
        self.push_screen(SettingsScreen(rows))

    def change_setting(self, name: str, value: str) -> None:
        """Change a setting, now and for later. Themes, and whether pictures move, show at once."""
        setattr(self.settings.values, name, value == "on" if name in ("motion", "typing") else value)
        self.settings.save()
        if name == "theme":
            self.theme = value
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen):
                if name == "motion" and value == "off":
                    screen.director.stop()
                screen.settings_changed()

    # --- the terminal

    def set_title(self, title: str) -> None:
        """Set the terminal's title."""
        if title != self._title:
            self._title = title
            self._write(f"\x1b]2;{''.join(c for c in title if c.isprintable())}\x07")

    def _write(self, sequence: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    def open_link(self, url: str) -> None:
        """Open ``url`` in a browser if there is one here; over ssh, or without a desktop, copy it."""
        desktop = sys.platform in ("win32", "darwin") or any(os.environ.get(k) for k in ("DISPLAY", "WAYLAND_DISPLAY"))
        if desktop and not os.environ.get("SSH_CONNECTION"):
            webbrowser.open(url)
        else:
            self.copy_to_clipboard(url)
            for screen in self.screen_stack:
                if isinstance(screen, MainScreen):
                    screen.flash("link copied")

    def watch_app_focus(self, attentive: bool) -> None:
        """The person turned to the terminal, or away."""
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen):
                screen.tracker.looking(attentive)
                screen.refresh_all()
