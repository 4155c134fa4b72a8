"""Requests and events about who may do what in a room, and on the server.

Part of the native wire format (`protocol.native`). A room's modes have words here; IRC's letters for them are in
`workers.dialects.irc.mapping`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from protocol.wire import Answers, Asks, Reason, Tells

Role = Literal["owner", "admin", "op", "halfop", "voice"]
ROLES: Final[tuple[Role, ...]] = ("owner", "admin", "op", "halfop", "voice")  # highest first
Listed = Literal["ban", "mute", "except", "invited"]
LISTED: Final[tuple[Listed, ...]] = ("ban", "mute", "except", "invited")
"""Kinds of entries in a room's lists: may not come in; may not speak; neither holds for them; may come uninvited."""
Flag = Literal["invite-only", "moderated", "secret", "topic-lock", "no-ctcp", "registered-only", "registered-speak"]
FLAGS: Final[tuple[Flag, ...]] = (
    "invite-only",
    "moderated",  # only those with a voice or more may speak: read-only for everybody else
    "secret",  # shown to its members alone
    "topic-lock",  # ops set the topic
    "no-ctcp",
    "registered-only",  # only accounts may come in
    "registered-speak",  # only accounts may speak
)
Limit = Literal["key", "limit", "slow", "throttle"]
LIMITS: Final[tuple[Limit, ...]] = (
    "key",  # a word that `join` must tell
    "limit",  # members at most
    "slow",  # seconds between two messages of one person
    "throttle",  # "5:10": so many joins in so many seconds
)
MAX_MODE: Final = 32  # characters of a mode's word
MAX_MODE_ARG: Final = 300  # characters of what it is given, such as a mask
MAX_ANNOUNCED: Final = 2000  # characters told to all at once
Mask = Annotated[str, Meta(min_length=1, max_length=MAX_MODE_ARG)]
"""Whom an entry is about: a nick, `nick!user@host` with * and ?, `account:NAME`, an address or a CIDR range."""


class Change(Struct, frozen=True, omit_defaults=True):
    """One change of a room's modes: one of `ROLES` (`arg`: nick), `FLAGS`, `LIMITS`, `LISTED` (`arg`: mask), "filter"
    (`arg`: a word that may not be said).
    """

    mode: Annotated[str, Meta(max_length=MAX_MODE)]
    on: bool = True
    arg: Annotated[str, Meta(max_length=MAX_MODE_ARG)] | None = None


class Mode(Asks, frozen=True):
    """Change a room's modes, all that may be or none. Answer: `ok`; the room hears `modes`."""

    room: str
    changes: Annotated[list[Change], Meta(max_length=50)]


class Policy(Asks, frozen=True):
    """Ask for a room's modes and lists. Answer: `policy`."""

    room: str


class Kick(Asks, frozen=True):
    """Put somebody out of a room, or (no room; server admins) off the server. Answer: `ok`; the room hears `left`."""

    nick: str
    room: str | None = None
    reason: Reason = ""


class Ban(Asks, frozen=True):
    """Add an entry to a room's lists, or (no room; server admins) to the server's. Answer: `ok`.

    Who is banned is put out, too. A nick as mask stands for its account if there is one, else for nick and address.
    """

    mask: Mask
    room: str | None = None
    kind: Listed = "ban"
    seconds: Annotated[float, Meta(gt=0, le=315_360_000)] | None = None  # None: until it is taken back
    reason: Reason = ""


class Unban(Asks, frozen=True):
    """Remove an entry, by the mask it is listed under or a nick it is about. Answer: `ok`."""

    mask: Mask
    room: str | None = None
    kind: Listed = "ban"


class Invite(Asks, frozen=True):
    """Ask somebody into a room, once also past what would keep them out. Answer: `ok`; they get `invited`."""

    nick: str
    room: str


class Claim(Asks, frozen=True):
    """Register a room: it is one's own, and keeps its roles and modes when all are gone. Answer: `ok`.

    `to`: give it to another account. `drop`: it is nobody's again.
    """

    room: str
    to: str | None = None
    drop: bool = False


class Retitle(Asks, frozen=True):
    """Give a room another name; its messages, people and rights go with it. Answer: `ok` with room."""

    room: str
    name: str
    reason: Reason = ""


class Announce(Asks, frozen=True):
    """Tell something to everybody on the server, or (`admins`) to its admins. For server admins. Answer: `ok`."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_ANNOUNCED)]
    admins: bool = False


Request = Mode | Policy | Kick | Ban | Unban | Invite | Claim | Retitle | Announce


class Entry(Struct, frozen=True, omit_defaults=True):
    """One entry of a room's lists, or of the server's."""

    kind: Listed
    mask: str
    by: str  # nick
    at: int  # milliseconds since 1970, UTC
    until: int | None = None  # the same; None: until it is taken back
    reason: str = ""


class Modes(Tells, frozen=True):
    """Somebody changed a room's modes. `by` is a nick; empty: the server."""

    room: str
    by: str
    changes: list[Change]
    by_account: str | None = None


class RoomPolicy(Answers, frozen=True, tag="policy"):
    """Answer to `policy`. What a member may not know is left out: the key, entries of lists for those below op."""

    room: str
    owner: str | None = None  # account; None: the room is nobody's
    since: int = 0  # made, milliseconds since 1970, UTC
    flags: list[str] = []
    limits: dict[str, str] = {}  # by name, as `Change.arg` has them
    roles: dict[str, list[Role]] = {}  # by account
    entries: list[Entry] = []
    filters: list[str] = []


class Invited(Tells, frozen=True):
    """`by` asks `nick` into a room: oneself, or (for those who may invite) somebody else."""

    room: str
    by: str
    nick: str
    by_account: str | None = None


class Retitled(Tells, frozen=True):
    """A room one is in has another name from here on; its seqs go on."""

    room: str
    name: str
    by: str
    reason: str = ""
    by_account: str | None = None


Event = Modes | RoomPolicy | Invited | Retitled
