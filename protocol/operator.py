"""What the commands of the shell say to a running server, through its admin socket: JSON lines.

`moot restart` and `moot reload` are the supervisor's to answer. `moot admin` asks the broker: the supervisor looks at
`Ask.do` alone and hands the connection over with the order, so the broker answers by itself, and when it dies whoever
waits hears that at once.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from protocol import moderation
from protocol.wire import Asks, Tells

MAX_ORDER: Final = 16 * 1024  # bytes; a ban with its reason has some 2 KiB
LISTED: Final = 10_000  # lines of one answer at most


class Ask(Struct, omit_defaults=True):
    """What is asked for, the one line of who asks."""

    do: Literal["restart", "reload", "chat"]
    spread: Annotated[float, Meta(ge=0, le=3600)] | None = None  # seconds; for restart
    order: msgspec.Raw = msgspec.Raw()  # an `Order`; for chat


class Answer(Struct, omit_defaults=True):
    """A line for people. The last one has the exit status."""

    text: str
    code: int | None = None
    found: msgspec.Raw = msgspec.Raw()  # a `Found`; to what asks for one


class Users(Asks, frozen=True):
    """Who is here? Answer: `UserList`."""


class Rooms(Asks, frozen=True):
    """Which rooms are there? Answer: `RoomList`."""


class Stats(Asks, frozen=True):
    """How much of everything is there? Answer: `Statistics`."""


class Bans(Asks, frozen=True):
    """Who is banned from the server? Answer: `BanList`."""


class Accounts(Asks, frozen=True):
    """Which accounts are there? Answer: `AccountList`."""


class Admin(Asks, frozen=True):
    """Make an account an admin of the server, or (off) no longer. Answer: `Done`."""

    account: str
    on: bool = True


class Drop(Asks, frozen=True):
    """Delete an account, whatever its password. Answer: `Done`."""

    account: str


class Reset(Asks, frozen=True):
    """Give an account another password, of which only the verifiers come here. Answer: `Done`."""

    account: str
    password: Annotated[str, Meta(pattern=r"^\$argon2id\$", max_length=500)]
    scram: tuple[str, int, str, str] | None = None  # salt, iterations, stored key, server key; Base64


Order = (
    Users
    | Rooms
    | Stats
    | Bans
    | Accounts
    | Admin
    | Drop
    | Reset
    | moderation.Kick
    | moderation.Ban
    | moderation.Unban
    | moderation.Announce
)


class User(Struct, frozen=True, omit_defaults=True):
    """Somebody who is here, on one device or several."""

    nick: str
    since: int  # the first of the devices, milliseconds since 1970, UTC
    idle: int  # seconds since last said something
    dialects: list[str]  # of each device, in the order they came
    addresses: list[str]  # the same
    rooms: list[str]
    account: str | None = None
    away: str | None = None
    admin: bool = False  # of the server
    lingers: bool = False  # gone for the moment; the seat is kept


class UserList(Tells, frozen=True):
    """By nick."""

    users: list[User]
    count: int  # of all; more than `LISTED` are not told


class RoomLine(Struct, frozen=True, omit_defaults=True):
    """A room."""

    room: str
    people: int
    messages: int  # said in it so far
    topic: str = ""
    owner: str | None = None  # account
    flags: list[str] = []


class RoomList(Tells, frozen=True):
    """Fullest first."""

    rooms: list[RoomLine]
    count: int  # as in `UserList`


class Statistics(Tells, frozen=True):
    """What there is now. Times in seconds."""

    people: int
    devices: dict[str, int]  # connected, by dialect
    rooms: int  # with somebody in them
    rooms_kept: int  # with messages
    messages: int  # in rooms and inboxes, said so far, those included that are no longer kept
    accounts: int
    log_bytes: int  # of the log's files
    uptime: float  # since the server was started
    restarts: int  # of its processes, after they ended by themselves or were killed
    version: str


class BanList(Tells, frozen=True):
    """Oldest first."""

    bans: list[moderation.Entry]


class AccountLine(Struct, frozen=True, omit_defaults=True):
    """An account."""

    account: str
    since: int  # registered, milliseconds since 1970, UTC
    admin: bool = False
    devices: int = 0  # connected


class AccountList(Tells, frozen=True):
    """By name."""

    accounts: list[AccountLine]
    count: int  # as in `UserList`


Found = UserList | RoomList | Statistics | BanList | AccountList

_orders: Final[msgspec.json.Decoder[Order]] = msgspec.json.Decoder(Order)


def decode_order(line: bytes) -> Order:
    """Return the order in ``line``. Raises one of `native.UNDECODABLE`."""
    return _orders.decode(line)
