"""What a `client.session.Session` reports, and how it sees a room."""

from dataclasses import dataclass, field

from protocol import moderation, native


@dataclass(frozen=True, slots=True)
class Online:
    """Introduced (again). Rooms follow as `Entered`, one by one."""

    welcome: native.Welcome


@dataclass(frozen=True, slots=True)
class Offline:
    """The connection is gone. `retry`: seconds the server asked to wait. `final`: do not come back."""

    reason: str
    retry: float | None = None
    final: bool = False
    error: native.Error | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """In a room, for the first time or again. `messages` are new to us, oldest first, each seen once and in order.

    More of them may follow as `Message`, when many were missed or some are ours.

    `reset`: forget what was shown of this room; its log is another one.
    """

    room: str
    messages: list[native.Msg]
    reset: bool = False
    more: bool = False  # the server has older ones
    gaps: list[native.Gap] = field(default_factory=list)  # before or between `messages`: will never come, see `Lost`


@dataclass(frozen=True, slots=True)
class Exited:
    """No longer in a room."""

    room: str


@dataclass(frozen=True, slots=True)
class Message:
    """The room's next message: seq is one more than the last, or than the end of what is `Lost`.

    `cmid` is set when it is one of ours.
    """

    msg: native.Msg
    cmid: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The room's messages `first` to `last` will never come: the server no longer keeps them, or they are damaged.

    In its place in the order of `Message`.
    """

    room: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Queued:
    """Ours, in the outbox: not yet acknowledged. Ends as `Sent`, `Failed`, or an `Answer` with `Shown`."""

    cmid: str
    to: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Ours, acknowledged: it is on the server's disk as `seq` of `room`. Usually comes before its `Message`."""

    cmid: str
    room: str
    seq: int
    time: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Ours, refused; out of the outbox. `text` is what the person typed, to be given back to them."""

    cmid: str
    text: str
    error: native.Error


@dataclass(frozen=True, slots=True)
class Delayed:
    """Ours, refused for now for the reason that `error` says; it stays in the outbox and is tried again by itself."""

    cmid: str
    error: native.Error


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a `request`; an `Error` too. Also when a room that was to be entered by itself refuses us."""

    id: int
    request: native.Request
    event: native.Event


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody else (or we) joined, left, was renamed, or changed. Already applied to `Session.rooms`."""

    event: native.Joined | native.Left | native.Renamed | native.Changed


@dataclass(frozen=True, slots=True)
class Members:
    """The people of a room are told anew, in `Session.rooms`: who came and went in between is not known."""

    room: str


@dataclass(frozen=True, slots=True)
class Said:
    """The server speaks to people."""

    text: str


@dataclass(frozen=True, slots=True)
class Identified:
    """Logged in to `account`, or (None) a guest. `text` is for people, and mostly empty."""

    account: str | None
    text: str = ""
    token: str | None = None  # proves the account from now on; to be kept where nobody else can read it
    spent: str | None = None  # of this account no proof counts any more

    def __repr__(self) -> str:
        return f"Identified({self.account!r}, …)"  # a token must not get into a log


@dataclass(frozen=True, slots=True)
class Happened:
    """Something was done in or with a room. Already applied to `Session.rooms`."""

    event: moderation.Modes | moderation.Invited


@dataclass(frozen=True, slots=True)
class Moved:
    """The room `old` goes on as `room`, its seqs too. `by` is empty when one learns of it only later."""

    old: str
    room: str
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody is typing in a room, or (room `@`) to us. Nobody says when it ends if they go away."""

    room: str
    nick: str
    state: str  # "active", "paused", "done"


@dataclass(frozen=True, slots=True)
class ReadTo:
    """We have read `room` up to `seq`, on whatever device."""

    room: str
    seq: int


Update = (
    Online
    | Offline
    | Entered
    | Exited
    | Message
    | Lost
    | Queued
    | Sent
    | Failed
    | Delayed
    | Answer
    | Presence
    | Members
    | Said
    | Identified
    | Happened
    | Moved
    | Typing
    | ReadTo
)


@dataclass(slots=True)
class RoomView:
    """What we know of a room we are in. The inbox `@` is one too."""

    name: str
    topic: str = ""
    people: dict[str, native.Person] = field(default_factory=dict)  # by nick
    count: int = 0
    last: int = 0  # seq of the newest message seen without a gap before it
    first: int = 0  # seq of the oldest message seen; 0: none
    head: int = 0  # newest seq known to exist; last < head while a gap is being filled
    here: bool = False  # in it now, on this connection
    read: int | None = None  # how far it was read, on whatever device; None: that is not known
