"""The plain client's mind: what a typed line asks for, and what is printed about what happens."""

from datetime import UTC
from itertools import count

import pytest
from msgspec.structs import replace

from client import session as s
from client.linear import Linear
from protocol import native
from protocol.native import Error, Joined, Left, Msg, Person, Renamed

NOON = 1_700_000_000_000  # 22:13 UTC
WELCOME = native.Welcome(
    id=1,
    nick="ann",
    server="moot",
    version="1",
    epoch="e1",
    motd="Tea at four.",
    fun=[native.FunCommand("cowsay", "/cowsay TEXT", "A cow says it.")],
)


def msg(text: str, room: str = "#tea", nick: str = "bob", to: str | None = None, kind: native.Kind = "text") -> Msg:
    return Msg(room=room, seq=1, time=NOON, nick=nick, text=text, to=to, kind=kind)


def online(*, echo: bool = False) -> Linear:
    """Return the mind of ann, in #tea with bob."""
    numbers = count(1)
    session = s.Session("ann", ["#tea"], new_id=lambda: f"c{next(numbers)}")
    mind = Linear(session, echo=echo, zone=UTC)
    session.connected()
    people = [Person("ann"), Person("bob")]
    room = native.Room(id=2, room="#tea", seq=1, topic="Oolong", people=people, count=2, messages=[msg("old")])
    session.feed(native.encode(WELCOME) + native.encode(room))
    for update in session.updates():
        mind.show(update)
    session.outgoing()
    return mind


def test_coming_in_says_who_and_where_one_is() -> None:
    mind = online()
    fresh = Linear(mind.session, echo=False, zone=UTC)
    assert fresh.show(s.Online(WELCOME)) == ["You are ann on moot. /help lists the commands.", "Tea at four."]
    assert fresh.show(s.Entered("#tea", [msg("old")])) == [
        "You are in #tea: Oolong. 2 people: ann, bob",
        "22:13 bob: old",
    ]
    assert fresh.prompt == "#tea> "


def test_a_line_is_said_in_the_room() -> None:
    mind = online()
    assert mind.typed("hi there") == []
    assert list(mind.session.outbox.values()) == [native.Send(cmid="c1", to="#tea", text="hi there")]


def test_our_own_words_are_not_printed_under_the_line_as_typed_but_pictures_are() -> None:
    mind = online()
    assert mind.show(s.Message(msg("hi", nick="ann"), "c1")) == []
    assert mind.show(s.Message(msg(" (oo)", nick="ann", kind="fun"), "c2")) == ["22:13 ann:", "     (oo)"]
    assert online(echo=True).show(s.Message(msg("hi", nick="ann"), "c1")) == ["22:13 ann: hi"]


def test_our_own_words_that_come_before_their_acknowledgement_are_not_printed_again() -> None:
    mind = online()
    mind.typed("hi there")
    assert mind.show(s.Message(msg("hi there", nick="ann"))) == []
    assert mind.show(s.Message(msg("hi there", nick="bob"))) == ["22:13 bob: hi there"]


def test_another_room_is_named_and_a_direct_message_can_be_answered() -> None:
    mind = online()
    assert mind.show(s.Message(msg("hi", room="#cake"))) == ["22:13 #cake bob: hi"]
    assert mind.show(s.Message(msg("psst", room="@", to="ann"))) == ["22:13 bob to you: psst"]
    mind.typed("/reply what?")
    assert list(mind.session.outbox.values()) == [native.Send(cmid="c1", to="@bob", text="what?")]


def test_a_conversation_with_one_person_is_opened_and_closed() -> None:
    mind = online()
    assert mind.typed("/msg bob") == ["You write to @bob now; /join #room goes back to a room."]
    assert mind.prompt == "@bob> "
    assert mind.typed("/leave") == ["You write to #tea now."]


def test_ignored_people_are_neither_heard_nor_seen() -> None:
    mind = online()
    assert mind.typed("/ignore Bob") == ["You no longer see what Bob says; /unignore Bob ends that."]
    assert mind.show(s.Message(msg("hi"))) == []
    assert mind.show(s.Presence(Left(room="#tea", nick="bob"))) == []
    assert mind.typed("/ignore") == ["You ignore Bob"]
    assert mind.typed("/unignore bob") == ["You see what bob says again."]
    assert mind.show(s.Message(msg("hi"))) == ["22:13 bob: hi"]


