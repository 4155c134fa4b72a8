from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import moderation, native
from protocol.accounts import Drop, Key, Logout, Password, Register, Sasl
from protocol.ipc import Do, Up
from protocol.settings import DEFAULTS
from workers.intake import exposed, prepare


def send(text: str) -> native.Request | native.Error:
    return prepare(native.Send(id=1, cmid="c", to="#tea", text=text), DEFAULTS)


def test_a_key_with_what_no_key_has_is_cleaned_not_an_offence_of_the_worker() -> None:
    assert prepare(Key(add="ssh-ed25519 AAAA a\u202enn\n", remove="SHA256:x\x07"), DEFAULTS) == Key(
        add="ssh-ed25519 AAAA ann", remove="SHA256:x"
    )
    assert code(prepare(Key(id=1, add="\ufb2c" * 1000), DEFAULTS)) == "too-long"  # NFC makes three of each


def code(answer: native.Request | native.Error) -> str:
    assert isinstance(answer, native.Error)
    return answer.code


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("hi", "hi"),
        ("a\nb", "a\nb"),
        ("\x1b[31mred\x07\x00", "[31mred"),
        ("a\u202eb", "ab"),
        (":thumbs_up:", "👍"),
        ("x" * 4000, "x" * 4000),
    ],
)
def test_a_message_is_cleaned_and_gets_its_emoji(typed: str, sent: str) -> None:
    answer = send(typed)
    assert isinstance(answer, native.Send)
    assert answer.text == sent


@pytest.mark.parametrize("text", ["", " \n ", "\x00\x07", "\u202e\u200b"])
def test_a_message_of_nothing_is_refused(text: str) -> None:
    assert code(send(text)) == "bad-request"


def test_a_message_too_long_is_refused_with_both_numbers() -> None:
    answer = send("x" * 4001)
    assert answer == native.Error(
        id=1, code="too-long", text="a message may have 4,000 characters and this has 4,001; send it in parts"
    )


def test_length_counts_after_cleaning() -> None:
    assert isinstance(send("\x00" * 100 + "x" * 4000), native.Send)


def test_a_fun_line_has_a_limit_of_its_own_and_no_newlines() -> None:
    def fun(line: str) -> native.Request | native.Error:
        return prepare(native.Fun(cmid="c", to="#tea", line=line), DEFAULTS)

    assert fun("/cowsay a\nb") == native.Fun(cmid="c", to="#tea", line="/cowsay a b")
    assert code(fun("/cowsay " + "x" * 193)) == "too-long"


def test_topics_reasons_and_away_texts_are_one_clean_line() -> None:
    assert prepare(native.Topic(cmid="c", room="#t", text="a\nb\x1b"), DEFAULTS) == native.Topic(
        cmid="c", room="#t", text="a b"
    )
    assert code(prepare(native.Topic(cmid="c", room="#t", text="x" * 4001), DEFAULTS)) == "too-long"
    assert prepare(native.Quit(reason="a\r\nb"), DEFAULTS) == native.Quit(reason="a b")
    assert prepare(native.Away(text="\x07" + "x" * 300), DEFAULTS) == native.Away(text="x" * 200)
    assert prepare(native.Away(), DEFAULTS) == native.Away()


def test_colours_are_checked_but_nobody_is_turned_away_for_one() -> None:
    assert prepare(native.Hello(nick="a", color="red; x"), DEFAULTS) == native.Hello(nick="a")
    assert prepare(native.Hello(nick="a", color="#D333FF"), DEFAULTS) == native.Hello(nick="a", color="#D333FF")
    assert code(prepare(native.Color(color="red"), DEFAULTS)) == "bad-request"
    assert prepare(native.Color(), DEFAULTS) == native.Color()


@given(st.text(), st.sampled_from(["send", "fun", "topic", "away", "leave", "quit", "hello"]))
def test_any_text_comes_out_clean_or_as_an_error(text: str, op: str) -> None:
    fields: dict[str, Any] = {
        "send": {"cmid": "c", "to": "#t", "text": text},
        "fun": {"cmid": "c", "to": "#t", "line": text},
        "topic": {"cmid": "c", "room": "#t", "text": text},
        "away": {"text": text},
        "leave": {"room": "#t", "reason": text[:400]},
        "quit": {"reason": text[:400]},
        "hello": {"nick": "a", "client": text[:64]},
    }[op]
    answer = prepare(native.decode_request(msgspec.json.encode({"op": op, **fields})), DEFAULTS)
    assert not set("\x00\x1b\x07\r\x7f\x9b\u202e\u2028") & set(native.encode(answer).decode())
    assert b"\\u00" not in native.encode(answer) or b"\\\\u00" in native.encode(answer)


EXPANDING = "\ufb2c"  # one character that NFC writes as three


