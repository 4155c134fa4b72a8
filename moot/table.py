"""The settings as rows: what `protocol.settings.Settings` says of each, in a form that flags, checks and docs share."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import msgspec
from msgspec import NODEFAULT, inspect

from protocol.settings import Settings

Kind = Literal["text", "choice", "switch", "whole", "number", "list"]
TRUE: Final = ("yes", "true", "on", "1")
FALSE: Final = ("no", "false", "off", "0")
AT_START: Final = frozenset(("listen", "workers", "data"))  # what the supervisor has from its start to its end
SIZES: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}  # a suffix that settings in bytes may have


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. Bounds are inclusive unless `open_low`; for texts and lists they count characters and entries."""

    key: str  # "max_line": the TOML key
    kind: Kind
    default: Any
    unit: str  # "bytes", "" when the value has none
    meaning: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False  # ``low`` itself is not allowed
    choices: tuple[str, ...] = ()
    reload: bool = False  # a running server can take it

    @property
    def taken(self) -> str:
        """When a running server takes another value: by `moot reload`, by `moot restart`, or only when it starts."""
        return "reload" if self.reload else "start" if self.key in AT_START else "restart"

    @property
    def env(self) -> str:
        return "MOOT_" + self.key.upper()

    @property
    def flag(self) -> str:
        """The flag that sets it; a switch that is on by default is turned off by a `--no-` flag."""
        name = self.key.replace("_", "-")
        return f"--no-{name}" if self.kind == "switch" and self.default else f"--{name}"

    @property
    def expected(self) -> str:
        """What a value must be, for people: "a whole number from 0 to 64 (processes)"."""
        match self.kind:
            case "choice":
                return " or ".join(self.choices)
            case "switch":
                return "yes or no"
            case "list":
                return f"one or more {self.unit}"
            case "text" if self.low is not None or self.high is not None:
                return f"text of {self._range()} characters"
            case "text":
                return f"text ({self.unit})" if self.unit else "text"
            case "whole":
                what = "a whole number"
            case "number":
                what = "a number"
        bounds = self._range()
        unit = f" ({self.unit})" if self.unit else ""
        return f"{what}{' ' + bounds if bounds else ''}{unit}"

    def _range(self) -> str:
        low = "" if self.low is None else f"{self.low:.0f}"
        high = "" if self.high is None else f"{self.high:.0f}"
        if self.kind == "text":
            return f"{low or 0} to {high}" if high else f"at least {low}"
        if self.open_low:
            return f"above {low}" + (f", up to {high}" if high else "")
        if low and high:
            return f"from {low} to {high}"
        return f"of at least {low}" if low else f"of at most {high}" if high else ""


@cache
def settings_table() -> dict[str, Setting]:
    """Return every setting by key, in the order of the type."""
    info = inspect.type_info(Settings)
    assert isinstance(info, inspect.StructType)
    return {field.name: _row(field) for field in info.fields}


def parse_text(setting: Setting, text: str) -> Any:
    """Return the value that ``text`` (from a flag or the environment) means. Raises ValueError when it means none."""
    match setting.kind:
        case "list":
            return [part.strip() for part in text.split(",") if part.strip()]
        case "switch":
            if text.lower() in TRUE:
                return True
            if text.lower() in FALSE:
                return False
            raise ValueError(text)
        case "whole":
            for suffix, factor in SIZES.items():
                if setting.unit == "bytes" and text.endswith(suffix):
                    return int(text.removesuffix(suffix)) * factor
            return int(text)
        case "number":
            return float(text)
        case "text" | "choice":
            return text


def check_value(setting: Setting, value: Any) -> Any:
    """Return ``value``, of the setting's type and within its bounds. Raises ValueError."""
    match setting.kind:
        case "list":
            value = [value] if isinstance(value, str) else value
            fits = isinstance(value, list) and bool(value) and all(map(_is_text, value))
        case "switch":
            fits = isinstance(value, bool)
        case "choice":
            fits = value in setting.choices
        case "text":
            fits = _is_text(value) and _within(setting, len(value))
        case "whole":
            fits = isinstance(value, int) and not isinstance(value, bool) and _within(setting, value)
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and _within(setting, value)
            value = float(value) if fits else value
    if not fits:
        raise ValueError(value)
    return value


def _is_text(value: Any) -> bool:
    """Whether it can be a path and be said to other processes: no NUL, no bytes that were not UTF-8 (surrogates)."""
    return isinstance(value, str) and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)


def _within(setting: Setting, amount: float) -> bool:
    if amount - amount != 0:  # infinite, or not a number
        return False
    if setting.low is not None and (amount < setting.low or (setting.open_low and amount == setting.low)):
        return False
    return setting.high is None or amount <= setting.high


def _row(field: inspect.Field) -> Setting:
    meta = field.type
    assert isinstance(meta, inspect.Metadata), f"{field.name} has no description"
    extra, schema = meta.extra or {}, meta.extra_json_schema or {}
    default = field.default if field.default is not NODEFAULT else field.default_factory()
    kind, low, high, open_low, choices = _kind(meta.type)
    choices = tuple(sorted(choices, key=lambda choice: (choice != default, choice)))
    bounds = (low, high, open_low)
    unit, reload = extra["unit"], extra["reload"]
    return Setting(field.name, kind, default, unit, schema["description"], *bounds, choices, reload)


def _kind(of: msgspec.inspect.Type) -> tuple[Kind, float | None, float | None, bool, tuple[str, ...]]:
    match of:
        case inspect.ListType():
            return "list", None, None, False, ()
        case inspect.BoolType():
            return "switch", None, None, False, ()
        case inspect.LiteralType(values=values):
            return "choice", None, None, False, tuple(map(str, values))
        case inspect.StrType(min_length=low, max_length=high):
            return "text", low, high, False, ()
        case inspect.IntType(ge=ge, le=le):
            return "whole", ge, le, False, ()
        case inspect.FloatType(ge=ge, gt=gt, le=le):
            return "number", ge if gt is None else gt, le, gt is not None, ()
    raise TypeError(f"no setting can be of type {of}")
