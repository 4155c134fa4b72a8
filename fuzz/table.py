"""The fuzz targets by name, each with inputs to start from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.frames import Opcode

from fuzz import broker, classic, clients, dialects, files, orders, proofs, secure, texts, web, wire
from fuzz.source import TEXTS, Source, seed
from protocol import native
from protocol.ipc import Attach, Beat, Control, Do, FromSandbox, Gone, Link, Seat, Stop
from protocol.native import Event, Request

CORPUS: Final = Path(__file__).parent / "corpus"  # inputs that once found something, by target


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes, and raises what is not as it should be."""

    run: Callable[[bytes], None]
    seeds: list[bytes]
    words: tuple[str, ...] = ()  # what inputs are made of, for the fuzzer's dictionary

    def found(self, name: str) -> list[bytes]:
        """Return the inputs that once found something."""
        return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def _samples(kind: Any) -> list[Any]:
    """Return a value of each type in the union ``kind``, with its required fields, and one with nearly all of them."""
    members = kind.__args__
    return [Source(bytes([200]) + bytes([number] * 200)).value(one) for one in members for number in (0, 1)]


def _lines(values: list[Any]) -> list[bytes]:
    return [seed(native.encode(value)) for value in values]


def _typed(*lines: str) -> list[bytes]:
    return [seed("".join(f"{line}\n" for line in lines).encode()), *(seed(line.encode()) for line in lines)]


_TEXTS: Final = [seed(text.encode()) for text in TEXTS]
_TYPED: Final = _typed(
    "ann", "hello :+1:", "/me waves", "/msg bob hi", "/join #tea", "/topic tea", "/nick anna", "/away tea", "/back",
    "/who", "/whois bob", "/rooms", "/history 5", "/cowsay moo", "/ignore bob", "/color #fff", "/help", "/quit",
)  # fmt: skip
_TAGGED: Final = ("NICK ann", "USER a 0 * :Ann", "CAP REQ :message-tags batch draft/multiline draft/message-redaction")
_SPOKEN: Final = [
    seed("".join(f"{line}\r\n" for line in lines).encode())
    for lines in (
        ("CAP LS 302", "NICK ann", "USER a 0 * :Ann", "CAP REQ :batch labeled-response echo-message", "CAP END"),
        ("NICK ann", "USER a 0 * :Ann", "JOIN #tea,#bee", "@label=x PRIVMSG #tea,bob :hi", "PART #tea :bye", "QUIT"),
        ("NICK ann", "USER a 0 * :Ann", "TOPIC #tea :t", "NAMES #tea", "LIST >1,*t*", "MODE #tea +o ann", "AWAY :x"),
        ("NICK ann", "USER a 0 * :Ann", "WHO #tea %tcn,1", "WHOIS ann", "USERHOST ann", "ISON ann", "LUSERS", "TIME"),
        ("NICK ann", "USER a 0 * :Ann", "CHATHISTORY AROUND #tea timestamp=2020-01-01T00:00:00.000Z 5", "HELP", "MOTD"),
        ("NICK ann", "USER a 0 * :Ann", "CHATHISTORY BETWEEN #tea msgid=e-1-5d7a09bf msgid=e-9-5d7a09bf 5", "PING x"),
        (
            "CAP REQ :sasl",
            "PASS ann:pw",
            "NICK ann",
            "USER a 0 * :Ann",
            "AUTHENTICATE PLAIN",
            "AUTHENTICATE AGEAYg==",
            "CAP END",
        ),
        (
            "CAP REQ :sasl draft/pre-away",
            "AUTHENTICATE SCRAM-SHA-256",
            "AUTHENTICATE " + "A" * 400,
            "AUTHENTICATE +",
            "AWAY *",
        ),
        (
            "NICK ann",
            "USER a 0 * :Ann",
            "REGISTER * * pw",
            "VERIFY ann 1",
            "NS IDENTIFY ann pw",
            "PRIVMSG NickServ :CERT LIST",
        ),
        (
            "NICK ann",
            "USER a 0 * :Ann",
            "MONITOR + bob,eve",
            "MONITOR S",
            "MODE ann +Bwx",
            "SETNAME :A",
            "WHOWAS bob 2",
        ),
        (
            "NICK ann",
            "USER a 0 * :Ann",
            "OPER ann pw",
            "KILL bob :x",
            "WALLOPS :x",
            "STATS u",
            "LINKS",
            "TRACE",
            "REHASH",
        ),
        (
            "CAP REQ :batch draft/metadata-2",
            "NICK ann",
            "USER a 0 * :Ann",
            "METADATA * SUB a b",
            "METADATA * SET a :x",
            "JOIN #tea",
            "METADATA #tea SYNC",
            "METADATA bob GET a $",
            "METADATA * CLEAR",
        ),
        (*_TAGGED, "@label=l;+a=b;+draft/reply=e-1-5d7a09bf;+draft/react=x TAGMSG #tea", "@+typing=active TAGMSG bob"),
        (*_TAGGED, "@label=l;+a BATCH +1 draft/multiline #tea", "@batch=1 PRIVMSG #tea :a", "BATCH -1", "BATCH +1 x y"),
        (
            *_TAGGED,
            "BATCH +1 draft/multiline bob",
            "@batch=1;draft/multiline-concat PRIVMSG bob :",
            "NICK x",
            "BATCH -1",
        ),
        (*_TAGGED, "REDACT #tea e-1-5d7a09bf :why", "REDACT bob e-1-00112233445566aa-17", "PRIVMSG @#tea :ops?"),
        (*_TAGGED, "MARKREAD #tea timestamp=2020-01-01T00:00:00.000Z", "MARKREAD bob", "CHATHISTORY TARGETS a b 5"),
        ("NICK ann", "USER a 0 * :Ann", "PRIVMSG #tea :\1ACTION waves\1", "PRIVMSG #tea :!cowsay hi", "NOTICE a :\x03"),
    )
]
_WORDS: Final = (
    '"op":"', '"ev":"', '"id":', '"cmid":"c', '"to":"#tea"', '"room":"@"', '"seq":', '"text":"', "\\ud83d", "\\u0000",
    *(f'"{member.__struct_config__.tag}"' for union in (Request, Event) for member in union.__args__),
)  # fmt: skip
_CLASSIC_WORDS: Final = (
    "CON,", "CHAT,rec=-ALL,", "CHAT,rec=root,", "UPDATE,nickname=", "color=#0F0", "REF,,", "USER,,", "KICK,user=",
    "DISCON,,", "/,", "//", ";", ",\n", "/cowsay hi",
)  # fmt: skip
_CLASSIC: Final = _typed(
    "CHAT,rec=-ALL,hi, there", "CHAT,rec=root,psst", "UPDATE,nickname=ann;color=#0F0,", "REF,,", "USER,,",
    "KICK,user=x,why",
    "CHAT,rec=-ALL,/cowsay?hi/", "USER,,REF,,CHAT,rec=-ALL,a☕CHAT,rec=root,b", "FOO,,", "CHAT,rec=/,,x", "DISCON,,",
)  # fmt: skip
_CHOICES: Final = [seed(b"ann\xff\xe2\x80\xae", bytes([start + step * n & 255 for n in range(200)]))
                   for start in (0, 7, 40, 129, 200) for step in (0, 1, 3, 7, 37, 101)]  # fmt: skip
