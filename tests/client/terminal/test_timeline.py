"""The timeline over many messages: what is laid out step by step is what would be laid out at once."""

from typing import Any

from client import updates as u
from client.terminal.formatting import Page
from client.terminal.tracker import Tracker
from client.terminal.views import KEPT
from protocol import native


def message(n: int) -> native.Msg:
    return native.Msg(room="#lobby", seq=n, time=n * 40_000, nick=f"n{n % 7}", text=f"number {n}. " * (n % 9 + 1))


def flood(tracker: Tracker, start: int, count: int) -> None:
    messages = [message(n) for n in range(start, start + count)]
    tracker.apply([u.Message(msg) for msg in messages], 0)


async def test_step_by_step_is_as_at_once(start: Any) -> None:
    async with start() as term:
        timeline, tracker = term.screen.timeline, term.screen.tracker
        page = Page(70, me="kim")
        for step in range(30):
            flood(tracker, 1 + step * 97, 97)
            timeline.sync(page)
        assert len(tracker.view.entries) <= KEPT + 200
        lines = [timeline.line_at(y) for y in range(timeline.virtual_size.height)]
        timeline.show(tracker.view, page)
        assert [timeline.line_at(y) for y in range(timeline.virtual_size.height)] == lines
        assert timeline.scroll_y == timeline.max_scroll_y


async def test_while_scrolled_up_nothing_moves_however_much_comes(start: Any) -> None:
    async with start() as term:
        timeline, tracker = term.screen.timeline, term.screen.tracker
        flood(tracker, 1, 300)
        term.screen.refresh_all()
        await term.press("pageup", "pageup", "pageup")
        top = timeline.line_at(timeline.scroll_offset.y)
        for step in range(10):
            flood(tracker, 301 + step * 50, 50)
            term.screen.refresh_all()
            await term.pilot.pause()
        assert timeline.line_at(timeline.scroll_offset.y) == top
        assert tracker.view.below == 500
