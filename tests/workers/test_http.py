"""The HTTP dialect: what a request gets, whatever its bytes are."""

import base64
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import native
from protocol.settings import Settings
from workers.dialects import Become, Dialect, HangUp, Item, Wake
from workers.dialects.http import HEALTH_S, MAX_HEAD, Http
from workers.dialects.native import Native
from workers.dialects.websocket import WebSocket
from workers.sniff import Speech

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
KEY = base64.b64encode(b"the sample nonce").decode()  # dGhlIHNhbXBsZSBub25jZQ==
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: chat.example.org:6668\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
)


def new(**chosen: object) -> Http:
    given = msgspec.structs.replace(Settings(), **chosen)
    return Http(given, lambda: DATE, lambda speech: Native(given.max_line))


def ask(head: str | bytes, dialect: Http | None = None) -> tuple[str, str, list[Item]]:
    """Return status line, headers and body in one, and what else is to be done."""
    found = list((dialect or new()).feed(head.encode() if isinstance(head, str) else head))
    return answer(b"".join(item for item in found if isinstance(item, bytes)), found)


def answer(words: bytes, found: Sequence[Item] = ()) -> tuple[str, str, list[Item]]:
    status, _, rest = words.decode().partition("\r\n")
    return status.removeprefix("HTTP/1.1 "), rest, [item for item in found if not isinstance(item, bytes)]


def get(path: str, *headers: str, method: str = "GET") -> str:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost:6668", *headers, "", ""])


def test_it_is_a_dialect() -> None:
    dialect: Dialect = new()
    assert (dialect.name, dialect.variant, dialect.resumes) == ("http", "http", False)
    assert (dialect.greet(), dialect.last_words(), dialect.shared(native.Notice(text="hi"))) == (b"", b"", b"")


def test_the_page_says_how_to_join_and_needs_nothing_else() -> None:
    status, rest, todo = ask(get("/?from=somewhere"), new(server_name="Ann & <b>Bob</b>"))
    assert status == "200 OK"
    assert "Content-Type: text/html; charset=utf-8\r\n" in rest
    assert f"Date: {DATE}\r\n" in rest
    assert "Connection: close\r\n" in rest
    assert "<h1>Ann &amp; &lt;b&gt;Bob&lt;/b&gt;</h1>" in rest
    for line in ("moot join localhost 6668", "nc localhost 6668", "/connect localhost 6668", "ws://localhost:6668/ws"):
        assert f"<code>{line}</code>" in rest
    assert "src=" not in rest
    assert rest.count("href=") == 1  # the icon, which is in the page itself
    assert isinstance(todo[0], HangUp)


def test_the_page_speaks_of_tls_where_it_must_be_used() -> None:
    rest = ask(get("/"), new(plaintext="local"))[1]
    for line in (
        "moot join localhost 6668",
        "openssl s_client -quiet -connect localhost:6668",
        "/connect -tls localhost 6668",
        "wss://localhost:6668/ws",
    ):
        assert f"<code>{line}</code>" in rest


def test_the_page_knows_addresses_of_either_kind_and_hosts_without_a_port() -> None:
    assert "<code>nc 2001:db8::1 6668</code>" in ask("GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n")[1]
    assert "<code>ws://[2001:db8::1]:80/ws</code>" in ask("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n")[1]
    assert "<code>nc this-host 6668</code>" in ask("GET / HTTP/1.0\r\n\r\n")[1]


def test_the_page_may_do_nothing_but_show_itself() -> None:
    rest = ask(get("/"))[1]
    headers = dict(line.split(": ", 1) for line in rest.partition("\r\n\r\n")[0].split("\r\n"))
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_head_gets_the_headers_alone() -> None:
    whole, rest = ask(get("/"))[1], ask(get("/", method="HEAD"))[1]
    assert rest == whole.partition("\r\n\r\n")[0] + "\r\n\r\n"


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/index.html", "//", "/ws/", "/../etc/passwd", "/%00", "*", "http://["]
)
def test_anything_else_is_not_there(path: str) -> None:
    status, rest, todo = ask(get(path))
    assert status == "404 Not Found"
    assert rest.endswith("nothing is here; / says what this server is\n")
    assert isinstance(todo[0], HangUp)


def test_a_proxy_may_write_the_host_before_the_path() -> None:
    assert ask(get("http://localhost:6668/"))[0] == "200 OK"
    assert ask(get("http://localhost:6668"))[0] == "200 OK"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI"])
