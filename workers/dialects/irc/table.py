"""The one table of IRC commands, from which they are dispatched, HELP answers and docs/irc.md is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.dialects.irc import (
    accounts,
    chanmodes,
    channels,
    history,
    marks,
    messages,
    metadata,
    moderating,
    monitor,
    multiline,
    operators,
    people,
    presence,
    redaction,
    registration,
    server,
    services,
)
from workers.dialects.irc.chanserv import CHANSERV
from workers.dialects.irc.nickserv import NICKSERV

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

Handler = Callable[["Irc", "Turn", tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table."""

    name: str
    usage: str
    help: str  # one sentence
    handler: Handler
    least: int = 0  # parameters; with fewer, 461
    early: bool = False  # before one is registered too
    local: bool = False  # is not answered by the broker alone, so it waits for what was asked before

    @property
    def form(self) -> str:
        return f"{self.name} {self.usage}".rstrip()


COMMANDS: Final[tuple[Command, ...]] = (
    Command("ADMIN", "[server]", "Who runs this server.", server.admin, local=True),
    Command("AUTHENTICATE", "mechanism|data|*", "Log in (SASL).", accounts.authenticate, 1, True),
    Command(
        "AWAY", "[text]", "Tell others that you are away; without a text, that you are back.", presence.away, 0, True
    ),
    Command("BATCH", "+name draft/multiline target | -name", "Begin or end a message of lines.", multiline.batch, 1),
    Command("CAP", "LS|LIST|REQ|END [...]", "Negotiate capabilities.", registration.cap, 1, True, True),
    Command("CHANSERV", "order ...", "Say something to ChanServ.", services.command(CHANSERV), 1, local=True),
    Command(
        "CHATHISTORY",
        "LATEST|BEFORE|AFTER|AROUND|BETWEEN target place [place] limit | TARGETS place place limit",
        "Ask for earlier messages of a channel you are in, or with somebody; TARGETS: where there were any.",
        history.chathistory,
    ),
    Command("CONNECT", "server [port]", "Refused: there are no other servers.", server.link, 1, local=True),
    Command("CS", "order ...", "Say something to ChanServ.", services.command(CHANSERV), 1, local=True),
    Command("DIE", "", "Refused: a server is stopped where it runs.", server.operate, local=True),
    Command("ERROR", "[text]", "Ignored.", registration.nothing, 0, True, True),
    Command("HELP", "[command]", "List the commands, or explain one.", server.help_, local=True),
    Command("INFO", "[server]", "Show what this server is.", server.info, local=True),
    Command(
        "INVITE", "[nick channel]", "Ask somebody into a channel; alone: where one is asked to.", moderating.invite
    ),
    Command("ISON", "nick ...", "Ask which of these people are here.", people.ison, 1),
    Command("JOIN", "channel,... [key,...] | 0", "Enter channels; 0 leaves all of them.", channels.join, 1),
    Command("KICK", "channel,... nick,... [reason]", "Put people out of channels.", moderating.kick, 2),
    Command("KILL", "nick [reason]", "Put somebody off the server; for its admins.", operators.kill, 1),
    Command("LINKS", "[mask]", "Show the one server there is.", server.links, local=True),
    Command("LIST", "[channel,...] [>n,<n,mask,!mask]", "List the channels.", channels.list_),
    Command("LUSERS", "", "Count people and channels.", server.lusers),
    Command("MARKREAD", "target [timestamp=...]", "Tell how far you have read, or ask it.", marks.markread),
    Command(
        "METADATA",
        "target GET|LIST|SET|CLEAR|SUB|UNSUB|SUBS|SYNC [key ...]",
        "What people and channels say of themselves.",
        metadata.metadata,
        local=True,
    ),
    Command(
        "MODE",
        "target [modes [parameters]]",
        "Show or change what holds in a channel, or one's own modes.",
        chanmodes.mode,
        1,
    ),
    Command("MONITOR", "+|-|C|L|S [nick,...]", "Be told when people come and go.", monitor.monitor, 1, local=True),
    Command("MOTD", "[server]", "Show the message of the day.", server.motd, local=True),
    Command("NAMES", "[channel,...]", "Show who is in channels you are in.", channels.names_),
    Command("NICK", "nick", "Take a nick.", registration.nick, 0, True),
    Command("NICKSERV", "order ...", "Say something to NickServ.", services.command(NICKSERV), 1, local=True),
    Command("NOTICE", "target,... text", "Say something that no program answers.", messages.notice),
    Command("NS", "order ...", "Say something to NickServ.", services.command(NICKSERV), 1, local=True),
    Command("OPER", "account password", "Log in as an admin of the server.", operators.oper, 2),
    Command("PART", "channel,... [reason]", "Leave channels.", channels.part, 1),
    Command("PASS", "account:password", "Log in, before NICK and USER.", accounts.pass_, 1, True, True),
    Command("PING", "token", "Ask for PONG, which comes after everything before it.", registration.ping, 1, True),
    Command(
        "PONG", "[token]", "Answer the server's PING, which comes after a silence.", registration.nothing, 0, True, True
    ),
    Command("PRIVMSG", "target,... text", "Say something; !cowsay and its like are drawn.", messages.privmsg),
    Command("QUIT", "[reason]", "Go.", registration.quit_, 0, True),
    Command("REDACT", "target msgid [reason]", "Take a message back.", redaction.redact, 2),
    Command(
        "REGISTER", "account|* email|* password", "Make an account; its name is your nick.", accounts.register, 3, True
    ),
    Command("REHASH", "", "Refused: settings are read again where the server runs.", server.operate, local=True),
    Command("RENAME", "channel new-name [reason]", "Give a channel another name.", moderating.rename, 2),
    Command("RESTART", "", "Refused: a server is renewed where it runs.", server.operate, local=True),
    Command("SETNAME", "realname", "Take another real name.", presence.setname, 1),
    Command("SQUIT", "server [reason]", "Refused: there are no other servers.", server.link, 1, local=True),
    Command("STATS", "query [server]", "`u`: how long the server is up; `o`: its admins.", server.stats, 1, local=True),
    Command("SUMMON", "user", "Disabled.", server.summon, local=True),
    Command("TAGMSG", "target,...", "Pass on tags alone: a reaction, that one is typing.", messages.tagmsg, 1),
    Command("TIME", "[server]", "Show the server's time.", server.time, local=True),
    Command("TOPIC", "channel [text]", "Show or set a channel's topic.", channels.topic, 1),
    Command("TRACE", "[server]", "Show how oneself is connected.", server.trace, local=True),
    Command("USER", "name 0 * realname", "Introduce yourself; the name is ignored.", registration.user, 4, True, True),
    Command("USERHOST", "nick ...", "Ask about up to five people.", people.userhost, 1),
    Command("USERS", "", "Disabled.", server.users, local=True),
    Command("VERIFY", "account code", "Refused: accounts need no verification.", accounts.verify, 2, True, True),
    Command("VERSION", "[server]", "Show the version and what is supported.", server.version, local=True),
    Command("WALLOPS", "text", "Say something to all admins; for them alone.", operators.wallops, 1),
    Command("WHO", "[mask [%fields[,token]]]", "List people, of a channel or by nick; WHOX.", people.who),
    Command("WHOIS", "[server] nick", "Show what is known about somebody.", people.whois),
    Command("WHOWAS", "nick,... [count]", "Show who had a nick lately.", people.whowas),
)

TABLE: Final = {command.name: command for command in COMMANDS}
