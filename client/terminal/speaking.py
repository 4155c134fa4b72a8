"""What becomes of a line the person sends: requests, something to do here, a setting, or a problem. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from client.terminal.completion import Item
from client.terminal.settings import ALARM, CLOCK, NOTIFY
from client.terminal.tracker import STATUS, Tracker
from protocol import commands, native


@dataclass(frozen=True, slots=True)
class Set:
    """A setting of this program is to be changed."""

    name: str
    value: str


Decision = list[native.Request] | commands.Local | commands.Problem | Set

SETTINGS: Final[dict[str, tuple[str, Sequence[str]]]] = {  # commands of this program alone: help, values
    "theme": ("Choose the colors of this program.", ()),
    "notify": ("Choose what rings: nothing, what is for you, everything.", NOTIFY),
    "alarm": ("Choose how it rings: a bell, a count in the title, both.", ALARM),
    "clock": ("Choose how times are shown.", CLOCK),
    "typing": ("Choose whether others see that you are typing.", ("on", "off")),
}


def context(tracker: Tracker) -> commands.Context:
    """Return where the person is, for the command table."""
    welcome = tracker.session.welcome
    return commands.Context(
        room=None if tracker.current == STATUS else tracker.current,
        nick=tracker.session.nick,
        last_from=tracker.last_from,
        fun=commands.fun_table(welcome.fun if welcome else ()),
    )


def decide(line: str, tracker: Tracker, themes: Sequence[str], new_cmid: Callable[[], str]) -> Decision:
    """Return what ``line``, typed in the current view, asks for."""
    words = line.split(None, 1)
    if words and words[0].startswith("/") and (name := words[0][1:].lower()) in SETTINGS:
        value = words[1].strip() if len(words) > 1 else ""
        values = themes if name == "theme" else SETTINGS[name][1]
        if value in values:
            return Set(name, value)
        return commands.Problem(f"/{name} takes one of: {', '.join(values)}")
    return commands.parse(line, context(tracker), new_cmid)


def offers(tracker: Tracker) -> list[Item]:
    """Return every command with what it does, for completion."""
    fun = context(tracker).fun.values()
    items = {f"/{command.name}": command.help for command in commands.COMMANDS}
    items.update({f"/{name}": text for name, (text, _) in SETTINGS.items()})
    items.update({f"/{command.name}": command.help for command in fun})
    return [Item(name, name, text) for name, text in sorted(items.items())]


def help_text(tracker: Tracker, command: str) -> str:
    """Return what `/help` says, the commands of this program included."""
    name = command.removeprefix("/").lower()
    if name in SETTINGS:
        text, values = SETTINGS[name]
        return f"/{name} {'|'.join(values) or 'NAME'}\n{text}"
    text = commands.help_text(context(tracker), command or None)
    if not command:
        text += f"\nIn this program also: {' '.join('/' + own for own in SETTINGS)}. F1 shows the keys."
    return text
