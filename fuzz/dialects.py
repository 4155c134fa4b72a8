"""Targets that take what clients send: line readers and dialects, with events in between that go back out."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import msgspec

from fuzz.source import Source
from fuzz.texts import check_clean
from protocol import native
from protocol.native import Event, Request
from protocol.settings import DEFAULTS
from workers import intake
from workers.dialects import Dialect, Effect, Item, prose
from workers.dialects.asking import MAX_HELD
from workers.dialects.irc import Irc
from workers.dialects.irc.caps import BY_NAME, MULTILINE_LINES
from workers.dialects.irc.lines import MAX_BODY, Message, parse
from workers.dialects.irc.lines import MAX_LINE as IRC_LINE
from workers.dialects.lines import LineReader, TooLong
from workers.dialects.native import Native
from workers.dialects.plain import Plain

MAX_LINE: Final = 64  # small, so that a small input is over it
_SMALL: Final = msgspec.structs.replace(DEFAULTS, max_line=512)


def plain() -> Plain:
    numbers = count()
    return Plain(_SMALL, 3600, lambda: f"c{next(numbers)}")


def lines(data: bytes) -> None:
    """Any cut of a stream gives the same lines, none of them over the limit, and little is kept."""
    source = Source(data)
    reader, whole = LineReader(MAX_LINE), LineReader(MAX_LINE)
    found: list[bytes | TooLong] = []
    for piece in source.pieces():
        found += reader.feed(piece)
        assert len(reader._cutter._rest) <= MAX_LINE
    at_once = whole.feed(source.payload)
    assert [line if isinstance(line, bytes) else None for line in found] == [
        line if isinstance(line, bytes) else None for line in at_once
    ]
    assert reader.end() == whole.end()
    for line in found:
        if isinstance(line, bytes):
            assert len(line) <= MAX_LINE
            assert not set(line) & set(b"\r\n")


def native_dialect(data: bytes) -> None:
    """Any cut gives the same requests; each is one the server can prepare, each refusal one line a client can read."""
    source = Source(data)
    cut, whole = Native(MAX_LINE), Native(MAX_LINE)
    found: list[native.Request | bytes] = []
    for piece in source.pieces():
        found += cut.feed(piece)
        assert len(cut._rest) <= MAX_LINE
    assert found == whole.feed(source.payload)
    last = cut.end()
    assert last == whole.end()
    assert isinstance(last[-1], native.Quit)
    for item in (*found, *last):
        if isinstance(item, bytes):
            assert isinstance(native.decode_event(item), native.Error)
            assert item.count(b"\n") == 1
        else:
            check_prepared(item)


def take(items: Sequence[Item], asked: list[Request], check: Callable[[bytes], None]) -> None:
    """Assert of what a dialect made that its requests can be prepared, and that ``check`` takes its words."""
    for item in items:
        if isinstance(item, bytes):
            check(item)
        elif not isinstance(item, Effect):
            check_prepared(item)
            asked.append(item)


def check_prepared(request: Request) -> None:
    """Assert that what a worker makes of ``request`` is within the limits and clean, and stays so."""
    prepared = intake.prepare(request, DEFAULTS)
    native.encode(prepared)  # no half surrogate pairs
    if isinstance(prepared, native.Error):
        check_clean(prepared.text)
        return
    assert intake.prepare(prepared, DEFAULTS) == prepared
    match prepared:
        case native.Send(text=text):
            assert 0 < len(text) <= DEFAULTS.max_text
            check_clean(text)
        case native.Fun(line=line):
            assert len(line) <= DEFAULTS.fun_input
            check_clean(line, newlines=False)
        case native.Topic(text=text):
            assert len(text) <= native.MAX_REMARK
            check_clean(text, newlines=False)
        case native.Leave(reason=reason) | native.Quit(reason=reason):
            assert len(reason) <= native.MAX_REMARK
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(prepared), type=Request) == prepared


def plain_dialect(data: bytes) -> None:
    """A person's bytes at any cut, with answers in between, are requests the server can prepare and clean lines."""
    source = Source(data)
    dialect = plain()
    check_output(dialect.greet())
    asked: list[Request] = []
    for piece in source.pieces():
        take(dialect.feed(piece), asked, check_words)
        for _ in range(source.below(3)):
            answer(dialect, source, asked)
        assert dialect._held.bytes < MAX_HELD + _SMALL.max_line
        assert len(dialect._asking) <= len(asked)
    take(dialect.end(), asked, check_words)
    answer(dialect, source, asked)
    assert not dialect.follow_up()


def answer(dialect: Dialect, source: Source, asked: list[Request]) -> None:
    """Give the dialect an event: the usual answer to what it asked last, or any."""
    event: Event = source.value(Event)
    latest = asked[-1] if asked else None
    match latest, source.below(2):
        case native.Hello(id=id_), 0:
            event = native.Welcome(id=id_, nick=latest.nick, server="m", version="1", epoch="e")
        case native.Join(id=id_), 0:
            event = native.Room(id=id_, room=latest.room, seq=0)
    check_output(dialect.receive(event))
    if isinstance(event, native.Msg):
        dialect.wants(event)
    take(dialect.follow_up(), asked, check_words)


