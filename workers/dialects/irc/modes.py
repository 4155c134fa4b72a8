"""Modes, as far as there are any before roles come: what a channel and a user have, and why nobody may change it."""

from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.native import Event
from workers.dialects.irc import presence
from workers.dialects.irc.mapping import is_channel, room

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

ROLE_MODES: Final = "qaohv"
LIST_MODES: Final = "b"
CHANNEL_MODES: Final = "bn"
CHANMODES: Final = "b,,,n"
FIXED: Final = "+n"  # who is not in a room cannot speak there


def mode(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    target, changes = params[0], params[1:]
    if is_channel(target):
        _channel_mode(irc, turn, target, changes)
    else:
        presence.mode(irc, turn, target, changes)


def _channel_mode(irc: "Irc", turn: "Turn", target: str, changes: tuple[str, ...]) -> None:
    try:
        name = room(target)
    except names.BadName:
        irc.reply(turn, "403", target)
        return
    if name in irc.rooms:
        _tell_channel_mode(irc, turn, target, changes)
        return

    def answered(event: Event) -> None:
        if is_there(event, name):
            _tell_channel_mode(irc, turn, target, changes)
        else:
            irc.reply(turn, "403", target)

    irc.ask(turn, native.Rooms(), answered)


def is_there(event: Event, name: str) -> bool:
    """Whether the list of rooms has one of that name, or is too long to tell."""
    if not isinstance(event, native.RoomList):
        return False
    return event.count > len(event.rooms) or any(line.room == name for line in event.rooms)


def _tell_channel_mode(irc: "Irc", turn: "Turn", target: str, changes: tuple[str, ...]) -> None:
    if not changes or not changes[0]:
        irc.reply(turn, "324", target, FIXED)
        return
    letters = [letter for letter in changes[0] if letter not in "+-"]
    if letters == ["b"] and len(changes) == 1:
        irc.reply(turn, "368", target)
        return
    unknown = [letter for letter in letters if letter not in CHANNEL_MODES + ROLE_MODES]
    for letter in dict.fromkeys(unknown):
        irc.reply(turn, "472", letter)
    if len(unknown) < len(letters):
        irc.reply(turn, "482", target)
