"""The chat on the screen: puts the widgets together, hands keys and clicks to whoever does them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from client.console import EXIT_UNREACHABLE, exit_status
from client.identity import OWNED
from client.net import Chat
from client.terminal import messages as m
from client.terminal.alarm import deserved, title
from client.terminal.asking import Form, SecretScreen
from client.terminal.completer import Completer
from client.terminal.composer import Composer
from client.terminal.director import FRAMES, Director
from client.terminal.doing import Doer
from client.terminal.effects import Alert, GiveBack, Opened, Play, PutOut, Refused
from client.terminal.entries import Post
from client.terminal.formatting import Page
from client.terminal.header import Header
from client.terminal.keys import KEYS
from client.terminal.member_list import MemberList
from client.terminal.panels import HelpScreen, JumpScreen, NickScreen
from client.terminal.popup import Popup
from client.terminal.room_list import RoomList
from client.terminal.search_bar import SearchBar
from client.terminal.settings import SettingsFile
from client.terminal.status_bar import Status, StatusBar
from client.terminal.timeline import Timeline
from client.terminal.tracker import STATUS, Tracker
from client.terminal.typists import OwnTyping, sentence
from client.updates import Entered, Update
from protocol import native
from protocol.commands import masked
from protocol.names import is_reserved
from protocol.text import clean

PACE_S: Final = 0.05  # between two updates of the screen while much comes in
ROOMS_FROM: Final = 56  # columns from which the rooms are shown by themselves
MEMBERS_FROM: Final = 84


class MainScreen(Screen[None]):
    """See the module."""

    AUTO_FOCUS = "#composer"
    BINDINGS: ClassVar[list[BindingType]] = [Binding(key, action, show=False) for key, action in KEYS.items()]

    def __init__(
        self, host: str, chat: Chat, settings: SettingsFile, greeting: str = "", problems: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.host = host
        self.chat = chat
        self.settings = settings
        self.tracker = Tracker(chat.session, settings.values.ignored)
        self.director = Director()
        self.doer = Doer(self.tracker, chat, settings, self)
        self._greeting = greeting
        self._problems = [*filter(None, [settings.problem]), *problems]  # said at once
        self._greeted = False
        self._incoming: list[Update] = []
        self._peek: set[str] = set()  # panes shown although there is little room
        self._generation = -1
        self._flashed = ""  # said in the status line for a moment
        self._frames: Any = None
        self._own_typing = OwnTyping()
        self._typing_timer: Any = None

    # --- parts

    def compose(self) -> ComposeResult:
        """Put the parts on the screen."""
        yield Header(id="header")
        with Horizontal(id="body"):
            yield RoomList(id="rooms")
            yield Timeline(self._color, id="timeline")
            yield MemberList(id="members")
        yield SearchBar(id="search")
        yield StatusBar(id="status")
        with Horizontal(id="entry"):
            yield Static("❯ ", id="prompt")
            yield Composer(self, id="composer")
        yield Popup(id="popup")

    def on_mount(self) -> None:
        """Find the parts once; they are asked for with every frame."""
        self.header = self.query_one(Header)
        self.rooms = self.query_one(RoomList)
        self.timeline = self.query_one(Timeline)
        self.members = self.query_one(MemberList)
        self.search = self.query_one(SearchBar)
        self.status = self.query_one(StatusBar)
        self.composer = self.query_one(Composer)
        self.popup = self.query_one(Popup)
        self.completer = Completer(self.composer, self.popup, self.tracker)
        self.timeline.ignored = self.tracker.ignored
        self._frames = self.set_interval(1 / FRAMES, self._draw_frame, pause=True)
        self._typing_timer = self.set_interval(1.0, self._show_typing, pause=True)
        for problem in self._problems:
            self.tracker.note(problem, self.now(), tone="error")
        self._arrange()
        self.timeline.show(self.tracker.view, self._page())
        self.run_worker(self._listen(), exclusive=True)

    def now(self) -> int:
        """See `doing.Stage`."""
        return int(time.time() * 1000)

    # --- what comes from the server

    async def _listen(self) -> None:
        """Apply what happened, at most once in `PACE_S`: a hundred messages a second are twenty drawings."""
        async for update in self.chat.updates():
            if not self._incoming:
                asyncio.get_running_loop().call_later(self._delay(), self._take_in)
            self._incoming.append(update)

    def _delay(self) -> float:
        return max(0.0, self._last_drawn + PACE_S - time.monotonic())

    _last_drawn = 0.0

    def _take_in(self) -> None:
        updates, self._incoming = self._incoming, []
        if not self.is_attached:
            return
        self._last_drawn = time.monotonic()
        for effect in self.tracker.apply(updates, self.now()):
            match effect:
                case Alert():
                    self._alert(effect)
                case Play():
                    self._play(effect)
                case GiveBack(view=view, text=text):
                    self._give_back(view, text)
                case Opened(view=view):
                    self.go_to(view)
                case PutOut():
                    self._take_back()
                case Refused(reason=reason, error=error):
                    self._refused(reason, error)
        self._greet(updates)
        if self.tracker.typists:
            self._typing_timer.resume()
        self.chat.flush()
        self.refresh_all()

    def _greet(self, updates: Sequence[Update]) -> None:
        """In the first room, below its messages, say what newcomers should read."""
        if self._greeted or not any(isinstance(u, Entered) and u.room != native.INBOX for u in updates):
            return
        self._greeted = True
        welcome = self.chat.session.welcome
        if welcome is not None and welcome.motd:
            self.tracker.note(welcome.motd, self.now())
        if self._greeting:
            self.tracker.note(self._greeting, self.now(), tone="art")

    def _alert(self, alert: Alert) -> None:
        values = self.settings.values
        shown = alert.view == self.tracker.current
        if (
            deserved(values, direct=alert.direct, attentive=self.tracker.attentive, shown=shown)
            and values.alarm != "title"
        ):
            self.app.bell()

    def _play(self, play: Play) -> None:
        """Play in the view that is shown; elsewhere the still will be seen."""
        if play.view != self.tracker.current or not self.settings.motion or self.size.height < 12:
            return
        if self.director.begin(play.anim, play.text, play.nick, time.monotonic()):
            view = self.tracker.view
            last = view.entries[-1]
            if isinstance(last, Post):
                last.played = True
                view.touch(len(view.entries) - 1)
            self._frames.resume()

    def _give_back(self, name: str, text: str) -> None:
        """Put a refused text where it was typed, unless something else is being typed there."""
        view = self.tracker.views.get(name)
        if name == self.tracker.current and not self.composer.text:
            self.composer.put(text)
        elif view is not None and name != self.tracker.current and not view.draft:
            view.draft = text
        else:
            self.composer.history_lines.add(masked(text))
            self.tracker.note("↑ calls your text back.", self.now(), view=name)

    def _take_back(self) -> None:
        """What is being typed is for a room that is closed to us: it must not be said in the one that is shown now."""
        if text := self.composer.text:
            self.composer.history_lines.add(masked(text))
            self.composer.load_text("")
            self.tracker.note("↑ calls back what you were typing.", self.now())

    def _refused(self, reason: str, error: native.Error | None) -> None:
        if error is not None and error.code in ("nick-taken", "bad-nick", *OWNED):
            nick = clean(self.chat.session.nick, newlines=False)
            owned = nick if error.code in OWNED and not is_reserved(nick) else ""
            ask = NickScreen(reason, clean(error.free or "", newlines=False), owned)
            self.app.push_screen(ask, self.app.try_nick)  # type: ignore[attr-defined]
        elif self.chat.session.welcome is None:
            self.app.exit(exit_status(error.code) if error is not None else EXIT_UNREACHABLE, message=reason)
        else:
            self.tracker.note(f"{reason} — Ctrl+Q quits.", self.now(), tone="error")

    # --- showing

    def refresh_all(self) -> None:
        """Show what changed, and nothing else."""
        tracker = self.tracker
        if self.timeline.view is not tracker.view:  # what was shown is closed: we left, or were put out
            self.timeline.show(tracker.view, self._page())
            if not self.composer.text:
                self.composer.put(tracker.view.draft)
        self.timeline.sync(self._page())
        if tracker.generation != self._generation:
            self._generation = tracker.generation
            self._show_sides()
        self._show_status()

    def _show_sides(self) -> None:
        tracker, session = self.tracker, self.chat.session
        others = [view for view in tracker.views.values() if view.name != tracker.current]
        unread, mentions = sum(v.unread for v in others), sum(v.mentions for v in others)
        view = tracker.view
        room = session.rooms.get(view.name)
        self.rooms.show(tracker.views.values(), tracker.current)
        self.members.show(room.people if room else {}, room.count if room else 0, session.nick)
        name = f"{view.peer} (direct)" if view.direct else "moot" if room is None else view.name
        topic = clean(room.topic, newlines=False) if room else ""
        self.header.show(name, topic, room.count if room else 0, unread, mentions, self.size.width)
        self.app.set_title(  # type: ignore[attr-defined]
            title(self.host, unread + view.unread, mentions + view.mentions, self.settings.values)
        )

    def _show_status(self) -> None:
        tracker, view = self.tracker, self.tracker.view
        status = Status(
            me=clean(self.chat.session.nick, newlines=False),
            account=self.chat.session.identity.account is not None,
            typing=sentence(tracker.typists.names(view.name, self.now())),
            host=self.host,
            problem=tracker.problem,
            delayed=tracker.delayed,
            waiting=len(self.chat.session.outbox),
            below=view.below,
            behind=not view.following,
            loading=view.loading,
            length=len(self.composer.text),
            limit=self.doer.limit,
            hint=self._flashed or ("F1 keys" if self.size.width >= 50 else ""),
        )
        self.status.show(status, self.size.width)

    def _page(self) -> Page:
        return Page(
            width=max(8, self.timeline.scrollable_content_region.width),
            me=self.chat.session.nick,
            clock=self.settings.values.clock,
            nick_width=12 if self.size.width >= 120 else 10,
        )

    def _color(self, nick: str) -> str | None:
        rooms = self.chat.session.rooms
        here = rooms.get(self.tracker.view.room)
        for room in (*filter(None, [here]), *rooms.values()):
            if person := room.people.get(nick):
                return person.color
        return None

    def _arrange(self) -> None:
        """Show as much as there is room for."""
        width, height = self.size
        values = self.settings.values
        self.rooms.display = (values.rooms and width >= ROOMS_FROM) or "rooms" in self._peek
        self.members.display = (values.members and width >= MEMBERS_FROM) or "members" in self._peek
        self.header.display = height >= 8
        self.status.display = height >= 3
        self.rooms.styles.width = 24 if width >= 120 else 16 if width >= ROOMS_FROM else max(12, width // 2)
        self.timeline.styles.scrollbar_size_vertical = 1 if width >= 40 else 0
        self.members.styles.width = 20 if width >= 120 else 16
        self.composer.styles.max_height = max(1, min(10, height // 3))
        self._generation = -1
        self.completer.close()

    def on_resize(self) -> None:
        """Another size: arrange anew, and lay out when the parts know theirs."""
        self._arrange()
        self.call_after_refresh(self.refresh_all)

    # --- views

    def go_to(self, name: str) -> None:
        """See `doing.Stage`. What is typed stays with the view it was typed in."""
        old = self.tracker.views.get(self.tracker.current)
        if old is not None and old.name != name:
            old.draft = self.composer.text
        view = self.tracker.select(name)
        if old is not view:
            self.composer.load_text(view.draft)
            self.composer.move_cursor(self.composer.document.end)
            self.director.stop()
        self.timeline.show(view, self._page())
        self.refresh_all()
        self.composer.focus()

    def action_step(self, by: int) -> None:
        """Go to the next or previous view."""
        names = self.tracker.order()
        self.go_to(names[(names.index(self.tracker.current) + by) % len(names)])

    def action_number(self, number: int) -> None:
        """Go to the view of that number."""
        names = self.tracker.order()
        if number <= len(names):
            self.go_to(names[number - 1])

    def action_unread(self) -> None:
        """Go to the next view that has something unread, those for us first."""
        names = self.tracker.order()
        at = names.index(self.tracker.current)
        views = [self.tracker.views[name] for name in names[at + 1 :] + names[:at]]
        target = next((v for v in views if v.mentions), None) or next((v for v in views if v.unread), None)
        if target is not None:
            self.go_to(target.name)

    def action_jump(self) -> None:
        """Ask where to go."""
        people = {
            f"@{clean(nick, newlines=False)}" for room in self.chat.session.rooms.values() for nick in room.people
        }
        people -= {f"@{self.chat.session.nick}", *self.tracker.views}
        names = self.tracker.order()
        names.remove(self.tracker.current)
        self.app.push_screen(JumpScreen([*names, *sorted(people)]), self._jumped)

    def _jumped(self, name: str | None) -> None:
        if name is None:
            return
        if name.startswith("#") and name not in self.tracker.views:
            self.doer.send(f"/join {name}")
        else:
            self.go_to(name)

    @on(m.ViewChosen)
    def _view_chosen(self, event: m.ViewChosen) -> None:
        self._peek.clear()
        self._arrange()
        self.go_to(event.name)

    @on(m.NickChosen)
    def _nick_chosen(self, event: m.NickChosen) -> None:
        if event.twice and event.nick != self.chat.session.nick:
            self.composer.undo()
            self.go_to(f"@{event.nick}")
        else:
            self.composer.insert(f"{event.nick}: " if not self.composer.text else f"{event.nick} ")
            self.composer.focus()

    # --- typing

    def submitted(self, text: str) -> bool:
        """See `composer.Owner`."""
        self.completer.close()
        sent = self.doer.send(text)
        if sent:
            self._own_typing.said()
        self.timeline.to_end()
        self._show_status()
        return sent

    async def command_key(self, key: str) -> bool:
        """See `composer.Owner`."""
        if key == "end" and self.composer.cursor_index == len(self.composer.text):
            key = "ctrl+end"
        if key not in KEYS:
            return False
        await self.run_action(KEYS[key])
        return True

    def typed(self) -> None:
        """See `composer.Owner`."""
        self._show_status()
        self._tell_typing()
        self.completer.typed()

    def _tell_typing(self) -> None:
        """Let others see that one is typing to them, unless one would rather not."""
        view = self.tracker.view
        if not self.settings.values.typing or view.name == STATUS:
            return
        if state := self._own_typing.typed(view.name, self.composer.text, self.now()):
            self.chat.session.signal(native.Typing(to=view.name, state="done" if state == "done" else "active"))
            self.chat.flush_soon()

    def popup_key(self, key: str) -> bool:
        """See `composer.Owner`."""
        return self.completer.key(key)

    @on(Popup.Clicked)
    def _popup_clicked(self, event: Popup.Clicked) -> None:
        self.completer.take(event.item)
        self.composer.focus()

    def action_copy_or_clear(self) -> None:
        """Copy what is selected; if nothing is, put the line away (Up calls it back)."""
        if selected := self.get_selected_text() or self.composer.selected_text:
            self.app.copy_to_clipboard(selected)
            self.flash("copied")
        elif self.composer.text:
            self.composer.history_lines.add(masked(self.composer.text))
            self.composer.clear()
        else:
            self.flash("Ctrl+Q quits")

    # --- scrolling and searching

    def action_older(self) -> None:
        """One page up."""
        self.timeline.up()

    def action_newer(self) -> None:
        """One page down."""
        self.timeline.page_by(1)

    @on(m.ToEnd)
    def action_end(self) -> None:
        """To the newest message."""
        self.timeline.to_end()

    def action_escape(self) -> None:
        """Close what is open, else go to the newest message."""
        self.clear_selection()
        if self._peek:
            self._peek.clear()
            self._arrange()
        self.timeline.to_end()

    @on(m.OlderWanted)
    def _older_wanted(self) -> None:
        if self.tracker.ask_older(self.tracker.view):
            self.chat.flush()
            self._show_status()

    @on(m.Followed)
    def _followed(self) -> None:
        if self.tracker.view.following:
            self.tracker.followed()
        self.refresh_all()

    def action_search(self) -> None:
        """Open the search."""
        self.search.open()

    @on(m.SearchChanged)
    def _search_changed(self, event: m.SearchChanged) -> None:
        self.search.hits(*self.timeline.search(event.query, event.step))

    @on(m.SearchClosed)
    def _search_closed(self) -> None:
        self.timeline.search("", 0)
        self.composer.focus()

    # --- the rest

    def set(self, name: str, value: str) -> None:
        """See `doing.Stage`."""
        self.app.change_setting(name, value)  # type: ignore[attr-defined]

    def leave(self, reason: str) -> None:
        """See `doing.Stage`."""
        self.app.quit(reason)  # type: ignore[attr-defined]

    def flash(self, text: str) -> None:
        """Say something in the status line for two seconds."""
        self._flashed = text
        self._show_status()
        self.set_timer(2.0, self._unflash)

    def tell(self, text: str) -> None:
        """Say something in the view at hand."""
        if self.is_attached:
            self.tracker.note(text, self.now())
            self.refresh_all()

    def ask(self, form: Form, then: Callable[[Mapping[str, str]], None]) -> None:
        """See `doing.Stage`."""

        def done(values: Mapping[str, str] | None) -> None:
            if values is not None:
                then(values)
            self.composer.focus()

        self.app.push_screen(SecretScreen(form), done)

    def _show_typing(self) -> None:
        """Signs of typing run out by themselves."""
        self._show_status()
        if not self.tracker.typists:
            self._typing_timer.pause()

    def _unflash(self) -> None:
        self._flashed = ""
        self._show_status()

    def action_keys(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen())

    @on(m.PaneToggled)
    def _pane_toggled(self, event: m.PaneToggled) -> None:
        self.action_pane(event.pane)

    def action_pane(self, pane: str) -> None:
        """Show or hide a pane: for good where there is room for it, else until something else is done."""
        values = self.settings.values
        shown = self.rooms.display if pane == "rooms" else self.members.display
        roomy = self.size.width >= (ROOMS_FROM if pane == "rooms" else MEMBERS_FROM)
        self._peek.discard(pane)
        if not roomy and not shown:
            self._peek = {pane}
        elif roomy:
            setattr(values, pane, not shown)
            self.settings.save()
        self._arrange()
        self.call_after_refresh(self.refresh_all)

    @on(m.LinkClicked)
    def _link_clicked(self, event: m.LinkClicked) -> None:
        self.app.open_link(event.url)  # type: ignore[attr-defined]

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Eyes follow the mouse."""
        self.director.mouse = (event.screen_x, event.screen_y)

    def _draw_frame(self) -> None:
        body = self.query_one("#body").region
        sprite, bubble = (self.timeline.style_of(role) for role in ("sprite", "bubble"))
        seen = Style(color=sprite.color, bold=True)  # on whatever ground it passes over
        sprites = self.director.sprites(time.monotonic(), body, self.timeline.region, seen, bubble)
        for pane in (self.rooms, self.timeline, self.members):
            pane.show_sprites(sprites)
        if not self.director.running:
            self._frames.pause()

    def settings_changed(self) -> None:
        """A setting has another value."""
        self._arrange()
        self.tracker.view.touch(0)
        self.refresh_all()
