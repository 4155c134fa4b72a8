"""Names of people and rooms: what is allowed, when two are the same, and when they only look it.

Nicks and rooms follow PRECIS (RFC 8265, usernames) and take letters and digits of any script. Everything heavy (the
PRECIS tables, the confusables of Unicode TR 39) is loaded when the first name that is not ASCII comes by.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from protocol.text import clean

MAX_NICK: Final = 32  # characters, after normalization
MAX_ROOM: Final = 64  # the same, without the "#"

_NICK_SIGNS: Final = "-_[]{}|^`"
_ROOM_SIGNS: Final = "-_.+#"
_ASCII_NICK: Final = re.compile(r"(?=[^A-Za-z0-9]*[A-Za-z0-9])(?!-)[A-Za-z0-9_\[\]{}|^`-]{1,32}")
_ASCII_ROOM: Final = re.compile(r"#(?=[^a-z0-9]*[a-z0-9])[a-z0-9_.+#-]{1,64}")
_NUMBERED: Final = re.compile(r"(.+?)([0-9]{1,4})", re.DOTALL)

RESERVED: Final = frozenset(
    [
        "admin",
        "administrator",
        "root",
        "server",
        "moot",
        "system",
        "services",
        "service",
        "operator",
        "oper",
        "ircop",
        "moderator",
        "everyone",
        "nickserv",
        "chanserv",
        "memoserv",
        "operserv",
        "hostserv",
        "botserv",
        "saslserv",
        "global",
    ]
)
"""Nicks and accounts that nobody can have, nor what looks like them: people would take whoever has one for somebody
in charge, or talk to it as to a service and tell it their password."""

_ASCII_SHAPES: Final = str.maketrans({"1": "l", "I": "l", "|": "l", "0": "o", "m": "rn"})  # of confusables.txt

_NICK_RULE: Final = (
    "A nick has 1 to 32 letters and digits, and - _ [ ] { } | ^ ` between them, but no spaces and no - at the front."
)
_ROOM_RULE: Final = "A room is a # and 1 to 64 letters, digits and - _ . + #, without spaces, such as #tea."


class BadName(ValueError):
    """A name that cannot be had; its message is a sentence for people that says what is allowed."""


def nick(text: str) -> str:
    """Return ``text`` as the nick people will see: its case kept, NFC, wide letters made plain. Raises `BadName`."""
    text = text.strip()
    if _ASCII_NICK.fullmatch(text):
        return text
    name = "" if text.isascii() else _precis(text)
    if not _fits(name, _NICK_SIGNS, MAX_NICK) or name.startswith("-"):
        raise BadName(f"{quoted(text)} cannot be a nick. {_NICK_RULE}")
    return name


def fold_nick(nick: str) -> str:
    """Return the key under which ``nick`` is unique: two nicks with the same key are one.

    Case folding, which is PRECIS's lower case and more: `ß` is `ss` too, and both small sigmas are one. Never raises.
    """
    return nick.lower() if nick.isascii() else _fold(nick)


def skeleton(nick: str) -> str:
    """Return the key under which ``nick`` looks like others: Cyrillic "раураl" has that of "paypal". Never raises.

    Unicode TR 39, but an ASCII name is its own lower case: people may be both `paypa1` and `paypal`, and tell the
    digit from the letter. Upper case look-alikes count as well, for "НELLO" with a Cyrillic Н is read as "HELLO".
    """
    if nick.isascii():
        return nick.lower()
    prototypes = _prototypes()
    shapes: list[str] = []
    for char in unicodedata.normalize("NFD", nick):
        folded = char.casefold()
        low = "".join(prototypes.get(c, c) for c in folded)
        high = prototypes.get(char, char)
        shapes.append(high if high.isascii() and not low.isascii() else low)
    return unicodedata.normalize("NFD", "".join(shapes)).casefold()


def looks(nick: str) -> tuple[str, ...]:
    """Return the keys under which an account's nick looks like others: two nicks that share one do. Never raises.

    The skeleton of Unicode TR 39 in full, of the nick as it is written and in lower case: `paypa1`, `paypaI` and
    `PAYPAL` share one with `paypal`, as `modern` does with `modem`. Stricter than `skeleton`, which guests go by.
    """
    forms = (nick, nick.lower()) if nick.isascii() else (skeleton(nick),)
    return tuple(dict.fromkeys(form.translate(_ASCII_SHAPES).casefold() for form in forms))


def is_reserved(nick: str) -> bool:
    """Tell whether ``nick``, which is one, is in `RESERVED`, or looks as if it were. Never raises."""
    return fold_nick(nick) in RESERVED or not _reserved_looks().isdisjoint(looks(nick))


@lru_cache(maxsize=1)
def _reserved_looks() -> frozenset[str]:
    return frozenset(look for name in RESERVED for look in looks(name))


def room(text: str) -> str:
    """Return the name of a room as it is kept and compared: `#`, then folded case, NFC. Raises `BadName`."""
    if _ASCII_ROOM.fullmatch(text):
        return text
    text = text.strip()
    if not text.startswith("#"):
        raise BadName(f"{quoted(text)} is not a room: they begin with #. Try {_near(text)}")
    name = text[1:].lower() if text.isascii() else _precis(_fold(text[1:]))
    if not _fits(name, _ROOM_SIGNS, MAX_ROOM):
        raise BadName(f"{quoted(text)} cannot be a room. {_ROOM_RULE}")
    return "#" + name


def free_nick(wanted: str, taken: Callable[[str], bool]) -> str:
    """Return a nick near ``wanted``, itself a nick that somebody has, for which ``taken`` is false: bob2, bob3 …

    After a hundred tries the numbers double, so a crowd of bobs costs each newcomer few questions.
    """
    base, number = wanted, 1
    if numbered := _NUMBERED.fullmatch(wanted):
        base, number = numbered[1], int(numbered[2])
    first = number
    while True:
        number = number + 1 if number - first < 100 else number * 2
        digits = str(number)
        try:
            candidate = nick(base[: MAX_NICK - len(digits)] + digits)
        except BadName:  # ASCII digits may not stand beside Arabic ones, nor a name be cut just anywhere
            base = "guest"
            continue
        if not taken(candidate):
            return candidate


def from_login(name: str) -> str:
    r"""Return a nick made of a login name, whatever it holds: `DOMAIN\john.doe` and `john.doe@host` give `john_doe`."""
    name = name.rpartition("\\")[2].partition("@")[0]
    for text in (
        unicodedata.normalize("NFC", name),
        unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode(),
    ):
        made = "".join(c if unicodedata.category(c)[0] in "LM" or c.isdecimal() or c == "-" else "_" for c in text)
        try:
            found = nick(re.sub("__+", "_", made).strip("_-")[:MAX_NICK])
        except BadName:
            continue
        if not is_reserved(found):
            return found
    return "guest"


def _near(text: str) -> str:
    """Return a room with a name like ``text``, for a hint."""
    try:
        return room("#" + "-".join(clean(text[:MAX_ROOM], newlines=False).split()))
    except BadName:
        return "#tea"


def quoted(text: str) -> str:
    """Return ``text`` in quotes, harmless and short, for a sentence."""
    text = clean(text[:200], newlines=False)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"


def _fits(name: str, signs: str, longest: int) -> bool:
    """Tell whether ``name`` is of letters, marks, digits and ``signs``, begins with no mark, and is not too long."""
    if not 1 <= len(name) <= longest or clean(name) != name or not any(map(str.isalnum, name)):
        return False
    return all(c in signs or unicodedata.category(c)[0] in "LM" or c.isdecimal() for c in name)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _precis(text: str) -> str:
    """Return ``text`` as PRECIS writes a username with its case kept; empty when it is none."""
    from precis_i18n import get_profile

    if len(text) > 4 * MAX_ROOM:  # no need to look at a novel
        return ""
    try:
        return str(get_profile("UsernameCasePreserved").enforce(text))
    except UnicodeError:
        return ""


@lru_cache(maxsize=1)
def _prototypes() -> dict[str, str]:
    """Return, for each character that looks like another, the one that stands for all of these. 80 ms, once.

    The data lists neighbours: a prototype has all that look like it, the others only their prototype.
    """
    import json
    from importlib.resources import files  # 15 ms that most programs never need

    raw = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_text(encoding="utf-8"))
    marks = {0x200E: None}  # around right-to-left prototypes, for display
    result: dict[str, str] = {}
    for char, near in raw.items():
        if len(char) != 1 or char.isascii() or len(near) != 1:
            continue
        shape = near[0]["c"]
        if len(raw.get(shape, ())) == 1 and len(shape) == 1:  # a pair, of which either could stand for both
            shape = min(char, shape)
        shape = shape.translate(marks)
        result[char] = "m" if shape == "rn" else shape.lower() if shape.isascii() else shape
    return result
