"""The mouse: selecting, clicking, and eyes that follow it."""

from typing import Any

from textual import events

from protocol import native


def where(term: Any, text: str) -> tuple[int, int]:
    """Return column and line of ``text`` on the screen."""
    for y, line in enumerate(term.lines()):
        if text in line:
            return line.index(text), y
    raise AssertionError(f"{text!r} is not on the screen\n{term.text}")


async def test_a_selection_is_copied_without_times_and_breaks(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "word " * 25 + "end", live=False)
    fake.post("#lobby", "bob", "second\nthird", live=False)
    async with start() as term:
        await term.sees("third")
        x, y = where(term, "word")
        await term.pilot.mouse_down(offset=(x, y))
        x, y = where(term, "third")
        await term.pilot.hover(offset=(x + 4, y))
        await term.pilot.mouse_up(offset=(x + 4, y))
        await term.press("ctrl+c")
        copied = term.app.clipboard
        assert copied.startswith("word word")
        assert "word " * 25 + "end" in copied
        assert copied.endswith("second\nthird")
        assert "│" not in copied.replace("│ second", "")


async def test_a_clicked_room_is_shown_and_a_clicked_person_addressed(start: Any, fake: Any) -> None:
    fake.people["#lobby"] = [native.Person("ann")]
    async with start(rooms=("#lobby", "#tea")) as term:
        await term.pilot.click(offset=where(term, "ann"))
        await term.until(lambda: term.typed == "ann: ")
        await term.pilot.click(offset=where(term, "#tea"))
        await term.until(lambda: term.screen.tracker.current == "#tea")


async def test_a_clicked_link_is_copied_where_no_browser_is(start: Any, fake: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    fake.post("#lobby", "ann", "see https://example.org/x", live=False)
    async with start() as term:
        await term.sees("https://example.org/x")
        x, y = where(term, "https")
        await term.pilot.click(offset=(x + 3, y))
        await term.until(lambda: term.app.clipboard == "https://example.org/x")


async def test_links_are_told_to_the_terminal(start: Any, fake: Any) -> None:
    fake.post("#lobby", "ann", "see https://example.org/x", live=False)
    async with start() as term:
        await term.sees("https://example.org/x")
        timeline = term.screen.timeline
        strips = [timeline.render_line(y) for y in range(timeline.size.height)]
        links = [s.style.link for strip in strips for s in strip if s.style is not None and s.style.link]
        assert links == ["https://example.org/x"]


async def test_eyes_follow_the_mouse(start: Any, fake: Any) -> None:
    async with start() as term:
        fake.post("#lobby", "ann", "OO", kind="fun", cmd="/xeyes", anim=native.Anim("eyes", 1, 5.0))
        await term.sees(".-----.")
        await term.pilot.hover("#timeline", offset=(2, 20))
        await term.until(lambda: any("| @       |" in line for line in term.lines()), "eyes that look left and down")
        await term.pilot.hover("#header")
        await term.until(lambda: term.screen.director.mouse[1] == 0)


async def test_new_below_is_clicked_to_go_down(start: Any, fake: Any) -> None:
    for n in range(60):
        fake.post("#lobby", "ann", f"number {n}.", live=False)
    async with start() as term:
        await term.sees("number 59.")
        await term.press("pageup")
        fake.post("#lobby", "ann", "fresh")
        await term.sees("1 new ↓")
        await term.pilot.click(offset=where(term, "1 new ↓"))
        await term.sees("fresh")


async def test_the_wheel_scrolls_and_loads_older_messages(start: Any, fake: Any) -> None:
    for n in range(200):
        fake.post("#lobby", "ann", f"number {n}.", live=False)
    async with start() as term:
        await term.sees("number 199.")
        for _ in range(12):
            await term.pilot._post_mouse_events([events.MouseScrollUp], "#timeline")
        await term.until(lambda: term.screen.tracker.view.oldest < 151)


async def test_the_corners_of_the_first_line_hide_the_panes(start: Any) -> None:
    async with start() as term:
        assert term.screen.rooms.display
        await term.pilot.click("#header", offset=(1, 0))
        await term.until(lambda: not term.screen.rooms.display)
        await term.pilot.click("#header", offset=(97, 0))
        await term.until(lambda: not term.screen.members.display)
