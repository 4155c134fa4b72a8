"""WebSocket (RFC 6455) around a dialect of lines: each message is a line. Knows no sockets, no clock, no handshake.

The `websockets` package reads and writes the frames; what its core leaves to the application is here: putting fragments
together, UTF-8, which kind of message is spoken, who closes when and with which code. Frames from a server are not
masked, so what a room hears is framed once and shared, as `shared` of the inner dialect is.
"""

import logging
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import SERVER, Protocol

from protocol import native
from protocol.native import Event, Msg
from protocol.settings import Settings
from workers.dialects import Dialect, Effect, HangUp, Item, Personal, Wake
from workers.sniff import Speech

MAX_CONTROL: Final = 125  # bytes in a control frame, RFC 6455 §5.5; also what a close frame's code and reason have
MAX_IDLE: Final = 128  # frames in a row that say nothing: a message comes in at most so many fragments
PINGS: Final = 6  # in the time after which a silent client is dead
_log = logging.getLogger("moot.websocket")  # the library's own mistakes
_log.setLevel(logging.WARNING)
_CODES: Final = {  # errors that a connection is closed for
    "flood": CloseCode.POLICY_VIOLATION,
    "internal": CloseCode.INTERNAL_ERROR,
    "not-introduced": CloseCode.POLICY_VIOLATION,
    "replaced": CloseCode.POLICY_VIOLATION,
    "too-many": CloseCode.TRY_AGAIN_LATER,
    "too-slow": CloseCode.POLICY_VIOLATION,
}


class Inner(NamedTuple):
    """What is spoken within the messages."""

    speech: Speech
    binary: bool  # in binary messages instead of text


SUBPROTOCOLS: Final[dict[str, Inner]] = {
    "": Inner(Speech.NATIVE, binary=False),  # the client asks for none
    "text.ircv3.net": Inner(Speech.IRC, binary=False),
    "binary.ircv3.net": Inner(Speech.IRC, binary=True),
}


def around(inner: Dialect, settings: Settings, *, binary: bool) -> "WebSocket":
    """Return ``inner`` in messages of either kind."""
    return (PersonalWebSocket if isinstance(inner, Personal) else WebSocket)(inner, settings, binary=binary)


