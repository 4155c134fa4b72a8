"""One name for a message in every dialect."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.msgids import msgid, seq_of
from protocol.native import Msg


def msg(room: str = "#tea", seq: int = 7, nick: str = "ann", to: str | None = None) -> Msg:
    return Msg(room=room, seq=seq, time=1000, nick=nick, text="x", to=to)


def test_a_name_is_epoch_seq_and_a_sign_of_the_room() -> None:
    assert msgid("e1", msg()) == "e1-7-5d7a09bf"


def test_a_name_leads_back_to_its_seq_in_its_room_of_its_log_alone() -> None:
    name = msgid("e1", msg())
    assert seq_of(name, "e1", "#tea") == 7
    assert seq_of(name, "e1", "#bee") is None
    assert seq_of(name, "e2", "#tea") is None


def test_messages_of_two_inboxes_have_two_names() -> None:
    one, other = msg("@", 1, "ann", "bob"), msg("@", 1, "eve", "mia")
    assert msgid("e1", one) != msgid("e1", other)
    assert seq_of(msgid("e1", one), "e1", "@") == 1


@given(st.text())
def test_whatever_is_no_name_is_none(text: str) -> None:
    assert seq_of(text, "e1", "#tea") is None


@given(st.integers(0, 1 << 53), st.text(min_size=1))
def test_each_name_leads_back(seq: int, room: str) -> None:
    assert seq_of(msgid("0af", msg(room, seq)), "0af", room) == seq
