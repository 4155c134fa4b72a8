"""Targets that take what clients of the classic protocol send; the first of them must be able to read the answers."""

import re
from itertools import count
from typing import Final

from fuzz.dialects import MAX_LINE, answer, take
from fuzz.source import Source
from fuzz.texts import check_clean
from protocol import native
from protocol.native import Event, Request
from protocol.settings import DEFAULTS
from workers.dialects.asking import MAX_HELD
from workers.dialects.classic import Classic
from workers.dialects.classic_codec import MAX_HEAD, MAX_SENT, Decoder
from workers.dialects.classic_lobby import Lobby

NOON_MS: Final = 1_700_049_600_000
CON: Final = b"CON,nickname=bob;password=;color=#D333FF,"
# A reason; parameters, at least one, each with a value, `/` before what would end it; the content.
_READABLE: Final = re.compile(
    r"[A-Z]+,(?:[^/,;=]|/.)+=(?:[^/,;=]|/.)*(?:;(?:[^/,;=]|/.)+=(?:[^/,;=]|/.)*)*,.*", re.DOTALL
)


def classic_dialect(data: bytes) -> None:
    """Any bytes, with answers and events in between, are requests the server can prepare and messages one can read."""
    source = Source(data)
    numbers = count()
    dialect = Classic(DEFAULTS, Lobby("#lobby", lambda: NOON_MS, 3600), lambda: f"c{next(numbers)}")
    asked: list[Request] = []
    for piece in [CON, *source.pieces()] if source.below(4) else source.pieces():
        take(dialect.feed(piece), asked, check_messages)
        for _ in range(source.below(3)):
            take([dialect.receive(source.value(Event))], asked, check_messages)
            answer(dialect, source, asked)
            take([dialect.shared(source.value(Event))], asked, check_messages)
        assert dialect._held.bytes < MAX_HELD + 2 * len(data) + 200
        assert len(dialect._asking) <= len(asked)
    take(dialect.end(), asked, check_messages)
    answer(dialect, source, asked)


def check_messages(written: bytes) -> None:
    """Assert that ``written`` is whole messages that fit, that can be read, and that no terminal obeys."""
    assert not written or written.endswith(b"\n")
    for raw in written.split(b"\n")[:-1]:
        assert len(raw) <= MAX_SENT
        message = raw.decode()
        assert _READABLE.fullmatch(message), message
        check_clean("." + message.rstrip(), newlines=False)


def any_cut_classic(data: bytes) -> None:
    """With newlines any cut gives the same messages; without, whatever comes is read, and little is kept."""
    source = Source(data)
    cut, whole, bare = Decoder(MAX_LINE), Decoder(MAX_LINE), Decoder(MAX_LINE)
    first = CON + b"\n"
    assert cut.feed(first) == whole.feed(first)
    bare.feed(CON + b"USER,,")
    found = []
    for piece in source.pieces():
        found += cut.feed(piece)
        assert len(cut._rest) <= MAX_LINE
        bare.feed(piece)
        assert len(bare._rest) <= max(MAX_HEAD, len(piece) + 4) + 1200
    assert found == whole.feed(source.payload)
    assert cut.end() == whole.end()
    bare.end()


def classic_events(data: bytes) -> None:
    """Whatever happens in the lobby is messages that can be read."""
    source = Source(data)
    lobby = Lobby("#lobby", lambda: NOON_MS, 3600)
    lobby.take(source.value(native.People).people)
    while True:
        check_messages(lobby.hear(source.value(Event)))
        check_messages(lobby.users())
        if source.spent:
            break
