"""The name of a message that every dialect can give and take: `<epoch>-<seq>-<8 hex digits of its room>`. Pure.

Unique on this server for as long as it lives: the epoch is the log's, the seq the room's. An inbox has no name that its
owner's later connections would share, so there the digits are of what the message is. Knows nothing of any dialect.
"""

import re
from hashlib import blake2b
from typing import Final

from protocol.native import INBOX, Msg

_FORM: Final = re.compile(r"([0-9a-zA-Z]{1,64})-([0-9]{1,16})-([0-9a-f]{8})")


def msgid(epoch: str, msg: Msg) -> str:
    """Return the name of ``msg``, of the log of ``epoch``."""
    where = f"{INBOX}{msg.nick}>{msg.to or ''}@{msg.time}" if msg.room == INBOX else msg.room
    return f"{epoch}-{msg.seq}-{_digits(where)}"


def seq_of(name: str, epoch: str, room: str) -> int | None:
    """Return the seq of the message called ``name`` in ``room`` of the log of ``epoch``; None: no message there is.

    Whether the message is still kept, and in an inbox whether it is that one, only the log can tell.
    """
    found = _FORM.fullmatch(name)
    if found is None or found[1] != epoch or (room != INBOX and found[3] != _digits(room)):
        return None
    return int(found[2])


def _digits(where: str) -> str:
    return blake2b(where.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
