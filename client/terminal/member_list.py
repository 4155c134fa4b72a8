"""The pane of the people in the room that is shown."""

from collections.abc import Mapping
from typing import Any, Final

from textual import events
from textual.geometry import Size

from client.terminal.formatting import Line, Span
from client.terminal.messages import NickChosen
from client.terminal.pane import Pane
from client.terminal.wrapping import clip
from protocol import native
from protocol.moderation import ROLES
from protocol.sentences import highest, sign
from protocol.text import clean

ACCOUNT_FROM: Final = 14  # cells of the pane from which accounts are marked


class MemberList(Pane):
    """See the module."""

    PREFIX = "members"
    COMPONENT_CLASSES = {*(f"members--{role}" for role in ("head", "nick", "away", "mark", "role", "account"))}  # noqa: RUF012

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
    """Return the lines of the pane and the nick each stands for: by role those who are here, then those away.

    The sign of a role stands before the nick, a ✓ behind that of an account.
    """
    if not people:
        return []
    rows: list[tuple[Line, str]] = [(Line((Span(f" {count} here", "head"),)), "")]
    for person in sorted(people.values(), key=_place):
        rows.append((_row(person, me, width), person.nick))
    if count > len(people):
        rows.append((Line((Span(f"   and {count - len(people)} other{'s' * (count - len(people) > 1)}", "away"),)), ""))
    return rows


def _place(person: native.Person) -> tuple[bool, int, str]:
    role = highest(person.roles)
    return person.away is not None, ROLES.index(role) if role is not None else len(ROLES), person.nick.casefold()


def _row(person: native.Person, me: str, width: int) -> Line:
    account = " ✓" if person.account is not None and width >= ACCOUNT_FROM else ""
    nick = clip(clean(person.nick, newlines=False), width - 3 - len(account))
    role = sign(person)
    away = person.away is not None
    kind = "away" if away else "nick"
    own = "▸" if person.nick == me else " "
    mark = role or ("◌" if away else "▸" if person.nick == me else "●")
    lead = f"{own if role else ' '}{mark} "
    return Line(
        (
            Span(lead, "role" if role and not away else kind, "" if role else person.nick),
            Span(nick, kind, person.nick),
            *((Span(account, "account"),) if account else ()),
        )
    )
