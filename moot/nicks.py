"""The nick a person gets who names none."""

import getpass
from typing import Final

MAX: Final = 32  # characters of a nick


def login_nick() -> str:
    """Return the login name as a nick, or "guest" when there is none to be had."""
    try:
        return as_nick(getpass.getuser())
    except (OSError, KeyError, ImportError):  # no such user here, as in a container
        return "guest"


def as_nick(login: str) -> str:
    r"""Return ``login`` made fit for a nick: "DOMAIN\Ann Lee" -> "Ann_Lee"."""
    name = "_".join(login.rpartition("\\")[2].split("@")[0].split())
    return "".join(char for char in name if char.isalnum() or char in "_-.")[:MAX] or "guest"
