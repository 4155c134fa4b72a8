"""The keys of the whole program: what each does, and what `F1` says about them."""

from typing import Final

KEYS: Final[dict[str, str]] = {  # key: action of `MainScreen`
    "f1": "keys",
    "f2": "app.settings",
    "f7": "pane('rooms')",
    "f8": "pane('members')",
    "ctrl+f": "search",
    "ctrl+k": "jump",
    "ctrl+n": "step(1)",
    "alt+down": "step(1)",
    "ctrl+p": "step(-1)",
    "alt+up": "step(-1)",
    "alt+a": "unread",
    **{f"alt+{n}": f"number({n})" for n in range(1, 10)},
    "pageup": "older",
    "pagedown": "newer",
    "ctrl+end": "end",
    "ctrl+c": "copy_or_clear",
    "super+c": "copy_or_clear",
    "escape": "escape",
}

HELP: Final = (
    ("Enter", "send"),
    ("Alt+Enter  Ctrl+J", "begin another line"),
    ("Tab", "complete a command, nick, #room or :emoji:"),
    ("↑ ↓", "call back what you sent"),
    ("PageUp PageDown  wheel", "scroll; older messages are loaded at the top"),
    ("End", "to the newest message (at the end of the text)"),
    ("Alt+1 … Alt+9", "go to a room by its number"),
    ("Ctrl+N Ctrl+P  Alt+↓ Alt+↑", "next or previous room"),
    ("Alt+A", "next room with something unread"),
    ("Ctrl+K", "go to a room by a few of its letters"),
    ("Ctrl+F", "search what is loaded"),
    ("F7  F8", "show or hide the rooms, the people"),
    ("F2", "settings"),
    ("Ctrl+C", "copy what is selected, else empty the line"),
    ("Ctrl+W Ctrl+U", "delete a word, the text before the cursor"),
    ("Ctrl+Z Ctrl+Y", "undo, redo"),
    ("Esc", "close what is open; back to the newest message"),
    ("Ctrl+Q", "quit"),
)
MOUSE: Final = "Drag to select. Click a room, a person, a link, “N new ↓”; ≡ and ☺ in the first line hide the panes."
