"""The list of completions above the input. Knows the offer and which item is chosen, not what is typed."""

from typing import Any, Final

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static

from client.terminal.completion import Item, Offer
from client.terminal.wrapping import clip, pad
from protocol.text import clean

MAX_ROWS: Final = 8


class Popup(Static):
    """Hidden while there is nothing to offer."""

    COMPONENT_CLASSES = {"popup--chosen", "popup--detail"}  # noqa: RUF012
    can_focus = False

    class Clicked(Message):
        """An item was clicked."""

        def __init__(self, item: Item) -> None:
            super().__init__()
            self.item = item

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("", **kwargs)
        self.offer: Offer | None = None
        self.at = 0  # the chosen item
        self.moved = False  # chosen by the person, not by us
        self._first = 0  # the item in the first row

    def open(self, offer: Offer, width: int, rows: int = MAX_ROWS) -> None:
        """Show ``offer`` in at most ``width`` cells and ``rows`` lines."""
        if self.offer != offer:
            self.at, self.moved, self._first = 0, False, 0
        self.offer = offer
        self._width, self._rows = width, max(1, min(rows, MAX_ROWS))
        self.display = True
        self._draw()

    def close(self) -> None:
        """Offer nothing."""
        self.offer, self.display = None, False

    def move(self, by: int) -> None:
        """Choose another item; the list is a ring."""
        if self.offer is not None:
            self.at = (self.at + by) % len(self.offer.items)
            self.moved = True
            self._draw()

    @property
    def chosen(self) -> Item | None:
        """The item that would be taken."""
        return self.offer.items[self.at] if self.offer is not None else None

    def _draw(self) -> None:
        assert self.offer is not None
        items = [Item(*(clean(part, newlines=False) for part in item)) for item in self.offer.items]
        self._first = min(max(self._first, self.at - self._rows + 1), self.at)
        shown = items[self._first : self._first + self._rows]
        room = max(8, self._width - 2)
        label = min(max(len(item.label) for item in items) + 2, room)
        detail = min(max((len(item.detail) for item in items), default=0), room - label)
        text = Text(no_wrap=True, end="")
        for row, item in enumerate(shown):
            if row:
                text.append("\n")
            style = self.get_component_rich_style("popup--chosen") if self._first + row == self.at else ""
            dim = style or self.get_component_rich_style("popup--detail")
            text.append(f" {pad(item.label, label)}", style)
            text.append(pad(clip(item.detail, detail), detail) + " ", dim)
        self.update(text)

    def on_click(self, event: events.Click) -> None:
        """Take what was clicked."""
        if self.offer is not None and 0 <= (row := self._first + event.y) < len(self.offer.items):
            self.post_message(self.Clicked(self.offer.items[row]))
