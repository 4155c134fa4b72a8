"""What passes over the panes: sprites, drawn into their lines as these are rendered, so the input is never touched.

Pure but for the strips. Spaces of a sprite let what is below show through, unless it is solid.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

_GAP: Final = re.compile(r"\s{8,}")  # what lies between is see-through; narrower gaps belong to the picture


@dataclass(slots=True)
class Sprite:
    """A picture at a place of the screen."""

    rows: list[str] = field(default_factory=list)
    x: int = 0
    y: int = 0
    style: Style = field(default_factory=Style)
    solid: bool = False

    @property
    def lines(self) -> range:
        """The screen's lines it covers."""
        return range(self.y, self.y + len(self.rows))


def runs(row: str, *, solid: bool = False) -> list[tuple[int, str]]:
    """Return what of ``row`` is drawn: (cells from its start, text), left to right."""
    if solid:
        return [(0, row)] if row else []
    found, at = [], 0
    for gap in [*_GAP.finditer(row), None]:
        end = gap.start() if gap else len(row)
        part = row[at:end]
        if part.strip():
            lead = len(part) - len(part.lstrip())
            found.append((cell_len(row[: at + lead]), part.strip()))
        at = gap.end() if gap else end
    return found


def paint(strip: Strip, sprites: list[Sprite], x: int, y: int, width: int, base: Style) -> Strip:
    """Return ``strip``, ``width`` cells at (``x``, ``y``) of the screen, with the sprites over it on ``base``."""
    for sprite in sprites:
        if y not in sprite.lines:
            continue
        for offset, text in runs(sprite.rows[y - sprite.y], solid=sprite.solid):
            strip = _over(strip, text, sprite.x + offset - x, width, base + sprite.style)
    return strip


def _over(strip: Strip, text: str, at: int, width: int, style: Style) -> Strip:
    piece = Strip([Segment(text, style)])
    start, end = max(0, at), min(width, at + piece.cell_length)
    if start >= end:
        return strip
    piece = piece.crop(start - at, end - at)
    return Strip.join([strip.crop(0, start), piece, strip.crop(end, width)])
