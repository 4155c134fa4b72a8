"""The colour a nick is shown in: the same everywhere and always, and readable on the background it is shown on.

Colours are made in OKLCH (lightness, chroma, hue), where equal steps look equal: https://bottosson.github.io/posts/oklab/
"""

import math
from functools import lru_cache
from hashlib import blake2s
from typing import Final

READABLE: Final = 4.5  # contrast that WCAG 2.1 asks of text (SC 1.4.3)
# Hues in degrees: denser where the eye tells more of them apart, in warm colours. And lightnesses of each.
_HUES: Final = (8, 28, 48, 68, 92, 114, 140, 162, 192, 232, 262, 288, 310, 335)
_SHADES: Final = (0.0, -0.06, 0.07)
_SALT: Final = b"moot17"


@lru_cache(maxsize=4096)
def nick_color(nick: str, own: str | None, background: str) -> str:
    """Return "#rrggbb" for ``nick`` on ``background`` ("#rrggbb").

    The person's ``own`` choice is honoured; when it cannot be read there, its hue is kept and its lightness moved.
    """
    if own is not None and (rgb := _parse(own)) is not None:
        return _hex(rgb) if contrast(rgb, _parse(background)) >= READABLE else _hue_on(_hue_of(rgb), background)
    number = int.from_bytes(blake2s(nick.casefold().encode(), digest_size=4, person=_SALT).digest(), "big")
    hue, shade = _HUES[number % len(_HUES)], number // len(_HUES) % len(_SHADES)
    return _hue_on(math.radians(hue), background, _SHADES[shade])


def contrast(one: tuple[int, int, int] | None, other: tuple[int, int, int] | None) -> float:
    """Return the WCAG contrast of two colours, from 1 to 21."""
    a, b = sorted((_luminance(one or (0, 0, 0)), _luminance(other or (0, 0, 0))))
    return (b + 0.05) / (a + 0.05)


def _hue_on(hue: float, background: str, shade: float = 0.0) -> str:
    """Return a colour of this hue whose lightness stands out from ``background``."""
    ground = _parse(background) or (0, 0, 0)
    dark = _luminance(ground) < 0.18
    lightness, step = (0.76 + shade, 0.02) if dark else (0.54 - shade, -0.02)
    color = _oklch(lightness, 0.13, hue)
    while contrast(color, ground) < READABLE and 0.05 < lightness < 0.97:
        lightness += step
        color = _oklch(lightness, 0.11, hue)
    return _hex(color)


def _parse(color: str) -> tuple[int, int, int] | None:
    """Return the parts of "#rrggbb" or "#rgb", or None."""
    digits = color.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(c * 2 for c in digits)
    try:
        value = int(digits, 16)
    except ValueError:
        return None
    return ((value >> 16) & 255, (value >> 8) & 255, value & 255) if len(digits) == 6 else None


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _linear(part: int) -> float:
    c = part / 255
    return c / 12.92 if c <= 0.04045 else float(((c + 0.055) / 1.055) ** 2.4)


def _luminance(rgb: tuple[int, int, int]) -> float:
    r, g, b = (_linear(part) for part in rgb)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _oklch(lightness: float, chroma: float, hue: float) -> tuple[int, int, int]:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _gamma(+4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _gamma(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _gamma(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def _gamma(linear: float) -> int:
    linear = min(1.0, max(0.0, linear))
    part = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(part * 255)


def _hue_of(rgb: tuple[int, int, int]) -> float:
    r, g, b = (_linear(part) for part in rgb)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b_ = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return math.atan2(b_, a)
