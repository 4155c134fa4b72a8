from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import accounts, metadata, moderation, native

REQUESTS: list[tuple[native.Request, bytes]] = [
    (native.Hello(nick="ann", id=1), b'{"op":"hello","nick":"ann","id":1}\n'),
    (native.Join(room="#tea", after=4, epoch="e"), b'{"op":"join","room":"#tea","after":4,"epoch":"e"}\n'),
    (native.Leave(room="#tea"), b'{"op":"leave","room":"#tea"}\n'),
    (native.Send(cmid="c1", to="@bob", text="a\nb"), b'{"op":"send","cmid":"c1","to":"@bob","text":"a\\nb"}\n'),
    (native.Fun(cmid="c1", to="#tea", line="/train"), b'{"op":"fun","cmid":"c1","to":"#tea","line":"/train"}\n'),
    (native.Topic(cmid="c1", room="#tea", text=""), b'{"op":"topic","cmid":"c1","room":"#tea","text":""}\n'),
    (native.Nick(nick="bob"), b'{"op":"nick","nick":"bob"}\n'),
    (native.Away(), b'{"op":"away"}\n'),
    (native.Color(color="#00FF00"), b'{"op":"color","color":"#00FF00"}\n'),
    (native.Who(), b'{"op":"who"}\n'),
    (native.Whois(nick="bob"), b'{"op":"whois","nick":"bob"}\n'),
    (native.Rooms(), b'{"op":"rooms"}\n'),
    (native.History(room="@", before=9), b'{"op":"history","room":"@","before":9}\n'),
    (metadata.MetaGet(target="#tea", keys=["url"]), b'{"op":"metaget","target":"#tea","keys":["url"]}\n'),
    (metadata.MetaSet(target="ann", key="mood"), b'{"op":"metaset","target":"ann","key":"mood"}\n'),
    (metadata.MetaClear(target="ann"), b'{"op":"metaclear","target":"ann"}\n'),
    (native.Ping(id="x"), b'{"op":"ping","id":"x"}\n'),
    (native.Quit(), b'{"op":"quit"}\n'),
    (native.Redact(cmid="c1", room="#tea", seq=4), b'{"op":"redact","cmid":"c1","room":"#tea","seq":4}\n'),
    (native.Typing(to="#tea"), b'{"op":"typing","to":"#tea"}\n'),
    (native.Tag(to="@bob", tags={"+x": "y"}), b'{"op":"tag","to":"@bob","tags":{"+x":"y"}}\n'),
    (native.Rename(name="Ann"), b'{"op":"rename","name":"Ann"}\n'),
    (native.Bot(on=False), b'{"op":"bot","on":false}\n'),
    (native.Watch(add=["bob"]), b'{"op":"watch","add":["bob"]}\n'),
    (native.Was(nick="bob"), b'{"op":"was","nick":"bob"}\n'),
    (accounts.Register(password="s"), b'{"op":"register","password":"s"}\n'),
    (accounts.Sasl(mech="PLAIN", data="\0ann\0s"), b'{"op":"sasl","mech":"PLAIN","data":"\\u0000ann\\u0000s"}\n'),
    (accounts.Password(old="a", new="b"), b'{"op":"password","old":"a","new":"b"}\n'),
    (accounts.Logout(everywhere=True), b'{"op":"logout","everywhere":true}\n'),
    (accounts.Key(add="ssh-ed25519 AAAA"), b'{"op":"key","add":"ssh-ed25519 AAAA"}\n'),
    (accounts.Account(), b'{"op":"account"}\n'),
    (accounts.Drop(password="s"), b'{"op":"drop","password":"s"}\n'),
    (accounts.Read(room="@", seq=4), b'{"op":"read","room":"@","seq":4}\n'),
    (
        moderation.Mode(room="#tea", changes=[moderation.Change("op", arg="bob")]),
        b'{"op":"mode","room":"#tea","changes":[{"mode":"op","arg":"bob"}]}\n',
    ),
    (moderation.Policy(room="#tea"), b'{"op":"policy","room":"#tea"}\n'),
    (moderation.Kick(nick="bob", room="#tea"), b'{"op":"kick","nick":"bob","room":"#tea"}\n'),
    (moderation.Ban(mask="bob", seconds=60.0), b'{"op":"ban","mask":"bob","seconds":60.0}\n'),
    (moderation.Unban(mask="bob"), b'{"op":"unban","mask":"bob"}\n'),
    (moderation.Invite(nick="bob", room="#tea"), b'{"op":"invite","nick":"bob","room":"#tea"}\n'),
    (moderation.Claim(room="#tea"), b'{"op":"claim","room":"#tea"}\n'),
    (moderation.Retitle(room="#tea", name="#tee"), b'{"op":"retitle","room":"#tea","name":"#tee"}\n'),
    (moderation.Announce(text="hi"), b'{"op":"announce","text":"hi"}\n'),
]

