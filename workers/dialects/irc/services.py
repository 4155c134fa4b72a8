"""NickServ and ChanServ: what people of other networks know them for, said to what is built in here. A table.

They are nobody: what is said to them becomes a request, and never a message. So a password in it is kept, logged and
shown to nobody; nor does it come back as an echo.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from workers.dialects.irc.chanserv import CHANSERV
from workers.dialects.irc.nickserv import NICKSERV
from workers.dialects.irc.service import Service, hear

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

SERVICES: Final[dict[str, Service]] = {found.nick.lower(): found for found in (CHANSERV, NICKSERV)}


def service(nick: str) -> Service | None:
    """Return the service that is called ``nick``, maybe with a server behind it (`NickServ@services`)."""
    return SERVICES.get(nick.partition("@")[0].lower())


def command(to: Service) -> Callable[["Irc", "Turn", tuple[str, ...]], None]:
    """Return what handles a command that is short for a message to a service: NS, CHANSERV."""
    return lambda irc, turn, params: hear(irc, turn, to, " ".join(params))
