"""Asking about people: WHO with WHOX, WHOIS, WHOWAS, USERHOST, ISON."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from protocol import names, native
from protocol.native import Event
from workers.dialects.irc.lines import MAX_BODY, body, words_in
from workers.dialects.irc.mapping import USERNAME, is_channel, prefix, room, same_nick, signs
from workers.dialects.irc.presence import BOT

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

MAX_USERHOST: Final = 5
MAX_ISON: Final = 32
MAX_WHOWAS: Final = 4  # nicks of one WHOWAS
MOST_PAST: Final = 20  # who had one of them
_FIELDS: Final = "tcuihsnflar"  # of WHOX, "in the order specified"
_NO_ADDRESS: Final = "255.255.255.255"  # "when the server refuses to disclose the IP address"


# --- WHO


@dataclass(frozen=True, slots=True)
class _Who:
    """One person for a reply."""

    channel: str
    nick: str
    name: str
    away: bool
    idle: int = 0
    signs: str = ""
    account: str | None = None
    admin: bool = False
    bot: bool = False


def who(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    mask = params[0] if params and params[0] else "*"
    fields, token = _whox(params[1] if len(params) > 1 else "")

    only_admins = len(params) > 1 and "o" in params[1].partition("%")[0]

    def tell(found: list[_Who]) -> None:
        for one in found:
            if only_admins and not one.admin:
                continue
            turn.lines.append(("", _line(irc, one, fields, token)))
        irc.reply(turn, "315", mask)

    if is_channel(mask):
        _who_channel(irc, turn, mask, tell)
    elif mask in ("0", "*") or "*" in mask or "?" in mask:
        everybody = mask == "0"
        irc.ask(turn, native.Who(), lambda event: tell(_matching(irc, event, "*" if everybody else mask)))
    else:
        irc.ask(turn, native.Whois(nick=mask), lambda event: tell(_one(irc, event)))


def _who_channel(irc: "Irc", turn: "Turn", mask: str, tell: Callable[[list[_Who]], None]) -> None:
    try:
        name = room(mask)
    except names.BadName:
        tell([])
        return

    def answered(event: Event) -> None:
        people = event.people if isinstance(event, native.People) else []
        every = "multi-prefix" in irc.caps
        tell([_of_person(p, name, prefix(p, every=every)) for p in people])

    irc.ask(turn, native.Who(room=name), answered)


def _matching(irc: "Irc", event: Event, mask: str) -> list[_Who]:
    people = event.people if isinstance(event, native.People) else []
    pattern = names.fold_nick(mask).replace("[", "[[]")
    return [
        _of_person(p)
        for p in people
        if fnmatchcase(names.fold_nick(p.nick), pattern)
        or fnmatchcase(irc.host.mask(p.nick, p.account).lower(), pattern)
    ]


def _of_person(person: native.Person, channel: str = "*", signs: str = "") -> _Who:
    return _Who(
        channel,
        person.nick,
        person.name or person.nick,
        person.away is not None,
        signs=signs,
        account=person.account,
        admin=person.admin,
        bot=person.bot,
    )


def _one(irc: "Irc", event: Event) -> list[_Who]:
    if not isinstance(event, native.Profile):
        return []
    channel = event.rooms[0] if event.rooms else "*"
    every = "multi-prefix" in irc.caps
    return [
        _Who(
            channel,
            event.nick,
            event.name or event.nick,
            event.away is not None,
            event.idle,
            signs(event.roles.get(channel, []), every=every),
            event.account,
            event.admin,
            event.bot,
        )
    ]


def _whox(asked: str) -> tuple[str, str]:
    """Return the fields asked for, in order, and the token; no fields: a plain WHO."""
    _flags, percent, rest = asked.partition("%")
    fields, _, token = rest.partition(",")
    token = token[:3] if token.isascii() and token.isdigit() else "0"
    return ("".join(field for field in _FIELDS if field in fields), token) if percent else ("", "")


def _line(irc: "Irc", one: _Who, fields: str, token: str) -> str:
    server, host = irc.host.name, irc.host.of(one.account)
    flags = ("G" if one.away else "H") + ("*" if one.admin else "") + one.signs + (BOT if one.bot else "")
    if not fields:
        return body(server, "352", irc.me, one.channel, USERNAME, host, server, one.nick, flags, f"0 {one.name}")
    values = {
        **{"t": token, "c": one.channel, "u": USERNAME, "i": _NO_ADDRESS, "h": host, "s": server, "n": one.nick},
        **{"f": flags, "l": str(one.idle), "a": one.account or "0", "r": one.name},
    }
    return body(server, "354", irc.me, *(values[field] for field in fields))


# --- WHOIS


def whois(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    wanted = params[1] if len(params) > 1 else params[0] if params else ""
    wanted = wanted.split(",")[0]
    if not wanted:
        irc.reply(turn, "431")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Profile):
            _tell_profile(irc, turn, event)
        else:
            irc.reply(turn, "401", wanted)
        irc.reply(turn, "318", event.nick if isinstance(event, native.Profile) else wanted)

    irc.ask(turn, native.Whois(nick=wanted), answered)


def _tell_profile(irc: "Irc", turn: "Turn", person: native.Profile) -> None:
    nick, host = person.nick, irc.host.name
    irc.reply(turn, "311", nick, USERNAME, irc.host.of(person.account), "*", person.name or nick)
    if person.rooms:
        every = "multi-prefix" in irc.caps
        words = [signs(person.roles.get(channel, []), every=every) + channel for channel in person.rooms]
        for line in words_in(words, MAX_BODY - len(body(host, "319", irc.me, nick, "").encode())):
            irc.reply(turn, "319", nick, line)
    irc.reply(turn, "312", nick, host, irc.host.network)
    if person.away is not None:
        irc.reply(turn, "301", nick, person.away)
    if person.account is not None:
        if same_nick(person.account, nick):
            irc.reply(turn, "307", nick)
        irc.reply(turn, "330", nick, person.account)
    if person.admin:
        irc.reply(turn, "313", nick)
    if person.bot:
        irc.reply(turn, "335", nick)
    if person.secure:
        irc.reply(turn, "671", nick)
    if person.certfp is not None:
        irc.reply(turn, "276", nick, f"has client certificate fingerprint {person.certfp}")
    if person.address is not None:
        irc.reply(turn, "378", nick, f"is connecting from *@{person.address} {person.address}")
    if person.client or person.dialect:
        also = f" ({person.dialect})" if person.client and person.dialect else ""
        irc.reply(turn, "320", nick, f"is here with {person.client or person.dialect}{also}")
    irc.reply(turn, "317", nick, str(person.idle), str(person.since // 1000))


def whowas(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    wanted = [nick for nick in dict.fromkeys((params[0] if params else "").split(",")) if nick][:MAX_WHOWAS]
    if not wanted:
        irc.reply(turn, "431")
        return
    count = params[1] if len(params) > 1 else ""
    limit = int(count) if count.isascii() and count.isdigit() and 0 < len(count) < 4 else 0
    left = len(wanted)

    def teller(nick: str) -> Callable[[Event], None]:
        def answered(event: Event) -> None:
            nonlocal left
            left -= 1
            _tell_past(irc, turn, nick, event.people if isinstance(event, native.People) else [])
            if not left:
                irc.reply(turn, "369", params[0])

        return answered

    for nick in wanted:
        most = min(limit, MOST_PAST) or MOST_PAST  # "If <count> is non-positive, a full search is done"
        irc.ask(turn, native.Was(nick=nick, limit=most), teller(nick))


def _tell_past(irc: "Irc", turn: "Turn", nick: str, people: list[native.Person]) -> None:
    for person in people:
        irc.reply(turn, "314", person.nick, USERNAME, irc.host.of(person.account), "*", person.name or person.nick)
        if person.account is not None:
            irc.reply(turn, "330", person.nick, person.account)
        left = datetime.fromtimestamp((person.until or 0) // 1000, UTC)
        irc.reply(turn, "312", person.nick, irc.host.name, f"{left:%Y-%m-%d %H:%M:%S} UTC")
    if not people:
        irc.reply(turn, "406", nick)


# --- USERHOST, ISON


def userhost(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    def told(people: list[native.Profile]) -> None:
        words = [
            f"{p.nick}{'*' if p.admin else ''}={'+' if p.away is None else '-'}{USERNAME}@{irc.host.of(p.account)}"
            for p in people
        ]
        _tell_words(irc, turn, "302", words)

    _profiles(irc, turn, list(params[:MAX_USERHOST]), told)


def ison(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    wanted = [nick for param in params for nick in param.split()][:MAX_ISON]
    _profiles(irc, turn, wanted, lambda people: _tell_words(irc, turn, "303", [p.nick for p in people]))


def _tell_words(irc: "Irc", turn: "Turn", number: str, words: list[str]) -> None:
    """Say words in one line, or in as many as names this long take; in an empty one when there are none."""
    for line in words_in(words, MAX_BODY - len(body(irc.host.name, number, irc.me, "").encode())) or [""]:
        irc.reply(turn, number, line)


def _profiles(irc: "Irc", turn: "Turn", wanted: list[str], then: Callable[[list[native.Profile]], None]) -> None:
    """Ask about each, and go on with those that are here when the last is answered."""
    people: list[native.Profile] = []
    left = len(wanted)
    if not wanted:
        then(people)

    def answered(event: Event) -> None:
        nonlocal left
        left -= 1
        if isinstance(event, native.Profile):
            people.append(event)
        if not left:
            then(people)

    for nick in wanted:
        irc.ask(turn, native.Whois(nick=nick), answered)
