"""KICK, INVITE, RENAME: what is done to people and channels (Modern IRC; IRCv3 draft/channel-rename)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from protocol import moderation, names, native
from protocol.moderation import Retitled
from protocol.native import Event
from protocol.text import clean
from workers.dialects.irc import channels, events
from workers.dialects.irc.lines import body
from workers.dialects.irc.mapping import room
from workers.dialects.irc.text import plain

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

MAX_KICKS: Final = 4  # of one KICK
MAX_INVITATIONS: Final = 50  # that are remembered for INVITE without parameters; the oldest is forgotten
Then = Callable[[native.Error], None]


def _remark(params: tuple[str, ...], index: int) -> str:
    """Return a reason, which may be left out."""
    text = params[index] if len(params) > index else ""
    return clean(plain(text), newlines=False)[: native.MAX_REMARK]


def refused(irc: "Irc", turn: "Turn", target: str, name: str, error: native.Error) -> None:
    """Say why one may not, or that one is not there."""
    if error.code == "not-in-room" or (error.code == "not-allowed" and name not in irc.rooms):
        channels.not_in(irc, turn, target, name)
    elif error.code in ("no-such-room", "bad-room"):
        irc.reply(turn, "403", target)
    else:
        irc.say(turn, "482", irc.me, name, error.text)


# --- KICK


def kick(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    targets, nicks = ([word for word in listed.split(",") if word] for listed in params[:2])
    if len(targets) == 1:
        targets *= len(nicks)
    if not nicks or len(targets) != len(nicks):
        irc.reply(turn, "461", turn.command)
        return
    reason = _remark(params, 2)
    for target, nick in list(zip(targets, nicks, strict=True))[:MAX_KICKS]:
        _kick(irc, turn, target, nick, reason)
    if len(nicks) > MAX_KICKS:
        irc.reply(turn, "407", nicks[MAX_KICKS])


def _kick(irc: "Irc", turn: "Turn", target: str, nick: str, reason: str) -> None:
    try:
        name = room(target)
    except names.BadName:
        irc.reply(turn, "403", target)
        return

    def answered(event: Event) -> None:
        irc.tell_deeds(turn)
        if not isinstance(event, native.Error):
            return
        if event.code in ("no-such-nick", "bad-nick"):
            irc.reply(turn, "401", nick)
        elif event.code == "not-in-room" and name in irc.rooms:
            irc.reply(turn, "441", nick, name)
        else:
            refused(irc, turn, target, name, event)

    irc.ask(turn, moderation.Kick(nick=nick, room=name, reason=reason), answered)


# --- INVITE


def invite(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if not params:
        for name in irc.invitations:
            irc.reply(turn, "336", name)
        irc.reply(turn, "337")
        return
    if len(params) < 2 or not params[0]:
        irc.reply(turn, "461", turn.command)
        return
    nick, target = params[:2]
    try:
        name = room(target)
    except names.BadName:
        irc.reply(turn, "403", target)
        return

    def answered(event: Event) -> None:
        if not isinstance(event, native.Error):
            irc.reply(turn, "341", nick, name)
            irc.ask(turn, native.Whois(nick=nick), lambda found: _tell_away(irc, turn, found))
        elif event.code in ("no-such-nick", "bad-nick"):
            irc.reply(turn, "401", nick)
        elif event.code == "already-there":
            irc.reply(turn, "443", nick, name)
        else:
            refused(irc, turn, target, name, event)

    irc.ask(turn, moderation.Invite(nick=nick, room=name), answered)


def _tell_away(irc: "Irc", turn: "Turn", event: Event) -> None:
    if isinstance(event, native.Profile) and event.away is not None:
        irc.reply(turn, "301", event.nick, event.away)


def invited(irc: "Irc", turn: "Turn", event: moderation.Invited) -> None:
    """One is asked into a channel."""
    irc.invitations.pop(event.room, None)
    irc.invitations[event.room] = None
    if len(irc.invitations) > MAX_INVITATIONS:
        del irc.invitations[next(iter(irc.invitations))]
    invite = body(irc.host.mask(event.by, event.by_account), "INVITE", irc.nick, event.room)
    turn.lines += events.of_somebody([("", invite)], event.by_account, irc.flags)


# --- RENAME


def rename(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    old, new = params[:2]
    try:
        name = room(old)
    except names.BadName:
        irc.reply(turn, "403", old)
        return
    try:
        wanted = room(new)
    except names.BadName as no:
        irc.fail(turn, "CANNOT_RENAME", old, new or "*", str(no))
        return
    if wanted == name:  # only its case is another, and that is not kept
        if name in irc.rooms:
            irc.fail(turn, "CANNOT_RENAME", old, new, "it has this name; names of channels are in lower case here")
        else:
            channels.not_in(irc, turn, old, name)
        return

    def answered(event: Event) -> None:
        if not isinstance(event, native.Error):
            return  # all who are there are told, and so is this client
        if event.code == "room-exists":
            irc.fail(turn, "CHANNEL_NAME_IN_USE", old, new, event.text)
        elif event.code in ("not-allowed", "not-in-room", "no-such-room"):
            refused(irc, turn, old, name, event)
        else:
            irc.fail(turn, "CANNOT_RENAME", old, new, event.text)

    irc.ask(turn, moderation.Retitle(room=name, name=wanted, reason=_remark(params, 2)), answered)


def renamed(irc: "Irc", turn: "Turn", event: Retitled) -> None:
    """A channel one is in has another name from here on.

    ``turn`` is told at once what the name is, for what is said there may come next; the rest takes a question.
    """
    irc.move(event.room, event.name)
    source = irc.host.mask(event.by, event.by_account) if event.by else irc.host.name
    if "draft/channel-rename" in irc.caps:
        told = body(source, "RENAME", event.room, event.name, event.reason)
        turn.lines += events.of_somebody([("", told)], event.by_account, irc.flags)
        return
    reason = event.reason or f"is called {event.name} now"
    turn.lines += [("", body(irc.mask, "PART", event.room, reason)), channels.join_line(irc, event.name)]
    asked, later = (
        native.Join(room=event.name, after=irc.rooms.get(event.name), epoch=irc.epoch, again=True),
        irc.new_turn("*"),
    )
    irc.ask(later, asked, lambda found: channels.came_in(irc, later, found))
