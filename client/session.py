"""A native client's side of the conversation, sans-IO: outbox, resume, gaps. Knows no sockets, clocks or screens.

Feed it what the socket had, write what `outgoing` returns, and show what `updates` returns. It survives any number of
connections: what was said while offline waits in the outbox, keeps its `cmid`, and goes out once. Given the token and
the outbox of a session before it, it goes on where that one ended.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import Final, Literal

from msgspec.structs import replace

from client.asking import Asked, Asking
from client.identity import INSECURE, SECRETS, SPENT, Identity, Proof
from client.incoming import Incoming, NotMoot
from client.outbox import Outbox, Outgoing, addressed, is_later, queued, typed
from client.rooms import Rooms
from client.updates import (
    Answer,
    Delayed,
    Entered,
    Exited,
    Failed,
    Happened,
    Identified,
    Lost,
    Members,
    Message,
    Moved,
    Offline,
    Online,
    Presence,
    Queued,
    ReadTo,
    RoomView,
    Said,
    Sent,
    Typing,
    Update,
)
from protocol import accounts, moderation, native, sentences

__all__ = [
    "Answer", "Delayed", "Entered", "Exited", "Failed", "Happened", "Identified", "Lost", "Members", "Message", "Moved",
    "Offline", "Online", "Outgoing", "Presence", "Proof", "Queued", "ReadTo", "RoomView", "Said", "Sent", "Session",
    "Typing", "Update", "typed",
]  # fmt: skip

PAGE: Final = 500  # messages asked for at once to fill a gap
MAX_FOLLOWED: Final = 50  # rooms entered because another device of ours is there; more are entered by hand
MAX_DEFERRED: Final = 10_000  # events kept back until resent messages are answered
DEFAULT_WAIT_S: Final = 1.0  # when a server says "later" without a time


class Session:
    """See the module. One thread only; every method returns at once."""

    def __init__(
        self,
        nick: str,
        rooms: Iterable[str] = ("#lobby",),
        *,
        token: str | None = None,  # default: a new random one
        color: str | None = None,
        client: str = "",
        new_id: Callable[[], str] | None = None,  # makes cmids; default: 128 random bits, base64url
        any_nick: bool = False,  # when the nick is taken, be the free one that the server offers
        pending: Iterable[Outgoing] = (),  # oldest first: what an earlier session with this token left in its outbox
        follow: bool = False,  # enter the rooms that other devices of the same person are in
    ) -> None:
        self.nick = nick
        self.online = False  # introduced and connected
        self.welcome: native.Welcome | None = None  # the last one
        self._box = Outbox(pending)
        self.restored = frozenset(self._box.requests)  # cmids of ``pending``
        needed = [room for request in self._box.requests.values() if (room := addressed(request)) is not None]
        self._rooms = Rooms((*rooms, *needed, native.INBOX), self._ask_page, lambda said: self._updates.append(said))
        self.rooms = self._rooms.views
        """Those we are in or want to be in, those that ``pending`` speaks in, and "@"."""
        self.outbox: dict[str, Outgoing] = self._box.requests  # by cmid, oldest first: not yet acknowledged
        self.retry_after: float | None = None  # seconds after which the owner calls `retry`
        self.hang_up = False  # the connection is of no more use: close it, then call `disconnected`
        self.token = secrets.token_urlsafe(24) if token is None else token
        self.new_cmid = new_id or (lambda: secrets.token_urlsafe(16))
        self._follows = follow
        self.pin = ""  # of the key that the server has shown in TLS; empty: it showed none
        self.proof: Proof | None = None  # how to log in with the next connection; the owner sets it
        self.secure = True  # nobody on the way can read along; the owner sets it
        self.identity = Identity(lambda said: self._updates.append(said))
        self._any_nick = any_nick
        self._color = color
        self._client = client
        self._attempt = 0  # number of the last connection attempt that had one; each is greater than those before
        self._incoming = Incoming()
        self._updates: list[Update] = [queued(request) for request in self._box.requests.values()]
        self._asking = Asking()
        self._joining: set[str] = set()  # rooms we enter by ourselves, not yet answered
        self._deferred: list[native.Event] = []  # what came while resent messages were not answered
        self._away: str | None = None  # what the application said last and the server took
        self._last_error: native.Error | None = None  # not an answer; explains a close
        self.quitting = False  # somebody asked to go

    # --- the socket's side

    def connected(self, now_ms: int | None = None) -> None:
        """A connection stands: `outgoing` has the hello.

        ``now_ms`` (milliseconds since 1970) numbers the attempt, so that the server can tell a hello that comes late
        from a newer one, of an earlier run with this token too. A clock that goes back does no harm.
        """
        self._incoming = Incoming()
        self._asking.outgoing()  # of the connection before
        self.hang_up = False
        self._last_error = None
        if now_ms is not None:
            self._attempt = max(self._attempt + 1, now_ms)
        if self.proof is not None:
            self._asking.ask(self.proof.opening(), "session")
        else:
            self._hello()

    def disconnected(self, reason: str) -> None:
        """The connection is gone, or none could be made.

        Requests without answer are answered with an Error `offline`, the outbox stays.
        """
        if self.hang_up:  # told already
            self.hang_up = False
            return
        error = self._last_error
        self._lose(error.text if error else reason, final=self.quitting, error=error)
        self.hang_up = False

    def distrusted(self, reason: str) -> None:
        """No connection may be made to the server there, and trying again is of no use."""
        self._lose(reason, final=True, error=native.Error(code="untrusted", text=reason))
        self.hang_up = False

    def feed_eof(self) -> None:
        """The other side said its last. To be called before `disconnected`, and not for a connection that broke."""
        try:
            self._incoming.end()
        except NotMoot as no:
            self._strange(no)

    def feed(self, data: bytes) -> None:
        """Take what the socket had. Any cut of the stream gives the same updates."""
        try:
            for event in self._incoming.feed(data):
                if self.hang_up:
                    return
                self._take(event)
        except NotMoot as no:
            self._strange(no)

    def _strange(self, no: NotMoot) -> None:
        """What answers is no server of ours. Final, unless one was there before."""
        if not self.hang_up:
            self._lose(str(no), final=self.quitting or self.welcome is None)

    def outgoing(self) -> bytes:
        """Return and forget what is to be written."""
        return self._asking.outgoing()

    def updates(self) -> list[Update]:
        """Return and forget what happened, oldest first."""
        updates, self._updates = self._updates, []
        return updates

    def retry(self) -> None:
        """`retry_after` seconds have passed: try again what the server refused for the moment."""
        self.retry_after = None
        if not self.online:
            return
        under_way = self._asking.joins()
        for room in [name for name in self.rooms if name in self._joining and name not in under_way]:
            self._enter(room)
        for room in self.rooms:
            self._rooms.fill(room)
        self._pump()

    # --- the application's side

    def say(self, to: str, text: str, *, kind: str = "text", reply: int | None = None) -> str:
        """Put a message to a room or `@nick` into the outbox; return its cmid. It goes out now or when online."""
        if kind not in ("text", "me"):
            raise ValueError(f"kind {kind!r}; expected 'text' or 'me'")
        kind_: Literal["text", "me"] = "me" if kind == "me" else "text"
        return self.submit(native.Send(cmid=self.new_cmid(), to=to, text=text, kind=kind_, reply=reply))

    def submit(self, request: Outgoing) -> str:
        """Put a request that has a cmid into the outbox; return the cmid.

        Raises ValueError for a cmid that is there already, and for text that is no Unicode (lone surrogates).
        """
        native.encode(request)  # raises: what cannot be written must not be in the way of what can
        self._box.add(request)
        self._updates.append(queued(request))
        self._pump()
        return request.cmid

    def request(self, request: native.Request) -> int:
        """Send any other request now; return the id its `Answer` will have. Offline: the Answer is an Error.

        Join, Leave, Nick, Quit are understood: rooms, nick and finality follow their answers.
        """
        if isinstance(request, native.Quit):
            self.quitting = True
        if not self.online:
            return self._refuse(request, "offline", "Not connected; try again when the connection is back.")
        if not self.secure and isinstance(request, SECRETS):
            return self._refuse(request, "insecure", INSECURE)
        if isinstance(request, native.Join):
            request = self._rooms.resumed(request)
        return self._asking.ask(request, "app")

    def _refuse(self, request: native.Request, code: str, text: str) -> int:
        """Answer ``request`` without having sent it."""
        number = self._asking.number()
        self._updates.append(Answer(number, request, native.Error(id=number, code=code, text=text)))
        return number

    def older(self, room: str, limit: int = 100) -> int:
        """Ask for messages older than the oldest seen in ``room``; they come as the `Answer` (a `HistoryPage`)."""
        return self.request(native.History(room=room, before=self._rooms.before_first(room), limit=limit))

    def rewind(self, room: str, after: int) -> None:
        """Report all messages of ``room`` with a greater seq than ``after``, oldest first, and go on from there.

        For a room we are in; those reported before come again.
        """
        self._rooms.rewind(room, after)

    def signal(self, request: native.Typing | native.Tag) -> None:
        """Send what is answered by nothing, or not at all; a refusal is nobody's business."""
        if self.online:
            self._asking.signal(request)

    def read(self, room: str, seq: int) -> None:
        """The person has read ``room`` up to ``seq``; `tell_read` says so to the server, when the owner thinks fit."""
        self._rooms.read(room, seq)

    def ask_read(self, room: str) -> None:
        """Ask how far ``room`` (or `@nick`) was read; what is news comes as `ReadTo`."""
        if self.online:
            self._asking.ask(accounts.Read(room=room), "session")

    @property
    def has_read(self) -> bool:
        """Whether there is something for `tell_read` to tell: an account's devices share it, a guest has only one."""
        return self.online and self.identity.account is not None and self._rooms.has_marks

    def tell_read(self) -> None:
        """Tell the server, and by it our other devices, what was read."""
        if self.has_read:
            for room, seq in self._rooms.take_marks().items():
                self._asking.ask(accounts.Read(room=room, seq=seq), "session")

    # --- requests

    def _hello(self) -> None:
        hello = native.Hello(
            nick=self.nick, token=self.token, color=self._color, client=self._client, attempt=self._attempt or None
        )
        self._asking.ask(hello, "session")

    def _enter(self, room: str) -> None:
        """Ask to enter ``room``, going on where we were."""
        self._asking.ask(self._rooms.resumed(native.Join(room=room)), "session")

    def _ask_page(self, room: str, after: int) -> bool:
        """Ask for what comes after seq ``after`` in ``room``, unless the server wants a pause."""
        if self.retry_after is not None:
            return False
        self._asking.ask(native.History(room=room, after=after, limit=PAGE), "session")
        return True

    def _pump(self) -> None:
        """Put as much of the outbox on the wire as may be there, oldest first."""
        if not self.online or self._joining or self.retry_after is not None:
            return
        while (request := self._box.next()) is not None:
            self._asking.ask(request, "outbox")

    # --- the connection's end

    def _lose(
        self, reason: str, *, retry: float | None = None, final: bool = False, error: native.Error | None = None
    ) -> None:
        """Nothing more comes from this connection."""
        self.online = False
        self.hang_up = True
        self.retry_after = None
        self.identity.gone()
        for one in self._asking.lost():
            if one.by == "app":
                gone = native.Error(id=one.number, code="offline", text=f"Connection lost before the answer: {reason}")
                self._updates.append(Answer(one.number, one.request, gone))
        self._box.lost()
        self._deferred.clear()  # not applied, so asked for again
        self._joining.clear()
        self._rooms.lost()
        self._updates.append(Offline(reason, retry, final, error))

    # --- what the server says

    def _take(self, event: native.Event) -> None:
        if not self._box.unsure or not self.online:
            self._event(event)
        elif isinstance(event, native.Bye) or len(self._deferred) >= MAX_DEFERRED:
            self._deferred.append(event)
            self._settle()
        elif self._answers_unsure(event):
            self._event(event)
            if not self._box.unsure:
                self._settle()
        else:
            self._deferred.append(event)
            self._note_entry(event)

    def _answers_unsure(self, event: native.Event) -> bool:
        asked = self._asking.about(event)
        return asked is not None and asked.by == "outbox" and getattr(asked.request, "cmid", "") in self._box.unsure

    def _note_entry(self, event: native.Event) -> None:
        """A deferred answer to one of our joins must still let the outbox go, or nothing would end the deferring."""
        if isinstance(event, native.Room | native.Error):
            asked = self._asking.about(event)
            if asked is not None and asked.by == "session" and isinstance(asked.request, native.Join):
                if isinstance(event, native.Error) and is_later(event):
                    self._deferred.remove(event)
                    self._event(event)
                    return
                self._joining.discard(asked.request.room)
                if isinstance(event, native.Room) and event.room != asked.request.room:  # renamed since
                    self._rooms.spelled(asked.request.room, event.room)
                    self._box.readdress(asked.request.room, event.room)
                self._pump()

    def _settle(self) -> None:
        """Every resent message is answered: what came meanwhile can be told ours from others'."""
        self._box.unsure.clear()
        deferred, self._deferred = self._deferred, []
        for event in deferred:
            if self.hang_up:
                return
            self._event(event)

    def _event(self, event: native.Event) -> None:
        match event:
            case native.Msg():
                self._rooms.message(event)
            case native.Renamed(room=native.INBOX) | native.Changed(room=native.INBOX):
                self._rooms.ourselves(event)
                if isinstance(event, native.Renamed) and event.old == self.nick:
                    self.nick = event.nick
            case native.Joined() | native.Left() | native.Renamed() | native.Changed():
                if isinstance(event, native.Renamed) and event.room in self.rooms and event.old == self.nick:
                    self.nick = event.nick
                self._rooms.presence(event, self.nick)
                self._joining &= self.rooms.keys()
            case native.Notice():
                self._updates.append(Said(event.text if event.by is None else f"{event.by}, to all: {event.text}"))
            case native.IsTyping():
                self._updates.append(Typing(event.room, event.nick, event.state))
            case moderation.Modes():
                self._rooms.modes(event)
            case moderation.Invited():
                self._updates.append(Happened(event))
            case moderation.Retitled():
                self._rooms.retitle(event)
                self._box.readdress(event.room, event.name)
            case accounts.LoggedIn(id=None):
                self._logged_in(event)
            case accounts.LoggedOut():
                self.nick = event.nick or self.nick
                self.identity.logged_out(sentences.logged_out(event) if event.reason else "")
                self._rooms.change_inbox(None, event.inbox)
            case accounts.ReadUpto(id=None):
                self._rooms.read_elsewhere(event.room, event.seq)
            case accounts.Inside():
                self._beside(event.rooms)
            case native.Error(id=None):
                self._unasked_error(event)
            case native.HistoryPage(id=None):
                self._rooms.replayed(event)
            case native.People(id=None, room=str(room)):
                self._rooms.resynced(room, event)
            case native.Bye():
                self._bye(event)
            case _:
                if (asked := self._asking.answered(event)) is not None:
                    self._answer(asked, event)

    def _unasked_error(self, error: native.Error) -> None:
        if error.code == "replaced":
            self._lose(error.text, final=True, error=error)
            return
        self._last_error = error
        self._updates.append(Said(error.text))

    def _bye(self, event: native.Bye) -> None:
        if (asked := self._asking.answered(event)) is not None:
            self._updates.append(Answer(asked.number, asked.request, event))
        error = self._last_error if event.by is None else native.Error(code="kicked", text=event.reason)
        self._lose(event.reason, retry=event.retry, final=self.quitting or event.by is not None, error=error)

    def _answer(self, asked: Asked, event: native.Event) -> None:
        number, request = asked.number, asked.request
        if asked.by == "outbox":
            self._acknowledged(number, request, event)
        elif isinstance(request, native.Hello):
            self._introduced(event)
        elif isinstance(request, accounts.Sasl) and asked.by == "session":
            self._proved(event)
        elif isinstance(request, accounts.Read) and asked.by == "session":
            if isinstance(event, accounts.ReadUpto):
                self._rooms.read_elsewhere(event.room, event.seq)
        elif isinstance(request, native.Join):
            self._join_answered(asked, event)
        elif isinstance(request, native.History) and asked.by == "session":
            self._page_answered(request, event)
        elif isinstance(request, native.Whois) and asked.by == "session":
            self._taken_over(event)
        elif asked.by != "session":
            self._updates.append(Answer(number, request, event))
            self._follow(request, event)

    def _follow(self, request: native.Request, event: native.Event) -> None:
        """Keep rooms and nick as the answer to the application's request says."""
        if isinstance(request, native.Leave):
            if isinstance(event, native.Ok) or (isinstance(event, native.Error) and event.code == "not-in-room"):
                self._exit(event.room or request.room if isinstance(event, native.Ok) else request.room)
        elif isinstance(request, native.Nick) and isinstance(event, native.Ok):
            self.nick = event.nick or request.nick
        elif isinstance(event, accounts.LoggedIn):
            self._logged_in(event, quiet=True)
        elif isinstance(request, accounts.Logout | accounts.Drop) and isinstance(event, native.Ok):
            self.nick = event.nick or self.nick
            if self.identity.account is not None:
                self.identity.logged_out()
        elif isinstance(request, native.Color) and isinstance(event, native.Ok):
            self._color = request.color
        elif isinstance(request, native.Away) and isinstance(event, native.Ok):
            self._away = request.text
        elif isinstance(request, native.History) and isinstance(event, native.HistoryPage):
            self._rooms.scrolled(request, event)

    # --- introduction

    def _proved(self, event: native.Event) -> None:
        """The server answers our proof of who we are."""
        proof = self.proof
        assert proof is not None  # it was asked with
        if isinstance(event, accounts.Challenge) and (answer := proof.answer(event.data, self.pin)) is not None:
            self._asking.ask(answer, "session")
            return
        if isinstance(event, native.Error) and proof.password:
            # Somebody typed it and waits. As a guest they would type it again, for all to see.
            self.proof = None
            self.identity.logged_out(spent=False)
            self._lose(event.text, final=True, error=event)
            return
        if isinstance(event, native.Error) and is_later(event) and (event.code not in SPENT or event.wait == 0):
            self._lose(event.text, retry=event.wait, error=event)  # 0: the server forgot what it had asked
            return
        if isinstance(event, accounts.LoggedIn):
            self._logged_in(event, quiet=self.welcome is not None)
        else:
            error = event if isinstance(event, native.Error) else native.Error(code="login-failed", text="No key fits.")
            self.proof = None
            self.identity.refused(proof.account, error)
        self._hello()

    def _introduced(self, event: native.Event) -> None:
        if isinstance(event, native.Error):
            self._not_introduced(event)
            return
        if not isinstance(event, native.Welcome):
            return
        if not event.fun and self.welcome is not None:  # the server has just started and does not know them yet
            event = replace(event, fun=self.welcome.fun)
        first, self.online = self.welcome is None, True
        self.nick = event.nick
        self.welcome = event
        self._updates.append(Online(event))
        self._rooms.open_inbox(event, self.identity.account)
        if self.identity.account is not None:
            self.ask_read(native.INBOX)
        if first and event.resumed:
            self._away = event.away
        if self._away is not None and not (event.resumed and event.away == self._away):  # the server had let go of us
            self._asking.ask(native.Away(text=self._away), "session")
        self._joining = self.rooms.keys() - {native.INBOX}
        for room in self.rooms:
            if room != native.INBOX:
                self._enter(room)
        if first and event.resumed:  # a session before this one was in rooms that we may not know of
            self._asking.ask(native.Whois(nick=event.nick), "session")
        self._pump()

    def _logged_in(self, event: accounts.LoggedIn, *, quiet: bool = False) -> None:
        self.nick = event.nick or self.nick
        self.identity.logged_in(event, quiet=quiet)
        if event.inbox is not None:
            self._rooms.change_inbox(event.account, event.inbox)
            self.ask_read(native.INBOX)

    def _taken_over(self, event: native.Event) -> None:
        """Enter the rooms where the server has us already."""
        if isinstance(event, native.Profile):
            self._enter_all(event.rooms)

    def _beside(self, rooms: list[str]) -> None:
        """Another device of ours is in ``rooms``, where others see us: hear what is said to us there."""
        if self._follows:
            self._enter_all(rooms[:MAX_FOLLOWED])

    def _enter_all(self, rooms: Iterable[str]) -> None:
        for room in rooms:
            if room not in self.rooms:
                self._rooms.add(room)
                self._joining.add(room)
                self._enter(room)

    def _not_introduced(self, error: native.Error) -> None:
        resuming = self.welcome is not None
        flexible = resuming or self._any_nick or self.identity.fallen
        not_ours = error.code in ("nick-taken", "nick-reserved")
        if not_ours and flexible and error.free and error.free != self.nick:
            self.nick = error.free
            self._hello()
        elif is_later(error) or (not_ours and resuming):
            self._lose(error.text, retry=error.wait, error=error)
        elif error.code == "replaced":  # a connection of ours said hello after this one did, or a clock went back
            self._attempt = max(self._attempt, error.attempt or 0)
            self._lose(error.text, error=error)
        else:
            self._lose(error.text, final=True, error=error)

    # --- rooms

    def _join_answered(self, asked: Asked, event: native.Event) -> None:
        request = asked.request
        assert isinstance(request, native.Join)
        if isinstance(event, native.Error):
            if asked.by == "session" and is_later(event):
                self._later(event)  # stays in `_joining`
                return
            self._updates.append(Answer(asked.number, request, event))
            if asked.by == "session":
                self._rooms.exit(request.room)
        elif isinstance(event, native.Room):
            if event.room != request.room and asked.by == "session":
                self._rooms.spelled(request.room, event.room)
                self._box.readdress(request.room, event.room)
            assert self.welcome is not None
            self._rooms.entered(event, request, self.welcome.epoch)
            if asked.by == "app":
                self._updates.append(Answer(asked.number, request, event))
        self._joining.discard(request.room)
        self._pump()

    def _exit(self, room: str) -> None:
        self._rooms.exit(room)
        self._joining.discard(room)

    def _page_answered(self, request: native.History, event: native.Event) -> None:
        """A page for a gap came, or an error."""
        if isinstance(event, native.Error) and is_later(event):
            if self._rooms.refused(request.room):
                self._later(event)
            return
        self._rooms.filled(request, event)

    # --- outbox

    def _acknowledged(self, number: int, request: native.Request, event: native.Event) -> None:
        assert isinstance(request, native.Send | native.Fun | native.Topic)
        cmid = request.cmid
        if isinstance(event, native.Error) and is_later(event):
            self._box.put_back(cmid)
            self._later(event)
            self._updates.append(Delayed(cmid, event))
            return
        self._box.answered(cmid)
        if isinstance(event, native.Error):
            self._updates.append(Failed(cmid, typed(request), event))
        elif isinstance(event, native.Ok) and event.room is not None and event.seq is not None:
            self._rooms.acknowledged(event.room, event.seq, cmid)
            self._updates.append(Sent(cmid, event.room, event.seq, event.time or 0))
        else:
            self._updates.append(Answer(number, request, event))
        self._pump()

    def _later(self, error: native.Error) -> None:
        """The server wants a pause."""
        self._box.slow_down()
        self.retry_after = max(self.retry_after or 0.0, DEFAULT_WAIT_S if error.wait is None else error.wait)
