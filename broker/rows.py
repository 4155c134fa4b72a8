"""The rows of `messages`: between columns and what people are sent. Pure; knows no SQL but the names of the columns."""

from typing import Any, Final

import msgspec

from broker.chain import Columns
from protocol import native
from protocol.moderation import Role
from protocol.native import Anim, Kind, Msg

COLUMNS: Final = "seq, time, sender, cmid, nick, kind, text, extra, sum"
BYTES: Final = (
    "seq, CAST(time AS INTEGER), CAST(sender AS BLOB), CAST(cmid AS BLOB), CAST(nick AS BLOB), CAST(kind AS BLOB),"
    " CAST(text AS BLOB), CAST(extra AS BLOB), CAST(sum AS BLOB)"
)
"""The same with text as bytes, for what may be damaged: SQLite's bindings hand out no text that is not UTF-8."""


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few messages have."""

    to: str | None = None
    reply: int | None = None
    cmd: str | None = None
    anim: Anim | None = None
    account: str | None = None
    bot: bool = False
    tags: dict[str, str] = {}
    audience: Role | None = None
    reason: str | None = None
    redacted: bool = False  # its text came without it, from an export
    msgid: str | None = None
    reply_id: str | None = None
    own: bool = False
    peer: str | None = None  # of one's own direct message: whose inbox has the other copy, uid in hex; told to nobody


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Extra] = msgspec.json.Decoder(Extra)


def packed(extra: Extra | None) -> str | None:
    """Return the column ``extra``."""
    return None if extra is None else _encoder.encode(extra).decode()


def from_bytes(row: tuple[Any, ...]) -> tuple[Columns | None, Any]:
    """Return what `BYTES` gave as columns and sum; None for columns that cannot be decoded."""
    seq, time_ms, sender, *text, stored = row
    parts: Any
    try:
        parts = [None if part is None else part.decode() for part in text]
    except (UnicodeDecodeError, AttributeError):
        return None, stored
    return (seq, time_ms, sender, *parts), stored


def message(room: str, columns: Columns) -> Msg:
    """Return the message that sound columns hold. Raises `msgspec.DecodeError` when ``extra`` is not as expected."""
    seq, time_ms, _sender, _cmid, nick, kind, text, extra = columns
    more = None if extra is None else _decoder.decode(extra)
    return build(room, seq, time_ms, nick, kind, text, more)  # type: ignore[arg-type]  # the kind is as it was written


def build(room: str, seq: int, time_ms: int, nick: str, kind: Kind, text: str, extra: Extra | None) -> Msg:
    """Return a message as people are sent it; ``room`` is the log's name."""
    shown = native.INBOX if room[0] == "~" else room
    if extra is None:
        return Msg(room=shown, seq=seq, time=time_ms, nick=nick, text=text, kind=kind)
    return Msg(
        room=shown,
        seq=seq,
        time=time_ms,
        nick=nick,
        text=text,
        kind=kind,
        to=extra.to,
        reply=extra.reply,
        cmd=extra.cmd,
        anim=extra.anim,
        account=extra.account,
        bot=extra.bot,
        tags=extra.tags,
        audience=extra.audience,
        reason=extra.reason,
        redacted=extra.redacted,
        msgid=extra.msgid,
        reply_id=extra.reply_id,
        own=extra.own,
    )


def peer(columns: Columns) -> bytes | None:
    """Return the uid of the inbox that has the other copy of somebody's direct message; None: none is known."""
    extra = columns[-1]
    found = None if extra is None else _decoder.decode(extra).peer
    return None if found is None else bytes.fromhex(found)
