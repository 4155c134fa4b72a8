"""The line one types in, or lines. Knows keys and text; what becomes of a line is the screen's business."""

from typing import Any, ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from client.terminal.history import InputHistory
from client.terminal.messages import PopupKey, Submitted, Typed

MAX_LINES: Final = 10  # the composer grows to; more scroll inside it


class Composer(TextArea):
    """Enter sends, Alt+Enter and Ctrl+J begin a line, Up and Down call back what was sent."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("alt+enter,ctrl+j,shift+enter", "newline", "new line", show=False, priority=True),
        Binding("ctrl+a", "cursor_line_start", show=False),
    ]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(compact=True, highlight_cursor_line=False, soft_wrap=True, max_checkpoints=100, **kwargs)
        self.history_lines = InputHistory()
        self.popup_open = False  # keys for choosing go to the popup

    @property
    def cursor_index(self) -> int:
        """Where the cursor is in `text`."""
        row, column = self.cursor_location
        return sum(len(line) + 1 for line in self.document.lines[:row]) + column

    def put(self, text: str, cursor: int | None = None) -> None:
        """Replace everything by ``text``; the cursor goes to ``cursor``, or to the end. Can be undone."""
        self.replace(text, (0, 0), self.document.end)
        before = text[: len(text) if cursor is None else cursor].split("\n")
        self.move_cursor((len(before) - 1, len(before[-1])))

    def action_newline(self) -> None:
        """Begin another line."""
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        key = event.key
        if self.popup_open and key in ("tab", "up", "down", "escape", "enter", "pageup", "pagedown"):
            message = PopupKey(key)
            self.post_message(message)
            _done(event)
        elif key == "tab":
            self.post_message(PopupKey("tab"))
            _done(event)
        elif key == "enter":
            self.post_message(Submitted(self.text))
            _done(event)
        elif key == "up" and self._on_first_line():
            self._recall(self.history_lines.older(self.text))
            _done(event)
        elif key == "down" and self._on_last_line():
            self._recall(self.history_lines.newer(self.text))
            _done(event)
        else:
            await super()._on_key(event)

    async def _on_paste(self, event: events.Paste) -> None:
        """Many lines become one message; terminals send CR for their ends."""
        event.prevent_default()
        event.stop()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        start, end = self.selection
        self.replace(text, start, end, maintain_selection_offset=False)

    def _recall(self, line: str | None) -> None:
        if line is not None:
            self.put(line)

    def _on_first_line(self) -> bool:
        return self.wrapped_document.location_to_offset(self.cursor_location).y == 0

    def _on_last_line(self) -> bool:
        return self.wrapped_document.location_to_offset(self.cursor_location).y >= self.wrapped_document.height - 1

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Tell the screen, and take as many lines as the text needs."""
        event.stop()
        self._tell()

    def on_text_area_selection_changed(self, event: TextArea.SelectionChanged) -> None:
        """The cursor moved."""
        event.stop()
        self._tell()

    def _tell(self) -> None:
        self.post_message(Typed(self.text, self.cursor_index))


def _done(event: events.Key) -> None:
    event.stop()
    event.prevent_default()
