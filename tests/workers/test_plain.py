from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import native
from protocol.settings import Settings
from workers.dialects import Dialect
from workers.dialects.asking import MAX_HELD
from workers.dialects.plain import Plain
from workers.dialects.prose import encode

NOON = 1_700_049_600_000  # 2023-11-15 12:00 UTC
HOUR_S = 3600
WELCOME = native.Welcome(
    id=1, nick="ann", server="moot", version="0.1.0", epoch="e", fun=[native.FunCommand("train", "/train", "A train.")]
)
LOBBY = native.Room(id=2, room="#lobby", seq=0, people=[native.Person("ann")], count=1)
RULES = (
    b"A nick has 1 to 32 letters and digits, and - _ [ ] { } | ^ ` between them, but no spaces and no - at the front.\n"
)
ASK = b"What is your nick? (Just Enter makes you a guest)\n"


def new(settings: Settings | None = None) -> Plain:
    return Plain(settings or Settings(), HOUR_S, lambda: "c1")


def inside() -> Plain:
    """Ann, in the lobby. What she asks next has id 3."""
    plain = new()
    plain.feed(b"ann\n")
    plain.receive(WELCOME)
    plain.follow_up()
    plain.receive(LOBBY)
    return plain


def in_tea() -> Plain:
    plain = inside()
    plain.feed(b"/join #tea\n")
    plain.receive(native.Room(id=3, room="#tea", seq=0, people=[native.Person("ann")], count=1))
    return plain


def msg(text: str, nick: str = "bob", room: str = "#lobby", kind: native.Kind = "text", **more: str) -> native.Msg:
    return native.Msg(room=room, seq=1, time=NOON, nick=nick, text=text, kind=kind, **more)  # type: ignore[arg-type]


def say(text: str, to: str = "#lobby") -> native.Send:
    return native.Send(cmid="c1", to=to, text=text)


def printed(items: Iterable[native.Request | bytes]) -> str:
    return b"".join(item for item in items if isinstance(item, bytes)).decode()


def test_it_is_a_dialect() -> None:
    dialect: Dialect = new()
    assert (dialect.name, dialect.variant, dialect.echoes, dialect.picky) == ("plain", "plain", False, False)


# --- coming in


def test_a_silent_person_is_asked_for_a_nick() -> None:
    assert new().greet() == b"Welcome to moot, a chat.\n" + ASK


def test_the_first_line_is_the_nick_and_the_lobby_is_entered() -> None:
    plain = new()
    assert plain.feed(b"ann\n") == [native.Hello(id=1, nick="ann")]
    assert plain.receive(WELCOME) == b"* Hello ann, this is moot (moot 0.1.0). /help lists the commands.\n"
    assert plain.follow_up() == [native.Join(id=2, room="#lobby")]
    assert plain.follow_up() == ()
    people = [native.Person("ann"), native.Person("bob", away="lunch")]
    earlier = [msg("hi"), msg("a\nb")]
    answer = native.Room(id=2, room="#lobby", seq=2, topic="Tea", people=people, count=2, messages=earlier)
    assert plain.receive(answer).decode() == (
        "--- 2023-11-15\n13:00 bob: hi\n13:00 bob: a\n    b\n"
        "* You are in #lobby, 2 people: ann, bob (away)\n* The topic is: Tea\n"
    )
    assert plain.feed(b"hello\n") == [say("hello")]


def test_a_whole_conversation_may_come_in_one_piece() -> None:
    plain = new()
    assert plain.feed(b"ann\nhello\n/quit\n") == [native.Hello(id=1, nick="ann")]
    assert plain.end() == []
    plain.receive(WELCOME)
    assert plain.follow_up() == [native.Join(id=2, room="#lobby")]
    plain.receive(LOBBY)
    assert plain.follow_up() == [say("hello"), native.Quit()]
    assert plain.receive(native.Bye(reason="")) == b"* Goodbye.\n"


def test_the_end_of_the_input_is_a_quit_after_the_last_line() -> None:
    plain = new()
    plain.feed(b"ann\nhello\nlast")
    assert plain.end() == []
    plain.receive(WELCOME)
    plain.follow_up()
    plain.receive(LOBBY)
    assert plain.follow_up() == [say("hello"), say("last"), native.Quit()]
    assert inside().end() == [native.Quit()]
    assert new().end() == []