def test_unknown_commands_and_help_are_answered_here() -> None:
    mind = online()
    assert "Did you mean /join?" in mind.typed("/joim #x")[0]
    assert any(line.startswith("/nick NAME") for line in mind.typed("/help"))
    assert "/cowsay" in mind.typed("/help")[-3]
    assert mind.typed("/topic") == ["#tea: Oolong"]
    assert mind.typed("/motion off") == ["Nothing moves here."]


def test_clear_is_left_to_the_terminal() -> None:
    mind = online()
    assert mind.typed("!clear") == []
    assert mind.clear


def test_losing_the_connection_is_said_once() -> None:
    mind = online()
    assert mind.show(s.Offline("cut")) == ["Connection lost: cut. Trying again; what you type is kept."]
    assert mind.show(s.Offline("cut")) == []
    assert mind.show(s.Offline("refused")) == ["Still no connection: refused"]
    mind.session.disconnected("cut")
    assert mind.show(s.Queued("c1", "#tea", "hi", "text")) == [
        "Not connected now; it will be said when the connection is back."
    ]
    assert mind.show(s.Online(WELCOME)) == ["Connected again."]
    assert mind.show(s.Offline("You came in from elsewhere.", final=True)) == ["The end: You came in from elsewhere."]


def test_being_sent_over_to_a_renewed_worker_is_no_news_unless_it_takes_long() -> None:
    mind = online()
    assert mind.show(s.Offline("the server is being renewed", retry=0.0)) == []
    assert mind.show(s.Online(WELCOME)) == []
    assert mind.show(s.Offline("the server is being renewed", retry=0.0)) == []
    assert mind.show(s.Offline("refused")) == ["Connection lost: refused. Trying again; what you type is kept."]


def test_coming_back_prints_only_what_was_missed() -> None:
    mind = online()
    assert mind.show(s.Entered("#tea", [msg("new")])) == ["22:13 bob: new"]
    assert mind.show(s.Entered("#tea", [], reset=True)) == ["#tea: the server no longer has some messages."]


def test_a_refused_message_is_given_back() -> None:
    mind = online()
    error = Error(code="too-long", text="At most 4,000 characters.")
    assert mind.show(s.Failed("c1", "blah", error)) == ["Not said: At most 4,000 characters.", "    blah"]
    assert mind.refused == 1


def test_comings_and_goings_are_said_but_not_our_own() -> None:
    mind = online()
    assert mind.show(s.Presence(Joined(room="#tea", who=Person("cyd")))) == ["cyd joined #tea"]
    assert mind.show(s.Presence(Joined(room="#tea", who=Person("ann")))) == []
    assert mind.show(s.Presence(Renamed(room="#tea", old="cyd", nick="cid"))) == ["cyd is now cid"]
    assert mind.show(s.Presence(Renamed(room="#cake", old="cyd", nick="cid"))) == []


def test_leaving_a_room_says_where_one_writes_to_now() -> None:
    mind = online()
    mind.session.rooms.pop("#tea")
    assert mind.show(s.Exited("#tea")) == ["You are no longer in #tea; you write to nobody now."]
    assert mind.prompt == "nowhere> "


@pytest.mark.parametrize(
    ("request_", "event", "shown"),
    [
        (native.Who(), native.People(people=[Person("ann")], count=1), ["1 person: ann"]),
        (native.Rooms(), native.RoomList(rooms=[], count=0), ["0 rooms"]),
        (native.Away(text="lunch"), native.Ok(), ["You are away; /back ends that."]),
        (native.Away(), native.Ok(), ["You are back."]),
        (native.Nick(nick="ann"), native.Ok(nick="ann"), ["You are ann now."]),
        (native.Color(), native.Ok(), ["Your color is made from your nick now."]),
        (native.Ping(), native.Pong(time=NOON), ["The server's time is 2023-11-14 22:13:20 (22:13:20 UTC)"]),
        (native.History(room="#tea"), native.HistoryPage(room="#tea", messages=[msg("old")]), ["22:13 bob: old"]),
        (native.History(room="#tea"), native.HistoryPage(room="#tea", messages=[]), ["No messages."]),
        (native.Nick(nick="bob"), Error(code="nick-taken", text="bob is taken.\x1b[31m"), ["bob is taken.[31m"]),
        (native.Fun(cmid="x", to="#tea", line="/cows"), native.Shown(text="tux\nmoose"), ["tux", "moose"]),
    ],
)
def test_answers_are_printed(request_: native.Request, event: native.Event, shown: list[str]) -> None:
    assert online().show(s.Answer(9, request_, event)) == shown


