"""`moot key`: the keys that log in to an account on a server, from the shell.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | the server refused, or the key cannot be used; one line says why |
| 2 | the address makes no sense |
| 3 | no server there, or it sent us away |
| 130 | Ctrl+C |
"""

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from client import keys, logins
from client.address import Address, parse_address
from client.console import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_USAGE,
    complain,
    encoded,
    exit_status,
    write_out,
)
from client.entering import ask, can_ask, entry
from client.net import Chat, ChatError
from client.session import Session
from protocol import accounts, native
from protocol.account_commands import plain_login
from protocol.text import clean

CLIENT: Final = "moot key"

Ask = Callable[[str], str | None]


class Refused(Exception):
    """It was not done. The text says why and what to do."""


def last_server() -> str | None:
    """Return where somebody logged in last from this machine, "host:port"; None: nowhere."""
    login = logins.default().newest()
    return None if login is None else login.server.split()[0]


def run_key(host: str, nick: str | None, action: Literal["add", "list", "remove"], what: str) -> int:
    """Do ``action`` with the keys of the account ``nick`` (default: the one used last) at ``host``; return the exit
    status. ``what``: the file of a key to add ("": one of moot's own making), or which key to remove.
    """
    try:
        said = asyncio.run(_do(parse_address(host), nick, action, what, ask if can_ask() else _nobody))
    except ValueError as error:
        complain(str(error))
        return EXIT_USAGE
    except ChatError as error:
        complain(str(error))
        return exit_status(error.code)
    except (Refused, keys.BadKey) as no:
        complain(str(no))
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    write_out(encoded(said))
    return EXIT_OK


def _nobody(prompt: str) -> str | None:
    return None


async def _do(address: Address, nick: str | None, action: str, what: str, ask: Ask) -> list[str]:
    coming = entry(address, nick, complain)
    session = Session(coming.nick, [], any_nick=True, client=CLIENT)
    async with Chat(address, session, credentials=coming.credentials) as chat:
        account = session.identity.account or await _log_in(chat, coming.nick, ask)
        request, done = accounts.Key(), ""
        if action == "add":
            path, line = keys.choose(what, address, account)
            chat.credentials.offer(path)
            request, done = accounts.Key(add=line), f"The key {path} logs you in as {account} at {address} from now on."
        elif action == "remove":
            request, done = accounts.Key(remove=what), "The key logs nobody in any more."
        found = await chat.request(request)
        if not isinstance(found, accounts.AccountInfo):
            raise Refused(f"the server answered with {type(found).__name__}, not with the account")
    if done:
        return [done]
    return listed(found)


def listed(found: accounts.AccountInfo) -> list[str]:
    """Return the keys of an account, a line each."""
    if not found.keys:
        return [f"{clean(found.account, newlines=False)} has no keys; moot key add makes one."]
    return [clean(key, newlines=False) for key in found.keys]


async def _log_in(chat: Chat, account: str, ask: Ask) -> str:
    """Log in with a password; return the account's name. Raises `Refused`, `ChatError`."""
    password = await asyncio.to_thread(ask, f"Password of {account} at {chat.address}: ")
    if not password:
        raise Refused(f"nobody is logged in at {chat.address}, and a key belongs to an account; log in with moot join")
    event = await chat.request(plain_login(account, password, remember=True))
    if not isinstance(event, accounts.LoggedIn):
        raise Refused(event.text if isinstance(event, native.Error) else "the server did not log you in")
    return event.account
