"""What moot's own processes say to each other: typed, size-capped msgpack batches, never pickle.

Workers and broker exchange batches over a pair of pipes (`protocol.pipes`); every process has a control socket to
the supervisor. `ConnId` is unique over all workers and never reused: `incarnation of the worker << 32 | counter`.
"""

from typing import Final

from msgspec import Struct

from protocol.native import Anim, Event, FunCommand, Hello, Msg, Request
from protocol.settings import Settings

ConnId = int
VERSION: Final = 4  # of this vocabulary; processes of different ones do not work together
MAX_TICKET: Final = 400  # characters of what `Vouched` gives
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024  # a larger frame means a broken or hostile peer


def worker_of(conn: ConnId) -> int:
    """Return the incarnation of the worker that owns ``conn``."""
    return conn >> 32


class _Tagged(Struct, frozen=True, tag=True, array_like=True):
    pass


class Art(Struct, frozen=True, array_like=True):
    """What a fun command makes. Plain text; clients show it in a fixed-width font."""

    text: str  # the still picture: at most 60x20 cells and 4 KiB unless private
    kind: str = "fun"  # "fun" (a picture), "text" or "me" (as if the caller had said it)
    private: bool = False  # for the caller alone, such as a list of animals; at most 16 KiB
    anim: Anim | None = None


# --- worker -> broker


class Do(_Tagged, frozen=True):
    """A connection asks for something. Kept by the worker until the broker has answered `rid`."""

    conn: ConnId
    rid: int  # the worker's number for this request; grows by one
    request: Request
    art: Art | None = None  # for Fun: what the sandbox drew
    addr: str = ""  # for Hello: the peer's address, as logged
    dialect: str = ""  # for Hello
    returns: bool = False  # for Hello: its client made the token itself, so it can come back with it
    ticket: str = ""  # for Hello: as `Vouched` gave it
    secure: bool = False  # for Hello and accounts: through TLS
    certfp: str = ""  # for Hello and accounts: hex SHA-256 of the certificate that the client showed and proved
    pin: str = ""  # for accounts: of the key that the server showed the client, see `protocol.pins`; empty: none


class Gone(_Tagged, frozen=True):
    """A connection is closed; nothing more comes from it. Kept by the worker until `Closed` answers it."""

    conn: ConnId
    reason: str
    returns: bool = False  # it was asked to come back at once, and can: its person keeps the seat for a while


class Seat(Struct, frozen=True, array_like=True):
    """One introduced connection, as a worker tells it to a broker that does not know it yet."""

    conn: ConnId
    hello: Hello  # with its token; nick and colour as they are now
    rooms: list[str]
    addr: str
    dialect: str
    since: int  # introduced, milliseconds since 1970, UTC
    away: str | None = None
    inbox: int = 0  # newest seq of the inbox that was written to it
    returns: bool = False  # as in `Do`
    ticket: str = ""  # as `Vouched` gave it
    secure: bool = False
    certfp: str = ""


class Attach(_Tagged, frozen=True):
    """A worker's first words to a broker: who sits here, and the last seq fanned out in each room."""

    worker: int  # incarnation
    seats: list[Seat]
    seqs: dict[str, int]
    epoch: str = ""  # of the log that `seqs` and the seats' inboxes are of; empty: none yet


Up = Do | Gone | Attach


# --- broker -> worker


class Answered(_Tagged, frozen=True):
    """The answer to request `rid` of `conn`."""

    conn: ConnId
    rid: int
    event: Event


class Told(_Tagged, frozen=True):
    """An event for one connection that did not ask for it."""

    conn: ConnId
    event: Event
    by: ConnId = 0  # of a message: which of the person's own devices said it; 0: none of them


class Posted(_Tagged, frozen=True):
    """A message on disk, for all members of `msg.room` at this worker."""

    conn: ConnId  # the sender's; 0 when it has none
    msg: Msg


