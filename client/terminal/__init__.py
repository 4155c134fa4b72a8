"""The terminal client: a full-screen program on Textual. Only `run_terminal` is for others.

Nothing heavy is imported until it runs, so that programs which merely know of it stay quick.
"""

from collections.abc import Sequence


def run_terminal(host: str, nick: str | None = None, rooms: Sequence[str] = ("#lobby",)) -> int:
    """Join the server at ``host`` ("name:port") and stay until the person quits; return the exit code.

    Without a nick the remembered one is used, else the login name.
    """
    from client.terminal.app import MootApp
    from client.terminal.settings import SettingsFile, login_name

    settings = SettingsFile.default()
    name = nick or login_name()
    app = MootApp(host, name, list(rooms) or ["#lobby"], settings)
    app.run()
    if app.farewell:
        print(app.farewell)
    return app.return_code or 0
