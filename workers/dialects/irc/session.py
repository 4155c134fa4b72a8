"""One IRC client's connection: its lines, who it is, what it waits for. Commands are in the table, rooms in `events`.

What a command asks of the broker is asked at once, so a client may send on; what it is answered with comes in the
order of its commands (`turns`). A command that needs nothing of the broker waits behind a ping when something is under
way. Until the nick is accepted, lines are held back.
"""

import enum
from collections import deque
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Final

import msgspec

from protocol import commands as chat
from protocol import moderation, native
from protocol.accounts import Inside, LoggedIn, LoggedOut, ReadUpto
from protocol.metadata import Metadatum
from protocol.native import Event, Msg, Request
from protocol.settings import Settings
from workers.dialects import UNKNOWN, Item, Peer, Personal
from workers.dialects.irc import (
    accounts,
    caps,
    channels,
    errors,
    events,
    marks,
    metadata,
    moderating,
    monitor,
    multiline,
    presence,
    registration,
    speech,
)
from workers.dialects.irc.lines import LineReader, Message, Unreadable, body, clip, parse
from workers.dialects.irc.mapping import NOBODY, Host, same_nick
from workers.dialects.irc.monitor import Monitor
from workers.dialects.irc.numerics import TEXTS
from workers.dialects.irc.pulse import Pulse
from workers.dialects.irc.table import TABLE, Command
from workers.dialects.irc.turns import MAX_LABEL, Turn
from workers.dialects.lines import TooLong

MAX_HELD: Final = 16 * 1024  # bytes of lines held back until the nick is accepted
MAX_HELD_LINES: Final = 64

Then = Callable[[Event], None]


class Stage(enum.Enum):
    NAMELESS = enum.auto()
    KNOCKING = enum.auto()  # hello is under way
    INSIDE = enum.auto()
    LEAVING = enum.auto()  # nothing more is read


