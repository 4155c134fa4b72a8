"""Animations over the panes: which run, and what their sprites are now. Knows the time it is told, and no widgets."""

from dataclasses import dataclass
from typing import Final

from rich.style import Style
from textual.geometry import Region

from client.terminal.stage import Sprite
from client.terminal.wrapping import pad
from protocol import native
from protocol.text import clean

FRAMES: Final = 15  # a second
MAX_RUNNING: Final = 3  # more at once would only hide each other; the oldest ends
MAX_SECONDS: Final = 30.0  # whatever the server says


@dataclass(frozen=True, slots=True)
class Act:
    """One animation under way."""

    anim: native.Anim
    still: list[str]
    start: float  # seconds, monotonic
    by: str


class Director:
    """See the module."""

    def __init__(self) -> None:
        self._acts: list[Act] = []
        self.mouse: tuple[int, int] | None = None  # where it was seen last, on the screen

    @property
    def running(self) -> bool:
        """Is anything to be drawn?"""
        return bool(self._acts)

    def begin(self, anim: native.Anim, text: str, nick: str, now: float) -> bool:
        """Start ``anim``; False when it is none that this program knows."""
        if anim.name not in ("train", "eyes", "bubble"):
            return False
        rows = clean(text).split("\n")
        self._acts = [*self._acts[-MAX_RUNNING + 1 :], Act(anim, rows, now, nick)]
        return True

    def stop(self) -> None:
        """End everything."""
        self._acts.clear()

    def sprites(self, now: float, body: Region, chat: Region, style: Style, box: Style) -> list[Sprite]:
        """Return what is to be seen now.

        ``body`` holds all panes, ``chat`` is the one of the messages; ``box`` is a bubble's own style.
        """
        self._acts = [act for act in self._acts if 0 <= now - act.start <= min(act.anim.duration, MAX_SECONDS)]
        found = []
        for act in self._acts:
            t = now - act.start
            if act.anim.name == "train":
                found.append(_train(act, t, body, style))
            elif act.anim.name == "eyes":
                found.append(self._eyes(act, t, chat, style))
            else:
                found.append(_bubble(act, t, chat, style + box))
        return found

    def _eyes(self, act: Act, t: float, chat: Region, style: Style) -> Sprite:
        from funcmds import animations

        width, height = 25, 7
        x, y = max(chat.x, chat.right - width - 4), chat.y + min(1, max(0, chat.height - height))
        if self.mouse is None:
            look = animations.wandering(act.anim.seed, t)
        else:
            look = animations.looking(x + width / 2, y + height / 2, *self.mouse)
        return _inside(Sprite(animations.eyes(*look), x, y, style, solid=True), chat)


def _train(act: Act, t: float, body: Region, style: Style) -> Sprite:
    from funcmds import animations

    rows = animations.frame("train", act.anim.seed, t, body.width, body.height, duration=act.anim.duration)
    return Sprite(rows, body.x, body.bottom - len(rows), style)


def _bubble(act: Act, t: float, chat: Region, style: Style) -> Sprite:
    from funcmds import animations

    box = boxed(act.still, act.by, chat.width)
    width = len(box[0]) if box else 0
    x, y = animations.bubble_place(act.anim.seed, t, chat.width, chat.height, width, len(box), act.anim.duration)
    return _inside(Sprite(box, chat.x + x, chat.y + y, style, solid=True), chat)


def boxed(rows: list[str], title: str, width: int) -> list[str]:
    """Return ``rows`` in a frame of at most ``width`` cells, with a title in its upper border."""
    from rich.cells import cell_len

    inner = max(1, min(max(map(cell_len, rows), default=1), width - 4))
    title = f" {title} " if cell_len(title) + 2 <= inner else ""
    head = f"╭─{title}{'─' * (inner + 1 - cell_len(title))}╮"
    return [head, *(f"│ {pad(row, inner)} │" for row in rows), f"╰{'─' * (inner + 2)}╯"]


def _inside(sprite: Sprite, region: Region) -> Sprite:
    """Cut off what would hang out of ``region`` below."""
    sprite.rows = sprite.rows[: max(0, region.bottom - sprite.y)]
    return sprite
