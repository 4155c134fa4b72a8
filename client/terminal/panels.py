"""Screens over the chat: the keys, a jump to a room, the settings, another nick."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from client.terminal.asking import BARE, Line
from client.terminal.jumping import rank
from client.terminal.keys import HELP, MOUSE


class HelpScreen(ModalScreen[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter,ctrl+c", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        """A table that scrolls."""
        narrow = self.app.size.width < 60
        table = Table.grid(padding=(0, 2) if not narrow else (0, 1))
        table.add_column(style="bold", no_wrap=not narrow, max_width=14 if narrow else 28)
        table.add_column()
        for keys, what in HELP:
            table.add_row(Text(keys), Text(what))
        with VerticalScroll(id="panel") as panel:
            panel.border_title = "Keys"
            panel.border_subtitle = "Esc closes · /help has the commands"
            yield Static(table)
            yield Static(Text(f"\n{MOUSE}"))


class JumpScreen(ModalScreen[str]):
    """Type a few letters of a room or nick; Enter goes there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+k,ctrl+c", "cancel", "close", priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down,tab", "move(1)", show=False, priority=True),
    ]

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = list(names)

    def compose(self) -> ComposeResult:
        """A field over the list of what fits."""
        with Vertical(id="panel", classes="jump") as panel:
            panel.border_title = "Go to"
            yield Input(placeholder="a few letters of a room or nick", compact=True)
            yield OptionList(compact=True)

    def on_mount(self) -> None:
        """Show all."""
        self.query_one(OptionList).can_focus = False
        self._fill("")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, wanted: str) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(Text(name), id=str(i)) for i, name in enumerate(rank(wanted, self._names))])
        options.highlighted = 0 if options.option_count else None

    def action_move(self, by: int) -> None:
        """Choose another one."""
        options = self.query_one(OptionList)
        if options.option_count:
            options.highlighted = ((options.highlighted or 0) + by) % options.option_count

    def action_cancel(self) -> None:
        """Go nowhere."""
        self.dismiss(None)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        options = self.query_one(OptionList)
        if options.highlighted is not None and options.option_count:
            self.dismiss(str(options.get_option_at_index(options.highlighted).prompt))
        elif (typed := self.query_one(Input).value.strip()).startswith(("#", "@")):
            self.dismiss(typed)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(str(event.option.prompt))


class SettingsScreen(ModalScreen[None]):
    """Every setting on a line; Enter takes the next value at once."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f2,q,ctrl+c", "dismiss", "close")]

    def __init__(self, rows: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        super().__init__()
        self._rows = [(name, value, list(values)) for name, value, values in rows]

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(id="panel", classes="settings") as panel:
            panel.border_title = "Settings"
            panel.border_subtitle = "Enter changes · Esc closes"
            yield OptionList(*(Option(self._prompt(i)) for i in range(len(self._rows))), compact=True)

    def _prompt(self, index: int) -> Text:
        name, value, _ = self._rows[index]
        return Text.assemble(f"{name:<10}", (value, "bold"), no_wrap=True)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        name, value, values = self._rows[event.option_index]
        value = values[(values.index(value) + 1) % len(values)] if value in values else values[0]
        self._rows[event.option_index] = (name, value, values)
        event.option_list.replace_option_prompt_at_index(event.option_index, self._prompt(event.option_index))
        self.app.change_setting(name, value)  # type: ignore[attr-defined]


class Wanted(NamedTuple):
    """Whom one would rather be; the password of that nick's account, or nothing."""

    nick: str
    password: str = ""


class NickScreen(ModalScreen[Wanted]):
    """The server refused the nick: ask for another, but first (it is an account's) for the password of that.

    One line for both, so that a password that is typed ahead cannot end up where it is seen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,ctrl+c,ctrl+q", "cancel", "quit", priority=True)]

    def __init__(self, reason: str, free: str, owned: str = "") -> None:
        """``owned``: the nick, if it is an account's."""
        super().__init__()
        self._reason = reason
        self._free = free
        self._owned = owned

    def compose(self) -> ComposeResult:
        """What is wrong, and a line."""
        with Vertical(id="panel", classes="nick") as panel:
            panel.set_class(self.app.size.height < BARE, "bare")
            panel.border_title = "Your nick"
            panel.border_subtitle = "Enter tries again · Esc quits"
            yield Label(Text(self._reason))
            yield Line(self._answered)

    def on_mount(self) -> None:
        """Ask for the one or the other."""
        line = self.query_one(Line)
        line.password = bool(self._owned)
        line.value = "" if self._owned else self._free
        line.placeholder = "its password; Enter: another nick" if self._owned else "another nick"
        line.cursor_position = len(line.value)
        line.focus()

    def _answered(self) -> None:
        value = self.query_one(Line).value
        if self._owned and value:
            self.dismiss(Wanted(self._owned, value))
        elif self._owned:
            self._owned = ""
            self.on_mount()
        elif value.strip():
            self.dismiss(Wanted(value.strip()))

    def action_cancel(self) -> None:
        """Give up."""
        self.dismiss(None)
