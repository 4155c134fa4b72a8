"""A log as JSON lines and back, and a log made of what is sound in a damaged one. Knows no command line.

The lines: a header, then for each room a line and its messages by seq, then an end with the counts. All messages of all
rooms are there, inboxes too (`~` and the uid in hex), with what makes a repeated message the same one (`sender`,
`cmid`). Checksums are not: they are made anew. docs/operating.md describes the fields.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Annotated, Final

import apsw
import msgspec
from msgspec import Meta, Struct

from broker import modlog, redactions, rows
from broker.accounts import Account
from broker.audit import Audit
from broker.chain import Columns
from broker.newlog import Conflict, Writer
from broker.values import MAX_KEY, MAX_VALUE
from broker.verify import Damage, Room, Row
from protocol import names, tags
from protocol.moderation import Role
from protocol.native import Anim, Cmid, Kind, Tags

FORMAT: Final = 1
WITH_VALUES: Final = 2  # the format of an export with what the server remembers
MAX_LINE: Final = 4 << 20  # bytes; the longest message needs less than a quarter
MAX_TEXT: Final = 100_000  # characters; the greatest that `max_text` can be

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_INBOX: Final = re.compile(r"~[0-9a-f]{32}")

Seq = Annotated[int, Meta(ge=1, le=1 << 53)]


class ImportFailed(Exception):
    """The lines cannot be imported; the text names the line, what was expected and what to do."""


class _Line(Struct, frozen=True, tag_field="line", tag=str.lower, omit_defaults=True, kw_only=True):
    pass


class Header(_Line, frozen=True, tag="moot"):
    """The first line."""

    format: int
    epoch: str = ""  # of the log it was made from


class RoomLine(_Line, frozen=True, tag="room"):
    """A room; its messages follow."""

    room: str
    pruned: Annotated[int, Meta(ge=0, le=1 << 53)] = 0  # newest seq that was removed on purpose
    topic: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None  # None: the text of its newest topic message


class Message(_Line, frozen=True, kw_only=True):
    """A message of the room named last."""

    room: str
    seq: Seq
    time: Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]  # milliseconds since 1970, UTC
    nick: Annotated[str, Meta(min_length=1, max_length=names.MAX_NICK)]
    sender: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]  # who it is, whatever the nick
    cmid: Cmid | None = None
    kind: Kind = "text"
    text: Annotated[str, Meta(max_length=MAX_TEXT)]
    to: str | None = None
    reply: int | None = None
    cmd: str | None = None
    anim: Anim | None = None
    account: str | None = None
    bot: bool = False
    tags: Tags = {}
    audience: Role | None = None
    reason: str | None = None
    redacted: bool = False  # taken back: its text is not told
    msgid: Annotated[str, Meta(max_length=200)] | None = None
    reply_id: Annotated[str, Meta(max_length=200)] | None = None
    own: bool = False
    peer: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")] | None = None


class Value(_Line, frozen=True, kw_only=True):
    """Something that the server remembers beside messages, such as an account."""

    key: Annotated[str, Meta(pattern="^[a-z]+/", max_length=MAX_KEY)]
    value: Annotated[str, Meta(max_length=MAX_VALUE)]


class End(_Line, frozen=True):
    """The last line. Without it the file was cut short."""

    rooms: int
    messages: int
    values: int = 0


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Header | RoomLine | Message | Value | End] = msgspec.json.Decoder(
    Header | RoomLine | Message | Value | End
)
_PRIVATE: Final = ("session/", "secret/")  # keys of what is worth nothing on another server
_EXTRAS: Final = rows.Extra.__struct_fields__  # which `Message` has as well
_extra: msgspec.json.Decoder[rows.Extra] = msgspec.json.Decoder(rows.Extra)


def exported(audit: Audit, wanted: Callable[[str], bool], *, values: bool = False) -> Iterator[bytes]:
    """Yield the lines of an export. What is damaged is left out; the audit names it when the last line was yielded.

    ``wanted``: tells from a room's name whether it is exported. ``values``: with what the server remembers, accounts
    and the hashes of their passwords among it. Raises `OSError`, `AuditError`.
    """
    redacted = _redacted(audit)
    items = audit.rows()
    first = list(itertools.islice(items, 1))  # nothing is yielded of what turns out to be no log
    yield _encoder.encode(Header(format=WITH_VALUES if values else FORMAT, epoch=audit.epoch)) + b"\n"
    count_rooms = count = 0
    current: Room | None = None
    for item in itertools.chain(first, items):
        room = item.room if isinstance(item, Row) else item
        if not wanted(room.name):
            continue
        if room is not current:
            current = room
            count_rooms += 1
            topic = room.topic if room.last is not None else None
            yield _encoder.encode(RoomLine(room=room.name, pruned=room.pruned, topic=topic)) + b"\n"
        if isinstance(item, Row):
            line = _line(room.name, item.columns, hidden=item.columns[0] in redacted.get(room.name, ()))
            if line is None:
                seq = item.columns[0]
                audit.add(Damage("it was written by another version, which knew more parts", room.name, seq, seq))
                continue
            yield line
            count += 1
    count_values = 0
    for key, value in sorted(audit.values.items()) if values else ():
        if "/" in key and not key.startswith(_PRIVATE):
            yield _encoder.encode(_without_sessions(Value(key=key, value=value))) + b"\n"
            count_values += 1
    yield _encoder.encode(End(rooms=count_rooms, messages=count, values=count_values)) + b"\n"


def _without_sessions(line: Value) -> Value:
    """Return an account as it is worth something elsewhere: its sessions end here."""
    if not line.key.startswith("account/"):
        return line
    try:
        account = msgspec.json.decode(line.value, type=Account)
    except msgspec.DecodeError:
        return line
    value = msgspec.json.encode(msgspec.structs.replace(account, sessions=[])).decode()
    return msgspec.structs.replace(line, value=value)


def _redacted(audit: Audit) -> dict[str, set[int]]:
    """Return which messages of each room were taken back, before the first of them is exported."""
    try:
        found = redactions.of_log(audit.connection)
    except apsw.Error:  # SQLite cannot read all of it: so it is read as it will be exported, once more
        found = {}
        with Audit(audit.path, live=audit.live) as before:
            for item in before.rows():
                if isinstance(item, Row) and item.columns[5] == redactions.KIND:
                    extra = item.columns[7]
                    seq = redactions.target(extra.encode() if extra is not None else None)
                    found.setdefault(item.room.id, set()).update(() if seq is None else (seq,))
    return {room.name: found.get(room.id, set()) for room in audit.rooms.values()}


def _line(room: str, columns: Columns, *, hidden: bool) -> bytes | None:
    """Return a message as a line; None when a part of it would be lost. ``hidden``: it was taken back."""
    seq, time, sender, cmid, nick, kind, text, packed = columns
    try:
        extra = rows.Extra() if packed is None else _extra.decode(packed)
    except msgspec.DecodeError:
        return None
    if packed is not None and rows.packed(extra) != packed:
        return None
    if hidden:
        text, extra = "", msgspec.structs.replace(extra, cmd=None, anim=None, tags={}, redacted=True)
    message = Message(
        room=room,
        seq=seq,
        time=time,
        nick=nick,
        sender=sender.hex(),
        cmid=cmid,
        kind=kind,  # type: ignore[arg-type]  # as it was written
        text=text,
        **{name: getattr(extra, name) for name in _EXTRAS},
    )
    return _encoder.encode(message) + b"\n"


class Importer:
    """Reads lines into a writer. Nothing is committed here."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._room: str | None = None
        self._last = 0
        self._rooms = 0
        self._messages = 0
        self._values = 0

    def read(self, lines: Iterable[bytes]) -> None:
        """Read a whole export. Raises `ImportFailed`, `apsw.Error`."""
        number = 0
        ended = False
        for number, line in enumerate(lines, 1):
            try:
                if ended:
                    raise ImportFailed("expected nothing after the end")
                ended = self._take(number, line)
            except (ImportFailed, Conflict, names.BadName, ValueError) as error:
                raise ImportFailed(f"line {number}: {error}; nothing was imported") from error
        if not ended:
            raise ImportFailed(f"the file ends after line {number} without its last line; nothing was imported")

    def _take(self, number: int, line: bytes) -> bool:
        """Deal with a line; return whether it was the end."""
        if len(line) > MAX_LINE:
            raise ImportFailed(f"expected at most {MAX_LINE} bytes")
        try:
            parsed = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            what = "the first line of an export, which `moot export` writes" if number == 1 else "a line of an export"
            raise ImportFailed(f"expected {what}: {error}") from error
        if isinstance(parsed, Header) != (number == 1):
            raise ImportFailed('expected {"line":"moot", …} first, and only there')
        match parsed:
            case Header(format=version) if version not in (FORMAT, WITH_VALUES):
                text = f"the export has format {version}; this moot reads {FORMAT} and {WITH_VALUES}; update moot"
                raise ImportFailed(text)
            case RoomLine():
                self._begin(parsed)
            case Message():
                self._add(parsed)
            case Value(key=key, value=value):
                self._writer.value(key, value)
                self._values += 1
            case End(rooms=count_rooms, messages=count, values=count_values):
                if (count_rooms, count) != (self._rooms, self._messages):
                    got = f"{self._rooms} rooms and {self._messages} messages came"
                    raise ImportFailed(f"expected {count_rooms} rooms and {count} messages, {got}")
                if count_values != self._values:
                    raise ImportFailed(f"expected {count_values} values, {self._values} came")
                return True
        return False

    def _begin(self, line: RoomLine) -> None:
        name = line.room.removeprefix(modlog.MARK)
        if _INBOX.fullmatch(line.room) is None and names.room(name) != name:
            raise ImportFailed(f"expected a room as the server keeps it, such as {names.room(name)}")
        self._writer.room(line.room, line.topic, line.pruned)
        self._room, self._last = line.room, line.pruned
        self._rooms += 1

    def _add(self, line: Message) -> None:
        if line.room != self._room:
            raise ImportFailed("expected the line of its room before it")
        if line.seq <= self._last:
            raise ImportFailed(f"expected a seq above {self._last}")
        if _CONTROLS.search(line.text) or _CONTROLS.search(line.nick) or line.nick.split() != [line.nick]:
            raise ImportFailed("expected a nick and a text without control characters")
        self._last = line.seq
        extra = rows.Extra(**{name: getattr(line, name) for name in _EXTRAS})
        if wrong := tags.fault(line.tags):
            raise ImportFailed(wrong)
        packed = None if extra == rows.Extra() else rows.packed(extra)
        sender = bytes.fromhex(line.sender)
        self._writer.message((line.seq, line.time, sender, line.cmid, line.nick, line.kind, line.text, packed))
        self._messages += 1


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a binary file, none of them much longer than allowed."""
    while line := file.readline(MAX_LINE + 1):
        yield line


def rewrite(audit: Audit, writer: Writer, *, cut: bool) -> None:
    """Write everything that is sound into a new log; the audit names the rest. Raises `OSError`, `apsw.Error`.

    ``cut``: of each room only what lies before its first damaged message.
    """
    current: Room | None = None
    damaged: set[str] = set()
    known = 0
    for item in audit.rows():
        room = item.room if isinstance(item, Row) else item
        if room is not current:
            current = room
            writer.room(room.name, room.topic if room.last is not None else None, room.pruned)
        if not isinstance(item, Row):
            continue
        found = audit.verifier.damage
        damaged.update(each.room for each in found[known:] if each.first and not each.intact)
        known = len(found)
        if not (cut and room.name in damaged):
            writer.message(item.columns)
    for key, value in audit.values.items():
        if "/" in key:
            writer.value(key, value)
