"""Say in one line what many joins and leaves amount to: "ann, bob joined; carl left"."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Move = Literal["joined", "left", "renamed"]
MAX_NAMES = 8  # in one list; more become "and 12 others"


class Step(NamedTuple):
    """One thing that happened."""

    move: Move
    nick: str
    other: str = ""  # renamed: the new nick. left: the reason


def fold(steps: Iterable[Step]) -> str:
    """Return the sum of ``steps``. Who came and went again is named once, as is who went and came back."""
    first: dict[str, Move] = {}
    last: dict[str, Move] = {}
    renames: list[tuple[str, str]] = []
    reasons: dict[str, str] = {}
    for move, nick, other in steps:
        if move == "renamed":
            renames.append((nick, other))
            for table in (first, last):
                if nick in table:
                    table[other] = table.pop(nick)
            continue
        first.setdefault(nick, move)
        last[nick] = move
        if move == "left":
            reasons[nick] = other
    groups: dict[str, list[str]] = {"joined": [], "left": [], "joined and left": [], "came back": []}
    for nick, move in last.items():
        groups[_sum(first[nick], move)].append(nick)
    parts = [f"{_names(nicks)} {what}" for what, nicks in groups.items() if nicks]
    if parts and len(last) == 1 and (reason := reasons.get(next(iter(last)))) and not renames:
        parts[0] += f" ({reason})"
    parts += [f"{old} is now {new}" for old, new in renames[-MAX_NAMES:]]
    return "; ".join(parts)


def _sum(first: Move, last: Move) -> str:
    if first == last:
        return last
    return "joined and left" if first == "joined" else "came back"


def _names(nicks: list[str]) -> str:
    if len(nicks) <= MAX_NAMES:
        return ", ".join(nicks)
    return f"{', '.join(nicks[: MAX_NAMES - 1])} and {len(nicks) - MAX_NAMES + 1} others"
