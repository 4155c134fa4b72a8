"""The terminal client: a full-screen program on Textual. Only `run_terminal` is for others.

Nothing heavy is imported until it runs, so that programs which merely know of it stay quick.
"""

from collections.abc import Sequence


def run_terminal(host: str, nick: str | None = None, rooms: Sequence[str] = ("#lobby",), greeting: str = "") -> int:
    """Join the server at ``host`` ("name:port") and stay until the person quits; return the exit code.

    Without a nick it is the account used there last, else the login name. ``greeting`` is shown in the first room.
    Raises ValueError for a ``host`` that is no address.
    """
    import sys

    from client.address import parse_address
    from client.entering import entry
    from client.journal import Desk, leftovers, open_journal
    from client.terminal.app import MootApp
    from client.terminal.settings import SettingsFile

    problems: list[str] = []
    coming = entry(parse_address(host), nick, problems.append)
    desk = Desk("chat", parse_address(host), coming.nick)
    journal = open_journal(desk)
    others, damaged = leftovers(desk)
    try:
        app = MootApp(
            host,
            desk.nick,
            list(rooms) or ["#lobby"],
            SettingsFile.default(),
            greeting,
            journal=journal,
            leftovers=others,
            problems=[*problems, *damaged],
            credentials=coming.credentials,
        )
        code = app.run() or app.return_code or 0
    finally:
        for one in (journal, *others):
            one.close()
    if app.farewell:
        print(f"moot: {app.farewell}", file=sys.stderr)
    return code
