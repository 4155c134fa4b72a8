"""What the server tells of itself: the welcome, LUSERS, MOTD, VERSION, TIME, INFO, HELP, ADMIN, LINKS, STATS."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from protocol import native
from protocol.names import MAX_NICK
from protocol.native import Event
from workers.dialects.irc import metadata, monitor, presence
from workers.dialects.irc.caps import CAPS
from workers.dialects.irc.chanmodes import MAX_CHANGES
from workers.dialects.irc.lines import MAX_BODY, body, words_in
from workers.dialects.irc.mapping import (
    CHANMODES,
    CHANNEL_MODES,
    CHANNELLEN,
    EXTBAN,
    PREFIX,
    SIGNS,
    TYPE_A,
    WITH_PARAMETER,
)
from workers.dialects.irc.moderating import MAX_KICKS
from workers.dialects.irc.numerics import TEXTS

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

MAX_TARGETS: Final = 4  # of one PRIVMSG or NOTICE
MAX_HISTORY: Final = 100  # messages of one CHATHISTORY
KEYLEN: Final = 50
AWAYLEN: Final = 200
_TOKENS_A_LINE: Final = 12


def isupport(irc: "Irc") -> list[str]:
    """Return the tokens of 005, which are true."""
    return [
        "ACCOUNTEXTBAN=account,R",
        f"AWAYLEN={AWAYLEN}",
        f"BOT={presence.BOT}",
        "CASEMAPPING=ascii",
        f"CHANLIMIT=#:{irc.settings.max_rooms_each}",
        f"CHANMODES={CHANMODES}",
        f"CHANNELLEN={CHANNELLEN}",
        "CHANTYPES=#",
        f"CHATHISTORY={MAX_HISTORY}",
        "ELIST=MNU",
        "EXCEPTS=e",
        f"EXTBAN={EXTBAN}",
        "INVEX=I",
        f"KEYLEN={KEYLEN}",
        f"KICKLEN={native.MAX_REMARK}",
        f"MAXLIST={TYPE_A}:{irc.settings.max_entries}",
        f"MAXTARGETS={MAX_TARGETS}",
        f"MODES={MAX_CHANGES}",
        f"MONITOR={monitor.LIMIT}",
        "MSGREFTYPES=msgid,timestamp",
        f"NAMELEN={native.MAX_PERSON}",
        f"NETWORK={_token(irc.host.network)}",
        f"NICKLEN={MAX_NICK}",
        f"PREFIX={PREFIX}",
        "SAFELIST",
        f"STATUSMSG={SIGNS}",
        f"TARGMAX=JOIN:,KICK:{MAX_KICKS},LIST:,NAMES:,NOTICE:{MAX_TARGETS},PART:,PRIVMSG:{MAX_TARGETS},"
        f"TAGMSG:{MAX_TARGETS},USERHOST:5,WHOIS:1",
        f"TOPICLEN={native.MAX_REMARK}",
        "UTF8MAPPING=rfc8265",
        "UTF8ONLY",
        "WHOX",
    ]


def _token(value: str) -> str:
    """Return a value as 005 has it: what would end it is written \\xHH."""
    return "".join(f"\\x{ord(c):02X}" if c in " =\\" or ord(c) < 32 else c for c in value)


def welcome(irc: "Irc", turn: "Turn", event: native.Welcome) -> None:
    """All that a client is told when it is in, in the order it must have."""
    irc.reply(turn, "001", f"Welcome to the {irc.host.network} network, {irc.mask}")
    irc.reply(turn, "002", f"Your host is {irc.host.name}, running version moot-{event.version}")
    irc.reply(turn, "003", f"This server was created with moot {event.version}")
    irc.reply(turn, "004", irc.host.name, f"moot-{event.version}", presence.USER_MODES, CHANNEL_MODES, WITH_PARAMETER)
    _tell_isupport(irc, turn)
    _tell_users(irc, turn, event.people, event.rooms)
    if modes := presence.shown(irc):  # "If the client's user modes are set automatically upon joining the network"
        irc.reply(turn, "221", "+" + modes)
    if metadata.enabled(irc):  # "as part of the registration burst, i.e. before RPL_ENDOFMOTD"
        metadata.greet(irc, turn, lambda: _tell_motd(irc, turn))
    else:
        _tell_motd(irc, turn)


def _tell_isupport(irc: "Irc", turn: "Turn") -> None:
    """In lines of so many tokens, and of no more bytes than fit: a server's name may take four of them a character."""
    room_left = MAX_BODY - len(body(irc.host.name, "005", irc.me, "", TEXTS["005"]).encode())
    for words in map(str.split, words_in(isupport(irc), room_left)):
        for start in range(0, len(words), _TOKENS_A_LINE):
            irc.reply(turn, "005", *words[start : start + _TOKENS_A_LINE])


def _tell_users(irc: "Irc", turn: "Turn", people: int, rooms: int, admins: int = 0) -> None:
    """``admins``: as far as they were counted; who comes in is not told, for that takes a list of everybody."""
    irc.reply(turn, "251", f"There are {people} users and 0 invisible on 1 servers")
    if admins:
        irc.reply(turn, "252", str(admins))
    if rooms:
        irc.reply(turn, "254", str(rooms))
    irc.reply(turn, "255", f"I have {people} clients and 0 servers")