MSG = native.Msg(room="#tea", seq=1, time=2, nick="ann", text="hi")
EVENTS: list[tuple[native.Event, bytes]] = [
    (MSG, b'{"ev":"msg","room":"#tea","seq":1,"time":2,"from":"ann","text":"hi"}\n'),
    (native.Ok(id=1, room="#tea", seq=3, time=4), b'{"ev":"ok","room":"#tea","seq":3,"time":4,"id":1}\n'),
    (native.Error(code="x", text="y"), b'{"ev":"error","code":"x","text":"y"}\n'),
    (native.Joined(room="#tea", who=native.Person("ann")), b'{"ev":"joined","room":"#tea","who":{"nick":"ann"}}\n'),
    (native.HistoryPage(room="@", messages=[]), b'{"ev":"history","room":"@","messages":[]}\n'),
    (native.Bye(reason="r", retry=2.0), b'{"ev":"bye","reason":"r","retry":2.0}\n'),
]


@pytest.mark.parametrize(("request_", "line"), REQUESTS)
def test_a_request_is_one_line_of_json(request_: native.Request, line: bytes) -> None:
    assert native.encode(request_) == line
    assert native.decode_request(line) == request_


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_an_event_is_one_line_of_json(event: native.Event, line: bytes) -> None:
    assert native.encode(event) == line
    assert native.decode_event(line) == event


def test_every_request_has_a_line_here() -> None:
    assert {type(request) for request, _ in REQUESTS} == set(native.Request.__args__)


def test_unknown_fields_are_ignored() -> None:
    assert native.decode_request(b'{"op":"ping","id":1,"new":{"a":[1]}}') == native.Ping(id=1)
    assert native.decode_event(b'{"ev":"pong","time":5,"new":null}') == native.Pong(time=5)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "truncated"),
        (b"hello", "malformed"),
        (b"[]", "Expected `object`"),
        (b'{"op":"dance"}', "Invalid value 'dance'"),
        (b'{"nick":"ann"}', "missing required field `op`"),
        (b'{"op":"hello"}', "missing required field `nick`"),
        (b'{"op":"hello","nick":7}', r"Expected `str`, got `int` - at `\$.nick`"),
        (b'{"op":"send","cmid":"a b","to":"#x","text":""}', "matching regex"),
        (b'{"op":"join","room":"#x","after":-1}', ">= 0"),
        (b'{"op":"history","room":"#x","limit":501}', "<= 500"),
        (b'{"op":"hello","nick":"x","token":"short"}', "length >= 16"),
    ],
)
def test_what_is_no_request_is_refused_and_named(line: bytes, complaint: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=complaint):
        native.decode_request(line)


def test_half_a_character_is_refused() -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        native.decode_request(b'{"op":"nick","nick":"\xc3"}')


@given(st.binary())
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    for decode in (native.decode_request, native.decode_event):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            decode(line)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_travels_in_one_line(text: str) -> None:
    line = native.encode(native.Send(cmid="c1", to="#tea", text=text))
    assert line.count(b"\n") == 1
    assert native.decode_request(line) == native.Send(cmid="c1", to="#tea", text=text)
