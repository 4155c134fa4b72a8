"""How a fun command may be typed, today's way and the predecessors'. Light: clients and workers import it.

| typed                          | name, args           |
|--------------------------------|----------------------|
| `/cowsay -f tux hi`            | cowsay, `-f tux hi`  |
| `/cowsay?Hello/`               | cowsay, `Hello`      |
| `/cowsay!-f!bunny?text/`       | cowsay, `-f bunny text` |
| `/train/`                      | train, ``            |
| `cowsay -help`, `emogi -help`  | cows or emoji, ``    |
"""

import re
from collections.abc import Container
from typing import Final

BARE_LINES: Final = {"cowsay -help": "cows", "emogi -help": "emoji"}

_NAME: Final = r"/(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,31})"
_TODAY: Final = re.compile(_NAME + r"(?:\s+(?P<args>.*))?", re.DOTALL)
_OLD: Final = re.compile(_NAME + r"(?:!(?P<options>[^?]*))?(?:\?(?P<text>.*))?", re.DOTALL)


def parse(line: str) -> tuple[str, str] | None:
    """Return the command's name in lower case and its arguments, stripped; None when ``line`` is no command.

    Knows spellings only: whether there is such a command is the registry's business.
    """
    line = line.strip()
    if not line.startswith("/"):
        name = BARE_LINES.get(" ".join(line.lower().split()) if len(line) < 40 else "")
        return (name, "") if name else None
    if (today := _TODAY.fullmatch(line)) is not None:
        return today["name"].lower(), (today["args"] or "").strip()
    if (old := _OLD.fullmatch(line.removesuffix("/"))) is not None:
        words = [*(old["options"] or "").split("!"), old["text"] or ""]
        return old["name"].lower(), " ".join(word.strip() for word in words if word.strip())
    return None


def is_fun(line: str, names: Container[str]) -> bool:
    """Tell whether ``line`` calls one of ``names`` (commands and their aliases), in any spelling."""
    start = line.lstrip()[:1]
    if start not in ("/", "c", "C", "e", "E"):  # the first letters of BARE_LINES
        return False
    call = parse(line)
    return call is not None and call[0] in names
