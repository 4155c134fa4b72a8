"""Emoji by name: `:thumbs_up:`, `:+1:` and the predecessors' `$grinning face$`. Pure; the tables load on first use.

A text without `:` and `$` costs two counts and no import.
"""

import re
from functools import cache
from typing import Final

_NAMED: Final = re.compile(r":(?P<colon>[^\s:$]{1,80}):|\$(?P<dollar>[^\s:$][^\n:$]{0,79})\$")
_TONES: Final = "_skin_tone"  # variants that lists leave out


@cache
def names() -> dict[str, str]:
    """Return the emoji by name: names of the Unicode list and aliases, lower case, `_` for spaces, without colons."""
    import emoji

    fully = emoji.STATUS["fully_qualified"]
    found: dict[str, str] = {}
    for symbol, entry in emoji.EMOJI_DATA.items():
        if entry["status"] > fully or "\U000e007f" in symbol:  # flags spelled in tags, which no message may hold
            continue
        for name in (entry["en"], *entry.get("alias", ())):
            found.setdefault(name.strip(":").lower(), symbol)
    return found


def emojize(text: str) -> str:
    """Return ``text`` with the names of emoji in `:colons:` or `$dollars$` replaced; everything else as it was.

    Times, addresses and code stay: `12:100:45` and `a::b::c` name no emoji.
    """
    if text.count(":") < 2 and text.count("$") < 2:
        return text
    done: list[str] = []
    end = 0  # of what is done
    start = 0  # of the search
    while (match := _NAMED.search(text, start)) is not None:
        symbol = _symbol(match, end)
        if symbol is None:
            start = match.end() - 1  # what closes this may open the next
            continue
        done += (text[end : match.start()], symbol)
        start = end = match.end()
    return "".join([*done, text[end:]])


def _symbol(match: re.Match[str], done: int) -> str | None:
    """Return the emoji a match names; None when it names none, or stands where people mean something else."""
    name = match["colon"] or match["dollar"].replace(" ", "_")
    symbol = names().get(name.lower())
    if symbol is None or match["dollar"]:
        return symbol
    text, start, end = match.string, match.start(), match.end()
    before = text[start - 1] if start > done else " "
    after = text[end] if end < len(text) else " "
    if before == ":" or (name.isalnum() and len(name) < 3 and after == ":"):
        return None  # a::b
    if name.isdecimal() or (name.isalnum() and len(name) < 3):
        return None if before.isalnum() or after.isalnum() else symbol  # 12:100:45, a:b:c
    return symbol


def complete(prefix: str, limit: int = 8) -> list[tuple[str, str]]:
    """Return (name, emoji) for names that begin with ``prefix``, shortest first, then those with a word that does.

    ``prefix`` as typed, with or without its colon; spaces count as `_`.
    """
    wanted = prefix.lstrip(":$").lower().replace(" ", "_")
    heads = [name for name in names() if name.startswith(wanted)]
    heads.sort(key=lambda name: (len(name), name))
    if len(heads) < limit and wanted:
        inner = [name for name in names() if f"_{wanted}" in name and not name.startswith(wanted)]
        heads += sorted(inner, key=lambda name: (len(name), name))
    return [(name, names()[name]) for name in heads[: max(limit, 0)]]


def search(word: str, limit: int = 100) -> list[tuple[str, str]]:
    """Return (name, emoji) for emoji of which a name contains ``word``, each once, the best and shortest first."""
    wanted = word.strip(":$ ").lower().replace(" ", "_")
    hits = [name for name in names() if wanted in name and _TONES not in name]
    hits.sort(key=lambda name: (name != wanted, not name.startswith(wanted), len(name), name))
    found: dict[str, str] = {}
    for name in hits:
        found.setdefault(names()[name], name)
    return [(name, symbol) for symbol, name in list(found.items())[: max(limit, 0)]]
