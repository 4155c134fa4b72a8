"""The messages of SASL mechanisms as text, and what a client is challenged with. Pure; knows no accounts.

PLAIN is RFC 4616, EXTERNAL RFC 4422 appendix A; of SCRAM-SHA-256 (RFC 5802) only the name is read here, the rest is
`broker.credentials`'s. ED25519 and SESSION are moot's own: docs/accounts.md.
"""

import re
from dataclasses import dataclass
from typing import Final

from protocol.accounts import MAX_PASSWORD
from protocol.native import MAX_NAME

ABORT: Final = "*"  # RFC 4422 §3.5 as IRC writes it, and so do we
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in Base64 for URLs
_SCRAM_NAME: Final = re.compile(r"[^,]*,[^,]*,n=((?:[^,=]|=2C|=3D)+),")


class BadMessage(ValueError):
    """What came is no message of its mechanism; the text is a sentence for people."""


@dataclass(frozen=True, slots=True, repr=False)
class Plain:
    """What PLAIN says."""

    name: str  # the account's
    password: str


def plain(data: str) -> Plain:
    """Read PLAIN's one message: `[authzid] NUL authcid NUL passwd`. Raises `BadMessage`.

    Nobody may act for another, so an authorization identity, if there is one, must be the same name.
    """
    parts = data.split("\0")
    if len(parts) != 3:
        raise BadMessage("PLAIN is [account] NUL account NUL password, with two NULs")
    authzid, name, password = parts
    if authzid not in ("", name):
        raise BadMessage("nobody may log in for another account; leave the authorization identity empty")
    if not 0 < len(password) <= MAX_PASSWORD:
        raise BadMessage(f"a password has 1 to {MAX_PASSWORD} characters")
    return Plain(account_name(name), password)


def account_name(data: str) -> str:
    """Return the name of an account as somebody gives it. Raises `BadMessage` when it can be none."""
    if not 0 < len(data) <= MAX_NAME or "\0" in data:
        raise BadMessage("the account's name is missing, or much too long")
    return data


def scram_name(data: str) -> str:
    """Return the account's name out of SCRAM's first message. Raises `BadMessage`."""
    found = _SCRAM_NAME.match(data)
    if found is None:
        raise BadMessage("SCRAM begins with n,,n=account,r=nonce")
    return account_name(found[1].replace("=2C", ",").replace("=3D", "="))


def token(data: str) -> str:
    """Return a session's token. Raises `BadMessage` when it can be none."""
    if _TOKEN.fullmatch(data) is None:
        raise BadMessage("this is no token of a session; log in with the password")
    return data


def challenge(server: str, pin: str, account: str, nonce: bytes) -> str:
    """Return what ED25519 has signed: who asks, for what, and what was never asked before.

    ``server``: its name. ``pin``: of the key by which the client knows it; so it cannot pass on another server's
    challenge. ``account``: folded. ``nonce``: at least 16 random bytes.
    """
    return f"moot login {' '.join(server.split())[:64]} {pin or '-'} {account} {nonce.hex()}"
