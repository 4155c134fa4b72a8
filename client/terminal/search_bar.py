"""The line in which one searches what is loaded. It finds nothing itself: it says what is looked for."""

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Label

from client.terminal.messages import SearchChanged, SearchClosed


class SearchBar(Horizontal):
    """Hidden while nobody searches."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,shift+f3,shift+enter,ctrl+p", "step(-1)", "earlier", show=False, priority=True),
        Binding("down,f3,ctrl+n", "step(1)", "later", show=False, priority=True),
        Binding("escape,ctrl+f", "close", "close", show=False, priority=True),
    ]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.display = False

    def compose(self) -> ComposeResult:
        """A field and the count."""
        yield Label(" search ", classes="search-label")
        yield Input(placeholder="Enter or ↑ earlier, ↓ later, Esc closes", compact=True)
        yield Label("", id="hits")

    def open(self) -> None:
        """Show the field and type into it."""
        self.display = True
        field = self.query_one(Input)
        field.focus()
        field.select_all()

    def hits(self, at: int, count: int) -> None:
        """Say which hit of how many is shown."""
        empty = not self.query_one(Input).value
        self.query_one("#hits", Label).update("" if empty else f" {at} of {count} " if count else " nothing ")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.display:
            self.post_message(SearchChanged(event.value, 0))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_step(-1)

    def action_step(self, by: int) -> None:
        """Go to another hit."""
        self.post_message(SearchChanged(self.query_one(Input).value, by))

    def action_close(self) -> None:
        """Stop searching."""
        self.display = False
        self.post_message(SearchClosed())
