"""Ask for passwords over the chat: fields that show nothing of what is typed. Fits on the smallest screens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input

from protocol.account_commands import MAX_PASSWORD

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


def form(what: str, nick: str) -> Form:
    """Return what is asked for ``what`` (the name of a `commands.Local`); ``nick``: whose it is."""
    again = Field("again", "the same again")
    match what:
        case "register":
            return Form(f"{nick}: your own", (Field("new", "a password"), again))
        case "login":
            return Form("Log in", (Field("nick", "nick", secret=False, value=nick), Field("password", "its password")))
        case "password":
            return Form("Password", (Field("old", "old password"), Field("new", "new password"), again))
        case _:
            return Form(f"Delete {nick}?", (Field("password", "password of the account"),))


class SecretScreen(ModalScreen[Mapping[str, str]]):
    """Enter goes to the next field, and from the last one on; Esc leaves it all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "cancel", "close", priority=True),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(self, asked: Form) -> None:
        super().__init__()
        self._form = asked

    def compose(self) -> ComposeResult:
        """A field a line."""
        with VerticalScroll(id="panel", classes="secret", can_focus=False) as panel:
            panel.set_class(self.app.size.height < BARE, "bare")
            panel.border_title = self._form.title
            panel.border_subtitle = "Enter · Esc leaves"
            for field in self._form.fields:
                yield Input(
                    field.value,
                    placeholder=field.hint,
                    password=field.secret,
                    max_length=MAX_PASSWORD,
                    compact=True,
                    id=f"field-{field.name}",
                )

    def on_mount(self) -> None:
        """Begin with what is empty."""
        next((one for one in self.query(Input) if not one.value), self.query(Input).first()).focus()

    def action_cancel(self) -> None:
        """Nothing is asked any more."""
        self.dismiss(None)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        empty = next((one for one in self.query(Input) if not one.value), None)
        if empty is not None:
            empty.focus()
            return
        values = {field.name: self.query_one(f"#field-{field.name}", Input).value for field in self._form.fields}
        if "again" in values and values["again"] != values["new"]:
            for name in ("new", "again"):
                self.query_one(f"#field-{name}", Input).value = ""
            field = self.query_one("#field-new", Input)
            field.placeholder = "not the same; anew"
            field.focus()
            return
        self.dismiss(values)
