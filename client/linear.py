"""The plain client's mind: typed lines and a session's updates in, lines to print out. Knows no terminal."""

from collections.abc import Mapping
from datetime import UTC, tzinfo

from msgspec.structs import replace

from client import lines
from client.recent import Recent
from client.sequence import in_order
from client.session import (
    Answer,
    Delayed,
    Entered,
    Exited,
    Failed,
    Happened,
    Identified,
    Lost,
    Message,
    Moved,
    Offline,
    Online,
    Presence,
    Queued,
    Said,
    Sent,
    Session,
    Update,
)
from protocol import accounts, moderation, native, sentences
from protocol.account_commands import plain_login
from protocol.commands import Context, Local, Problem, complete, fun_table, help_text, parse
from protocol.names import fold_nick
from protocol.room_commands import about
from protocol.text import clean


class Linear:
    """One person's line-by-line view of a session. Every method returns at once."""

    def __init__(self, session: Session, *, echo: bool, zone: tzinfo | None = None) -> None:
        self.session = session
        self.place = self._some_room()  # where a typed line goes: "#room", "@nick", or nowhere
        self.clear = False  # somebody wants the screen empty; the owner does it and resets this
        self.asks: Local | None = None  # somebody must be asked for a password, or a key be read; the owner does it
        self.refused = 0  # messages that the server did not take
        self._echo = echo  # print our own messages too
        self._zone = zone
        self._last_from: str | None = None
        self._ignored: dict[str, str] = {}  # by folded nick, as typed
        self._fun: dict[str, native.FunCommand] = {}
        self._known: set[str] = set()  # rooms entered before
        self._trouble = ""  # the last reason of being offline that was shown
        self._recent = Recent()
        self._renamed: native.Renamed | None = None
        self._delayed = ""  # why the server does not take our messages for now
        self._dispatch = {
            Online: self._online,
            Offline: self._offline,
            Entered: self._entered,
            Exited: self._exited,
            Message: self._message,
            Lost: self._lost,
            Delayed: self._held_up,
            Sent: self._sent,
            Queued: self._queued,
            Failed: self._failed,
            Answer: self._answer,
            Presence: self._presence,
            Said: self._said,
            Identified: self._identified,
            Happened: self._happened,
            Moved: self._moved,
        }

    @property
    def context(self) -> Context:
        return Context(self.place, self.session.nick, self._last_from, self._fun)

    @property
    def prompt(self) -> str:
        return f"{self.place or 'nowhere'}> "

    # --- typed

    def typed(self, line: str) -> list[str]:
        """Do what ``line`` says; return what to print at once."""
        todo = parse(clean(line), self.context, self.session.new_cmid)
        if isinstance(todo, Problem):
            return todo.text.split("\n")
        if isinstance(todo, Local):
            return self._local(todo)
        self.request(todo)
        return []

    def request(self, requests: list[native.Request]) -> None:
        """Ask for all of ``requests``; who logs in is remembered."""
        for request in requests:
            if isinstance(request, native.Send | native.Fun | native.Topic):
                self.session.submit(request)
            elif isinstance(request, accounts.Sasl | accounts.Register):
                self.session.request(replace(request, remember=True))
            else:
                self.session.request(request)

    def given(self, local: Local, values: Mapping[str, str]) -> None:
        """Somebody was asked what ``local`` needs: "nick", "password", "old", "new"."""
        match local.name:
            case "register":
                self.request([accounts.Register(password=values["new"])])
            case "login":
                self.request([plain_login(values["nick"], values["password"])])
            case "password":
                self.request([accounts.Password(old=values["old"], new=values["new"])])
            case "drop":
                self.request([accounts.Drop(password=values["password"])])

    def _local(self, todo: Local) -> list[str]:
        name, args = todo.name, todo.args
        if name in ("register", "login", "password", "drop", "key"):
            self.asks = todo
            return []
        if name in ("react", "redact"):
            made = about(todo, self.context, self._recent.of(self.place or ""), self.session.new_cmid)
            if isinstance(made, list):
                self.request(made)
            return [made.text] if isinstance(made, Problem) else []
        if name == "help":
            return clean(help_text(self.context, args or None)).split("\n")
        if name == "open":
            self.place = args
            return [f"You write to {args} now; /join #room goes back to a room."]
        if name == "close":
            self.place = self._some_room()
            return [f"You write to {self._where} now."]
        if name == "clear":
            self.clear = True
        elif name == "topic":
            view = self.session.rooms.get(args)
            return [f"{args}: {lines.one_line(view.topic)}" if view and view.topic else f"{args} has no topic"]
        elif name == "ignore" and not args:
            return ["You ignore " + (", ".join(self._ignored.values()) or "nobody")]
        elif name == "ignore":
            self._ignored[fold_nick(args)] = args
            return [f"You no longer see what {args} says; /unignore {args} ends that."]
        elif name == "unignore":
            known = self._ignored.pop(fold_nick(args), None)
            return [f"You see what {args} says again." if known else f"You do not ignore {args}."]
        elif name == "motion":
            return ["Nothing moves here."]
        return []

    def completions(self, before: str) -> tuple[int, list[str]]:
        """Return how many characters before the cursor to replace, and with what they may be replaced."""
        word = before[max(before.rfind(" "), before.rfind("\n")) + 1 :]
        if before.startswith("/") and word == before:
            return len(word), [f"{name} " for name in complete(before, self.context)]
        if word.startswith(":") and len(word) > 1:
            from funcmds import emojis  # loads a table

            return len(word), [f":{name}: " for name, _ in emojis.complete(word)]
        if word.startswith("#"):
            return len(word), sorted(f"{name} " for name in self.session.rooms if name.startswith(word))
        if not word:
            return 0, []
        at = "@" if word.startswith("@") else ""
        wanted = fold_nick(word.removeprefix("@")) if word != "@" else ""
        end = ": " if word == before and not at else " "
        nicks = {nick for view in self.session.rooms.values() for nick in view.people if nick != self.session.nick}
        return len(word), sorted(at + nick + end for nick in nicks if fold_nick(nick).startswith(wanted))

    # --- happened

    def show(self, update: Update) -> list[str]:
        """Return what to print about ``update``."""
        handler = self._dispatch.get(type(update))
        return handler(update) if handler is not None else []  # type: ignore[operator]

    def _online(self, update: Online) -> list[str]:
        welcome = update.welcome
        self._fun = fun_table(welcome.fun)
        if self._trouble:
            self._trouble = ""
            return ["Connected again."]
        if self._known:
            return []
        said = [
            f"You are {lines.one_line(welcome.nick)} on {lines.one_line(welcome.server)}. /help lists the commands."
        ]
        return said + (clean(welcome.motd).split("\n") if welcome.motd else [])

    def _offline(self, update: Offline) -> list[str]:
        reason = lines.one_line(update.reason)
        if update.final:
            return [] if self.session.quitting else [f"The end: {reason}"]
        if self._trouble == reason or (update.retry == 0 and not self._trouble):
            return []  # 0: a worker is being renewed, and we are back in half a second
        first, self._trouble = not self._trouble, reason
        return [
            f"Connection lost: {reason}. Trying again; what you type is kept."
            if first
            else f"Still no connection: {reason}"
        ]

    def _entered(self, update: Entered) -> list[str]:
        view = self.session.rooms.get(update.room)
        if update.room == native.INBOX:  # a room, but none that one is seen to enter
            return self._page(update.room, update.messages, update.gaps)
        name = lines.one_line(update.room)
        shown = []
        if update.reset and update.room in self._known:
            shown.append(f"{name}: the server no longer has some messages.")
        elif update.room not in self._known and view is not None:
            topic = f": {lines.one_line(view.topic)}" if view.topic else ""
            shown.append(f"You are in {name}{topic}. {lines.people(view.people.values(), view.count)}")
            if self.place is None or (self.place.startswith("#") and self.place not in self.session.rooms):
                self.place = update.room
        first = update.room not in self._known
        self._known.add(update.room)
        said = self._page(update.room, update.messages, update.gaps, view.read if first and view is not None else None)
        if view is not None:
            self.session.read(update.room, view.last)
        return shown + said

    def _page(
        self, room: str, messages: list[native.Msg], gaps: list[native.Gap], read: int | None = None
    ) -> list[str]:
        """Return a page of the log; a line says where what begins that was not ``read`` yet."""
        shown: list[str] = []
        for item in in_order(messages, gaps):
            if not isinstance(item, native.Msg):
                shown += self._lost(Lost(room, *item))
                continue
            if read and item.seq > read and item.nick != self.session.nick:
                shown.append(f"{lines.one_line(room)}: new messages")
                read = None
            shown += self._lines(item)
        return shown

    def _lost(self, update: Lost) -> list[str]:
        room = "direct messages" if update.room == native.INBOX else lines.one_line(update.room)
        return [f"{room}: {lines.missing(update.first, update.last)}"]

    def _exited(self, update: Exited) -> list[str]:
        self._known.discard(update.room)
        if self.place == update.room:
            self.place = self._some_room()
        return [f"You are no longer in {lines.one_line(update.room)}; you write to {self._where} now."]

    def _some_room(self) -> str | None:
        return next((name for name in self.session.rooms if name != native.INBOX), None)

    @property
    def _where(self) -> str:
        return lines.one_line(self.place or "nobody")

    def _message(self, update: Message) -> list[str]:
        msg = update.msg
        self.session.read(msg.room, msg.seq)
        ours = update.cmid is not None or self._waits(msg)
        if ours and not self._echo and msg.kind in ("text", "me") and update.cmid not in self.session.restored:
            self._recent.note(msg)
            return []  # it stands above, as typed
        return self._lines(msg)

    def _waits(self, msg: native.Msg) -> bool:
        """Whether ``msg`` is one of ours that is not acknowledged yet: a restarted broker replays before it answers."""
        return msg.nick == self.session.nick and any(
            isinstance(sent, native.Send) and sent.text == msg.text and sent.cmid not in self.session.restored
            for sent in self.session.outbox.values()
        )

    def _lines(self, msg: native.Msg) -> list[str]:
        about = self._recent.start(msg.room, msg.reply) if msg.reply is not None else ""
        self._recent.note(msg)
        if fold_nick(msg.nick) in self._ignored:
            return []
        me = self.session.nick
        if msg.to is not None and msg.nick != me:
            self._last_from = msg.nick
        place = "" if msg.room in (self.place, native.INBOX) else lines.one_line(msg.room)
        return lines.message(msg, me=me, place=place, stamp=lines.clock(msg.time, self._zone), about=about)

    def _held_up(self, update: Delayed) -> list[str]:
        """Too fast is no news: it is said a moment later."""
        if update.error.code == "flood" or self._delayed == update.error.code:
            return []
        self._delayed = update.error.code
        return [f"Not said yet: {lines.one_line(update.error.text).removesuffix('.')}. It is tried again by itself."]

    def _sent(self, update: Sent) -> list[str]:
        was, self._delayed = self._delayed, ""
        return ["What waited is being said now."] if was else []

    def _queued(self, update: Queued) -> list[str]:
        if update.cmid in self.session.restored:
            room = lines.one_line(update.to)
            return [f"Still waits from last time, for {room}: {lines.one_line(update.text)}"]
        return [] if self.session.online else ["Not connected now; it will be said when the connection is back."]

    def _failed(self, update: Failed) -> list[str]:
        self.refused += 1
        return [f"Not said: {lines.one_line(update.error.text)}", *lines.indented(update.text)]

    def _presence(self, update: Presence) -> list[str]:
        event = update.event
        if isinstance(event, native.Renamed):  # comes once for every room
            same = self._renamed is not None and (self._renamed.old, self._renamed.nick) == (event.old, event.nick)
            same = same and self._renamed is not None and self._renamed.room != event.room
            self._renamed = event
            if same or event.nick == self.session.nick:
                return []
        if isinstance(event, native.Left) and event.by is not None:
            return [sentences.kicked(event, self.session.nick)]
        who = event.who.nick if isinstance(event, native.Joined | native.Changed) else event.nick
        return [] if fold_nick(who) in self._ignored or who == self.session.nick else lines.presence(event)

    def _said(self, update: Said) -> list[str]:
        return clean(update.text).split("\n")

    def _identified(self, update: Identified) -> list[str]:
        return [update.text] if update.text else []

    def _happened(self, update: Happened) -> list[str]:
        if isinstance(update.event, moderation.Invited):
            return [sentences.invited(update.event, self.session.nick)]
        return sentences.modes(update.event)

    def _moved(self, update: Moved) -> list[str]:
        old, name = lines.one_line(update.old), lines.one_line(update.room)
        self._recent.moved(update.old, update.room)
        self._known = {update.room if room == update.old else room for room in self._known}
        if self.place == update.old:
            self.place = update.room
        if not update.by:
            return [f"{old} is called {name} now"]
        event = moderation.Retitled(room=update.old, name=update.room, by=update.by, reason=update.reason)
        return [sentences.retitled(event)]

    def _clock(self, time: int) -> str:
        return lines.clock(time, self._zone, date=True)

    def _answer(self, update: Answer) -> list[str]:
        event, request = update.event, update.request
        match event:
            case native.Error():
                return [lines.one_line(event.text)]
            case native.Room():
                self.place = event.room
                return []
            case native.People():
                return [lines.people(event.people, event.count)]
            case native.Profile():
                return lines.profile(event, self._zone)
            case native.RoomList():
                return lines.room_list(event)
            case native.HistoryPage():
                return self._page(event.room, event.messages, event.gaps) or ["No messages."]
            case native.Shown():
                return clean(event.text).split("\n")
            case native.Pong():
                utc = lines.clock(event.time, UTC, date=True)[11:]
                return [f"The server's time is {lines.clock(event.time, self._zone, date=True)} ({utc} UTC)"]
            case accounts.LoggedIn():
                return [sentences.logged_in(event)]
            case accounts.AccountInfo():
                return sentences.account(event, self._clock)
            case moderation.RoomPolicy():
                return sentences.policy(event, self._clock)
            case native.Ok():
                return self._done(request, event.nick)
        return []

    def _done(self, request: native.Request, nick: str | None) -> list[str]:
        match request:
            case native.Nick():
                return [f"You are {lines.one_line(self.session.nick)} now."]
            case native.Away():
                return ["You are away; /back ends that." if request.text else "You are back."]
            case native.Color():
                return [
                    f"Your color is {request.color} now." if request.color else "Your color is made from your nick now."
                ]
        said = sentences.done(request, nick)
        return [said] if said else []