def test_a_nick_that_cannot_be_is_explained_and_asked_for_again() -> None:
    plain = new()
    assert printed(plain.feed(b"two words\n")) == f"! “two words” cannot be a nick. {RULES.decode()}{ASK.decode()}"
    assert plain.feed(b"ann\n") == [native.Hello(id=1, nick="ann")]


def test_a_taken_nick_is_said_so_with_a_free_one_and_asked_for_again() -> None:
    plain = new()
    plain.feed(b"bob\n")
    taken = native.Error(id=1, code="nick-taken", text="bob is taken; bob2 is free", free="bob2")
    assert plain.receive(taken) == b"! bob is taken; bob2 is free\n" + ASK
    assert plain.follow_up() == ()
    assert plain.feed(b"bob2\n") == [native.Hello(id=2, nick="bob2")]


def test_an_empty_line_makes_a_guest_with_whatever_nick_is_free() -> None:
    plain = new()
    assert plain.feed(b"\r\n") == [native.Hello(id=1, nick="guest")]
    taken = native.Error(id=1, code="nick-taken", text="guest is taken; guest2 is free", free="guest2")
    assert plain.receive(taken) == b""
    assert plain.follow_up() == [native.Hello(id=2, nick="guest2")]


def test_a_pipe_with_a_taken_nick_takes_the_free_one_for_its_next_line_is_no_nick() -> None:
    plain = new()
    plain.feed(b"bob\nhello\n")
    plain.receive(native.Error(id=1, code="nick-taken", text="bob is taken; bob2 is free", free="bob2"))
    assert plain.follow_up() == [native.Hello(id=2, nick="bob2")]


def test_somebody_turned_away_at_the_end_of_their_input_leaves() -> None:
    plain = new()
    plain.feed(b"ann\nhello\n")
    assert plain.receive(native.Error(id=1, code="too-many", text="too many from your address")) == (
        b"! too many from your address\n"
    )
    assert plain.follow_up() == [native.Quit()]
    assert plain.receive(native.Error(code="not-introduced", text="say hello first")) == b""


