"""The terminal client: a full-screen program on Textual. Only `run_terminal` is for others.

Nothing heavy is imported until it runs, so that programs which merely know of it stay quick.
"""

from collections.abc import Sequence


def run_terminal(host: str, nick: str | None = None, rooms: Sequence[str] = ("#lobby",), greeting: str = "") -> int:
    """Join the server at ``host`` ("name:port") and stay until the person quits; return the exit code.

    Without a nick the login name is used. ``greeting`` is shown in the first room.
    Raises ValueError for a ``host`` that is no address.
    """
    from client.terminal.app import MootApp
    from client.terminal.settings import SettingsFile, login_name

    app = MootApp(host, nick or login_name(), list(rooms) or ["#lobby"], SettingsFile.default(), greeting)
    return app.run() or app.return_code or 0
