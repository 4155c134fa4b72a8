"""The line above the input: connected or not, who one is, how long the text is, what came below."""

from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.widgets import Static

from client.terminal.messages import ToEnd
from client.terminal.wrapping import clip

NEAR: Final = 0.85  # of the longest message: from here on the count is shown


@dataclass(frozen=True, slots=True)
class Status:
    """All that the line says."""

    me: str = ""
    account: bool = False  # logged in
    typing: str = ""  # who is, as a sentence
    host: str = ""
    problem: str = ""  # why there is no connection; "" when there is one
    delayed: str = ""  # why the server does not take messages for now; "" when it does
    waiting: int = 0  # messages of ours without an answer
    below: int = 0  # messages that came below what is in sight
    behind: bool = False  # scrolled up
    loading: bool = False  # older messages are on their way
    length: int = 0  # characters typed
    limit: int = 4000
    hint: str = ""


class StatusBar(Static):
    """See the module. A click on "N new" goes to the end."""

    COMPONENT_CLASSES = {"status--good", "status--bad", "status--dim", "status--new", "status--over"}  # noqa: RUF012
    can_focus = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("", **kwargs)
        self._shown: tuple[Status, int, str] | None = None
        self._new = range(0)  # columns of "N new"

    def show(self, status: Status, width: int) -> None:
        """Draw the line anew if it changed."""
        shown = (status, width, self.app.theme)
        if shown == self._shown:
            return
        self._shown = shown
        right = self._right(status)
        new = self._arrow(status)
        left = clip(self._left(status, width), max(1, width - cell_len(right) - cell_len(new) - 1))
        fill = " " * max(0, width - cell_len(left) - cell_len(right) - cell_len(new))
        text = Text(no_wrap=True, end="")
        text.append(
            left, self.get_component_rich_style("status--bad" if status.problem or status.delayed else "status--good")
        )
        text.append(fill)
        text.append(
            right, self.get_component_rich_style("status--over" if status.length > status.limit else "status--dim")
        )
        self._new = range(text.cell_len, text.cell_len + cell_len(new))
        text.append(new, self.get_component_rich_style("status--new"))
        self.update(text)

    @staticmethod
    def _left(status: Status, width: int) -> str:
        if status.problem:
            waits = f" · {status.waiting} waiting" if status.waiting else ""
            return f" ○ not connected{waits}" + (f" · {status.problem}" if width >= 40 else "")
        if status.delayed and status.waiting:
            return f" ● {status.me} · {status.waiting} waiting: {status.delayed}"
        me = f" ● {status.me}{' ✓' * status.account}"
        if status.typing:
            return f"{me} · {status.typing}" if width >= 40 else f" {status.typing}"
        return me + (f" · {status.host}" if width >= 60 else "")

    @staticmethod
    def _right(status: Status) -> str:
        if status.length > status.limit:
            return f" {status.length:,} of {status.limit:,}: {status.length - status.limit:,} too many "
        if status.length >= status.limit * NEAR:
            return f" {status.length:,} of {status.limit:,} "
        if status.loading:
            return " loading older ones … "
        return f" {status.hint} " if status.hint else ""

    @staticmethod
    def _arrow(status: Status) -> str:
        if status.below:
            return f" {status.below} new ↓ "
        return " ↓ End " if status.behind else ""

    def on_click(self, event: events.Click) -> None:
        """See the class."""
        if event.x in self._new:
            self.post_message(ToEnd())
