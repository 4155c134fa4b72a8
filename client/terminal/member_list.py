"""The pane of the people in the room that is shown."""

from collections.abc import Mapping
from typing import Any

from textual import events
from textual.geometry import Size

from client.terminal.formatting import Line, Span
from client.terminal.messages import NickChosen
from client.terminal.pane import Pane
from client.terminal.wrapping import clip
from protocol import native
from protocol.text import clean


class MemberList(Pane):
    """See the module."""

    PREFIX = "members"
    COMPONENT_CLASSES = {*(f"members--{role}" for role in ("head", "nick", "away", "mark"))}  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rows: list[tuple[Line, str]] = []  # and the nick a click chooses
        self._people: Mapping[str, native.Person] = {}

    def show(self, people: Mapping[str, native.Person], count: int, me: str) -> None:
        """Draw the list anew if it changed."""
        rows = member_rows(people, count, me, max(4, self.size.width))
        if rows != self._rows or dict(people) != self._people:
            self._rows, self._people = rows, dict(people)
            self.virtual_size = Size(self.size.width, len(rows))
            self.refresh()

    def own_color(self, nick: str) -> str | None:
        """See `Pane`."""
        person = self._people.get(nick)
        return person.color if person is not None else None

    def line_at(self, y: int) -> Line | None:
        """See `Pane`."""
        return self._rows[y][0] if y < len(self._rows) else None

    def on_click(self, event: events.Click) -> None:
        """Choose who was clicked."""
        y = event.y + self.scroll_offset.y
        if y < len(self._rows) and self._rows[y][1]:
            self.post_message(NickChosen(self._rows[y][1], event.chain > 1))


def member_rows(people: Mapping[str, native.Person], count: int, me: str, width: int) -> list[tuple[Line, str]]:
    """Return the lines of the pane and the nick each stands for: those who are here first, then those away."""
    if not people:
        return []
    rows: list[tuple[Line, str]] = [(Line((Span(f" {count} here", "head"),)), "")]
    for person in sorted(people.values(), key=lambda p: (p.away is not None, p.nick.casefold())):
        nick = clip(clean(person.nick, newlines=False), width - 3)
        if person.away is not None:
            line = Line((Span(" ◌ ", "away"), Span(nick, "away")))
        else:
            mark = " ▸ " if person.nick == me else " ● "
            line = Line((Span(mark, "nick", person.nick), Span(nick, "nick", person.nick)))
        rows.append((line, person.nick))
    if count > len(people):
        rows.append((Line((Span(f"   and {count - len(people)} other{'s' * (count - len(people) > 1)}", "away"),)), ""))
    return rows