def test_another_method_is_refused_before_its_body_comes(method: str) -> None:
    status, rest, todo = ask(f"{method} ")
    assert status == "405 Method Not Allowed"
    assert "Allow: GET, HEAD\r\n" in rest
    assert rest.endswith(f"{method} is not for here: this server takes GET and HEAD\n")
    assert isinstance(todo[0], HangUp)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/2\r\n", "400 Bad Request"),
        ("GET /\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: <script>\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "400 Bad Request"),
        ("GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "501 Not Implemented"),
        ("GET /" + "a" * 9000, "414 Request-URI Too Long"),
        ("GET / HTTP/1.1\r\nX: " + "a" * 9000, "431 Request Header Fields Too Large"),
        ("GET / HTTP/1.1\r\n" + "X: y\r\n" * 10_000, "431 Request Header Fields Too Large"),
        ("GET / HTTP/1.1\r\n" + ("X: " + "y" * 8000 + "\r\n") * 9, "431 Request Header Fields Too Large"),
    ],
)
def test_what_is_no_request_is_told_so(head: str, status: str) -> None:
    found, rest, todo = ask(head.encode("latin-1"))
    assert found == status
    assert "Content-Type: text/plain; charset=utf-8\r\n" in rest
    assert isinstance(todo[0], HangUp)


def test_the_bytes_of_an_old_client_do() -> None:
    assert ask("GET / HTTP/1.0\r\n\r\n")[0] == "200 OK"


def test_what_follows_the_request_is_thrown_away() -> None:
    dialect = new()
    assert ask(get("/") + get("/healthz") + '{"op":"ping"}\n', dialect)[0] == "200 OK"
    assert list(dialect.feed(b'{"op":"ping"}\n' * 100)) == []
    assert list(dialect.end()) == []


# --- health


def test_health_is_asked_of_the_broker() -> None:
    dialect = new()
    _, _, (ping, wake) = ask(get("/healthz"), dialect)
    assert ping == native.Ping(id="healthz")
    assert isinstance(wake, Wake)
    assert wake.after == HEALTH_S
    status, rest, _ = answer(dialect.receive(native.Error(id="healthz", code="not-introduced", text="say hello first")))
    assert (status, rest.rpartition("\r\n")[2]) == ("200 OK", "ok\n")
    assert [type(item) for item in dialect.follow_up()] == [HangUp]
    assert list(wake.then()) == []


def test_a_broker_that_does_not_answer_is_not_well() -> None:
    dialect = new()
    _, _, (_ping, wake) = ask(get("/healthz"), dialect)
    assert isinstance(wake, Wake)
    words, hang_up = wake.then()
    assert isinstance(words, bytes)
    status, rest, _ = answer(words)
    assert status == "503 Service Unavailable"
    assert "Retry-After: 1\r\n" in rest
    assert "the broker has not answered for 2 seconds" in rest
    assert isinstance(hang_up, HangUp)
    assert dialect.receive(native.Pong(id="healthz", time=1)) == b""


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (native.Error(code="not-introduced", text="no hello within 10 seconds"), "408 Request Timeout"),
        (native.Error(code="flood", text="slow down"), "429 Too Many Requests"),
        (native.Error(code="tls-required", text="this server wants TLS"), "403 Forbidden"),
        (native.Error(code="too-many", text="full", wait=30.0), "503 Service Unavailable"),
        (native.Bye(reason="the server restarts", retry=2.0), "503 Service Unavailable"),
    ],
)
def test_why_the_connection_is_closed_is_said_in_http(event: native.Event, status: str) -> None:
    dialect = new()
    dialect.feed(b"GET /heal")
    found, rest, _ = answer(dialect.receive(event))
    assert found == status
    assert ("Retry-After: " in rest) == (status[:3] == "503")
    assert dialect.receive(event) == b""


# --- WebSocket


def upgrade(*headers: str, **chosen: object) -> tuple[str, str, list[Item]]:
    dialect = new(**chosen)
    found = dialect.feed((HANDSHAKE + "".join(f"{header}\r\n" for header in headers) + "\r\n").encode())
    words = b"".join(
        item.words if isinstance(item, Become) else item if isinstance(item, bytes) else b"" for item in found
    )
    return answer(words, found)


def test_the_handshake_is_that_of_the_rfc() -> None:
    """RFC 6455 §1.3 has this key and this answer to it."""
    status, rest, (become, wake) = upgrade()
    assert status == "101 Switching Protocols"
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in rest
    assert "Sec-WebSocket-Extensions" not in rest
    assert isinstance(become, Become)
    assert isinstance(become.dialect, WebSocket)
    assert isinstance(wake, Wake)


def test_the_first_subprotocol_that_is_known_is_spoken() -> None:
    """IRCv3 WebSocket: "The server MUST accept any subprotocol it supports, respecting the client's order"."""
    status, rest, (become, _wake) = upgrade(
        "Sec-WebSocket-Protocol: soap, binary.ircv3.net", "Sec-WebSocket-Protocol: text.ircv3.net"
    )
    assert status == "101 Switching Protocols"
    assert "Sec-WebSocket-Protocol: binary.ircv3.net\r\n" in rest
    assert isinstance(become, Become)