def test_too_much_before_the_welcome_is_refused_once_and_said_so() -> None:
    plain = new()
    found = plain.feed(b"ann\n" + (b"x" * 1023 + b"\n") * 40)
    text = "! too much at once: of what you send before you are introduced, 16 KiB are kept\n"
    assert printed(found) == text
    plain.receive(WELCOME)
    plain.follow_up()
    plain.receive(LOBBY)
    assert len(plain.follow_up()) == -(-MAX_HELD // 1023)


def test_quit_before_a_nick_is_a_goodbye() -> None:
    assert new().feed(b"/quit\nignored\n") == [b"* Goodbye.\n", native.Quit()]


def test_a_lobby_that_cannot_be_entered_leaves_one_outside_with_a_hint() -> None:
    plain = new()
    plain.feed(b"ann\n")
    plain.receive(WELCOME)
    plain.follow_up()
    assert plain.receive(native.Error(id=2, code="banned", text="you may not")) == b"! you may not\n"
    assert printed(plain.feed(b"hi\n")).startswith("! You are in no room. Enter one with /join #lobby")


# --- talking


def test_a_line_is_text_whatever_bytes_it_has() -> None:
    plain = inside()
    assert plain.feed(b"caf\xc3\xa9 \xc3\x28 \x1b[31m \x00x\xff\xfb\x01\r\n") == [say("café \ufffd( [31m x")]
    assert plain.feed(b"  (oo)\n") == [say("  (oo)")]
    assert plain.feed(b"\n  \n\t\n") == []


def test_a_long_line_is_refused_and_the_next_one_is_said() -> None:
    plain = new(Settings(max_line=512))
    plain.feed(b"ann\n")
    plain.receive(WELCOME)
    plain.follow_up()
    plain.receive(LOBBY)
    assert plain.feed(b"x" * 513 + b"\nok\n") == [
        b"! a line may have 512 bytes; yours was longer and was skipped\n",
        say("ok"),
    ]


def test_commands_are_those_of_the_table() -> None:
    plain = inside()
    assert plain.feed(b"/me waves\n//x\n/train/\n/msg bob hi\n") == [
        native.Send(cmid="c1", to="#lobby", text="waves", kind="me"),
        say("/x"),
        native.Fun(cmid="c1", to="#lobby", line="/train/"),
        say("hi", "@bob"),
    ]
    assert printed(plain.feed(b"/halp\n")).startswith("! There is no command /halp. Did you mean /help?")
    assert "For fun: /train\n" in printed(plain.feed(b"/help\n"))
    assert printed(plain.feed(b"/help quit\n")) == "/quit [REASON]\nLeave the chat.\nAlso: /exit, /q\n"
    assert "Ctrl+L" in printed(plain.feed(b"!clear\n"))
    assert printed(plain.feed(b"/motion off\n")) == "/motion is for the terminal client: moot join\n"


def test_quit_ends_what_is_read() -> None:
    plain = inside()
    assert plain.feed(b"/quit bye\nhello\n") == [native.Quit(reason="bye")]
    assert plain.end() == []


def test_lines_go_to_the_room_joined_last_even_before_it_answers() -> None:
    plain = inside()
    assert plain.feed(b"/join tea\nhi\n") == [native.Join(id=3, room="#tea"), say("hi", "#tea")]
    answer = native.Room(id=3, room="#tea", seq=0, people=[native.Person("ann")], count=1)
    assert plain.receive(answer).decode() == "* You are in #tea, 1 person: ann\n* What you type is said in #tea.\n"
    assert plain.feed(b"/leave\n") == [native.Leave(id=4, room="#tea")]
    left = plain.receive(native.Ok(id=4, room="#tea"))
    assert left == b"* You left #tea. What you type is said in #lobby.\n"
    assert plain.feed(b"hi\n") == [say("hi")]


def test_a_room_that_cannot_be_entered_changes_nothing() -> None:
    plain = inside()
    plain.feed(b"/join tea\n")
    assert plain.receive(native.Error(id=3, code="too-many-rooms", text="leave one first")) == b"! leave one first\n"
    assert plain.feed(b"hi\n") == [say("hi")]


def test_direct_messages_name_both_ends_and_can_be_answered() -> None:
    plain = inside()
    assert plain.receive(msg("psst", room="@", to="ann")) == b"13:00 bob (to you): psst\n"
    assert plain.feed(b"/reply yes\n") == [say("yes", "@bob")]
    assert plain.receive(msg("moo", nick="ann", room="@", kind="fun", to="bob")) == b"13:00 ann (to bob): moo\n"
    assert plain.feed(b"/r again\n") == [say("again", "@bob")]


def test_one_can_turn_to_a_person_and_back() -> None:
    plain = inside()
    assert printed(plain.feed(b"/query bob\n")) == "What you type goes to bob alone; /leave goes back to the room.\n"
    assert plain.feed(b"hi\n") == [say("hi", "@bob")]
    assert printed(plain.feed(b"/leave\n")) == "What you type is said in #lobby.\n"


def test_ignored_people_are_not_seen() -> None:
    assert not inside().picky
    plain = inside()
    text = "You no longer see what Bob says; /unignore Bob shows it again.\n"
    assert printed(plain.feed(b"/ignore Bob\n")) == text
    assert plain.picky
    assert not plain.wants(msg("spam"))
    assert plain.wants(msg("hi", nick="cyd"))
    assert plain.receive(msg("psst", room="@", to="ann")) == b""
    assert printed(plain.feed(b"/ignore\n")) == "You ignore Bob.\n"
    assert printed(plain.feed(b"/unignore BOB\n/unignore bob\n/ignore\n")) == (
        "You see what BOB says.\nYou did not ignore bob.\nYou ignore nobody.\n"
    )
    assert plain.wants(msg("hi"))


# --- answers


@pytest.mark.parametrize(
    ("line", "answer", "text"),
    [
        ("/nick eve", native.Ok(id=3, nick="eve"), ""),  # the room's Renamed says it
        ("/away lunch", native.Ok(id=3), "* You are away; /back ends it.\n"),
        ("/back", native.Ok(id=3), "* You are back.\n"),
        ("/color teal", native.Ok(id=3), "* Your color is #008080.\n"),
        ("/color off", native.Ok(id=3), "* Your color is made from your nick.\n"),
        ("/nick bob", native.Error(id=3, code="nick-taken", text="bob is taken"), "! bob is taken\n"),
        (
            "/online",
            native.People(id=3, people=[native.Person("ann"), native.Person("bob", away="x")], count=1200),
            "1,200 people here: ann, bob (away) and 1198 more\n",
        ),
        (
            "/who #lobby",
            native.People(id=3, people=[native.Person("ann")], count=1, room="#lobby"),
            "1 person in #lobby: ann\n",
        ),
        (
            "/whois bob",
            native.Profile(id=3, nick="bob", rooms=["#lobby"], since=NOON, idle=61, dialect="irc", away="tea\x1b"),
            "bob is here since 2023-11-15 13:00, silent for 1 minute\nbob is away: tea\nYou both are in #lobby\n"
            "Client: irc\n",
        ),
        (
            "/rooms",
            native.RoomList(id=3, rooms=[native.RoomLine("#tea", 2, "Tea!"), native.RoomLine("#x", 1)], count=3),
            "#tea  2 people  Tea!\n#x    1 person\nand 1 more\n",
        ),
        (
            "/topic",
            native.RoomList(id=3, rooms=[native.RoomLine("#lobby", 2, "Tea")], count=1),
            "The topic of #lobby is: Tea\n",
        ),
        ("/topic", native.RoomList(id=3, rooms=[], count=0), "#lobby has no topic.\n"),
        ("/history", native.HistoryPage(id=3, room="#lobby", messages=[]), "Nothing has been said there yet.\n"),
        (
            "/history 1",
            native.HistoryPage(id=3, room="#lobby", messages=[msg("hi")]),
            "--- 2023-11-15\n13:00 bob: hi\n",
        ),
        ("/time", native.Pong(id=3, time=NOON), "The server's time is 2023-11-15 13:00:00\n"),
        ("/train", native.Shown(text="a\n  b"), "a\n  b\n"),
        ("hi", native.Ok(room="#lobby", seq=1, time=NOON), ""),
        ("hi", native.Error(code="flood", text="too fast", wait=2.0), "! too fast\n"),
    ],
)  # fmt: skip
def test_an_answer_is_a_sentence(line: str, answer: native.Event, text: str) -> None:
    plain = inside()
    plain.feed(line.encode() + b"\n")
    assert plain.receive(answer).decode() == text


def test_messages_that_are_lost_are_named_where_they_were() -> None:
    plain = inside()
    plain.feed(b"/join #tea\n")
    found = [msgspec.structs.replace(msg(str(seq), room="#tea"), seq=seq) for seq in (5, 8)]
    gaps = [(9, 9), (1, 4), (6, 7)]
    tea = native.Room(id=3, room="#tea", seq=9, people=[native.Person("ann")], count=1, messages=found, gaps=gaps)
    lines = plain.receive(tea).decode().splitlines()
    assert lines[:5] == [
        "--- 2023-11-15",
        "13:00 #tea bob: 5",
        "* messages 6 to 7 of #tea are no longer kept",
        "13:00 #tea bob: 8",
        "* message 9 of #tea is no longer kept",
    ]
    plain.feed(b"/history\n")
    page = native.HistoryPage(id=4, room="#tea", messages=found, gaps=gaps)
    assert plain.receive(page).decode().splitlines()[0] == "* messages 1 to 4 of #tea are no longer kept"


def test_a_new_nick_is_known_from_then_on() -> None:
    plain = inside()
    plain.feed(b"/nick eve\n")
    plain.receive(native.Ok(id=3, nick="eve"))
    assert plain.receive(msg("psst", room="@", to="eve")) == b"13:00 bob (to you): psst\n"


def test_the_server_speaks_too() -> None:
    plain = inside()
    assert plain.receive(native.Notice(text="back soon\x07")) == b"* back soon\n"
    assert plain.receive(native.Bye(reason="goodbye")) == b"* Goodbye.\n"
    assert plain.receive(native.Bye(reason="restarting", retry=2.0)) == (
        b"* Goodbye: restarting. Come back in 2 seconds.\n"
    )


# --- what a room hears


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (msg("hi"), "13:00 bob: hi\n"),
        (msg("hi", room="#tea"), "13:00 #tea bob: hi\n"),
        (msg("waves", kind="me"), "13:00 * bob waves\n"),
        (msg("two\n13:00 ann: lines"), "13:00 bob: two\n    13:00 ann: lines\n"),
        (msg(" ___\n< hi >", kind="fun"), "13:00 bob:\n     ___\n    < hi >\n"),
        (msg("Tea", kind="topic"), "13:00 * bob set the topic: Tea\n"),
        (msg("", kind="topic"), "13:00 * bob removed the topic\n"),
        (msg("a\x1b[2J\u202e\tb\x9b"), "13:00 bob: a[2J b\n"),
        (msg("👩🏽\u200d💻 é"), "13:00 bob: 👩🏽\u200d💻 é\n"),
        (native.Joined(room="#tea", who=native.Person("bob")), "* bob joined #tea\n"),
        (native.Left(room="#tea", nick="bob"), "* bob left #tea\n"),
        (native.Left(room="#tea", nick="bob", reason="bye\nnow", quit=True), "* bob left the chat (bye now)\n"),
        (native.Renamed(room="#tea", old="bob", nick="rob"), "* bob is now rob\n"),
        (native.Changed(room="#tea", who=native.Person("bob", away="lunch")), "* bob is away: lunch\n"),
        (native.Changed(room="#tea", who=native.Person("bob", color="#00FF00")), ""),
        (native.Pong(time=1), ""),
    ],
)
def test_all_plain_members_of_a_room_get_the_same_bytes(event: native.Event, text: str) -> None:
    assert encode(event, HOUR_S).decode() == text


