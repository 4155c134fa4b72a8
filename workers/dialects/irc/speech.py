"""What people say, as IRC messages: the same for all clients of one variant. Pure.

moot's text is plain and may have several lines and thousands of characters; IRC's is one line of at most 512 bytes,
source and target included. So a message may become several: one multiline batch for who can take it, else lines, of
which the first has what belongs to the whole message. A reaction is a TAGMSG, and what takes a message back a REDACT.
"""

from datetime import UTC, datetime
from typing import Final

from protocol import msgids, native, tags
from protocol.native import Msg
from workers.dialects.irc.lines import MAX_BODY, body, split
from workers.dialects.irc.mapping import ROLE_SIGNS, Host
from workers.dialects.irc.turns import Line, tagged

REPLY: Final = ("+draft/reply", "+reply")  # names of one tag; the first is what we write ourselves
REACT: Final = ("+draft/react", "+react")
TYPING: Final = "+typing"
CONCAT: Final = "draft/multiline-concat"
_VERBS: Final = {"notice": "NOTICE"}  # by kind; the others are PRIVMSG
_BATCHED: Final = frozenset({"text", "fun"})  # "Multiline batches MUST only contain one or more PRIVMSG lines"
_LEAST: Final = 16  # bytes of text in a line; no names are so long that less were left


def message(msg: Msg, host: Host, flags: str, epoch: str) -> list[Line]:
    """Return a message of a room or an inbox as lines, maybe none. ``flags``: letters of `caps.CAPS`."""
    if msg.redacted:
        return []
    source, target = host.mask(msg.nick, msg.account), _target(msg)
    every = _for_every_line(msg, flags)
    first = (
        tagged(every, f"msgid={tags.escape(msgids.msgid(epoch, msg))}", _clients(msg, epoch)) if "m" in flags else every
    )
    match msg.kind:
        case "topic":
            return [(first, body(source, "TOPIC", target, msg.text))]
        case "react":
            return [(first, body(source, "TAGMSG", target))] if "m" in flags else []
        case "redact":
            return _redact(msg, source, target, first, epoch) if "r" in flags else []
        case "text" | "fun" if "l" in flags:
            return _multiline(msg, source, target, first, host)
        case _:
            return _plainly(msg, source, target, first, every)


def hint(event: native.IsTyping | native.Tagged, target: str, host: Host, flags: str) -> list[Line]:
    """Return what somebody tells for the moment; "Servers MUST NOT deliver TAGMSG to clients that haven't negotiated".

    ``target``: oneself, where it is not told to a room.
    """
    if "m" not in flags:
        return []
    given = event.tags if isinstance(event, native.Tagged) else {TYPING: event.state}
    if isinstance(event, native.Tagged) and event.audience is not None:
        target = ROLE_SIGNS[event.audience] + target
    account = f"account={tags.escape(event.account)}" if "g" in flags and event.account is not None else ""
    source = host.mask(event.nick, event.account)
    return [(tagged(account, tags.written(given)), body(source, "TAGMSG", target))]


def _target(msg: Msg) -> str:
    if msg.room != native.INBOX or msg.to is None:
        return msg.room
    return msg.to if msg.audience is None else ROLE_SIGNS[msg.audience] + msg.to


def _for_every_line(msg: Msg, flags: str) -> str:
    return tagged(
        f"time={timestamp(msg.time)}" if "t" in flags else "",
        f"account={tags.escape(msg.account)}" if "g" in flags and msg.account is not None else "",
        "bot" if "m" in flags and msg.bot else "",
    )


def _clients(msg: Msg, epoch: str) -> str:
    """Return the tags of the sender's program; what moot keeps elsewhere is made a tag for those who did not say it so.

    "Any server-initiated tags attached to messages MUST be included before client-only tags".
    """
    if not msg.tags and msg.reply is None and msg.reply_id is None:
        return ""
    given = dict(msg.tags)
    if msg.kind != "redact" and (answered := _answered(msg, epoch)) is not None and not any(n in given for n in REPLY):
        given[REPLY[0]] = answered
    if msg.kind == "react" and not any(name in given for name in REACT):
        given[REACT[0]] = msg.text
    return tags.written(given)


def _answered(msg: Msg, epoch: str) -> str | None:
    """Return what the message is called that this one is about."""
    if msg.room == native.INBOX:
        return msg.reply_id
    return msgids.of_room(epoch, msg.room, msg.reply) if msg.reply is not None else None


def _redact(msg: Msg, source: str, target: str, first: str, epoch: str) -> list[Line]:
    what = _answered(msg, epoch)
    reason = () if msg.reason is None else (msg.reason,)
    return [] if what is None else [(first, body(source, "REDACT", target, what, *reason))]


def _pieces(text: str, limit: int) -> list[tuple[str, bool]]:
    """Return the lines of ``text``, cut to ``limit`` bytes, each with whether it goes on with the one before."""
    return [(piece, number > 0) for line in text.split("\n") for number, piece in enumerate(split(line, limit))]


def _multiline(msg: Msg, source: str, target: str, first: str, host: Host) -> list[Line]:
    limit = MAX_BODY - len(f":{source} PRIVMSG {target} :".encode("utf-8", "replace"))
    pieces = _pieces(msg.text, max(limit, _LEAST))
    if len(pieces) == 1:
        return [(first, body(source, "PRIVMSG", target, msg.text or " "))]
    name = f"{'d' if msg.room == native.INBOX else 'm'}{msg.seq}"  # no batch of a connection's own begins so
    lines = [(first, body(source, "BATCH", "+" + name, "draft/multiline", target))]
    lines += [
        (tagged(f"batch={name}", CONCAT if goes_on else ""), body(source, "PRIVMSG", target, piece))
        for piece, goes_on in pieces
    ]
    return [*lines, ("", body(host.name, "BATCH", "-" + name))]


def _plainly(msg: Msg, source: str, target: str, first: str, every: str) -> list[Line]:
    """ "Servers MUST NOT send blank lines to clients that have not negotiated the multiline capability."

    In a picture they are a space, for it would be another without them.
    """
    verb = _VERBS.get(msg.kind, "PRIVMSG")
    begin, end = ("\1ACTION ", "\1") if msg.kind == "me" else ("", "")
    limit = MAX_BODY - len(f":{source} {verb} {target} :{begin}{end}".encode("utf-8", "replace"))
    pieces = [piece for piece, _goes_on in _pieces(msg.text, max(limit, _LEAST))]
    if msg.kind == "fun":
        pieces = [piece or " " for piece in pieces]
    pieces = [piece for piece in pieces if piece] or [" "]
    said = [body(source, verb, target, f"{begin}{piece}{end}") for piece in pieces]
    return [(every if number else first, text) for number, text in enumerate(said)]


def timestamp(time_ms: int) -> str:
    """Return a time as server-time has it: YYYY-MM-DDThh:mm:ss.sssZ, UTC."""
    try:
        when = datetime.fromtimestamp(time_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a time no calendar has
        when = datetime(1970, 1, 1, tzinfo=UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z" if when.year >= 1000 else "1970-01-01T00:00:00.000Z"


def milliseconds(stamp: str) -> int | None:
    """Return the time that a `timestamp` tells, milliseconds since 1970; None: it is none."""
    try:
        when = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    whole = int((when.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return whole * 1000 + when.microsecond // 1000
