"""What the person sees, kept in step with the session: views, counts, the status. Knows no widgets, sockets or clock.

`apply` takes the session's updates in order, changes the views, and returns what must be done beyond showing them.
"""

from collections.abc import Iterable
from typing import Final

from client import session as s
from client.lines import missing
from client.terminal.effects import Alert, Effect, GiveBack, Opened, Play, PutOut, Refused
from client.terminal.entries import Hole, Note, Post, Tone, entries_of, post_of
from client.terminal.folding import Step
from client.terminal.reports import record, report
from client.terminal.typists import Typists
from client.terminal.views import View
from protocol import moderation, native, sentences
from protocol.text import clean

STATUS: Final = "*"  # the name of the view for what belongs to no room
OLDER: Final = 100  # messages asked for at a time
AWAY_MS: Final = 60_000  # without a connection for so long, one is shown where the new messages begin
MAX_SENTENCES: Final = 6  # about one change of a room's modes


class Tracker:
    """See the module."""

    def __init__(self, session: s.Session, ignored: Iterable[str] = ()) -> None:
        self.session = session
        self.ignored = {nick.casefold() for nick in ignored}
        self.views: dict[str, View] = {room: View(room, room) for room in session.rooms if room != native.INBOX}
        self.current = next(iter(self.views), STATUS)
        if not self.views:
            self.views[STATUS] = View(STATUS, "", more=False)
        self.attentive = True  # the person looks at the terminal
        self.problem = "connecting"  # why we are not online; "" when we are
        self.delayed = ""  # why the server does not take our messages for now; "" when it does
        self.last_from: str | None = None  # who wrote to us alone last
        self.generation = 0  # grows when counts, views or people change
        self._sent: dict[tuple[str, int], tuple[str, str]] = {}  # acknowledged, not yet shown: view and cmid
        self._asked: dict[int, str] = {}  # by request id: the view to answer in
        self._opening: set[str] = set()  # rooms the person asked to enter
        self.typists = Typists()
        self._gone_at: int | None = None  # when the connection was lost
        self._inbox_oldest = 0
        self._inbox_more = True
        self._inbox_loaded = self._inbox_restored = False
        self._now = 0

    @property
    def view(self) -> View:
        """The one that is shown."""
        return self.views[self.current]

    def order(self) -> list[str]:
        """Return the views' names as they are listed and numbered: rooms, then people."""
        views = self.views.values()
        return [v.name for v in views if not v.direct] + [v.name for v in views if v.direct]

    # --- the person's side

    def select(self, name: str) -> View:
        """Show ``name``, made if need be (direct messages). The view left behind forgets its marker."""
        if name != self.current and self.current in self.views:
            self.view.unmark()
        view = self._open(name)
        self.current = view.name
        self._look(view)
        return view

    def looking(self, attentive: bool) -> None:
        """The person turned to the terminal or away from it."""
        self.attentive = attentive
        if attentive:
            self._look(self.view)

    def followed(self) -> None:
        """The newest line of the current view came into sight."""
        self.view.following, self.view.below = True, 0
        self._look(self.view)

    def close(self, name: str) -> None:
        """Take a view away; the one before it is shown, if it was the current one."""
        if name not in self.views:
            return
        order = list(self.views)
        at = order.index(name)
        del self.views[name]
        if not self.views:
            self.views[STATUS] = View(STATUS, "", more=False)
        if self.current == name:
            self.current = list(self.views)[max(0, at - 1)]
            self._look(self.view)
        self.generation += 1

    def ask(self, request: native.Request, view: str | None = None) -> int:
        """Make a request whose answer is shown in ``view`` (the current one)."""
        number = self.session.request(request)
        self._asked[number] = view or self.current
        if isinstance(request, native.Join):
            self._opening.add(request.room.casefold())
        return number

    def ask_older(self, view: View) -> bool:
        """Ask for messages before the oldest shown; False when there are none, or they are on their way."""
        if view.loading or not self.session.online or view.name == STATUS:
            return False
        more, oldest = (self._inbox_more, self._inbox_oldest) if view.direct else (view.more, view.oldest)
        if not more or oldest == 1 or (not oldest and not view.direct):
            view.more = False
            return False
        view.loading = True
        self.ask(native.History(room=view.room, before=oldest or None, limit=OLDER), view.name)
        return True

    def note(self, text: str, now: int, *, tone: Tone = "info", view: str | None = None) -> None:
        """Say something to the person alone."""
        target = self.views.get(view or self.current) or self.view
        target.append(Note(now, clean(text), tone))

    def ignore(self, nick: str, ignored: bool) -> None:
        """Hide or show what ``nick`` says."""
        (self.ignored.add if ignored else self.ignored.discard)(nick.casefold())
        for view in self.views.values():
            view.touch(0)

    # --- the session's side

    def apply(self, updates: Iterable[s.Update], now: int) -> list[Effect]:
        """Take ``updates``, oldest first; return the effects, oldest first."""
        self._now = now
        effects: list[Effect] = []
        for update in updates:
            self.generation += 1
            match update:
                case s.Message(msg=msg):
                    self._message(msg, effects)
                case s.Presence(event=event):
                    self._presence(event, effects)
                case s.Entered():
                    self._entered(update, effects)
                case s.Queued():
                    self._queued(update)
                case s.Sent():
                    self.delayed = ""
                    self._acknowledged(update)
                case s.Delayed(error=error):
                    self.delayed = clean(error.text, newlines=False)
                case s.Lost():
                    self._lost(update)
                case s.Failed():
                    self._failed(update, effects)
                case s.Answer():
                    self._answer(update, effects)
                case s.Online():
                    self._online(update)
                case s.Offline():
                    self._offline(update, effects)
                case s.Exited(room=room):
                    self.close(room)
                case s.Happened(event=event):
                    self._happened(event, effects)
                case s.Moved():
                    self._moved(update)
                case s.Typing():
                    self._typing(update)
                case s.ReadTo(room=room, seq=seq):
                    for view in self.views.values():
                        if room in (view.room, view.name):
                            view.read_to(seq)
                    self._restore_inbox()
                case s.Identified(text=text) if text:
                    self.note(text, now)
                case s.Said(text=text):
                    self.note(text, now)
        return effects

    def _message(self, msg: native.Msg, effects: list[Effect]) -> None:
        post = post_of(msg, self.session.nick, direct=msg.room == native.INBOX)
        if msg.room == native.INBOX and (msg.to or "").startswith("#"):
            self._aside(msg, post)
            return
        view = self._open(self._place(msg))
        self._settle(msg.room, msg.seq)
        if msg.seq <= view.newest:
            return
        self.typists.stop(view.name, post.nick)
        hidden = msg.nick.casefold() in self.ignored
        view.append(post)
        if hidden or post.own:
            if post.own and not post.aside:
                view.unmark()
        elif not post.aside:
            if view.direct:
                self.last_from = post.nick
            self._count(view, post)
            effects.append(Alert(view.name, post.nick, post.text, post.mention))
        self._tell_read(view)
        if msg.anim is not None and not hidden:
            effects.append(Play(view.name, msg.anim, post.text, post.nick))

    def _aside(self, msg: native.Msg, post: Post) -> None:
        """Something said in a room to those with a role alone; it is none of the room's messages."""
        view = self.views.get(self._known(msg.to or ""))
        self._settle(msg.room, msg.seq)
        if view is not None and msg.nick.casefold() not in self.ignored:
            whom = f"{msg.audience}s and above" if msg.audience else "some"
            self.note(f"{post.nick}, to {whom}: {post.text}", self._now, view=view.name)

    def _count(self, view: View, post: Post) -> None:
        if not view.following:
            view.below += 1
        if view.name == self.current and self.attentive and view.following:
            return
        if view.unread == 0 and (view.name != self.current or not self.attentive):
            view.unmark()
            view.marker = post
        if not view.unread:
            view.unread_from = post.seq
        view.unread += 1
        view.mentions += post.mention

    def _entered(self, update: s.Entered, effects: list[Effect]) -> None:
        if update.room == native.INBOX:
            if update.reset:
                self._inbox_oldest, self._inbox_more = 0, update.more
                for view in self.views.values():
                    if view.direct:
                        view.reset()
                self._inbox_loaded = self._inbox_restored = False
                if update.more and self.session.online:
                    self.ask(native.History(room=native.INBOX, limit=50))
            for msg in update.messages:
                self._message(msg, effects)
            return
        asked = self._known(update.room)
        if asked not in self.session.rooms:  # the server spells it otherwise
            self._rename(asked, update.room)
        view = self._open(update.room)
        if self.current == STATUS:
            self.close(STATUS)
            self.select(update.room)
        elif update.room.casefold() in self._opening:
            self._opening.discard(update.room.casefold())
            effects.append(Opened(update.room))
        if update.reset:
            view.reset()
        again = view.newest > 0
        if not again or update.reset:
            view.more = update.more
        known, fresh = view.newest, []
        for post in entries_of(update.messages, update.gaps, self.session.nick, self._now):
            if post.seq <= known:
                continue
            view.append(post)
            if isinstance(post, Post) and self._is_news(post):
                fresh.append(post)
        if not again:
            room = self.session.rooms.get(update.room)
            read = (room.read if room is not None else None) or known  # 0: it was never read, so nothing is news
            fresh = [post for post in fresh if read and post.seq > read]
            self._restore(view, fresh, read)
        else:
            if fresh and self._was_away and view.marker is None:
                view.marker = fresh[0]
            for post in fresh:
                self._count(view, post)
        self._settle_all(view.room, view.newest)
        self._tell_read(view)

    def _is_news(self, post: Post) -> bool:
        return not post.own and not post.aside and post.nick.casefold() not in self.ignored

    def _restore(self, view: View, fresh: list[Post], read: int) -> None:
        """What was not read when one was here last, on whatever device, is marked and counted."""
        if not fresh:
            return
        view.marker, view.unread_from = fresh[0], fresh[0].seq
        before = max(0, view.oldest - read - 1)  # not loaded; of whom they are is not known
        view.unread, view.mentions = before + len(fresh), sum(post.mention for post in fresh)
        view.touch(0)
        self._look_if_shown(view)

    @property
    def _was_away(self) -> bool:
        return self._gone_at is not None and self._now - self._gone_at >= AWAY_MS

    def _lost(self, update: s.Lost) -> None:
        if update.room == native.INBOX:  # nobody knows whose they were
            self.note(f"Direct messages: {missing(update.first, update.last)}", self._now)
        else:
            self._open(update.room).append(Hole(self._now, update.first, update.last))
            self._settle_all(update.room, update.last)

    def _queued(self, update: s.Queued) -> None:
        if update.kind in ("topic", "react"):
            return
        view = self._open(self._known(update.to))
        kind = "me" if update.kind == "me" else "text"
        nick = clean(self.session.nick, newlines=False)
        view.pending[update.cmid] = Post(0, self._now, nick, clean(update.text), kind, own=True)
        view.touch(len(view.entries))

    def _acknowledged(self, update: s.Sent) -> None:
        for view in self.views.values():
            if update.cmid in view.pending:
                if view.newest >= update.seq:
                    del view.pending[update.cmid]
                    view.touch(len(view.entries))
                else:
                    self._sent[update.room, update.seq] = (view.name, update.cmid)

    def _settle(self, room: str, seq: int) -> None:
        """A message came; if it is one of ours, it is no longer pending."""
        if self._sent and (found := self._sent.pop((room, seq), None)) and found[0] in self.views:
            view = self.views[found[0]]
            view.pending.pop(found[1], None)
            view.touch(len(view.entries))

    def _settle_all(self, room: str, newest: int) -> None:
        """All up to ``newest`` has come, or is older than what is shown."""
        for key in [key for key in self._sent if key[0] == room and key[1] <= newest]:
            self._settle(*key)

    def _failed(self, update: s.Failed, effects: list[Effect]) -> None:
        name = self._drop(update.cmid)
        self.note(update.error.text, self._now, tone="error", view=name)
        view = self.views.get(name)
        if view is None or name == self.current:
            effects.append(GiveBack(self.current, update.text))
            return
        self.note(f"{name}: {update.error.text}", self._now, tone="error")  # where it is seen
        if view.direct and not update.text.startswith("/"):
            effects.append(GiveBack(self.current, f"/msg {view.peer} {update.text}"))
            if not view.newest:
                self.close(name)  # there is nobody of that nick
        else:
            effects.append(GiveBack(name, update.text))

    def _drop(self, cmid: str) -> str:
        """Take a pending message away; return its view's name."""
        for view in self.views.values():
            if view.pending.pop(cmid, None) is not None:
                view.touch(len(view.entries))
                return view.name
        return self.current

    def _answer(self, update: s.Answer, effects: list[Effect]) -> None:
        name = self._asked.pop(update.id, None)
        request, event = update.request, update.event
        if isinstance(request, native.Fun | native.Send | native.Topic):
            name = self._drop(request.cmid)
        if isinstance(request, native.History):
            self._history(request, event, name)
            return
        if isinstance(request, native.Join):
            self._opening.discard(request.room.casefold())
            if isinstance(event, native.Room):
                effects.append(Opened(event.room))
        if (said := report(request, event)) is not None:
            self.note(said.text, self._now, tone=said.tone, view=name)

    def _history(self, request: native.History, event: native.Event, name: str | None) -> None:
        view = self.views.get(name or "")
        if view is not None:
            view.loading = False
        if isinstance(event, native.Error):
            self.note(event.text, self._now, tone="error", view=name)
        if not isinstance(event, native.HistoryPage):
            return
        if event.room == native.INBOX:
            self._inbox_page(event)
            return
        if not event.room.startswith("#"):  # a record, such as of what was done to keep order
            self.note(record(event), self._now, tone="art", view=name)
            return
        if view is None or view.room != event.room:
            view = self._open(event.room)
        posts = entries_of(event.messages, event.gaps, self.session.nick, self._now)
        if not posts or posts[0].seq < view.oldest or not view.oldest:
            view.more = event.more and bool(posts)
        added = view.prepend(posts)
        if not added and request.before is None:
            self.note("They are all here; scroll up for older ones.", self._now, view=name)

    def _inbox_page(self, page: native.HistoryPage) -> None:
        self._inbox_more = page.more and bool(page.messages or page.gaps)
        by_view: dict[str, list[Post]] = {}
        for msg in page.messages:
            if (msg.to or "").startswith("#"):
                continue
            view = self._open(self._place(msg))  # at once: the next one's place may depend on it
            by_view.setdefault(view.name, []).append(post_of(msg, self.session.nick, direct=True))
        for name, posts in by_view.items():
            self._open(name).prepend(posts)
        for first, last in page.gaps:  # nobody knows whose they were
            self.note(f"Direct messages: {missing(first, last)}", self._now)
        oldest = [msg.seq for msg in page.messages[:1]] + [first for first, _ in page.gaps]
        self._inbox_oldest = min([*oldest, *filter(None, [self._inbox_oldest])], default=0)
        self._settle_all(native.INBOX, page.messages[-1].seq if page.messages else 0)
        for view in self.views.values():
            if view.direct:
                view.more = self._inbox_more
        self._inbox_loaded = True
        self._restore_inbox()

    def _restore_inbox(self) -> None:
        """Once, when it is known what was written to us and how far we had read it: count what is left."""
        read = self.session.rooms[native.INBOX].read
        if not self._inbox_loaded or self._inbox_restored or read is None:
            return
        self._inbox_restored = True
        for view in [view for view in self.views.values() if view.direct and not view.unread and read]:
            self._restore_direct(view, read)

    def _restore_direct(self, view: View, read: int) -> None:
        posts = [e for e in view.entries if isinstance(e, Post) and e.seq > read and self._is_news(e)]
        self._restore(view, posts, view.oldest)
        if view.unread:  # of this conversation one may have read more than of all
            self.session.ask_read(view.name)

    def _online(self, update: s.Online) -> None:
        first = self._inbox_oldest == 0 and not any(view.newest for view in self.views.values())
        self.problem = ""
        if first and update.welcome.inbox:
            self.ask(native.History(room=native.INBOX, before=update.welcome.inbox + 1, limit=50))

    def _offline(self, update: s.Offline, effects: list[Effect]) -> None:
        self.delayed = ""
        if not self.problem:
            self._gone_at = self._now
        self.problem = clean(update.reason, newlines=False) or "the connection is gone"
        for view in self.views.values():
            view.loading = False
        if update.final:
            effects.append(Refused(clean(update.reason) or self.problem, update.error))

    def _presence(
        self, event: native.Joined | native.Left | native.Renamed | native.Changed, effects: list[Effect]
    ) -> None:
        view = self.views.get(event.room)
        if view is None:
            return
        match event:
            case native.Joined(who=who):
                view.moved(Step("joined", clean(who.nick, newlines=False)), self._now)
            case native.Left(by=str()):
                self._kicked(view, event, effects)
            case native.Left(nick=nick, reason=reason):
                view.moved(Step("left", clean(nick, newlines=False), clean(reason, newlines=False)), self._now)
                self.typists.stop(view.name, clean(nick, newlines=False))
            case native.Renamed(old=old, nick=nick):
                view.moved(Step("renamed", clean(old, newlines=False), clean(nick, newlines=False)), self._now)
                self._rename(f"@{old}", f"@{nick}")  # direct messages go on under the new nick
            case native.Changed():
                view.touch(0)  # nicks may have another colour

    def _kicked(self, view: View, event: native.Left, effects: list[Effect]) -> None:
        """Somebody was put out, maybe we: then the room's view is about to close, and it is told in another."""
        text = sentences.kicked(event, self.session.nick)
        if event.nick != self.session.nick:
            self.note(text, self._now, view=view.name)
            return
        if view.name == self.current:
            effects.append(PutOut())
        self.close(view.name)
        self.note(text, self._now, tone="error")
        effects.append(Alert(self.current, event.by or "", text, direct=True))

    def _happened(self, event: moderation.Modes | moderation.Invited, effects: list[Effect]) -> None:
        if isinstance(event, moderation.Invited):
            self.note(sentences.invited(event, self.session.nick), self._now, view=event.room)
            if event.nick == self.session.nick:
                effects.append(Alert(self.current, event.by, event.room, direct=True))
            return
        said = sentences.modes(event)
        if len(said) > MAX_SENTENCES:
            said = [*said[: MAX_SENTENCES - 1], f"and {len(said) - MAX_SENTENCES + 1} changes more"]
        for text in said:
            self.note(text, self._now, view=event.room)

    def _moved(self, update: s.Moved) -> None:
        """A room goes on under another name, and so does its view."""
        self._rename(update.old, update.room)
        event = moderation.Retitled(room=update.old, name=update.room, by=update.by, reason=update.reason)
        text = sentences.retitled(event) if update.by else f"{update.old} is called {update.room} now"
        self.note(text, self._now, view=update.room)

    def _typing(self, update: s.Typing) -> None:
        nick = clean(update.nick, newlines=False)
        name = self._known(f"@{nick}" if update.room == native.INBOX else update.room)
        if name in self.views and nick != self.session.nick and nick.casefold() not in self.ignored:
            self.typists.note(name, nick, update.state, self._now)

    def _rename(self, before: str, after: str) -> None:
        """What was called ``before`` goes on as ``after``."""
        if before in self.views and after not in self.views:
            self.views = {after if name == before else name: view for name, view in self.views.items()}
            view = self.views[after]
            view.name, view.room = after, native.INBOX if view.direct else after
            if self.current == before:
                self.current = after

    # --- views

    def _place(self, msg: native.Msg) -> str:
        """Return the name of the view a message belongs to."""
        if msg.room != native.INBOX:
            return msg.room
        sender, to = (f"@{clean(nick, newlines=False)}" for nick in (msg.nick, msg.to or ""))
        me = f"@{self.session.nick}"
        if to == "@" or (sender != me and (to == me or self._known(to) not in self.views)):
            return self._known(sender)  # to us, maybe under an earlier nick of ours
        return self._known(to)

    def _known(self, name: str) -> str:
        """Return ``name`` as an open view spells it."""
        folded = name.casefold()
        return next((known for known in self.views if known.casefold() == folded), name)

    def _open(self, name: str) -> View:
        view = self.views.get(name) or self.views.get(name := clean(name, newlines=False))
        if view is None:
            room = native.INBOX if name.startswith("@") else name
            view = self.views[name] = View(name, room, more=self._inbox_more if room == native.INBOX else True)
            self.generation += 1
        return view

    def _look(self, view: View) -> None:
        if self.attentive and view.following:
            view.read()
            self._tell_read(view)
        self.generation += 1

    def _look_if_shown(self, view: View) -> None:
        if view.name == self.current:
            self._look(view)

    def _tell_read(self, view: View) -> None:
        """Note how far the person has read, for the server and the other devices."""
        if view.direct:
            unread = [v.unread_from for v in self.views.values() if v.direct and v.unread]
            newest = max((v.newest for v in self.views.values() if v.direct), default=0)
            self.session.read(native.INBOX, min([newest, *(seq - 1 for seq in unread)]))
            if unread and not view.unread and view.name == self.current:
                self.session.read(view.name, view.newest)
        elif view.name == self.current and self.attentive and view.following:
            self.session.read(view.room, view.newest)
