"""ChanServ: rooms that are somebody's, and their order, in the words that IRC has had for them for twenty years.

All of it can be had without: MODE, KICK and INVITE do the same, and who was given a role keeps it. So AKICK is a ban,
and ACCESS the list of roles.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from protocol import durations, moderation, names, native
from protocol.moderation import Change, Entry, Role
from protocol.native import Event
from workers.dialects.irc import mapping
from workers.dialects.irc.mapping import Guests, Step
from workers.dialects.irc.service import Asked, Handler, Order, Service


def _room(asked: Asked, typed: str) -> str | None:
    """Return the room that is meant; None: there can be none, and that was said."""
    try:
        return mapping.room(typed)
    except names.BadName as no:
        asked.say(str(no))
        return None


def _do(asked: Asked, request: native.Request, done: str) -> None:
    """Ask for something and say whether it was done."""

    def answered(event: Event) -> None:
        asked.irc.tell_deeds(asked.turn)
        asked.say(event.text if isinstance(event, native.Error) else done)

    asked.irc.ask(asked.turn, request, answered)


def _look(asked: Asked, room: str, then: Callable[[moderation.RoomPolicy], None]) -> None:
    def answered(event: Event) -> None:
        if isinstance(event, moderation.RoomPolicy):
            then(event)
        elif isinstance(event, native.Error):
            asked.say(event.text)

    asked.irc.ask(asked.turn, moderation.Policy(room=room), answered)


def _day(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%d}"


# --- whose a room is


def _register(asked: Asked, words: list[str]) -> None:
    if (room := _room(asked, words[0])) is not None:
        _do(asked, moderation.Claim(room=room), f"{room} is yours: roles and modes are kept when all are gone.")


def _drop(asked: Asked, words: list[str]) -> None:
    if (room := _room(asked, words[0])) is not None:
        _do(asked, moderation.Claim(room=room, drop=True), f"{room} is nobody's from now on.")


def _transfer(asked: Asked, words: list[str]) -> None:
    if (room := _room(asked, words[0])) is not None:
        _do(asked, moderation.Claim(room=room, to=words[1]), f"{room} belongs to {words[1]} from now on.")


def _info(asked: Asked, words: list[str]) -> None:
    def tell(policy: moderation.RoomPolicy) -> None:
        if policy.owner is None:
            asked.say(f"{policy.room} is nobody's.")
        else:
            asked.say(f"{policy.room} belongs to {policy.owner}, since {_day(policy.since)}.")
        (modes,) = mapping.modestrings(mapping.current(policy), 400, 50)
        asked.say(f"Modes: {' '.join(modes)}")

    if (room := _room(asked, words[0])) is not None:
        _look(asked, room, tell)


def _access(asked: Asked, words: list[str]) -> None:
    def tell(policy: moderation.RoomPolicy) -> None:
        for account, roles in sorted(policy.roles.items()):
            asked.say(f"{mapping.signs(roles)}{account}: {', '.join(roles)}")
        asked.say(f"{len(policy.roles)} accounts have a role in {policy.room}; OP, VOICE and their like give one.")

    if (room := _room(asked, words[0])) is not None:
        _look(asked, room, tell)


# --- roles


def _giving(role: Role, *, on: bool) -> Handler:
    def handler(asked: Asked, words: list[str]) -> None:
        room = _room(asked, words[0])
        if room is None:
            return
        nicks = words[1:11] or [asked.irc.nick]
        changes = [Change(role, on, nick) for nick in nicks]
        done = f"{', '.join(nicks)}: {role} in {room}" if on else f"{', '.join(nicks)}: no longer {role} in {room}"
        _do(asked, moderation.Mode(room=room, changes=changes), done)

    return handler


# --- who is put out, and kept out


def _kick(asked: Asked, words: list[str]) -> None:
    if (room := _room(asked, words[0])) is not None:
        reason = " ".join(words[2:])[: native.MAX_REMARK]
        _do(asked, moderation.Kick(nick=words[1], room=room, reason=reason), f"{words[1]} is put out of {room}.")


def _ban(asked: Asked, words: list[str]) -> None:
    """`#room mask [time] [reason]`"""
    room, change = _room(asked, words[0]), _masked(asked, words[1])
    if room is None or change is None or change.arg is None:
        return
    rest = words[2:]
    seconds = durations.seconds(rest[0]) if rest else None
    if seconds is not None:
        rest = rest[1:]
        if not 0 < seconds <= durations.MAX_S:
            asked.say("A time is written 10m, 2d or 1h30m, and is ten years at most.")
            return
    kind: moderation.Listed = "mute" if change.mode == "mute" else "ban"
    reason = " ".join(rest)[: native.MAX_REMARK]
    request = moderation.Ban(mask=change.arg, room=room, kind=kind, seconds=seconds, reason=reason)
    _do(asked, request, f"{words[1]} is {'muted' if kind == 'mute' else 'banned'} in {room}.")


def _unban(asked: Asked, words: list[str]) -> None:
    room, change = _room(asked, words[0]), _masked(asked, words[1] if len(words) > 1 else asked.irc.nick)
    if room is None or change is None or change.arg is None:
        return
    kind: moderation.Listed = "mute" if change.mode == "mute" else "ban"
    _do(asked, moderation.Unban(mask=change.arg, room=room, kind=kind), f"{change.arg} may come back to {room}.")


def _masked(asked: Asked, typed: str) -> Change | None:
    """Return what a ban of ``typed`` is in moot; None: it is none, and that was said."""
    try:
        return mapping.change(Step(True, "b", typed[:300]), asked.irc.host)
    except Guests:
        asked.say("That would be about all guests, for they have one host. Name a nick, account:NAME or an address.")
        return None


def _akick(asked: Asked, words: list[str]) -> None:
    """`#room ADD mask [time] [reason]`, `#room DEL mask`, `#room LIST`"""
    room, verb, *rest = words
    match verb.upper():
        case "ADD" if rest:
            _ban(asked, [room, *rest])
        case "DEL" if rest:
            _unban(asked, [room, *rest])
        case "LIST":
            _bans(asked, room)
        case _:
            asked.say("AKICK #channel ADD mask [time] [reason], DEL mask, or LIST")


def _bans(asked: Asked, typed: str) -> None:
    def tell(policy: moderation.RoomPolicy) -> None:
        banned = [entry for entry in policy.entries if entry.kind in ("ban", "mute")]
        asked.say(*(_shown(entry) for entry in banned), f"{len(banned)} masks are banned or muted in {policy.room}.")

    if (room := _room(asked, typed)) is not None:
        _look(asked, room, tell)


def _shown(entry: Entry) -> str:
    mask = mapping.MUTE + entry.mask if entry.kind == "mute" else entry.mask
    until = f" until {datetime.fromtimestamp(entry.until // 1000, UTC):%Y-%m-%d %H:%M} UTC" if entry.until else ""
    return f"{mask} by {entry.by or '*'} on {_day(entry.at)}{until}" + (f": {entry.reason}" if entry.reason else "")


def _invite(asked: Asked, words: list[str]) -> None:
    nick = words[1] if len(words) > 1 else asked.irc.nick
    if (room := _room(asked, words[0])) is not None:
        _do(asked, moderation.Invite(nick=nick, room=room), f"{nick} is invited to {room}.")


_ROLES: Final[tuple[tuple[str, Role, tuple[str, ...]], ...]] = (
    ("OWNER", "owner", ()),
    ("ADMIN", "admin", ("PROTECT",)),
    ("OP", "op", ()),
    ("HALFOP", "halfop", ()),
    ("VOICE", "voice", ()),
)


def _role_orders() -> list[Order]:
    found: list[Order] = []
    for name, role, aliases in _ROLES:
        de = tuple(f"DE{alias}" for alias in aliases)
        found.append(
            Order(name, "#channel [nick ...]", f"Make people (or yourself) {role}.", _giving(role, on=True), 1, aliases)
        )
        found.append(
            Order(f"DE{name}", "#channel [nick ...]", f"Let them no longer be {role}.", _giving(role, on=False), 1, de)
        )
    return found


CHANSERV: Final = Service(
    "ChanServ",
    "A room can be yours. This server has that built in; MODE, KICK and INVITE do the rest of it too.",
    (
        Order("REGISTER", "#channel", "Make the room yours; you are its op, and logged in.", _register, 1),
        Order("INFO", "#channel", "Show whose a room is, and what holds there.", _info, 1),
        Order("DROP", "#channel", "Let the room be nobody's.", _drop, 1),
        Order("TRANSFER", "#channel account", "Give the room to somebody.", _transfer, 2),
        Order("ACCESS", "#channel", "Show who has a role for good.", _access, 1, ("FLAGS", "WHY")),
        *_role_orders(),
        Order("KICK", "#channel nick [reason]", "Put somebody out.", _kick, 2),
        Order("BAN", "#channel mask [time] [reason]", "Keep somebody out, for 10m, 2d or ever.", _ban, 2),
        Order("UNBAN", "#channel [mask]", "Let somebody in again.", _unban, 1),
        Order("AKICK", "#channel ADD mask [time] [reason] | DEL mask | LIST", "The same as a list.", _akick, 2),
        Order("INVITE", "#channel [nick]", "Ask somebody (or yourself) in.", _invite, 1),
    ),
)
