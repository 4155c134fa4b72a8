"""What the terminal client remembers between runs, and the file it is in. A broken file costs the settings, no more."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct, field

Notify = Literal["off", "direct", "all"]
Alarm = Literal["bell", "title", "both"]
Clock = Literal["24", "12", "off"]
NOTIFY: tuple[str, ...] = get_args(Notify)
ALARM: tuple[str, ...] = get_args(Alarm)
CLOCK: tuple[str, ...] = get_args(Clock)


class TerminalSettings(Struct, kw_only=True):
    """Everything a person can set."""

    theme: str = "moot-dark"
    notify: Notify = "direct"  # what deserves an alarm: nothing, what names us or is for us alone, everything
    alarm: Alarm = "both"  # a bell, a mark in the terminal's title, or both
    clock: Clock = "24"
    motion: bool = True
    typing: bool = True  # let others see that one is typing
    rooms: bool = True  # the pane at the left
    members: bool = True  # the pane at the right
    color: Annotated[str, Meta(pattern="^#[0-9A-Fa-f]{6}$")] | None = None  # of one's nick
    ignored: list[str] = field(default_factory=list)  # nicks


class SettingsFile:
    """The settings and where they are kept. `problem` says what was wrong with the file, or ""."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.problem = ""
        self.values = self._load()

    @classmethod
    def default(cls) -> "SettingsFile":
        """Return the file in the platform's place for configuration."""
        from platformdirs import user_config_path

        return cls(user_config_path("moot", appauthor=False) / "terminal.json")

    def _load(self) -> TerminalSettings:
        if self.path is None:
            return TerminalSettings()
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=TerminalSettings)
        except FileNotFoundError:
            return TerminalSettings()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self.problem = (
                f"{self.path} could not be read ({error}); the settings are the usual ones until you change one."
            )
            return TerminalSettings()

    def save(self) -> None:
        """Write the file as a whole or not at all. Failing leaves `problem`; the chat goes on."""
        if self.path is None:
            return
        text = msgspec.json.format(msgspec.json.encode(self.values), indent=2)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".terminal-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text + b"\n")
                os.replace(name, self.path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            self.problem = f"The settings could not be saved: {error}"

    @property
    def motion(self) -> bool:
        """Do pictures move? `MOOT_MOTION=off` in the environment stops them whatever the file says."""
        return self.values.motion and os.environ.get("MOOT_MOTION", "").lower() not in ("off", "0", "no", "false")
