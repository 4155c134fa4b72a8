"""Lay entries out as lines of styled spans for a column of so many cells. Pure: no widgets, colours or clock.

A line is a tuple of `Span`s; a span's `role` says what it is, and the widget knows the theme's colour for it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from rich.cells import cell_len

from client.terminal.entries import Entry, Fold, Hole, Note, Post, spots
from client.terminal.links import find_links
from client.terminal.wrapping import Piece, clip, pad_left, untab, wrap

Clock = Literal["24", "12", "off"]
WIDE: Final = 56  # cells from which nicks have a column of their own
MAX_NAMED: Final = 3  # people with the same reaction that are named; of more their number is shown
GROUP_MS: Final = 5 * 60_000  # messages of one person within this are shown under one nick
LATEST: Final = 253_370_764_800_000  # milliseconds since 1970: the year 9999, the last that `datetime` knows
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_COLUMNS: Final = re.compile(r"(?<=\S) {2,}(?=\S)")


class Span(NamedTuple):
    """A run of characters of one kind. `arg`: the nick of a nick, the address of a link."""

    text: str
    role: str
    arg: str = ""


class Line(NamedTuple):
    """One line on the screen. The first `indent` characters are decoration, left out when copied."""

    spans: tuple[Span, ...]
    indent: int = 0
    soft: bool = False  # goes on from the line before, which was full

    @property
    def text(self) -> str:
        """Its characters."""
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True)
class Page:
    """How things are laid out."""

    width: int  # cells
    me: str = ""
    clock: Clock = "24"
    nick_width: int = 11  # cells of the nick column when there is one

    @property
    def wide(self) -> bool:
        """Do nicks have a column of their own?"""
        return self.width >= WIDE

    @property
    def time_width(self) -> int:
        """Cells of the time column, the space after it included."""
        return 0 if self.clock == "off" or self.width < 34 else 7 if self.wide else 6


Reactions = Sequence[tuple[str, str]]  # emoji and nick, oldest first


def layout(
    entry: Entry,
    before: Entry | None,
    page: Page,
    *,
    marked: bool = False,
    answered: Post | None = None,
    reactions: Reactions = (),
) -> list[Line]:
    """Return the lines of ``entry``, which follows ``before``.

    A new day and the marker (``marked``) get lines of their own; ``answered`` is quoted above its answer, ``reactions``
    stand below what they are about.
    """
    lines: list[Line] = []
    new_day = before is None or local(before.time).date() != local(entry.time).date()
    if new_day:
        lines.append(_rule(day(entry.time), "day", page.width))
    if marked:
        lines.append(_rule("new messages", "new", page.width))
    if isinstance(entry, Post):
        grouped = not new_day and not marked and _grouped(entry, before)
        quiet = grouped and before is not None and hour(before.time, page.clock) == hour(entry.time, page.clock)
        if entry.aside:
            what = f"answered {entry.text} to" if entry.kind == "react" else "took back"
            return lines + _plain(f"{entry.nick} {what} an earlier message", "fold", "·", entry.time, page)
        lines += _post(entry, page, grouped=grouped, quiet=quiet, answered=answered)
        if reactions:
            gutter = _blank(_gutter(page, entry.time, ""), page)
            lines += _flow(gutter, (Span(reacted(reactions), "reaction"),), page)
        return lines
    if isinstance(entry, Fold | Hole):
        return lines + _plain(entry.text, "fold", "·", entry.time, page)
    if entry.tone == "art":
        return lines + _table(entry, page)
    role, sign = ("error", "!") if entry.tone == "error" else ("note", "›")
    return lines + _plain(entry.text, role, sign, entry.time, page)


def reacted(reactions: Reactions) -> str:
    """Return "👍 ann, bob  🎉 5": who gave what, or how many did."""
    by_emoji: dict[str, list[str]] = {}
    for emoji, nick in reactions:
        by_emoji.setdefault(emoji, []).append(nick)
    return "  ".join(
        f"{emoji} {', '.join(nicks) if len(nicks) <= MAX_NAMED else len(nicks)}" for emoji, nicks in by_emoji.items()
    )


def local(time: int) -> datetime:
    """Return a time of the server as this machine's wall clock has it; what no clock shows becomes one that can be."""
    return datetime.fromtimestamp(min(max(time, 0), LATEST) / 1000)


