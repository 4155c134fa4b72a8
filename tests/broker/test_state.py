"""What each request does, and when it is refused."""

import msgspec
import pytest

from protocol import native
from protocol.ipc import Announced, Answered, Art, Attach, Closed, Entered, Parted, Posted, Seat
from protocol.settings import DEFAULTS, Settings
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, token


def settings(**changes: object) -> Settings:
    return msgspec.structs.replace(DEFAULTS, **changes)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def texts(messages: list[native.Msg]) -> list[str]:
    return [msg.text for msg in messages]


# --- hello


def test_welcome_tells_what_a_client_must_know(desk: Desk) -> None:
    welcome = desk.enter(ANN, "Ann")
    assert welcome == native.Welcome(
        nick="Ann", server="moot", version=welcome.version, epoch=desk.log.epoch, max_text=4000
    )
    assert desk.notes == ["Ann introduced"]


def test_without_hello_nothing_is_done(desk: Desk) -> None:
    assert desk.refused(ANN, native.Ping(id=7)) == "not-introduced"
    assert desk.refused(ANN, native.Send(cmid="c", to="#tea", text="hi")) == "not-introduced"


def test_a_second_hello_is_refused(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, native.Hello(nick="other", token=token("x"))) == "bad-request"
    assert desk.ask(ANN, native.Who(), native.People).people == [native.Person("ann")]


def test_another_version_is_refused(desk: Desk) -> None:
    assert desk.refused(ANN, native.Hello(nick="ann", v=2, token=token("ann"))) == "unsupported-version"


@pytest.mark.parametrize("nick", ["", " ", "a b", "-ann", "a;b", "x" * 33, "\n", "\u202eann"])
def test_a_bad_nick_is_refused(desk: Desk, nick: str) -> None:
    assert desk.refused(ANN, native.Hello(nick=nick, token=token("ann"))) == "bad-nick"


@pytest.mark.parametrize(("first", "second", "free"), [("ann", "ANN", "ANN2"), ("paypal", "раураl", None)])
def test_a_nick_that_is_taken_or_looks_so_is_refused(desk: Desk, first: str, second: str, free: str | None) -> None:
    desk.enter(ANN, first)
    error = desk.ask(BOB, native.Hello(nick=second, token=token("bob")), native.Error)
    assert error.code == "nick-taken"
    assert error.free is not None
    assert free in (None, error.free)
    assert desk.ask(BOB, native.Hello(nick=error.free, token=token("bob")), native.Welcome).nick == error.free


