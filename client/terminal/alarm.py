"""Make oneself heard: a bell, and a count in the terminal's title. Knows the settings, not the messages."""

from client.terminal.settings import TerminalSettings


def deserved(settings: TerminalSettings, *, direct: bool, attentive: bool, shown: bool) -> bool:
    """Tell whether a message deserves an alarm: not what one looks at, unless it names one."""
    if settings.notify == "off" or (attentive and shown):
        return False
    return direct or settings.notify == "all"


def title(server: str, unread: int, mentions: int, settings: TerminalSettings) -> str:
    """Return the terminal's title: "(2) moot · host" when two messages wait for this person."""
    waiting = (
        0 if settings.notify == "off" or settings.alarm == "bell" else unread if settings.notify == "all" else mentions
    )
    return f"({waiting}) moot · {server}" if waiting else f"moot · {server}"
