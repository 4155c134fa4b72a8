"""Messages and events as lines of plain text."""

from datetime import UTC

import pytest

from client.lines import clock, message, people, presence, profile, room_list, span
from protocol import native
from protocol.native import Msg, Person

NOON = 1_700_000_000_000  # 2023-11-14 22:13:20 UTC


def msg(text: str, kind: native.Kind = "text", to: str | None = None, cmd: str | None = None) -> Msg:
    return Msg(room="@" if to else "#tea", seq=1, time=NOON, nick="bob", text=text, kind=kind, to=to, cmd=cmd)


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (msg("hi"), ["22:13 bob: hi"]),
        (msg("waves", "me"), ["22:13 * bob waves"]),
        (msg("Oolong", "topic"), ["22:13 bob set the topic: Oolong"]),
        (msg("", "topic"), ["22:13 bob removed the topic"]),
        (msg("one\ntwo"), ["22:13 bob:", "    one", "    two"]),
        (msg(" ^__^\n (oo)", "fun", cmd="/cowsay hi"), ["22:13 bob: /cowsay hi", "     ^__^", "     (oo)"]),
        (msg("psst", to="ann"), ["22:13 bob to you: psst"]),
        (msg("psst", to="cyd"), ["22:13 bob to cyd: psst"]),
        (msg("\x1b[2Jboo\x07"), ["22:13 bob: [2Jboo"]),
    ],
)
def test_a_message_names_its_sender_first(said: Msg, lines: list[str]) -> None:
    assert message(said, me="ann", stamp=clock(NOON, UTC)) == lines


def test_our_own_direct_message_names_the_receiver() -> None:
    assert message(msg("psst", to="ann"), me="bob") == ["you to ann: psst"]


def test_another_rooms_message_names_the_room() -> None:
    assert message(msg("hi"), place="#tea") == ["#tea bob: hi"]


def test_a_time_may_have_its_date_and_be_nonsense() -> None:
    assert clock(NOON, UTC, date=True) == "2023-11-14 22:13:20"
    assert clock(10**30, UTC) == "??:??"


def test_comings_and_goings() -> None:
    assert presence(native.Joined(room="#tea", who=Person("bob"))) == ["bob joined #tea"]
    assert presence(native.Left(room="#tea", nick="bob", reason="tired")) == ["bob left #tea: tired"]
    assert presence(native.Left(room="#tea", nick="bob", quit=True)) == ["bob left the chat"]
    assert presence(native.Renamed(room="#tea", old="bob", nick="rob")) == ["bob is now rob"]
    assert presence(native.Changed(room="#tea", who=Person("bob"))) == []


def test_people_rooms_and_profiles() -> None:
    crowd = [Person("ann"), Person("bob", away="lunch"), Person("cyd", away="away")]
    assert people(crowd, 5) == "5 people: ann, bob (away: lunch), cyd (away) and 2 more"
    assert people([Person("ann")], 1) == "1 person: ann"
    rooms = native.RoomList(rooms=[native.RoomLine("#tea", 2, "Oolong"), native.RoomLine("#cake", 1)], count=2)
    assert room_list(rooms) == ["2 rooms", "    #tea (2): Oolong", "    #cake (1)"]
    person = native.Profile(
        nick="bob", rooms=["#tea"], since=NOON, idle=130, client="moot 1", dialect="native", away="x"
    )
    assert profile(person, UTC) == [
        "bob: here since 2023-11-14 22:13:20, silent for 2 min",
        "    away: x",
        "    in #tea",
        "    uses moot 1 over native",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7500, "2 h 5 min")])
def test_spans(seconds: int, text: str) -> None:
    assert span(seconds) == text
