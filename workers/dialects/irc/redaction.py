"""REDACT: taking a message back (IRCv3 draft/message-redaction)."""

import re
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.native import Event
from workers.dialects.irc.errors import FORBIDDEN
from workers.dialects.irc.mapping import is_channel, room
from workers.dialects.irc.text import plain

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

CAP: Final = "draft/message-redaction"
_MSGID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def redact(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if CAP not in irc.caps:
        irc.reply(turn, "421", turn.command)
        return
    target, msgid = params[:2]
    reason = plain(params[2])[: native.MAX_REMARK] if len(params) > 2 else ""
    try:
        place = room(target) if is_channel(target) else native.INBOX
    except names.BadName:
        irc.fail(turn, "INVALID_TARGET", target, f"You cannot delete messages from {target}")
        return
    if not _MSGID.fullmatch(msgid):
        _tell_unknown(irc, turn, target, msgid)
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.awaits_echo(turn, event, wanted="echo-message" in irc.caps)
        elif isinstance(event, native.Error) and event.code == "no-such-message":
            _tell_unknown(irc, turn, target, msgid)
        elif isinstance(event, native.Error) and event.code in FORBIDDEN:
            irc.fail(turn, "REDACT_FORBIDDEN", target, msgid, event.text)
        else:
            irc.fail(turn, "INVALID_TARGET", target, f"You cannot delete messages from {target}")

    irc.ask(turn, native.Redact(cmid=irc.new_cmid(), room=place, seq=msgid, reason=reason), answered)


def _tell_unknown(irc: "Irc", turn: "Turn", target: str, msgid: str) -> None:
    irc.fail(turn, "UNKNOWN_MSGID", target, msgid or "*", "This message does not exist or is too old")
