"""What IRC clients put into texts beside words: formatting codes, CTCP, fun commands. Pure.

moot's text is plain, so codes are taken away with what belongs to them; the broker would only drop the code itself and
leave the numbers of its colours behind.
"""

import re
from collections.abc import Container
from typing import Final

from protocol.commands import fun_name

_CODES: Final = re.compile(
    r"\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?|[\x02\x0f\x11\x16\x1d\x1e\x1f]"
)
_CTCP: Final = "\1"
_ACTION: Final = "\1ACTION"


def plain(text: str) -> str:
    """Return ``text`` without formatting codes."""
    return _CODES.sub("", text) if not text.isprintable() else text


def action(text: str) -> str | None:
    """Return what a CTCP ACTION says one does; None: it is none."""
    if text.startswith(_ACTION) and text[len(_ACTION) : len(_ACTION) + 1] in (" ", _CTCP, ""):
        return text[len(_ACTION) :].removesuffix(_CTCP).removeprefix(" ")
    return None


def is_ctcp(text: str) -> bool:
    return text.startswith(_CTCP)


def fun_line(text: str, known: Container[str]) -> str | None:
    """Return the fun command, with its slash, that ``text`` is; None: it is to be said.

    `!cowsay hi`, `//cowsay hi`, which some clients send as `/cowsay hi`.
    """
    sign = next((sign for sign in ("//", "/", "!") if text.startswith(sign)), None)
    if sign is None:
        return None
    line = "/" + text[len(sign) :]
    return line if fun_name(line) in known else None