class WebSocket:
    """One connection, from its handshake on."""

    def __init__(self, inner: Dialect, settings: Settings, *, binary: bool = False) -> None:
        self.name = "websocket" if inner.name == "native" else f"{inner.name}-websocket"
        self._inner = inner
        self._inner_variant = ""
        self._kind = Opcode.BINARY if binary else Opcode.TEXT
        self._settings = settings
        # A control frame may come between fragments, where the library takes it for a part of the message.
        self._frames = Protocol(SERVER, max_size=settings.max_line + MAX_CONTROL, logger=_log)
        self._parts: list[bytes] = []  # of a message under way
        self._size = 0  # bytes of them
        self._idle = 0  # frames since something was asked, or since the last wake
        self._heard = True  # anything, since the last wake
        self._silent = 0  # wakes in a row without
        self._asked = False  # anything, ever
        self._quits = False
        self._ends = False  # what it was told last was goodbye
        self._why: tuple[int, str] = (CloseCode.NORMAL_CLOSURE, "")
        self._last: bytes | None = None  # the close frame, when it is settled; empty: it was given out
        self._follow()

    def _follow(self) -> None:
        """Take over what fan-out asks of every member: an attribute costs it less than a property."""
        inner = self._inner
        if inner.variant != self._inner_variant:
            self._inner_variant = inner.variant
            self.variant = sys.intern(f"websocket {inner.variant}")  # looked up for each member of a room
        self.picky, self.echoes, self.resumes = inner.picky, inner.echoes, inner.resumes

    def open(self) -> Sequence[Item]:
        """The handshake is done."""
        return [Wake(self._settings.dead_after / PINGS, self._wake)]

    def greet(self) -> bytes:
        return b""

    def feed(self, chunk: bytes) -> Sequence[Item]:
        if self._last is not None:
            return []
        self._heard = True
        self._frames.receive_data(chunk)
        found = self._take(self._frames.events_received())
        self._follow()
        return found

    def end(self) -> Sequence[Item]:
        return self._leave() if self._last is None else []

    def receive(self, event: Event) -> bytes:
        if self._last == b"":
            return b""  # nothing may come after a close frame
        match event:
            case native.Bye(reason=reason, retry=retry):
                code = CloseCode.NORMAL_CLOSURE if self._quits else CloseCode.GOING_AWAY
                self._why = (code, reason if retry is None else f"retry={retry:g} {reason}")
                self._ends = True
            case native.Error(id=None, code=code, text=text) if code in _CODES:
                self._why = (_CODES[code], f"{code}: {text}")
        framed = self._framed(self._inner.receive(event))
        self._follow()
        return framed

    def shared(self, event: Event) -> bytes:
        return self._framed(self._inner.shared(event))

    def follow_up(self) -> Sequence[Item]:
        items = self._inner.follow_up()
        found = [self._framed(item) if isinstance(item, bytes) else item for item in items] if items else []
        if found:
            found = [
                item for item in found if not isinstance(item, Wake)
            ]  # pings are this dialect's, and one is enough
        return [*found, HangUp()] if self._ends else found  # the client is to answer the close frame

    def wants(self, msg: Msg) -> bool:
        return self._inner.wants(msg)

    def last_words(self) -> bytes:
        words = self._last
        if words is None:
            code, reason = self._why
            self._frames.send_close(code, _cut(reason))
            words = b"".join(self._frames.data_to_send())
        self._last = b""
        return words

    # --- what the client sends

    def _take(self, frames: Sequence[object]) -> Sequence[Item]:
        found: list[Item] = []
        for frame in frames:
            assert isinstance(frame, Frame)
            found += self._frame(frame)
            if self._last is not None:  # what came behind it is not heard
                return found
        return [*found, *self._written()]

    def _frame(self, frame: Frame) -> Sequence[Item]:
        if frame.opcode is Opcode.CLOSE:
            *_, self._last, _eof = self._frames.data_to_send()  # given out when all that was asked is answered
            return self._leave()
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            return self._says_nothing()
        if frame.opcode not in (self._kind, Opcode.CONT):
            want = "binary" if self._kind is Opcode.BINARY else "text"
            text = f"messages are {want} here, and this is another kind; send the same as {want}"
            return self._fail(CloseCode.UNSUPPORTED_DATA, native.Error(code="bad-request", text=text))
        self._parts.append(bytes(frame.data))
        self._size += len(frame.data)
        if self._size > self._settings.max_line:
            return self._fail(CloseCode.MESSAGE_TOO_BIG, self._too_big())
        if not frame.fin:
            return self._says_nothing()
        message, self._parts, self._size = b"".join(self._parts), [], 0
        return self._message(message)

    def _message(self, message: bytes) -> Sequence[Item]:
        if self._kind is Opcode.TEXT:
            try:
                message.decode()
            except UnicodeDecodeError as err:
                text = f"a text message is UTF-8, and this is not at byte {err.start}; encode it so"
                return self._fail(CloseCode.INVALID_DATA, native.Error(code="bad-request", text=text))
        line = message.replace(b"\n", b" ").replace(b"\r", b" ")  # what is one message is one line
        found: list[Item] = []
        for item in self._inner.feed(line + b"\n"):
            if isinstance(item, bytes):
                found.append(self._framed(item))
                continue
            if not isinstance(item, Effect):
                self._asked = True
                self._quits = self._quits or isinstance(item, native.Quit)
            found.append(item)
        if not found:
            return self._says_nothing()
        self._idle = 0
        return found

    def _says_nothing(self) -> Sequence[Item]:
        """Count a frame that costs time and asks for nothing: a ping, a fragment, an empty message."""
        self._idle += 1
        if self._idle <= MAX_IDLE:
            return []
        text = f"{MAX_IDLE} frames came that ask for nothing; send each request in one message of few fragments"
        return self._fail(CloseCode.POLICY_VIOLATION, native.Error(code="flood", text=text))

    def _leave(self) -> Sequence[Item]:
        """The client goes, with a close frame or without: what it asked is answered first."""
        if not self._asked:
            return [HangUp()]
        self._quits = True
        return [self._framed(item) if isinstance(item, bytes) else item for item in self._inner.end()]

    def _fail(self, code: int, error: native.Error) -> Sequence[Item]:
        """End the connection for what the client did, saying so in a message and in the close frame."""
        words = self.receive(error)
        self._last = Frame(Opcode.CLOSE, Close(code, _cut(error.text)).serialize()).serialize(mask=False)
        return [words, HangUp()]

    def _written(self) -> Sequence[Item]:
        """Return what the library writes by itself, pongs, and what is to be done if it has failed the connection."""
        written = self._frames.data_to_send()
        if not self._frames.eof_sent:
            return written
        *pongs, _close, _eof = written
        assert self._frames.close_sent is not None
        match self._frames.parser_exc:
            case PayloadTooBig():
                error = self._too_big()
            case why:
                error = native.Error(code="bad-request", text=f"these frames are not as RFC 6455 has them: {why}")
        return [*pongs, *self._fail(self._frames.close_sent.code, error)]

    def _too_big(self) -> native.Error:
        text = f"a message may have {self._settings.max_line:,} bytes, and yours has more; send it in parts"
        return native.Error(code="too-long", text=text)

    # --- what it is sent

    def _framed(self, lines: bytes) -> bytes:
        """Return each line as a message."""
        if not lines:
            return b""
        return b"".join([Frame(self._kind, line.rstrip(b"\r")).serialize(mask=False) for line in _split(lines)])

    def _wake(self) -> Sequence[Item]:
        """Some time has passed."""
        if self._last is not None:
            return []
        self._idle = 0  # pongs of one who listens for hours are no flood
        again = Wake(self._settings.dead_after / PINGS, self._wake)
        if self._heard:
            self._heard, self._silent = False, 0
            return [again]
        self._silent += 1
        if self._silent >= PINGS:
            self._why = (CloseCode.GOING_AWAY, f"no sign of life for {self._settings.dead_after:g} seconds")
            return [HangUp()]
        self._frames.send_ping(b"")
        return [*self._frames.data_to_send(), again]


class PersonalWebSocket(WebSocket, Personal):
    """The same where a member may hear something else than the others do."""

    def echo(self, msg: Msg, line: bytes) -> bytes:
        inner, others = self._inner, self._inner.shared(msg)
        assert isinstance(inner, Personal)
        mine = inner.echo(msg, others)
        return line if mine == others else self._framed(mine)

    def echo_hint(self, event: Event, line: bytes) -> bytes:
        inner, others = self._inner, self._inner.shared(event)
        assert isinstance(inner, Personal)
        mine = inner.echo_hint(event, others)
        return line if mine == others else self._framed(mine)

    def hears(self, event: Event) -> bool:
        assert isinstance(self._inner, Personal)
        return self._inner.hears(event)


def _split(lines: bytes) -> list[bytes]:
    return lines.removesuffix(b"\n").split(b"\n")


def _cut(reason: str) -> str:
    """Return as much of ``reason`` as a close frame takes beside its code."""
    return reason.encode("utf-8", "replace")[: MAX_CONTROL - 2].decode("utf-8", "ignore")
