"""The base of everything that shows lines: one strip a line, selection, and sprites passing over it."""

from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.strip import Strip

from client.terminal.formatting import Line
from client.terminal.stage import Sprite, paint
from protocol.nickcolor import nick_color


class Pane(ScrollView, can_focus=False):
    """Subclasses say which `Line` is where, in `line_at`; this draws it. Roles of spans name CSS component classes."""

    PREFIX = "pane"  # component classes are called PREFIX--role

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sprites: list[Sprite] = []
        self._styles_by_role: dict[str, Style] = {}
        self._base: Style | None = None
        self._ground = ""

    def line_at(self, y: int) -> Line | None:
        """Return the line at ``y`` of the whole content; None: it ends before."""
        return None

    def own_color(self, nick: str) -> str | None:
        """Return the colour a person chose, if any."""
        return None

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in sight."""
        width = self.size.width
        at = self.scroll_offset.y + y
        base = self.base
        strip = self.strip_at(at).crop_extend(0, width, base).apply_offsets(0, at)
        if self.sprites:
            region = self.content_region
            strip = paint(strip, self.sprites, region.x, region.y + y, width, base)
        return strip

    def strip_at(self, y: int) -> Strip:
        """Return line ``y`` of the content as it looks when nothing passes over it."""
        line = self.line_at(y)
        return Strip.blank(self.size.width, self.base) if line is None else self.strip_of(line)

    def strip_of(self, line: Line) -> Strip:
        """Return ``line`` in the theme's colours."""
        return Strip([Segment(span.text, self.style_of(span.role, span.arg)) for span in line.spans])

    def style_of(self, role: str, arg: str = "") -> Style:
        """Return the style of a span."""
        style = self._styles_by_role.get(role)
        if style is None:
            name = f"{self.PREFIX}--{role}"
            style = self.get_component_rich_style(name) if name in self.COMPONENT_CLASSES else self.base
            self._styles_by_role[role] = style
        if not arg:
            return style
        if role == "link":
            return style + Style(link=arg)
        return style + Style(color=nick_color(arg, self.own_color(arg), self.ground))

    @property
    def base(self) -> Style:
        """The pane's own style. Kept: to work it out costs more than to draw a line."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    @property
    def ground(self) -> str:
        """The background's colour, "#rrggbb"."""
        if not self._ground:
            self._ground = self.background_colors[1].hex6.lower()
        return self._ground

    def notify_style_update(self) -> None:
        """The theme changed: nothing drawn before is of use."""
        super().notify_style_update()
        self._styles_by_role.clear()
        self._base, self._ground = None, ""

    def show_sprites(self, sprites: list[Sprite]) -> None:
        """Draw ``sprites`` (in screen coordinates) instead of those before."""
        region = self.content_region
        for sprite in (*self.sprites, *sprites):
            top, bottom = max(sprite.y, region.y), min(sprite.y + len(sprite.rows), region.bottom)
            if top < bottom:
                self.refresh(Region(0, top - region.y, region.width, bottom - top))
        self.sprites = sprites
