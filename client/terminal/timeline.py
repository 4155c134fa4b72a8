"""The messages of one view: laid out, scrolled, searched, selected. Knows the view, not the session."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip

from client.terminal.entries import Entry, Post
from client.terminal.formatting import Line, Page, Span, layout
from client.terminal.messages import Followed, LinkClicked, OlderWanted
from client.terminal.pane import Pane
from client.terminal.views import View

_NEAR_TOP: Final = 2  # lines from the top at which older messages are asked for


@dataclass(slots=True)
class Block:
    """An entry laid out."""

    entry: Entry
    lines: list[Line]
    strips: dict[int, Strip] = field(default_factory=dict)  # drawn ones, by index of the line


class Timeline(Pane):
    """See the module. Call `show` for another view and `sync` when the view changed."""

    PREFIX = "timeline"
    ALLOW_SELECT = True
    COMPONENT_CLASSES = {  # noqa: RUF012
        *(f"timeline--{role}" for role in ("time", "nick", "sign", "bar", "bar-mention", "text", "me", "topic")),
        *(f"timeline--{role}" for role in ("pending", "mention", "link", "quote", "command", "art", "fold", "note")),
        *(f"timeline--{role}" for role in ("error", "day", "day-rule", "new", "new-rule", "match", "match-here")),
        *(f"timeline--{role}" for role in ("sprite", "bubble", "notice", "reaction")),
    }

    def __init__(self, colors: Callable[[str], str | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.page = Page(80)
        self.ignored: set[str] = set()
        self._colors = colors
        self._view: View | None = None
        self._seen = -1  # generation of the view that is laid out
        self._blocks: list[Block] = []
        self._starts: list[int] = [0]  # first line of each block, and the number of all lines
        self._top = 0  # blank lines above, when there is too little to fill the pane
        self._scrolling = False  # by us, not by the person
        self._places: dict[View, tuple[Entry, int]] = {}  # where one was in views scrolled up: entry, line of it
        self._query = ""
        self._hit: int | None = None  # the line of the hit one is at

    # --- for the screen

    @property
    def view(self) -> View | None:
        """What is shown."""
        return self._view

    def show(self, view: View, page: Page) -> None:
        """Show ``view`` where the person left it."""
        if self._view is not None and self._view is not view:
            self._remember()
        self._blocks = []
        self._view, self.page, self._seen = view, page, -1
        view.changed = view.dropped = 0
        self._lay_out(self._places.pop(view, None))

    def sync(self, page: Page) -> None:
        """Take in what changed in the view. What the person reads stays where it is."""
        view = self._view
        if view is None or (view.generation == self._seen and page == self.page):
            return
        anchor = None if view.following else self._anchor()
        if page != self.page:
            self.page = page
            self._blocks = []
            view.changed = view.dropped = 0
        self._lay_out(anchor)

    def own_color(self, nick: str) -> str | None:
        """Return the colour ``nick`` chose."""
        return self._colors(nick)

    def search(self, query: str, step: int) -> tuple[int, int]:
        """Go to a hit for ``query`` (see `SearchChanged`); return which one of how many it is, from 1, newest last."""
        if query != self._query:
            self._query, self._hit = query, None
            self._redraw()
        hits = self._hits()
        if not hits:
            self._hit = None
            return 0, 0
        if self._hit is None or step == 0:
            at = len(hits) - 1
        elif step < 0:
            at = max(0, bisect_right(hits, self._hit - 1) - 1)
        else:
            at = min(len(hits) - 1, bisect_right(hits, self._hit))
        self._hit = hits[at]
        self._redraw()
        self._scroll(max(0, self._hit + self._top - self.size.height // 2), by_person=True)
        return at + 1, len(hits)

    def to_end(self) -> None:
        """Go to the newest line and stay there."""
        self._scroll(self.max_scroll_y, by_person=True)

    def page_by(self, pages: float) -> None:
        """Scroll so many pages down (negative: up)."""
        self._scroll(self.scroll_y + pages * max(1, self.size.height - 1), by_person=True)

    # --- layout

    def _lay_out(self, anchor: tuple[Entry, int] | None) -> None:
        view = self._view
        assert view is not None
        if view.dropped:
            del self._blocks[: view.dropped]
            self._hit = None
            if self._blocks and view.changed:  # the first one has the day above it now
                first = self._blocks[0].entry
                self._blocks[0] = Block(first, self._lines(first, None))
        keep = min(view.changed, len(view.entries), len(self._blocks))
        del self._blocks[keep:]
        before = next((b.entry for b in reversed(self._blocks) if b.lines), None)
        for entry in (*view.entries[keep:], *view.pending.values()):
            lines = self._lines(entry, before)
            self._blocks.append(Block(entry, lines))
            before = entry if lines else before
        self._starts = list(accumulate((len(block.lines) for block in self._blocks), initial=0))
        total = self._starts[-1]
        view.changed, view.dropped = len(view.entries), 0
        self._seen = view.generation
        self._hit = None if keep == 0 else self._hit
        self._place(anchor, total)

    def _lines(self, entry: Entry, before: Entry | None) -> list[Line]:
        view = self._view
        assert view is not None
        if isinstance(entry, Post) and entry.nick.casefold() in self.ignored:
            return []
        marked = entry is view.marker
        if not isinstance(entry, Post):
            return layout(entry, before, self.page, marked=marked)
        answered = view.find(entry.reply) if entry.reply else None
        if entry.aside and answered is not None:
            return []  # it shows there
        given = [one for one in view.reactions.get(entry.seq, ()) if one[1].casefold() not in self.ignored]
        return layout(entry, before, self.page, marked=marked, answered=answered, reactions=given)

    def _place(self, anchor: tuple[Entry, int] | None, total: int) -> None:
        """Give the content its size and scroll to ``anchor``, or to the end."""
        height = self.size.height
        self._scrolling = True
        self._top = max(0, height - total)
        self.virtual_size = Size(self.size.width, self._top + total)
        y = float(self.max_scroll_y)
        if anchor is not None:
            entry, line = anchor
            index = next((i for i, block in enumerate(self._blocks) if block.entry is entry), None)
            y = 0 if index is None else self._starts[index] + min(line, max(0, len(self._blocks[index].lines) - 1))
        self.scroll_to(y=y, animate=False, force=True)
        self._scrolling = False
        self.refresh()
        if anchor is not None:
            self._look()

    def _anchor(self) -> tuple[Entry, int] | None:
        """Return the entry at the top of what is in sight, and which line of it."""
        at = self.scroll_offset.y - self._top
        if not self._blocks or at < 0:
            return None if not self._blocks else (self._blocks[0].entry, 0)
        index = min(bisect_right(self._starts, at) - 1, len(self._blocks) - 1)
        return self._blocks[index].entry, at - self._starts[index]

    def _remember(self) -> None:
        view = self._view
        if view is not None and not view.following and (anchor := self._anchor()) is not None:
            self._places[view] = anchor

    def on_resize(self) -> None:
        """The pane has another height; another width comes with `sync`."""
        if self._view is not None:
            anchor = None if self._view.following else self._anchor()
            self._place(anchor, self._starts[-1])

    # --- scrolling

    def _scroll(self, y: float, *, by_person: bool) -> None:
        self.scroll_to(y=min(max(0.0, y), float(self.max_scroll_y)), animate=False, force=True)
        if by_person:
            self._look()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The person scrolled, unless we did."""
        super().watch_scroll_y(old_value, new_value)
        if not self._scrolling and self._view is not None:
            self._look()

    def _look(self) -> None:
        """Find out whether the newest line is in sight, and whether older ones are wanted."""
        view = self._view
        assert view is not None
        following = self.scroll_y >= self.max_scroll_y - 0.5
        if following != view.following or (following and view.below):
            view.following = following
            self.post_message(Followed())
        if self.scroll_y <= _NEAR_TOP and not following:
            self.post_message(OlderWanted())

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(self.scroll_y - 3, by_person=True)
        event.stop()
        self._want_older()

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(self.scroll_y + 3, by_person=True)
        event.stop()

    def _want_older(self) -> None:
        if self.scroll_y <= _NEAR_TOP:
            self.post_message(OlderWanted())

    def up(self) -> None:
        """Scroll one page up, and ask for older messages at the top."""
        self.page_by(-1)
        self._want_older()

    # --- drawing

    def line_at(self, y: int) -> Line | None:
        """See `Pane`."""
        block, index = self._find(y - self._top)
        return None if block is None else block.lines[index]

    def strip_at(self, y: int) -> Strip:
        """See `Pane`. Drawn once and kept, but for what is selected or searched."""
        at = y - self._top
        block, index = self._find(at)
        if block is None:
            return Strip.blank(self.size.width, self.base)
        selection = self.text_selection
        span = None if selection is None else selection.get_span(y)
        strip = block.strips.get(index)
        if strip is None or span is not None:
            line = block.lines[index]
            strip = self.strip_of(line)
            if self._query:
                strip = self._mark(strip, line, here=at == self._hit)
            if span is None:
                block.strips[index] = strip
            else:
                end = len(line.text) if span[1] == -1 else span[1]
                strip = _restyle(strip, span[0], end, self.screen.get_component_rich_style("screen--selection"))
        return strip

    def _find(self, at: int) -> tuple[Block | None, int]:
        if not 0 <= at < self._starts[-1]:
            return None, 0
        index = bisect_right(self._starts, at) - 1
        return self._blocks[index], at - self._starts[index]

    def _redraw(self) -> None:
        for block in self._blocks:
            block.strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """See `Pane`."""
        super().notify_style_update()
        for block in self._blocks:
            block.strips.clear()

    # --- search

    def _hits(self) -> list[int]:
        wanted = self._query.lower()
        if not wanted:
            return []
        return [
            start + line
            for block, start in zip(self._blocks, self._starts, strict=False)
            for line in _hit_lines(block.lines, wanted)
        ]

    def _mark(self, strip: Strip, line: Line, *, here: bool) -> Strip:
        text, wanted = line.text.lower(), self._query.lower()
        style = self.style_of("match-here" if here else "match")
        at = text.find(wanted)
        while at >= 0:
            strip = _restyle(strip, at, at + len(wanted), style)
            at = text.find(wanted, at + len(wanted))
        return strip

    # --- selection and links

    def selection_updated(self, selection: Selection | None) -> None:
        """Text was selected, or no longer is."""
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text without times, bars and the breaks that only the width made."""
        lines = [self.line_at(y) or Line((Span("", "text"),)) for y in range(self._top + self._starts[-1])]
        parts: list[str] = []
        for y, line in enumerate(lines):
            if (span := selection.get_span(y)) is None:
                continue
            first = not parts
            start, end = span[0], len(line.text) if span[1] == -1 else span[1]
            whole_lead = line.indent and start < line.indent and not line.soft and line.text[: line.indent].strip(" │┃")
            text = line.text[start:end] if first or whole_lead else line.text[max(start, line.indent) : end]
            parts.append(f"{' ' if line.soft else chr(10)}{text}" if parts else text)
        return ("".join(parts), "\n") if parts else None

    def on_click(self, event: events.Click) -> None:
        """A link is opened by whoever knows how."""
        if event.style.link:
            self.post_message(LinkClicked(event.style.link))
            event.stop()


def _hit_lines(lines: list[Line], wanted: str) -> list[int]:
    """Return the lines in which ``wanted`` (in lower case) begins; it may go on in the next one."""
    text, ends = "", []
    for i, line in enumerate(lines):
        joint = "" if i == 0 else " " if line.soft else "\n"
        text += joint + line.text[line.indent if i else 0 :].lower()
        ends.append(len(text))
    hits: list[int] = []
    at = text.find(wanted)
    while at >= 0:
        index = bisect_right(ends, at)
        hits += [index] if not hits or hits[-1] != index else []
        at = text.find(wanted, at + len(wanted))
    return hits


def _restyle(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """Return ``strip`` with ``style`` laid over its characters from ``start`` to ``end``."""
    segments, at = [], 0
    for text, old, _ in strip:
        a, b = max(0, start - at), min(len(text), end - at)
        if a < b:
            parts = ((text[:a], old), (text[a:b], (old or Style()) + style), (text[b:], old))
            segments += [Segment(part, its) for part, its in parts if part]
        else:
            segments.append(Segment(text, old))
        at += len(text)
    return Strip(segments, strip.cell_length)
