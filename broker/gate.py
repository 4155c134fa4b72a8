"""All that has to do with accounts, put together: what can be asked, and who has proven what. Pure."""

from collections.abc import Callable

from broker.accounts import Account, Accounts
from broker.log import Log
from broker.logins import Logins
from broker.outbox import Outbox
from broker.people import Device, People
from broker.proving import Proving
from broker.registrar import Registrar
from broker.seating import Seating
from broker.tickets import Tickets
from broker.vault import Worksite
from protocol import accounts as requests
from protocol.ipc import ConnId, Do
from protocol.settings import Settings


class Gate:
    """See the module."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        accounts: Accounts,
        outbox: Outbox,
        people: People,
        seating: Seating,
        vault: Worksite,
        entropy: Callable[[int], bytes],
    ) -> None:
        """``entropy(n)`` returns that many random bytes."""
        self.accounts = accounts
        self.tickets = Tickets(log, self.accounts, entropy)
        self.proving = Proving(settings, log, outbox, self.accounts, vault)
        self.logins = Logins(self.proving, self.accounts, self.tickets, outbox, people, seating, entropy)
        self.registrar = registrar = Registrar(
            self.proving, self.accounts, self.tickets, self.logins, log, outbox, people, seating, entropy
        )
        self.handlers: dict[type, Callable[[Device, Do], None]] = {
            requests.Sasl: lambda _device, do: self.logins.sasl(do),
            requests.Register: lambda _device, do: registrar.register(do),
            requests.Password: registrar.password,
            requests.Logout: registrar.logout,
            requests.Key: registrar.key,
            requests.Account: registrar.account,
            requests.Drop: registrar.drop_mine,
        }
        self.unintroduced: dict[type, Callable[[Do], None]] = {
            requests.Sasl: self.logins.sasl,
            requests.Register: registrar.register,
        }
        """What can be asked before `hello`."""

    def holder(self, conn: ConnId, ticket: str) -> Account | None:
        """Return the account that ``conn`` has proven to be of, by its ticket; None: a guest."""
        return self.tickets.holder(conn, ticket)

    def gone(self, conn: ConnId) -> None:
        """A connection is closed."""
        self.logins.gone(conn)
        self.proving.gone(conn)

    def worker_lost(self, worker: int) -> None:
        """All connections of a worker are closed."""
        self.logins.worker_lost(worker)
        self.proving.worker_lost(worker)
