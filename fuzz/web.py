"""Targets that take what browsers and strangers send: HTTP requests, and WebSocket frames after the handshake."""

from collections.abc import Sequence
from typing import Final

import msgspec
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol
from websockets.utils import apply_mask

from fuzz.dialects import check_prepared
from fuzz.source import Source
from protocol import native
from protocol.native import Event
from protocol.settings import DEFAULTS
from workers.dialects import Become, Effect, HangUp, Item, Wake
from workers.dialects.http import Http
from workers.dialects.native import Native
from workers.dialects.websocket import MAX_CONTROL, WebSocket

MAX_LINE: Final = 100  # bytes: small, so that a small input is over it
_SMALL: Final = msgspec.structs.replace(DEFAULTS, max_line=MAX_LINE)
_METHODS: Final = (b"GET ", b"HEAD ", b"POST ")
_OPCODES: Final = (*Opcode, Opcode.TEXT, Opcode.TEXT, Opcode.CONT)
_MASK: Final = b"\1\2\3\4"


def http_requests(data: bytes) -> None:
    """Whatever follows a method gets one answer at most, the same for any cut; then nothing is heard any more."""
    source = Source(data)
    method = source.pick(_METHODS)
    pieces = source.pieces()
    cut, whole = _http(), _http()
    found = [item for piece in (method, *pieces) for item in cut.feed(piece)]
    assert _shape(found) == _shape(whole.feed(method + b"".join(pieces)))
    ended = bool(found)
    found += cut.end()
    answer = b"".join(_written(item) for item in found)
    if any(isinstance(item, Become) for item in found):
        assert answer.startswith(b"HTTP/1.1 101 ")
        return
    if not any(isinstance(item, native.Ping) for item in found):
        assert answer.startswith(b"HTTP/1.1 ")
        assert isinstance(found[-1], HangUp)
        assert cut.receive(source.value(Event)) == b""
    elif not ended:
        raise AssertionError("health was asked for at the end")
    assert not cut.feed(b"GET / HTTP/1.1\r\n\r\n")


def websocket(data: bytes) -> None:
    """Any bytes, and any frames, with events in between: requests the server can prepare, and frames a client reads."""
    source = Source(data)
    socket = WebSocket(Native(MAX_LINE), _SMALL)
    client = Protocol(CLIENT, max_size=None)
    over, rest = False, source.payload
    while rest and not over:
        how, size = source.byte(), len(rest) if source.spent else 1 + source.byte()
        piece, rest = rest[:size], rest[size:]
        sent = piece if how % 5 == 0 else frame(source.pick(_OPCODES), piece, fin=how % 3 > 0)
        at = source.below(len(sent) + 1)
        over = _take(socket.feed(sent[:at]), client)
        items = socket.feed(sent[at:])
        assert not (over and items)
        over = _take(items, client) or over
        if source.below(3) == 0 and not over:
            _read(socket.receive(source.value(Event)), client)
            over = _take(socket.follow_up(), client) or over
        assert sum(map(len, socket._parts)) <= MAX_LINE + MAX_CONTROL
    if not over:
        _take(socket.end(), client)
    _read(socket.last_words(), client)
    assert client.close_rcvd is not None
    assert socket.last_words() == socket.receive(source.value(Event)) == b""
    assert not socket.feed(frame(Opcode.TEXT, b'{"op":"ping"}'))


def _http() -> Http:
    return Http(_SMALL, lambda: "now", lambda speech: Native(MAX_LINE))


def _written(item: Item) -> bytes:
    return item if isinstance(item, bytes) else item.words if isinstance(item, Become) else b""


def _shape(items: Sequence[Item]) -> list[object]:
    """Return what can be compared of ``items``; what is said after a handshake may come in other pieces."""
    found: list[object] = []
    for item in items:
        found.append(type(item) if isinstance(item, Effect) else item)
        if isinstance(item, Become):
            break
    return found


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it, which may be too long for its kind."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([opcode | (0x80 if fin else 0)]) + length + _MASK + apply_mask(data, _MASK)


def _take(items: Sequence[Item], client: Protocol) -> bool:
    """Look at what came of it; return whether the connection is to be closed."""
    for item in items:
        if isinstance(item, bytes):
            _read(item, client)
        elif not isinstance(item, Effect):
            check_prepared(item)
        assert not isinstance(item, Wake | Become)
    return any(isinstance(item, HangUp) for item in items)


def _read(words: bytes, client: Protocol) -> None:
    """Assert that a client understands what it is sent."""
    client.receive_data(words)
    assert client.parser_exc is None
    for event in client.events_received():
        if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
            native.decode_event(bytes(event.data))
