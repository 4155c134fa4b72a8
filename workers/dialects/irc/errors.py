"""The broker's errors as numerics. What a command expects it answers by itself; the others are told here. Pure."""

from typing import TYPE_CHECKING, Final

from protocol import accounts, metadata, moderation, native
from protocol.native import Request

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

NAMES: Final = frozenset({"no-such-nick", "bad-nick", "nick-taken", "nick-reserved", "bad-room", "not-in-room"})
UNHEARD: Final = frozenset({"muted", "banned", "accounts-only", "slow", "filtered", "not-allowed", "too-many"})
"""Of what one says: others may not hear it."""
UNKEPT: Final = frozenset(
    {"no-such-message", "too-long", "bad-request"}
)  # of a reaction, which is passed on all the same
FORBIDDEN: Final = frozenset({"not-allowed", "not-supported"})  # of taking a message back
_TAKING_BACK: Final = FORBIDDEN | {"no-such-message", "not-in-room", "bad-room", "no-such-room"}
EMPTY: Final = "bad-request"  # nothing is left of a text
KEPT_OUT: Final = frozenset({"accounts-only", "bad-key", "banned", "invite-only", "room-full", "throttled"})
"""Of a room."""
GENERAL: Final = frozenset({"flood", "not-supported", "storage", "too-long"})  # of any request; no numeric of a command


def expected(error: native.Error, request: Request) -> bool:
    """Whether the command that asked has numerics of its own for it."""
    if isinstance(request, native.Hello | accounts.Request | metadata.Request):
        return True
    if isinstance(request, moderation.Announce) or (isinstance(request, moderation.Kick) and request.room is None):
        return True
    if isinstance(request, moderation.Request):
        return error.code not in GENERAL
    if error.code in KEPT_OUT and isinstance(request, native.Join):
        return True
    if error.code == "not-allowed" and isinstance(request, native.Topic):
        return True
    if isinstance(request, native.Redact):
        return error.code in _TAKING_BACK
    if isinstance(request, native.Send) and request.kind == "react" and error.code in UNKEPT:
        return True
    if isinstance(request, native.Send | native.Fun | native.Tag | native.Typing) and error.code in UNHEARD:
        return True
    return error.code in NAMES or (error.code == EMPTY and isinstance(request, native.Send))


def unexpected(irc: "Irc", turn: "Turn", request: Request, error: native.Error) -> None:
    """Say why it was not done, and what to do."""
    if turn.command == "NOTICE":  # never an error, which a program might answer; and yet never lost in silence
        irc.say(turn, "NOTICE", irc.me, f"not said: {error.text}")
    elif error.code == "flood":
        about = f"{request.room}: " if isinstance(request, native.Join) else ""  # one of many, maybe
        irc.reply(turn, "263", turn.command, about + error.text)
    elif error.code == "too-many-rooms" and isinstance(request, native.Join):
        irc.say(turn, "405", irc.me, request.room, error.text)
    elif "standard-replies" in irc.caps:
        irc.fail(turn, error.code.upper().replace("-", "_"), error.text)
    else:
        irc.reply(turn, "400", turn.command, error.text)
