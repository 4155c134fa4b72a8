"""HTTP/1.1, as much as a chat needs: one request a connection, answered here or handed over to WebSocket.

`/` says what this is, `/healthz` whether the broker answers, `/ws` is the chat. Knows no sockets and no clock.

The parser is that of the `websockets` package, which does the handshake anyway: a request has no body here and is the
connection's last, so there is nothing that a whole HTTP library such as h11 would do in addition.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import (
    HeaderLineTooLong,
    InvalidOrigin,
    InvalidUpgrade,
    NegotiationError,
    RequestLineTooLong,
    TooManyHeaders,
)
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from protocol import native
from protocol.native import DEFAULT_PORT, Event, Msg
from protocol.settings import SAME_HOST, Settings
from workers import web
from workers.dialects import Become, Dialect, HangUp, Item, Wake
from workers.dialects.websocket import SUBPROTOCOLS, around
from workers.sniff import Speech

MAX_HEAD: Final = 32 * 1024  # bytes of request line and headers; browsers send cookies of other ports too
HEALTH_S: Final = 2.0  # for the broker's answer
MAX_METHOD: Final = 32  # bytes
_HEALTH: Final = "healthz"  # id of the request that asks it
_ALLOWED: Final = (b"GET", b"HEAD")
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>\d{1,5}))?")
_STATUS: Final = {  # errors that a connection is closed for
    "flood": HTTPStatus.TOO_MANY_REQUESTS,
    "not-introduced": HTTPStatus.REQUEST_TIMEOUT,
    "tls-required": HTTPStatus.FORBIDDEN,
}


class Http:
    """One connection that begins with a request."""

    name: Final = "http"
    variant: Final = "http"
    echoes: Final = True
    resumes: Final = False
    picky: Final = False

    def __init__(self, settings: Settings, date: Callable[[], str], make: Callable[[Speech], Dialect]) -> None:
        """``date`` returns the time as headers have it; ``make`` what is spoken within WebSocket."""
        self._settings = settings
        self._date = date
        self._make = make
        self._parser = ServerProtocol(select_subprotocol=_choose)
        self._size = 0  # bytes of the head so far
        self._tail = b""  # its last three
        self._start: bytes | None = b""  # until the method is known
        self._request: Request | None = None
        self._answered = False
        self._own: list[Item] = []  # for `follow_up`

    def greet(self) -> bytes:
        return b""

    def feed(self, chunk: bytes) -> Sequence[Item]:
        if self._answered or self._request is not None:
            return []  # what follows the one request
        if (method := self._other_method(chunk)) is not None:
            text = f"{method.decode('ascii', 'replace')} is not for here: this server takes GET and HEAD"
            return self._end_with(HTTPStatus.METHOD_NOT_ALLOWED, text, ("Allow", "GET, HEAD"))
        seen = self._tail + chunk
        end = seen.find(b"\r\n\r\n")
        size = len(chunk) if end < 0 else end + 4 - len(self._tail)
        self._tail = seen[-3:]
        self._size += size
        if self._size > MAX_HEAD:
            text = f"a request's head may have {MAX_HEAD:,} bytes and this has more; send fewer or shorter headers"
            return self._end_with(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)
        self._parser.receive_data(chunk[:size])
        if self._parser.handshake_exc is not None:
            return self._misread(self._parser.handshake_exc)
        for request in self._parser.events_received():
            assert isinstance(request, Request)
            self._request = request
            return self._respond(request, chunk[size:])
        return []

    def end(self) -> Sequence[Item]:
        if self._answered or self._request is not None:
            return []
        return self._end_with(HTTPStatus.BAD_REQUEST, "the request ended before its head did: an empty line ends it")

    def receive(self, event: Event) -> bytes:
        if self._answered:
            return b""
        match event:
            case native.Pong() | native.Error(code="not-introduced") if event.id == _HEALTH:
                answer = self._answer(HTTPStatus.OK, "ok")  # either came from the broker
            case native.Error(id=id_, text=text) if id_ == _HEALTH:
                answer = self._answer(HTTPStatus.SERVICE_UNAVAILABLE, text)
            case native.Error(code=code, text=text, wait=wait):
                answer = self._answer(_STATUS.get(code, HTTPStatus.SERVICE_UNAVAILABLE), text, *_retry(wait))
            case native.Bye(reason=reason, retry=retry):
                answer = self._answer(HTTPStatus.SERVICE_UNAVAILABLE, reason, *_retry(retry))
            case _:
                return b""
        self._own.append(HangUp())
        return answer

    def shared(self, event: Event) -> bytes:
        return b""

    def follow_up(self) -> Sequence[Item]:
        own, self._own = self._own, []
        return own

    def wants(self, msg: Msg) -> bool:
        return False

    def last_words(self) -> bytes:
        return b""

    # --- what is asked for

    def _other_method(self, chunk: bytes) -> bytes | None:
        """Return the method if it is none of ours: that is all that need be read of such a request."""
        if self._start is None:
            return None
        start = self._start + chunk[:MAX_METHOD]
        method, space, _rest = start.partition(b" ")
        self._start = start if not space and len(start) < MAX_METHOD else None
        return None if self._start is not None or method in _ALLOWED else method[:MAX_METHOD]

    def _respond(self, request: Request, rest: bytes) -> Sequence[Item]:
        hosts = request.headers.get_all("Host")
        host = _HOST.fullmatch(hosts[0].strip()) if len(hosts) == 1 else None
        if (hosts or request.protocol == "HTTP/1.1") and host is None:
            return self._end_with(HTTPStatus.BAD_REQUEST, "a request has one Host header, with the host it is sent to")
        match _path(request.path):
            case "/":
                port = int(host["port"] or DEFAULT_PORT) if host else DEFAULT_PORT
                tls = self._settings.plaintext != "all"
                page = web.page(self._settings.server_name, host["host"] if host else "", port, tls=tls)
                return [self._answer(HTTPStatus.OK, page), HangUp()]
            case "/healthz":
                return [native.Ping(id=_HEALTH), Wake(HEALTH_S, self._unhealthy)]
            case "/ws":
                return self._upgrade(request, hosts[0].strip() if hosts else "", rest)
        return self._end_with(HTTPStatus.NOT_FOUND, "nothing is here; / says what this server is")

    def _unhealthy(self) -> Sequence[Item]:
        if self._answered:
            return []
        text = f"the broker has not answered for {HEALTH_S:g} seconds; if this stays so, see the server's log"
        return self._end_with(HTTPStatus.SERVICE_UNAVAILABLE, text, ("Retry-After", "1"))

    def _upgrade(self, request: Request, host: str, rest: bytes) -> Sequence[Item]:
        """Shake hands and go on with WebSocket, or say why not."""
        same = (f"http://{host.lower()}", f"https://{host.lower()}")
        allowed = [origin for one in self._settings.origins for origin in (same if one == SAME_HOST else (one,))]
        self._parser.origins = [None, *map(Origin, allowed)]  # None: no browser, which would name one
        response = self._parser.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return self._not_upgraded(response)
        self._answered = True
        speech, binary = SUBPROTOCOLS[self._parser.subprotocol or ""]
        socket = around(self._make(speech), self._settings, binary=binary)
        return [Become(socket, response.serialize()), *socket.open(), *socket.feed(rest)]

    def _not_upgraded(self, response: Response) -> Sequence[Item]:
        extra = [("Sec-WebSocket-Version", "13")]  # RFC 6455 §4.4
        extra += [(name, response.headers[name]) for name in ("Allow", "Upgrade") if name in response.headers]
        match self._parser.handshake_exc:
            case InvalidOrigin() as err:
                text = f"pages of {err.value} may not chat here; the server's setting `origins` names those that may"
            case InvalidUpgrade():
                text = "this is for WebSocket clients; / is for browsers"
            case err:
                text = f"this is no WebSocket handshake: {err}"
        return self._end_with(HTTPStatus(response.status_code), text, *extra)

    def _misread(self, err: Exception) -> Sequence[Item]:
        """Answer what is no request."""
        match err:
            case RequestLineTooLong():
                return self._end_with(HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line is too long: {err}")
            case HeaderLineTooLong() | TooManyHeaders():
                return self._end_with(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"too much in the headers: {err}")
        why = err.__cause__ or err
        if isinstance(why.__cause__, EOFError):
            why = why.__cause__
        text = f"this is no request that this server takes: {why}"
        known = isinstance(why, NotImplementedError)
        return self._end_with(HTTPStatus.NOT_IMPLEMENTED if known else HTTPStatus.BAD_REQUEST, text)

    # --- answers

    def _end_with(self, status: HTTPStatus, text: str, *extra: tuple[str, str]) -> Sequence[Item]:
        return [self._answer(status, text, *extra), HangUp()]

    def _answer(self, status: HTTPStatus, body: str | bytes, *extra: tuple[str, str]) -> bytes:
        """Return the response; a text is a line for people, bytes are the page."""
        self._answered = True
        is_page = isinstance(body, bytes)
        content = body if isinstance(body, bytes) else f"{body[:500]}\n".encode("utf-8", "replace")
        headers = Headers(
            [
                ("Date", self._date()),
                ("Connection", "close, upgrade" if "Upgrade" in dict(extra) else "close"),  # RFC 9110 §7.8
                ("Content-Type", f"text/{'html' if is_page else 'plain'}; charset=utf-8"),
                ("Content-Length", str(len(content))),
                ("Content-Security-Policy", web.policy() if is_page else f"default-src 'none'; {web.CLOSED}"),
                ("Cache-Control", "no-store"),
                ("Cross-Origin-Opener-Policy", "same-origin"),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
                *extra,
            ]
        )
        without = self._request is not None and self._request.method == "HEAD"
        return Response(status.value, status.phrase, headers, b"" if without else content).serialize()


def _choose(_parser: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first of a client's subprotocols that is spoken here; none is asked for: the native protocol."""
    for one in offered:
        if one in SUBPROTOCOLS:
            return one
    if offered:
        known = ", ".join(filter(None, SUBPROTOCOLS))
        raise NegotiationError(f"of the subprotocols asked for none is spoken here; {known or 'ask for none'}")
    return None


def _path(target: str) -> str:
    """Return the path of a request's target, which a proxy writes with the host before it (RFC 9112 §3.2.2)."""
    if target.startswith(("http://", "https://")):
        try:
            return urlsplit(target).path or "/"
        except ValueError:
            return ""
    return target.partition("?")[0]


def _retry(seconds: float | None) -> list[tuple[str, str]]:
    return [] if seconds is None else [("Retry-After", str(max(1, round(seconds))))]