def test_no_compression_is_spoken() -> None:
    status, rest, _ = upgrade("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert status == "101 Switching Protocols"
    assert "Sec-WebSocket-Extensions" not in rest


@pytest.mark.parametrize(
    ("origin", "origins", "status"),
    [
        (None, ["https://a.example"], "101 Switching Protocols"),
        ("http://chat.example.org:6668", ["same-host"], "101 Switching Protocols"),
        ("https://chat.example.org:6668", ["same-host"], "101 Switching Protocols"),
        ("http://chat.example.org", ["same-host"], "403 Forbidden"),
        ("http://evil.example", ["same-host"], "403 Forbidden"),
        ("http://chat.example.org:6668.evil.example", ["same-host"], "403 Forbidden"),
        ("null", ["same-host"], "403 Forbidden"),
        ("", ["same-host"], "403 Forbidden"),
        ("https://a.example", ["https://a.example"], "101 Switching Protocols"),
        ("https://b.example", ["https://a.example", "https://b.example"], "101 Switching Protocols"),
        ("http://a.example", ["https://a.example"], "403 Forbidden"),
        ("http://chat.example.org:6668", ["https://a.example"], "403 Forbidden"),
    ],
)
def test_only_pages_of_allowed_origins_may_chat(origin: str | None, origins: list[str], status: str) -> None:
    found, rest, _ = upgrade(*([] if origin is None else [f"Origin: {origin}"]), origins=origins)
    assert found == status
    if status[:3] == "403":
        assert "`origins`" in rest


@pytest.mark.parametrize(
    ("old", "new_", "status"),
    [
        ("Version: 13", "Version: 8", "400 Bad Request"),
        (KEY, "short", "400 Bad Request"),
        ("Upgrade: websocket", "Upgrade: h2c", "426 Upgrade Required"),
        ("keep-alive, Upgrade", "keep-alive", "426 Upgrade Required"),
        ("HTTP/1.1", "HTTP/1.0", "505 HTTP Version Not Supported"),
        ("GET", "HEAD", "405 Method Not Allowed"),
        ("Version: 13\r\n", "Version: 13\r\nSec-WebSocket-Protocol: soap\r\n", "400 Bad Request"),
        ("Version: 13\r\n", "Version: 13\r\nOrigin: a\r\nOrigin: b\r\n", "400 Bad Request"),
    ],
)
def test_a_handshake_that_is_none_is_refused(old: str, new_: str, status: str) -> None:
    found, rest, todo = ask(HANDSHAKE.replace(old, new_) + "\r\n")
    assert found == status
    assert "Sec-WebSocket-Version: 13\r\n" in rest
    assert ("Connection: close, upgrade\r\n" in rest) == ("\r\nUpgrade: websocket\r\n" in rest) == (status[:3] == "426")
    assert isinstance(todo[0], HangUp)


def test_frames_behind_the_handshake_are_heard() -> None:
    found = new().feed(HANDSHAKE.encode() + b"\r\n" + b"\x81\x8d\0\0\0\0" + b'{"op":"ping"}')
    assert native.Ping() in found


@settings(deadline=None)
@given(st.text("GETHAD /wshlz\r\n:", max_size=60) | st.text(max_size=60), st.data())
def test_any_bytes_are_handled_and_any_cut_of_them_is_the_same(text: str, data: st.DataObject) -> None:
    stream = (
        data.draw(st.sampled_from(["GET ", "HEAD ", "POST ", "GET / HTTP/1.1\r\n", get("/nothing")[:-2], HANDSHAKE]))
        + text
    )
    raw = stream.encode()
    cut = data.draw(st.integers(0, len(raw)))

    def transcript(*chunks: bytes) -> list[object]:
        dialect = new()
        found = [item for chunk in chunks for item in dialect.feed(chunk)] + list(dialect.end())
        kinds = (Become, HangUp, Wake)
        return [type(item) if isinstance(item, kinds) else item for item in found]

    whole = transcript(raw)
    assert transcript(raw[:cut], raw[cut:]) == whole
    assert transcript(*(bytes([byte]) for byte in raw)) == whole


def test_a_head_without_an_end_is_refused_in_time() -> None:
    dialect = new()
    dialect.feed(b"GET / HTTP/1.1\r\n")
    header = b"X: " + b"y" * 1019 + b"\r\n"
    assert [dialect.feed(header) for _ in range(MAX_HEAD // 1024 - 1)] == [[]] * (MAX_HEAD // 1024 - 1)
    assert ask(header, dialect)[0] == "431 Request Header Fields Too Large"


def test_websocket_has_the_native_protocol_within() -> None:
    asked: list[Speech] = []

    def make(speech: Speech) -> Dialect:
        asked.append(speech)
        return Native(1000)

    Http(Settings(), lambda: DATE, make).feed(HANDSHAKE.encode() + b"\r\n")
    assert asked == [Speech.NATIVE]