class Irc(Personal):
    """See the module. What is without an underscore is for the commands."""

    name: Final = "irc"
    echoes: Final = True  # `echo` and `receive` say nothing to who does not want it
    resumes: Final = False
    picky: Final = False

    def __init__(
        self,
        settings: Settings,
        new_cmid: Callable[[], str],
        peer: Peer = UNKNOWN,
        uptime: Callable[[], int] = lambda: 0,
    ) -> None:
        """``uptime`` tells for how many seconds the server is up."""
        self.settings = settings
        self.uptime = uptime
        self.peer = peer
        self.host = Host(settings.server_name)
        self.new_cmid = new_cmid
        self.stage = Stage.NAMELESS
        self.nick = ""  # as accepted
        self.account: str | None = None  # None: a guest
        self.admin = False  # of the server
        self.modes: set[str] = set()  # of oneself, as letters; see `presence`
        self.monitor = Monitor()
        self.login = accounts.Login()
        self.subscribed: set[str] = set()  # keys of METADATA that one wants to hear of
        self.intro = registration.Introduction()
        self.caps: frozenset[str] = frozenset()
        self.flags = ""  # those of the capabilities that change what rooms hear
        self.variant = caps.variant(self.host.name, self.caps)
        self.welcome: native.Welcome | None = None
        self.fun: dict[str, native.FunCommand] = {}
        self.rooms: dict[str, int] = {}  # joined -> seq of its newest message then
        self.topics: dict[str, Msg] = {}  # as far as their messages came by
        self.invitations: dict[str, None] = {}  # rooms one was asked into, the latest last
        self._deeds: list[Event] = []  # own ones, to be told with the answer
        self._pulse = Pulse(self)
        self._reader = LineReader()
        self._held: deque[bytes | TooLong] = deque()
        self._held_bytes = 0  # of all that were ever held; -1: too many
        self._ended = False
        self._turns: deque[Turn] = deque()
        self._asked: dict[int, tuple[Turn, Request, Then]] = {}  # by id
        self._own: list[Item] = []
        self._next_id = 1
        self._next_batch = 1
        self.multiline: multiline.Open | None = None  # the batch that the client is sending
        self.failed_batch = ""  # one whose rest is thrown away
        self._echoes: dict[tuple[str, int], Turn] = {}  # labelled messages that are stored, by room and seq
        self._echoed: dict[str, int] = {}  # room -> newest own message that came back

    # --- Dialect

    def greet(self) -> bytes:
        return b""

    def feed(self, chunk: bytes) -> list[Item]:
        self._pulse.heard = True
        found: list[Item] = []
        for line in self._reader.feed(chunk):
            self._line(line)
            found += self._items()
        return found

    def end(self) -> list[Item]:
        self._ended = True
        if rest := self._reader.end():
            self._line(rest)
        if self.stage is Stage.INSIDE:
            self.leave("connection closed")
        return self._items()

    def last_words(self) -> bytes:
        return b""

    def receive(self, event: Event) -> bytes:
        number = getattr(event, "id", None)
        asked = self._asked.pop(number, None) if isinstance(number, int) else None
        if asked is not None:
            turn, request, then = asked
            turn.waiting -= 1
            if isinstance(event, native.Error) and not errors.expected(event, request):
                errors.unexpected(self, turn, request, event)
            else:
                then(event)
            out = self.settle()
        else:
            out = self.settle() + self._told(event)
        while self._held and self.stage is not Stage.LEAVING and not self._waits:
            line = self._held.popleft()
            self._line(line)
            out += self.settle()
        if self._ended and not self._held and self.stage is Stage.INSIDE:
            self.leave("connection closed")
        return out

    def shared(self, event: Event) -> bytes:
        return events.shared(event, self.host, self.flags, self.epoch)

    def follow_up(self) -> Sequence[Item]:
        if not self._own:
            return ()
        own, self._own = self._own, []
        return own

    def wants(self, msg: Msg) -> bool:
        return True

    # --- Personal

    def echo(self, msg: Msg, line: bytes) -> bytes:
        turn = self._echoes.pop((msg.room, msg.seq), None)
        self._echoed[msg.room] = max(msg.seq, self._echoed.get(msg.room, 0))
        if turn is not None:
            turn.waiting -= 1
            turn.lines += speech.message(msg, self.host, self.flags, self.epoch)
            return self.settle()
        wanted = "echo-message" in self.caps or msg.kind in ("fun", "topic") or msg.cmd is not None
        return line if wanted else b""

    def echo_hint(self, event: Event, line: bytes) -> bytes:
        """It comes back with the answer, if at all."""
        return b""

    def hears(self, event: Event) -> bool:
        """An own new nick or away text is told in the answer to the command, if there was one."""
        match event:
            case native.Renamed(old=old, nick=nick) if same_nick(old, self.nick):
                if self._asks_to_be(nick):
                    return False
                self.nick = nick
            case Metadatum():
                return metadata.hears(self, event)
            case native.Changed(who=who):
                self.monitor.seen(who)
                return not same_nick(who.nick, self.nick)
            case moderation.Modes(by=by) | native.Left(by=str(by)) if by and same_nick(by, self.nick):
                if self._awaits(moderation.Mode | moderation.Kick):
                    self._deeds.append(event)
                    return False
        return True

    def tell_deeds(self, turn: Turn) -> None:
        """Tell what one has done to others with the answer to the command that did it."""
        for event in self._deeds:
            turn.lines += events.lines_of(event, self.host, self.flags, self.epoch)
        self._deeds.clear()

    # --- for the commands

    @property
    def epoch(self) -> str:
        return self.welcome.epoch if self.welcome is not None else ""

    @property
    def me(self) -> str:
        """Who this is in numerics."""
        return self.nick or NOBODY

    @property
    def mask(self) -> str:
        """Who this is in what others hear."""
        return self.host.mask(self.nick, self.account)

    def reply(self, turn: Turn, number: str, *params: str) -> None:
        """Add a numeric with the words it always has, if it has any."""
        text = TEXTS.get(number)
        turn.lines.append(("", body(self.host.name, number, self.me, *params, *(() if text is None else (text,)))))

    def say(self, turn: Turn, command: str, *params: str) -> None:
        """Add a message of the server."""
        turn.lines.append(("", body(self.host.name, command, *params)))

    def fail(self, turn: Turn, code: str, *params: str) -> None:
        """Add a standard reply."""
        self.say(turn, "FAIL", turn.command, code, *params)

    def ask(self, turn: Turn, request: Request, then: Then) -> None:
        """Ask the broker; ``then`` gets the answer, an error only if it is of those that `errors` expects."""
        number = self._next_id
        self._next_id += 1
        turn.waiting += 1
        self._asked[number] = (turn, request, then)
        self._own.append(msgspec.structs.replace(request, id=number))

    def also(self, item: Item) -> None:
        """Add a request or an effect that nobody waits for."""
        self._own.append(item)

    def awaits_echo(self, turn: Turn, ok: native.Ok, *, wanted: bool) -> None:
        """A message is stored: a labelled turn ends with its echo, unless that came before or is not wanted."""
        room, seq = ok.room or "", ok.seq or 0
        if turn.label and wanted and self._echoed.get(room, 0) < seq:
            turn.waiting += 1
            self._echoes[room, seq] = turn

    def locally(self, turn: Turn, then: Callable[[Turn], None]) -> None:
        """Do what needs no answer when what was asked before is answered."""
        if self.stage is Stage.INSIDE and len(self._turns) > 1:
            self.ask(turn, native.Ping(), lambda _pong: then(turn))
        else:
            then(turn)

    def new_batch(self) -> str:
        number = self._next_batch
        self._next_batch += 1
        return f"b{number}"

    def take_caps(self, enabled: frozenset[str]) -> None:
        self.caps = enabled
        self.flags = caps.flags(enabled)
        self.variant = caps.variant(self.host.name, enabled)

    def come_in(self, welcome: native.Welcome) -> None:
        self.stage, self.welcome, self.nick = Stage.INSIDE, welcome, welcome.nick
        self.fun = chat.fun_table(welcome.fun)
        self._pulse.begin()

    def go_on(self) -> None:
        """A login is no longer under way: registration may be completed, if it waited for that."""
        if self.intro.waits and not self.login.asked:
            self.stage, self.intro.waits = Stage.NAMELESS, False
            registration.knock(self, self.new_turn("NICK"))

    def forget(self, room: str) -> None:
        """Keep nothing of a room that one has left."""
        for kept in (self.rooms, self.topics, self._echoed):
            kept.pop(room, None)

    def move(self, old: str, new: str) -> None:
        """A room one is in has another name."""
        if old in self.rooms:
            self.rooms[new] = self.rooms.pop(old)
        if (topic := self.topics.pop(old, None)) is not None:
            self.topics[new] = topic
        self._echoed[new] = self._echoed.pop(old, 0)

    def leave(self, reason: str) -> None:
        self.stage = Stage.LEAVING
        self._held.clear()
        self._own.append(native.Quit(reason=reason[: native.MAX_REMARK]))

    def new_turn(self, command: str, label: str = "") -> Turn:
        turn = Turn(command, label)
        self._turns.append(turn)
        return turn

    def settle(self) -> bytes:
        """Return what may be written of the turns, in order."""
        out = b""
        while self._turns:
            turn = self._turns[0]
            out += turn.take(self.host.name, self.new_batch)
            if turn.waiting:
                break
            self._turns.popleft()
        return out

    # --- lines

    def _items(self) -> list[Item]:
        words = self.settle()
        own, self._own = self._own, []
        return [*own, words] if words else own

    def _line(self, line: bytes | TooLong) -> None:
        if self.stage is Stage.LEAVING:
            return
        if self._waits:
            self._hold(line)
        elif isinstance(line, TooLong):
            self.locally(self.new_turn("*"), lambda turn: self.reply(turn, "417"))
        elif isinstance(found := parse(line), Message):
            self._command(found)
        elif isinstance(found, Unreadable):
            text = "Message rejected, your IRC software MUST use UTF-8 encoding on this network"
            self.locally(self.new_turn(clip(found.command, 32)), lambda turn: self.fail(turn, "INVALID_UTF8", text))

    @property
    def _waits(self) -> bool:
        """Whether it depends on an answer of the broker what the next line means."""
        return self.stage is Stage.KNOCKING or (self.stage is Stage.NAMELESS and self.login.asked > 0)

    def _hold(self, line: bytes | TooLong) -> None:
        size = 1 if isinstance(line, TooLong) else len(line)
        if self._held_bytes < 0:
            return
        if self._held_bytes + size > MAX_HELD or len(self._held) >= MAX_HELD_LINES:
            self._held_bytes = -1  # said once
            text = f"too much at once: of what you send before you are welcome, {MAX_HELD_LINES} lines are kept"
            self.say(self.new_turn("*"), "NOTICE", NOBODY, text)
            return
        self._held.append(line)
        self._held_bytes += size

    def _command(self, message: Message) -> None:
        label = message.tags.get("label", "") if {"labeled-response", "batch"} <= self.caps else ""
        if len(label.encode("utf-8", "replace")) > MAX_LABEL:
            label = ""
        turn = self.new_turn(message.command, label)
        turn.tags = message.tags
        if self.stage is Stage.INSIDE and multiline.gathers(self, turn, message.params):
            if not (turn.waiting or turn.lines):
                self._turns.pop()  # nothing is said about it
            return
        command, params = TABLE.get(message.command), message.params
        if self.stage is Stage.NAMELESS and (command is None or not command.early):
            self.reply(turn, "451")
        elif command is None:
            self.locally(turn, lambda turn: self.reply(turn, "421", clip(message.command, 32)))
        elif len(params) < command.least:
            self.locally(turn, lambda turn: self.reply(turn, "461", message.command))
        elif command.local:
            self.locally(turn, lambda turn: self._run(command, turn, params))
        else:
            self._run(command, turn, params)
            if not turn.waiting:
                self.locally(turn, lambda _turn: None)  # an answer at once costs what others cost, and waits as they do

    def _run(self, command: Command, turn: Turn, params: tuple[str, ...]) -> None:
        command.handler(self, turn, params)

    # --- what it is told

    def _turn_of(self, kind: type) -> Turn | None:
        """Return the command that waits for an answer to a request of this kind."""
        return next((turn for turn, request, _then in self._asked.values() if isinstance(request, kind)), None)

    def _asks_to_be(self, nick: str) -> bool:
        """Whether a NICK of this connection waits for its answer; that of another one of the same person is told."""
        asked = (request.nick for _turn, request, _then in self._asked.values() if isinstance(request, native.Nick))
        return any(same_nick(wanted, nick) for wanted in asked)

    def _awaits(self, kind: type | UnionType) -> bool:
        return any(isinstance(request, kind) for _turn, request, _then in self._asked.values())

    def _told(self, event: Event) -> bytes:
        """Return what nobody asked for."""
        turn = Turn("*")
        match event:
            case Msg():
                return self._direct(event)
            case native.Bye(reason=reason, by=by, by_account=account):
                self.stage = Stage.LEAVING
                if by is not None:
                    kill = body(self.host.mask(by, account), "KILL", self.me, reason)
                    turn.lines += events.of_somebody([("", kill)], account, self.flags)
                self.say(turn, "ERROR", f"Closing link: {self.me} ({reason})")
            case native.Error(text=text):
                self.stage = Stage.LEAVING  # those without a question end the connection
                self.say(turn, "ERROR", f"Closing link: {text}")
            case LoggedIn():
                accounts.logged_in(self, turn, event)
            case LoggedOut(nick=nick, reason=reason):
                accounts.logged_out(self, turn, nick)
                if reason:
                    self.say(turn, "NOTICE", self.me, reason)
            case Inside(rooms=rooms) if rooms and self.stage is Stage.INSIDE:  # where one's other connections are
                channels.join(self, self.new_turn("JOIN"), (",".join(rooms),))
            case native.Renamed(old=old, nick=nick) if same_nick(old, self.nick):
                accounts.renamed(self, turn, nick)
            case ReadUpto():
                marks.told(self, turn, event)
            case Metadatum():
                metadata.told(self, turn, event)
            case native.IsTyping() | native.Tagged():
                target = self.nick if event.room == native.INBOX else event.room
                turn.lines += speech.hint(event, target, self.host, self.flags)
            case native.Watched():
                monitor.told(self, turn, event)
            case moderation.Invited(nick=nick) if same_nick(nick, self.nick):
                moderating.invited(self, turn, event)
            case moderation.Retitled(room=room):
                if room in self.rooms:
                    moderating.renamed(self, self._turn_of(moderation.Retitle) or turn, event)
                return turn.take(self.host.name, self.new_batch) + self.settle()
            case native.Left(room=room, nick=nick) if same_nick(nick, self.nick):  # put out, or by another device
                self.forget(room)
                return self.shared(event)
            case native.Notice(text=text, by=by, admins=admins, by_account=account):
                source = self.host.name if by is None else self.host.mask(by, account)
                if not admins or presence.WALLOPS in self.modes:
                    said = ("WALLOPS",) if admins else ("NOTICE", self.me)
                    notices = [("", body(source, *said, line)) for line in text.split("\n")]
                    turn.lines += events.of_somebody(notices, account, self.flags)
            case _:
                return self.shared(event)
        return turn.take(self.host.name, self.new_batch)

    def _direct(self, msg: Msg) -> bytes:
        """A message of the inbox: delivered, or one's own coming back, or both."""
        if not msg.own:
            return self.shared(msg)
        out = self.echo(msg, self.shared(msg))
        to_self = msg.to is not None and same_nick(msg.to, self.nick)
        return out + self.shared(msg) if to_self and (not out or "echo-message" in self.caps) else out