_EVE: Final = native.Hello(nick="eve", token="a token of eve")
_DO: Final = Do(2 << 32, 1, _EVE, None, "192.0.2.8", "native")
_BATCH: Final = [_DO, Gone(2 << 32, "x"), Attach(2, [Seat(2 << 32, _EVE, ["#tea"], "", "", 0)], {"#tea": 0})]

_HELLO: Final = bytes.fromhex("1603010031010000" + "2d0303" + "11" * 32 + "000004c02b1301" + "0100")
_PIN: Final = "SHA256:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
_INVITED: Final = [f"a.example:7000/#tea?key={_PIN}".encode(), f"a.example:6668 {_PIN}\na.example:6668 x".encode()]

TARGETS: Final[dict[str, Target]] = {
    "clean": Target(texts.clean_text, _TEXTS),
    "names": Target(texts.names_of_people_and_rooms, _TEXTS),
    "commands": Target(texts.typed_commands, _TYPED),
    "tags": Target(texts.tags_of_clients, _typed("+a=b", "+draft/reply=e-1-00112233445566aa-17", "+x/y=a\\:b\\s")),
    "emoji": Target(texts.emoji_names, [*_TEXTS, *_typed(":+1: :cow:", "a:b :smile:: 👍🏽")]),
    "settings": Target(texts.settings_file, _typed("max_text = 10", 'listen = ["[::]:1"]', "linger = 1e3", "[a]")),
    "lines": Target(dialects.lines, [*_TYPED, seed(b"a\xff\xfa\x18\xff\xf0b\r\0c\r\nd\re\n")]),
    "native": Target(dialects.native_dialect, _lines(_samples(Request)), _WORDS),
    "plain": Target(dialects.plain_dialect, [*_TYPED, *_CHOICES]),
    "plain-cuts": Target(dialects.any_cut_plain, [*_TYPED, seed(b"ann\nhello\n/quit\n", bytes(16))]),
    "classic": Target(classic.classic_dialect, [*_CLASSIC, *_CHOICES], _CLASSIC_WORDS),
    "classic-cuts": Target(classic.any_cut_classic, _CLASSIC, _CLASSIC_WORDS),
    "classic-events": Target(classic.classic_events, _CHOICES),
    "irc": Target(dialects.irc_dialect, [*_SPOKEN, *(seed(one[-200:], bytes(200)) for one in _SPOKEN), *_CHOICES]),
    "irc-cuts": Target(dialects.any_cut_irc, [*_SPOKEN, seed(b"NICK ann\r\nUSER a 0 * :A\r\nQUIT\r\n", bytes(16))]),
    "prose": Target(dialects.plain_lines, _CHOICES),
    "http": Target(
        web.http_requests,
        [
            *(
                seed(f"{path} HTTP/1.1\r\nHost: a:1\r\n\r\n".encode(), b"\0\3\5\7")
                for path in ("/", "/healthz", "/ws", "/x")
            ),
            seed(
                b"/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a\r\n\r\n"
            ),
        ],
        (
            "HTTP/1.1\r\n",
            "Host: ",
            "Origin: ",
            "Upgrade: ",
            "Content-Length: ",
            "Transfer-Encoding: chunked",
            "\r\n\r\n",
        ),
    ),
    "websocket": Target(
        web.websocket,
        [
            *(seed(web.frame(Opcode.TEXT, native.encode(one))) for one in _samples(Request)),
            *(seed(native.encode(one), b"\1\x3f\1\1\0\0" * 9) for one in _samples(Request)),
            *_CHOICES,
        ],
        _WORDS,
    ),
    "requests": Target(wire.request_lines, [*_lines(_samples(Request)), *_CHOICES], _WORDS),
    "events": Target(wire.event_lines, [*_lines(_samples(Event)), *_CHOICES], _WORDS),
    "batches": Target(
        wire.batches,
        [
            seed(msgspec.msgpack.encode(_BATCH)),
            seed(msgspec.msgpack.encode(_samples(FromSandbox)), b"\2"),
            seed(b"\x91" * 2000),
            *_CHOICES,
        ],
    ),
    "frames": Target(wire.frames, [seed(b"\0\0\0\1a\0\0\0\2bc", b"\1\2\3"), seed(b"\xff\xff\xff\xff")]),
    "control": Target(
        wire.control_lines,
        [
            *(seed(msgspec.json.encode(message) + b"\n") for message in (Beat(1), Stop("x"), Link("broker", 1))),
            *(seed(msgspec.json.encode(message) + b"\n") for message in _samples(Control)),
            seed(b"[" * 2000),
            *_CHOICES,
        ],
    ),
    "broker": Target(broker.broker_state, _CHOICES),
    "orders": Target(orders.operator_orders, _CHOICES),
    "sasl": Target(proofs.sasl_messages, [*proofs.seeds(), *_TEXTS], ("n,,n=ann,r=", "c=biws,r=", ",p=", "\\x00ann")),
    "export": Target(files.exported_lines, [*_CHOICES, seed(b"[" * 2000 + b"\n", b"\1\1\1")]),
    "journal": Target(files.journal_file, _CHOICES),
    "log": Target(files.log_file, _CHOICES),
    "tls": Target(secure.handshake, [seed(_HELLO), seed(_HELLO, bytes(200)), seed(b"\x16\3\1\0\5hello"), *_CHOICES]),
    "tls-records": Target(secure.records, [*_CHOICES, *_typed("hello", "again"), seed(b"x" * 40_000, b"\xff" * 200)]),
    "certificates": Target(secure.certificates, [bytes.fromhex("302e302c020101" + "3000" * 5 + "30033001" * 2)]),
    "invitations": Target(secure.invitations, _INVITED, ("?key=SHA256:", "/#", "[::1]", "%23")),
    "known-servers": Target(secure.known_servers, _INVITED, ("a.example:6668 ", "SHA256:", "ca\n")),
    "session": Target(clients.session, [*_lines(_samples(Event)), *_CHOICES], _WORDS),
    "session-cuts": Target(clients.any_cut_session, [*_lines(_samples(Event)), *_CHOICES], _WORDS),
}
