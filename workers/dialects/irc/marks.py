"""MARKREAD: how far one has read a channel, or what somebody said to one (IRCv3 draft/read-marker).

moot knows how far by seq, IRC by time: the mark is the last message that is not later.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.accounts import Read, ReadUpto
from protocol.native import Event
from workers.dialects.irc import speech
from workers.dialects.irc.mapping import is_channel, room

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

CAP: Final = "draft/read-marker"
_UNKNOWN: Final = "*"


def markread(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if CAP not in irc.caps:
        irc.reply(turn, "421", turn.command)
        return
    if not params or not params[0]:
        irc.fail(turn, "NEED_MORE_PARAMS", "Missing parameters")
        return
    target = params[0]
    try:
        place = room(target) if is_channel(target) else f"@{names.nick(target)}"
    except names.BadName:
        irc.fail(turn, "INVALID_PARAMS", target, "Invalid parameters: that is no channel and no nick")
        return
    time = None
    if len(params) > 1:
        kind, _, value = params[1].partition("=")
        time = speech.milliseconds(value) if kind == "timestamp" else None
        if time is None:
            text = "Invalid parameters: expected timestamp=YYYY-MM-DDThh:mm:ss.sssZ"
            irc.fail(turn, "INVALID_PARAMS", params[1] or "*", text)
            return

    def answered(event: Event) -> None:
        if isinstance(event, ReadUpto):
            _tell(irc, turn, target, event.time)
        else:
            _fail(irc, turn, target, event)

    irc.ask(turn, Read(room=place, time=time), answered)


def _fail(irc: "Irc", turn: "Turn", target: str, event: Event) -> None:
    if isinstance(event, native.Error) and event.code in ("not-in-room", "bad-room"):
        irc.fail(turn, "INVALID_PARAMS", target, "Invalid parameters: you are not in that channel")
    else:
        irc.fail(turn, "INTERNAL_ERROR", target, "The read timestamp could not be set")


def _tell(irc: "Irc", turn: "Turn", target: str, time: int) -> None:
    irc.say(turn, "MARKREAD", target, f"timestamp={speech.timestamp(time)}" if time else _UNKNOWN)


def told(irc: "Irc", turn: "Turn", event: ReadUpto) -> None:
    """Another device of the same person has read on."""
    if CAP in irc.caps and event.room != native.INBOX:
        _tell(irc, turn, event.room.removeprefix("@"), event.time)


def joined(irc: "Irc", turn: "Turn", entered: native.Room, then: Callable[[], None]) -> None:
    """Tell of a channel that was entered: "The command MUST be sent before the RPL_ENDOFNAMES reply"."""
    if CAP not in irc.caps:
        then()
        return

    def answered(event: Event) -> None:
        _tell(irc, turn, entered.room, event.time if isinstance(event, ReadUpto) else 0)
        then()

    times = [msg.time for msg in entered.messages if msg.seq == entered.read]
    if not entered.read or times:
        _tell(irc, turn, entered.room, times[0] if times else 0)
        then()
    else:
        irc.ask(turn, Read(room=entered.room), answered)
