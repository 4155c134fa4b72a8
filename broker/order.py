"""Whose messages are refused because an earlier one of the same connection could not be stored: `protocol.holds`.

Workers keep the same order of what they know to be refused. Only the broker can refuse what was on its way to it when
it refused; and only they can when they refused something themselves, or when the broker that refused is gone. Knows the
requests of the transaction under way; decides nothing about what is stored.
"""

from collections.abc import Callable, Collection

from protocol import native
from protocol.holds import SAID, Hold
from protocol.ipc import ConnId, Do


class Order:
    """See the module. Times are monotonic seconds."""

    def __init__(self, may_retry: Callable[[ConnId], bool]) -> None:
        """``may_retry`` tells those who can say a message again from those who cannot, and are never held up."""
        self._may_retry = may_retry
        self._holds: dict[ConnId, Hold] = {}
        self._said: list[Do] = []  # since the last commit, oldest first

    def refusal(self, do: Do, now: Callable[[], float]) -> native.Error | None:
        """Return the answer to ``do`` if it must wait for an earlier message of its connection; else note it."""
        if type(do.request) not in SAID:
            return None
        if self._holds and (hold := self._holds.get(do.conn)) is not None:
            if not hold.ends(do.request, at := now()):
                return hold.refusal(do.request, at)
            del self._holds[do.conn]
        self._said.append(do)
        return None

    def committed(self) -> None:
        """What was said is stored, or was refused."""
        self._said.clear()

    def unstored(self, refused: Collection[tuple[ConnId, int]], error: native.Error, now: float) -> None:
        """Those of ``refused`` (connections and request numbers) that said something were answered with ``error``."""
        self._holds = {conn: hold for conn, hold in self._holds.items() if now < hold.until}
        for do in self._said:
            cmid: str = getattr(do.request, "cmid", "")
            if (do.conn, do.rid) in refused and self._may_retry(do.conn):
                hold = self._holds.get(do.conn)
                if hold is None or not hold.precedes(cmid, now):
                    self._holds[do.conn] = Hold(cmid, error, now)
