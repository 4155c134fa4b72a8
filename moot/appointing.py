"""The first admin of a server, made before it starts: `moot serve --admin NICK`. Unix only."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from moot.datadir import StartError
from protocol import names
from protocol.settings import Settings

LOG_FILE: Final = "moot.db"
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 that nobody takes for each other
_GROUPS: Final = 4  # of four letters: 80 bits


def appoint(directory: Path, settings: Settings, nick: str, show: Callable[[str], None]) -> None:
    """Make the account called ``nick`` an admin of the server, and make it first if there is none.

    The data directory is ours alone. ``show`` gets one line for the operator's terminal; if the account is new that has
    its password, which is kept nowhere else, so the account is stored only after it was shown. Raises `StartError`, and
    what ``show`` raises.
    """
    from broker.accounts import Account, Accounts
    from broker.credentials import Costs, made
    from broker.log import Log, LogError, Spoilt

    try:
        nick = names.nick(nick)
    except names.BadName as error:
        raise StartError(f"--admin: {error}") from error
    try:
        log = Log(directory / LOG_FILE)
    except LogError as error:
        raise StartError(str(error)) from error
    try:
        accounts = Accounts(log)
        account = accounts.account(nick)
        if account is None and (owner := accounts.owner_of(nick)) is not None:
            raise StartError(f"--admin: {nick} looks like {owner}, which is registered; choose another nick")
        if account is None and names.is_reserved(nick):
            raise StartError(f"--admin: nobody can be called {nick} here, nor what looks like it; choose another nick")
        if account is not None:
            if not account.admin:
                accounts.change(account, admin=True)
                show(f"{account.name} is an admin of this server from now on.")
        else:
            password = new_password()
            costs = Costs(
                settings.argon2_memory, settings.argon2_passes, settings.argon2_lanes, settings.scram_iterations
            )
            kept = made(password, costs)
            now_ms = time.time_ns() // 1_000_000
            uid = secrets.token_hex(16)
            accounts.create(
                Account(name=nick, uid=uid, since=now_ms, password=kept.password, scram=kept.scram, admin=True)
            )
            show(
                f"The account {nick} is made, an admin of this server. Its password, shown only now: {password}\n"
                f"Log in with /login {nick}, then change it with /password."
            )
        log.commit()
    except (LogError, Spoilt) as error:
        raise StartError(f"--admin: {error}") from error
    finally:
        log.close()


def new_password() -> str:
    """Return a password that nobody can guess and anybody can type."""
    letters = [secrets.choice(_LETTERS) for _ in range(4 * _GROUPS)]
    return "-".join("".join(letters[at : at + 4]) for at in range(0, len(letters), 4))
