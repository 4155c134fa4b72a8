"""How a session puts a room's messages in order: what was missed, gaps, replays, another log."""

import pytest

from client.session import Answer, Entered, Lost, Message, Sent
from protocol.native import History, HistoryPage, Join, Ok, People, Room, Welcome
from tests.client.sessions import WELCOME, connected, in_tea, msg, reconnect, session, told, wrote


def test_a_gap_is_filled_before_what_came_after_it() -> None:
    s = in_tea(msg(1))
    assert told(s, msg(4), msg(5)) == []
    assert wrote(s) == [{"op": "history", "id": 3, "room": "#tea", "after": 1, "limit": 500}]
    page = HistoryPage(id=3, room="#tea", messages=[msg(2), msg(3), msg(4)])
    assert told(s, page) == [Message(msg(seq)) for seq in (2, 3, 4, 5)]
    assert wrote(s) == []


def test_a_long_gap_is_filled_page_by_page() -> None:
    s = in_tea(msg(1))
    told(s, msg(6))
    s.outgoing()
    assert told(s, HistoryPage(id=3, room="#tea", messages=[msg(2), msg(3)], more=True)) == [
        Message(msg(2)),
        Message(msg(3)),
    ]
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "after": 3, "limit": 500}]
    updates = told(s, HistoryPage(id=4, room="#tea", messages=[msg(4), msg(5)], more=True))
    assert updates == [Message(msg(seq)) for seq in (4, 5, 6)]
    assert wrote(s) == []


def test_a_gap_the_server_cannot_fill_is_said_not_hidden() -> None:
    s = in_tea(msg(1))
    told(s, msg(4))
    assert told(s, HistoryPage(id=3, room="#tea", messages=[])) == [Lost("#tea", 2, 3), Message(msg(4))]
    assert told(s, msg(5)) == [Message(msg(5))]


def test_what_was_missed_offline_comes_in_order_with_entered_and_pages() -> None:
    s = in_tea(msg(1))
    reconnect(s, 3)
    assert wrote(s) == [{"op": "join", "id": 4, "room": "#tea", "after": 1, "epoch": "e1"}]
    updates = told(s, Room(id=4, room="#tea", seq=4, messages=[msg(2)], more=True), msg(5))
    assert updates == [Entered("#tea", [msg(2)])]
    assert wrote(s) == [{"op": "history", "id": 5, "room": "#tea", "after": 2, "limit": 500}]
    assert told(s, HistoryPage(id=5, room="#tea", messages=[msg(3), msg(4)])) == [Message(msg(n)) for n in (3, 4, 5)]


def test_another_log_resets_the_room() -> None:
    s = in_tea(msg(7))
    reconnect(s, 3, epoch="e2")
    assert wrote(s) == [{"op": "join", "id": 4, "room": "#tea", "after": 7, "epoch": "e1"}]
    updates = told(s, Room(id=4, room="#tea", seq=2, messages=[msg(1), msg(2)], reset=True))
    assert updates == [Entered("#tea", [msg(1), msg(2)], reset=True)]
    assert told(s, msg(3)) == [Message(msg(3))]


def test_live_messages_before_the_answer_to_a_resumed_join_wait_for_it() -> None:
    s = in_tea(msg(1))
    reconnect(s, 3)
    assert told(s, msg(2), msg(4)) == []
    updates = told(s, Room(id=4, room="#tea", seq=3, messages=[msg(2), msg(3)]))
    assert updates == [Entered("#tea", [msg(2), msg(3), msg(4)])]


def test_old_direct_messages_are_not_replayed_but_missed_ones_are() -> None:
    s = session()
    s.connected()
    assert told(s, Welcome(id=1, nick="ann", server="moot", version="1", epoch="e1", inbox=5))[1:] == []
    s.outgoing()
    assert told(s, msg(6, room="@")) == [Message(msg(6, room="@"))]
    reconnect(s, 2, inbox=8)
    assert wrote(s) == [{"op": "history", "id": 3, "room": "@", "after": 6, "limit": 500}]
    page = HistoryPage(id=3, room="@", messages=[msg(7, room="@"), msg(8, room="@")])
    assert told(s, page) == [Message(msg(7, room="@")), Message(msg(8, room="@"))]


def test_older_messages_are_asked_for_before_the_oldest_seen() -> None:
    s = in_tea(msg(5), msg(6))
    number = s.older("#tea", 2)
    assert wrote(s) == [{"op": "history", "id": number, "room": "#tea", "before": 5, "limit": 2}]
    page = HistoryPage(id=number, room="#tea", messages=[msg(3), msg(4)], more=True)
    assert told(s, page) == [Answer(number, History(id=number, room="#tea", before=5, limit=2), page)]
    assert s.rooms["#tea"].first == 3


def test_a_replay_is_taken_like_a_page_and_what_is_live_goes_on() -> None:
    s = in_tea(msg(1))
    page = HistoryPage(room="#tea", messages=[msg(1), msg(2), msg(5)], gaps=[(3, 4)], more=True)
    assert told(s, page) == [Message(msg(2)), Lost("#tea", 3, 4), Message(msg(5))]
    assert told(s, HistoryPage(room="#tea", messages=[msg(6)]), msg(7)) == [Message(msg(6)), Message(msg(7))]
    assert wrote(s) == []


