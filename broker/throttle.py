"""Who may try to log in, and how long others must wait: growing delays, in bounded memory. Pure; times are handed in.

Three things are counted: who tries an account from an address, which addresses try at all, and which accounts are
tried by anybody. The first two grow long. The last stays short, and does not count for an address from which the
account's owner has logged in before, so that no stranger keeps people from what is theirs.
"""

from dataclasses import dataclass
from typing import Final

from protocol import addresses

MAX_ENTRIES: Final = 20_000  # of each kind; the one that failed least lately goes for another
FORGET_S: Final = 3600.0  # without a failure


@dataclass(frozen=True, slots=True)
class Rule:
    """The first ``free`` failures cost nothing, the next ``first_s`` seconds, each one after it twice as much."""

    free: int
    first_s: float
    most_s: float

    def wait(self, failures: int) -> float:
        """Return how many seconds to wait after that many failures."""
        return 0.0 if failures < self.free else min(self.most_s, self.first_s * 2.0 ** min(failures - self.free, 40))


PAIR: Final = Rule(3, 1.0, 900.0)  # an account from an address
ADDRESS: Final = Rule(12, 1.0, 300.0)
ACCOUNT: Final = Rule(30, 1.0, 5.0)
REGISTER: Final = Rule(4, 60.0, 3600.0)  # accounts made from an address


@dataclass(slots=True)
class _Entry:
    failures: int
    last: float  # when, seconds


class _Ledger:
    """Failures by key."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._entries: dict[str, _Entry] = {}  # the one that failed last comes last

    def wait(self, key: str, now: float) -> float:
        entry = self._entries.get(key)
        if entry is None:
            return 0.0
        entry.last = min(entry.last, now)  # a clock that was set back must lock nobody out
        if now - entry.last > FORGET_S:
            del self._entries[key]
            return 0.0
        return max(0.0, entry.last + self._rule.wait(entry.failures) - now)

    def fail(self, key: str, now: float) -> None:
        entry = self._entries.pop(key, None) or _Entry(0, now)
        entry.failures += 1
        entry.last = now
        self._entries[key] = entry
        while len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]

    def take_back(self, key: str) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.failures -= 1
            if entry.failures <= 0:
                del self._entries[key]

    def clear(self, key: str) -> None:
        self._entries.pop(key, None)


class Throttle:
    """See the module. `now` is seconds of any clock that seldom jumps."""

    def __init__(self) -> None:
        self._pairs, self._addresses, self._accounts = _Ledger(PAIR), _Ledger(ADDRESS), _Ledger(ACCOUNT)
        self._registered = _Ledger(REGISTER)
        self._proven: dict[str, None] = {}  # pairs that succeeded, the last one last

    def wait(self, account: str, addr: str, now: float) -> float:
        """Return how many seconds ``addr`` must wait before it may try ``account``; 0: it may.

        ``account``: folded; empty: it names none, for it brings a token or a certificate.
        """
        pair = _pair(account, addr)
        waits = [self._pairs.wait(pair, now)] if account else [0.0]
        if not addresses.is_loopback(addr):
            waits.append(self._addresses.wait(addresses.counted(addr), now))
        if account and pair not in self._proven:
            waits.append(self._accounts.wait(account, now))
        return max(waits)

    def begun(self, account: str, addr: str, now: float) -> None:
        """Somebody tries. It counts as failed until `succeeded`, so that many tries at once are many."""
        self._addresses.fail(addresses.counted(addr), now)
        if account:
            self._pairs.fail(_pair(account, addr), now)
            self._accounts.fail(account, now)

    def succeeded(self, account: str, addr: str) -> None:
        """A try that had begun was the owner's."""
        pair = _pair(account, addr)
        self._pairs.clear(pair)
        self._addresses.take_back(addresses.counted(addr))
        self._accounts.take_back(account)
        self._proven.pop(pair, None)
        self._proven[pair] = None
        if len(self._proven) > MAX_ENTRIES:
            del self._proven[next(iter(self._proven))]

    def dropped(self, account: str, addr: str) -> None:
        """A try that had begun was not carried out."""
        self._pairs.take_back(_pair(account, addr))
        self._addresses.take_back(addresses.counted(addr))
        self._accounts.take_back(account)

    def register_wait(self, addr: str, now: float) -> float:
        """Return how many seconds ``addr`` must wait before it may make another account."""
        return 0.0 if addresses.is_loopback(addr) else self._registered.wait(addresses.counted(addr), now)

    def registering(self, addr: str, now: float) -> None:
        """An account is made from ``addr``. It counts until `unregistered`: who goes meanwhile had the work done."""
        self._registered.fail(addresses.counted(addr), now)

    def unregistered(self, addr: str) -> None:
        """The account could not be made after all."""
        self._registered.take_back(addresses.counted(addr))


def _pair(account: str, addr: str) -> str:
    return f"{addresses.counted(addr)} {account}"
