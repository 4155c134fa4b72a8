"""Keep the order of what one connection says when a message of it is refused for the moment.

A client may have sent more before it hears of a refusal. Were that carried out, the refused message, sent again, would
come behind it. So what is said after it is refused too, until it comes again: by then, for connections keep the order
of bytes, all that was under way has been refused. Should it never come again, the hold ends by itself. Pure.
"""

from typing import Final

import msgspec

from protocol import native

SAID: Final = frozenset({native.Send, native.Fun, native.Topic})  # requests that have a cmid, and an order
UNDER_WAY_S: Final = 5.0  # so long after it may come again, nothing of what was sent before is under way any more


class Hold:
    """One connection's. Times are monotonic seconds."""

    __slots__ = ("_again", "_error", "after", "cmid", "until")

    def __init__(self, cmid: str, error: native.Error, now: float, after: float = 0.0) -> None:
        """``error`` refused ``cmid``, and says when to try again.

        ``after``: its place among what is said, for those who do not learn of refusals in order.
        """
        self.cmid = cmid
        self.after = after
        self._error = error
        self._again = now + (error.wait or 0.0)
        self.until = self._again + UNDER_WAY_S

    def ends(self, request: native.Request, now: float) -> bool:
        """Whether ``request`` is what was waited for, or that has been waited for long enough."""
        return now >= self.until or getattr(request, "cmid", None) == self.cmid

    def precedes(self, cmid: str, now: float, after: float = 0.0) -> bool:
        """Whether it stays when ``cmid``, at the place ``after``, is refused as well: the first one counts."""
        return cmid != self.cmid and self.after <= after and now < self.until

    def refusal(self, request: native.Request, now: float) -> native.Error:
        """Return the answer to ``request``: the same as that to the first, with the rest of its wait."""
        wait = self._again - now if now < self._again else self.until - now
        return msgspec.structs.replace(self._error, id=request.id, wait=max(0.1, round(wait, 1)))
