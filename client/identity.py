"""Who one is to the server: a guest, or the person of an account; and how one proves it. Sans-IO, knows no files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from client.updates import Identified
from protocol import accounts, native, sentences
from protocol.account_commands import plain_login
from protocol.text import clean

SECRETS: Final = (accounts.Register, accounts.Sasl, accounts.Password, accounts.Drop)  # have a password in them
INSECURE: Final = (
    "This connection is not encrypted, so others on the way could read your password; nothing was sent. Ask whoever "
    "runs the server for an invitation (moot://…?key=…): with it you join through TLS."
)
OWNED: Final = ("nick-reserved", "login-failed", "login-throttled")
"""Error codes that end a first connection: the nick is an account's, and one has not shown to be that."""
SPENT: Final = frozenset({"login-failed", "no-such-account"})  # error codes of a proof that never counts again


@dataclass(frozen=True, slots=True)
class Proof:
    """How to log in without asking anybody: with a session's token, a key, or a password that was just typed."""

    account: str
    token: str = ""  # as `loggedin` gave it
    sign: Callable[[str], str] | None = None  # a challenge: the signature of it, base64
    password: str = ""

    def opening(self) -> accounts.Sasl:
        """Return the first request."""
        if self.token:
            return accounts.Sasl(mech="SESSION", data=self.token)
        if self.sign is not None:
            return accounts.Sasl(mech="ED25519", data=self.account, remember=True)
        return plain_login(self.account, self.password, remember=True)

    def answer(self, challenge: str, pin: str) -> accounts.Sasl | None:
        """Return the request that answers ``challenge``; None: there is nothing to answer it with.

        ``pin``: of the key that the server has shown in TLS, empty without TLS. A challenge that names another is
        another server's, passed on by one that wants to be us there.
        """
        if challenge.split(" ")[-3:-2] != [pin or "-"]:
            return None
        try:
            return None if self.sign is None else accounts.Sasl(data=self.sign(challenge), remember=True)
        except ValueError:  # it wants something else signed
            return None

    def __repr__(self) -> str:
        return f"Proof({self.account!r}, …)"  # secrets must not get into a log


class Identity:
    """The account one is logged in to, if any. ``tell`` hears of each change."""

    def __init__(self, tell: Callable[[Identified], None]) -> None:
        self.account: str | None = None
        self.admin = False  # of the server
        self.fallen = False  # a proof was refused, so one comes as a guest, under whatever nick is free
        self._tell = tell

    def logged_in(self, event: accounts.LoggedIn, *, quiet: bool = False) -> None:
        """The server says so. ``quiet``: it is told elsewhere, or no news."""
        news = event.account != self.account or event.admin != self.admin
        self.account, self.admin, self.fallen = event.account, event.admin, False
        text = "" if quiet or not news else sentences.logged_in(event)
        self._tell(Identified(event.account, text, event.session))

    def logged_out(self, text: str = "", *, spent: bool = True) -> None:
        """One is a guest from here on. ``spent``: what proved the account does not any more."""
        was, self.account, self.admin = self.account, None, False
        self._tell(Identified(None, text, spent=was if spent else None))

    def refused(self, account: str, error: native.Error) -> None:
        """The proof was not taken: one goes on as a guest."""
        self.account, self.admin, self.fallen = None, False, True
        why = clean(error.text, newlines=False).rstrip(".")
        text = f"You are not logged in as {account} any more: {why}. You are a guest now; /login {account} logs you in."
        self._tell(Identified(None, text, spent=account if error.code in SPENT else None))

    def gone(self) -> None:
        """The connection is gone, and with it what the server knew."""
        self.account, self.admin = None, False
