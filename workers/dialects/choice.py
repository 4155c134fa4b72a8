"""Makes the dialect of a connection, once `workers.sniff` has told what it speaks.

Owns what dialects share and what they are given from outside: ids, times, the lobby as the classic protocol has it.
"""

import contextlib
import secrets
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from protocol import names
from protocol.settings import Settings
from workers.dialects import UNKNOWN, Dialect, Peer
from workers.dialects.irc import Irc
from workers.dialects.native import Native
from workers.dialects.plain import Plain
from workers.sniff import Speech

if TYPE_CHECKING:
    from workers.dialects.classic_lobby import Lobby


class Choice:
    """See the module. ``settings`` may be replaced; a dialect keeps those that it was made with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._started = time.monotonic()
        self._lobbies: dict[str, Lobby] = {}  # as those on the classic protocol hear them; more after a reload

    def of(self, speech: Speech, peer: Peer = UNKNOWN) -> Dialect:
        """Return a dialect for one connection."""
        match speech:
            case Speech.NATIVE:
                return Native(self.settings.max_line)
            case Speech.HTTP:
                from workers.dialects.http import Http  # what it needs takes 30 ms of CPU to import

                return Http(self.settings, lambda: formatdate(usegmt=True), lambda inner: self.of(inner, peer))
            case Speech.CLASSIC:
                return self._classic()
            case Speech.IRC:
                return Irc(self.settings, _new_cmid, peer, self._uptime)
            case Speech.PLAIN | Speech.TLS:  # no TLS in TLS
                return Plain(self.settings, time.localtime().tm_gmtoff, _new_cmid)

    def _uptime(self) -> int:
        return int(time.monotonic() - self._started)  # seconds; of this process, which is renewed with the server

    def _classic(self) -> Dialect:
        from workers.dialects.classic import Classic  # few need it, and every start would wait for it
        from workers.dialects.classic_lobby import Lobby

        room = self.settings.lobby
        with contextlib.suppress(names.BadName):  # else nobody can enter it, and each is told so
            room = names.room(room)
        if room not in self._lobbies:
            self._lobbies[room] = Lobby(room, lambda: time.time_ns() // 1_000_000)
        return Classic(self.settings, self._lobbies[room], _new_cmid)


def _new_cmid() -> str:
    return secrets.token_urlsafe(16)
