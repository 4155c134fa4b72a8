"""The themes: two of our own, and those of Textual that look good in a chat."""

from typing import Final

from textual.theme import BUILTIN_THEMES, Theme

_BORROWED: Final = (
    "nord", "gruvbox", "dracula", "tokyo-night", "monokai", "catppuccin-mocha", "catppuccin-latte", "rose-pine",
    "rose-pine-dawn", "solarized-dark", "solarized-light", "flexoki", "atom-one-light", "textual-dark", "textual-light",
)  # fmt: skip

OWN: Final = (
    Theme(
        name="moot-dark",
        primary="#7aa2f7",
        secondary="#9d7cd8",
        accent="#ff9e64",
        warning="#e0af68",
        error="#f7768e",
        success="#9ece6a",
        foreground="#d5dbf0",
        background="#15161e",
        surface="#1b1d28",
        panel="#232635",
        dark=True,
    ),
    Theme(
        name="moot-light",
        primary="#2e5cb8",
        secondary="#7847bd",
        accent="#b15c00",
        warning="#8f5e15",
        error="#c0304f",
        success="#3d7a1e",
        foreground="#23283b",
        background="#fbfbfd",
        surface="#f1f2f7",
        panel="#e3e6ef",
        dark=False,
    ),
)

NAMES: Final = (*(theme.name for theme in OWN), *(name for name in _BORROWED if name in BUILTIN_THEMES))
