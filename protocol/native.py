"""The native wire format: one JSON object a line, requests (`op`) up, events (`ev`) down.

Every dialect translates to and from these types, and the processes pass the same types to each other, so this file is
the vocabulary of the whole program, with `protocol.accounts` and `protocol.moderation`. `docs/protocol.md` is its
prose. Unknown fields are ignored on both sides; a field that is absent has its default. Names of rooms begin with `#`;
the room `@` is a person's own direct messages.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from protocol import accounts, metadata, moderation
from protocol.moderation import Role
from protocol.wire import (
    INBOX,
    MAX_NAME,
    MAX_PERSON,
    MAX_REMARK,
    Answers,
    Asks,
    Cmid,
    Gap,
    Id,
    MsgId,
    Reason,
    Seq,
    Tells,
    Whole,
)

__all__ = ["INBOX", "MAX_NAME", "MAX_PERSON", "MAX_REMARK", "Cmid", "Gap", "Id", "MsgId", "Seq", "Whole"]

VERSION: Final = 1  # of the wire format; `hello` names the newest a client speaks
DEFAULT_PORT: Final = 6668  # "moot" on a telephone keypad, and within the range IRC servers use
MAX_TAGS: Final = 4094  # bytes of the tags of a client with a message (IRCv3 message-tags)

_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3}")

Kind = Literal["text", "me", "notice", "fun", "topic", "react", "redact"]
Tags = dict[str, str]  # by name with its sign, "+example.org/foo"; what programs tell each other beside the text
Ref = Whole | MsgId  # a message: its seq, or what it is called everywhere


class Hello(Asks, frozen=True):
    """Introduce oneself; must come first. Answer: `welcome`, or an error (`nick-taken` offers a free one)."""

    nick: str
    v: Whole = VERSION
    token: Annotated[str, Meta(min_length=16, max_length=128)] | None = None
    """A secret of the client's own making. The same token is the same person: it takes over the old connection."""
    color: str | None = None  # "#RRGGBB"
    client: Annotated[str, Meta(max_length=64)] = ""  # program and version, shown by whois
    name: Annotated[str, Meta(max_length=MAX_PERSON)] | None = None
    """The person's, shown beside the nick."""
    attempt: Seq | None = None
    """Grows with each connection that is tried with this token. One that does not exceed the seated one's is late."""
    away: Reason | None = None  # from the first moment on, as with `away`


class Join(Asks, frozen=True):
    """Enter a room, making it if need be. Answer: `room`.

    With `after` and the `epoch` they were seen in, the answer carries what came after that seq, oldest first, else
    the newest messages.
    """

    room: str
    after: Seq | None = None
    epoch: str | None = None
    key: Annotated[str, Meta(max_length=100)] | None = None  # of a room that has one
    again: bool = False  # only if this connection is in it, else `not-in-room`: to ask what it is, never to come in


class Leave(Asks, frozen=True):
    """Leave a room. Answer: `ok`."""

    room: str
    reason: Reason = ""


class Send(Asks, frozen=True):
    """Say something in a room (`#room`) or to one person (`@nick`).

    Answer: `ok` with room, seq and time, once it is on disk. The same `cmid` again gets the first answer again;
    nothing is said twice.
    """

    cmid: Cmid
    to: str
    text: str
    kind: Literal["text", "me", "notice", "react"] = "text"
    """notice: said by a program, and answered by none; react: `text` is an emoji about the message `reply`."""
    reply: Ref | None = None  # the message this one answers, in the same room or of one's own inbox
    tags: Tags = {}  # of at most `MAX_TAGS` bytes
    audience: Role | None = None  # for those members only who have this role or a higher one


class Redact(Asks, frozen=True):
    """Take back a message: one's own, or as an op anybody's. Answer: `ok` with the seq of the entry that says so."""

    cmid: Cmid
    room: str  # `#room`, or `@`: of the inbox, one's own
    seq: Ref
    reason: Reason = ""


class Typing(Asks, frozen=True):
    """One is typing in a room, or to somebody; others hear it, nobody keeps it. Answer: `ok`, if it has an id."""

    to: str
    state: Literal["active", "paused", "done"] = "active"