def test_a_nick_is_free_again_when_its_holder_went(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.gone(ANN)
    assert desk.enter(BOB, "Ann").nick == "Ann"


def test_people_of_one_address_are_limited_but_not_on_loopback() -> None:
    desk = Desk(settings(max_per_address=1))
    desk.post(ANN, native.Hello(nick="ann", token=token("ann")), addr="192.0.2.1")
    desk.post(BOB, native.Hello(nick="bob", token=token("bob")), addr="192.0.2.1")
    desk.post(EVE, native.Hello(nick="eve", token=token("eve")), addr="127.0.0.1")
    desk.post(conn(2, 2), native.Hello(nick="joe", token=token("joe")), addr="127.0.0.1")
    desk.commit()
    answers = [event.event for worker in (1, 2) for event in desk.told[worker] if isinstance(event, Answered)]
    assert [getattr(answer, "code", "welcome") for answer in answers] == ["welcome", "too-many", "welcome", "welcome"]
    desk.gone(ANN)
    desk.post(BOB, native.Hello(nick="bob", token=token("bob")), addr="192.0.2.1")
    desk.commit()
    assert BOB in desk.state.people.by_conn


# --- one person, two connections


def try_hello(desk: Desk, who: int, attempt: int | None) -> native.Event:
    return desk.do(who, native.Hello(nick="ann", token=token("ann"), attempt=attempt))


@pytest.mark.parametrize("late", [4, 5])
def test_a_hello_that_comes_late_or_twice_is_refused_and_disturbs_nobody(desk: Desk, late: int) -> None:
    assert isinstance(try_hello(desk, ANN, 5), native.Welcome)
    refused = try_hello(desk, EVE, late)
    assert isinstance(refused, native.Error)
    assert (refused.code, refused.attempt) == ("replaced", 5)
    assert "late" in refused.text
    assert desk.told_to(ANN) == []
    assert isinstance(desk.do(ANN, native.Ping()), native.Pong)
    assert desk.refused(EVE, native.Ping()) == "not-introduced"


@pytest.mark.parametrize(("seated", "new"), [(5, 6), (None, 1), (5, None), (None, None)])
def test_a_greater_attempt_takes_over_and_so_does_one_that_cannot_be_compared(
    desk: Desk, seated: int | None, new: int | None
) -> None:
    try_hello(desk, ANN, seated)
    assert isinstance(try_hello(desk, EVE, new), native.Welcome)
    assert isinstance(desk.do(EVE, native.Ping()), native.Pong)
    assert desk.refused(ANN, native.Ping()) == "not-introduced"


def test_a_seat_without_a_connection_is_open_to_any_attempt(desk: Desk) -> None:
    try_hello(desk, ANN, 5)
    desk.state.worker_lost(1, 30.0)
    desk.commit()
    assert isinstance(try_hello(desk, EVE, 3), native.Welcome)


def test_attempts_are_known_to_the_next_broker(desk: Desk) -> None:
    first, second = (native.Hello(nick="ann", token=token("ann"), attempt=number) for number in (5, 6))
    desk.state.attach(Attach(2, [Seat(EVE, second, ["#tea"], "192.0.2.7", "native", NOON - 9000)], {}), NOON)
    desk.state.attach(Attach(1, [Seat(ANN, first, ["#tea"], "192.0.2.7", "native", NOON)], {}), NOON)
    desk.commit()
    assert Closed(ANN) in desk.told[1]
    assert isinstance(desk.do(EVE, native.Ping()), native.Pong)
    refused = try_hello(desk, conn(1, 9), 6)
    assert isinstance(refused, native.Error)
    assert refused.code == "replaced"


def test_the_same_token_takes_the_seat_over_and_nobody_hears_of_it(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    welcome = desk.ask(EVE, native.Hello(nick="ann", token=token("ann")), native.Welcome)
    assert welcome.resumed
    assert desk.told_to(ANN) == [
        native.Error(code="replaced", text="you connected from elsewhere; this connection ends")
    ]
    assert Closed(ANN) in desk.told[1]
    assert Parted(ANN, "#tea") in desk.told[1]
    assert [event for event in desk.told[1] if isinstance(event, Announced)] == []
    room = desk.ask(EVE, native.Join(room="#tea"), native.Room)
    assert room.count == 2
    assert [event for event in desk.told.get(1, []) if isinstance(event, Announced)] == []
    assert desk.refused(ANN, native.Ping()) == "not-introduced"
    assert sorted(person.nick for person in desk.ask(EVE, native.Who(), native.People).people) == ["ann", "bob"]


def test_taking_over_under_another_nick_renames(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    assert desk.ask(EVE, native.Hello(nick="anna", token=token("ann")), native.Welcome).nick == "anna"
    assert Announced("#tea", native.Renamed(room="#tea", old="ann", nick="anna")) in desk.told[1]
    assert desk.refused(BOB, native.Whois(nick="ann")) == "no-such-nick"


def test_a_take_over_that_wants_a_taken_nick_is_refused_and_the_old_seat_stays(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    assert desk.refused(EVE, native.Hello(nick="bob", token=token("ann"))) == "nick-taken"
    assert desk.say(ANN, "#tea", "still here").seq == 1


def test_a_worker_restarted_within_the_time_is_noticed_by_nobody(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.worker_lost(2, until=100.0)
    desk.say(ANN, "#tea", "missed")
    assert 2 not in desk.told
    assert desk.state.expire(99.0) == 100.0
    again = conn(3, 1)
    assert desk.ask(again, native.Hello(nick="eve", token=token("eve")), native.Welcome).resumed
    room = desk.ask(again, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    assert texts(room.messages) == ["missed"]
    assert desk.told.get(1, []) == []
    assert desk.state.expire(101.0) is None
    assert desk.ask(ANN, native.Who(), native.People).count == 2


def test_who_does_not_come_back_in_time_leaves(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.state.worker_lost(2, until=100.0)
    assert desk.state.expire(100.0) is None
    desk.commit()
    left = native.Left(room="#tea", nick="eve", reason="connection lost", quit=True)
    assert desk.told == {1: [Announced("#tea", left)]}
    assert desk.notes[-1] == "eve left connection lost; did not come back"
    assert desk.enter(BOB, "eve").resumed is False


def test_when_all_of_a_room_linger_and_expire_the_room_goes(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.state.worker_lost(1, until=5.0)
    desk.state.expire(5.0)
    assert desk.state.rooms.by_name == {}
    people = desk.state.people
    kept = (people.by_conn, people.by_key, people.by_uid, people.skeletons, people.per_address, people.lingering)
    assert [len(table) for table in kept] == [0, 0, 0, 0, 0, 0]


def test_quit_says_bye_and_tells_the_rooms(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    bye = desk.ask(ANN, native.Quit(id=3, reason="tea time"), native.Bye)
    assert bye == native.Bye(id=3, reason="tea time")
    assert desk.told[1][-1] == Closed(ANN)
    left = native.Left(room="#tea", nick="ann", reason="tea time", quit=True)
    assert desk.told[2] == [Announced("#tea", left)]


def test_quit_before_hello_says_bye_too(desk: Desk) -> None:
    assert desk.ask(ANN, native.Quit(), native.Bye).reason == "goodbye"
    assert desk.told[1][-1] == Closed(ANN)


def test_gone_is_confirmed_even_for_a_stranger(desk: Desk) -> None:
    desk.gone(ANN)
    assert desk.told == {1: [Closed(ANN)]}


# --- rooms


def test_joining_shows_the_room_and_tells_those_inside(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.do(EVE, native.Topic(cmid="t", room="#tea", text="Earl Grey"))
    desk.enter(ANN, "ann")
    room = desk.ask(ANN, native.Join(id=1, room="#TEA"), native.Room)
    assert (room.room, room.seq, room.topic, room.count) == ("#tea", 1, "Earl Grey", 2)
    assert room.people == [native.Person("eve"), native.Person("ann")]
    assert texts(room.messages) == ["Earl Grey"]
    assert desk.told[2] == [Announced("#tea", native.Joined(room="#tea", who=native.Person("ann")))]
    assert Entered(ANN, "#tea", 1) in desk.told[1]


def test_joining_twice_answers_and_announces_once(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.enter(ANN, "ann", "#tea")
    assert desk.ask(ANN, native.Join(room="#tea"), native.Room).count == 2
    assert 2 not in desk.told


@pytest.mark.parametrize("room", ["tea", "", "#", "# tea", "#" + "x" * 65, "@ann"])
def test_a_bad_room_is_refused(desk: Desk, room: str) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, native.Join(room=room)) == "bad-room"


def test_rooms_are_limited_for_one_and_for_all() -> None:
    desk = Desk(settings(max_rooms_each=2, max_rooms=3))
    desk.enter(ANN, "ann", "#a", "#b")
    assert desk.refused(ANN, native.Join(room="#c")) == "too-many-rooms"
    desk.enter(BOB, "bob", "#c")
    assert desk.refused(BOB, native.Join(room="#d")) == "too-many-rooms"
    assert desk.ask(BOB, native.Join(room="#a"), native.Room).count == 2


def test_leaving_tells_the_rest_and_ends_membership(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.enter(ANN, "ann", "#tea")
    assert desk.ask(ANN, native.Leave(room="#tea", reason="bye"), native.Ok).room == "#tea"
    assert Parted(ANN, "#tea") in desk.told[1]
    assert desk.told[2] == [Announced("#tea", native.Left(room="#tea", nick="ann", reason="bye"))]
    for request in (
        native.Leave(room="#tea"),
        native.Send(cmid="c", to="#tea", text="x"),
        native.Topic(cmid="c", room="#tea", text="x"),
        native.Who(room="#tea"),
        native.History(room="#tea"),
    ):
        assert desk.refused(ANN, request) == "not-in-room"


def test_an_empty_room_is_forgotten_and_its_messages_kept(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.say(ANN, "#tea", "one")
    desk.do(ANN, native.Leave(room="#tea"))
    assert desk.state.rooms.by_name == {}
    assert texts(desk.ask(ANN, native.Join(room="#tea"), native.Room).messages) == ["one"]


def test_rooms_lists_the_fullest_first_and_empty_ones_with_messages(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#old")
    desk.enter(BOB, "bob", "#tea")
    desk.do(ANN, native.Topic(cmid="t", room="#old", text="once"))
    desk.do(ANN, native.Leave(room="#old"))
    answer = desk.ask(BOB, native.Rooms(), native.RoomList)
    assert answer.rooms == [native.RoomLine("#tea", 2), native.RoomLine("#old", 0, "once")]
    assert answer.count == 2


# --- saying


def test_a_message_is_numbered_acknowledged_and_posted_to_each_worker_once(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.enter(EVE, "eve", "#tea")
    rid = desk.post(ANN, native.Send(id="m", cmid="c1", to="#tea", text="hi", reply=9))
    desk.commit()
    msg = native.Msg(room="#tea", seq=1, time=desk.now, nick="ann", text="hi", reply=9)
    ok = native.Ok(id="m", room="#tea", seq=1, time=desk.now)
    assert desk.told[1] == [Answered(ANN, rid, ok), Posted(ANN, msg)]
    assert desk.told[2] == [Posted(ANN, msg)]


def test_seqs_are_dense_in_each_room(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#cake")
    assert [desk.say(ANN, room, "x").seq for room in ("#tea", "#tea", "#cake", "#tea")] == [1, 2, 1, 3]


def test_a_retry_gets_the_first_answer_and_is_said_once(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    first = desk.say(ANN, "#tea", "hi", "same")
    again = desk.say(ANN, "#tea", "hi", "same")
    assert again == first
    assert [event for event in desk.told[1] if isinstance(event, Posted)] == []
    assert desk.refused(ANN, native.Send(cmid="same", to="#tea", text="other")) == "cmid-reused"
    assert desk.refused(ANN, native.Send(cmid="same", to="#tea", text="hi", kind="me")) == "cmid-reused"
    assert desk.log.last("#tea") == 1


def test_a_retry_within_one_step_is_said_once_too(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    for _ in range(2):
        desk.post(ANN, native.Send(cmid="same", to="#tea", text="hi"))
    desk.commit()
    assert [event.event.seq for event in desk.told[1] if isinstance(event, Answered)] == [1, 1]  # type: ignore[union-attr]
    assert len([event for event in desk.told[1] if isinstance(event, Posted)]) == 1


def test_the_cmid_of_one_is_no_cmid_of_another(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    assert desk.say(ANN, "#tea", "mine", "same").seq == 1
    assert desk.say(BOB, "#tea", "mine too", "same").seq == 2


def test_a_retry_after_leaving_the_room_is_still_answered(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    first = desk.say(ANN, "#tea", "hi", "same")
    desk.do(ANN, native.Leave(room="#tea"))
    assert desk.say(ANN, "#tea", "hi", "same") == first


def test_a_topic_is_a_message_and_is_kept(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    assert desk.ask(ANN, native.Topic(cmid="t", room="#tea", text="Assam"), native.Ok).seq == 1
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    assert (posted.msg.kind, posted.msg.text) == ("topic", "Assam")
    assert desk.log.topic("#tea") == "Assam"


@pytest.mark.parametrize("kind", ["fun", "text", "me"])
def test_a_fun_command_is_said_as_what_it_made(desk: Desk, kind: str) -> None:
    desk.enter(ANN, "ann", "#tea")
    anim = native.Anim("train", 7, 3.0)
    rid = desk.post(ANN, native.Fun(cmid="f", to="#tea", line="/train"), Art("choo", kind, anim=anim))
    desk.commit()
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    assert (posted.msg.kind, posted.msg.text, posted.msg.cmd, posted.msg.anim) == (kind, "choo", "/train", anim)
    assert rid == desk.rid


def test_a_fun_retry_is_known_by_its_line_for_the_drawing_differs(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    roll = native.Fun(cmid="f", to="#tea", line="/roll 2d6")
    first = desk.do(ANN, roll, Art("2 + 3", "text"))
    assert desk.do(ANN, roll, Art("6 + 6", "text")) == first
    other = desk.do(ANN, native.Fun(cmid="f", to="#tea", line="/flip"), Art("heads", "text"))
    assert isinstance(other, native.Error)
    assert other.code == "cmid-reused"


def test_a_fun_command_that_nobody_rendered_fails(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    assert desk.refused(ANN, native.Fun(cmid="f", to="#tea", line="/train")) == "fun-failed"


# --- direct messages


def test_a_direct_message_lies_in_both_inboxes_with_seqs_of_their_own(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.enter(EVE, "eve")
    desk.say(ANN, "@bob", "first")
    ok = desk.say(EVE, "@Ann", "second")
    assert (ok.room, ok.seq) == ("@", 1)
    (mine,) = desk.told_to(EVE)
    (theirs,) = desk.told_to(ANN)
    assert mine == native.Msg(room="@", seq=1, time=desk.now, nick="eve", text="second", to="ann")
    assert theirs == native.Msg(room="@", seq=2, time=desk.now, nick="eve", text="second", to="ann")
    assert desk.told_to(BOB) == []
    assert texts(desk.ask(ANN, native.History(room="@"), native.HistoryPage).messages) == ["first", "second"]
    assert texts(desk.ask(BOB, native.History(room="@"), native.HistoryPage).messages) == ["first"]


def test_a_message_to_oneself_is_there_once(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    assert desk.say(ANN, "@ann", "note").seq == 1
    assert len(desk.told_to(ANN)) == 1


def test_a_direct_message_to_one_whose_worker_died_waits_in_the_inbox(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(EVE, "eve")
    desk.state.worker_lost(2, until=100.0)
    desk.say(ANN, "@eve", "psst")
    assert 2 not in desk.told
    again = conn(3, 1)
    assert desk.ask(again, native.Hello(nick="eve", token=token("eve")), native.Welcome).inbox == 1
    page = desk.ask(again, native.History(room="@", after=0), native.HistoryPage)
    assert texts(page.messages) == ["psst"]


@pytest.mark.parametrize(("to", "code"), [("@nobody", "no-such-nick"), ("@a b", "bad-nick"), ("@", "bad-nick")])
def test_a_direct_message_to_nobody_is_refused(desk: Desk, to: str, code: str) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, native.Send(cmid="c", to=to, text="x")) == code


def test_nobody_reads_the_inbox_of_another(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.say(ANN, "@ann", "secret")
    uid = desk.state.people.by_conn[ANN].uid
    assert desk.refused(BOB, native.History(room="~" + uid.hex())) == "bad-room"
    assert desk.refused(BOB, native.Join(room="~" + uid.hex())) == "bad-room"
    assert desk.ask(BOB, native.History(room="@"), native.HistoryPage).messages == []


# --- catching up


def said(desk: Desk, count: int, text: str = "m") -> None:
    desk.enter(ANN, "ann", "#tea")
    for number in range(1, count + 1):
        desk.post(ANN, native.Send(cmid=f"n{number}", to="#tea", text=f"{text}{number}"))
    desk.commit()
    desk.enter(BOB, "bob")


@pytest.mark.parametrize(
    ("after", "messages", "reset"),
    [(0, ["m1", "m2", "m3"], False), (2, ["m3"], False), (3, [], False), (4, ["m1", "m2", "m3"], True)],
)
def test_a_join_resumes_after_a_seq(desk: Desk, after: int, messages: list[str], reset: bool) -> None:
    said(desk, 3)
    room = desk.ask(BOB, native.Join(room="#tea", after=after, epoch=desk.log.epoch), native.Room)
    assert (texts(room.messages), room.reset, room.seq, room.more) == (messages, reset, 3, False)


@pytest.mark.parametrize("epoch", ["another", None])
def test_a_join_from_another_epoch_starts_anew(desk: Desk, epoch: str | None) -> None:
    said(desk, 3)
    room = desk.ask(BOB, native.Join(room="#tea", after=2, epoch=epoch), native.Room)
    assert (texts(room.messages), room.reset) == (["m1", "m2", "m3"], True)


def test_a_first_join_shows_the_newest_and_says_that_there_are_more(desk: Desk) -> None:
    said(desk, 60)
    room = desk.ask(BOB, native.Join(room="#tea"), native.Room)
    assert (len(room.messages), room.messages[0].seq, room.more, room.reset) == (50, 11, True, False)


def test_a_long_gap_is_filled_a_page_at_a_time(desk: Desk) -> None:
    said(desk, 510)
    room = desk.ask(BOB, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    seqs, more = [msg.seq for msg in room.messages], room.more
    while more:
        page = desk.ask(BOB, native.History(room="#tea", after=seqs[-1], limit=500), native.HistoryPage)
        assert 50 <= len(page.messages) <= 100 or not page.more
        seqs += [msg.seq for msg in page.messages]
        more = page.more
    assert seqs == list(range(1, 511))


def test_a_page_of_long_messages_is_short(desk: Desk) -> None:
    said(desk, 200, "x" * 3990)
    room = desk.ask(BOB, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    assert room.more
    assert [msg.seq for msg in room.messages] == list(range(1, 4))
    page = desk.ask(BOB, native.History(room="#tea", limit=200), native.HistoryPage)
    assert page.more
    assert [msg.seq for msg in page.messages] == list(range(170, 201))


@pytest.mark.parametrize(
    ("request_", "seqs", "more"),
    [
        (native.History(room="#tea"), [1, 2, 3, 4, 5], False),
        (native.History(room="#tea", limit=2), [4, 5], True),
        (native.History(room="#tea", before=4, limit=2), [2, 3], True),
        (native.History(room="#tea", before=3, limit=2), [1, 2], False),
        (native.History(room="#tea", before=1), [], False),
        (native.History(room="#tea", after=1, limit=2), [2, 3], True),
        (native.History(room="#tea", after=3, limit=2), [4, 5], False),
        (native.History(room="#tea", after=5), [], False),
        (native.History(room="#tea", after=1 << 53), [], False),
        (native.History(room="#tea", before=1 << 53, limit=1), [5], True),
        (native.History(room="#tea", since=NOON + 5000, limit=9), [3, 4, 5], False),
        (native.History(room="#tea", since=0, limit=1), [1], True),
        (native.History(room="#tea", since=1 << 53), [], False),
    ],
)
def test_history_pages(desk: Desk, request_: native.Request, seqs: list[int], more: bool) -> None:
    desk.enter(ANN, "ann", "#tea")  # two requests, a second each
    for number in range(5):
        desk.say(ANN, "#tea", str(number))
    page = desk.ask(ANN, request_, native.HistoryPage)
    assert [msg.seq for msg in page.messages] == seqs
    assert page.more is more


# --- oneself and others


def test_a_new_nick_is_told_to_the_rooms_and_the_old_one_is_free(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    assert desk.ask(ANN, native.Nick(nick="anna"), native.Ok).nick == "anna"
    assert desk.told[2] == [Announced("#tea", native.Renamed(room="#tea", old="ann", nick="anna"))]
    assert desk.ask(ANN, native.Nick(nick="ANNA"), native.Ok).nick == "ANNA"
    assert desk.ask(EVE, native.Nick(nick="ann"), native.Ok).nick == "ann"
    assert desk.refused(EVE, native.Nick(nick="anna")) == "nick-taken"
    assert desk.refused(EVE, native.Nick(nick="no way")) == "bad-nick"
    assert desk.ask(ANN, native.Whois(nick="ann"), native.Profile).nick == "ann"


def test_away_and_colour_are_told_to_the_rooms(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    desk.do(ANN, native.Away(text="lunch"))
    assert desk.told[2] == [Announced("#tea", native.Changed(room="#tea", who=native.Person("ann", None, "lunch")))]
    desk.do(ANN, native.Color(color="#123456"))
    desk.do(ANN, native.Away())
    assert desk.told[2] == [Announced("#tea", native.Changed(room="#tea", who=native.Person("ann", "#123456")))]


def test_whois_shows_shared_rooms_only(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#secret")
    desk.enter(EVE, "eve", "#tea", "#other")
    profile = desk.ask(EVE, native.Whois(nick="ANN"), native.Profile)
    assert (profile.nick, profile.rooms, profile.dialect, profile.idle) == ("ann", ["#tea"], "native", 6)
    assert desk.refused(EVE, native.Whois(nick="nobody")) == "no-such-nick"
    assert desk.refused(EVE, native.Whois(nick="")) == "bad-nick"


def test_who_lists_by_nick(desk: Desk) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.enter(ANN, "Ann", "#tea")
    desk.enter(EVE, "eve")
    everyone = desk.ask(ANN, native.Who(id=1), native.People)
    assert ([person.nick for person in everyone.people], everyone.count) == (["Ann", "bob", "eve"], 3)
    assert desk.ask(ANN, native.Who(room="#Tea"), native.People).count == 2


def test_pong_comes_after_everything_before_it(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.post(ANN, native.Send(cmid="c", to="#tea", text="hi"))
    desk.post(ANN, native.Ping(id="p"))
    desk.commit()
    last = desk.told[1][-1]
    assert isinstance(last, Answered)
    assert last.event == native.Pong(id="p", time=desk.now)


def test_texts_are_noted_only_when_asked_for() -> None:
    for asked, noted in ((False, []), (True, ["ann said in #tea: hush"])):
        desk = Desk(settings(log_texts=asked))
        desk.enter(ANN, "ann", "#tea")
        desk.say(ANN, "#tea", "hush")
        assert [note for note in desk.notes if "hush" in note] == noted


def test_a_take_over_moves_address_program_and_colour_too(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    again = native.Hello(nick="ann", token=token("ann"), client="newer 2.0", color="#123456")
    desk.post(EVE, again, addr="198.51.100.9")
    desk.commit()
    assert desk.ask(BOB, native.Whois(nick="ann"), native.Profile).client == "newer 2.0"
    assert desk.state.people.per_address == {"192.0.2.7": 1, "198.51.100.9": 1}
    assert desk.ask(BOB, native.Who(room="#tea"), native.People).people[0] == native.Person("ann", "#123456")


def test_rooms_that_only_have_a_history_count_too() -> None:
    desk = Desk(Settings(max_rooms=2))
    desk.enter(ANN, "ann", "#tea")
    desk.say(ANN, "#tea", "kept")
    desk.do(ANN, native.Leave(room="#tea"))
    desk.ask(ANN, native.Join(room="#coffee"), native.Room)
    assert desk.refused(ANN, native.Join(room="#cocoa")) == "too-many-rooms"
    desk.ask(ANN, native.Join(room="#tea"), native.Room)


def test_the_list_of_rooms_shows_the_beginning_of_a_long_topic(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.do(ANN, native.Topic(cmid="t", room="#tea", text="long " * 80))
    (line,) = desk.ask(ANN, native.Rooms(), native.RoomList).rooms
    assert len(line.topic) == 100
    assert line.topic.endswith("…")
