"""How long: `10m`, `2d`, `1h30m`, and back. Pure.

A parser of our own, twelve lines: what the libraries there are take (`pytimeparse2`, `humanfriendly`) is far more, such
as `5:30`, `1.5 weeks` or a bare number, so a reason that begins with a number would be read as a time.
"""

import re
from typing import Final

MAX_S: Final = 315_360_000  # ten years; `moderation.Ban.seconds` takes no more
UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}  # seconds, largest first
_DURATION: Final = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in UNITS), re.ASCII)


def seconds(text: str) -> int | None:
    """Return the seconds that ``text`` tells, such as `1h30m`: units from the largest, each once. None: it is no time.

    >>> seconds("10m"), seconds("1h30m"), seconds("2D"), seconds("10"), seconds("30m1h"), seconds("tea")
    (600, 5400, 172800, None, None, None)
    """
    found = _DURATION.fullmatch(text.lower())
    if not text or found is None:
        return None
    return sum(int(number) * size for number, size in zip(found.groups("0"), UNITS.values(), strict=True))


def shown(seconds_: float) -> str:
    """Return a time as `seconds` reads it: its two largest units.

    >>> shown(5400), shown(172800), shown(93784), shown(0.4)
    ('1h30m', '2d', '1d2h', '0s')
    """
    left = int(seconds_)
    parts: list[str] = []
    for unit, size in UNITS.items():
        number, rest = divmod(left, size)
        if number and len(parts) < 2:
            parts.append(f"{number}{unit}")
        elif parts:
            break
        left = rest
    return "".join(parts) or "0s"
