"""Batches between processes: what was sent is what comes, and garbage is only ever a decoding error."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import native
from protocol.ipc import (
    Announced,
    Answered,
    Art,
    Attach,
    Catalogue,
    Closed,
    Control,
    Do,
    Down,
    Entered,
    FromSandbox,
    Gone,
    Link,
    Parted,
    Posted,
    Render,
    Rendered,
    Seat,
    Stop,
    Told,
    Up,
    worker_of,
)

_encoder = msgspec.msgpack.Encoder()
_up = msgspec.msgpack.Decoder(list[Up])
_down = msgspec.msgpack.Decoder(list[Down])
_sandbox = msgspec.msgpack.Decoder(list[FromSandbox])
_control: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
_decoders: list[Any] = [_up, _down, _sandbox, _control, native._request_decoder, native._event_decoder]

UPS: list[Up] = [
    Do(1 << 32 | 5, 7, native.Hello(nick="ann", token="0123456789abcdef"), None, "192.0.2.1", "native"),
    Do(1, 8, native.Fun(cmid="c", to="#tea", line="/train"), Art("choo", anim=native.Anim("train", 7, 3.5))),
    Gone(1, "closed"),
    Attach(1, [Seat(1, native.Hello(nick="ann"), ["#tea"], "::1", "plain", 5, "lunch", 3)], {"#tea": 9}),
]
DOWNS: list[Down] = [
    Answered(1, 7, native.Ok(id="x", room="#tea", seq=1, time=5)),
    Answered(1, 8, native.Room(room="#tea", seq=1, people=[native.Person("ann")])),
    Told(1, native.Bye(reason="bye", retry=1.5)),
    Posted(0, native.Msg(room="#tea", seq=1, time=5, nick="ann", text="hi", anim=native.Anim("eyes", 1, 2.0))),
    Announced("#tea", native.Joined(room="#tea", who=native.Person("ann", "#123456", "lunch"))),
    Entered(1, "#tea", 3),
    Parted(1, "#tea"),
    Closed(1),
]


def test_batches_come_as_they_were_sent() -> None:
    assert _up.decode(_encoder.encode(UPS)) == UPS
    assert _down.decode(_encoder.encode(DOWNS)) == DOWNS
    rendered: list[FromSandbox] = [
        Rendered(1, Art("x", private=True)),
        Rendered(2, error="no"),
        Catalogue([native.FunCommand("roll", "/roll 2d6", "Roll dice.")]),
    ]
    assert _sandbox.decode(_encoder.encode(rendered)) == rendered
    render = [Render(1, "/roll", 5, "ann")]
    assert msgspec.msgpack.decode(_encoder.encode(render), type=list[Render]) == render


def test_control_messages_are_json_for_people_to_read() -> None:
    assert msgspec.json.encode(Link("broker", 3)) == b'{"type":"Link","peer":"broker","incarnation":3}'
    assert _control.decode(msgspec.json.encode(Stop("bye"))) == Stop("bye")


def test_a_connection_tells_its_worker() -> None:
    assert worker_of(7 << 32 | 123) == 7


@pytest.mark.parametrize("decoder", _decoders)
@given(junk=st.binary(max_size=200))
def test_random_bytes_are_a_decoding_error_or_a_message(decoder: Any, junk: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        decoder.decode(junk)


@given(st.sampled_from([_encoder.encode(UPS), _encoder.encode(DOWNS)]), st.data())
def test_a_damaged_batch_is_a_decoding_error_or_a_message(batch: bytes, data: st.DataObject) -> None:
    damaged = bytearray(batch)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for decoder in (_up, _down):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            decoder.decode(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@pytest.mark.parametrize("number", [1 << 53 | 1, 1 << 64, -(1 << 70)])
@pytest.mark.parametrize(
    "template",
    [
        '{"op":"ping","id":%d}',
        '{"op":"send","cmid":"c","to":"#t","text":"x","reply":%d}',
        '{"op":"history","room":"#t","before":%d}',
        '{"op":"history","room":"#t","after":%d}',
        '{"op":"history","room":"#t","since":%d}',
        '{"op":"join","room":"#t","epoch":"e","after":%d}',
        '{"op":"hello","nick":"ann","v":%d}',
    ],
)
def test_a_number_that_cannot_travel_on_is_no_request(template: str, number: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        native.decode_request((template % number).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner),
    max_leaves=4,
)
FIELDS = ["id", "nick", "room", "text", "to", "cmid", "kind", "reply", "after", "before", "since", "limit", "v", "line"]
OPS = ["hello", "join", "leave", "send", "fun", "topic", "nick", "away", "color", "who", "whois", "rooms", "history"]


@given(st.sampled_from([*OPS, "ping", "quit"]), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
def test_every_request_that_is_understood_can_be_sent_on(op: str, fields: dict[str, Any]) -> None:
    try:
        request = native.decode_request(msgspec.json.encode({"op": op, **fields}))
    except msgspec.DecodeError:
        return
    do = Do(1, 1, request)
    assert _up.decode(_encoder.encode([do])) == [do]
