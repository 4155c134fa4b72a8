r"""The dialect of a person with `nc` or telnet: lines in, sentences out. No sockets, no clock, no escape codes.

The first line is the nick. What is typed while the server still answers that is held back, so a pipe may say it all
at once: `printf 'ann\nhello\n/quit\n' | nc host port`. Afterwards a line is what `protocol.commands` makes of it.
"""

import enum
import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from protocol import accounts, commands, moderation, names, native, sentences
from protocol.account_commands import in_one_line
from protocol.commands import Local, Problem
from protocol.native import Event, Msg, Request
from protocol.settings import Settings
from protocol.text import clean
from workers.dialects import prose
from workers.dialects.asking import MAX_HELD, Asking, Held
from workers.dialects.lines import LineReader, TooLong
from workers.dialects.looking import Looking

_HTTP: Final = re.compile(r"[A-Z]+ \S+ HTTP/\d(\.\d)?")
_NOT_HTTP: Final = b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_ASK: Final = "What is your nick? (Just Enter makes you a guest)"
_SPEECH: Final = (native.Send, native.Fun, native.Topic)  # done when nothing is answered: they saw it as they typed


class _Stage(enum.Enum):
    NAMELESS = enum.auto()  # the next line is a nick
    KNOCKING = enum.auto()  # hello or the first join is under way
    INSIDE = enum.auto()
    LEAVING = enum.auto()  # quit was asked for; nothing more is read