def check_output(written: bytes) -> None:
    """Assert that ``written`` is whole lines of text, and nothing that a terminal obeys."""
    text = written.decode()
    assert not text or text.endswith("\n")
    for line in text.split("\n"):
        check_clean("." + line.rstrip(), newlines=False)


def check_words(written: bytes) -> None:
    """The same of what may be an answer to HTTP."""
    if not written.startswith(b"HTTP/"):
        check_output(written)


def any_cut_plain(data: bytes) -> None:
    """Without answers in between, any cut of a person's bytes gives the same requests and words."""
    source = Source(data)
    cut, whole = plain(), plain()
    found = [item for piece in source.pieces() for item in cut.feed(piece)]
    assert found == whole.feed(source.payload)
    assert cut.end() == whole.end()


def plain_lines(data: bytes) -> None:
    """Any event is clean lines for a person with nc, and a message's later lines can pass for nobody else's."""
    source = Source(data)
    event: Event = source.value(Event)
    check_output(prose.encode(event, 0))
    check_output(prose.encode(event))
    if isinstance(event, native.Msg):
        first, *more = prose.message(event, 0, "ann")
        assert all(line.startswith("    ") or not line.strip() for line in more)
        check_output(prose.as_bytes([first]))
    shown = [
        prose.people(source.value(native.People)),
        prose.profile(source.value(native.Profile)),
        prose.rooms(source.value(native.RoomList)),
        prose.clock(source.value(native.Pong)),
        prose.goodbye(source.value(native.Bye)),
        prose.room(source.value(native.Room)),
    ]
    for found in shown:
        check_output(prose.as_bytes(found))


def irc() -> Irc:
    numbers = count()
    return Irc(_SMALL, lambda: f"c{next(numbers)}")


def irc_dialect(data: bytes) -> None:
    """An IRC client's bytes at any cut, with answers in between, are requests and lines within their limits."""
    source = Source(data)
    dialect = irc()
    if source.below(2):  # else it asks for them itself
        dialect.take_caps(frozenset(BY_NAME))
    asked: list[Request] = []
    for piece in source.pieces():
        take(dialect.feed(piece), asked, check_irc)
        for _ in range(source.below(3)):
            _answer_irc(dialect, source, asked)
        assert len(dialect._reader._cutter._rest) <= IRC_LINE
        assert len(dialect._turns) < dialect._next_id + 1  # no answer waits that cost no request
        if dialect.multiline is not None:  # what is gathered is bounded
            assert len(dialect.multiline.lines) <= MULTILINE_LINES
            assert len(dialect.multiline.text().encode()) <= _SMALL.max_text
    take(dialect.end(), asked, check_irc)
    _answer_irc(dialect, source, asked)
    assert not dialect.follow_up()


def _answer_irc(dialect: Irc, source: Source, asked: list[Request]) -> None:
    """Give it the usual answer to what it asked first, any event, or one that a room hears."""
    event: Event = source.value(Event)
    first = asked.pop(0) if asked else None
    match first, source.below(3):
        case native.Hello(id=id_), 0:
            event = native.Welcome(id=id_, nick=first.nick, server="m", version="1", epoch="e")
        case native.Join(id=id_), 0:
            event = native.Room(id=id_, room=first.room, seq=0)
        case request, 0 if request is not None:
            event = native.Ok(id=request.id, room="#tea", seq=source.below(9))
        case _, 1 if dialect.nick:
            check_irc(dialect.shared(event))
            if isinstance(event, native.Msg):
                check_irc(dialect.echo(event, b""))
            else:
                check_irc(dialect.echo_hint(event, b""))
                dialect.hears(event)
    check_irc(dialect.receive(event))
    take(dialect.follow_up(), asked, check_irc)


def check_irc(written: bytes) -> None:
    """Assert that ``written`` is whole messages within their limits, and that none hides another."""
    assert not written or written.endswith(b"\r\n")
    for line in written.split(b"\r\n")[:-1]:
        assert not set(line) & set(b"\r\n\0")
        tags, _, rest = line.partition(b" ") if line.startswith(b"@") else (b"", b"", line)
        assert len(rest) <= MAX_BODY
        assert len(tags) <= 8190
        assert isinstance(parse(line), Message) or len(rest) > MAX_BODY - 4  # the source of an endless nick


def any_cut_irc(data: bytes) -> None:
    """Without answers in between, any cut of an IRC client's bytes gives the same requests and words."""
    source = Source(data)
    cut, whole = irc(), irc()
    found = [item for piece in source.pieces() for item in cut.feed(piece)]
    assert found == whole.feed(source.payload)
    assert cut.end() == whole.end()