def test_a_replay_that_begins_too_late_waits_for_what_is_between() -> None:
    s = in_tea(msg(1))
    assert told(s, HistoryPage(room="#tea", messages=[msg(4), msg(5)])) == []
    assert wrote(s) == [{"op": "history", "id": 3, "room": "#tea", "after": 1, "limit": 500}]
    assert told(s, HistoryPage(id=3, room="#tea", messages=[msg(2), msg(3), msg(4)])) == [
        Message(msg(seq)) for seq in (2, 3, 4, 5)
    ]
    assert wrote(s) == []


def test_a_replay_of_a_room_we_are_not_in_is_nothing() -> None:
    s = in_tea(msg(1))
    assert told(s, HistoryPage(room="#milk", messages=[msg(1)]), People(room="#milk", people=[], count=0)) == []


def test_a_page_that_is_only_a_gap_is_told_and_asked_behind() -> None:
    s = in_tea(msg(1))
    told(s, msg(900))
    s.outgoing()
    assert told(s, HistoryPage(id=3, room="#tea", messages=[], gaps=[(2, 500)], more=True)) == [Lost("#tea", 2, 500)]
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "after": 500, "limit": 500}]
    told_now = told(s, HistoryPage(id=4, room="#tea", messages=[msg(899)], gaps=[(501, 898)]))
    assert told_now == [Lost("#tea", 501, 898), Message(msg(899)), Message(msg(900))]
    assert wrote(s) == []


def test_an_empty_page_never_asks_for_the_same_again() -> None:
    s = in_tea(msg(1))
    told(s, msg(3))
    s.outgoing()
    assert told(s, HistoryPage(id=3, room="#tea", messages=[], more=True)) == [Lost("#tea", 2, 2), Message(msg(3))]
    assert wrote(s) == []


def test_gaps_in_what_was_missed_stand_in_their_place() -> None:
    s = in_tea(msg(1))
    reconnect(s, 3)
    room = Room(id=4, room="#tea", seq=6, messages=[msg(4), msg(6)], gaps=[(2, 3), (5, 5)])
    assert told(s, room) == [Entered("#tea", [msg(4), msg(6)], gaps=[(2, 3), (5, 5)])]
    assert told(s, msg(7)) == [Message(msg(7))]


def test_scrolling_back_goes_on_behind_a_gap() -> None:
    s = session("#tea")
    connected(s)
    told(s, Room(id=2, room="#tea", seq=9, messages=[msg(9)], more=True))
    s.outgoing()
    s.older("#tea")
    assert wrote(s) == [{"op": "history", "id": 3, "room": "#tea", "before": 9, "limit": 100}]
    told(s, HistoryPage(id=3, room="#tea", messages=[], gaps=[(5, 8)], more=True))
    s.older("#tea")
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "before": 5, "limit": 100}]


def test_a_page_from_before_one_went_back_is_no_gap() -> None:
    s = in_tea(msg(1))
    told(s, msg(2), msg(3), msg(6))
    s.outgoing()
    s.rewind("#tea", 0)
    updates = told(s, HistoryPage(id=3, room="#tea", messages=[msg(4), msg(5)]))
    assert updates == []
    assert wrote(s) == [{"op": "history", "id": 4, "room": "#tea", "after": 0, "limit": 500}]


def test_a_room_asked_for_twice_at_once_is_told_once() -> None:
    s = session("#tea")
    s.connected()
    told(s, WELCOME)
    s.request(Join(room="#tea"))
    both = [Room(id=number, room="#tea", seq=2, messages=[msg(1), msg(2)]) for number in (2, 3)]
    seen = [m.seq for update in told(s, *both) if isinstance(update, Entered) for m in update.messages]
    assert seen == [1, 2]


def test_a_message_that_came_early_and_again_in_a_page_is_told_once_though_a_gap_follows() -> None:
    s = session("#tea")
    s.connected()
    told(s, WELCOME)
    early = [msg(9)]
    updates = told(
        s,
        *early,
        Room(id=2, room="#tea", seq=13, messages=[msg(8), msg(9)]),
        HistoryPage(id=3, room="#tea", messages=[]),
    )
    assert [u for u in updates if isinstance(u, Lost | Message)] == [Lost("#tea", 10, 13)]


def test_a_message_of_another_log_is_not_ours_for_its_number() -> None:
    s = in_tea()
    s.say("#tea", "hi")
    told(s, Ok(id=3, room="#tea", seq=5, time=0))
    reconnect(s, 4, epoch="e2")
    told(s, Room(id=5, room="#tea", seq=4, messages=[msg(4)], reset=True))
    assert told(s, msg(5)) == [Message(msg(5))]


@pytest.mark.parametrize("seen", [1, 9])  # seqs of the log before
def test_what_another_log_acknowledges_before_it_is_entered_is_ours(seen: int) -> None:
    s = in_tea(msg(seen))
    s.say("#tea", "hi")
    reconnect(s, 4, epoch="e2")
    ours = msg(5, "hi", nick="ann")
    room = Room(id=5, room="#tea", seq=4, messages=[msg(4)], reset=True)
    updates = told(s, room, Ok(id=6, room="#tea", seq=5, time=1), ours)
    assert updates == [Sent("c1", "#tea", 5, 1), Entered("#tea", [msg(4)], reset=True), Message(ours, "c1")]
