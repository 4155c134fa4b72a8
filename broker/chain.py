"""The checksum of each message in the log, chained per room. Pure.

Every row holds a hash over the hash of the row before it and over all its own columns, so a changed, missing, doubled or
moved row shows: `link` of what is stored does not give what is stored. It finds accidents, not forgers: it has no key.
"""

import hashlib
from typing import Final

import msgspec

SUM_BYTES: Final = 16
Columns = tuple[int, int, bytes, str | None, str, str, str, str | None]
"""seq, time, sender, cmid, nick, kind, text, extra: the columns of `messages`, without room and sum."""

_encoder = msgspec.msgpack.Encoder()


def start(room: str) -> bytes:
    """Return the sum before a room's first message; ``room`` is the log's name of it."""
    return hashlib.blake2b(room.encode(), digest_size=SUM_BYTES, person=b"moot room").digest()


def link(before: bytes, columns: Columns) -> bytes:
    """Return the sum of a row whose predecessor's sum is ``before``."""
    return hashlib.blake2b(before + _encoder.encode(columns), digest_size=SUM_BYTES, person=b"moot row").digest()


def of_room(name: str, topic: str, pruned: int, base: bytes, last: int, head: bytes) -> bytes:
    """Return the sum of a row of `rooms`: all its columns but the id."""
    columns = _encoder.encode((name, topic, pruned, base, last, head))
    return hashlib.blake2b(columns, digest_size=SUM_BYTES, person=b"moot rooms").digest()
