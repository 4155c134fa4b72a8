"""What the word being typed may become: commands, nicks, rooms, emoji. Pure; the popup shows it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_ITEMS: Final = 50

_TOKEN: Final = re.compile(r"\S*$")
_EMOJI: Final = re.compile(r"(?:^|(?<=\s)):([\w+][\w+\-]*)$")
_DOLLAR: Final = re.compile(r"(?:^|(?<=\s))\$([a-z][a-z ]*)$")
_NICK_FIRST: Final = frozenset(  # commands whose first argument is a person
    ["msg", "query", "w", "dm", "whois", "ignore", "unignore", "slap"]
)
_ROOM_FIRST: Final = frozenset(["join", "j", "leave", "part", "online", "who", "users"])
_WORDS: Final = {"motion": ("on", "off"), "notify": ("off", "direct", "all"), "color": ("off",)}


class Item(NamedTuple):
    """One offer."""

    insert: str  # takes the word's place
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered for `text[start:cursor]`. `eager`: worth showing before anybody asks."""

    start: int
    items: list[Item]
    eager: bool = True


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to complete from."""

    commands: Sequence[Item] = ()  # inserts have their slash
    nicks: Sequence[str] = ()  # most likely first
    rooms: Sequence[str] = ()
    emoji: Callable[[str, int], Sequence[tuple[str, str]]] = field(default=lambda prefix, limit: ())  # (name, emoji)
    words: dict[str, Sequence[str]] = field(default_factory=dict)  # command: what its argument may be


def marked(before: str) -> bool:
    """Tell whether what stands before the cursor may be worth an offer nobody asked for. Quick, and may be wrong."""
    token = _TOKEN.search(before)
    return before.startswith("/") or "$" in before or (token is not None and token.group().startswith((":", "@", "#")))


def offer(text: str, cursor: int, sources: Sources) -> Offer | None:
    """Return what the word that ends at ``cursor`` may become, or None."""
    before = text[:cursor]
    if match := _EMOJI.search(before) or _DOLLAR.search(before):
        word = match[1].strip().replace(" ", "_")
        items = [Item(char, f"{char}  :{name}:") for name, char in sources.emoji(word, MAX_ITEMS)]
        return _offer(match.start(), items, eager=len(word) >= 2)
    token = _TOKEN.search(before)
    assert token is not None  # it matches the empty string too
    word, start = token.group(), token.start()
    command = _command(before, start)
    if start == 0 and word.startswith("/") and not word.startswith("//"):
        found = [item for item in sources.commands if item.insert.startswith(word.lower())]
        return _offer(0, [item._replace(insert=f"{item.insert} ") for item in found])
    if command in sources.words or command in _WORDS:
        choices = sources.words.get(command) or _WORDS.get(command, ())
        return _offer(start, [Item(f"{choice} ", choice) for choice in choices if choice.startswith(word.lower())])
    if word.startswith("#") or command in _ROOM_FIRST:
        wanted = word.casefold()
        rooms = [room for room in sources.rooms if room.startswith(wanted) or room[1:].startswith(wanted or "#")]
        return _offer(start, [Item(f"{room} ", room) for room in (rooms or (() if wanted else sources.rooms))])
    return _nicks(word, start, command, sources)


def _nicks(word: str, start: int, command: str, sources: Sources) -> Offer | None:
    at = word.startswith("@")
    wanted = word.removeprefix("@").casefold()
    if not wanted and not at and command not in _NICK_FIRST:
        return None
    found = [nick for nick in sources.nicks if nick.casefold().startswith(wanted)]
    if at:
        items = [Item(f"@{nick} ", nick) for nick in found]
    else:
        end = ": " if start == 0 else " "
        items = [Item(nick + end, nick) for nick in found]
    return _offer(start, items, eager=at or command in _NICK_FIRST)


def _command(before: str, start: int) -> str:
    """Return the command whose first argument begins at ``start``, without its slash; "" if there is none."""
    match = re.fullmatch(r"/(\S+)\s+", before[:start])
    return match[1].lower() if match else ""


def _offer(start: int, items: list[Item], *, eager: bool = True) -> Offer | None:
    return Offer(start, items[:MAX_ITEMS], eager) if items else None


def accept(text: str, cursor: int, found: Offer, item: Item) -> tuple[str, int]:
    """Return the text with ``item`` taken, and where the cursor is then."""
    rest = text[cursor:]
    insert = item.insert.rstrip() if rest.startswith(" ") else item.insert
    return text[: found.start] + insert + rest, found.start + len(insert)
