"""The nick of somebody who named none."""

import getpass

from protocol.names import from_login


def login_nick() -> str:
    """Return the login name made fit for a nick, or "guest"."""
    try:
        return from_login(getpass.getuser())
    except (OSError, KeyError, ImportError):  # no such user, as in a container; no pwd module, as on Windows
        return "guest"
