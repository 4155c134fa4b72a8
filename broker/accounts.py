"""Accounts as the log keeps them: who owns which nick, what proves it, what an account has. Pure over the log.

One account is one name, and that is its nick: nobody else may be called so, nor anything that looks like it. Nothing
is kept here beside the log, so nothing is ahead of it when a transaction fails.

Keys: `account/<folded name>` has the `Account`; `look/<look>` (of `names.looks`), `cert/<fingerprint>` the folded name
of whose that is; `session/<hash>` a `Session`.
"""

import logging
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from broker.log import Log, Spoilt
from protocol import names
from protocol.native import MAX_NAME

T = TypeVar("T")

log = logging.getLogger("moot.broker")

MAX_KEYS: Final = 20  # public keys and certificates of one account
MAX_SESSIONS: Final = 20  # tokens of one account that count; the one used least lately goes for another


class Scram(Struct, frozen=True):
    """What verifies a password by SCRAM-SHA-256 (RFC 5802 §3), as Base64; the password cannot be had from it."""

    salt: str
    iterations: int
    stored_key: str
    server_key: str


class PublicKey(Struct, frozen=True, omit_defaults=True):
    """An Ed25519 key."""

    key: str  # 32 bytes, Base64
    fingerprint: str  # as ssh-keygen shows it: "SHA256:…"
    comment: str = ""


class Account(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One account."""

    name: str  # as its owner wrote it
    uid: str  # 32 hex digits, made at random once; whose the inbox is
    since: int  # registered, milliseconds since 1970, UTC
    password: str = ""  # argon2id, as its reference implementation writes it
    scram: Scram | None = None
    keys: list[PublicKey] = []
    certs: list[str] = []  # SHA-256 of certificates, hex
    sessions: list[str] = []  # hashes of tokens
    admin: bool = False  # of the server
    generation: int = 1  # grows when all that was proven before shall count no more

    @property
    def key(self) -> str:
        """The folded name."""
        return names.fold_nick(self.name)

    @property
    def person(self) -> bytes:
        """The uid of who is logged in to it, 16 bytes."""
        return bytes.fromhex(self.uid)


class Session(Struct, frozen=True):
    """What a token stands for."""

    account: str  # folded
    uid: str  # the account's, for another may have its name some day
    generation: int
    used: int  # last, milliseconds since 1970, UTC; within a day


_account_decoder: msgspec.json.Decoder[Account] = msgspec.json.Decoder(Account)
_session_decoder: msgspec.json.Decoder[Session] = msgspec.json.Decoder(Session)


class Accounts:
    """See the module. What it writes is part of the log's transaction; all of it raises `LogError`, and `Spoilt`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._count: int | None = None  # of accounts; None: not counted yet

    # --- asking

    def account(self, name: str) -> Account | None:
        """Return the account called ``name``, however that is written; None: there is none."""
        key = names.fold_nick(name)
        found = self._log.recall("account/" + key)
        return None if found is None else _decoded("account/" + key, _account_decoder, found)

    def known(self, name: str) -> Account | None:
        """Return the account that somebody says is called ``name``, whatever that is."""
        return self.account(name) if len(name) <= MAX_NAME else None

    def uid(self, name: str) -> bytes | None:
        """Return the uid of who is logged in to the account called ``name``, 16 bytes."""
        account = self.account(name)
        return None if account is None else account.person

    def owner_of(self, nick: str) -> str | None:
        """Return the name of the account that ``nick``, or what it looks like, belongs to; None: it is nobody's."""
        try:
            account = self.account(nick) or self._looking_like(nick)
        except Spoilt:
            return nick  # somebody's, whoever that is
        return None if account is None else account.name

    def _looking_like(self, nick: str) -> Account | None:
        for look in names.looks(nick):
            if (key := self._log.recall("look/" + look)) is not None:
                return self.account(key)
        return None

    def of_cert(self, fingerprint: str) -> Account | None:
        """Return the account that a certificate belongs to; its SHA-256 in hex."""
        key = self._log.recall("cert/" + fingerprint)
        account = None if key is None else self.account(key)
        return account if account is not None and fingerprint in account.certs else None

    def all(self, limit: int = -1) -> list[Account]:
        """Return all accounts, or the first ``limit``, by folded name. Not for what happens often: 10 µs each."""
        found: list[Account] = []
        for key, value in self._log.recall_under("account/", limit):
            try:
                found.append(_decoded(key, _account_decoder, value))
            except Spoilt as spoilt:  # of one; the others are other people's
                log.error("%s", spoilt)
        return found

    @property
    def count(self) -> int:
        """How many accounts there are."""
        if self._count is None:
            self._count = self._log.count_under("account/")
        return self._count

    def reload(self) -> None:
        """A transaction failed: count them again when it matters."""
        self._count = None

    # --- changing

    def create(self, account: Account) -> None:
        """Add an account, whose name and its likes must be nobody's (`owner_of`)."""
        assert self.owner_of(account.name) is None
        if self._count is not None:
            self._count += 1
        self._write(account)
        for look in names.looks(account.name):
            self._log.remember("look/" + look, account.key)
        for fingerprint in account.certs:
            self._log.remember("cert/" + fingerprint, account.key)

    def change(self, account: Account, **changes: Any) -> Account:
        """Write ``account`` with other values of some fields, not of its name, and return it so."""
        changed = msgspec.structs.replace(account, **changes)
        assert changed.key == account.key
        for fingerprint in set(account.certs) - set(changed.certs):
            self._log.forget("cert/" + fingerprint)
        for fingerprint in set(changed.certs) - set(account.certs):
            self._log.remember("cert/" + fingerprint, account.key)
        for token in set(account.sessions) - set(changed.sessions):
            self._log.forget("session/" + token)
        self._write(changed)
        return changed

    def drop(self, account: Account) -> None:
        """Remove an account and all that leads to it."""
        self.change(account, certs=[], sessions=[])
        for key, _value in self._log.recall_under(f"read/{account.uid}/"):  # `broker.markers`
            self._log.forget(key)
        for look in names.looks(account.name):
            self._log.forget("look/" + look)
        self._log.forget("account/" + account.key)
        if self._count is not None:
            self._count -= 1
        self._log.forget("data/" + account.key)  # see `broker.metadata`

    def _write(self, account: Account) -> None:
        self._log.remember("account/" + account.key, msgspec.json.encode(account).decode())

    # --- sessions

    def session(self, token: str) -> Session | None:
        """Return what the token with the hash ``token`` stands for, whether that counts or not."""
        found = self._log.recall("session/" + token)
        return None if found is None else _decoded("session/" + token, _session_decoder, found)

    def remember_session(self, token: str, session: Session) -> None:
        """Write what a token stands for."""
        self._log.remember("session/" + token, msgspec.json.encode(session).decode())


def _decoded(key: str, decoder: msgspec.json.Decoder[T], value: str) -> T:
    """Return a value. Raises `Spoilt` when it is none that this version knows."""
    try:
        return decoder.decode(value)
    except msgspec.DecodeError as error:
        raise Spoilt(key) from error
