"""The first line: which room, what it is about, how many are in it, what waits elsewhere."""

from typing import Any

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.widgets import Static

from client.terminal.messages import PaneToggled
from client.terminal.wrapping import clip


class Header(Static):
    """A click at the left shows or hides the rooms, at the right the people."""

    COMPONENT_CLASSES = {"header--name", "header--topic", "header--people", "header--waiting"}  # noqa: RUF012
    can_focus = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("", **kwargs)
        self._shown: tuple[object, ...] = ()

    def show(self, name: str, topic: str, people: int, unread: int, mentions: int, width: int) -> None:
        """Draw the line anew if it changed. ``unread`` and ``mentions`` are those of the other views."""
        shown = (name, topic, people, unread, mentions, width, self.app.theme)
        if shown == self._shown:
            return
        self._shown = shown
        waiting = f" {unread} unread{f', {mentions} for you' if mentions else ''} " if unread else ""
        if width < 50:
            waiting = f" {unread}{f' @{mentions}' if mentions else ''} " if unread else ""
        right = f" {people} ☺ " if people and width >= 30 else ""
        text = Text(no_wrap=True, end="")
        text.append(" ≡ ", self.get_component_rich_style("header--people"))
        room = max(4, width - 3 - cell_len(waiting) - cell_len(right))
        name = clip(name, room)
        text.append(name, self.get_component_rich_style("header--name"))
        topic = clip(f"  {topic}" if topic else "", room - cell_len(name))
        text.append(
            topic + " " * (room - cell_len(name) - cell_len(topic)), self.get_component_rich_style("header--topic")
        )
        text.append(waiting, self.get_component_rich_style("header--waiting"))
        text.append(right, self.get_component_rich_style("header--people"))
        self.update(text)

    def on_click(self, event: events.Click) -> None:
        """See the class."""
        if event.x < 4:
            self.post_message(PaneToggled("rooms"))
        elif event.x >= self.size.width - 7:
            self.post_message(PaneToggled("members"))
