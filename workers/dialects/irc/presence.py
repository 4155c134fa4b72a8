"""What one says of oneself: AWAY, SETNAME, and one's own modes."""

from typing import TYPE_CHECKING, Final

from protocol import native
from protocol.native import Event
from protocol.text import clean
from workers.dialects.irc.lines import body
from workers.dialects.irc.mapping import same_nick
from workers.dialects.irc.text import plain

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

BOT: Final = "B"
OPERATOR: Final = "o"  # an admin of the server; can be given up, and is had again by logging in
REGISTERED: Final = "r"  # logged in
WALLOPS: Final = "w"  # hears what admins say to each other
INVISIBLE: Final = "i"  # kept, for clients set it; who is here is no secret on this server
USER_MODES: Final = "".join(sorted(BOT + INVISIBLE + OPERATOR + REGISTERED + WALLOPS))
_FREE: Final = INVISIBLE + WALLOPS


# --- AWAY, SETNAME


def away(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    text = clean(plain(params[0]), newlines=False) if params else ""
    if not irc.nick:
        if "draft/pre-away" in irc.caps:
            irc.intro.away = text or None
            irc.reply(turn, "306" if text else "305")
        else:
            irc.reply(turn, "451")
        return
    number = "306" if text else "305"
    irc.ask(turn, native.Away(text=text or None), lambda _ok: irc.reply(turn, number))


def setname(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    name = clean(plain(params[0]), newlines=False)
    if not name or len(name) > native.MAX_PERSON:
        irc.fail(turn, "INVALID_REALNAME", f"Realname is not valid: it has 1 to {native.MAX_PERSON} characters")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            irc.intro.realname = name
            if "setname" in irc.caps:
                turn.lines.append(("", body(irc.mask, "SETNAME", name)))

    irc.ask(turn, native.Rename(name=name), answered)


# --- modes


def mode(irc: "Irc", turn: "Turn", target: str, changes: tuple[str, ...]) -> None:
    """MODE with a nick."""
    if not same_nick(target, irc.nick):

        def answered(event: Event) -> None:
            irc.reply(turn, "502") if isinstance(event, native.Profile) else irc.reply(turn, "401", target)

        irc.ask(turn, native.Whois(nick=target), answered)
    elif not changes or not changes[0]:
        irc.reply(turn, "221", "+" + shown(irc))
    else:
        _change(irc, turn, changes[0])


def shown(irc: "Irc") -> str:
    """Return the modes one has."""
    have = irc.modes | ({REGISTERED} if irc.account is not None else set())
    return "".join(sorted(have))


def _change(irc: "Irc", turn: "Turn", modestring: str) -> None:
    """Apply what may be changed, and tell of it; what others decide is left as it is."""
    before = set(irc.modes)
    after, on, unknown = set(before), True, False
    for letter in modestring:
        if letter in "+-":
            on = letter == "+"
        elif letter not in USER_MODES:
            unknown = True
        elif letter in _FREE + BOT or (letter == OPERATOR and not on):
            (after.add if on else after.discard)(letter)

    def apply() -> None:
        irc.modes = after
        irc.admin = irc.admin and OPERATOR in after
        if told := difference(before, after):
            turn.lines.append(("", body(irc.mask, "MODE", irc.nick, told)))
        if unknown:
            irc.reply(turn, "501")

    if BOT in after ^ before:
        irc.ask(turn, native.Bot(on=BOT in after), lambda event: apply() if isinstance(event, native.Ok) else None)
    else:
        apply()


def difference(before: set[str], after: set[str]) -> str:
    """Return what makes ``after`` of ``before``, as MODE has it; empty when they are the same."""
    added, removed = "".join(sorted(after - before)), "".join(sorted(before - after))
    return (f"+{added}" if added else "") + (f"-{removed}" if removed else "")
