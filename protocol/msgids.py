"""The name of a message that every dialect can give and take. Pure; knows nothing of any dialect.

A room's is made of what is known of it: `<epoch>-<seq>-<8 hex digits of its room>`. Unique on this server for as long
as it lives: the epoch is the log's, the seq the room's. A direct message lies in several inboxes, with a seq of its own
in each; so what it is called is stored with each copy: `<epoch>-<seq>-<16 hex digits>-<time>`, where the seq is that of
the sender's copy, the digits are of whose inbox that is and whom it is to, and the time finds it in any inbox.
"""

import re
from hashlib import blake2b
from typing import Final

from protocol.native import INBOX, Msg

_FORM: Final = re.compile(r"([0-9a-zA-Z]{1,64})-([0-9]{1,16})-([0-9a-f]{8})")
_DIRECT: Final = re.compile(r"[0-9a-zA-Z]{1,64}-[0-9]{1,16}-[0-9a-f]{16}-([0-9]{1,16})")


def msgid(epoch: str, msg: Msg) -> str:
    """Return the name of ``msg``, of the log of ``epoch``."""
    if msg.room != INBOX:
        return of_room(epoch, msg.room, msg.seq)
    if msg.msgid is not None:
        return msg.msgid
    what = f"{INBOX}{msg.nick}>{msg.to or ''}@{msg.time}"  # stored before names were
    return f"{epoch}-{msg.seq}-{_digits(what)}"


def of_room(epoch: str, room: str, seq: int) -> str:
    """Return the name of a room's message."""
    return f"{epoch}-{seq}-{_digits(room)}"


def of_direct(epoch: str, seq: int, time_ms: int, sender: bytes, to: bytes) -> str:
    """Return the name of a direct message that is about to be stored as ``seq`` of the inbox of ``sender``.

    ``sender`` and ``to`` are uids, or a room's name; one cannot tell them from the name.
    """
    digits = blake2b(sender + b">" + to, digest_size=8).hexdigest()
    return f"{epoch}-{seq}-{digits}-{time_ms}"


def time_of(name: str) -> int | None:
    """Return when the direct message called ``name`` was stored, milliseconds since 1970; None: it is none."""
    found = _DIRECT.fullmatch(name)
    return int(found[1]) if found is not None else None


def seq_of(name: str, epoch: str, room: str) -> int | None:
    """Return the seq of the message called ``name`` in ``room`` of the log of ``epoch``; None: no message there is.

    Whether the message is still kept, and in an inbox whether it is that one, only the log can tell. There it knows
    only of messages that were stored without their names; `time_of` is for the others.
    """
    found = _FORM.fullmatch(name)
    if found is None or found[1] != epoch or (room != INBOX and found[3] != _digits(room)):
        return None
    return int(found[2])


def _digits(where: str) -> str:
    return blake2b(where.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
