"""Accounts this person is logged in to: tokens that servers gave, keys that log in. Owns the file `logins.json`.

An entry belongs to one server, which is its address and its key (`client.trust`): a server that took another's place is
told nothing. The file is readable by its owner alone, and written as a whole or not at all; of two programs that write
at the same moment the later one wins, which costs a login at most.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from client.address import Address
from client.identity import Proof
from client.trust import server_name
from protocol.names import fold_nick

NAME: Final = "logins.json"
MAX_ENTRIES: Final = 200  # accounts on servers; those used longest ago are let go
MAX_BYTES: Final = 1024 * 1024  # of the file; a larger one is none of ours

Signer = Callable[[Path], Callable[[str], str] | None]
"""Returns what signs with the private key in a file; None: it cannot, and has said why."""


class Login(Struct, frozen=True, omit_defaults=True):
    """One account on one server."""

    server: str  # as `client.trust.Known.identity` says
    account: str
    token: str = ""  # "": none that counts
    key: str = ""  # path of a private key that the account knows; "": none

    def __repr__(self) -> str:
        return f"Login({self.server!r}, {self.account!r}, …)"  # a token must not get into a log


_decoder: msgspec.json.Decoder[list[Login]] = msgspec.json.Decoder(list[Login])


class Logins:
    """See the module. `problem`: what is wrong with the file, for people; "" when nothing is."""

    def __init__(self, path: Path | None) -> None:
        """``path``: None keeps nothing beyond this program's end."""
        self.path = path
        self.problem = ""
        self._memory: list[Login] = []  # when there is no file, or it cannot be used

    def at(self, address: Address) -> list[Login]:
        """Return the logins at ``address``, whatever key the server has, the one used last first."""
        start = server_name(address) + " "
        return [one for one in self._load() if one.server.startswith(start)]

    def newest(self) -> Login | None:
        """Return the login used last, wherever."""
        return next(iter(self._load()), None)

    def find(self, server: str, account: str | None = None) -> Login | None:
        """Return the login of ``account`` on ``server``, or the one used last."""
        key = None if account is None else fold_nick(account)
        return next(
            (one for one in self._load() if one.server == server and (key is None or fold_nick(one.account) == key)),
            None,
        )

    def keep(self, server: str, account: str, *, token: str | None = None, key: str | None = None) -> None:
        """Note that ``account`` was used last on ``server``, and what proves it, as far as that is given."""
        old = self.find(server, account) or Login(server, account)
        new = Login(server, account, old.token if token is None else token, old.key if key is None else key)
        rest = [one for one in self._load() if not (one.server == server and _same(one.account, account))]
        self._save([new, *rest][:MAX_ENTRIES])

    def spend(self, server: str, account: str) -> None:
        """The token of ``account`` counts no more. Its key may."""
        old = self.find(server, account)
        if old is None:
            return
        rest = [one for one in self._load() if one != old]
        self._save([*rest, Login(server, old.account, "", old.key)] if old.key else rest)

    # --- the file

    def _load(self) -> list[Login]:
        if self.path is None or self.problem:
            return self._memory
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
            return _decoder.decode(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError, msgspec.DecodeError) as error:
            self.problem = f"{self.path} cannot be read ({error}); logins are not remembered until it is mended or gone"
            return self._memory

    def _save(self, entries: list[Login]) -> None:
        self._memory = entries
        if self.path is None or self.problem:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".logins-")  # made with mode 0600
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self.path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            self.problem = f"the login cannot be remembered in {self.path}: {error.strerror or error}"


class Pass:
    """What one connection after another shows to the server: the account wanted, and what proves it."""

    def __init__(self, logins: Logins, account: str | None = None, signer: Signer | None = None) -> None:
        """``account``: None is the one used last, "" none. ``signer``: reads private keys; without it none is used."""
        self.logins = logins
        self.account = account
        self._signer = signer
        self._once: Proof | None = None
        self._offered: Path | None = None  # a private key whose public half was just sent

    def use(self, proof: Proof) -> None:
        """Show this with the next connection, once."""
        self._once, self.account = proof, proof.account

    def offer(self, key: Path) -> None:
        """The public half of ``key`` is being added to the account."""
        self._offered = key

    def keyed(self, server: str, account: str | None) -> None:
        """The server has added what was offered to ``account``; None: it has refused it."""
        if self._offered is not None and account is not None:
            self.logins.keep(server, account, key=str(self._offered))
        self._offered = None

    def prepare(self, address: Address) -> None:
        """Have the key read that will be needed at ``address``, while a passphrase can still be asked for."""
        for login in self.logins.at(address):
            if self.account is None or _same(login.account, self.account):
                if login.key and not login.token and self._signer is not None:
                    self._signer(Path(login.key))
                return

    def proof(self, server: str) -> Proof | None:
        """Return what to show to ``server``."""
        once, self._once = self._once, None
        if once is not None or self.account == "":
            return once
        login = self.logins.find(server, self.account)
        if login is None:
            return None
        if login.token:
            return Proof(login.account, token=login.token)
        if login.key and self._signer is not None and (sign := self._signer(Path(login.key))) is not None:
            return Proof(login.account, sign=sign)
        return None

    def won(self, server: str, account: str, token: str | None) -> str:
        """``server`` took the proof of ``account``; return what people should know, mostly nothing."""
        self.account = account
        told = self.logins.problem
        self.logins.keep(server, account, token=token)
        return "" if told else self.logins.problem

    def lost(self, server: str, account: str | None) -> None:
        """One is a guest on ``server``; of ``account`` the token does not count any more."""
        if account is not None:
            self.logins.spend(server, account)
        self.account = ""


def choose(logins: Logins, address: Address, nick: str | None) -> tuple[str | None, str | None]:
    """Return the account to be logged in to ("": none), and the nick to ask for; None where nothing says which.

    Without ``nick`` it is the account used last there. Another nick than any account's that is known asks to be a
    guest.
    """
    known = [login.account for login in logins.at(address)]
    if nick is None:
        return (known[0], known[0]) if known else (None, None)
    return next((account for account in known if _same(account, nick)), ""), nick


def default() -> Logins:
    """Return the logins of this person: `~/.local/state/moot/logins.json` on Linux."""
    from platformdirs import user_state_path

    return _logins_in(user_state_path("moot", appauthor=False) / NAME)


@cache
def _logins_in(path: Path) -> Logins:
    return Logins(path)


def _same(one: str, other: str) -> bool:
    return fold_nick(one) == fold_nick(other)
