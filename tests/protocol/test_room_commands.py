"""What is typed about rooms and people becomes requests, or a sentence that says what to do."""

import pytest

from protocol import durations, moderation, native
from protocol.commands import TABLE, Context, Local, Parsed, Problem, parse
from protocol.moderation import Ban, Change, Claim, Invite, Kick, Mode, Policy, Retitle, Unban
from protocol.room_commands import ROOM_COMMANDS, about

TEA = Context(room="#tea", nick="ann")
DM = Context(room="@bob", nick="ann")


def typed(line: str, ctx: Context = TEA) -> Parsed:
    return parse(line, ctx, lambda: "c1")


def mode(*changes: Change) -> Mode:
    return Mode(room="#tea", changes=list(changes))


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("/kick bob", Kick(nick="bob", room="#tea")),
        ("/kick @bob too loud", Kick(nick="bob", room="#tea", reason="too loud")),
        ("/kill bob spam", Kick(nick="bob", reason="spam")),
        ("/ban bob", Ban(mask="bob", room="#tea")),
        ("/ban bob 10m", Ban(mask="bob", room="#tea", seconds=600)),
        ("/ban *!*@192.0.2.0/24 1h30m spam, again", Ban(mask="*!*@192.0.2.0/24", room="#tea", seconds=5400,
                                                         reason="spam, again")),
        ("/ban account:bob 10 times too loud", Ban(mask="account:bob", room="#tea", reason="10 times too loud")),
        ("/ban", Policy(room="#tea")),
        ("/unban bob", Unban(mask="bob", room="#tea")),
        ("/mute bob 2d", Ban(mask="bob", room="#tea", kind="mute", seconds=172_800)),
        ("/unmute @bob", Unban(mask="bob", room="#tea", kind="mute")),
        ("/serverban 192.0.2.7 1w", Ban(mask="192.0.2.7", seconds=604_800)),
        ("/serverunban 192.0.2.7", Unban(mask="192.0.2.7")),
        ("/op bob, eve", mode(Change("op", arg="bob"), Change("op", arg="eve"))),
        ("/deop bob", mode(Change("op", False, "bob"))),
        ("/halfop bob", mode(Change("halfop", arg="bob"))),
        ("/dehalfop bob", mode(Change("halfop", False, "bob"))),
        ("/voice @bob", mode(Change("voice", arg="bob"))),
        ("/devoice bob", mode(Change("voice", False, "bob"))),
        ("/invite bob", Invite(nick="bob", room="#tea")),
        ("/invite bob two", Invite(nick="bob", room="#two")),
        ("/mode", Policy(room="#tea")),
        ("/mode +secret -moderated", mode(Change("secret"), Change("moderated", False))),
        ("/mode +key tea -limit +admin bob -ban eve!*@*", mode(
            Change("key", arg="tea"), Change("limit", False), Change("admin", arg="bob"),
            Change("ban", False, "eve!*@*"))),
        ("/room", Policy(room="#tea")),
        ("/room info", Policy(room="#tea")),
        ("/room register", Claim(room="#tea")),
        ("/room drop", Claim(room="#tea", drop=True)),
        ("/room transfer bob", Claim(room="#tea", to="bob")),
        ("/room rename coffee better", Retitle(room="#tea", name="#coffee", reason="better")),
        ("/slow 30", mode(Change("slow", arg="30"))),
        ("/slow 2m", mode(Change("slow", arg="120"))),
        ("/slow off", mode(Change("slow", False))),
        ("/filter add bad word", mode(Change("filter", arg="bad word"))),
        ("/filter remove bad word", mode(Change("filter", False, "bad word"))),
        ("/filter", Policy(room="#tea")),
        ("/modlog", native.History(room="!#tea")),
        ("/modlog 5", native.History(room="!#tea", limit=5)),
        ("/announce Tea at five", moderation.Announce(text="Tea at five")),
        ("/join #tea key=Milk", native.Join(room="#tea", key="Milk")),
    ],
)  # fmt: skip
def test_a_line_asks_the_server(line: str, request_: native.Request) -> None:
    assert typed(line) == [request_]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/kick", "Whom? Type /kick NICK [REASON]"),
        ("/ban bob 0s", "“0s” is not from one second to ten years. A time is written 10m, 2d or 1h30m."),
        ("/ban bob 900w", "“900w” is not from one second to ten years. A time is written 10m, 2d or 1h30m."),
        ("/unban", "Whom? Type /unban MASK"),
        ("/unban a b", "One nick or mask at a time. Type /unban MASK"),
        ("/serverban", "Whom? Type /serverban MASK [TIME] [REASON]"),
        ("/op", "Whom? Type /op NICK ..."),
        ("/op a b c d e f g h i j k", "10 people at a time. Type /op NICK ..."),
        ("/slow", "How many seconds between two messages of one person? Type /slow SECONDS|off"),
        ("/slow soon", "How many seconds between two messages of one person? Type /slow SECONDS|off"),
        ("/filter add", "Which word? Type /filter [add|remove WORD]"),
        ("/modlog all", "“all” is not a number from 1 to 500. Type /modlog [N]"),
        ("/room paint", "“paint” is nothing one does with a room. Type /room and one of: register, drop, "
                        "transfer NICK, rename #NEW or info"),
        ("/announce", "The text is missing. Type /announce TEXT"),
        ("/react", "With what? Type /react [^N] EMOJI"),
        ("/react ^2", "With what? Type /react [^N] EMOJI"),
        ("/react ^x :+1:", "“^x” is not ^1, ^2 and so on. Type /react [^N] EMOJI"),
        ("/react ^0 x", "^1 is the last message; ^50 is as far back as that goes."),
        ("/redact ^51", "^1 is the last message; ^50 is as far back as that goes."),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_a_remedy(line: str, sentence: str) -> None:
    assert typed(line) == Problem(sentence)


