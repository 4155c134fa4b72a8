"""Proof for a new broker of who is logged in on which connection, so that it need not believe workers.

A ticket is good for one connection, which is never another's, and for one generation of an account. It is an HMAC with
a key that only the log has. Pure over the log.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from broker.accounts import Account, Accounts
from broker.log import Log, Spoilt
from protocol.ipc import MAX_TICKET, ConnId

KEY: Final = "secret/tickets"


class Tickets:
    """See the module."""

    def __init__(self, log: Log, accounts: Accounts, entropy: Callable[[int], bytes]) -> None:
        self._log = log
        self._accounts = accounts
        self._entropy = entropy

    def issue(self, conn: ConnId, account: Account) -> str:
        """Return the ticket of ``conn`` for ``account``. Raises `LogError`."""
        return f"{account.generation} {_mac(self.secret(), conn, account)} {account.key}"

    def holder(self, conn: ConnId, ticket: str) -> Account | None:
        """Return the account that ``ticket`` proves for ``conn``; None: nothing is proven. Raises `LogError`."""
        generation, _, rest = ticket.partition(" ")
        mac, _, key = rest.partition(" ")
        if not ticket or len(ticket) > MAX_TICKET:
            return None
        try:
            account = self._accounts.account(key)
        except Spoilt:
            return None
        secret = self._known()
        if secret is None or account is None or generation != str(account.generation):
            return None
        return account if hmac.compare_digest(_mac(secret, conn, account).encode(), mac.encode()) else None

    def secret(self) -> bytes:
        """Return the log's key, 32 bytes; made when it is first needed. Raises `LogError`."""
        known = self._known()
        if known is None:
            known = self._entropy(32)
            self._log.remember(KEY, known.hex())
        return known

    def _known(self) -> bytes | None:
        try:
            kept = self._log.recall(KEY)
        except Spoilt:
            return None
        return None if kept is None else bytes.fromhex(kept)


def _mac(secret: bytes, conn: ConnId, account: Account) -> str:
    what = f"{conn} {account.generation} {account.uid} {account.key}"
    return hmac.new(secret, what.encode(), hashlib.sha256).hexdigest()