class Plain:
    """One person's connection."""

    name: Final = "plain"
    variant: Final = "plain"
    echoes: Final = False  # their terminal shows already what they type
    resumes: Final = False

    def __init__(self, settings: Settings, offset_s: int, new_cmid: Callable[[], str]) -> None:
        """``offset_s``: seconds east of UTC of the times shown. ``new_cmid`` makes ids of messages."""
        self._settings = settings
        self._offset_s = offset_s
        self._new_cmid = new_cmid
        self._reader = LineReader(settings.max_line)
        self._stage = _Stage.NAMELESS
        self._held: Held[str] = Held(len)
        self._ended = False
        self._guest = False  # asked for no nick of their own
        self._nick = ""
        self._fun: dict[str, native.FunCommand] = {}
        self._room: str | None = None  # where lines go: "#tea", "@bob"
        self._rooms: list[str] = []  # entered, the latest last
        self._last_from: str | None = None
        self._ignored: dict[str, str] = {}  # folded nick -> nick
        self._asking: Asking[Local | Looking] = Asking()

    @property
    def picky(self) -> bool:
        return bool(self._ignored)

    def greet(self) -> bytes:
        return prose.as_bytes([f"Welcome to {self._settings.server_name}, a chat.", _ASK])

    def feed(self, chunk: bytes) -> list[Request | bytes]:
        found: list[Request | bytes] = []
        for line in self._reader.feed(chunk):
            if isinstance(line, TooLong):
                if self._stage is not _Stage.LEAVING:
                    text = f"a line may have {self._settings.max_line:,} bytes; yours was longer and was skipped"
                    found.append(_no(text))
            else:
                found += self._line(line)
        return found

    def end(self) -> list[Request | bytes]:
        self._ended = True
        rest = self._reader.end()
        found = self._line(rest) if rest else []
        if self._stage is _Stage.INSIDE:
            found.append(self._quit())
        return found

    def last_words(self) -> bytes:
        return b""

    def receive(self, event: Event) -> bytes:
        out = self._told(event)
        while self._held and self._stage in (_Stage.NAMELESS, _Stage.INSIDE):
            for item in self._typed(self._held.next()):
                if isinstance(item, bytes):
                    out += item
                else:
                    self._asking.own.append(item)
        if self._ended and not self._held and self._stage is _Stage.INSIDE:
            self._asking.own.append(self._quit())
        return out

    def shared(self, event: Event) -> bytes:
        return prose.encode(event)

    def follow_up(self) -> Sequence[Request]:
        return self._asking.take()

    def wants(self, msg: Msg) -> bool:
        return names.fold_nick(msg.nick) not in self._ignored

    # --- what they type

    def _line(self, raw: bytes) -> list[Request | bytes]:
        line = clean(raw.decode("utf-8", "replace").replace("\n", " "))
        if self._stage is not _Stage.KNOCKING:
            return self._typed(line)
        if not self._held.add(line):
            return []
        return [_no(f"too much at once: of what you send before you are introduced, {MAX_HELD // 1024} KiB are kept")]

    def _typed(self, line: str) -> list[Request | bytes]:
        if self._stage is _Stage.LEAVING:
            return []
        if self._stage is _Stage.NAMELESS:
            return self._introduce(line)
        ctx = commands.Context(self._room, self._nick, self._last_from, self._fun)
        match commands.parse(line, ctx, self._new_cmid):
            case Problem(text=text):
                return [_no(text)]
            case Local() as local:
                return self._local(local, ctx)
            case found:
                return self._ask_all(found)

    def _introduce(self, line: str) -> list[Request | bytes]:
        line = line.strip()
        if _HTTP.fullmatch(line):  # with a method that `sniff` does not know: its headers and body are nobody's words
            return [_NOT_HTTP, self._quit()]
        if line.split(" ")[0].lower() in ("/quit", "/exit"):
            return [prose.as_bytes(["* Goodbye."]), self._quit()]
        self._guest = not line
        try:
            nick = names.nick(line.removeprefix("/nick ") or "guest")
        except names.BadName as no:
            return [_no(str(no)), prose.as_bytes([_ASK])]
        self._stage = _Stage.KNOCKING
        return [self._asking.ask(native.Hello(nick=nick))]

    def _ask_all(self, requests: list[Request]) -> list[Request | bytes]:
        found: list[Request | bytes] = []
        for request in requests:
            if isinstance(request, _SPEECH):
                found.append(request)
            elif isinstance(request, native.Quit):
                found.append(self._quit(request.reason))
            else:
                if isinstance(request, native.Join):
                    self._room = request.room  # the next line may come before the answer
                found.append(self._asking.ask(request))
        return found

    def _quit(self, reason: str = "") -> Request:
        self._stage = _Stage.LEAVING
        self._held.clear()
        return native.Quit(reason=reason)

    def _local(self, local: Local, ctx: commands.Context) -> list[Request | bytes]:
        match local:
            case Local("help"):
                text = commands.help_text(ctx, local.args)
            case Local("ignore", ""):
                text = "You ignore " + (", ".join(self._ignored.values()) or "nobody") + "."
            case Local("ignore"):
                self._ignored[names.fold_nick(local.args)] = local.args
                text = f"You no longer see what {local.args} says; /unignore {local.args} shows it again."
            case Local("unignore"):
                known = self._ignored.pop(names.fold_nick(local.args), None)
                text = f"You see what {local.args} says." if known else f"You did not ignore {local.args}."
            case Local("open"):
                self._room = local.args
                text = f"What you type goes to {local.args[1:]} alone; /leave goes back to the room."
            case Local("close"):
                self._go_back()
                text = self._where()
            case Local("react" | "redact"):
                looking = Looking(local, ctx)
                return [self._asking.ask(looking.request(), looking)]
            case Local("topic"):
                return [self._asking.ask(native.Rooms(), local)]  # a room's topic may have changed since we entered
            case Local("clear"):
                text = "Only your terminal can do that; most do it with Ctrl+L."
            case _:
                text = in_one_line(local, self._nick) or f"/{local.name} is for the terminal client: moot join"
        return [prose.as_bytes(text.split("\n"))]

    def _go_back(self) -> None:
        self._room = self._rooms[-1] if self._rooms else None

    def _where(self) -> str:
        return (
            f"What you type is said in {self._room}."
            if self._room
            else "You are in no room; enter one with /join #room"
        )

    # --- what they are told

    def _told(self, event: Event) -> bytes:
        match event:
            case native.Msg():
                return self._message(event)
            case native.HistoryPage() if isinstance(looking := self._asking.about(event), Looking):
                return self._looked(event, looking)
            case native.Left(nick=nick, room=room, by=str()) if nick == self._nick:
                return self._put_out(room, sentences.kicked(event, self._nick))
            case moderation.Retitled():
                return self._retitled(event)
            case native.Ok():
                return self._ok(event)
            case native.Error():
                return self._error(event)
            case native.Welcome():
                return self._welcomed(event)
            case native.Room():
                return self._entered(event)
            case native.RoomList():
                return self._room_list(event)
        return prose.as_bytes(self._lines(event))

    def _lines(self, event: Event) -> list[str]:
        self._asking.answered(event)
        match event:
            case moderation.RoomPolicy():
                return prose.policy(event, self._offset_s)
            case moderation.Invited():
                return [f"* {sentences.invited(event, self._nick)}"]
            case accounts.AccountInfo():
                return prose.account(event, self._offset_s)
            case accounts.LoggedIn():
                self._nick = event.nick or self._nick
                return [f"* {sentences.logged_in(event)}"]
            case accounts.LoggedOut():
                self._nick = event.nick or self._nick
                return [f"* {sentences.logged_out(event)}"] if event.reason else []  # asked for, so it is answered
            case native.HistoryPage():
                found = [msg for msg in event.messages if self.wants(msg)]
                lines = prose.messages(found, self._offset_s, self._nick, event.gaps, event.room)
                return lines or ["Nothing has been said there yet."]
            case native.People():
                return prose.people(event)
            case native.Profile():
                return prose.profile(event, self._offset_s)
            case native.Shown():
                return event.text.split("\n")
            case native.Pong():
                return prose.clock(event, self._offset_s)
            case native.Notice():
                return prose.notice(event)
            case native.Bye():
                return prose.goodbye(event)
            case native.Renamed(old=old) if old == self._nick:
                self._nick = event.nick
        return prose.say(event, self._offset_s)

    def _looked(self, page: native.HistoryPage, looking: Looking) -> bytes:
        """Do what is about one of the last messages, which are known now."""
        self._asking.answered(page)
        found = looking.found(page, self._new_cmid)
        if isinstance(found, Problem):
            return _no(found.text)
        self._asking.own += [self._asking.ask(one) if isinstance(one, native.Redact) else one for one in found]
        return b""

    def _put_out(self, room: str, sentence: str) -> bytes:
        if room in self._rooms:
            self._rooms.remove(room)
        if self._room == room:
            self._go_back()
        return prose.as_bytes([f"* {sentence}. {self._where()}"])

    def _retitled(self, event: moderation.Retitled) -> bytes:
        self._rooms = [event.name if room == event.room else room for room in self._rooms]
        if self._room == event.room:
            self._room = event.name
        return prose.as_bytes(prose.say(event))

    def _message(self, msg: Msg) -> bytes:
        if not self.wants(msg):
            return b""
        if msg.room == native.INBOX and msg.nick != self._nick:
            self._last_from = msg.nick
        return prose.as_bytes(prose.message(msg, self._offset_s, self._nick))

    def _welcomed(self, welcome: native.Welcome) -> bytes:
        self._asking.answered(welcome)
        self._nick = welcome.nick
        self._fun = commands.fun_table(welcome.fun)
        self._asking.own.append(self._asking.ask(native.Join(room=self._settings.lobby)))
        lines = [
            f"* Hello {welcome.nick}, this is {welcome.server} (moot {welcome.version}). /help lists the commands."
        ]
        if welcome.motd:
            lines += clean(welcome.motd).split("\n")
        return prose.as_bytes(lines)

    def _entered(self, entered: native.Room) -> bytes:
        self._asking.answered(entered)
        if entered.room in self._rooms:
            self._rooms.remove(entered.room)
        self._rooms.append(entered.room)
        if self._stage is _Stage.KNOCKING:
            self._stage = _Stage.INSIDE
            self._room = entered.room
        kept = [msg for msg in entered.messages if self.wants(msg)]
        lines = prose.room(msgspec.structs.replace(entered, messages=kept), self._offset_s, self._nick)
        if len(self._rooms) > 1:
            lines.append(f"* {self._where()}")
        return prose.as_bytes(lines)

    def _room_list(self, found: native.RoomList) -> bytes:
        asked = self._asking.answered(found)
        if not isinstance(asked, Local):
            return prose.as_bytes(prose.rooms(found))
        topic = next((line.topic for line in found.rooms if line.room == asked.args), "")
        text = (
            f"The topic of {asked.args} is: {clean(topic, newlines=False)}" if topic else f"{asked.args} has no topic."
        )
        return prose.as_bytes([text])

    def _ok(self, ok: native.Ok) -> bytes:
        match self._asking.answered(ok):
            case native.Leave() if ok.room is not None:
                if ok.room in self._rooms:
                    self._rooms.remove(ok.room)
                if self._room == ok.room:
                    self._go_back()
                return prose.as_bytes([f"* You left {ok.room}. {self._where()}"])
            case native.Nick() if ok.nick is not None:
                self._nick = ok.nick
                return b"" if self._rooms else prose.as_bytes([f"* You are now {ok.nick}"])  # rooms hear it themselves
            case native.Redact():
                return prose.as_bytes(["* It is taken back."])
            case native.Away(text=text):
                return prose.as_bytes(["* You are away; /back ends it." if text is not None else "* You are back."])
            case native.Color(color=color):
                return prose.as_bytes(
                    [f"* Your color is {color}." if color else "* Your color is made from your nick."]
                )
            case asked if isinstance(asked, moderation.Request | accounts.Request) and (
                done := sentences.done(asked, ok.nick)
            ):
                return prose.as_bytes([f"* {done}"])
            case _:
                return b""

    def _error(self, error: native.Error) -> bytes:
        asked = self._asking.answered(error)
        if self._stage is _Stage.LEAVING and error.code == "not-introduced":
            return b""  # they left before they came
        out = _no(error.text)
        if isinstance(asked, native.Hello):
            return self._turned_away(error, out)
        if isinstance(asked, native.Join):
            if self._stage is _Stage.KNOCKING:
                self._stage = _Stage.INSIDE  # without a room
            if self._room == asked.room and asked.room not in self._rooms:
                self._go_back()
        return out

    def _turned_away(self, error: native.Error, why: bytes) -> bytes:
        """The hello was refused: ask again, unless nobody is there to be asked."""
        self._stage = _Stage.NAMELESS
        piped = bool(self._held) or self._ended  # not waiting for our question, and their next line is no nick
        if error.free is not None and (self._guest or piped):
            self._stage = _Stage.KNOCKING
            self._asking.own.append(self._asking.ask(native.Hello(nick=error.free)))
            return b"" if self._guest else why + prose.as_bytes([f"* You are {error.free}, then."])
        if piped:
            self._asking.own.append(self._quit())
            return why
        return why + prose.as_bytes([_ASK])


def _no(text: str) -> bytes:
    """Return a refusal as a line."""
    return prose.as_bytes([f"! {clean(text, newlines=False)}"])
