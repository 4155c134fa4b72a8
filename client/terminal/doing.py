"""Do what a sent line asks for: speak, ask the server, change views and settings. Knows the screen's few calls."""

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from client.keys import BadKey
from client.keys import choose as choose_key
from client.net import Chat
from client.terminal import speaking
from client.terminal.asking import Form, form
from client.terminal.entries import Post
from client.terminal.settings import SettingsFile
from client.terminal.themes import NAMES
from client.terminal.tracker import Tracker
from protocol import accounts, commands, native
from protocol.account_commands import plain_login
from protocol.room_commands import about
from protocol.text import clean


class Stage(Protocol):
    """What is asked of the screen."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""

    def refresh_all(self) -> None:
        """Show what changed."""

    def go_to(self, name: str) -> None:
        """Show a view."""

    def leave(self, reason: str) -> None:
        """End the program; ``reason`` is told to the others."""

    def set(self, name: str, value: str) -> None:
        """Change a setting."""

    def ask(self, form: Form, then: Callable[[Mapping[str, str]], None]) -> None:
        """Ask the person for what must not be seen; ``then`` gets it by field, unless they leave."""


class Doer:
    """See the module."""

    def __init__(self, tracker: Tracker, chat: Chat, settings: SettingsFile, stage: Stage) -> None:
        self.tracker = tracker
        self.chat = chat
        self.settings = settings
        self.stage = stage

    @property
    def limit(self) -> int:
        """The longest message the server takes, in characters."""
        welcome = self.tracker.session.welcome
        return welcome.max_text if welcome is not None else 4000

    def send(self, text: str) -> bool:
        """Do what ``text`` says; False when it cannot be, and the person should keep it."""
        line = clean(text)
        if not line:
            return True
        if len(line) > self.limit:
            over = len(line) - self.limit
            self._say(
                f"That has {len(line):,} characters, {over:,} more than the server takes. Nothing was sent.", bad=True
            )
            return False
        match speaking.decide(line, self.tracker, NAMES, self.chat.session.new_cmid):
            case commands.Problem(text=problem):
                self._say(problem, bad=True)
                return False
            case commands.Local() as local:
                self._local(local)
            case speaking.Set(name=name, value=value):
                self.stage.set(name, value)
                self._say(f"{name}: {value}")
            case requests:
                for request in requests:
                    self._request(request)
        self.chat.flush()
        self.stage.refresh_all()
        return True

    def _request(self, request: native.Request) -> None:
        match request:
            case native.Send() | native.Fun() | native.Topic():
                self.chat.session.submit(request)
                view = self.tracker.view
                if isinstance(request, native.Send) and request.to.startswith("@") and request.to != view.name:
                    self.chat.flush()
                    self._say(f"To {request.to}: {request.text}")
            case native.Quit(reason=reason):
                self.stage.leave(reason)
            case native.Join(room=room) if room in self.tracker.views:
                self.stage.go_to(room)
            case accounts.Sasl() | accounts.Register():
                self.tracker.ask(replace(request, remember=True))
            case native.Color(color=color):
                self.settings.values.color = color
                self.settings.save()
                self.tracker.ask(request)
            case _:
                self.tracker.ask(request)

    def _local(self, local: commands.Local) -> None:
        tracker = self.tracker
        match local.name:
            case "register" | "login" | "password" | "drop":
                self._ask(local)
            case "key":
                self._add_key(local.args)
            case "react" | "redact":
                self._about(local)
            case "help":
                tracker.note(speaking.help_text(tracker, local.args), self.stage.now(), tone="art")
            case "clear":
                tracker.view.clear()
            case "ignore" if not local.args:
                names = ", ".join(sorted(self.settings.values.ignored)) or "nobody"
                self._say(f"You ignore {names}.")
            case "ignore" | "unignore":
                self._ignore(local.args, ignored=local.name == "ignore")
            case "open":
                self.stage.go_to(local.args)
            case "close":
                tracker.close(local.args)
                self.stage.go_to(tracker.current)
            case "topic":
                topic = self._topic(local.args)
                self._say(
                    f"{local.args} is about: {topic}" if topic else f"{local.args} has no topic; /topic TEXT sets one."
                )
            case "motion":
                self.stage.set("motion", local.args)
                kept = local.args == "on" and not self.settings.motion
                moves = "move" if local.args == "on" else "stand still"
                self._say("MOOT_MOTION in the environment stops pictures." if kept else f"Pictures {moves} now.")

    def _ask(self, local: commands.Local) -> None:
        """Ask for the password that a command needs, then do it."""
        nick = local.args or clean(self.tracker.session.identity.account or self.tracker.session.nick, newlines=False)

        def then(values: Mapping[str, str]) -> None:
            match local.name:
                case "register":
                    self._request(accounts.Register(password=values["new"]))
                case "login":
                    self._request(plain_login(values.get("nick", nick), values["password"]))
                case "password":
                    self._request(accounts.Password(old=values["old"], new=values["new"]))
                case "drop":
                    self._request(accounts.Drop(password=values["password"]))
            self.chat.flush()
            self.stage.refresh_all()

        self.stage.ask(form(local.name, nick, named=bool(local.args)), then)

    def _add_key(self, file: str) -> None:
        session = self.tracker.session
        if session.identity.account is None:
            self._say("A key belongs to an account, and you are a guest; /login or /register first.", bad=True)
            return
        try:
            path, line = choose_key(file, self.chat.address, session.identity.account)
        except BadKey as no:
            self._say(f"{no}.", bad=True)
            return
        self.chat.credentials.offer(path)
        self._say(f"The key {path} logs you in here from now on, once the server has taken it.")
        self._request(accounts.Key(add=line))

    def _about(self, local: commands.Local) -> None:
        """React to a message that is shown, or take it back."""
        view = self.tracker.view
        said = [
            native.Msg(room=view.room, seq=e.seq, time=e.time, nick=e.nick, text="", kind="text", redacted=e.redacted)
            for e in view.entries
            if isinstance(e, Post) and not e.aside and e.kind != "topic"
        ]
        match about(local, speaking.context(self.tracker), said, self.chat.session.new_cmid):
            case commands.Problem(text=problem):
                self._say(problem, bad=True)
            case list() as requests:
                for request in requests:
                    self._request(request)

    def _ignore(self, nick: str, *, ignored: bool) -> None:
        values = self.settings.values
        values.ignored = [other for other in values.ignored if other.casefold() != nick.casefold()]
        if ignored:
            values.ignored.append(nick)
        self.settings.save()
        self.tracker.ignore(nick, ignored)
        self._say(f"You no longer see what {nick} says." if ignored else f"You see what {nick} says again.")

    def _topic(self, room: str) -> str:
        view = self.tracker.session.rooms.get(room)
        return clean(view.topic, newlines=False) if view is not None else ""

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.tracker.note(text, self.stage.now(), tone="error" if bad else "info")
        self.stage.refresh_all()