class Announced(_Tagged, frozen=True):
    """An event for all members of `room` at this worker."""

    room: str
    event: Event
    conn: ConnId = 0  # whose doing it is, if that one need not hear of it


class Entered(_Tagged, frozen=True):
    """`conn` is a member of `room` from here on."""

    conn: ConnId
    room: str
    last: int = 0  # newest seq of the room


class Parted(_Tagged, frozen=True):
    """`conn` is no member of `room` from here on."""

    conn: ConnId
    room: str


class Closed(_Tagged, frozen=True):
    """The broker has forgotten `conn`; close it, if it is open, when what was told it is written."""

    conn: ConnId


class Vouched(_Tagged, frozen=True):
    """`conn` is logged in, or (empty) a guest, from here on. The worker keeps the ticket for its hello and its seat."""

    conn: ConnId
    ticket: str  # proves the account to another broker of the same log, for this connection alone


Down = Answered | Told | Posted | Announced | Entered | Parted | Closed | Vouched


# --- worker <-> sandbox


class Render(_Tagged, frozen=True):
    """Ask the sandbox to run a fun command."""

    rid: int
    line: str  # as typed, with its slash
    seed: int
    nick: str  # the caller's


class Rendered(_Tagged, frozen=True):
    """The sandbox's answer: art, or an error for the caller."""

    rid: int
    art: Art | None = None
    error: str = ""


class Catalogue(_Tagged, frozen=True):
    """The sandbox's first words to a worker: the commands it has."""

    commands: list[FunCommand]


FromSandbox = Rendered | Catalogue


# --- control socket, supervisor <-> child; one JSON object a line


class Link(Struct, frozen=True, tag=True):
    """Two descriptors follow this: read from the first, write to the second. Replaces an earlier link to `peer`."""

    peer: str  # "broker", "sandbox" or "worker"
    incarnation: int  # of the peer


class Stop(Struct, frozen=True, tag=True):
    """Finish: clients are told `text` and to come back after `retry` seconds (null: never)."""

    text: str
    retry: float | None = None


class Hush(Struct, frozen=True, tag=True):
    """For the broker: the server ends, so nobody need be told any more who leaves."""


class Retire(Struct, frozen=True, tag=True):
    """A worker with a successor: accept nobody, send clients over within `spread` seconds, finish."""

    text: str
    spread: float


class Retired(Struct, frozen=True, tag=True):
    """The worker has sent over who could go; `people` connections stay for a while."""

    people: int


class Reload(Struct, frozen=True, tag=True):
    """The settings are these from now on."""

    settings: Settings


class Certificate(Struct, frozen=True, tag=True):
    """Offer TLS with these to who connects from now on. To a worker, when it starts and when they change."""

    pem: str  # the server's certificate, those that vouch for it, its private key

    def __repr__(self) -> str:
        return "Certificate(...)"  # the key must not get into a log


class Beat(Struct, frozen=True, tag=True):
    """Are you alive? The child answers with the same."""

    n: int


class Ready(Struct, frozen=True, tag=True):
    """The child can do its work. `text` is for people, such as the sandbox's layers."""

    text: str = ""


class Fatal(Struct, frozen=True, tag=True):
    """The child cannot do its work and trying again will not help; `text` says what to do."""

    text: str


class Relink(Struct, frozen=True, tag=True):
    """The child lost its link to a peer that may be alive; it wants another."""

    peer: str


class Stuck(Struct, frozen=True, tag=True):
    """The broker: this worker does not drain its queue."""

    incarnation: int


class Asked(Struct, frozen=True, tag=True):
    """For the broker: somebody asks at the admin socket. A descriptor follows this: the connection, for the answer."""

    order: bytes  # a `protocol.operator.Order`, as it came
    uptime: float  # of the server, seconds
    restarts: int  # of its processes, since then


Control = Link | Stop | Hush | Retire | Retired | Reload | Certificate | Beat | Ready | Fatal | Relink | Stuck | Asked
