"""The classic protocol: one person's conversation with the lobby, in messages of reason, parameters and content.

Knows no bytes (`classic_codec`) and not who else is there (`classic_lobby`). docs/classic.md is its prose. What it
writes ends with newlines; for the first clients, which know none, `workers.pacing` takes them away again.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocol import accounts, commands, moderation, names, native, sentences
from protocol.account_commands import in_one_line, plain_login
from protocol.commands import Local, Problem
from protocol.native import Event, Msg, Request
from protocol.settings import Settings
from protocol.text import clean
from workers.dialects import prose
from workers.dialects.asking import MAX_HELD, Asking, Held
from workers.dialects.classic_codec import MAX_CONTENT, Bad, Decoder, Message
from workers.dialects.classic_lobby import EVERYONE, Lobby, long_color
from workers.dialects.looking import Looking

REPLAYED: Final = 50  # messages sent again for REF
_HELD_EACH: Final = 64  # bytes that a held message takes beside its text, about
_NEWEST: Final = 1 << 53  # no seq is greater
_USAGE: Final = "CON,nickname=NICK;password=;color=#RRGGBB,"
_COLOR_RULE: Final = "a color is written #RRGGBB, such as #D333FF"
_SPEECH: Final = (native.Send, native.Fun, native.Topic)  # done when nothing is answered: they hear it with the others
_ELSEWHERE: Final = (native.Join, native.Leave)


class _Stage(enum.Enum):
    NAMELESS = enum.auto()
    KNOCKING = enum.auto()  # hello or the join is under way
    INSIDE = enum.auto()
    LEAVING = enum.auto()  # DISCON was said; nothing more is read


@dataclass(slots=True)
class _Refresh:
    """A REF under way, until both the lobby's page and the inbox's have come."""

    pages: int
    found: list[Msg] = field(default_factory=list)
    gaps: bool = False


@dataclass(frozen=True, slots=True)
class _Update:
    """An UPDATE under way: the nick first, then, if that could be had, ``color``."""

    color: str | None = None


@dataclass(frozen=True, slots=True)
class _Users:
    """A USER under way; ``told`` is false where it is only for the colours of a large room."""

    told: bool = True


@dataclass(frozen=True, slots=True)
class _Proof:
    """A password is being checked; ``hello`` comes next."""

    hello: native.Hello


@dataclass(frozen=True, slots=True)
class _Guest:
    """A hello after a password that was refused: ``why`` counts where the nick is an account's, else it needs none."""

    why: str


@dataclass(frozen=True, slots=True)
class _Kick:
    """A KICK under way."""


_Note = _Refresh | _Update | _Users | _Proof | _Guest | _Kick | Looking