@pytest.mark.parametrize("line", ["/mode secret", "/mode +red", "/mode +key", "/mode +op -secret", "/mode +"])
def test_modes_that_cannot_be_say_which_can(line: str) -> None:
    found = typed(line)
    assert isinstance(found, Problem)
    assert "Type /mode +secret -moderated and the like." in found.text
    assert "invite-only" in found.text


@pytest.mark.parametrize(
    "line", ["/kick bob", "/ban bob", "/op bob", "/mode", "/room", "/slow 5", "/filter", "/modlog"]
)
def test_what_is_for_rooms_says_so_elsewhere(line: str) -> None:
    sentence = "That is for rooms, and you are in none now. Enter one with /join #room first."
    assert typed(line, DM) == typed(line, Context(room=None)) == Problem(sentence)


def test_a_room_may_be_named_to_invite_from_anywhere() -> None:
    assert typed("/invite eve #tea", DM) == [Invite(nick="eve", room="#tea")]


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("/react :+1:", Local("react", "1 :+1:")),
        ("/react ^3 👍", Local("react", "3 👍")),
        ("/redact", Local("redact", "0")),
        ("/redact a mistake", Local("redact", "0 a mistake")),
        ("/delete ^2 spam", Local("redact", "2 spam")),
    ],
)
def test_what_is_about_a_message_is_for_the_program_that_shows_them(line: str, local: Local) -> None:
    assert typed(line) == local


def msg(seq: int, nick: str = "bob", kind: native.Kind = "text", room: str = "#tea") -> native.Msg:
    return native.Msg(room=room, seq=seq, time=0, nick=nick, text="x", kind=kind)


def test_the_last_messages_are_counted_as_one_sees_them() -> None:
    recent = [msg(1, "ann"), msg(2, "eve"), msg(3), msg(4, kind="topic"), msg(5, kind="react")]
    found = about(Local("react", "1 👍"), TEA, recent, lambda: "c1")
    assert found == [native.Send(cmid="c1", to="#tea", text="👍", kind="react", reply=3)]
    found = about(Local("react", "2 👍"), TEA, recent, lambda: "c1")
    assert found == [native.Send(cmid="c1", to="#tea", text="👍", kind="react", reply=2)]
    found = about(Local("redact", "0 a mistake"), TEA, recent, lambda: "c1")
    assert found == [native.Redact(cmid="c1", room="#tea", seq=1, reason="a mistake")]
    assert about(Local("redact", "3"), TEA, recent, lambda: "c1") == [native.Redact(cmid="c1", room="#tea", seq=1)]
    assert about(Local("redact", "4"), TEA, recent, lambda: "c1") == Problem(
        "There is no such message among the last ones here."
    )
    assert isinstance(about(Local("redact", "0"), Context(room="#tea", nick="zoe"), recent, lambda: "c1"), Problem)


def test_in_direct_messages_they_are_those_of_the_inbox() -> None:
    recent = [msg(7, "bob", room="@")]
    found = about(Local("react", "1 👍"), DM, recent, lambda: "c1")
    assert found == [native.Send(cmid="c1", to="@bob", text="👍", kind="react", reply=7)]
    assert about(Local("redact", "1"), DM, recent, lambda: "c1") == [native.Redact(cmid="c1", room="@", seq=7)]


def test_every_command_about_rooms_is_in_the_table() -> None:
    assert all(TABLE[command.name] is command for command in ROOM_COMMANDS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("10m", 600), ("2d", 172_800), ("1h30m", 5400), ("1w", 604_800), ("5S", 5), ("1d1s", 86_401), ("0s", 0)),
        *(("", None), ("10", None), ("30m1h", None), ("1m1m", None), ("1.5h", None), ("m", None), ("١m", None)),
        ("9999999999s", None),
    ],
)
def test_a_time_is_read(text: str, seconds: int | None) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (5400, "1h30m"), (3601, "1h"), (93_784, "1d2h"), (864_000, "1w3d")],
)
def test_a_time_is_shown_by_its_two_largest_units(seconds: float, text: str) -> None:
    assert durations.shown(seconds) == text
