"""A client's rooms and its inbox: what of each it has seen, in order, what is missing, and who is there. Sans-IO.

Knows no connection, no outbox and no requests but those for a page of a gap, which it has others ask for it.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from client.sequence import Sequence as Sequencer
from client.updates import Entered, Exited, Happened, Lost, Members, Message, Moved, Presence, ReadTo, RoomView, Update
from protocol import moderation, native


class Rooms:
    """Fed with what the server says of rooms; `views` is what to show, ``tell`` hears what happened."""

    def __init__(
        self, names: Iterable[str], ask_page: Callable[[str, int], bool], tell: Callable[[Update], None]
    ) -> None:
        """``ask_page(room, after)`` asks for what follows seq ``after`` and says whether it did; False: not now."""
        self.views = {name: RoomView(name) for name in names}
        self._ask_page = ask_page
        self._tell = tell
        self._seqs = {name: Sequencer() for name in self.views}
        self._epochs: dict[str, str] = {}  # by room: the log that `last` belongs to
        self._filling: set[str] = set()  # a page is under way
        self._mine: dict[tuple[str, int], str] = {}  # acknowledged, message still to come: cmid
        self._owner: str | None = None  # account whose the inbox is; None: a guest's
        self._keys: dict[str, str] = {}  # words that let us in, by room
        self._marks: dict[str, int] = {}  # read up to, and not yet told

    def resumed(self, join: native.Join) -> native.Join:
        """Return ``join`` going on where we were in that room, if we ever were."""
        epoch = self._epochs.get(join.room)
        join = join if join.key is not None else replace(join, key=self._keys.get(join.room))
        return join if epoch is None else replace(join, after=self.views[join.room].last, epoch=epoch)

    def add(self, room: str) -> None:
        """Want to be in ``room``, of which nothing is known yet."""
        self.views[room], self._seqs[room] = RoomView(room), Sequencer()

    def lost(self) -> None:
        """The connection is gone, and with it everything that was under way."""
        self._filling.clear()
        for name, view in self.views.items():
            view.here = False
            self._seqs[name].let_go()
            view.head = view.last

    # --- gaps

    def fill(self, room: str) -> None:
        """Ask for what is missing in ``room``, unless nothing is or that is under way."""
        seqs = self._seqs[room]
        if seqs.gap and self.views[room].here and room not in self._filling and self._ask_page(room, seqs.last):
            self._filling.add(room)

    def refused(self, room: str) -> bool:
        """The page asked for does not come now; return whether ``room`` is still of interest."""
        self._filling.discard(room)
        return room in self.views

    def rewind(self, room: str, after: int) -> None:
        """Begin again after seq ``after``."""
        view, seqs = self.views[room], self._seqs[room]
        head = seqs.head
        seqs.restart(min(after, head))
        seqs.knows(head)
        view.last, view.head, view.first = seqs.last, seqs.head, 0
        self.fill(room)

    def before_first(self, room: str) -> int | None:
        """Return the seq before which nothing was seen; None when nothing was."""
        view = self.views.get(room)
        return None if view is None or not (view.first or view.last) else view.first or view.last + 1

    def scrolled(self, request: native.History, page: native.HistoryPage) -> None:
        """The application got ``page`` for its ``request``."""
        view = self.views.get(page.room)
        oldest = _oldest(page)
        if view is not None and oldest and request.before in (view.first, view.last + 1):
            view.first = min(oldest, view.first or oldest)

    # --- coming and going

    def open_inbox(self, welcome: native.Welcome, owner: str | None) -> None:
        """The server has let us in: the inbox of ``owner`` (an account; None: a guest) is open, and may have more than
        we saw.
        """
        view, seqs = self.views[native.INBOX], self._seqs[native.INBOX]
        view.here = True
        known = self._epochs.get(native.INBOX)
        for room, epoch in self._epochs.items():
            if epoch != welcome.epoch:
                self._forget_mine(room)
        self._epochs[native.INBOX] = welcome.epoch
        was, self._owner = self._owner, owner
        if known == welcome.epoch and was == owner and welcome.inbox >= seqs.last:
            seqs.knows(welcome.inbox)
            view.head = seqs.head
            self.fill(native.INBOX)
            return
        seqs.restart(welcome.inbox)
        view.last = view.head = welcome.inbox
        if known is not None:
            view.first = 0
            self._forget_mine(native.INBOX)
            self._tell(Entered(native.INBOX, [], reset=True, more=welcome.inbox > 0))

    def change_inbox(self, owner: str | None, newest: int) -> None:
        """We are somebody else: the inbox is theirs, and ``newest`` its newest seq."""
        if owner == self._owner:
            return
        self._owner = owner
        view = self.views[native.INBOX]
        self._seqs[native.INBOX].restart(newest)
        self._filling.discard(native.INBOX)
        view.last = view.head = newest
        view.first, view.read = 0, None
        self._forget_mine(native.INBOX)
        self._tell(Entered(native.INBOX, [], reset=True, more=newest > 0))

    def entered(self, event: native.Room, request: native.Join, epoch: str) -> None:
        """``event`` answers ``request``; the server's log is ``epoch``."""
        name = event.room
        view = self.views.setdefault(name, RoomView(name))
        if name not in self._seqs or (name not in self._epochs and request.after is not None):
            self._seqs.setdefault(name, Sequencer()).restart(request.after or 0)
        seqs = self._seqs[name]
        same_log = self._epochs.get(name) == epoch
        asked_twice = request.after is None and same_log and not event.reset
        self._epochs[name] = epoch
        view.here = True
        view.topic = event.topic
        view.people = {person.nick: person for person in event.people}
        view.count = event.count
        if request.key is not None:
            self._keys[name] = request.key
        view.read = None if event.read is None else max(event.read, view.read or 0)
        more = event.more
        oldest = _oldest(event)
        if event.reset and same_log:  # else that is done, and what was acknowledged since is of this log
            self._forget_mine(name)
        if event.reset or (request.after is None and not asked_twice):
            seqs.jump(oldest - 1 if oldest else event.seq)
            view.first = 0
        else:
            more = (view.first or oldest or seqs.last + 1) > 1
        found = (seqs.replay if asked_twice else seqs.page)(event.messages, event.gaps)
        seqs.knows(event.seq)
        self._report(view, found, Entered(name, [], event.reset, more))
        self.fill(name)

    def retitle(self, event: moderation.Retitled) -> None:
        """A room goes on under another name."""
        if event.room in self.views and event.name not in self.views:
            self._move(event.room, event.name)
            self._tell(Moved(event.room, event.name, event.by, event.reason))

    def spelled(self, asked: str, name: str) -> None:
        """We asked to enter ``asked``, and the server calls it ``name``: it writes it otherwise, or it was renamed."""
        if asked not in self.views or name in self.views or asked.casefold() == name.casefold():
            self.forget(asked)
            return
        self._move(asked, name)
        self._tell(Moved(asked, name))

    def _move(self, old: str, name: str) -> None:
        items = list(self.views.items())
        self.views.clear()
        self.views.update((name if key == old else key, view) for key, view in items)  # keeps its place
        self.views[name].name = name
        self._seqs[name] = self._seqs.pop(old)
        if old in self._epochs:
            self._epochs[name] = self._epochs.pop(old)
        if old in self._keys:
            self._keys[name] = self._keys.pop(old)
        if old in self._marks:
            self._marks[name] = self._marks.pop(old)
        self._filling.discard(old)  # what is under way is asked for again
        self._mine = {(name if room == old else room, seq): cmid for (room, seq), cmid in self._mine.items()}

    def exit(self, room: str) -> None:
        """We are in ``room`` no more. The inbox is never left."""
        if room in self.views and room != native.INBOX:
            self.forget(room)
            self._tell(Exited(room))

    def forget(self, room: str) -> None:
        self.views.pop(room, None)
        self._seqs.pop(room, None)
        self._epochs.pop(room, None)
        self._filling.discard(room)
        self._marks.pop(room, None)
        self._forget_mine(room)

    def _forget_mine(self, room: str) -> None:
        self._mine = {key: cmid for key, cmid in self._mine.items() if key[0] != room}

    # --- people

    def presence(self, event: native.Joined | native.Left | native.Renamed | native.Changed, me: str) -> None:
        """Somebody came, went or changed; ``me`` is our own nick."""
        view = self.views.get(event.room)
        if view is None:
            return
        match event:
            case native.Joined():
                view.count += event.who.nick not in view.people
                view.people[event.who.nick] = event.who
            case native.Left():
                view.people.pop(event.nick, None)
                view.count = max(view.count - 1, 0)
            case native.Renamed():
                person = view.people.pop(event.old, native.Person(event.old))
                view.people[event.nick] = replace(person, nick=event.nick)
            case native.Changed():
                view.people[event.who.nick] = event.who
        self._tell(Presence(event))
        if isinstance(event, native.Left) and event.nick == me and not event.quit:
            self.exit(event.room)

    def ourselves(self, event: native.Renamed | native.Changed) -> None:
        """We have another nick or are otherwise, which the rooms we are in heard as something else."""
        old = event.old if isinstance(event, native.Renamed) else event.who.nick
        for room, view in self.views.items():
            if room == native.INBOX or (person := view.people.pop(old, None)) is None:
                continue
            now = replace(person, nick=event.nick) if isinstance(event, native.Renamed) else event.who
            view.people[now.nick] = replace(now, roles=person.roles)
            self._tell(Presence(replace(event, room=room)))

    def modes(self, event: moderation.Modes) -> None:
        """Roles were given or taken, or the room's modes changed."""
        view = self.views.get(event.room)
        if view is None:
            return
        for change in event.changes:
            person = view.people.get(change.arg or "")
            if person is not None and change.mode in moderation.ROLES:
                held = {*person.roles, change.mode} if change.on else {*person.roles} - {change.mode}
                roles = [role for role in moderation.ROLES if role in held]
                view.people[person.nick] = replace(person, roles=roles)
        self._tell(Happened(event))

    def resynced(self, room: str, event: native.People) -> None:
        """Who is in a room, after joins and leaves that we did not hear of."""
        view = self.views.get(room)
        if view is not None and view.here:
            view.people = {person.nick: person for person in event.people}
            view.count = event.count
            self._tell(Members(room))

    # --- what was read

    def read_elsewhere(self, room: str, seq: int) -> None:
        """It was read up to ``seq``, says the server."""
        view = self.views.get(room)
        if view is not None and (view.read is None or seq > view.read):
            view.read = seq
            self._tell(ReadTo(room, seq))
        elif view is None and room.startswith("@"):
            self._tell(ReadTo(room, seq))

    def read(self, room: str, seq: int) -> None:
        """The person has read ``room``, or what somebody (`@nick`) said to us, up to ``seq``."""
        view = self.views.get(room)
        if view is not None and seq > (view.read or 0):
            view.read = self._marks[room] = seq
        elif view is None and room.startswith("@") and seq > self._marks.get(room, 0):
            self._marks[room] = seq

    @property
    def has_marks(self) -> bool:
        return bool(self._marks)

    def take_marks(self) -> dict[str, int]:
        """Return what was read and is not yet told, by room; it counts as told."""
        marks, self._marks = self._marks, {}
        return marks

    # --- messages

    def acknowledged(self, room: str, seq: int, cmid: str) -> None:
        """``seq`` of ``room`` is ours; the message itself may still be to come."""
        another_log = self._epochs.get(room) != self._epochs.get(native.INBOX)  # what we saw there is of one before
        if room in self.views and (another_log or seq > self._seqs[room].last):
            self._mine[room, seq] = cmid

    def message(self, msg: native.Msg) -> None:
        """A live message."""
        view = self.views.get(msg.room)
        if view is None:
            return
        seqs = self._seqs[msg.room]
        if not view.here:  # taken over, and the answer to our join is still under way
            seqs.hold(msg)
            return
        self._report(view, seqs.take(msg))
        self.fill(msg.room)

    def filled(self, request: native.History, event: native.Event) -> None:
        """A page for a gap came, or an error that trying again does not help."""
        room = event.room if isinstance(event, native.HistoryPage) else request.room  # it may have another name now
        self._filling.discard(room)
        view = self.views.get(room)
        if view is None:
            return
        seqs = self._seqs[room]
        if (request.after or 0) <= seqs.last:  # else we went back meanwhile: the page is not the next one
            before = seqs.last
            if isinstance(event, native.HistoryPage):
                self._report(view, seqs.page(event.messages, event.gaps))
            if seqs.gap and seqs.last == before:
                self._report(view, seqs.give_up())
        self.fill(room)

    def replayed(self, page: native.HistoryPage) -> None:
        """We read too slowly, and the server sends again what it had to leave out."""
        view = self.views.get(page.room)
        if view is None:
            return
        if not view.here:  # the answer to our join is still under way
            for msg in page.messages:
                self._seqs[page.room].hold(msg)
            return
        self._report(view, self._seqs[page.room].replay(page.messages, page.gaps))
        self.fill(page.room)

    def _report(self, view: RoomView, found: Sequence[native.Msg | native.Gap], entered: Entered | None = None) -> None:
        """Report ``found``, inside ``entered`` as far as it can be: up to the first message of ours."""
        if entered is not None:
            self._tell(entered)
        for item in found:
            if not isinstance(item, native.Msg):
                if entered is not None:
                    entered.gaps.append(item)
                else:
                    self._tell(Lost(view.name, *item))
                view.first = view.first or item[0]
                continue
            cmid = self._mine.pop((item.room, item.seq), None) if self._mine else None
            if entered is not None and cmid is None:
                entered.messages.append(item)
            else:
                entered = None
                self._tell(Message(item, cmid))
            view.first = view.first or item.seq
            if item.kind == "topic":
                view.topic = item.text
        seqs = self._seqs[view.name]
        view.last, view.head = seqs.last, seqs.head


def _oldest(page: native.Room | native.HistoryPage) -> int:
    """Return the first seq that ``page`` tells of; 0: none."""
    return min([msg.seq for msg in page.messages[:1]] + [first for first, _ in page.gaps], default=0)
