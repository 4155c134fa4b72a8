"""Logging in, by SASL for all dialects, and the sessions by which programs log in again. Pure.

Who is logged in where is `broker.seating`'s; what the log keeps `broker.accounts`'; what one may do with one's account
`broker.registrar`'s.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from broker import credentials, sasl
from broker.accounts import MAX_SESSIONS, Account, Accounts, PublicKey, Session
from broker.credentials import BadCredential, ScramServer
from broker.log import Spoilt
from broker.outbox import UNDONE, Outbox
from broker.people import People, Refusal
from broker.proving import WRONG, Proving, fold, tried
from broker.sasl import BadMessage
from broker.seating import Seating
from broker.tickets import Tickets
from protocol import addresses
from protocol.accounts import Challenge, LoggedIn, Sasl
from protocol.ipc import ConnId, Do, Vouched, worker_of

MAX_EXCHANGES: Final = 10_000  # logins of several messages that have begun; the oldest goes for another
EXCHANGE_S: Final = 120.0  # that one may take
DAY_MS: Final = 86_400_000

_NOBODYS: Final = PublicKey("A" * 43 + "=", "")  # a key that signs nothing


@dataclass(slots=True)
class _Exchange:
    """A login of several messages."""

    begin: Sasl
    at: float  # begun, seconds
    account: str = ""  # folded, as the client named it
    uid: str = ""  # of the account; "": there is none
    server: ScramServer | None = None
    challenge: str = ""  # of ED25519
    proven: bool = False  # of SCRAM: only the client's last, empty word is missing


class Logins:
    """See the module. Shares people and seats with `State`."""

    def __init__(
        self,
        proving: Proving,
        accounts: Accounts,
        tickets: Tickets,
        outbox: Outbox,
        people: People,
        seating: Seating,
        entropy: Callable[[int], bytes],
    ) -> None:
        """``entropy(n)`` returns that many random bytes."""
        self._proving = proving
        self._accounts = accounts
        self._tickets = tickets
        self._out = outbox
        self._people = people
        self._seating = seating
        self._entropy = entropy
        self._exchanges: dict[ConnId, _Exchange] = {}  # the oldest first
        self.undoing: Callable[[Callable[[], None]], None] = lambda _undo: None
        """Has something called if the transaction fails."""

    def gone(self, conn: ConnId) -> None:
        """A connection is closed."""
        self._exchanges.pop(conn, None)

    def worker_lost(self, worker: int) -> None:
        """All connections of a worker are closed."""
        for conn in [conn for conn in self._exchanges if worker_of(conn) == worker]:
            self.gone(conn)

    # --- SASL

    def sasl(self, do: Do) -> None:
        request = do.request
        assert isinstance(request, Sasl)
        if self._proving.is_under_way(do):
            return
        if request.data == sasl.ABORT:
            self._exchanges.pop(do.conn, None)
            raise Refusal("login-failed", "the login was broken off")
        exchange = self._exchanges.pop(do.conn, None)
        if request.mech is not None:
            exchange = _Exchange(request, self._proving.now_s)
            if request.data is None:
                self._go_on(do, exchange, "")
                return
        elif exchange is None or not 0 <= self._proving.now_s - exchange.at <= EXCHANGE_S:
            text = "no login is under way here, or it took too long, or the server was restarted meanwhile; begin again"
            raise Refusal("login-failed", text, wait=0.0)
        try:
            self._take(do, exchange, request.data or "")
        except BadMessage as error:
            raise Refusal("login-failed", str(error)) from error

    def _go_on(self, do: Do, exchange: _Exchange, data: str) -> None:
        """The client's next message belongs to ``exchange``."""
        while len(self._exchanges) >= MAX_EXCHANGES:
            del self._exchanges[next(iter(self._exchanges))]
        self._exchanges[do.conn] = exchange
        self._proving.answer(do, Challenge(id=do.request.id, data=data))

    def _take(self, do: Do, exchange: _Exchange, data: str) -> None:
        match exchange.begin.mech:
            case "PLAIN":
                said = sasl.plain(data)
                remember = exchange.begin.remember

                def proven(account: Account) -> None:
                    self.succeed(do, account, remember=remember)

                self._proving.prove_password(do, said.name, said.password, proven)
            case "SCRAM-SHA-256":
                self._take_scram(do, exchange, data)
            case "ED25519":
                self._take_signature(do, exchange, data)
            case "EXTERNAL":
                self._take_cert(do, exchange, data)
            case _:
                self._take_token(do, data)

    def _take_scram(self, do: Do, exchange: _Exchange, data: str) -> None:
        if exchange.proven:
            if data:
                raise BadMessage("SCRAM ends with an empty message")
            self.succeed(do, self._still(exchange), remember=exchange.begin.remember)
            return
        if exchange.server is None:
            if not self._proving.settings.scram_iterations:
                raise Refusal("not-supported", "SCRAM is off on this server; use PLAIN")
            name = sasl.scram_name(data)
            account = self._accounts.known(name)
            exchange.account, exchange.uid = fold(name), account.uid if account else ""
            self._proving.check_throttle(exchange.account, do.addr)
            kept = account.scram if account is not None else None
            decoy = credentials.decoy_scram(exchange.account, self._tickets.secret(), self._proving.costs)
            server = ScramServer(kept or decoy)

            def begun(first: str | BadCredential) -> None:
                if isinstance(first, BadCredential):
                    raise Refusal("login-failed", str(first))
                exchange.server = server
                self._go_on(do, exchange, first)

            self._proving.prove(do, "", lambda: tried(lambda: server.first(data)), begun)
            return
        key, running = self._proving.begin_try(exchange.account, do.addr), exchange.server

        def ended(final: str | BadCredential) -> None:
            if isinstance(final, BadCredential):
                raise Refusal("login-failed", WRONG, wait=self._proving.wait(key, do.addr))
            self._proving.throttle.succeeded(key, do.addr)
            exchange.proven = True
            self._go_on(do, exchange, final)

        self._proving.prove(do, key, lambda: tried(lambda: running.final(data)), ended)

    def _take_signature(self, do: Do, exchange: _Exchange, data: str) -> None:
        if not exchange.challenge:
            name = sasl.account_name(data)
            account = self._accounts.known(name)
            exchange.account, exchange.uid = fold(name), account.uid if account else ""
            self._proving.check_throttle(exchange.account, do.addr)
            exchange.challenge = sasl.challenge(
                self._proving.settings.server_name, do.pin, exchange.account, self._entropy(16)
            )
            self._go_on(do, exchange, exchange.challenge)
            return
        account = self._accounts.known(exchange.account)
        keys = account.keys if account is not None and account.uid == exchange.uid else []
        key, asked = self._proving.begin_try(exchange.account, do.addr), exchange.challenge

        def ended(right: bool) -> None:
            now = self._still(exchange)
            if not right or not keys or now.keys != keys:
                text = "this key is none of the account's; log in with its password, then add the key"
                raise Refusal("login-failed", text, wait=self._proving.wait(key, do.addr))
            self._proving.throttle.succeeded(key, do.addr)
            self.succeed(do, now, remember=exchange.begin.remember)

        self._proving.prove(do, key, lambda: credentials.signed(asked, data, keys or [_NOBODYS]), ended)

    def _take_cert(self, do: Do, exchange: _Exchange, data: str) -> None:
        self._proving.check_throttle("", do.addr)
        account = self._accounts.of_cert(do.certfp) if do.certfp else None
        if account is None or (data and fold(data) != account.key):
            self._proving.throttle.begun("", do.addr, self._proving.now_s)
            what = "the certificate you show is no account's" if do.certfp else "you show no certificate"
            raise Refusal("login-failed", f"{what}; log in with a password and add it, then it will do")
        self.succeed(do, account, remember=exchange.begin.remember)

    def _take_token(self, do: Do, data: str) -> None:
        token = _hashed(sasl.token(data))
        self._proving.check_throttle("", do.addr)
        session = self._accounts.session(token)
        account = self._accounts.known(session.account) if session is not None else None
        if session is None or account is None or not self._counts(token, session, account):
            self._proving.throttle.begun("", do.addr, self._proving.now_s)
            raise Refusal("login-failed", "this session has ended; log in with the password")
        if self._proving.now - session.used > DAY_MS:
            self._accounts.remember_session(token, msgspec.structs.replace(session, used=self._proving.now))
        self.log_in(do, account, None)

    def _still(self, exchange: _Exchange) -> Account:
        """Return the account of an exchange, which may have been dropped meanwhile."""
        account = self._accounts.known(exchange.account)
        if account is None or account.uid != exchange.uid:
            raise Refusal("login-failed", WRONG)
        return account

    def succeed(self, do: Do, account: Account, *, remember: bool) -> None:
        """Whoever asks by ``do`` has proven to be the account's owner."""
        token = None
        if remember and addresses.is_private(do.addr, secure=do.secure):  # else whoever listens could come with it
            account, token = self.new_session(account)
        self.log_in(do, account, token)

    def log_in(self, do: Do, account: Account, token: str | None) -> None:
        """Log the connection in, and answer that it is. ``token``: of its session, shown this once."""
        device = self._people.by_conn.get(do.conn)
        ticket = self._tickets.issue(do.conn, account)
        answer, anew = LoggedIn(account=account.name, admin=account.admin), True
        if device is not None:
            anew = device.person.uid != account.person
            self._seating.log_in(device, account)
            answer = self._seating.merging.logged_in(device)
        if anew:
            self.undoing(lambda: self._take_back(do))
        self._out.tell(worker_of(do.conn), Vouched(do.conn, ticket))
        self._proving.answer(do, msgspec.structs.replace(answer, id=do.request.id, session=token))

    def _take_back(self, do: Do) -> None:
        """The transaction failed: a login that wrote something to it is answered with an error, so it must be none."""
        if not self._out.is_bound(do.conn, do.rid):
            return
        device = self._people.by_conn.get(do.conn)
        if device is not None:
            self._seating.log_out(device, UNDONE)
        else:
            self.vouch(do.conn, None)

    def vouch(self, conn: ConnId, account: Account | None) -> None:
        """Give the worker proof that ``conn`` is logged in, or (None) is a guest."""
        ticket = "" if account is None else self._tickets.issue(conn, account)
        self._out.tell(worker_of(conn), Vouched(conn, ticket))

    # --- sessions

    def new_session(self, account: Account) -> tuple[Account, str]:
        """Return a new token, and the account as it is with it."""
        token = urlsafe_b64encode(self._entropy(32)).decode().rstrip("=")
        counting = {hashed: session.used for hashed, session in self.sessions(account)}
        if len(counting) >= MAX_SESSIONS:
            del counting[min(counting, key=counting.__getitem__)]
        hashed = _hashed(token)
        session = Session(account.key, account.uid, account.generation, self._proving.now)
        self._accounts.remember_session(hashed, session)
        return self._accounts.change(account, sessions=[*counting, hashed]), token

    def sessions(self, account: Account) -> list[tuple[str, Session]]:
        """Return the tokens of an account that count."""
        found: list[tuple[str, Session]] = []
        for token in account.sessions:
            try:
                session = self._accounts.session(token)
            except Spoilt:
                continue
            if session is not None and self._counts(token, session, account):
                found.append((token, session))
        return found

    def _counts(self, token: str, session: Session, account: Account) -> bool:
        alive = self._proving.now - session.used <= self._proving.settings.session_days * DAY_MS
        same = (session.uid, session.generation) == (account.uid, account.generation)
        return alive and same and token in account.sessions


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