class Tag(Asks, frozen=True):
    """Tags without a message; others hear them, nobody keeps them. Answer: `ok`, if it has an id."""

    to: str
    tags: Tags
    audience: Role | None = None  # as in `Send`


class Fun(Asks, frozen=True):
    """Run a fun command. Answer: `ok` when the room got the result, `shown` when it is for the caller alone."""

    cmid: Cmid
    to: str
    line: str  # as typed, with its slash: "/cowsay -f tux hi"


class Topic(Asks, frozen=True):
    """Set a room's topic; it is kept as a message of kind `topic`. Answer: `ok` with seq."""

    cmid: Cmid
    room: str
    text: str


class Nick(Asks, frozen=True):
    """Take another nick. Answer: `ok` with nick."""

    nick: str


class Away(Asks, frozen=True):
    """Say that one is away (`text`) or back (no text). Answer: `ok`."""

    text: str | None = None


class Color(Asks, frozen=True):
    """Choose the colour of one's nick, `#RRGGBB`, or null for the one derived from the nick. Answer: `ok`."""

    color: str | None = None


class Rename(Asks, frozen=True):
    """Take another name, the one that is shown beside the nick. Answer: `ok`."""

    name: Annotated[str, Meta(max_length=MAX_PERSON)] | None = None


class Bot(Asks, frozen=True):
    """Say that one is a program, or (off) a person. Answer: `ok`."""

    on: bool = True


class Watch(Asks, frozen=True):
    """Be told when people come, go or change, whatever rooms they are in (IRC's MONITOR). Answer: `watched`."""

    add: Annotated[list[str], Meta(max_length=100)] = []  # nicks
    remove: Annotated[list[str], Meta(max_length=100)] = []
    clear: bool = False


class Was(Asks, frozen=True):
    """Ask who had a nick lately. Answer: `people`, the last first."""

    nick: str
    limit: Annotated[int, Meta(ge=1, le=20)] = 10


class Who(Asks, frozen=True):
    """Ask who is in a room, or (no room) on the server. Answer: `people`."""

    room: str | None = None


class Whois(Asks, frozen=True):
    """Ask about one person. Answer: `person`."""

    nick: str


class Rooms(Asks, frozen=True):
    """Ask which rooms there are. Answer: `rooms`."""


class History(Asks, frozen=True):
    """Ask for kept messages of a room one is in, or of the inbox `@`. Answer: `history`, oldest first.

    `after`: those with a greater seq, from the oldest. `before`: those with a smaller seq, the newest of them.
    `since`: those whose time is at or after it (milliseconds since 1970, UTC), from the oldest. None: the newest.
    """

    room: str
    after: Seq | None = None
    before: Seq | None = None
    since: Whole | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class Ping(Asks, frozen=True):
    """Ask for `pong`, which comes after everything that came before it, through the whole path."""


class Quit(Asks, frozen=True):
    """Go. Answer: `bye`, then the connection is closed."""

    reason: Reason = ""


Request = (
    Hello
    | Join
    | Leave
    | Send
    | Redact
    | Typing
    | Tag
    | Fun
    | Topic
    | Nick
    | Away
    | Color
    | Rename
    | Bot
    | Watch
    | Was
    | Who
    | Whois
    | Rooms
    | History
    | Ping
    | Quit
    | accounts.Request
    | metadata.Request
    | moderation.Request
)

PAGED: Final = frozenset({History, Join, Who, Rooms})  # answered at length


class Anim(Struct, frozen=True, omit_defaults=True):
    """What a client needs to play an animation by itself: the same seed gives the same frames everywhere."""

    name: str  # "train", "eyes", "bubble"
    seed: int
    duration: float  # seconds


class FunCommand(Struct, frozen=True, omit_defaults=True):
    """One fun command the server has; clients complete and explain it from this."""

    name: str  # "cowsay"
    usage: str  # "/cowsay [-f animal] text"
    help: str  # one sentence
    aliases: list[str] = []


class Person(Struct, frozen=True, omit_defaults=True):
    """Somebody who is connected."""

    nick: str
    color: str | None = None
    away: str | None = None
    name: str | None = None  # as in `Hello`
    account: str | None = None  # None: a guest
    roles: list[Role] = []  # highest first; where it is about somebody in a room
    bot: bool = False
    admin: bool = False  # of the server
    until: int | None = None  # answering `was`: when they gave up this nick, milliseconds since 1970, UTC


