"""What prompt_toolkit needs to read a line of chat: completion and keys."""

from collections.abc import Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from client.linear import Linear
from protocol.commands import masked


class OpenHistory(InMemoryHistory):
    """What was typed, without the passwords in it."""

    def append_string(self, string: str) -> None:
        super().append_string(masked(string))


class LineCompleter(Completer):
    """Complete commands, nicks, rooms and emoji from what a `Linear` knows."""

    def __init__(self, mind: Linear) -> None:
        self._mind = mind

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        length, found = self._mind.completions(document.text_before_cursor)
        return [Completion(text, start_position=-length) for text in found]


def key_bindings() -> KeyBindings:
    """Return the keys beside the usual ones: Ctrl+C empties the line first, Alt+Enter and Ctrl+J begin a new line."""
    keys = KeyBindings()

    @keys.add("c-c")
    def _clear_or_go(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
