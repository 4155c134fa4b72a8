"""A native client's side of the conversation, sans-IO: outbox, resume, gaps. Knows no sockets, clocks or screens.

Feed it what the socket had, write what `outgoing` returns, and show what `updates` returns. It survives any number of
connections: what was said while offline waits in the outbox, keeps its `cmid`, and goes out once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from protocol import native


@dataclass(frozen=True, slots=True)
class Online:
    """Introduced (again). Rooms follow as `Entered`, one by one."""

    welcome: native.Welcome


@dataclass(frozen=True, slots=True)
class Offline:
    """The connection is gone. `retry`: seconds the server asked to wait. `final`: do not come back (nick taken, quit)."""

    reason: str
    retry: float | None = None
    final: bool = False
    error: native.Error | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """In a room, for the first time or again. `messages` are new to us, oldest first, each seen once and in order.

    `reset`: forget what was shown of this room; its log is another one, or the gap was too long to fill.
    """

    room: str
    messages: list[native.Msg]
    reset: bool = False
    more: bool = False  # the server has older ones


@dataclass(frozen=True, slots=True)
class Exited:
    """No longer in a room."""

    room: str


@dataclass(frozen=True, slots=True)
class Message:
    """The room's next message: seq is exactly one more than the last. `cmid` is set when it is one of ours."""

    msg: native.Msg
    cmid: str | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """Ours, in the outbox: not yet acknowledged."""

    cmid: str
    to: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Ours, acknowledged: it is on the server's disk as `seq` of `room`."""

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
class Answer:
    """The answer to a `request`; an `Error` too."""

    id: int
    request: native.Request
    event: native.Event


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody else (or we) joined, left, was renamed, or changed. Already applied to `Session.rooms`."""

    event: native.Joined | native.Left | native.Renamed | native.Changed


@dataclass(frozen=True, slots=True)
class Said:
    """The server speaks to people."""

    text: str


Update = (
    Online | Offline | Entered | Exited | Message | Queued | Sent | Failed | Answer | Presence | Said
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
    ) -> None: ...

    nick: str
    online: bool  # introduced and connected
    welcome: native.Welcome | None  # the last one
    rooms: dict[str, RoomView]  # by name, those we are in or want to be in, and "@"
    outbox: dict[str, native.Send | native.Fun | native.Topic]  # by cmid, oldest first: not yet acknowledged

    # the socket's side
    def connected(self) -> None:
        """A connection stands: `outgoing` has the hello."""

    def disconnected(self, reason: str) -> None:
        """The connection is gone; requests without answer are answered with an Error `offline`, the outbox stays."""

    def feed(self, data: bytes) -> None:
        """Take what the socket had. Any cut of the stream gives the same updates."""

    def outgoing(self) -> bytes:
        """Return and forget what is to be written."""

    def updates(self) -> list[Update]:
        """Return and forget what happened, oldest first."""

    # the application's side
    def say(self, to: str, text: str, *, kind: str = "text", reply: int | None = None) -> str:
        """Put a message to a room or `@nick` into the outbox; return its cmid. It goes out now or when online."""

    def submit(self, request: native.Send | native.Fun | native.Topic) -> str:
        """Put a request that has a cmid into the outbox; return the cmid."""

    def request(self, request: native.Request) -> int:
        """Send any other request now; return the id its `Answer` will have. Offline: the Answer is an Error.

        Join, Leave, Nick, Quit are understood: rooms, nick and finality follow their answers.
        """

    def older(self, room: str, limit: int = 100) -> int:
        """Ask for messages older than the oldest seen in ``room``; they come as the `Answer` (a `HistoryPage`)."""