class RoomLine(Struct, frozen=True, omit_defaults=True):
    """One line of the list of rooms."""

    room: str
    people: int
    topic: str = ""


class Welcome(Answers, frozen=True):
    """Answer to `hello`."""

    nick: str  # as the server wrote it
    server: str
    version: str  # of the program
    epoch: str  # of the log; seqs of another epoch mean nothing
    v: int = VERSION
    inbox: Seq = 0  # newest seq of the room `@`
    motd: str = ""
    fun: list[FunCommand] = []
    max_text: int = 4000  # characters in a message
    resumed: bool = False  # took over this person's earlier connection, rooms included
    color: str | None = None  # as it is now, maybe chosen on the earlier connection
    away: str | None = None
    people: int = 0  # on the server
    rooms: int = 0  # with somebody in them


class Ok(Answers, frozen=True):
    """It is done; a message is on disk, as `seq` of `room` (of the sender's own inbox `@` for a direct message)."""

    room: str | None = None
    seq: Seq | None = None
    time: int | None = None  # milliseconds since 1970, UTC, by the broker's clock
    nick: str | None = None


class Error(Answers, frozen=True):
    """It was not done. `code` is stable; `text` says what happened, what was expected, what to do."""

    code: str
    text: str
    free: str | None = None  # with nick-taken: a nick that is free
    wait: float | None = None  # seconds to wait before trying again
    attempt: int | None = None  # with replaced, answering hello: that of the connection which is here


class Msg(Tells, frozen=True):
    """A message, live or from the log. Per room, seq is 1, 2, 3 … without holes."""

    room: str
    seq: Seq
    time: int  # milliseconds since 1970, UTC
    nick: str = msgspec.field(name="from")
    text: str
    kind: Kind = "text"
    to: str | None = None  # in the inbox: who it was sent to
    reply: int | None = None
    cmd: str | None = None  # kind fun: what was typed
    anim: Anim | None = None  # kind fun: play this; `text` is the still for those who cannot
    account: str | None = None  # the sender's, then; None: a guest
    bot: bool = False  # the sender is a program
    tags: Tags = {}  # the sender's program's
    audience: Role | None = None  # said only to members with this role or a higher one; it is in their inboxes
    redacted: bool = False  # taken back: there is no text any more
    reason: str | None = None  # kind redact: why, if that was said; `text` is a sentence
    msgid: str | None = None  # in the inbox: what it is called by all who have it; elsewhere made of room and seq
    reply_id: str | None = None  # in the inbox: the same of the message `reply`
    own: bool = False  # in the inbox: one said it oneself


class Room(Answers, frozen=True):
    """Answer to `join`: the room as it is now, and the messages asked for, oldest first."""

    room: str
    seq: Seq  # newest there is
    topic: str = ""
    people: list[Person] = []  # at most 200 of them; `who` has more
    count: int = 0  # of people
    messages: list[Msg] = []
    more: bool = False  # messages were left out: after the last of these (resuming), or before the first
    reset: bool = False  # `after` could not be honoured (another epoch, or the future): start anew
    gaps: list[Gap] = []  # within what was asked for: no longer kept, or damaged; they will never come
    read: Seq | None = None  # how far one has read it; None: that is not known
    flags: list[str] = []  # what the room is, such as "secret"


class HistoryPage(Answers, frozen=True, tag="history"):
    """Answer to `history`, oldest first.

    Without a request, it has what a client missed that read too slowly: it goes on after the last message or gap that
    this client was sent of the room, and what is live comes again after the one without `more`.
    """

    room: str
    messages: list[Msg]
    more: bool = False  # there are more in the direction asked for
    gaps: list[Gap] = []  # within this page: no longer kept, or damaged; they will never come


class People(Answers, frozen=True):
    """Answer to `who` and `was`.

    Without a request: who is in `room` now, for a client that may not have heard of all of it.
    """

    people: list[Person]  # by nick; at most 1,000
    count: int  # of all
    room: str | None = None


