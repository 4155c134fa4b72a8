"""Keep the order of what one connection says when a message of it is refused for the moment.

A client may have sent more before it hears of a refusal. Were that carried out, the refused message, sent again, would
come behind it. So what is said after it is refused too, until it comes again: by then, for connections keep the order
of bytes, all that was under way has been refused, however long the network stood still. If instead something comes
again that was refused behind it, its sender has heard of both refusals and given it up. Pure.
"""

from typing import Final

import msgspec

from protocol import native

SAID: Final = frozenset(
    {native.Send, native.Fun, native.Topic, native.Redact}
)  # requests that have a cmid, and an order
GIVEN_UP_S: Final = 60.0  # so long after it may come again, who says nothing again has given it up as well
NOTED: Final = 64  # of those refused behind it; more than a client may have under way
AGAIN_S: Final = 1.0  # what those are told to wait who come when it might have come


class Hold:
    """One connection's. Times are monotonic seconds."""

    __slots__ = ("_again", "_behind", "_error", "after", "cmid", "until")

    def __init__(self, cmid: str, error: native.Error, now: float, after: float = 0.0) -> None:
        """``error`` refused ``cmid``, and says when to try again.

        ``after``: its place among what is said, for those who do not learn of refusals in order.
        """
        self.cmid = cmid
        self.after = after
        self._error = error
        self._again = now + (error.wait or 0.0)
        self._behind: set[str] = set()  # cmids refused behind it
        self.until = self._again + GIVEN_UP_S

    def ends(self, request: native.Request, now: float) -> bool:
        """Whether ``request`` is what was waited for, or that does not come."""
        cmid = getattr(request, "cmid", None)
        return now >= self.until or cmid == self.cmid or cmid in self._behind

    def precedes(self, cmid: str, now: float, after: float = 0.0) -> bool:
        """Whether it stays when ``cmid``, at the place ``after``, is refused as well: the first one counts."""
        if cmid == self.cmid or self.after > after or now >= self.until:
            return False
        self._note(cmid)
        return True

    def refusal(self, request: native.Request, now: float) -> native.Error:
        """Return the answer to ``request``: the same as that to the first, with the rest of its wait."""
        self._note(getattr(request, "cmid", ""))
        wait = max(0.1, round(self._again - now, 1)) if now < self._again else AGAIN_S
        return msgspec.structs.replace(self._error, id=request.id, wait=wait)

    def _note(self, cmid: str) -> None:
        if len(self._behind) < NOTED:
            self._behind.add(cmid)
