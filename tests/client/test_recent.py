"""What is remembered of the last messages, for what is said about them."""

from client.recent import KEPT, MAX_ROOMS, Recent
from protocol.native import Msg


def msg(seq: int, text: str = "hello", room: str = "#tea", nick: str = "bob", **more: object) -> Msg:
    return Msg(room=room, seq=seq, time=seq, nick=nick, text=text, **more)  # type: ignore[arg-type]


def test_the_start_of_a_message_is_quoted() -> None:
    recent = Recent()
    recent.note(msg(1, "shall we\nhave tea " + "x" * 100))
    assert recent.start("#tea", 1) == "bob: shall we have tea xxxxxxxxxxxxxxxxxxxxxx…"
    assert recent.start("#tea", 9) == "message 9"


def test_what_was_taken_back_is_quoted_no_more() -> None:
    recent = Recent()
    recent.note(msg(1, "a secret"))
    recent.note(msg(2, "bob took back a message", kind="redact", reply=1))
    assert recent.start("#tea", 1) == "what bob took back"
    assert [one.redacted for one in recent.of("#tea")] == [True]


def test_a_room_with_another_name_keeps_its_messages() -> None:
    recent = Recent()
    recent.note(msg(1))
    recent.moved("#tea", "#coffee")
    assert recent.start("#coffee", 1) == "bob: hello"
    assert list(recent.of("#tea")) == []


def test_a_conversation_is_what_one_and_the_other_said() -> None:
    recent = Recent()
    recent.note(msg(1, room="@", to="ann"))
    recent.note(msg(2, room="@", nick="ann", to="Bob"))
    recent.note(msg(3, room="@", nick="carl", to="ann"))
    assert [one.seq for one in recent.of("@bob")] == [1, 2]


def test_it_is_bounded() -> None:
    recent = Recent()
    for seq in range(1, KEPT + 50):
        recent.note(msg(seq))
    assert len(list(recent.of("#tea"))) == KEPT
    for number in range(MAX_ROOMS + 10):
        recent.note(msg(1, room=f"#r{number}"))
    assert list(recent.of("#tea")) == []