def _tell_motd(irc: "Irc", turn: "Turn") -> None:
    text = irc.welcome.motd if irc.welcome is not None else ""
    if not text:
        irc.reply(turn, "422")
        return
    irc.reply(turn, "375", f"- {irc.host.name} Message of the day - ")
    for line in text.split("\n"):
        irc.reply(turn, "372", f"- {line}")
    irc.reply(turn, "376")


def _is_here(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> bool:
    """Whether the server that is asked about is this one, named by itself, a mask, or one's own nick; else 402."""
    if not params or not params[0]:
        return True
    wanted = params[0].lower()
    if fnmatchcase(irc.host.name.lower(), wanted.replace("[", "[[]")) or wanted == irc.nick.lower():
        return True
    irc.reply(turn, "402", params[0])
    return False


def lusers(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    people = admins = 0

    def counted(event: Event) -> None:
        nonlocal people, admins
        if isinstance(event, native.People):
            people, admins = event.count, sum(person.admin for person in event.people)

    def listed(event: Event) -> None:
        if isinstance(event, native.RoomList):
            _tell_users(irc, turn, people, sum(line.people > 0 for line in event.rooms), admins)

    irc.ask(turn, native.Who(), counted)
    irc.ask(turn, native.Rooms(), listed)


def motd(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if _is_here(irc, turn, params):
        _tell_motd(irc, turn)


def version(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if _is_here(irc, turn, params) and irc.welcome is not None:
        irc.reply(turn, "351", f"moot-{irc.welcome.version}", irc.host.name, "a chat that one command hosts")
        _tell_isupport(irc, turn)


def time(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if not _is_here(irc, turn, params):
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Pong):
            now = datetime.fromtimestamp(event.time // 1000, UTC)
            irc.reply(turn, "391", irc.host.name, f"{now:%Y-%m-%d %H:%M:%S} UTC")

    irc.ask(turn, native.Ping(), answered)


def info(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if not _is_here(irc, turn, params) or irc.welcome is None:
        return
    for line in (
        f"moot {irc.welcome.version}: a chat that one command hosts and anybody joins with whatever they have",
        "Rooms are channels, what is said is kept, and a message is told to nobody before it is on disk.",
        "For fun: " + " ".join(sorted({f"!{command.name}" for command in irc.fun.values()})),
        "Capabilities: " + " ".join(cap.name for cap in CAPS),
    ):
        irc.reply(turn, "371", line)
    irc.reply(turn, "374")


def help_(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    from workers.dialects.irc.table import COMMANDS, TABLE

    subject = params[0].upper() if params and params[0] else NO_SUBJECT
    if subject == NO_SUBJECT:
        lines = ["The commands this server knows; HELP COMMAND explains one."]
        lines += [f"{command.form}" for command in COMMANDS]
    elif (command := TABLE.get(subject)) is not None:
        lines = [command.form, command.help]
    else:
        irc.reply(turn, "524", params[0])
        return
    for number, line in enumerate(lines):
        irc.reply(turn, "704" if not number else "705", subject, line)
    irc.reply(turn, "706", subject, "End of /HELP.")


NO_SUBJECT: Final = "*"


def admin(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if not _is_here(irc, turn, params):
        return
    lines = irc.settings.contact.split("\n")
    if not lines[0]:
        irc.reply(turn, "423", irc.host.name)
        return
    irc.reply(turn, "256", irc.host.name)
    irc.reply(turn, "257", lines[0])
    irc.reply(turn, "258", lines[1] if len(lines) > 2 else "")
    irc.reply(turn, "259", lines[-1] if len(lines) > 1 else "")


def links(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """One server is all there is."""
    mask = (params[-1] if params else "") or "*"
    if fnmatchcase(irc.host.name.lower(), mask.lower().replace("[", "[[]")):
        irc.reply(turn, "364", irc.host.name, irc.host.name, f"0 {irc.host.network}")
    irc.reply(turn, "365", mask)


def stats(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    query = params[0][:1] or "*"

    def admins(event: Event) -> None:
        for person in event.people if isinstance(event, native.People) else ():
            if person.admin:
                irc.reply(turn, "243", "O", irc.host.mask(person.nick), "*", person.account or person.nick)
        irc.reply(turn, "219", query)

    if not _is_here(irc, turn, params[1:]):
        return
    if query == "o" and irc.admin:
        irc.ask(turn, native.Who(), admins)
        return
    if query == "o":
        irc.reply(turn, "481")
    elif query == "u":
        seconds = irc.uptime()
        clock = f"{seconds // 3600 % 24}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        irc.reply(turn, "242", f"Server Up {seconds // 86400} days {clock}")
    irc.reply(turn, "219", query)


def trace(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """There is nothing between a client and the server, and what others are connected by is not told."""
    if _is_here(irc, turn, params) and irc.welcome is not None:
        irc.reply(turn, "204" if irc.admin else "205", "Oper" if irc.admin else "User", "clients", irc.nick)
        irc.reply(turn, "262", irc.host.name, f"moot-{irc.welcome.version}")


def summon(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    irc.reply(turn, "445")


def users(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    irc.reply(turn, "446")


def operate(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """REHASH, RESTART, DIE: done where the server runs, never from afar."""
    if not irc.admin:
        irc.reply(turn, "481")
        return
    does = {"REHASH": "moot admin reload", "RESTART": "moot restart", "DIE": "moot stop"}[turn.command]
    irc.say(turn, "400", irc.me, turn.command, f"this is done on the server's own machine: {does}")


def link(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    """CONNECT, SQUIT: there are no other servers."""
    irc.reply(turn, *(("402", params[0]) if irc.admin else ("481",)))