def day(time: int) -> str:
    """Return "Saturday, 21 November 2026"."""
    then = local(time)
    return f"{DAYS[then.weekday()]}, {then.day} {MONTHS[then.month - 1]} {then.year}"


def hour(time: int, clock: Clock) -> str:
    """Return "17:05", " 5:05" (on a clock of twelve hours), or "" when times are not shown."""
    then = local(time)
    if clock == "off":
        return ""
    return f"{then.hour:02}:{then.minute:02}" if clock == "24" else f"{(then.hour - 1) % 12 + 1:>2}:{then.minute:02}"


def _rule(text: str, role: str, width: int) -> Line:
    text = f" {clip(text, max(1, width - 6))} "
    left = max(2, (width - cell_len(text)) // 2)
    return Line(
        (
            Span("─" * left, f"{role}-rule"),
            Span(text, role),
            Span("─" * (width - left - cell_len(text)), f"{role}-rule"),
        )
    )


def _grouped(entry: Post, before: Entry | None) -> bool:
    return (
        isinstance(before, Post)
        and before.nick == entry.nick
        and before.kind in ("text", "fun")
        and entry.kind in ("text", "fun")
        and 0 <= entry.time - before.time < GROUP_MS
    )


def _gutter(
    page: Page, time: int, nick: str, sign: str = "", *, stamp: str | None = None, mention: bool = False
) -> tuple[Span, ...]:
    """Return what stands left of the text: the time (or ``stamp``), and the nick or a ``sign`` if there is a column."""
    spans = []
    if page.time_width:
        shown = hour(time, page.clock) if stamp is None else stamp
        spans.append(Span(f"{' ' * page.wide}{shown:<6}", "time"))
    if page.wide:
        spans.append(Span(pad_left(nick or sign, page.nick_width), "nick" if nick else "sign", nick))
        spans.append(Span(" ┃ " if mention else " │ ", "bar-mention" if mention else "bar"))
    elif sign and not nick:
        spans.append(Span(f"{sign} ", "sign"))
    return tuple(spans)


def _post(post: Post, page: Page, *, grouped: bool, quiet: bool, answered: Post | None) -> list[Line]:
    pending = post.seq == 0
    nick = "" if grouped or post.kind in ("me", "topic") else post.nick
    sign = {"me": "*", "topic": "#"}.get(post.kind, "")
    gutter = _gutter(
        page, post.time, nick, sign, stamp="  ⋯" if pending else "" if quiet else None, mention=post.mention
    )
    lines: list[Line] = []
    if post.reply or answered is not None:
        quote = f"↪ {_start(answered)}"
        room = page.width - _cells(gutter)
        lines.append(Line((*gutter, Span(clip(quote, room), "quote")), _chars(gutter)))
        gutter = _blank(gutter, page)
    if post.redacted:
        by = () if page.wide or not nick else (Span(f"{nick}: ", "nick", nick),)
        return [*lines, *_flow(gutter, (*by, Span("(taken back)", "fold")), page)]
    if post.kind == "fun":
        head = post.cmd or "…"
        lead: tuple[Span, ...] = () if page.wide or not nick else (Span(f"{nick} ", "nick", nick),)
        lines.append(
            Line((*gutter, *lead, Span(clip(head, page.width - _cells(gutter + lead)), "command")), _chars(gutter))
        )
        return lines if post.played else lines + _art(post.text.split("\n"), _blank(gutter, page), page)
    base = "pending" if pending else post.kind if post.kind in ("me", "topic", "notice") else "text"
    opening: tuple[Span, ...] = ()
    if post.kind == "me":
        opening = (Span(post.nick, "nick", post.nick), Span(" ", base))
    elif post.kind == "topic":
        opening = (
            Span(post.nick, "nick", post.nick),
            Span(" set the topic: " if post.text else " cleared the topic", base),
        )
    elif not page.wide and nick:
        opening = (Span(f"{nick}:", "nick", nick), Span(" ", base))
    return lines + _flow(gutter, (*opening, *_body(untab(post.text), base, page.me if post.mention else "")), page)


def _start(answered: Post | None) -> str:
    """Return how the message began that is answered."""
    if answered is None:
        return "an earlier message"
    if answered.redacted:
        return f"{answered.nick}: (taken back)"
    first = answered.cmd or next((row.strip() for row in answered.text.splitlines() if row.strip()), "")
    return f"{answered.nick}: {first}"


def _plain(text: str, role: str, sign: str, time: int, page: Page) -> list[Line]:
    return _flow(_gutter(page, time, "", sign), _body(untab(text), role, ""), page)


def _body(text: str, role: str, me: str) -> tuple[Span, ...]:
    """Cut ``text`` into spans: links, our own nick, and the rest."""
    marks = [(link.start, link.end, "link", link.url) for link in find_links(text)]
    if me:
        marks += [
            (a, b, "mention", "")
            for a, b in spots(text, me)
            if not any(a < end and start < b for start, end, *_ in marks)
        ]
        marks.sort()
    spans, at = [], 0
    for start, end, kind, arg in marks:
        if start > at:
            spans.append(Span(text[at:start], role))
        spans.append(Span(text[start:end], kind, arg))
        at = end
    if at < len(text) or not spans:
        spans.append(Span(text[at:], role))
    return tuple(spans)


def _flow(gutter: tuple[Span, ...], body: tuple[Span, ...], page: Page) -> list[Line]:
    """Wrap ``body`` beside ``gutter``; later lines begin under the first one's text."""
    room = max(4, page.width - _cells(gutter))
    text = "".join(span.text for span in body)
    pieces = wrap(text, room)
    if len(pieces) == 1:
        return [Line((*gutter, *body), _chars(gutter))]
    blank = _blank(gutter, page)
    return [
        Line((*(gutter if i == 0 else blank), *_slice(body, piece)), _chars(gutter if i == 0 else blank), piece.soft)
        for i, piece in enumerate(pieces)
    ]


def _art(rows: list[str], gutter: tuple[Span, ...], page: Page) -> list[Line]:
    """Draw a picture as it is, cut off at the right; with little room it starts at the left edge."""
    rows = [untab(row).rstrip() for row in rows]
    if max(map(cell_len, rows)) > page.width - _cells(gutter):
        gutter = (Span(" ", "bar"),)
    room, blank = page.width - _cells(gutter), _blank(gutter, page)
    return [
        Line((*(blank if i else gutter), Span(clip(row, room), "art")), _chars(gutter)) for i, row in enumerate(rows)
    ]


def _table(note: Note, page: Page) -> list[Line]:
    """Keep columns as they are if the pane is wide enough for them; else wrap each row, its columns run together."""
    rows = note.text.split("\n")
    if max(map(cell_len, rows)) < page.width - 1:
        return _art(rows, _gutter(page, note.time, "", "›"), page)
    edge = (Span("  ", "bar"),)
    return [line for row in rows for line in _flow(edge, (Span(_COLUMNS.sub(" — ", untab(row)), "note"),), page)]


def _blank(gutter: tuple[Span, ...], page: Page) -> tuple[Span, ...]:
    """Return ``gutter`` with everything but the bar gone."""
    return tuple(span if span.role.startswith("bar") else Span(" " * cell_len(span.text), "time") for span in gutter)


def _slice(spans: tuple[Span, ...], piece: Piece) -> list[Span]:
    found, at = [], 0
    for span in spans:
        a, b = max(piece.start - at, 0), min(piece.end - at, len(span.text))
        if a < b:
            found.append(span._replace(text=span.text[a:b]))
        at += len(span.text)
    return found


def _cells(spans: tuple[Span, ...]) -> int:
    return sum(cell_len(span.text) for span in spans)


def _chars(spans: tuple[Span, ...]) -> int:
    return sum(len(span.text) for span in spans)
