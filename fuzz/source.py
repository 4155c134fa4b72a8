"""Fuzzer's bytes as choices and payload, and typed values made of them. Knows no targets and no fuzzer.

The first byte says how many bytes of choices follow it; the rest is payload. A source that has run out chooses 0 for
ever, so every bytes object is an input and `seed(payload)` is one without choices.
"""

from functools import cache
from typing import Any, Final, TypeVar

from msgspec import inspect

T = TypeVar("T")

WHOLES: Final = (0, 1, -1, 2, 3, 500, 501, 1 << 31, (1 << 53) - 1, 1 << 53, -(1 << 53), (1 << 63) - 1)
FLOATS: Final = (0.0, 1.0, -1.0, 0.5, 30.0, 1e308, 5e-324, 12.25)
TEXTS: Final = (
    *("", "a", "ann", "#tea", "@", "@ann", "#", "e1", "c1", "#D333FF", "/cowsay hi", "\n", "a\nb", "é", "ß", "\x00"),
    *(
        "\x1b[2J",
        "\r\n",
        "\u202ertl",
        "👩‍👩‍👧",
        "\U0001f3f4\U000e0067\U000e007f",
        "漢字",
        "ا\u200cب",
        "a" + "\u0301" * 9,
    ),
    *("x" * 33, "y" * 70, "1\ufe0f\u20e3", "\u0440\u0430\u0443\u0440\u0430l", "z" * 5000, "\t", "\u2028", "\ud7a4"),
)
MAX_ITEMS: Final = 4
MAX_DEPTH: Final = 6


def seed(payload: bytes = b"", choices: bytes = b"") -> bytes:
    """Return the input that has ``payload`` and makes ``choices``, at most 255 of them."""
    return bytes([len(choices)]) + choices + payload


class Source:
    """One input."""

    def __init__(self, data: bytes) -> None:
        count = data[0] if data else 0
        self._choices = data[1 : 1 + count]
        self.payload = data[1 + count :]
        self._next = 0
        self._taken = 0  # of the payload, by `text`

    @property
    def spent(self) -> bool:
        """Whether all choices are made."""
        return self._next >= len(self._choices)

    def byte(self) -> int:
        if self.spent:
            return 0
        self._next += 1
        return self._choices[self._next - 1]

    def below(self, limit: int) -> int:
        """Return a number from 0 to ``limit`` - 1, at most 255."""
        return self.byte() % limit

    def pick(self, options: tuple[T, ...] | list[T]) -> T:
        return options[self.below(len(options))]

    def whole(self) -> int:
        """Return an integer: a small one, one at a limit, or any of 32 bits."""
        how = self.byte()
        if how < 128:
            return how
        if how < 192:
            return self.pick(WHOLES)
        return int.from_bytes(bytes(self.byte() for _ in range(4)), "big")

    def text(self) -> str:
        """Return a known text, or some of the payload."""
        how = self.byte()
        if how % 4:
            return TEXTS[how % len(TEXTS)]
        length = how + 1
        raw = self.payload[self._taken : self._taken + length]
        self._taken += length
        return raw.decode("utf-8", "replace")

    def pieces(self) -> list[bytes]:
        """Return the payload cut into pieces; without choices, in one."""
        pieces, rest = [], self.payload
        while rest and not self.spent:
            size = 1 + self.byte()
            pieces.append(rest[:size])
            rest = rest[size:]
        return [*pieces, rest]

    def value(self, kind: Any) -> Any:
        """Return a value of the type ``kind`` that its decoder takes."""
        return _value(self, _described(kind), 0)


@cache
def _described(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _value(source: Source, kind: inspect.Type, depth: int) -> Any:
    match kind:
        case inspect.StructType():
            return _struct(source, kind, depth)
        case inspect.UnionType(types=types):
            return _value(source, source.pick(types), depth)
        case inspect.StrType():
            return _text(source, kind)
        case inspect.BytesType():
            return _text(source, inspect.StrType()).encode("utf-8", "replace")
        case inspect.IntType():
            return _whole(source, kind)
        case inspect.FloatType():
            return source.pick([number for number in FLOATS if _allows(kind, number)])
        case inspect.BoolType():
            return bool(source.below(2))
        case inspect.NoneType():
            return None
        case inspect.LiteralType(values=values):
            return source.pick(values)
        case inspect.ListType(item_type=item, max_length=most):
            return [_value(source, item, depth + 1) for _ in range(_count(source, depth))][:most]
        case inspect.TupleType(item_types=items):
            return tuple(_value(source, item, depth + 1) for item in items)
        case inspect.DictType(key_type=key, value_type=value):
            count = _count(source, depth)
            return {_value(source, key, depth + 1): _value(source, value, depth + 1) for _ in range(count)}
        case inspect.Metadata(type=inner):
            return _value(source, inner, depth)
    raise TypeError(f"no values are made of {kind}")


def _count(source: Source, depth: int) -> int:
    return source.below(MAX_ITEMS) if depth < MAX_DEPTH else 0


def _struct(source: Source, kind: inspect.StructType, depth: int) -> Any:
    given = {}
    for field in kind.fields:
        if field.required or source.byte() % 3:
            given[field.name] = _value(source, field.type, depth + 1)
    return kind.cls(**given)


def _text(source: Source, kind: inspect.StrType) -> str:
    text = source.text()
    if kind.pattern is not None:  # there are two: of a cmid and of a message's name
        return "".join(char for char in text if char.isascii() and (char.isalnum() or char in "-_"))[:64] or "c"
    if kind.min_length:
        text = text.ljust(kind.min_length, "x")
    return text[: kind.max_length] if kind.max_length is not None else text


def _allows(kind: inspect.FloatType, number: float) -> bool:
    above = kind.gt is None or number > kind.gt
    return above and (kind.ge is None or number >= kind.ge) and (kind.le is None or number <= kind.le)


def _whole(source: Source, kind: inspect.IntType) -> int:
    number = source.whole()
    if kind.ge is not None:
        number = max(number, kind.ge)
    return min(number, kind.le) if kind.le is not None else number
