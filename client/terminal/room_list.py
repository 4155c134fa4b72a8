"""The pane of rooms and conversations, with what is unread in each."""

from collections.abc import Iterable
from typing import Any, Final

from rich.cells import cell_len
from textual import events
from textual.geometry import Size

from client.terminal.formatting import Line, Span
from client.terminal.messages import ViewChosen
from client.terminal.pane import Pane
from client.terminal.views import View
from client.terminal.wrapping import clip

MAX_COUNT: Final = 999  # shown as it is; more are "999+"


class RoomList(Pane):
    """See the module."""

    PREFIX = "rooms"
    COMPONENT_CLASSES = {  # noqa: RUF012
        *(f"rooms--{role}" for role in ("head", "quiet", "unread", "current", "number", "count", "mentions", "mark"))
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rows: list[tuple[Line, str]] = []  # and the view a click chooses

    def show(self, views: Iterable[View], current: str) -> None:
        """Draw the list anew if it changed."""
        rows = room_rows(list(views), current, max(4, self.size.width))
        if rows != self._rows:
            self._rows = rows
            self.virtual_size = Size(self.size.width, len(rows))
            self.refresh()

    def line_at(self, y: int) -> Line | None:
        """See `Pane`."""
        return self._rows[y][0] if y < len(self._rows) else None

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        y = event.y + self.scroll_offset.y
        if y < len(self._rows) and self._rows[y][1]:
            self.post_message(ViewChosen(self._rows[y][1]))


def room_rows(views: list[View], current: str, width: int) -> list[tuple[Line, str]]:
    """Return the lines of the pane and the view each stands for ("": none). The first nine have their number."""
    rows: list[tuple[Line, str]] = []
    groups = ((" rooms", [v for v in views if not v.direct]), (" people", [v for v in views if v.direct]))
    number = 0
    for head, group in groups:
        if not group:
            continue
        if rows:
            rows.append((Line((Span("", "quiet"),)), ""))
        rows.append((Line((Span(head, "head"),)), ""))
        for view in group:
            number += 1
            rows.append((_row(view, number, view.name == current, width), view.name))
    return rows


def _row(view: View, number: int, current: bool, width: int) -> Line:
    count = f" {min(view.unread, MAX_COUNT)}{'+' if view.unread > MAX_COUNT else ''} " if view.unread else ""
    role = "current" if current else "unread" if view.unread else "quiet"
    digit = f"{number} " if number <= 9 else "  "
    room = width - 1 - len(digit) - len(count) - (1 if count else 0)
    name = clip(view.peer if view.direct else view.name, room)
    fill = " " * max(0, room - cell_len(name))
    spans = [
        Span("▌" if current else " ", "mark" if current else role),
        Span(digit, "current" if current else "number"),
    ]
    spans.append(Span(name + fill, role))
    if count:
        spans += [Span(count, "mentions" if view.mentions else "count"), Span(" ", role)]
    return Line(tuple(spans))
