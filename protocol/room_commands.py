"""Typed commands about rooms: who may do what, and what may be done about somebody. Part of `protocol.commands`."""

import re
from collections.abc import Iterable
from typing import Final, get_args

from protocol import durations, moderation, native, typed
from protocol.moderation import FLAGS, LIMITS, ROLES, Change, Listed, Role
from protocol.native import Msg
from protocol.typed import NOWHERE, Command, Context, Handler, Local, NewCmid, Parsed, Problem

MAX_NICKS: Final = 10  # of one /op and its like
MAX_BACK: Final = 50  # messages back that /react and /redact reach
MODLOG: Final = "!"  # before a room's name: its moderation log
_TIME_HINT: Final = "A time is written 10m, 2d or 1h30m."
_MODE_HINT: Final = (
    f"Type /mode +secret -moderated and the like. Without a word after it: {', '.join(FLAGS)}. "
    f"With one: {', '.join((*LIMITS, *ROLES, *get_args(Listed)))}."
)
_BACK: Final = re.compile(r"\^([0-9]{1,3})", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,6}", re.ASCII)


def _usage(name: str, what: str) -> Problem:
    command = next(command for command in ROOM_COMMANDS if command.name == name)
    return Problem(f"{what} Type {command.form}")


def _here(ctx: Context) -> str | Problem:
    """Return the room that a line was typed in."""
    if ctx.room is None or not ctx.room.startswith("#"):
        return Problem("That is for rooms, and you are in none now. Enter one with /join #room first.")
    return ctx.room


def _reason(text: str) -> str:
    return text[: native.MAX_REMARK]


# --- people