class Profile(Answers, frozen=True, tag="person"):
    """Answer to `whois`."""

    nick: str
    rooms: list[str]  # those shared with the asker
    since: int  # connected, milliseconds since 1970, UTC
    idle: int  # seconds since last said something
    client: str = ""
    dialect: str = ""
    color: str | None = None
    away: str | None = None
    name: str | None = None
    account: str | None = None
    roles: dict[str, list[Role]] = {}  # in the rooms of `rooms`
    bot: bool = False
    admin: bool = False  # of the server
    secure: bool = False  # speaks through TLS, on all devices
    address: str | None = None  # told to server admins
    certfp: str | None = None  # SHA-256, hex, of the certificate shown; told to oneself and server admins


class RoomList(Answers, frozen=True, tag="rooms"):
    """Answer to `rooms`, fullest first, at most 500."""

    rooms: list[RoomLine]
    count: int  # of all


class Watched(Answers, frozen=True):
    """Whom one watches: the answer to `watch`, or what has happened to some of them.

    Unasked, `here` and `gone` have those who came or went, and of those who changed what they are now is in `here`.
    """

    here: list[Person] = []
    gone: list[str] = []


class Shown(Answers, frozen=True):
    """A fun command's result for its caller alone, such as the list of cows."""

    text: str


class Pong(Answers, frozen=True):
    """Answer to `ping`."""

    time: int  # the server's clock, milliseconds since 1970, UTC


class Bye(Answers, frozen=True):
    """The connection ends now. `retry`: the server goes away and may be tried again after that many seconds."""

    reason: str
    retry: float | None = None
    by: str | None = None  # the nick of the admin who put one off the server
    by_account: str | None = None


class Joined(Tells, frozen=True):
    """Somebody came into a room."""

    room: str
    who: Person


class Left(Tells, frozen=True):
    """Somebody left a room. `quit`: the server too. `by`: the nick of who put them out; they are told it too."""

    room: str
    nick: str
    reason: str = ""
    quit: bool = False
    by: str | None = None
    account: str | None = None  # of who left; None: a guest
    by_account: str | None = None


class Renamed(Tells, frozen=True):
    """Somebody in a room has another nick."""

    room: str
    old: str
    nick: str
    account: str | None = None


class Changed(Tells, frozen=True):
    """Somebody in a room went away, came back, logged in or out, or changed colour, name or the like."""

    room: str
    who: Person
    was: Person | None = None  # as they were before; None: that is not told


class IsTyping(Tells, frozen=True, tag="typing"):
    """Somebody is typing. `room` is `@` when it is to oneself."""

    room: str
    nick: str
    state: Literal["active", "paused", "done"]
    account: str | None = None


class Tagged(Tells, frozen=True):
    """Somebody's program has something for others', without a message. `room` is `@` when it is to oneself."""

    room: str
    nick: str
    tags: Tags
    account: str | None = None
    audience: Role | None = None  # told only to members with this role or a higher one


class Notice(Tells, frozen=True):
    """The server has something to say to people, or one of its admins has."""

    text: str
    by: str | None = None  # the admin's nick; None: the server's own words
    admins: bool = False  # said to admins alone
    by_account: str | None = None


Event = (
    Welcome
    | Ok
    | Error
    | Msg
    | Room
    | HistoryPage
    | People
    | Profile
    | RoomList
    | Shown
    | Pong
    | Bye
    | Joined
    | Left
    | Renamed
    | Changed
    | IsTyping
    | Tagged
    | Watched
    | Notice
    | accounts.Event
    | metadata.Event
    | moderation.Event
)

UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding somebody else's bytes raises: for another type or no JSON, for no UTF-8, for a thousand brackets."""

_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def is_color(color: str) -> bool:
    """Tell whether ``color`` is written #RRGGBB, or #RGB."""
    return _COLOR.fullmatch(color) is not None


def encode(message: Request | Event) -> bytes:
    """Return ``message`` as one line, newline included. JSON escapes newlines, so a line is always a whole message."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """Return the request in ``line``. Raises one of `UNDECODABLE`."""
    return _request_decoder.decode(line)


def decode_event(line: bytes) -> Event:
    """Return the event in ``line``. Raises one of `UNDECODABLE`."""
    return _event_decoder.decode(line)
