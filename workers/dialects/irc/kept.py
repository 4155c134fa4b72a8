"""What of the log is a message to an IRC client, and of which conversation. Pure."""

from typing import TYPE_CHECKING, Final

from protocol.native import Msg
from workers.dialects.irc.caps import EVENT_PLAYBACK
from workers.dialects.irc.mapping import same_nick

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc

_EVENTS: Final = {"topic": "", "react": "m", "redact": "r"}  # kinds that are no messages here -> the letter they take


def is_shown(irc: "Irc", msg: Msg) -> bool:
    """Whether a message is one to this client: without draft/event-playback "the server MUST NOT send any lines other
    than PRIVMSG and NOTICE".
    """
    if msg.redacted or (msg.kind in _EVENTS and EVENT_PLAYBACK not in irc.caps):
        return False
    return _EVENTS.get(msg.kind, "") in irc.flags


def partner(irc: "Irc", msg: Msg) -> str | None:
    """Return with whom a message of the inbox was exchanged; None: with some of a channel."""
    if msg.audience is not None:
        return None
    return msg.to if msg.own or same_nick(msg.nick, irc.nick) else msg.nick