def _kick(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    room = _here(ctx)
    if isinstance(room, Problem):
        return room
    who, _, reason = typed.split(args)
    if not who:
        return _usage("kick", "Whom?")
    nick = typed.person(who.removeprefix("@"))
    if isinstance(nick, Problem):
        return nick
    return [moderation.Kick(nick=nick, room=room, reason=_reason(reason))]


def _kill(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    who, _, reason = typed.split(args)
    if not who:
        return _usage("kill", "Whom?")
    nick = typed.person(who.removeprefix("@"))
    return nick if isinstance(nick, Problem) else [moderation.Kick(nick=nick, reason=_reason(reason))]


def _listing(name: str, kind: Listed, *, server: bool = False) -> Handler:
    """Return the handler of a command that adds an entry to a list."""

    def handler(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
        room = None if server else _here(ctx)
        if isinstance(room, Problem):
            return room
        mask, _, rest = typed.split(args)
        if not mask:
            return _usage(name, "Whom?") if room is None else [moderation.Policy(room=room)]
        mask = mask.removeprefix("@")
        if len(mask) > native.MAX_NAME:
            return _usage(name, f"{typed.quoted(mask)} is too long for a nick or a mask.")
        word, _, reason = typed.split(rest)
        seconds = durations.seconds(word)
        if seconds is None:
            reason = rest
        elif not 0 < seconds <= durations.MAX_S:
            return Problem(f"{typed.quoted(word)} is not from one second to ten years. {_TIME_HINT}")
        return [moderation.Ban(mask=mask, room=room, kind=kind, seconds=seconds, reason=_reason(reason))]

    return handler


def _unlisting(name: str, kind: Listed, *, server: bool = False) -> Handler:
    """Return the handler of a command that takes an entry off a list."""

    def handler(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
        room = None if server else _here(ctx)
        if isinstance(room, Problem):
            return room
        mask, _, more = typed.split(args)
        if not mask or more or len(mask) > native.MAX_NAME:
            return _usage(name, "Whom?" if not mask else "One nick or mask at a time.")
        return [moderation.Unban(mask=mask.removeprefix("@"), room=room, kind=kind)]

    return handler


def _giving(name: str, role: Role, *, on: bool) -> Handler:
    """Return the handler of a command that gives people a role, or takes it."""

    def handler(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
        room = _here(ctx)
        if isinstance(room, Problem):
            return room
        wanted = args.replace(",", " ").split()
        if not wanted or len(wanted) > MAX_NICKS:
            return _usage(name, "Whom?" if not wanted else f"{MAX_NICKS} people at a time.")
        changes: list[Change] = []
        for word in wanted:
            nick = typed.person(word.removeprefix("@"))
            if isinstance(nick, Problem):
                return nick
            changes.append(Change(role, on, nick))
        return [moderation.Mode(room=room, changes=changes)]

    return handler


def _invite(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    who, _, where = typed.split(args)
    if not who:
        return _usage("invite", "Whom?")
    nick = typed.person(who.removeprefix("@"))
    if isinstance(nick, Problem):
        return nick
    room = typed.room(where) if where else _here(ctx)
    return room if isinstance(room, Problem) else [moderation.Invite(nick=nick, room=room)]


# --- rooms


def _mode(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    room = _here(ctx)
    if isinstance(room, Problem):
        return room
    words = args.split()
    if not words:
        return [moderation.Policy(room=room)]
    changes: list[Change] = []
    while words:
        word = words.pop(0)
        name, on = word[1:].lower(), word[0] == "+"
        if word[0] not in "+-" or name not in (*FLAGS, *LIMITS, *ROLES, *get_args(Listed)):
            return Problem(f"{typed.quoted(word)} is nothing that can be changed. {_MODE_HINT}")
        needs = name not in FLAGS and (on or name not in LIMITS)
        if needs and (not words or words[0][:1] in ("+", "-")):
            return Problem(f"What for {word}? {_MODE_HINT}")
        changes.append(Change(name, on, words.pop(0)[:300] if needs else None))
    if len(changes) > 50:
        return Problem("That is too much at once; 50 changes fit in one line.")
    return [moderation.Mode(room=room, changes=changes)]


def _room(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    room = _here(ctx)
    if isinstance(room, Problem):
        return room
    verb, _, rest = typed.split(args)
    match verb.lower():
        case "" | "info" if not rest:
            return [moderation.Policy(room=room)]
        case "register" if not rest:
            return [moderation.Claim(room=room)]
        case "drop" if not rest:
            return [moderation.Claim(room=room, drop=True)]
        case "transfer" if rest:
            to = typed.person(rest.removeprefix("@"))
            return to if isinstance(to, Problem) else [moderation.Claim(room=room, to=to)]
        case "rename" if rest:
            word, _, reason = typed.split(rest)
            name = typed.room(word)
            if isinstance(name, Problem):
                return name
            return [moderation.Retitle(room=room, name=name, reason=_reason(reason))]
    text = "register, drop, transfer NICK, rename #NEW or info"
    return Problem(f"{typed.quoted(args)} is nothing one does with a room. Type /room and one of: {text}")


def _slow(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    room = _here(ctx)
    if isinstance(room, Problem):
        return room
    wanted = args.lower()
    if wanted in ("off", "0"):
        return [moderation.Mode(room=room, changes=[Change("slow", on=False)])]
    seconds = int(wanted) if _SECONDS.fullmatch(wanted) else durations.seconds(wanted)
    if not seconds:
        return _usage("slow", "How many seconds between two messages of one person?")
    return [moderation.Mode(room=room, changes=[Change("slow", arg=str(seconds))])]


def _filter(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    room = _here(ctx)
    if isinstance(room, Problem):
        return room
    verb, _, word = typed.split(args)
    if verb.lower() in ("add", "remove") and word:
        on = verb.lower() == "add"
        return [moderation.Mode(room=room, changes=[Change("filter", on, word[:300])])]
    if verb.lower() in ("", "list") and not word:
        return [moderation.Policy(room=room)]
    return _usage("filter", "Which word?")


def _modlog(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    room = _here(ctx)
    if isinstance(room, Problem):
        return room
    if not args:
        return [native.History(room=MODLOG + room)]
    if not re.fullmatch(r"[0-9]{1,3}", args, re.ASCII) or not 1 <= int(args) <= 500:
        return _usage("modlog", f"{typed.quoted(args)} is not a number from 1 to 500.")
    return [native.History(room=MODLOG + room, limit=int(args))]


def _announce(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return _usage("announce", "The text is missing.")
    return [moderation.Announce(text=args[:2000])]


# --- messages


def _react(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    first, _, rest = typed.split(args)
    back = _BACK.fullmatch(first)
    emoji = rest if back else args
    if not emoji or (first.startswith("^") and back is None):
        return _usage("react", "With what?" if not emoji else f"{typed.quoted(first)} is not ^1, ^2 and so on.")
    if ctx.room is None:
        return NOWHERE
    number = int(back[1]) if back else 1
    if not 1 <= number <= MAX_BACK:
        return Problem(f"^1 is the last message; ^{MAX_BACK} is as far back as that goes.")
    return Local("react", f"{number} {emoji[:64]}")


def _redact(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    first, _, rest = typed.split(args)
    back = _BACK.fullmatch(first)
    if first.startswith("^") and back is None:
        return _usage("redact", f"{typed.quoted(first)} is not ^1, ^2 and so on.")
    if ctx.room is None:
        return NOWHERE
    number = int(back[1]) if back else 0
    if back and not 1 <= number <= MAX_BACK:
        return Problem(f"^1 is the last message; ^{MAX_BACK} is as far back as that goes.")
    return Local("redact", f"{number} {_reason(rest if back else args)}".rstrip())


def about(local: Local, ctx: Context, recent: Iterable[Msg], new_cmid: NewCmid) -> Parsed:
    """Return what `Local` "react" or "redact" asks for. ``recent``: messages of `ctx.room`, oldest first.

    Of these only what was said counts. `^1` is the last; /redact without a number takes one's own last.
    """
    number, _, rest = local.args.partition(" ")
    back, room = int(number), ctx.room
    said = [msg for msg in recent if msg.kind in ("text", "me", "notice", "fun") and not msg.redacted]
    if not back:
        said, back = [msg for msg in said if msg.nick == ctx.nick], 1
    if room is None or len(said) < back:
        return Problem("There is no such message among the last ones here.")
    msg = said[-back]
    if local.name == "react":
        return [native.Send(cmid=new_cmid(), to=room, text=rest, kind="react", reply=msg.seq)]
    return [native.Redact(cmid=new_cmid(), room=msg.room, seq=msg.seq, reason=rest)]


_GIVING: Final[tuple[tuple[str, str, Role, bool], ...]] = (
    ("op", "Let people run this room: change its modes, ban, invite.", "op", True),
    ("deop", "Let them no longer run this room.", "op", False),
    ("halfop", "Let people keep order: kick, mute, set the topic.", "halfop", True),
    ("dehalfop", "Let them no longer keep order.", "halfop", False),
    ("voice", "Let people speak in a moderated room.", "voice", True),
    ("devoice", "Take their voice again.", "voice", False),
)


def _giver(name: str, sentence: str, role: Role, on: bool) -> Command:
    return Command(name, "NICK ...", sentence, _giving(name, role, on=on))


ROOM_COMMANDS: Final[tuple[Command, ...]] = (
    Command("room", "[VERB] [NICK|#NEW]", "register, drop, transfer NICK, rename #NEW; alone: whose it is.", _room),
    Command("mode", "[+MODE|-MODE ...]", "Show or change what holds in this room: /mode +secret.", _mode, ("modes",)),
    Command("invite", "NICK [#ROOM]", "Ask somebody into a room, past what keeps others out.", _invite),
    Command("kick", "NICK [REASON]", "Put somebody out of this room.", _kick),
    Command("ban", "[MASK] [TIME] [REASON]", "Keep out a nick or a mask, for 10m, 2d or ever; alone: list.",
            _listing("ban", "ban")),
    Command("unban", "MASK", "Let somebody in again.", _unlisting("unban", "ban")),
    Command("mute", "[MASK] [TIME] [REASON]", "Let somebody hear but not speak; alone: list.",
            _listing("mute", "mute")),
    Command("unmute", "MASK", "Let somebody speak again.", _unlisting("unmute", "mute")),
    *(_giver(*one) for one in _GIVING),
    Command("slow", "SECONDS|off", "Let everybody speak only so often here.", _slow),
    Command("filter", "[add|remove WORD]", "Forbid a word here; alone: show which are.", _filter),
    Command("modlog", "[N]", "Show who did what to keep order here.", _modlog),
    Command("react", "[^N] EMOJI", "Answer the last message, or the Nth last, with an emoji.", _react),
    Command("redact", "[^N] [REASON]", "Take back your last message, or the Nth last of all.", _redact, ("delete",)),
    Command("kill", "NICK [REASON]", "Put somebody off the server (server admins).", _kill),
    Command("serverban", "MASK [TIME] [REASON]", "Keep somebody off the server (server admins).",
            _listing("serverban", "ban", server=True)),
    Command("serverunban", "MASK", "Let somebody on it again (server admins).",
            _unlisting("serverunban", "ban", server=True)),
    Command("announce", "TEXT", "Tell everybody something (server admins).", _announce),
)  # fmt: skip
