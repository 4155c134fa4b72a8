"""The flood limit: a token bucket for each connection, and what each kind of request costs. Knows no clock."""

from typing import Final

from protocol import moderation, native
from protocol.metadata import MetaGet

# Reading costs the sender little and others nothing; a client that catches up asks for many pages. The lists of all
# people and of all rooms are made anew each time and cost a line like everything else.
_READING_COST: Final = 0.1
_ROOM_COST: Final = 0.25  # of what all the members of a room are looked through for; it takes milliseconds at most
_COSTS: Final[dict[type, float]] = {
    native.Ping: _READING_COST,
    native.Whois: _READING_COST,
    native.History: _READING_COST,
    moderation.Policy: _READING_COST,
    native.Typing: 0.3,  # clients say it every 3 seconds
    native.Quit: 0.0,
    MetaGet: _ROOM_COST,
}
_FREE_HELLOS: Final = 2  # the first nick may be taken


def cost(request: native.Request, hellos: int = 0, *, first: bool = False) -> float:
    """Return what ``request`` costs, in lines, after so many ``hellos`` on its connection.

    ``first``: it enters a room that the connection was never in. Clients enter all their rooms at once when they come.
    """
    if type(request) is native.Hello and hellos < _FREE_HELLOS:
        return 0.0
    if first or (isinstance(request, native.Who) and request.room is not None):
        return _ROOM_COST
    return _COSTS.get(type(request), 1.0)


class Bucket:
    """A burst of lines at once, then some a second. Times are monotonic seconds."""

    __slots__ = ("_burst", "_level", "_rate", "_since")

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self._burst = float(burst)
        self._rate = rate  # lines/s
        self._level = float(burst)  # lines that may be sent at once
        self._since = now

    def wait(self, cost: float, now: float) -> float:
        """Return the seconds until ``cost`` lines may be sent; 0: now."""
        level = min(self._burst, self._level + (now - self._since) * self._rate)
        return max(0.0, (cost - level) / self._rate)

    def take(self, cost: float, now: float) -> None:
        """Spend ``cost`` lines."""
        self._level = min(self._burst, self._level + (now - self._since) * self._rate) - cost
        self._since = now
