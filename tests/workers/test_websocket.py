"""WebSocket around the native dialect: frames in, requests out, and how it ends. Section numbers are RFC 6455's."""

import struct
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Close, Frame, Opcode
from websockets.protocol import CLIENT, Protocol
from websockets.utils import apply_mask

from protocol import native
from protocol.settings import Settings
from workers.dialects import Dialect, HangUp, Item, Wake
from workers.dialects.irc import Irc
from workers.dialects.native import Native
from workers.dialects.plain import Plain
from workers.dialects.websocket import MAX_IDLE, PINGS, WebSocket, around

PING_REQUEST = b'{"op":"ping","id":1}'
HELLO = b'{"op":"hello","nick":"ann"}'
MAX = 512
MASK = b"\1\2\3\4"


def new(*, binary: bool = False) -> WebSocket:
    settings = msgspec.structs.replace(Settings(), max_line=MAX)
    return WebSocket(Native(settings.max_line), settings, binary=binary)


def frame(data: bytes = b"", opcode: Opcode = TEXT, *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it, masked, always the same way."""
    plain = Frame(opcode, data, fin).serialize(mask=False)
    head = plain[: len(plain) - len(data)]
    return head[:1] + bytes([head[1] | 0x80]) + head[2:] + MASK + apply_mask(data, MASK)


def raw(head: int, data: bytes) -> bytes:
    """Return a short frame whose first byte is ``head``, whatever that means."""
    assert len(data) < 126
    return bytes([head, 0x80 | len(data)]) + MASK + apply_mask(data, MASK)


def heard(words: bytes) -> list[Frame]:
    """Return what a client makes of what it is sent. What is not well-formed raises."""
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(words)
    if client.parser_exc is not None:
        raise client.parser_exc
    return [event for event in client.events_received() if isinstance(event, Frame)]


def said(socket: WebSocket, items: Sequence[Item]) -> bytes:
    """Return the bytes that a connection would write of ``items``, the last words too if it is to hang up."""
    words = b"".join(item for item in items if isinstance(item, bytes))
    return words + socket.last_words() if any(isinstance(item, HangUp) for item in items) else words


def requests(items: Sequence[Item]) -> list[native.Request]:
    return [item for item in items if isinstance(item, native.Request)]


def closed(frames: list[Frame]) -> Close:
    assert frames[-1].opcode is CLOSE
    return Close.parse(frames[-1].data)


def events(frames: list[Frame]) -> list[native.Event]:
    return [native.decode_event(bytes(one.data)) for one in frames if one.opcode is TEXT]


def refused(*chunks: bytes) -> tuple[int, native.Error]:
    """Return the close code and the error of a connection that ``chunks`` end; nothing after them is heard."""
    (code, _reason), error = refusal(*chunks)
    return code, error


def refusal(*chunks: bytes) -> tuple[tuple[int, str], native.Error]:
    socket = new()
    items = [item for chunk in chunks for item in socket.feed(chunk)]
    frames = heard(said(socket, items))
    assert any(isinstance(item, HangUp) for item in items)
    assert list(socket.feed(frame(PING_REQUEST))) == []
    *_, error = events(frames)
    assert isinstance(error, native.Error)
    assert socket.receive(native.Notice(text="late")) == b""
    close = closed(frames)
    return (close.code, close.reason), error


def test_it_is_a_dialect_as_the_one_within_is() -> None:
    socket = new()
    dialect: Dialect = socket
    assert (dialect.name, dialect.variant) == ("websocket", "websocket native")
    assert (dialect.echoes, dialect.resumes, dialect.picky) == (True, True, False)


def test_a_message_is_a_request() -> None:
    assert new().feed(frame(PING_REQUEST)) == [native.Ping(id=1)]


def test_a_message_of_several_lines_is_one_request() -> None:
    assert new().feed(frame(b'{\r\n "op": "ping",\n "id": 1\n}\n')) == [native.Ping(id=1)]


def test_an_event_is_a_text_message_without_a_newline() -> None:
    (one,) = heard(new().receive(native.Pong(id=1, time=7)))
    assert (one.opcode, one.fin, bytes(one.data)) == (TEXT, True, b'{"ev":"pong","time":7,"id":1}')


def test_what_a_room_hears_is_framed_once_for_all() -> None:
    event = native.Msg(room="#tea", seq=1, time=1, nick="ann", text="x" * 70_000)
    assert new().shared(event) == new().shared(event)
    assert events(heard(new().shared(event))) == [event]


def test_a_request_that_is_none_is_told_so_and_the_connection_stays() -> None:
    socket = new()
    items = socket.feed(frame(b"hello?") + frame(b'{"op":"dance","id":3}') + frame(PING_REQUEST))
    assert [error.code for error in events(heard(said(socket, items))) if isinstance(error, native.Error)] == [
        "bad-request",
        "bad-request",
    ]
    assert requests(items) == [native.Ping(id=1)]


# --- fragments and control frames


def test_fragments_make_a_message_whatever_comes_between() -> None:
    """§5.4: "Control frames [...] MAY be injected in the middle of a fragmented message."""
    socket = new()
    items = socket.feed(
        frame(PING_REQUEST[:7], fin=False)
        + frame(b"are you there?", PING)
        + frame(b"", CONT, fin=False)
        + frame(b"unasked", PONG)
        + frame(PING_REQUEST[7:], CONT)
    )
    assert requests(items) == [native.Ping(id=1)]
    assert [(one.opcode, bytes(one.data)) for one in heard(said(socket, items))] == [(PONG, b"are you there?")]


def test_a_character_may_be_cut_by_fragments() -> None:
    request = '{"op":"nick","nick":"é😀"}'.encode()
    socket = new()
    pieces = [frame(bytes([byte]), CONT if at else TEXT, fin=False) for at, byte in enumerate(request)]
    assert requests([item for piece in pieces for item in socket.feed(piece)]) == []
    assert socket.feed(frame(b"", CONT)) == [native.Nick(nick="é😀")]


def test_every_ping_is_answered_by_itself() -> None:
    socket = new()
    items = socket.feed(frame(b"1", PING) + frame(b"2" * 125, PING))
    assert [heard(item)[0].opcode for item in items if isinstance(item, bytes)] == [PONG, PONG]


def test_a_control_frame_fits_however_much_of_the_message_has_come() -> None:
    socket = new()
    request = PING_REQUEST + b" " * (MAX - len(PING_REQUEST))
    items = socket.feed(frame(request[:-1], fin=False) + frame(b"x" * 125, PING) + frame(request[-1:], CONT))
    assert requests(items) == [native.Ping(id=1)]


@pytest.mark.parametrize(
    "wrong",
    [
        raw(0xC1, PING_REQUEST),  # RSV1: §5.2 "MUST be 0 unless an extension is negotiated"
        raw(0xA1, PING_REQUEST),
        raw(0x91, PING_REQUEST),
        raw(0x83, b"x"),  # reserved opcodes
        raw(0x87, b"x"),
        raw(0x8B, b"x"),
        raw(0x8F, b"x"),
        raw(0x09, b"x"),  # a ping in fragments
        frame(b"x", CONT),  # nothing to continue
        frame(b"{", fin=False) + frame(b"}"),  # a message within a message
        bytes([0x89, 0x80 | 126, 0, 126, 1, 2, 3, 4]) + b"x" * 126,  # a long ping
        Frame(TEXT, PING_REQUEST).serialize(mask=False),  # §5.1 "MUST close the connection upon receiving [it]"
        raw(0x88, b"\3"),  # a close frame with half a code
        raw(0x88, struct.pack("!H", 1005)),  # codes that nobody may send
        raw(0x88, struct.pack("!H", 999)),
        raw(0x88, struct.pack("!H", 5000)),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_wrong_frame_ends_the_connection_with_1002(wrong: bytes) -> None:
    code, error = refused(wrong)
    assert (code, error.code) == (1002, "bad-request")
    assert error.text.startswith("these frames are not as RFC 6455 has them: ")


def test_text_that_is_no_utf_8_ends_it_with_1007() -> None:
    code, error = refused(frame(b'{"op":"ping","x":"\xff"}'))
    assert (code, error.text) == (1007, "a text message is UTF-8, and this is not at byte 18; encode it so")


def test_a_close_frame_whose_reason_is_no_utf_8_ends_it_with_1007() -> None:
    assert refused(raw(0x88, b"\3\xe8\xff"))[0] == 1007


@pytest.mark.parametrize(
    "sent",
    [
        [frame(b"x" * (MAX + 1))],
        [frame(b"x" * MAX, fin=False), frame(b"x", CONT)],
        [frame(b"x" * (MAX + 1), fin=False)],
        [bytes([0x81, 0xFF]) + struct.pack("!Q", (1 << 63) - 1)],  # it says that it will be; nothing of it has come
        [bytes([0x81, 0xFF]) + struct.pack("!Q", (1 << 64) - 1)],
    ],
)
def test_a_message_that_is_too_big_ends_it_with_1009(sent: list[bytes]) -> None:
    (code, reason), error = refusal(*sent)
    assert (code, error.code) == (1009, "too-long")
    assert error.text == reason == "a message may have 512 bytes, and yours has more; send it in parts"


def test_the_greatest_message_is_taken() -> None:
    assert new().feed(frame(PING_REQUEST + b" " * (MAX - len(PING_REQUEST)))) == [native.Ping(id=1)]


def test_binary_messages_end_it_with_1003() -> None:
    code, error = refused(frame(PING_REQUEST, BINARY))
    assert (code, error.text) == (1003, "messages are text here, and this is another kind; send the same as text")
    assert refused(frame(b"{", BINARY, fin=False))[0] == 1003


def test_binary_is_spoken_where_it_was_agreed() -> None:
    socket = new(binary=True)
    assert socket.feed(frame(PING_REQUEST, BINARY)) == [native.Ping(id=1)]
    assert [one.opcode for one in heard(socket.receive(native.Pong(time=1)))] == [BINARY]
    code = closed(heard(said(socket, socket.feed(frame(PING_REQUEST))))).code
    assert code == 1003


@pytest.mark.parametrize(
    "idle", [frame(b"", PONG), frame(b" "), frame(b"x", PING), frame(b"", TEXT, fin=False) + frame(b"", CONT)]
)
def test_frames_without_end_that_ask_for_nothing_end_it_with_1008(idle: bytes) -> None:
    code, error = refused(idle * (MAX_IDLE + 1))
    assert (code, error.code) == (1008, "flood")


def test_who_asks_for_something_may_ping_as_well() -> None:
    socket = new()
    for _ in range(5):
        items = socket.feed(frame(b"", PONG) * (MAX_IDLE - 1) + frame(PING_REQUEST))
        assert requests(items) == [native.Ping(id=1)]


def test_what_was_asked_before_a_mistake_was_asked() -> None:
    items = new().feed(frame(PING_REQUEST) + frame(b"\xff"))
    assert requests(items) == [native.Ping(id=1)]
    assert isinstance(items[-1], HangUp)


def test_a_dialect_of_lines_within_gets_a_message_for_each_line() -> None:
    socket = WebSocket(Plain(Settings(), 0, lambda: "c1"), Settings(), binary=True)
    assert (socket.name, socket.variant, socket.resumes, socket.echoes) == (
        "plain-websocket",
        "websocket plain",
        False,
        False,
    )
    assert requests(socket.feed(frame(b"ann", BINARY))) == [native.Hello(id=1, nick="ann")]
    welcome = native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e", motd="Be kind.")
    assert [bytes(one.data) for one in heard(socket.receive(welcome))] == [
        b"* Hello ann, this is moot (moot 1). /help lists the commands.",
        b"Be kind.",
    ]
    assert socket.follow_up() == [native.Join(id=2, room="#lobby")]
    socket.receive(native.Room(id=2, room="#lobby", seq=0))
    socket.feed(frame(b"/ignore bob", BINARY))
    assert socket.picky
    assert not socket.wants(native.Msg(room="#lobby", seq=1, time=1, nick="bob", text="psst"))


# --- the end


def test_a_close_frame_is_answered_when_all_that_was_asked_is() -> None:
    socket = new()
    items = socket.feed(frame(HELLO) + frame(PING_REQUEST) + frame(struct.pack("!H", 1001) + b"bye", CLOSE))
    assert items == [native.Hello(nick="ann"), native.Ping(id=1), native.Quit(reason="connection closed")]
    words = socket.receive(native.Pong(id=1, time=1)) + socket.receive(native.Bye(reason="")) + socket.last_words()
    *told, last = heard(words)
    assert [type(event) for event in events(told)] == [native.Pong, native.Bye]
    assert Close.parse(last.data) == Close(1001, "bye")
    assert socket.last_words() == b""


def test_a_close_frame_without_a_code_is_answered_with_one_like_it() -> None:
    socket = new()
    socket.feed(frame(HELLO))
    socket.feed(frame(b"", CLOSE))
    assert heard(socket.last_words()) == [Frame(CLOSE, b"")]


def test_who_has_asked_for_nothing_is_let_go_at_once() -> None:
    socket = new()
    items = socket.feed(frame(struct.pack("!H", 1000), CLOSE))
    assert [type(item) for item in items] == [HangUp]
    assert closed(heard(said(socket, items))).code == 1000
    assert [type(item) for item in new().end()] == [HangUp]


def test_an_end_without_a_close_frame_is_a_goodbye_too() -> None:
    socket = new()
    socket.feed(frame(HELLO))
    assert socket.end() == [native.Quit(reason="connection closed")]
    socket.receive(native.Bye(reason=""))
    assert [type(item) for item in socket.follow_up()] == [HangUp]
    assert closed(heard(socket.last_words())) == Close(1000, "")


@pytest.mark.parametrize(
    ("event", "close"),
    [
        (native.Bye(reason="the server restarts", retry=2.5), Close(1001, "retry=2.5 the server restarts")),
        (native.Bye(reason="come over", retry=0.0), Close(1001, "retry=0 come over")),
        (native.Bye(reason="the server was renewed"), Close(1001, "the server was renewed")),
        (native.Error(code="replaced", text="elsewhere"), Close(1008, "replaced: elsewhere")),
        (native.Error(code="not-introduced", text="no hello"), Close(1008, "not-introduced: no hello")),
        (native.Error(code="too-many", text="full", wait=30.0), Close(1013, "too-many: full")),
        (native.Error(code="too-slow", text="you read too slowly"), Close(1008, "too-slow: you read too slowly")),
        (native.Error(code="internal", text="a mistake"), Close(1011, "internal: a mistake")),
        (native.Error(id=1, code="flood", text="wait"), Close(1000, "")),
        (native.Error(code="bad-nick", text="no"), Close(1000, "")),
    ],
)
def test_the_close_frame_says_why(event: native.Event, close: Close) -> None:
    socket = new()
    told, last = heard(socket.receive(event) + socket.last_words())
    assert events([told]) == [event]
    assert Close.parse(last.data) == close


def test_quitting_closes_with_1000() -> None:
    socket = new()
    assert socket.feed(frame(b'{"op":"quit"}')) == [native.Quit()]
    assert closed(heard(socket.receive(native.Bye(reason="")) + socket.last_words())).code == 1000


@given(st.text(min_size=40))
def test_a_reason_is_cut_between_characters(reason: str) -> None:
    socket = new()
    socket.receive(native.Error(code="internal", text="x" * 90 + reason))
    (last,) = heard(socket.last_words())
    assert len(last.data) <= 125
    assert Close.parse(last.data).reason.startswith("internal: xxx")


# --- silence


def wakes(items: Sequence[Item]) -> Wake:
    (wake,) = [item for item in items if isinstance(item, Wake)]
    return wake


def test_a_silent_client_is_pinged_and_given_up_in_the_end() -> None:
    socket = new()
    wake = wakes(socket.open())
    assert wake.after == Settings().dead_after / PINGS
    for pinged in (False, True, True, True, True, True):
        items = wake.then()
        assert [one.opcode for one in heard(said(socket, items))] == ([PING] if pinged else [])
        wake = wakes(items)
    items = wake.then()
    assert closed(heard(said(socket, items))) == Close(1001, "no sign of life for 120 seconds")


def test_a_pong_is_a_sign_of_life() -> None:
    socket = new()
    wake = wakes(socket.open())
    for _ in range(3 * MAX_IDLE):  # an hour and more
        items = wake.then()
        if said(socket, items):
            assert list(socket.feed(frame(b"", PONG))) == []
        wake = wakes(items)


def test_nobody_is_pinged_behind_the_last_words() -> None:
    socket = new()
    wake = wakes(socket.open())
    socket.feed(frame(HELLO) + frame(b"", CLOSE))
    assert list(wake.then()) == []


# --- any bytes


parts = st.one_of(
    st.binary(max_size=20),
    st.builds(frame, st.binary(max_size=30), st.sampled_from([TEXT, BINARY, CONT, PING, PONG, CLOSE])),
    st.builds(frame, st.sampled_from([PING_REQUEST, b" ", "é".encode(), b"{"]), st.sampled_from([TEXT, CONT])),
    st.builds(lambda data: frame(data, fin=False), st.binary(max_size=9)),
)


@settings(deadline=None)
@given(st.lists(parts, max_size=12), st.data())
def test_any_bytes_are_handled_and_any_cut_of_them_is_the_same(chunks: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(chunks)
    cut = data.draw(st.integers(0, len(stream)))

    def transcript(*given: bytes) -> tuple[list[object], bytes]:
        socket = new()
        items = [item for chunk in given for item in socket.feed(chunk)]
        asked: list[object] = [type(item) if isinstance(item, HangUp) else item for item in requests(items)]
        words = said(socket, items)
        heard(words)
        return asked, b"".join(bytes(one.data) for one in heard(words) if one.opcode is not PONG)

    assert transcript(stream[:cut], stream[cut:]) == transcript(stream)


def test_an_irc_client_within_is_pinged_by_the_websocket_alone() -> None:
    """One connection has one timer, and a client that answers one kind of ping is there."""
    irc = around(Irc(Settings(), str), Settings(), binary=False)
    irc.feed(frame(b"NICK ann") + frame(b"USER ann 0 * :Ann"))
    irc.receive(native.Welcome(id=1, nick="ann", server="moot", version="1", epoch="e"))
    assert [item for item in irc.follow_up() if isinstance(item, Wake)] == []
