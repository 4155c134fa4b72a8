"""Fill the settings: flags over `MOOT_*` environment over a TOML file over defaults. Knows no command line.

A wrong key or value is a `ConfigError`: one sentence with the source, the key, what it got and what it expected.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from moot.addresses import listen_address
from moot.table import Setting, check_value, parse_text, settings_table
from protocol.settings import SAME_HOST, Settings
from protocol.text import clean

_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
NOT_SETTINGS: Final = frozenset({"MOOT_CONFIG", "MOOT_NICK", "MOOT_ROOM"})  # what other flags read


class ConfigError(Exception):
    """The configuration is wrong; the text is for people."""


def load(
    flags: Mapping[str, Any], env: Mapping[str, str], config: Path | None = None, *, default_config: Path | None = None
) -> Settings:
    """Return the settings, `data` filled in with the platform's directory when nobody named one.

    ``flags``: typed values by key, those given only. ``config``: a file that must exist, else `MOOT_CONFIG` names
    one, else ``default_config`` is read if it exists (None: the platform's). Raises ConfigError.
    """
    chosen: dict[str, Any] = {}
    chosen.update(_from_file(_read_file(env, config, default_config), settings_table()))
    chosen.update(_from_env(env))
    chosen.update({key: _checked(settings_table()[key], value, _flag(key)) for key, value in flags.items()})
    settings = Settings(**chosen)
    _check_together(settings)
    return msgspec.structs.replace(settings, data=settings.data or default_data())


def data_directory(flags: Mapping[str, Any], env: Mapping[str, str], config: Path | None = None) -> Path:
    """Return where the log of such a server is, whatever else is wrong with its settings: one must be able to stop it.

    Raises ConfigError when that cannot be told.
    """
    row = settings_table()["data"]
    for value, source in ((flags.get(row.key), row.flag), (env.get(row.env), f"environment: {row.env}")):
        if value:
            return Path(_checked(row, value, source))
    content = _read_file(env, config, None)
    only = {key: value for key, value in content.values.items() if key == row.key}
    found = _from_file(msgspec.structs.replace(content, values=only), {row.key: row})
    return Path(found.get(row.key) or default_data())


class Wish(msgspec.Struct, frozen=True):
    """What was asked for when a server was started, so that it can be looked up again."""

    flags: dict[str, Any]  # typed values by key
    config: str | None = None  # the file that was named

    def settings(self) -> Settings:
        """Return what it amounts to now. Raises ConfigError."""
        return load(self.flags, os.environ, Path(self.config) if self.config else None)


def default_data() -> str:
    """Return the platform's place for the log of a server."""
    import platformdirs

    return platformdirs.user_data_dir("moot", appauthor=False)


def default_config_file() -> Path:
    """Return where a configuration file is looked for when none is named."""
    import platformdirs

    return Path(platformdirs.user_config_dir("moot", appauthor=False), "moot.toml")


def state_dir() -> Path:
    """Return where reports of crashes and the logs of hosted servers go."""
    import platformdirs

    return Path(platformdirs.user_state_dir("moot", appauthor=False))


class _File(msgspec.Struct, frozen=True):
    """A TOML file as it is written."""

    path: Path
    values: dict[str, Any]


def _read_file(env: Mapping[str, str], config: Path | None, default: Path | None) -> _File:
    named = config or (Path(env["MOOT_CONFIG"]) if env.get("MOOT_CONFIG") else None)
    path = named or default or default_config_file()
    try:
        with path.open("rb") as file:
            return _File(path, tomllib.load(file))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and named is None:
            return _File(path, {})
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: a number may have too many digits
        raise ConfigError(f"{path} is not TOML: {error}") from error


def _from_file(file: _File, rows: Mapping[str, Setting]) -> dict[str, Any]:
    for key in file.values:
        if key not in rows:
            raise ConfigError(f"{file.path}: there is no setting {key!r}{_nearest(key, list(rows))}")
    return {key: _checked(rows[key], value, f"{file.path}: {key}") for key, value in file.values.items()}


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    rows = {row.env: row for row in settings_table().values()}
    chosen = {}
    for name in sorted(env):
        if not name.startswith("MOOT_") or name in NOT_SETTINGS:
            continue
        if name not in rows:
            raise ConfigError(f"environment: there is no setting {name}{_nearest(name, [*rows, *NOT_SETTINGS])}")
        row, source = rows[name], f"environment: {name}"
        try:
            value = parse_text(row, env[name])
        except ValueError:
            raise _wrong(row, env[name], source) from None
        chosen[row.key] = _checked(row, value, source)
    return chosen


def _checked(row: Setting, value: Any, source: str) -> Any:
    try:
        value = check_value(row, value)
    except ValueError:
        raise _wrong(row, value, source) from None
    if row.key == "listen":
        try:
            value = [listen_address(address) for address in value]
        except ValueError as error:
            raise ConfigError(f"{source}: {error}") from error
    if row.key == "origins" and not all(one == SAME_HOST or _ORIGIN.fullmatch(one) for one in value):
        what = f'"https://chat.example.org" or "{SAME_HOST}"; no path, no capitals'
        raise ConfigError(f"{source}: got {_shown(value)}, expected origins as browsers name them, such as {what}")
    if row.key in ("data", "cert", "key") and value:
        try:
            value = str(Path(value).expanduser().absolute())
        except (RuntimeError, OSError) as error:  # no such user; or it is relative, and the working directory is gone
            raise ConfigError(f"{source}: got {_shown(value)}, which means no {row.unit} here: {error}") from error
    if row.key == "lobby" and not (value.startswith("#") and 2 <= len(value) <= 65 and value.split() == [value]):
        raise ConfigError(f'{source}: got {_shown(value)}, expected a room, such as "#lobby"')
    return value


def _check_together(settings: Settings) -> None:
    """Raise ConfigError for values that are well each by itself but not together."""
    if settings.key and not settings.cert:
        raise ConfigError(f"key is {_shown(settings.key)} and cert is not set; name the key's certificate with --cert")
    for low, high in (("sendq_soft", "sendq_hard"), ("intro_first", "intro_whole")):
        a, b = getattr(settings, low), getattr(settings, high)
        if a > b:
            raise ConfigError(f"{low} is {a} and {high} is {b}; {low} must not be greater than {high}")


def changes(now: Settings, wanted: Settings, *, renewing: bool = False) -> tuple[Settings, list[str]]:
    """Return the settings that a running server has after a reload, and a line for people on each that differs.

    ``renewing``: its processes are about to be renewed, so that all but what the supervisor holds may change.
    """
    taken: dict[str, Any] = {}
    lines = []
    for row in settings_table().values():
        old, new = getattr(now, row.key), getattr(wanted, row.key)
        if old == new:
            continue
        if row.taken == "reload" or (renewing and row.taken == "restart"):
            taken[row.key] = new
            lines.append(f"{row.key} is {_shown(new)} now; it was {_shown(old)}")
        else:
            how = "run `moot restart`" if row.taken == "restart" else "stop the server and start it again"
            lines.append(f"{row.key} stays {_shown(old)}; for {_shown(new)}, {how}")
    return msgspec.structs.replace(now, **taken), lines or ["no setting has changed"]


def _wrong(row: Setting, got: Any, source: str) -> ConfigError:
    return ConfigError(f"{source}: got {_shown(got)}, expected {row.expected}")


def _shown(value: Any) -> str:
    """Return a value as it is written in TOML, shortened."""
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
    text = clean(text, newlines=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _flag(key: str) -> str:
    return settings_table()[key].flag


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; `moot serve --help` lists them"