class Classic:
    """One person's connection."""

    name: Final = "classic"
    variant: Final = "classic"
    echoes: Final = True
    resumes: Final = False
    picky: Final = False

    def __init__(self, settings: Settings, lobby: Lobby, new_cmid: Callable[[], str]) -> None:
        """``lobby`` is the same for all on this protocol at one worker. ``new_cmid`` makes ids of messages."""
        self._settings = settings
        self._lobby = lobby
        self._new_cmid = new_cmid
        self._decoder = Decoder(settings.max_line)
        self._stage = _Stage.NAMELESS
        self._updating = False  # nick and colour both: what comes after that waits for both
        self._held: Held[Message | Bad] = Held(_size)
        self._ended = False
        self._nick = ""
        self._fun: dict[str, native.FunCommand] = {}
        self._inbox = 0  # newest seq of the inbox
        self._last_from: str | None = None
        self._kicked = False  # put out of the one room there is, so the conversation is over
        self._asking: Asking[_Note] = Asking()
        self._reasons: Mapping[str, Callable[[Message], list[Request | bytes]]] = {
            "CON": self._con,
            "CHAT": self._chat,
            "UPDATE": self._update,
            "REF": self._ref,
            "USER": self._user,
            "KICK": self._kick,
            "DISCON": self._discon,
        }

    @property
    def bare(self) -> bool:
        """Whether this client ends its messages with nothing, and so expects none of the server's to."""
        return not self._decoder.lines

    def greet(self) -> bytes:
        return b""

    def feed(self, chunk: bytes) -> list[Request | bytes]:
        return self._all(self._decoder.feed(chunk))

    def end(self) -> list[Request | bytes]:
        self._ended = True
        found = self._all(self._decoder.end())
        if self._stage is _Stage.INSIDE and not self._waits:
            found.append(self._quit())
        return found

    def last_words(self) -> bytes:
        return b""

    def receive(self, event: Event) -> bytes:
        out = self._told(event)
        while self._held and not self._waits:
            for item in self._do(self._held.next()):
                if isinstance(item, bytes):
                    out += item
                else:
                    self._asking.own.append(item)
        if self._ended and not self._held and not self._waits and self._stage is not _Stage.LEAVING:
            self._asking.own.append(self._quit())
        return out

    def shared(self, event: Event) -> bytes:
        return self._lobby.hear(event)

    def follow_up(self) -> Sequence[Request]:
        return self._asking.take()

    def wants(self, msg: Msg) -> bool:
        return True

    @property
    def _waits(self) -> bool:
        """Whether what comes now must wait for an answer."""
        return self._stage is _Stage.KNOCKING or self._updating

    # --- what they send

    def _all(self, messages: list[Message | Bad]) -> list[Request | bytes]:
        found: list[Request | bytes] = []
        for message in messages:
            if self._waits:
                found += self._hold(message)
            else:
                found += self._do(message)
        return found

    def _hold(self, message: Message | Bad) -> list[Request | bytes]:
        if not self._held.add(message):
            return []
        return [
            self._no(f"too much at once: of what you send before that is answered, {MAX_HELD // 1024} KiB are kept")
        ]

    def _do(self, message: Message | Bad) -> list[Request | bytes]:
        if self._stage is _Stage.LEAVING:
            return []
        if isinstance(message, Bad):
            return [self._no(message.text)]
        if self._stage is _Stage.NAMELESS and message.reason not in ("CON", "DISCON"):
            return [self._no(f"say who you are first: {_USAGE}")]
        return self._reasons[message.reason](message)

    def _con(self, message: Message) -> list[Request | bytes]:
        if self._nick:
            return [self._no(f"you are {self._nick} already; UPDATE,nickname=NICK, takes another nick")]
        if "nickname" not in message.params:
            return [self._no(f"the nickname is missing: {_USAGE}")]
        try:
            nick = _short_nick(message.params["nickname"])
        except names.BadName as no:
            return [self._no(str(no))]
        self._stage = _Stage.KNOCKING
        hello = native.Hello(nick=nick, color=long_color(message.params.get("color", "")))
        password = message.params.get("password", "")
        if not password:
            return [self._asking.ask(hello)]
        return [self._asking.ask(plain_login(nick, password), _Proof(hello))]

    def _chat(self, message: Message) -> list[Request | bytes]:
        to, text = message.params.get("rec"), clean(message.content)
        if not to:
            return [self._no("rec is missing: CHAT,rec=-ALL,TEXT is for everyone, CHAT,rec=NICK,TEXT for one")]
        if len(text) > MAX_CONTENT:
            return [
                self._no(f"a message may have {MAX_CONTENT} characters and this has {len(text):,}; send it in parts")
            ]
        if not text.strip():
            return [self._no("there is nothing in this message; what is said follows the second comma")]
        ctx = commands.Context(self._lobby.room if to == EVERYONE else f"@{to}", self._nick, self._last_from, self._fun)
        match commands.parse(text, ctx, self._new_cmid):
            case Problem(text=why):
                return [self._no(why)]
            case Local("help", args):
                return [self._shown(commands.help_text(ctx, args).split("\n"))]
            case Local("react" | "redact") as local:
                looking = Looking(local, ctx)
                return [self._asking.ask(looking.request(), looking)]
            case Local(name) as local:
                said = in_one_line(local, self._nick) or f"/{name} is for the terminal client: moot join"
                return [self._no(said)]
            case found:
                return [self._typed(request) for request in found]

    def _typed(self, request: Request) -> Request | bytes:
        """Return what becomes of a command that was typed where one talks."""
        match request:
            case native.Quit():
                return self._quit(request.reason)
            case native.Nick():
                try:
                    return self._asking.ask(native.Nick(nick=_short_nick(request.nick)))
                except names.BadName as no:
                    return self._no(str(no))
            case _ if isinstance(request, _ELSEWHERE):
                return self._no(f"you are in {self._lobby.room} and stay there: this client knows no other room")
            case _ if isinstance(request, _SPEECH):
                return request
            case _:
                return self._asking.ask(request)

    def _update(self, message: Message) -> list[Request | bytes]:
        nick, color = message.params.get("nickname"), message.params.get("color")
        if not nick and not color:
            return [
                self._confirm("UPDATE", "Error: give a nickname, a color or both: UPDATE,nickname=NICK;color=#0F0,")
            ]
        long = long_color(color) if color else None
        if color and long is None:
            return [self._confirm("UPDATE", f"Error: {_COLOR_RULE}")]
        if not nick:
            return [self._asking.ask(native.Color(color=long), _Update())]
        try:
            short = _short_nick(nick)
        except names.BadName as no:
            return [self._confirm("UPDATE", f"Error: {no}")]
        self._updating = long is not None
        return [self._asking.ask(native.Nick(nick=short), _Update(long))]

    def _ref(self, _message: Message) -> list[Request | bytes]:
        refresh = _Refresh(2 if self._inbox else 1)
        newest = {self._lobby.room: self._lobby.last}  # what comes after that comes by itself
        if self._inbox:
            newest[native.INBOX] = self._inbox
        return [
            self._asking.ask(native.History(room=room, before=min(seq + 1, _NEWEST), limit=REPLAYED), refresh)
            for room, seq in newest.items()
        ]

    def _user(self, _message: Message) -> list[Request | bytes]:
        return [self._asking.ask(native.Who(room=self._lobby.room), _Users())]

    def _kick(self, message: Message) -> list[Request | bytes]:
        nick, reason = message.params.get("user"), clean(message.content, newlines=False).strip()
        if not nick:
            return [self._no("whom? KICK,user=NICK,why puts somebody out")]
        kick = moderation.Kick(nick=nick, room=self._lobby.room, reason=reason[: native.MAX_REMARK])
        return [self._asking.ask(kick, _Kick())]

    def _discon(self, _message: Message) -> list[Request | bytes]:
        return [self._quit()]

    def _quit(self, reason: str = "") -> Request:
        self._stage = _Stage.LEAVING
        self._held.clear()
        return native.Quit(reason=reason)

    # --- what they are told

    def _told(self, event: Event) -> bytes:
        match event:
            case Msg():
                return self._direct(event)
            case native.Ok():
                return self._ok(event)
            case native.Error():
                return self._error(event)
            case native.Welcome():
                return self._welcomed(event)
            case native.Room():
                return self._entered(event)
            case native.HistoryPage():
                return self._page(event)
            case native.People():
                return self._people(event)
            case native.Bye():
                return self._goodbye(event)
            case native.Notice():
                return self._lobby.answer("WARN", event.text)
            case native.Shown():
                return self._shown(event.text.split("\n"))
            case accounts.LoggedIn():
                return self._logged_in(event)
            case native.Left(by=str()) if event.nick == self._nick and event.room == self._lobby.room:
                return self._put_out(event)
        self._asking.answered(event)
        match event:
            case native.Profile():
                return self._shown(prose.profile(event))
            case native.RoomList():
                return self._shown(prose.rooms(event))
            case native.Pong():
                return self._shown(prose.clock(event))
            case native.Renamed(old=old) if old == self._nick:
                self._nick = event.nick
            case accounts.LoggedOut():
                self._nick, self._inbox = event.nick, event.inbox
                return self._shown([sentences.logged_out(event)]) if event.reason else b""  # asked for: it is answered
            case accounts.AccountInfo():
                return self._shown(prose.account(event))
            case moderation.RoomPolicy():
                return self._shown(prose.policy(event))
            case moderation.Invited():
                return self._shown([sentences.invited(event, self._nick)])
        return b""

    def _logged_in(self, event: accounts.LoggedIn) -> bytes:
        asked = self._asking.answered(event)
        if isinstance(asked, _Proof):
            self._asking.own.append(self._asking.ask(asked.hello))
            return b""
        self._nick = event.nick or self._nick
        self._inbox = self._inbox if event.inbox is None else event.inbox
        return self._shown([sentences.logged_in(event)])

    def _put_out(self, event: native.Left) -> bytes:
        self._asking.own.append(self._quit())
        self._kicked = True
        return self._lobby.answer("WARN", f"You have been kicked for reason: {event.reason or 'none was given'}")

    def _direct(self, msg: Msg) -> bytes:
        if msg.room == native.INBOX:
            self._inbox = max(self._inbox, msg.seq)
            if msg.nick != self._nick:
                self._last_from = msg.nick
        return self._lobby.said(msg)

    def _ok(self, ok: native.Ok) -> bytes:
        asked = self._asking.answered(ok)
        if ok.nick is not None:
            self._nick = ok.nick
        if isinstance(asked, accounts.Request | moderation.Request) and (said := sentences.done(asked, ok.nick)):
            return self._shown([said])
        if not isinstance(asked, _Update):
            return b""
        self._updating = False
        if asked.color is not None:
            self._asking.own.append(self._asking.ask(native.Color(color=asked.color), _Update()))
            return b""
        return self._confirm("UPDATE", "OK")

    def _error(self, error: native.Error) -> bytes:
        asked = self._asking.answered(error)
        if self._stage is _Stage.LEAVING and error.code == "not-introduced":
            return b""  # they left before they came
        match asked:
            case _Update():
                self._updating = False
                return self._confirm("UPDATE", f"Error: {error.text}")
            case _Refresh():
                return self._refreshed(asked)
            case _Proof(hello=hello) if error.code != "insecure":
                # Whether there is such an account is told to nobody: as a guest they learn what everybody may.
                self._asking.own.append(self._asking.ask(hello, _Guest(error.text)))
                return b""
            case _Guest(why=why):
                self._stage = _Stage.NAMELESS
                return self._no(why if error.code == "nick-reserved" else error.text)
            case native.Hello() | _Proof():
                self._stage = _Stage.NAMELESS
                if error.code == "nick-reserved":
                    return self._no(f"{error.text}; to log in, give its password: {_USAGE}")
            case native.Join() if self._stage is _Stage.KNOCKING:
                self._stage = _Stage.INSIDE  # without a room
        return self._no(error.text)

    def _welcomed(self, welcome: native.Welcome) -> bytes:
        self._asking.answered(welcome)
        self._nick = welcome.nick
        self._inbox = welcome.inbox
        self._fun = commands.fun_table(welcome.fun)
        self._asking.own.append(self._asking.ask(native.Join(room=self._lobby.room)))
        out = self._lobby.answer("CONVER", "OK")
        return out + self._shown(clean(welcome.motd).split("\n")) if welcome.motd else out

    def _entered(self, room: native.Room) -> bytes:
        self._asking.answered(room)
        self._lobby.entered(room)
        if self._stage is _Stage.KNOCKING:
            self._stage = _Stage.INSIDE
        if room.count > len(room.people):
            self._asking.own.append(self._asking.ask(native.Who(room=room.room), _Users(told=False)))
        return self._lobby.came(self._nick)

    def _page(self, page: native.HistoryPage) -> bytes:
        asked = self._asking.answered(page)
        if isinstance(asked, Looking):
            return self._looked(asked.found(page, self._new_cmid))
        refresh = asked if isinstance(asked, _Refresh) else None
        if refresh is None:
            out = b"".join(map(self._lobby.said, page.messages))
            return out + self._lost() if page.gaps else out
        refresh.found += page.messages
        refresh.gaps = refresh.gaps or bool(page.gaps)
        return self._refreshed(refresh)

    def _looked(self, found: list[Request] | Problem) -> bytes:
        """Do what is about one of the last messages, which are known now."""
        if isinstance(found, Problem):
            return self._no(found.text)
        self._asking.own += found
        return b""

    def _refreshed(self, refresh: _Refresh) -> bytes:
        """One of its pages has come, or will not."""
        refresh.pages -= 1
        if refresh.pages > 0:
            return b""
        out = self._confirm("REF", "Resending messages...") + (self._lost() if refresh.gaps else b"")
        newest = sorted(refresh.found, key=lambda msg: msg.time)[-REPLAYED:]
        return out + b"".join(map(self._lobby.said, newest))

    def _lost(self) -> bytes:
        return self._shown(["some of the earlier messages are no longer kept"])

    def _people(self, people: native.People) -> bytes:
        asked = self._asking.answered(people)
        if isinstance(asked, _Users):
            self._lobby.take(people.people)
            return self._lobby.users() if asked.told else b""
        return self._shown(prose.people(people))

    def _goodbye(self, bye: native.Bye) -> bytes:
        if self._kicked:
            return b""
        if self._stage is _Stage.LEAVING:
            return self._confirm("DISCON", "Disconnected Successfully.")
        again = "" if bye.retry is None else f"; come back in {bye.retry:g} seconds"
        return self._lobby.answer("WARN", bye.reason + again)

    def _confirm(self, reason: str, text: str) -> bytes:
        return self._lobby.answer("CONFIRM", text, ("reason", reason))

    def _shown(self, lines: Sequence[str]) -> bytes:
        return self._lobby.shown(self._settings.server_name, lines)

    def _no(self, text: str) -> bytes:
        """Return a refusal: of the one who is not introduced yet, or of what was asked."""
        return self._lobby.answer("ERR" if self._nick else "CONVER", f"Error: {text}")


def _short_nick(text: str) -> str:
    """Return ``text`` as a nick of this protocol. Raises `names.BadName`."""
    nick = names.nick(text)
    if not (2 <= len(nick) <= 16 and nick[0].isalnum()):
        raise names.BadName(
            f"{nick} cannot be a nick here. It has 2 to 16 characters and begins with a letter or a digit."
        )
    return nick


def _size(message: Message | Bad) -> int:
    if isinstance(message, Bad):
        return _HELD_EACH
    return _HELD_EACH + len(message.content) + sum(map(len, message.params.values()))