def test_a_time_no_calendar_has_is_no_accident() -> None:
    assert encode(native.Msg(room="#lobby", seq=1, time=1 << 62, nick="bob", text="x"), 0) == b"00:00 bob: x\n"


def test_without_an_offset_times_are_those_of_the_servers_zone() -> None:
    assert encode(msg("hi")).endswith(b" bob: hi\n")


# --- any bytes


def transcript(*chunks: bytes) -> list[native.Request | bytes]:
    """What somebody sends after coming in, and what they are told."""
    plain = inside()
    found = [item for chunk in chunks for item in plain.feed(chunk)]
    return found + plain.end()


pieces = st.sampled_from(
    [b"hi", "é😀".encode(), b"\r\n", b"\n", b"\r", b"\0", b"/join #tea", b"/help", b"/quit", b"\xff\xfb", b"\xc3", b" "]
)


@given(st.lists(pieces, max_size=30), st.data())
def test_any_cut_of_the_stream_gives_the_same(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    assert transcript(stream[:cut], stream[cut:]) == transcript(stream)
    assert transcript(*(bytes([byte]) for byte in stream)) == transcript(stream)


@given(st.lists(st.binary() | pieces), st.booleans())
def test_no_bytes_raise_or_come_back_as_control_characters(chunks: list[bytes], introduced: bool) -> None:
    plain = in_tea() if introduced else new()
    out = [item for chunk in chunks for item in plain.feed(chunk)] + plain.end()
    plain.receive(native.Error(id=1, code="nick-taken", text="taken", free="x2"))
    out += [plain.receive(WELCOME), plain.receive(LOBBY), *plain.follow_up()]
    assert all(char >= " " or char == "\n" for char in printed(out))
    for item in out:
        if not isinstance(item, bytes):
            native.encode(item)


texts = st.text()


@given(texts, texts, st.sampled_from(["text", "me", "fun", "topic"]), st.integers())
def test_no_text_becomes_control_characters_or_a_line_of_its_own(
    text: str, nick: str, kind: native.Kind, at: int
) -> None:
    event = native.Msg(room="#lobby", seq=1, time=at, nick="bob", text=text, kind=kind)
    first, *more, last = encode(event, 0).decode().split("\n")
    assert first[2:3] == ":"
    assert all(line.startswith("    ") or not line for line in more)
    assert last == ""
    joined = encode(native.Joined(room="#lobby", who=native.Person(nick)), 0).decode()
    assert joined.count("\n") == 1
    assert all(char >= " " for char in joined[:-1])


@pytest.mark.parametrize("first", [b"PROPFIND / HTTP/1.1\r\n", b"GETALL /say HTTP/1.1\r\n"])
def test_a_web_request_is_nobody_and_says_nothing(first: bytes) -> None:
    dialect = new()
    found = dialect.feed(first + b"Host: a\r\n\r\nevil from a page\n") + dialect.end()
    assert [item for item in found if not isinstance(item, bytes)] == [native.Quit()]
    assert b"501 Not Implemented" in b"".join(item for item in found if isinstance(item, bytes))
