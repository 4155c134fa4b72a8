"""The checksum of each message in the log, chained per room, and how it is verified. Pure.

Every row holds a hash over the hash of the row before it and over all its own columns, so a changed, missing, doubled
or moved row shows: `link` of what is stored does not give what is stored. It finds accidents, not forgers: it has no
key.

Where the sum of the row before cannot be had (it is lost, or was damaged when the log was opened) the chain starts
anew: that row's sum follows `start` of its room, like a first row's.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

SUM_BYTES: Final = 16
_GUESSES: Final = 64  # sums that a damaged row may have had, kept for the row after it
Columns = tuple[int, int, bytes, str | None, str, str, str, str | None]
"""seq, time, sender, cmid, nick, kind, text, extra: the columns of `messages`, without room and sum."""

ORIGINS: Final = "origin/"  # and a room's name: under it the log keeps what the room was called before

_encoder = msgspec.msgpack.Encoder()


def start(room: str) -> bytes:
    """Return the sum before a room's first message; ``room`` is the log's name of it."""
    return hashlib.blake2b(room.encode(), digest_size=SUM_BYTES, person=b"moot room").digest()


def left_behind(room: str, seq: int) -> bytes:
    """Return the sum before the first message of a room that has its name from one which was called so up to ``seq``.

    It is not `start`: from that rows of both could follow.
    """
    return start(f"{room} {seq}")


def origins_in(value: str) -> tuple[str, ...]:
    """Return what a room was called before, of what is kept under `ORIGINS`; what cannot be read tells nothing."""
    try:
        return msgspec.json.decode(value, type=tuple[str, ...])
    except msgspec.DecodeError:
        return ()


def link(before: bytes, columns: Columns) -> bytes:
    """Return the sum of a row whose predecessor's sum is ``before``."""
    return hashlib.blake2b(before + _encoder.encode(columns), digest_size=SUM_BYTES, person=b"moot row").digest()


def of_room(name: str, topic: str, pruned: int, base: bytes, last: int, head: bytes) -> bytes:
    """Return the sum of a row of `rooms`: all its columns but the id."""
    columns = _encoder.encode((name, topic, pruned, base, last, head))
    return hashlib.blake2b(columns, digest_size=SUM_BYTES, person=b"moot rooms").digest()


def of_value(key: str, value: bytes) -> bytes:
    """Return the sum of a row of `meta`."""
    return hashlib.blake2b(_encoder.encode((key, value)), digest_size=SUM_BYTES, person=b"moot meta").digest()


def one_bit_off(value: bytes) -> Iterator[bytes]:
    """Yield ``value`` with each one of its bits flipped."""
    number = int.from_bytes(value, "big")
    return ((number ^ (1 << bit)).to_bytes(len(value), "big") for bit in range(len(value) * 8))


def one_bit_apart(one: bytes, other: bytes) -> bool:
    """Return whether two sums differ in a single bit."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count() == 1


class Walk:
    """Verify rows of one room in the order of their seq.

    A row is sound when its sum follows from the stored sum of the row before or, if that is damaged itself, from what
    that row's columns give: so a damaged sum condemns its own row only. A row after a missing one cannot be verified
    unless the chain starts anew with it.
    """

    def __init__(self, room: str, seq: int, before: bytes | None, origins: Sequence[str] = ()) -> None:
        """``before``: the sum of the row ``seq``, after which the walk begins; None: not known.

        ``origins``: what the room was called before; the chain may have started anew under these names too.
        """
        self._starts = [start(name) for name in (room, *origins)]
        self._seq = seq
        self._guesses = self._starts if before is None else [before, *self._starts]
        self.before = self._guesses[0]
        """The sum from which the row verified last followed."""

    def sound(self, seq: int, columns: Columns | None, stored: Any) -> bool:
        """Return whether this row, the next in order, is as it was written.

        ``columns``: None when they cannot be decoded. ``stored``: the row's sum, of whatever type was found.
        """
        if seq != self._seq + 1:
            self._guesses = self._starts
        self._seq = seq
        follows = [] if columns is None else [link(before, columns) for before in self._guesses]
        if stored in follows:
            self.before = self._guesses[follows.index(stored)]
            self._guesses = [stored, *self._starts]
            return True
        kept = [stored] if isinstance(stored, bytes) else []
        self._guesses = [*kept, *self._starts, *follows][:_GUESSES]
        return False