@pytest.mark.parametrize(
    "request_",
    [
        native.Hello(nick="ann", client=EXPANDING * 64),
        native.Quit(reason=EXPANDING * 400),
        native.Leave(room="#tea", reason=EXPANDING * 400),
        native.Away(text=EXPANDING * 400),
    ],
)
def test_what_grows_when_it_is_cleaned_still_fits_the_brokers_types(request_: native.Request) -> None:
    prepared = prepare(request_, DEFAULTS)
    assert not isinstance(prepared, native.Error)
    batch = msgspec.msgpack.encode([Do(1, 1, prepared)])
    assert msgspec.msgpack.decode(batch, type=list[Up]) == [Do(1, 1, prepared)]


@given(st.text(max_size=80))
def test_whatever_is_prepared_can_be_told_to_the_broker(text: str) -> None:
    for request in (
        native.Send(cmid="c", to="#tea", text=text),
        native.Topic(cmid="c", room="#tea", text=text),
        native.Fun(cmid="c", to="#tea", line=text),
        native.Hello(nick=text, client=text[:64], color=text),
        native.Quit(reason=text),
    ):
        prepared = prepare(request, DEFAULTS)
        if not isinstance(prepared, native.Error):
            msgspec.msgpack.decode(msgspec.msgpack.encode([Do(1, 1, prepared)]), type=list[Up])


def test_endless_names_and_topics_are_refused_before_the_broker_hears_them() -> None:
    assert code(prepare(native.Hello(nick="x" * 257), DEFAULTS)) == "too-long"
    assert code(prepare(native.Join(room="#" + "x" * 256), DEFAULTS)) == "too-long"
    assert code(prepare(native.Send(cmid="c", to="@" + "x" * 256, text="hi"), DEFAULTS)) == "too-long"
    assert code(prepare(native.Topic(cmid="c", room="#tea", text="x" * 401), DEFAULTS)) == "too-long"


@pytest.mark.parametrize(
    "request_",
    [
        Sasl(mech="PLAIN", data="\0ann\0x"),
        Sasl(mech="PLAIN"),
        Sasl(mech="SESSION", data="x"),
        Register(password="x"),
        Password(old="x", new="y"),
        Drop(password="x"),
    ],
    ids=lambda request: type(request).__name__,
)
def test_what_has_a_secret_in_it_is_refused_where_others_can_read_it(request_: native.Request) -> None:
    answer = exposed(msgspec.structs.replace(request_, id=7))
    assert answer is not None
    assert (answer.id, answer.code) == (7, "insecure")
    assert "TLS" in answer.text


@pytest.mark.parametrize(
    "request_",
    [
        Sasl(mech="SCRAM-SHA-256", data="n,,n=ann,r=x"),
        Sasl(mech="ED25519", data="ann"),
        Sasl(data="x"),
        Key(),
        Logout(),
    ],
)
def test_what_proves_without_telling_is_taken_anywhere(request_: native.Request) -> None:
    assert exposed(request_) is None


def test_a_name_beside_the_nick_is_cleaned_and_cut() -> None:
    assert prepare(native.Rename(name="Ann\x1b\nArbor"), DEFAULTS) == native.Rename(name="Ann Arbor")
    assert prepare(native.Rename(name="\x07"), DEFAULTS) == native.Rename()
    long = prepare(native.Rename(name=EXPANDING * 150), DEFAULTS)
    assert isinstance(long, native.Rename)
    assert len(long.name or "") == native.MAX_PERSON


def test_nicks_to_watch_are_not_of_any_length() -> None:
    assert prepare(native.Watch(add=["bob"] * 100), DEFAULTS) == native.Watch(add=["bob"] * 100)
    assert code(prepare(native.Watch(add=["x" * 257]), DEFAULTS)) == "too-long"
    assert code(prepare(native.Watch(remove=["x" * 257]), DEFAULTS)) == "too-long"


def test_what_is_written_about_rooms_is_cleaned() -> None:
    change = moderation.Change("op\x1b", arg="bob\x07")
    assert prepare(moderation.Mode(room="#tea", changes=[change]), DEFAULTS) == moderation.Mode(
        room="#tea", changes=[moderation.Change("op", arg="bob")]
    )
    ban = moderation.Ban(mask="b\x00ob", reason="two\nlines")
    assert prepare(ban, DEFAULTS) == moderation.Ban(mask="bob", reason="two lines")
    kick = moderation.Kick(nick="bob", reason="\x1b[2Jout")
    assert prepare(kick, DEFAULTS) == moderation.Kick(nick="bob", reason="[2Jout")


def test_a_mask_or_an_announcement_of_nothing_is_none() -> None:
    assert prepare(moderation.Unban(mask="\x07"), DEFAULTS) == moderation.Unban(mask="!!")
    refused = prepare(moderation.Announce(text="\u202e"), DEFAULTS)
    assert isinstance(refused, native.Error)
    assert refused.code == "bad-request"
