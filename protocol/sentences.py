"""What happens to rooms and accounts, as sentences: for the clients, and for people with `nc`. Pure.

Names in them are made harmless; whoever shows them adds room, time and sign as is usual there.
"""

from collections.abc import Callable, Iterable
from typing import Final

from protocol import accounts, moderation, native
from protocol.moderation import ROLES, Change, Entry, Role
from protocol.text import clean

SIGNS: Final[dict[str, str]] = {"owner": "~", "admin": "&", "op": "@", "halfop": "%", "voice": "+"}
"""Before a nick, of its highest role, as IRC has them."""

_ROLE: Final[dict[str, tuple[str, str]]] = {  # on, off
    "owner": ("made {arg} an owner of {room}", "took the owner's rights in {room} from {arg}"),
    "admin": ("made {arg} an admin of {room}", "took the admin's rights in {room} from {arg}"),
    "op": ("made {arg} an op of {room}", "took the op's rights in {room} from {arg}"),
    "halfop": ("made {arg} a half-op of {room}", "took the half-op's rights in {room} from {arg}"),
    "voice": ("gave {arg} a voice in {room}", "took {arg}'s voice in {room}"),
}
_DEEDS: Final[dict[str, tuple[str, str]]] = {  # by mode: switched on, switched off
    **_ROLE,
    "invite-only": ("made {room} for invited people only", "opened {room} to people without an invitation"),
    "moderated": ("let only those with a voice speak in {room}", "let everybody speak in {room}"),
    "secret": ("hid {room} from those who are not in it", "shows {room} to everybody"),
    "topic-lock": ("let only ops set the topic of {room}", "let everybody set the topic of {room}"),
    "no-ctcp": ("forbade questions to programs in {room}", "allowed questions to programs in {room}"),
    "registered-only": ("let only people with an account into {room}", "let guests into {room}"),
    "registered-speak": ("let only people with an account speak in {room}", "let guests speak in {room}"),
    "key": ("set a key that one needs to enter {room}", "removed the key of {room}"),
    "limit": ("limited {room} to {arg} people", "removed the limit of people in {room}"),
    "slow": ("let everybody speak once in {arg} s in {room}", "ended the slow mode of {room}"),
    "throttle": ("limited how many may enter {room} at a time to {arg}", "removed the limit of joins to {room}"),
    "ban": ("banned {arg} from {room}", "took back the ban of {arg} from {room}"),
    "mute": ("muted {arg} in {room}", "let {arg} speak again in {room}"),
    "except": ("excepted {arg} from the bans of {room}", "no longer excepts {arg} from the bans of {room}"),
    "invited": ("let {arg} come into {room} uninvited", "no longer lets {arg} come into {room} uninvited"),
    "filter": ("forbade to say “{arg}” in {room}", "allowed to say “{arg}” in {room}"),
}
_FLAGS: Final[dict[str, str]] = {
    "invite-only": "for invited people only",
    "moderated": "only those with a voice may speak",
    "secret": "hidden from those who are not in it",
    "topic-lock": "only ops set the topic",
    "no-ctcp": "no questions to programs",
    "registered-only": "only people with an account may enter",
    "registered-speak": "only people with an account may speak",
}
_LIMITS: Final[dict[str, str]] = {
    "key": "one needs the key {arg} to enter",
    "limit": "at most {arg} people",
    "slow": "everybody may speak once in {arg} s",
    "throttle": "joins are limited to {arg} (so many in so many seconds)",
}
_ENTRIES: Final[dict[str, str]] = {"ban": "banned", "mute": "muted", "except": "excepted", "invited": "may come"}

Clock = Callable[[int], str]  # milliseconds since 1970, UTC -> as it is shown


def highest(roles: Iterable[str]) -> Role | None:
    """Return the highest of ``roles``."""
    held = set(roles)
    return next((role for role in ROLES if role in held), None)


def sign(person: native.Person) -> str:
    """Return what stands before a nick in a list of people: "@" for an op; "" for somebody without a role."""
    role = highest(person.roles)
    return SIGNS[role] if role is not None else ""


def change(by: str, room: str, one: Change) -> str:
    """Return "ann banned bob from #tea"."""
    who = clean(by, newlines=False) or "The server"
    deeds = _DEEDS.get(one.mode)
    arg, where = clean(one.arg or "", newlines=False), clean(room, newlines=False)
    if deeds is None:
        what = f"set {clean(one.mode, newlines=False)} of {where} {'on' if one.on else 'off'}"
        return f"{who} {what}" + (f" ({arg})" if arg else "")
    return f"{who} {deeds[not one.on].format(arg=arg, room=where)}"


def modes(event: moderation.Modes) -> list[str]:
    """Return a sentence for each change of a room's modes."""
    return [change(event.by, event.room, one) for one in event.changes]


def kicked(event: native.Left, me: str = "") -> str:
    """Return "bob was put out of #tea by ann: reason"; ``me``: our nick, for "you were"."""
    nick, by = (clean(name or "", newlines=False) for name in (event.nick, event.by))
    who = "You were" if event.nick == me else f"{nick} was"
    where = "the chat" if event.quit else clean(event.room, newlines=False)
    why = f": {clean(event.reason, newlines=False)}" if event.reason else ""
    return f"{who} put out of {where} by {by or 'the server'}{why}"


