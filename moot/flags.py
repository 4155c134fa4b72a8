"""The settings as click options, made from the table, and a help page that shows them in groups."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from moot.config import ConfigError
from moot.table import Setting, check_value, parse_text, settings_table

F = TypeVar("F", bound=Callable[..., Any])

GROUPS: Final = ("Server", "Limits and timing", "Fun commands")
SERVER: Final = frozenset(
    (
        *("listen", "workers", "data", "log_format", "log_texts", "limits", "server_name", "motd", "lobby"),
        *("cert", "key", "plaintext"),
        *("retain_days", "retain_messages"),
        *("restart_spread", "restart_keep"),
    )
)


def group_of(key: str) -> str:
    """Return the heading a setting stands under."""
    return GROUPS[0] if key in SERVER else GROUPS[2] if key.startswith("fun_") else GROUPS[1]


def describe(row: Setting) -> str:
    """Return the help text of a setting's flag."""
    text = row.meaning[0].upper() + row.meaning[1:] + "."
    if row.kind == "switch":
        return text
    default = ", ".join(row.default) if row.kind == "list" else row.default
    return f"{text} [{row.expected}{f'; default {default}' if default != '' else ''}]"


class SettingOption(click.Option):
    """An option that a row of the table made."""

    def __init__(self, row: Setting) -> None:
        self.row = row
        switch = row.kind == "switch"
        name = row.key.replace("_", "-")
        more: dict[str, Any] = {}
        if row.kind == "choice":
            more["shell_complete"] = lambda ctx, param, start: [c for c in row.choices if c.startswith(start)]
        super().__init__(
            [f"--{name}/--no-{name}" if switch else row.flag, row.key],
            type=click.BOOL if switch else click.UNPROCESSED,
            default=None,
            multiple=row.kind == "list",
            metavar=None if switch else _metavar(row),
            help=describe(row),
            **more,
        )

    def value_in(self, got: Any) -> Any:
        """Return the setting's value. Raises ConfigError."""
        if self.row.kind == "switch":
            return got
        try:
            if self.row.kind == "list":
                return check_value(self.row, [part for text in got for part in parse_text(self.row, text)])
            return check_value(self.row, parse_text(self.row, got))
        except ValueError:
            shown = got[0] if isinstance(got, tuple) else got
            raise ConfigError(f'{self.row.flag}: got "{shown}", expected {self.row.expected}') from None


class ServerCommand(click.Command):
    """A command that takes every setting; `flags` of its callback are those given, typed, by key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [SettingOption(row) for row in settings_table().values()]
        self.params.append(
            click.Option(
                ["--config"],
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help="Read settings from this TOML file. [default: moot.toml where the platform keeps settings]",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        flags: dict[str, Any] = {}
        for option in self.params:
            if isinstance(option, SettingOption):
                got = ctx.params.pop(option.row.key)
                if got is not None and got != ():
                    flags[option.row.key] = option.value_in(got)
        ctx.params["flags"] = flags
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        plain = [p for p in self.get_params(ctx) if not isinstance(p, SettingOption)]
        with formatter.section("Options"):
            formatter.write_dl([r for p in plain if (r := p.get_help_record(ctx)) is not None])
        for name in GROUPS:
            rows = [p for p in self.params if isinstance(p, SettingOption) and group_of(p.row.key) == name]
            with formatter.section(name):
                formatter.write_dl([r for p in rows if (r := p.get_help_record(ctx)) is not None])


def _metavar(row: Setting) -> str:
    if row.kind == "choice":
        return "|".join(row.choices)
    by_unit = {"HOST:PORT": "HOST:PORT", "directory": "DIR", "file": "FILE", "room": "ROOM"}
    return by_unit.get(row.unit, {"whole": "N", "number": "X", "text": "TEXT"}.get(row.kind, "VALUE"))
