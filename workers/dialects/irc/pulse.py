"""PING to a client that has been silent, and its end when it does not answer. Its connection wakes it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workers.dialects import Item, Wake
from workers.dialects.irc.lines import body, encode

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc


class Pulse:
    """See the module. A connection that is not read from, or does not read, is not woken: its silence means nothing."""

    __slots__ = ("_asked", "_irc", "heard")

    def __init__(self, irc: "Irc") -> None:
        self._irc = irc
        self._asked = False  # a PING is out
        self.heard = False  # anything, since the last wake

    def begin(self) -> None:
        """The client is in."""
        self.heard = False
        if self._irc.settings.irc_ping:
            self._irc.also(Wake(self._irc.settings.irc_ping, self._wake))

    def _wake(self) -> Sequence[Item]:
        irc, settings = self._irc, self._irc.settings
        if self.heard:
            self.heard = self._asked = False
            return [Wake(settings.irc_ping, self._wake)]
        if self._asked:
            irc.leave(f"Ping timeout: {settings.irc_ping_timeout:g} seconds")
            return irc.follow_up()
        self._asked = True
        ping = encode(body(irc.host.name, "PING", irc.host.name))
        return [ping, Wake(settings.irc_ping_timeout, self._wake)]
