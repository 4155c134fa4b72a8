"""Views kept in step with a session's updates, without a screen."""

from typing import Any

from client import updates as u
from client.session import Session
from client.terminal.effects import Alert, GiveBack, Opened, Play, Refused
from client.terminal.entries import Fold, Note, Post
from client.terminal.tracker import Tracker
from client.terminal.views import KEPT, View
from protocol import native


def msg(seq: int, text: str = "hi", nick: str = "ann", room: str = "#lobby", **more: Any) -> native.Msg:
    return native.Msg(room=room, seq=seq, time=1000 * seq, nick=nick, text=text, **more)


def tracker(*rooms: str) -> Tracker:
    track = Tracker(Session("kim", rooms or ("#lobby", "#tea")))
    track.apply([u.Entered(room, []) for room in track.views], 0)
    return track


def texts(view: View) -> list[str]:
    return [entry.text for entry in (*view.entries, *view.pending.values())]


def test_messages_go_to_their_views_and_are_counted_where_nobody_looks() -> None:
    track = tracker()
    effects = track.apply([u.Message(msg(1)), u.Message(msg(1, "kim!", room="#tea"))], 5)
    assert texts(track.views["#lobby"]) == ["hi"]
    tea = track.views["#tea"]
    assert (track.views["#lobby"].unread, tea.unread, tea.mentions) == (0, 1, 1)
    assert effects == [Alert("#lobby", "ann", "hi", False), Alert("#tea", "ann", "kim!", True)]


def test_the_marker_stands_at_the_first_unread_and_goes_when_one_leaves() -> None:
    track = tracker()
    track.apply([u.Message(msg(1, "a", room="#tea")), u.Message(msg(2, "b", room="#tea"))], 5)
    tea = track.select("#tea")
    assert isinstance(tea.marker, Post)
    assert tea.marker.text == "a"
    assert tea.unread == 0
    track.select("#lobby")
    assert tea.marker is None


def test_what_comes_while_the_terminal_is_not_looked_at_is_unread() -> None:
    track = tracker()
    track.looking(False)
    track.apply([u.Message(msg(1))], 5)
    assert track.view.unread == 1
    track.looking(True)
    assert track.view.unread == 0
    assert track.view.marker is not None


def test_the_backlog_of_the_first_entry_is_not_unread_but_what_was_missed_is() -> None:
    track = tracker()
    track.apply([u.Entered("#tea", [msg(1, room="#tea")], more=True)], 5)
    assert track.views["#tea"].unread == 0
    track.apply([u.Entered("#tea", [msg(2, room="#tea"), msg(3, room="#tea")])], 6)
    assert track.views["#tea"].unread == 2


def test_an_own_message_is_pending_until_it_comes_back_and_is_there_once() -> None:
    track = tracker()
    track.apply([u.Queued("c1", "#lobby", "mine", "text")], 5)
    assert [post.seq for post in track.view.pending.values()] == [0]
    track.apply([u.Sent("c1", "#lobby", 7, 7000)], 6)
    assert list(track.view.pending) == ["c1"]
    track.apply([u.Message(msg(7, "mine", nick="kim"), "c1")], 7)
    assert texts(track.view) == ["mine"]
    assert not track.view.pending


def test_an_own_message_that_came_before_its_acknowledgement_is_there_once() -> None:
    track = tracker()
    track.apply([u.Queued("c1", "#lobby", "mine", "text"), u.Message(msg(7, "mine", nick="kim"))], 5)
    track.apply([u.Sent("c1", "#lobby", 7, 7000)], 6)
    assert texts(track.view) == ["mine"]
    assert not track.view.pending


def test_a_refused_message_is_given_back() -> None:
    track = tracker()
    track.apply([u.Queued("c1", "#lobby", "mine", "text")], 5)
    error = native.Error(code="flood", text="Slow down.")
    assert track.apply([u.Failed("c1", "mine", error)], 6) == [GiveBack("#lobby", "mine")]
    assert texts(track.view) == ["Slow down."]


def test_direct_messages_are_split_by_person_and_keep_their_own_order() -> None:
    track = tracker()
    track.apply(
        [
            u.Message(msg(1, "psst", room="@", to="kim")),
            u.Message(msg(2, "what?", nick="kim", room="@", to="ann")),
            u.Message(msg(3, "hello", nick="bob", room="@", to="kim")),
        ],
        5,
    )
    assert texts(track.views["@ann"]) == ["psst", "what?"]
    assert texts(track.views["@bob"]) == ["hello"]
    assert track.last_from == "bob"


def test_direct_messages_follow_a_rename() -> None:
    track = tracker()
    track.apply([u.Message(msg(1, room="@", to="kim"))], 5)
    track.select("@ann")
    track.apply([u.Presence(native.Renamed(room="#lobby", old="ann", nick="anna"))], 6)
    assert (track.current, list(track.views)) == ("@anna", ["#lobby", "#tea", "@anna"])


