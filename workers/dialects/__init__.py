"""The languages clients speak, sans-IO, told apart by a connection's first bytes.

A dialect turns what a socket had into requests, and events into bytes; it knows no sockets and no clocks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from protocol.native import Event, Msg, Request


@dataclass(frozen=True, slots=True)
class Peer:
    """What a dialect may know of who is at the other end of its connection."""

    secure: bool = False  # speaks through TLS
    local: bool = True  # is a program on this machine
    certified: bool = False  # showed a certificate of its own, and proved that it has its key

    @property
    def trusted(self) -> bool:
        """Whether nobody between can read what is said, so that a password may be."""
        return self.secure or self.local


UNKNOWN: Final = Peer()


class Effect:
    """Something that a dialect wants of its connection beside requests and bytes."""

    __slots__ = ()


class HangUp(Effect):
    """Close when everything is written, without asking the broker; what the client still sends is thrown away."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Wake(Effect):
    """Call ``then`` once after some seconds and do what it returns; a later `Wake` takes the place of this one.

    Put off while the client does not read or is not read from: its silence means nothing then.
    """

    after: float  # seconds
    then: "Callable[[], Sequence[Item]]"


@dataclass(frozen=True, slots=True)
class Become(Effect):
    """Write ``words``; from now on the connection speaks ``dialect``."""

    dialect: "Dialect"
    words: bytes


Item = Request | bytes | Effect  # bytes are written at once


class Dialect(Protocol):
    """One connection's side of a conversation."""

    @property
    def name(self) -> str:
        """Shown by whois and in the server's log."""

    @property
    def variant(self) -> str:
        """Dialects of one variant get the same bytes for what a whole room hears: those that `shared` returns."""

    def shared(self, event: Event) -> bytes:
        """Return what every member of a room gets of an event that all of them hear. Depends on `variant` alone."""

    @property
    def echoes(self) -> bool:
        """Whether this client wants its own text back."""

    @property
    def resumes(self) -> bool:
        """Whether its client knows how to go on after a part of a room it is replayed later (*lagging*)."""

    @property
    def picky(self) -> bool:
        """Whether `wants` must be asked for each message."""

    def greet(self) -> bytes:
        """Return the first words to a client that waits for the server to speak."""

    def feed(self, chunk: bytes) -> Sequence[Item]:
        """Return the requests ``chunk`` completes, and bytes to write back at once, oldest first. Never raises."""

    def receive(self, event: Event) -> bytes:
        """Return what this connection is told of an event meant for it alone, maybe nothing."""

    def follow_up(self) -> Sequence[Item]:
        """Return and forget the requests this dialect makes by itself after what it received, such as joining the
        lobby after `welcome`. Asked after every `receive`.
        """

    def wants(self, msg: Msg) -> bool:
        """Whether this client wants to see a message of somebody else."""

    def end(self) -> Sequence[Item]:
        """The client will send no more (half-closed): return what its last, unfinished line was, then `Quit`.

        Answers still arrive. A dialect that holds lines back keeps the `Quit` back too, for `follow_up`.
        """

    def last_words(self) -> bytes:
        """The connection is about to be closed, whoever wants that: return what must stand behind all else."""


class Personal(ABC):
    """Base of dialects in which a member may hear something else than the room's other members do."""

    @abstractmethod
    def echo(self, msg: Msg, line: bytes) -> bytes:
        """Return what the sender of ``msg`` gets of it; ``line`` is what the others get."""

    @abstractmethod
    def echo_hint(self, event: Event, line: bytes) -> bytes:
        """Return what this client gets of something that it told for the moment; ``line`` is what the others get."""

    @abstractmethod
    def hears(self, event: Event) -> bool:
        """Whether this client is told of an event that concerns a person, not a room, and reaches it once."""
