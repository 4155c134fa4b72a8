"""Finds a message by what it is called, in a room or an inbox of the log. Changes nothing."""

from typing import Final

from broker.log import Log
from protocol import msgids
from protocol.native import INBOX, Ref

_PAGE: Final = 50
_PAGES: Final = 4  # looked through for a direct message: those of one millisecond


def in_room(log: Log, room: str, ref: Ref) -> int | None:
    """Return the seq of a message of ``room``; None: there was never such a one. Raises `LogError`."""
    seq = ref if isinstance(ref, int) else msgids.seq_of(ref, log.epoch, room)
    return seq if seq is not None and 0 < seq <= log.last(room) else None


def in_inbox(log: Log, inbox: str, ref: Ref) -> tuple[int, str] | None:
    """Return seq and name of a message of ``inbox`` (the log's name of it); None: there is none. Raises `LogError`."""
    if isinstance(ref, str) and (time := msgids.time_of(ref)) is not None:
        seq = _copy(log, inbox, ref, time)
        return None if seq is None else (seq, ref)
    seq = ref if isinstance(ref, int) else msgids.seq_of(ref, log.epoch, INBOX)
    said = log.said(inbox, seq) if seq is not None else None
    if seq is None or said is None:
        return None
    name = msgids.msgid(log.epoch, said.msg)
    return (seq, name) if isinstance(ref, int) or name == ref else None


def _copy(log: Log, inbox: str, name: str, time_ms: int) -> int | None:
    """Return the seq that the direct message called ``name`` has in ``inbox``."""
    seq = log.seq_since(inbox, time_ms)
    for _ in range(_PAGES):
        page = log.after(inbox, seq, _PAGE)
        for msg in page.messages:
            if msg.msgid == name:
                return msg.seq
            if msg.time > time_ms:
                return None
        if not page.end:
            return None
        seq = page.end
    return None
