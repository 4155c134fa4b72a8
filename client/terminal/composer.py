"""The line one types in, or lines. Knows keys and text; what becomes of a line is its owner's business.

Everything happens in the order of the keys: the owner is called, not sent a message, for what is typed ahead while a
message waits would end up in the wrong line.
"""

import re
from typing import Any, Final, Protocol

from textual import events
from textual.widgets import TextArea

from client.terminal.history import InputHistory
from protocol.commands import masked

NEWLINE_KEYS: Final = frozenset(["alt+enter", "ctrl+j", "shift+enter"])
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # the server drops them; here they could do harm
POPUP_KEYS: Final = frozenset(["up", "down", "tab", "enter", "escape"])


class Owner(Protocol):
    """What the composer asks of the screen."""

    def submitted(self, text: str) -> bool:
        """Send ``text``; False: it stays in the line."""

    def typed(self) -> None:
        """The text changed, or the cursor moved."""

    def popup_key(self, key: str) -> bool:
        """Use a key for the completions; False: it is not for them."""

    async def command_key(self, key: str) -> bool:
        """Do what a key stands for in the whole program; False: nothing."""


HINT: Final = "say something; /help lists the commands"


class Composer(TextArea):
    """Enter sends, Alt+Enter and Ctrl+J begin a line, Up and Down call back what was sent."""

    def __init__(self, owner: Owner, **kwargs: Any) -> None:
        super().__init__(compact=True, highlight_cursor_line=False, soft_wrap=True, max_checkpoints=100, **kwargs)
        self.placeholder = HINT  # until something was sent
        self.owner = owner
        self.history_lines = InputHistory()

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
        if (key in POPUP_KEYS and self.owner.popup_key(key)) or self._line_key(key):
            done = True
        else:
            done = await self.owner.command_key(key)
        if done:
            self._restart_blink()
            event.stop()
            event.prevent_default()
        else:
            await super()._on_key(event)

    def _line_key(self, key: str) -> bool:
        """Do what ``key`` does to the line; False when it does nothing special."""
        if key in NEWLINE_KEYS:
            self.insert("\n")
        elif key == "enter":
            self._send()
        elif key == "up" and self._row == 0:
            self._recall(self.history_lines.older(self.text))
        elif key == "down" and self._row >= self.wrapped_document.height - 1:
            self._recall(self.history_lines.newer(self.text))
        else:
            return False
        return True

    def _send(self) -> None:
        text = self.text
        if self.owner.submitted(text):
            self.history_lines.add(masked(text))
            self.clear()
            self.placeholder = ""

    async def _on_paste(self, event: events.Paste) -> None:
        """Many lines become one message; terminals send CR for their ends."""
        event.prevent_default()
        event.stop()
        text = _CONTROLS.sub("", event.text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n")
        start, end = self.selection
        self.replace(text, start, end, maintain_selection_offset=False)

    def _recall(self, line: str | None) -> None:
        if line is not None:
            self.put(line)

    @property
    def _row(self) -> int:
        """The cursor's line on the screen, from 0 at the text's first."""
        return self.wrapped_document.location_to_offset(self.cursor_location).y

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """The text changed."""
        event.stop()
        self.owner.typed()

    def on_text_area_selection_changed(self, event: TextArea.SelectionChanged) -> None:
        """The cursor moved."""
        event.stop()
        self.owner.typed()
