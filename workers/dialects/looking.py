"""`/react` and `/redact` where nothing is kept of what was said: the last messages are asked for, then it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol import commands, names, native
from protocol.commands import Local, Problem
from protocol.native import Msg, Request
from protocol.room_commands import MAX_BACK, about

MAX_LOOKED: Final = MAX_BACK * 4  # messages among which the last ones that were said are looked for


@dataclass(frozen=True, slots=True)
class Looking:
    """What is to be done about one of the last messages, once they are known."""

    local: Local
    ctx: commands.Context

    def request(self) -> native.History:
        """Return what asks for them."""
        room = self.ctx.room or ""
        return native.History(room=room if room.startswith("#") else native.INBOX, limit=MAX_LOOKED)

    def found(self, page: native.HistoryPage, new_cmid: Callable[[], str]) -> list[Request] | Problem:
        """Return what does it, now that they are known."""
        recent = [msg for msg in page.messages if self._sees(msg)]
        found = about(self.local, self.ctx, recent, new_cmid)
        assert not isinstance(found, Local)
        return found

    def _sees(self, msg: Msg) -> bool:
        """Whether it is one of the conversation that was turned to."""
        room = self.ctx.room or ""
        return room.startswith("#") or names.fold_nick(room[1:]) in map(names.fold_nick, (msg.nick, msg.to or ""))
