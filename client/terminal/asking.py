"""Ask for passwords over the chat: fields that show nothing of what is typed. Fits on the smallest screens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from protocol.accounts import MAX_PASSWORD

BARE: Final = 8  # rows of the screen below which there is no frame


@dataclass(frozen=True, slots=True)
class Field:
    """One line to fill in."""

    name: str
    hint: str  # shown while it is empty
    secret: bool = True
    value: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What is asked. Fields called "new" and "again" must be the same."""

    title: str
    fields: Sequence[Field]


def form(what: str, nick: str, *, named: bool = False) -> Form:
    """Return what is asked for ``what`` (the name of a `commands.Local`); ``nick``: whose it is, maybe ``named``."""
    again = Field("again", "the same again")
    match what:
        case "register":
            return Form(f"{nick}: your own", (Field("new", "a password"), again))
        case "login":
            name = () if named else (Field("nick", "nick", secret=False, value=nick),)
            return Form(f"Log in as {nick}" if named else "Log in", (*name, Field("password", "its password")))
        case "password":
            return Form("Password", (Field("old", "old password"), Field("new", "new password"), again))
        case _:
            return Form(f"Delete {nick}?", (Field("password", "password of the account"),))


class Line(Input):
    """Where one types. Enter is taken in the order of the keys, so that what is typed ahead goes where it should."""

    def __init__(self, done: Callable[[], None]) -> None:
        super().__init__(max_length=MAX_PASSWORD, compact=True)
        self._done = done

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self._done()
        else:
            await super()._on_key(event)


class SecretScreen(ModalScreen[Mapping[str, str]]):
    """One field after the other in the same place; Enter goes on, Esc leaves it all."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c", "cancel", "close", priority=True)]

    def __init__(self, asked: Form) -> None:
        super().__init__()
        self._form = asked
        self._values: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """A frame, if there is room for it, and one line."""
        with Vertical(id="panel", classes="secret") as panel:
            panel.set_class(self.app.size.height < BARE, "bare")
            panel.border_title = self._form.title
            panel.border_subtitle = "Enter · Esc leaves"
            yield Line(self._answered)

    def on_mount(self) -> None:
        """Ask the first."""
        self._ask()

    def _ask(self, hint: str = "") -> None:
        field = self._form.fields[len(self._values)]
        line = self.query_one(Line)
        line.password = field.secret
        line.placeholder = hint or field.hint
        line.value = field.value
        line.cursor_position = len(field.value)

    def _answered(self) -> None:
        value = self.query_one(Line).value
        if not value:
            return
        self._values[self._form.fields[len(self._values)].name] = value
        if "again" in self._values and self._values["again"] != self._values["new"]:
            del self._values["new"], self._values["again"]
            self._ask("not the same; anew")
        elif len(self._values) < len(self._form.fields):
            self._ask()
        else:
            self.dismiss(self._values)

    def action_cancel(self) -> None:
        """Nothing is asked any more."""
        self.dismiss(None)
