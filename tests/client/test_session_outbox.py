"""What a session keeps until it is acknowledged: order, retries, refusals, and what an earlier session left."""

import pytest

from client.session import Delayed, Entered, Failed, Message, Queued, Sent, Session
from protocol.native import Error, Fun, Msg, Ok, Room, Send, Topic, Welcome
from tests.client.sessions import connected, in_tea, msg, reconnect, told, wrote


def test_the_outbox_survives_the_connection_and_goes_out_in_order_with_the_same_ids() -> None:
    s = in_tea()
    s.say("#tea", "one")
    s.disconnected("cut")
    s.say("#tea", "two")
    s.connected()
    s.outgoing()
    told(s, Welcome(id=4, nick="ann", server="moot", version="0.1.0", epoch="e1"))
    assert [line["op"] for line in wrote(s)] == ["join"]
    told(s, Room(id=5, room="#tea", seq=0))
    assert wrote(s) == [
        {"op": "send", "id": 6, "cmid": "c1", "to": "#tea", "text": "one"},
        {"op": "send", "id": 7, "cmid": "c2", "to": "#tea", "text": "two"},
    ]


def test_a_message_whose_acknowledgement_was_lost_is_known_as_ours_when_replayed() -> None:
    s = in_tea()
    s.say("#tea", "hi")
    reconnect(s, 4)
    s.outgoing()
    replay = [msg(1), msg(2, "hi", nick="ann"), msg(3)]
    assert told(s, Room(id=5, room="#tea", seq=3, messages=replay), msg(4)) == []
    assert wrote(s) == [{"op": "send", "id": 6, "cmid": "c1", "to": "#tea", "text": "hi"}]
    assert told(s, Ok(id=6, room="#tea", seq=2, time=9)) == [
        Sent("c1", "#tea", 2, 9),
        Entered("#tea", [msg(1)]),
        Message(replay[1], "c1"),
        Message(msg(3)),
        Message(msg(4)),
    ]


def test_a_resent_message_refused_for_now_does_not_hold_the_room_up() -> None:
    s = in_tea()
    s.say("#tea", "hi")
    reconnect(s, 4)
    flood = Error(id=6, code="flood", text="slow", wait=3)
    updates = told(s, Room(id=5, room="#tea", seq=1, messages=[msg(1)]), flood)
    assert updates == [Delayed("c1", flood), Entered("#tea", [msg(1)])]
    assert s.retry_after == 3
    s.outgoing()
    s.retry()
    assert [line["id"] for line in wrote(s)] == [7]


def test_only_sixteen_messages_are_unacknowledged_at_once() -> None:
    s = in_tea()
    for n in range(20):
        s.say("#tea", str(n))
    assert len(wrote(s)) == 16
    told(s, Ok(id=3, room="#tea", seq=1, time=0))
    assert [line["text"] for line in wrote(s)] == ["16"]


def test_a_refusal_with_a_wait_keeps_the_message_and_the_order() -> None:
    s = in_tea()
    s.say("#tea", "one")
    s.say("#tea", "two")
    s.outgoing()
    s.updates()
    flood = [Error(id=number, code="flood", text="slow down", wait=2.5) for number in (3, 4)]
    assert told(s, *flood) == [Delayed("c1", flood[0]), Delayed("c2", flood[1])]
    assert s.retry_after == 2.5
    s.say("#tea", "three")
    assert wrote(s) == []
    s.retry()
    assert [line["text"] for line in wrote(s)] == ["one"]
    told(s, Ok(id=5, room="#tea", seq=1, time=0))
    assert [line["text"] for line in wrote(s)] == ["two"]


@pytest.mark.parametrize("code", ["offline", "busy", "storage"])
def test_a_passing_trouble_is_tried_again_after_a_second_unless_told_otherwise(code: str) -> None:
    s = in_tea()
    s.say("#tea", "one")
    told(s, Error(id=3, code=code, text="later"))
    assert s.retry_after == 1.0
    assert list(s.outbox) == ["c1"]


@pytest.mark.parametrize(
    ("request_", "back"),
    [
        (Send(cmid="x", to="#tea", text="hi"), "hi"),
        (Send(cmid="x", to="#tea", text="/etc"), "//etc"),
        (Send(cmid="x", to="#tea", text="waves", kind="me"), "/me waves"),
        (Fun(cmid="x", to="#tea", line="/cowsay hi"), "/cowsay hi"),
        (Topic(cmid="x", room="#tea", text="Oolong"), "/topic Oolong"),
    ],
)
def test_a_refused_message_is_given_back_as_typed(request_: Send | Fun | Topic, back: str) -> None:
    s = in_tea()
    assert s.submit(request_) == "x"
    s.updates()
    error = Error(id=3, code="too-long", text="At most 4,000 characters.")
    assert told(s, error) == [Failed("x", back, error)]
    assert s.outbox == {}


def test_the_same_id_twice_is_a_mistake_of_the_caller() -> None:
    s = in_tea()
    s.submit(Send(cmid="x", to="#tea", text="hi"))
    with pytest.raises(ValueError, match="'x' is in the outbox"):
        s.submit(Send(cmid="x", to="#tea", text="hi"))


def test_what_an_earlier_session_left_goes_out_first_with_its_ids_and_is_known_when_it_comes() -> None:
    left = [Send(cmid="old", to="#tea", text="hi"), Send(cmid="older", to="#milk", text="ho")]
    s = Session("ann", ["#tea"], token="t" * 16, pending=left)
    assert s.updates() == [Queued("old", "#tea", "hi", "text"), Queued("older", "#milk", "ho", "text")]
    assert s.restored == {"old", "older"}
    s.say("#tea", "new")
    connected(s)
    assert [line["room"] for line in wrote(s)] == ["#tea", "#milk"]
    hi = Msg(room="#tea", seq=1, time=5, nick="ann", text="hi")
    assert told(s, Room(id=2, room="#tea", seq=1, messages=[hi]), Room(id=3, room="#milk", seq=0)) == []
    assert [line["text"] for line in wrote(s)] == ["hi", "ho", "new"]
    updates = told(s, Ok(id=4, room="#tea", seq=1, time=5), Ok(id=5, room="#milk", seq=1, time=6))
    assert updates == [
        Sent("old", "#tea", 1, 5),
        Sent("older", "#milk", 1, 6),
        Entered("#tea", []),
        Message(hi, "old"),
        Entered("#milk", []),
    ]


def test_an_earlier_session_s_message_to_one_person_needs_no_room() -> None:
    s = Session("ann", [], token="t" * 16, pending=[Send(cmid="old", to="@bob", text="hi")])
    connected(s)
    assert [line["op"] for line in wrote(s)] == ["send"]


def test_text_that_no_line_can_carry_is_refused_and_in_nobody_s_way() -> None:
    s = in_tea()
    with pytest.raises(ValueError, match="surrogates"):
        s.say("#tea", "half a \ud83d")
    whole = s.say("#tea", "whole")
    assert [line["text"] for line in wrote(s)] == ["whole"]
    assert list(s.outbox) == [whole]
