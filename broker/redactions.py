"""Which messages of the log were taken back, and what is left of them. Knows nothing of who may take back what.

An entry of kind `redact` names the seq it takes back, in the same room and before it. The entries are all there is:
they are found through an index that has nothing but them, so a room without any costs one look-up when it is first
read, and nothing can tell otherwise than they do after a restart, a repair or an import. The row that was taken back
stays in the file as it is, for the chain of sums goes through it; whatever reads messages for people masks it.
"""

import logging
import re
from typing import Any, Final

import apsw
import msgspec

from broker.pages import Page
from protocol.native import Msg

log = logging.getLogger("moot.broker")

KIND: Final = "redact"
_OF_ROOM: Final = "SELECT CAST(extra AS BLOB) FROM messages {} WHERE room = ? AND seq > ? AND kind = 'redact'"
_REPLY: Final = re.compile(rb'"reply":([0-9]{1,16})')  # as `rows.packed` writes it


def of_room(db: apsw.Connection, room: int, pruned: int) -> set[int]:
    """Return the seqs that the entries of a room take back, damaged ones too, as far as they can be read.

    To hide a message too many is better than to show one that was taken back. Raises `apsw.Error`.
    """
    try:
        found: list[Any] = db.execute(_OF_ROOM.format("INDEXED BY messages_redact"), (room, pruned)).fetchall()
    except (apsw.CorruptError, apsw.SQLError):  # the index is damaged, or lost
        log.error("the log's index of what was taken back cannot be read; the room is looked through without it")
        found = db.execute(_OF_ROOM.format("NOT INDEXED"), (room, pruned)).fetchall()
    return {seq for (extra,) in found if (seq := target(extra)) is not None}


def of_log(db: apsw.Connection) -> dict[int, set[int]]:
    """Return the same of all rooms, by number. Reads every row. Raises `apsw.Error`."""
    found: dict[int, set[int]] = {}
    for room, extra in db.execute("SELECT room, CAST(extra AS BLOB) FROM messages NOT INDEXED WHERE kind = 'redact'"):
        if (seq := target(extra)) is not None:
            found.setdefault(room, set()).add(seq)
    return found


def target(extra: bytes | None) -> int | None:
    """Return the seq that an entry takes back, read from its column `extra`."""
    reply = _REPLY.search(extra) if isinstance(extra, bytes) else None
    return int(reply[1]) if reply is not None else None


def masked(msg: Msg) -> Msg:
    """Return what is left of a message that was taken back: who said when that there was something."""
    return msgspec.structs.replace(msg, text="", cmd=None, anim=None, tags={}, redacted=True)


def hide(page: Page, redacted: set[int]) -> Page:
    """Return ``page`` with the messages masked whose seqs are in ``redacted``."""
    if not any(msg.seq in redacted for msg in page.messages):
        return page
    return Page([masked(msg) if msg.seq in redacted else msg for msg in page.messages], page.gaps)