def test_entering_a_room_on_request_turns_to_it() -> None:
    mind = online()
    mind.show(s.Answer(9, native.Join(room="#cake"), native.Room(room="#cake", seq=0)))
    assert mind.place == "#cake"


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("/jo", (3, ["/join "])),
        ("/cow", (4, ["/cowsay "])),
        ("b", (1, ["bob: "])),
        ("hi b", (1, ["bob "])),
        ("hi @B", (2, ["@bob "])),
        ("/join #t", (2, ["#tea "])),
        ("hi ", (0, [])),
    ],
)
def test_completion(before: str, found: tuple[int, list[str]]) -> None:
    assert online().completions(before) == found


def test_emoji_are_completed_by_name() -> None:
    length, found = online().completions("ok :thumbs_u")
    assert length == 9
    assert found[0] == ":thumbs_up: "


def test_what_the_server_says_is_made_harmless() -> None:
    assert online().show(s.Said("tea\x07 time\nnow")) == ["tea time", "now"]


def test_what_is_lost_is_said_in_its_place() -> None:
    mind = online()
    page = native.HistoryPage(room="#tea", messages=[msg("newer")], gaps=[(0, 0)])
    assert mind.show(s.Entered("#tea", [msg("newer")], gaps=[(0, 0)])) == [
        "#tea: message 0 is no longer kept",
        "22:13 bob: newer",
    ]
    assert mind.show(s.Lost("#tea", 3, 1009)) == ["#tea: messages 3 to 1,009 are no longer kept"]
    assert mind.show(s.Lost("@", 3, 4)) == ["direct messages: messages 3 to 4 are no longer kept"]
    assert mind.show(s.Answer(9, native.History(room="#tea"), page)) == [
        "#tea: message 0 is no longer kept",
        "22:13 bob: newer",
    ]


def test_a_server_that_cannot_store_is_said_once_and_its_end_too() -> None:
    mind = online()
    full = Error(code="storage", text="The server's disk is full.", wait=1.0)
    assert mind.show(s.Delayed("c1", full)) == ["Not said yet: The server's disk is full. It is tried again by itself."]
    assert mind.show(s.Delayed("c1", full)) == []
    assert mind.show(s.Sent("c1", "#tea", 2, NOON)) == ["What waited is being said now."]
    assert mind.show(s.Sent("c2", "#tea", 3, NOON)) == []
    assert mind.show(s.Delayed("c1", Error(code="flood", text="Slow down.", wait=1.0))) == []


def test_what_waits_from_last_time_is_shown_and_shown_again_when_it_is_said() -> None:
    session = s.Session("ann", ["#tea"], pending=[native.Send(cmid="c1", to="#tea", text="typed last time")])
    mind = Linear(session, echo=False, zone=UTC)
    [queued] = session.updates()
    assert mind.show(queued) == ["Still waits from last time, for #tea: typed last time"]
    assert mind.show(s.Message(msg("typed last time", nick="ann"), "c1")) == ["22:13 ann: typed last time"]


def test_another_log_is_no_news_of_the_inbox_and_misses_nothing_of_it() -> None:
    mind = online()
    assert mind.show(s.Entered("@", [], reset=True)) == []
    psst = msg("psst", room="@", to="ann")
    assert mind.show(s.Entered("@", [psst])) == ["22:13 bob to you: psst"]


def test_names_and_times_that_no_server_of_ours_gives_do_no_harm() -> None:
    mind = online()
    fun = native.FunCommand("x\x1b[31m", "/x\x1b]52;c;aGk=\x07", "Steals\x9b the screen.")
    mind.show(s.Online(replace(WELCOME, fun=[fun])))
    mind.place = "#\x1b[2J"
    said = [*mind.typed("/help"), *mind.show(s.Exited("#other")), *mind.typed("/leave")]
    assert not [c for line in said for c in line if not c.isprintable()]
    late = native.Pong(time=1 << 62)
    assert mind.show(s.Answer(9, native.Ping(), late)) == ["The server's time is ????-??-?? ??:??:?? (??:??:?? UTC)"]


def test_bytes_that_are_no_text_are_left_out_of_what_is_typed() -> None:
    mind = online()
    mind.typed("caf\udcc3\udca9 au lait")
    assert [said.text for said in mind.session.outbox.values() if isinstance(said, native.Send)] == ["caf au lait"]