def test_presence_is_folded_until_somebody_speaks() -> None:
    track = tracker("#lobby")
    join = u.Presence(native.Joined(room="#lobby", who=native.Person("bob")))
    track.apply([join, u.Presence(native.Left(room="#lobby", nick="ann", reason="tea")), u.Message(msg(1)), join], 5)
    assert [type(entry) for entry in track.view.entries] == [Fold, Post, Fold]
    assert texts(track.view)[0] == "bob joined; ann left"


def test_an_older_page_goes_before_and_what_is_there_is_not_doubled() -> None:
    track = tracker("#lobby")
    track.apply([u.Entered("#lobby", [msg(5), msg(6)], reset=True, more=True)], 5)
    page = native.HistoryPage(room="#lobby", messages=[msg(3), msg(4), msg(5)], more=False)
    track.apply([u.Answer(1, native.History(room="#lobby"), page)], 6)
    assert [entry.seq for entry in track.view.entries if isinstance(entry, Post)] == [3, 4, 5, 6]
    assert not track.view.more


def test_a_reset_forgets_what_was_shown() -> None:
    track = tracker("#lobby")
    track.apply([u.Message(msg(1, "old"))], 5)
    track.apply([u.Entered("#lobby", [msg(1, "new")], reset=True)], 6)
    assert texts(track.view) == ["new"]


def test_scrolled_up_messages_are_counted_below() -> None:
    track = tracker("#lobby")
    track.view.following = False
    track.apply([u.Message(msg(1)), u.Message(msg(2))], 5)
    assert (track.view.below, track.view.unread) == (2, 2)
    track.followed()
    assert (track.view.below, track.view.unread) == (0, 0)


def test_ignored_people_are_not_counted_and_do_not_ring() -> None:
    track = tracker()
    track.ignore("Ann", True)
    assert track.apply([u.Message(msg(1, "kim!", room="#tea"))], 5) == []
    assert track.views["#tea"].unread == 0


def test_a_joined_room_is_opened_and_a_left_one_closed() -> None:
    track = tracker()
    track.session.online = True
    track.ask(native.Join(room="#new"))
    assert Opened("#new") in track.apply([u.Entered("#new", [])], 5)
    track.select("#new")
    track.apply([u.Exited("#new")], 6)
    assert track.current == "#tea"


def test_leaving_the_last_room_leaves_a_place_to_stand() -> None:
    track = tracker("#lobby")
    track.apply([u.Exited("#lobby")], 5)
    assert list(track.views) == ["*"]
    track.apply([u.Entered("#tea", [])], 6)
    assert (list(track.views), track.current) == (["#tea"], "#tea")


def test_an_animation_and_a_refusal_are_effects() -> None:
    track = tracker("#lobby")
    anim = native.Anim("train", 1, 12.0)
    effects = track.apply([u.Message(msg(1, "CHOO", kind="fun", anim=anim))], 5)
    assert effects[-1] == Play("#lobby", anim, "CHOO", "ann")
    error = native.Error(code="nick-taken", text="taken", free="kim2")
    assert track.apply([u.Offline("taken", final=True, error=error)], 6) == [Refused("taken", error)]
    assert track.problem == "taken"


def test_only_so_many_entries_are_kept_and_older_ones_can_come_back() -> None:
    track = tracker("#lobby")
    track.apply([u.Message(msg(n)) for n in range(1, KEPT + 300)], 5)
    assert KEPT <= len(track.view.entries) <= KEPT + 200
    first = track.view.entries[0]
    assert isinstance(first, Post)
    assert (track.view.oldest, track.view.more) == (first.seq, True)


def test_hostile_names_and_texts_are_clean() -> None:
    track = tracker("#lobby")
    track.apply([u.Message(msg(1, "\x1b[2Jred\u202e", nick="a\x07nn")), u.Said("\x9b31m!")], 5)
    post, note = track.view.entries
    assert isinstance(post, Post)
    assert isinstance(note, Note)
    assert (post.nick, post.text, note.text) == ("ann", "[2Jred", "31m!")


def test_answers_are_told_where_they_were_asked() -> None:
    track = tracker()
    track.session.online = True
    number = track.ask(native.Who())
    track.select("#tea")
    people = native.People(people=[native.Person("ann"), native.Person("bob", None, "lunch")], count=3)
    track.apply([u.Answer(number, native.Who(), people)], 5)
    assert texts(track.views["#lobby"]) == ["3 on the server: ann, bob (away) and 1 other"]


def test_direct_messages_under_an_earlier_nick_of_ours_stay_with_the_person() -> None:
    track = tracker()
    page = native.HistoryPage(
        room="@",
        messages=[
            msg(1, "to old", nick="bob", room="@", to="kimmy"),
            msg(2, "as old", nick="kimmy", room="@", to="bob"),
        ],
    )
    track.apply([u.Answer(1, native.History(room="@"), page)], 5)
    assert list(track.views) == ["#lobby", "#tea", "@bob"]
    assert texts(track.views["@bob"]) == ["to old", "as old"]


