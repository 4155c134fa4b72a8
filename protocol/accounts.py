"""Requests and events about accounts: a nick that is one's own, ways to prove it, and what one has read.

Part of the native wire format (`protocol.native`). Secrets travel as they are, so a worker takes them only through TLS
or from this machine.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from protocol.wire import Answers, Asks, Seq, Tells, Whole

MAX_PASSWORD: Final = 300  # characters
Secret = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]  # a password
MAX_KEY_LINE: Final = 1000  # characters
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "EXTERNAL", "ED25519", "SESSION"]


class Register(Asks, frozen=True):
    """Make an account and be logged in to it. Answer: `loggedin`."""

    password: Secret
    account: str | None = None  # its name, which is its nick from then on; None: the nick one has
    remember: bool = False  # give a token for SESSION with `loggedin`, through TLS or on this machine

    def __repr__(self) -> str:
        return f"Register(account={self.account!r}, …)"  # a password must not get into a log


class Sasl(Asks, frozen=True):
    """Log in: SASL (RFC 4422), before `hello` or after it. Answer: `challenge` or `loggedin`.

    With `mech` it begins; without, it goes on with an answer to the last challenge. `data` is the message as it is
    (UTF-8 text; IRC's base64 is taken off by its dialect), None: there is none yet.

    PLAIN (RFC 4616), SCRAM-SHA-256 (RFC 7677), EXTERNAL (the certificate of the connection), ED25519 (first the
    account's name, then the signature of the challenge in base64), SESSION (a token that `loggedin` gave).
    """

    mech: Mechanism | None = None
    data: Annotated[str, Meta(max_length=4096)] | None = None
    remember: bool = False  # as in `Register`

    def __repr__(self) -> str:
        return f"Sasl(mech={self.mech!r}, …)"


class Password(Asks, frozen=True):
    """Take another password. Answer: `ok`."""

    old: Secret
    new: Secret

    def __repr__(self) -> str:
        return "Password(…)"


class Logout(Asks, frozen=True):
    """Be a guest again on this connection, or (`everywhere`) on all, and let no session token count. Answer: `ok`."""

    everywhere: bool = False


class Key(Asks, frozen=True):
    """Add a public key to one's account, or remove one. Answer: `account`."""

    add: Annotated[str, Meta(max_length=MAX_KEY_LINE)] | None = None
    """`ssh-ed25519 AAAA… comment`; or `certfp:` and the hex SHA-256 of a certificate, for EXTERNAL."""
    remove: Annotated[str, Meta(max_length=MAX_KEY_LINE)] | None = (
        None  # the same, or its fingerprint as `account` shows it
    )


class Account(Asks, frozen=True):
    """Ask about an account: one's own (None), or what everybody may know of another. Answer: `account`."""

    account: str | None = None


class Drop(Asks, frozen=True):
    """Delete one's account; its nick is free then. Answer: `ok`."""

    password: Secret

    def __repr__(self) -> str:
        return "Drop(…)"


class Read(Asks, frozen=True):
    """One has read `room` (or the inbox `@`, or of it what `@nick` said) up to `seq`.

    Answer: `ok`; one's other devices get `readupto`.

    With `time` instead: up to the last message that is not later. Without either: ask how far. Answer: `readupto`.
    """

    room: str
    seq: Seq | None = None
    time: Whole | None = None  # milliseconds since 1970, UTC


Request = Register | Sasl | Password | Logout | Key | Account | Drop | Read

PROVING: Final = frozenset({Register, Sasl, Password, Drop})
"""What takes a while to answer; meanwhile the connection's other requests wait."""


def tells_secret(request: object) -> bool:
    """Tell whether ``request`` has a password or a token in it that others on the way must not read."""
    if isinstance(request, Sasl):
        return request.mech in ("PLAIN", "SESSION")
    return isinstance(request, Register | Password | Drop)


class Challenge(Answers, frozen=True):
    """What a mechanism asks next."""

    data: str


class LoggedIn(Answers, frozen=True):
    """One is logged in. Comes unasked too, after a change that another device made."""

    account: str
    nick: str | None = None  # as it is now; None: not introduced yet
    session: str | None = None  # as `remember` asked for; shown only once
    admin: bool = False  # of the server
    inbox: Seq | None = None
    """Newest seq of the room `@`, which is the account's from here on; None: not introduced, or that is as it was."""


class LoggedOut(Tells, frozen=True):
    """One is a guest from here on, as `nick`."""

    nick: str
    reason: str  # empty: one asked for it, on this connection
    inbox: Seq = 0  # newest seq of the room `@`, which is the guest's own from here on


class AccountInfo(Answers, frozen=True, tag="account"):
    """Answer to `account` and `key`. All but name, since and rooms is for its owner alone."""

    account: str
    since: int  # registered, milliseconds since 1970, UTC
    rooms: list[str] = []  # registered by it, those that are not hidden from who asks
    admin: bool = False  # of the server
    keys: list[str] = []  # "SHA256:… comment"
    sessions: int = 0  # tokens that count
    devices: int = 0  # connected


class Inside(Tells, frozen=True):
    """Another device of the same person is in these rooms; `join` them to hear them here too."""

    rooms: list[str]


class ReadUpto(Answers, frozen=True):
    """How far one has read a room; another device said so, or it was asked for. 0: nothing yet."""

    room: str
    seq: Seq
    time: int = 0  # of the message of that seq, milliseconds since 1970, UTC; 0: there is none


Event = Challenge | LoggedIn | LoggedOut | AccountInfo | Inside | ReadUpto
