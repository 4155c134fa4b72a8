"""As whom one comes to a server: the nick, the account, what proves it. Asks for passphrases before the chat begins."""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from client import keys, logins
from client.address import Address
from client.logins import Pass
from client.nick import login_nick

Tell = Callable[[str], object]


class Entry(NamedTuple):
    """As whom."""

    nick: str
    chosen: bool  # the person named it, so no other nick will do
    credentials: Pass


def entry(address: Address, nick: str | None, tell: Tell) -> Entry:
    """Return as whom to come to ``address``; ``nick`` is what the person asked for, None: nothing.

    Then it is the account used last there, else the login name. ``tell`` gets what people should know.
    """
    known = logins.default()
    account, name = logins.choose(known, address, nick)
    signers: dict[Path, Callable[[str], str] | None] = {}

    def signer(path: Path) -> Callable[[str], str] | None:
        if path not in signers:
            signers[path] = _signer(path, tell)
        return signers[path]

    credentials = Pass(known, account, signer)
    if account:
        credentials.prepare(address)
    if known.problem:
        tell(known.problem)
    return Entry(name or login_nick(), nick is not None, credentials)


def _signer(path: Path, tell: Tell) -> Callable[[str], str] | None:
    try:
        return keys.signer(path, ask if can_ask() else None)
    except keys.BadKey as no:
        tell(f"{no}; you come as a guest")
        return None


def can_ask() -> bool:
    """Whether there is a person at a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(prompt: str) -> str | None:
    """Ask for a secret on the terminal; None when they would not say."""
    try:
        return getpass.getpass(prompt) or None
    except (EOFError, KeyboardInterrupt):
        return None