def test_history_that_brings_nothing_new_says_so() -> None:
    track = tracker("#lobby")
    track.apply([u.Message(msg(1))], 5)
    page = native.HistoryPage(room="#lobby", messages=[msg(1)])
    track.apply([u.Answer(1, native.History(room="#lobby", limit=1), page)], 6)
    assert texts(track.view) == ["hi", "They are all here; scroll up for older ones."]


def test_a_message_to_nobody_is_told_and_given_back_where_it_was_typed() -> None:
    track = tracker()
    track.apply([u.Queued("c1", "@bobb", "hi", "text")], 5)
    error = native.Error(code="no-such-nick", text="Nobody is called bobb.")
    assert track.apply([u.Failed("c1", "hi", error)], 6) == [GiveBack("#lobby", "/msg bobb hi")]
    assert list(track.views) == ["#lobby", "#tea"]
    assert texts(track.view) == ["@bobb: Nobody is called bobb."]


def test_what_is_lost_stands_where_it_would_have_been() -> None:
    track = tracker()
    track.apply([u.Entered("#lobby", [msg(1)]), u.Lost("#lobby", 2, 8), u.Message(msg(9))], 5)
    assert texts(track.view) == ["hi", "messages 2 to 8 are no longer kept", "hi"]
    assert (track.view.oldest, track.view.newest) == (1, 9)
    track.apply([u.Entered("#lobby", [msg(12)], gaps=[(10, 11)])], 5)
    assert texts(track.view)[3:] == ["messages 10 to 11 are no longer kept", "hi"]
    track.apply([u.Lost("@", 1, 1)], 5)
    assert texts(track.view)[5:] == ["Direct messages: message 1 is no longer kept"]


def test_scrolling_back_goes_on_behind_what_is_lost_and_ends() -> None:
    track = tracker()
    session = track.session
    session.online = True
    track.apply([u.Entered("#lobby", [msg(9)], more=True)], 5)
    assert track.ask_older(track.view)
    page = native.HistoryPage(room="#lobby", messages=[], gaps=[(4, 8)], more=True)
    track.apply([u.Answer(1, native.History(room="#lobby", before=9), page)], 5)
    assert texts(track.view) == ["messages 4 to 8 are no longer kept", "hi"]
    assert track.ask_older(track.view)
    page = native.HistoryPage(room="#lobby", messages=[], more=True)  # of a server that has nothing to say
    track.apply([u.Answer(2, native.History(room="#lobby", before=4), page)], 5)
    assert not track.ask_older(track.view)


def test_a_message_refused_for_now_says_why_until_one_is_taken() -> None:
    track = tracker()
    track.apply([u.Queued("c1", "#lobby", "hi", "text")], 5)
    track.apply([u.Delayed("c1", native.Error(code="storage", text="The disk is full.", wait=1.0))], 5)
    assert (track.delayed, list(track.view.pending)) == ("The disk is full.", ["c1"])
    track.apply([u.Sent("c1", "#lobby", 1, 5)], 5)
    assert track.delayed == ""


def test_a_message_from_last_time_that_is_older_than_what_is_shown_waits_no_more() -> None:
    track = tracker()
    track.apply([u.Queued("c1", "#tea", "hi", "text"), u.Queued("c2", "@bob", "psst", "text")], 5)
    track.apply([u.Sent("c1", "#tea", 3, 5), u.Sent("c2", "@", 1, 5)], 5)
    track.apply([u.Entered("#tea", [msg(60, room="#tea")], more=True)], 5)
    page = native.HistoryPage(room="@", messages=[msg(2, room="@", nick="bob", to="kim")])
    track.apply([u.Answer(1, native.History(room="@"), page)], 5)
    assert (track.views["#tea"].pending, track.views["@bob"].pending) == ({}, {})


def test_names_that_no_server_of_ours_gives_never_reach_the_screen() -> None:
    track = Tracker(Session("kim", []))
    evil = "#tea\x1b]52;c;aGk=\x07"
    [opened, _] = track.apply(
        [
            u.Entered("#tea", []),
            u.Answer(1, native.Join(room=evil), native.Room(room=evil, seq=0)),
            u.Message(msg(1, room=evil)),
        ],
        5,
    )
    assert isinstance(opened, Opened)
    track.select(opened.view)
    assert track.current == track.view.name == "#tea]52;c;aGk="
    track.session.nick = "k\x1b[2Jim"
    track.apply([u.Queued("c1", "#tea", "hi", "text")], 5)
    assert track.views["#tea"].pending["c1"].nick == "k[2Jim"


def test_a_room_that_the_server_spells_otherwise_stays_the_view_it_was() -> None:
    session = Session("kim", ["#Tea", "#b"])
    track = Tracker(session)
    cmid = session.say("#Tea", "early")
    session.connected()
    welcome = native.Welcome(id=1, nick="kim", server="m", version="1", epoch="e")
    session.feed(
        native.encode(welcome) + native.encode(native.Room(id=2, room="#tea", seq=1, messages=[msg(1, room="#tea")]))
    )
    track.apply(session.updates(), 5)
    assert (list(track.views), track.current) == (["#tea", "#b"], "#tea")
    assert texts(track.view) == ["hi", "early"]
    assert list(track.view.pending) == [cmid]
