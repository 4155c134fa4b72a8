"""What is proven to the broker, by whom and how often: the way to the vault and back, and who must wait. Pure.

What is costly goes to the vault; its results come back as steps whose transaction is theirs alone. A connection proves
one thing at a time; who is gone by then proves nothing.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from broker import credentials
from broker.accounts import Account, Accounts
from broker.credentials import BadCredential, Costs, Verdict
from broker.log import Log, LogError, Spoilt
from broker.outbox import UNDONE, Outbox
from broker.people import Refusal
from broker.throttle import Throttle
from broker.vault import Worksite
from protocol import addresses, names, native
from protocol.ipc import Answered, ConnId, Do, worker_of
from protocol.settings import Settings

T = TypeVar("T")

WRONG: Final = "the account or the password is wrong; /register makes an account of a nick that is nobody's"
BUSY_S: Final = 2.0
_BROKEN: Final = "internal error; the server's log has more"


class Proving:
    """See the module."""

    def __init__(self, settings: Settings, log: Log, outbox: Outbox, accounts: Accounts, vault: Worksite) -> None:
        self.settings = settings
        self.throttle = Throttle()
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self._log = log
        self._out = outbox
        self._accounts = accounts
        self._vault = vault
        self._under_way: dict[ConnId, Do] = {}  # what the vault works on

    @property
    def costs(self) -> Costs:
        """How much work passwords are now."""
        settings = self.settings
        return Costs(settings.argon2_memory, settings.argon2_passes, settings.argon2_lanes, settings.scram_iterations)

    @property
    def now_s(self) -> float:
        return self.now / 1000

    def wait(self, key: str, addr: str) -> float | None:
        """Return how many seconds ``addr`` must wait before it may try the account ``key`` again; None: it may."""
        wait = self.throttle.wait(key, addr, self.now_s) if self.settings.limits else 0.0
        return round(wait, 1) or None

    def gone(self, conn: ConnId) -> None:
        """A connection is closed: what it wanted to prove matters to nobody."""
        self._under_way.pop(conn, None)

    def worker_lost(self, worker: int) -> None:
        """All connections of a worker are closed."""
        for conn in [conn for conn in self._under_way if worker_of(conn) == worker]:
            self.gone(conn)

    def prove_password(
        self, do: Do, name: str, password: str, then: Callable[[Account], None], wrong: str = WRONG, code: str = ""
    ) -> None:
        """Have a password compared, then ``then`` called with the account it is right for."""
        account = self._accounts.known(name)
        key = self.begin_try(name, do.addr)
        costs, kept, scram = self.costs, "", None
        if account is not None:
            kept, scram = account.password, account.scram

        def proven(verdict: Verdict) -> None:
            now = self._accounts.known(name)
            if not verdict.right or account is None or now is None or (now.uid, now.password) != (account.uid, kept):
                raise Refusal(code or "login-failed", wrong, wait=self.wait(key, do.addr))
            self.throttle.succeeded(key, do.addr)
            if verdict.renewed is not None:
                now = self._accounts.change(now, password=verdict.renewed.password, scram=verdict.renewed.scram)
            then(now)

        self.prove(do, key, lambda: credentials.verify(password, kept, scram, costs), proven)

    def is_under_way(self, do: Do) -> bool:
        """Tell whether the vault works on this very request: a worker that was linked anew asks again.

        Raises `Refusal` when it works on another of this connection, which no sound worker sends.
        """
        under_way = self._under_way.get(do.conn)
        if under_way is not None and under_way.rid != do.rid:
            raise Refusal("bad-request", "one thing after the other: the last is not answered yet")
        return under_way is not None

    def prove(self, do: Do, key: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Have something worked out, then ``then`` called with it, which may raise `Refusal`.

        ``key``: the account whose try has begun; empty: none has.
        """

        def done(result: T | None) -> None:
            if self._under_way.get(do.conn) is not do:
                return  # it is gone
            del self._under_way[do.conn]
            written = self._log.written
            try:
                if result is None:
                    raise Refusal("internal", _BROKEN)
                then(result)
            except Refusal as no:
                self._refuse(do, no)
            except names.BadName as no:
                self._refuse(do, Refusal("bad-nick", str(no)))
            except Spoilt as spoilt:
                self._refuse(do, Refusal("damaged", f"{spoilt}; an operator can mend it"))
            except LogError:
                self._refuse(do, Refusal("storage", UNDONE, wait=1.0))
                raise
            except Exception:  # else everything the connection asks waits for ever behind this
                self._refuse(do, Refusal("internal", _BROKEN))
                raise
            if self._log.written != written:
                self._out.bind_answer(do.conn, do.rid)

        self._under_way[do.conn] = do
        # Behind a proxy on this machine may be very many people.
        whose = "" if addresses.is_loopback(do.addr) else addresses.counted(do.addr)
        if not self._vault.submit(whose, work, done):
            del self._under_way[do.conn]
            if key:
                self.throttle.dropped(key, do.addr)
            text = "the server has too many logins to look at; try again in a few seconds"
            raise Refusal("login-throttled", text, wait=BUSY_S)

    def check_throttle(self, key: str, addr: str) -> None:
        """Raises `Refusal` when ``addr`` must wait before it may try the account ``key`` (folded; empty: any)."""
        wait = self.wait(key, addr)
        if wait is not None:
            raise Refusal("login-throttled", f"that was wrong too often; try again in {spoken(wait)}", wait=wait)

    def begin_try(self, name: str, addr: str) -> str:
        """Count a try of an account as failed until it succeeds; return its key. Raises `Refusal`."""
        key = fold(name)
        self.check_throttle(key, addr)
        self.throttle.begun(key, addr, self.now_s)
        return key

    def _refuse(self, do: Do, no: Refusal) -> None:
        self.answer(do, no.answer(do.request.id))

    def answer(self, do: Do, event: native.Event) -> None:
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, event))


def tried(work: Callable[[], T]) -> T | BadCredential:
    """Return what ``work`` returns or how the peer was wrong: for the vault, in which an error is one of ours."""
    try:
        return work()
    except BadCredential as error:
        return error


def fold(name: str) -> str:
    """Return the key of an account's name, whatever somebody gave as one."""
    return names.fold_nick(name)[: native.MAX_NAME]


def spoken(seconds: float) -> str:
    """Return a time as people say it."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(1.0, seconds):.0f} seconds"