def invited(event: moderation.Invited, me: str) -> str:
    """Return what an invitation says, with how to follow it."""
    by, nick, room = (clean(name, newlines=False) for name in (event.by, event.nick, event.room))
    if event.nick == me:
        return f"{by} invites you to {room}; /join {room} takes you there"
    return f"{by} invited {nick} to {room}"


def retitled(event: moderation.Retitled) -> str:
    """Return "ann renamed #tea to #coffee: reason"."""
    by, room, name = (clean(text, newlines=False) for text in (event.by, event.room, event.name))
    why = f": {clean(event.reason, newlines=False)}" if event.reason else ""
    return f"{by or 'The server'} renamed {room} to {name}{why}"


def entry(one: Entry, clock: Clock) -> str:
    """Return one line of a room's lists."""
    mask, by = clean(one.mask, newlines=False), clean(one.by, newlines=False)
    until = "" if one.until is None else f" until {clock(one.until)}"
    why = f": {clean(one.reason, newlines=False)}" if one.reason else ""
    return f"{_ENTRIES.get(one.kind, one.kind)}: {mask}{until} (by {by or 'the server'}, {clock(one.at)}){why}"


def policy(found: moderation.RoomPolicy, clock: Clock) -> list[str]:
    """Return what is known of a room's modes, roles and lists, its name first."""
    room = clean(found.room, newlines=False)
    owner = f"registered by {clean(found.owner, newlines=False)}" if found.owner else "nobody's"
    lines = [f"{room} is {owner}" + (f", made {clock(found.since)}" if found.since else "")]
    lines += [f"  {_FLAGS.get(flag, clean(flag, newlines=False))}" for flag in found.flags]
    for name, arg in found.limits.items():
        text = _LIMITS.get(name, clean(name, newlines=False) + " {arg}")
        lines.append("  " + text.replace("{arg}", clean(arg, newlines=False)))
    for account, roles in sorted(found.roles.items()):
        lines.append(f"  {clean(account, newlines=False)}: {', '.join(roles)}")
    lines += [f"  {entry(one, clock)}" for one in found.entries]
    if found.filters:
        lines.append("  may not be said: " + ", ".join(clean(word, newlines=False) for word in found.filters))
    return lines if len(lines) > 1 else [*lines, "  nothing is set, and nobody banned"]


# --- accounts


def account(found: accounts.AccountInfo, clock: Clock) -> list[str]:
    """Return what is known of an account, its name first."""
    name = clean(found.account, newlines=False)
    lines = [f"{name} is registered since {clock(found.since)}" + (", an admin of the server" if found.admin else "")]
    if found.rooms:
        lines.append("  rooms: " + ", ".join(clean(room, newlines=False) for room in found.rooms))
    if found.devices:
        lines.append(f"  devices here: {found.devices}; logins remembered: {found.sessions}")
    lines += [f"  key {clean(key, newlines=False)}" for key in found.keys]
    return lines


def logged_in(event: accounts.LoggedIn) -> str:
    """Return what to tell somebody who is logged in."""
    admin = ", an admin of this server" if event.admin else ""
    return f"You are logged in as {clean(event.account, newlines=False)}{admin}."


def logged_out(event: accounts.LoggedOut) -> str:
    """Return what to tell somebody who is a guest again without having asked for it."""
    why = clean(event.reason, newlines=False).rstrip(".")
    nick = clean(event.nick, newlines=False)
    return f"You are logged out{f' ({why})' if why else ''}." + (f" You are {nick} now." if nick else "")


def done(request: native.Request, nick: str | None = None) -> str:
    """Return what to tell somebody whose request about accounts or rooms is done; "": it shows by itself.

    ``nick``: the one they have now, if they had another before.
    """
    now = f" You are {clean(nick, newlines=False)} now." if nick else ""
    match request:
        case accounts.Password():
            return "Your password is another one now."
        case accounts.Logout(everywhere=True):
            return f"You are logged out on all your devices.{now}"
        case accounts.Logout():
            return f"You are logged out.{now}"
        case accounts.Drop():
            return f"Your account is deleted; its nick is free.{now}"
        case moderation.Invite(nick=nick, room=room):
            return f"{clean(nick, newlines=False)} is invited to {clean(room, newlines=False)}."
        case moderation.Ban(mask=mask, room=None, kind=kind):
            return f"{clean(mask, newlines=False)} is {'banned' if kind == 'ban' else kind} on this server."
        case moderation.Unban(mask=mask, room=None, kind=kind):
            return f"{clean(mask, newlines=False)} is no longer {'banned' if kind == 'ban' else kind} on this server."
        case moderation.Claim(room=room, drop=True):
            return f"{clean(room, newlines=False)} is nobody's now."
        case moderation.Claim(room=room, to=str(to)):
            return f"{clean(room, newlines=False)} belongs to {clean(to, newlines=False)} now."
        case moderation.Claim(room=room):
            return f"{clean(room, newlines=False)} is yours: roles and modes are kept when all are gone."
        case moderation.Announce():
            return "It is announced."
    return ""
