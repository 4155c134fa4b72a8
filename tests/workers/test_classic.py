"""The classic protocol's conversation, one event after the other."""

from collections.abc import Iterable
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import accounts, moderation, native
from protocol.native import Person
from protocol.settings import Settings
from workers.dialects import Dialect
from workers.dialects.asking import MAX_HELD
from workers.dialects.classic import Classic
from workers.dialects.classic_codec import MAX_SENT
from workers.dialects.classic_lobby import Lobby

NOON = 1_700_049_600_000  # 2023-11-15 12:00 UTC
T = "time=2023-11-15 13:00:00"
HOUR_S = 3600
TRAIN = native.FunCommand("train", "/train", "A train.")
WELCOME = native.Welcome(id=1, nick="bob", server="moot", version="0.1.0", epoch="e", fun=[TRAIN])
ROOT, BOB = Person("root", "#0000FF"), Person("bob", "#D333FF")
LOBBY = native.Room(id=2, room="#lobby", seq=7, people=[ROOT, BOB], count=2)
CON = b"CON,nickname=bob;password=;color=#D333FF,"


def new(lobby: Lobby | None = None, **changed: str) -> Classic:
    settings = msgspec.structs.replace(Settings(), **changed)
    numbers = count(1)
    return Classic(settings, lobby or Lobby("#lobby", lambda: NOON, HOUR_S), lambda: f"c{next(numbers)}")


def inside(lobby: Lobby | None = None) -> Classic:
    """Bob, in the lobby with root. What he asks next has id 3."""
    classic = new(lobby)
    assert classic.feed(CON) == [native.Hello(id=1, nick="bob", color="#D333FF")]
    classic.receive(WELCOME)
    classic.follow_up()
    classic.receive(LOBBY)
    return classic


def msg(text: str, nick: str = "root", room: str = "#lobby", seq: int = 8, **more: str) -> native.Msg:
    return native.Msg(room=room, seq=seq, time=NOON, nick=nick, text=text, **more)  # type: ignore[arg-type]


def told(written: bytes | Iterable[native.Request | bytes]) -> list[str]:
    """Return what was written, without the time."""
    if not isinstance(written, bytes):
        written = b"".join(item for item in written if isinstance(item, bytes))
    return written.decode().replace(T, "T").split("\n")[:-1]


def test_it_is_a_dialect() -> None:
    dialect: Dialect = new()
    assert (dialect.name, dialect.variant, dialect.echoes, dialect.picky, dialect.resumes) == (
        *("classic", "classic"),
        *(True, False, False),
    )


# --- coming in


def test_con_introduces_and_all_are_told_then_who_is_here() -> None:
    classic = new()
    assert classic.feed(CON) == [native.Hello(id=1, nick="bob", color="#D333FF")]
    assert classic.receive(WELCOME) == b"CONVER,time=2023-11-15 13:00:00,OK\n"
    assert classic.follow_up() == [native.Join(id=2, room="#lobby")]
    assert told(classic.receive(LOBBY)) == [
        "INFO,T;sender=bob,bob has joined the chat!",
        "USER,T;num=2;admin=0;0=root;1=bob,",
    ]
    assert classic.follow_up() == ()


def test_what_is_sent_before_the_answer_waits_for_it() -> None:
    classic = new()
    assert len(classic.feed(CON + b"CHAT,rec=-ALL,hi, thereUSER,,DISCON,,")) == 1
    classic.receive(WELCOME)
    classic.follow_up()
    classic.receive(LOBBY)
    assert classic.follow_up() == [
        native.Send(cmid="c1", to="#lobby", text="hi, there"),
        native.Who(id=3, room="#lobby"),
        native.Quit(),
    ]


def test_too_much_before_the_answer_is_refused_once() -> None:
    classic = new()
    classic.feed(CON)
    many = [classic.feed(b"CHAT,rec=-ALL," + b"x" * 1000) for _ in range(100)]
    assert sum(map(len, many)) == 1
    assert classic._held.bytes < MAX_HELD + 2000


@pytest.mark.parametrize(
    ("con", "why"),
    [
        (b"CON,nickname=b;password=;color=,", "b cannot be a nick here. It has 2 to 16 characters and begins with"),
        (b"CON,nickname=abcdefghijklmnopq;password=;color=,", "abcdefghijklmnopq cannot be a nick here."),
        (b"CON,nickname=_bob;password=;color=,", "_bob cannot be a nick here."),
        (b"CON,nickname=a/;b;password=;color=,", "“a;b” cannot be a nick."),
        (b"CON,nickname=;password=;color=,", "“” cannot be a nick."),
        (b"CON,password=;color=,", "the nickname is missing: CON,nickname=NICK;password=;color=#RRGGBB,"),
        (b"CON,,", "the nickname is missing"),
        (b"CHAT,rec=-ALL,hi", "say who you are first: CON,nickname=NICK;password=;color=#RRGGBB,"),
        (b"FOO,,", "Unknown reason: FOO."),
    ],
)
def test_what_is_no_introduction_is_explained_and_may_be_tried_again(con: bytes, why: str) -> None:
    classic = new()
    (answer,) = classic.feed(con)
    assert isinstance(answer, bytes)
    assert answer.startswith(f"CONVER,{T},Error: {why}".encode())
    assert classic.feed(CON) == [native.Hello(id=1, nick="bob", color="#D333FF")]


def test_a_taken_nick_is_said_so_and_another_may_be_tried() -> None:
    classic = new()
    classic.feed(CON)
    taken = native.Error(id=1, code="nick-taken", text="bob is taken; bob2 is free", free="bob2")
    assert told(classic.receive(taken)) == ["CONVER,T,Error: bob is taken; bob2 is free"]
    assert classic.feed(b"CON,nickname=bob2;password=;color=red,") == [native.Hello(id=2, nick="bob2")]


@pytest.mark.parametrize(("color", "taken"), [("#0f0", "#00FF00"), ("#d333ff", "#D333FF"), ("red", None), ("", None)])
def test_a_color_is_written_in_full_and_one_that_is_none_is_passed_over(color: str, taken: str | None) -> None:
    con = f"CON,nickname=bob;password=;color={color},"
    assert new().feed(con.encode()) == [native.Hello(id=1, nick="bob", color=taken)]


def test_the_second_con_is_refused() -> None:
    assert told(inside().feed(CON)) == ["ERR,T,Error: you are bob already; UPDATE,nickname=NICK, takes another nick"]


def test_a_server_has_something_to_say_at_the_door() -> None:
    classic = new()
    classic.feed(CON)
    assert told(classic.receive(msgspec.structs.replace(WELCOME, motd="Be nice,\nplease"))) == [
        "CONVER,T,OK",
        "INFO,T;sender=moot,Be nice,",
        "INFO,T;sender=moot,please",
    ]


# --- saying


def test_chat_goes_to_everyone_or_to_one() -> None:
    assert inside().feed(b"CHAT,rec=-ALL,hi, there") == [native.Send(cmid="c1", to="#lobby", text="hi, there")]
    assert inside().feed(b"CHAT,rec=root,psst") == [native.Send(cmid="c1", to="@root", text="psst")]


@pytest.mark.parametrize(
    ("chat", "why"),
    [
        (b"CHAT,,hi", "rec is missing: CHAT,rec=-ALL,TEXT is for everyone, CHAT,rec=NICK,TEXT for one"),
        (b"CHAT,rec=-ALL," + b"x" * 301, "a message may have 300 characters and this has 301; send it in parts"),
        (b"CHAT,rec=-ALL,  ", "there is nothing in this message; what is said follows the second comma"),
        (b"CHAT,rec=-ALL,/nosuch", "There is no command /nosuch."),
        (b"CHAT,rec=-ALL,/join #tea", "you are in #lobby and stay there: this client knows no other room"),
        (b"CHAT,rec=-ALL,/ignore root", "/ignore is for the terminal client: moot join"),
        (b"CHAT,rec=-ALL,/nick x", "x cannot be a nick here."),
    ],
)
def test_what_cannot_be_said_is_explained(chat: bytes, why: str) -> None:
    (answer,) = told(inside().feed(chat))
    assert answer.startswith(f"ERR,T,Error: {why}")


def test_three_hundred_characters_are_counted_not_bytes() -> None:
    (request,) = inside().feed(b"CHAT,rec=-ALL," + "☕".encode() * 300)
    assert request == native.Send(cmid="c1", to="#lobby", text="☕" * 300)


def test_commands_typed_as_text_work() -> None:
    classic = inside()
    assert classic.feed(b"CHAT,rec=-ALL,/train/") == [native.Fun(cmid="c1", to="#lobby", line="/train/")]
    assert classic.feed(b"CHAT,rec=root,/train") == [native.Fun(cmid="c2", to="@root", line="/train")]
    assert classic.feed(b"CHAT,rec=-ALL,/me waves") == [native.Send(cmid="c3", to="#lobby", text="waves", kind="me")]
    assert classic.feed(b"CHAT,rec=-ALL,//etc") == [native.Send(cmid="c4", to="#lobby", text="/etc")]
    assert classic.feed(b"CHAT,rec=-ALL,/whois root") == [native.Whois(id=3, nick="root")]
    profile = native.Profile(id=3, nick="root", rooms=["#lobby"], since=NOON, idle=1, dialect="native")
    assert told(classic.receive(profile))[1:] == [
        "INFO,T;sender=moot,You both are in #lobby",
        "INFO,T;sender=moot,Client: native",
    ]
    assert told(classic.feed(b"CHAT,rec=-ALL,/help me")) == [
        "INFO,T;sender=moot,/me TEXT",
        "INFO,T;sender=moot,Say what you do: /me waves.",
    ]
    assert classic.feed(b"CHAT,rec=-ALL,/quit") == [native.Quit()]


def test_what_is_stored_is_answered_by_hearing_it() -> None:
    classic = inside()
    classic.feed(b"CHAT,rec=-ALL,hi")
    assert classic.receive(native.Ok(room="#lobby", seq=8, time=NOON)) == b""
    assert told(classic.shared(msg("hi", nick="bob"))) == ["CHATR,T;sender=bob;rec=-ALL;color=#D333FF,hi"]


def test_an_error_without_a_question_is_an_err() -> None:
    assert told(inside().receive(native.Error(code="flood", text="too fast, wait", wait=3.0))) == [
        "ERR,T,Error: too fast, wait"
    ]


# --- hearing


def test_everybody_has_a_color_their_own_or_one_made_from_the_nick() -> None:
    classic = inside()
    assert told(classic.shared(msg("a"))) == ["CHATR,T;sender=root;rec=-ALL;color=#0000FF,a"]
    (stranger,) = told(classic.shared(msg("b", nick="eve")))
    assert stranger.startswith("CHATR,T;sender=eve;rec=-ALL;color=#")
    assert stranger == told(classic.shared(msg("b", nick="EVE")))[0].replace("EVE", "eve")


def test_a_direct_message_names_whom_it_is_for() -> None:
    classic = inside()
    to_bob = native.Msg(room="@", seq=1, time=NOON, nick="root", text="psst", to="bob")
    assert told(classic.receive(to_bob)) == ["CHATR,T;sender=root;rec=bob;color=#0000FF,psst"]
    assert classic.feed(b"CHAT,rec=-ALL,/reply yes") == [native.Send(cmid="c1", to="@root", text="yes")]


def test_a_picture_comes_line_by_line_and_an_action_says_who() -> None:
    classic = inside()
    cow = native.Msg(room="#lobby", seq=8, time=NOON, nick="root", text="  ^__^\n (oo)", kind="fun", cmd="/cowsay")
    assert told(classic.shared(cow)) == [
        "CHATR,T;sender=root;rec=-ALL;color=#0000FF,  ^__^",
        "CHATR,T;sender=root;rec=-ALL;color=#0000FF;line=2, (oo)",
    ]
    assert told(classic.shared(msg("waves", kind="me")))[0].endswith(",* root waves")
    assert told(classic.shared(msg("👍", kind="react")))[0].endswith(",* root answers with 👍")
    assert told(classic.shared(msg("took back a message", kind="redact")))[0].endswith(",* root took back a message")
    gone = msgspec.structs.replace(msg(""), redacted=True)
    assert told(classic.shared(gone))[0].endswith(",(taken back)")
    assert told(classic.shared(msg("Tea, or coffee", kind="topic"))) == [
        "INFO,T;sender=root,root set the topic: Tea, or coffee"
    ]


def test_who_comes_and_goes_is_told_with_the_list_after_it() -> None:
    classic = inside()
    heard: list[native.Event] = [
        native.Joined(room="#lobby", who=Person("eve")),
        native.Renamed(room="#lobby", old="root", nick="admin2"),
        native.Changed(room="#lobby", who=Person("eve", "#00FF00")),
        native.Changed(room="#lobby", who=Person("eve", "#00FF00", "lunch")),
        native.Changed(room="#lobby", who=Person("eve", "#00FF00")),
        native.Left(room="#lobby", nick="admin2", quit=True),
        native.Left(room="#lobby", nick="eve", reason="tea"),
        native.People(room="#lobby", people=[BOB, Person("zoe")], count=2),
        native.Joined(room="#tea", who=Person("elsewhere")),
    ]
    assert [line for event in heard for line in told(classic.shared(event))] == [
        "INFO,T;sender=eve,eve has joined the chat!",
        "USER,T;num=3;admin=0;0=root;1=bob;2=eve,",
        "INFO,T;sender=admin2,root's name changed to admin2",
        "USER,T;num=3;admin=0;0=admin2;1=bob;2=eve,",
        "INFO,T;sender=eve,eve's color changed to #00FF00",
        "USER,T;num=3;admin=0;0=admin2;1=bob;2=eve,",
        "INFO,T;sender=eve,eve is away: lunch",
        "INFO,T;sender=eve,eve is back",
        "INFO,T;sender=admin2,admin2 has disconnected",
        "USER,T;num=2;admin=0;0=bob;1=eve,",
        "INFO,T;sender=eve,eve has left #lobby (tea)",
        "USER,T;num=1;admin=0;0=bob,",
        "USER,T;num=2;admin=0;0=bob;1=zoe,",
    ]


def test_a_list_of_very_many_people_names_as_many_as_fit() -> None:
    classic = inside()
    people = [Person(f"somebody{number:04}") for number in range(500)]
    (line,) = told(classic.shared(native.People(room="#lobby", people=people, count=500)))
    assert 1800 < len(line.encode()) <= MAX_SENT
    named = int(line.split(";num=")[1].split(";")[0])
    assert f";{named - 1}=somebody{named - 1:04}," in line


def test_all_at_a_worker_share_one_lobby() -> None:
    lobby = Lobby("#lobby", lambda: NOON, HOUR_S)
    bob, late = inside(lobby), inside(lobby)
    bob.shared(native.Changed(room="#lobby", who=Person("root", "#123456")))
    assert told(late.shared(msg("a"))) == ["CHATR,T;sender=root;rec=-ALL;color=#123456,a"]


def test_of_a_large_room_the_others_colors_are_asked_for() -> None:
    classic = new()
    classic.feed(CON)
    classic.receive(WELCOME)
    classic.follow_up()
    classic.receive(msgspec.structs.replace(LOBBY, count=3))
    assert classic.follow_up() == [native.Who(id=3, room="#lobby")]
    assert (
        classic.receive(native.People(id=3, room="#lobby", people=[BOB, ROOT, Person("eve", "#FFFFFF")], count=3))
        == b""
    )
    assert told(classic.shared(msg("a", nick="eve"))) == ["CHATR,T;sender=eve;rec=-ALL;color=#FFFFFF,a"]


# --- asking


def test_user_asks_who_is_here() -> None:
    classic = inside()
    assert classic.feed(b"USER,,") == [native.Who(id=3, room="#lobby")]
    people = native.People(id=3, room="#lobby", people=[BOB, ROOT], count=2)
    assert told(classic.receive(people)) == ["USER,T;num=2;admin=0;0=bob;1=root,"]


def test_ref_sends_again_what_was_heard_before_it_the_lobby_and_ones_own_in_order() -> None:
    classic = inside()
    classic.receive(native.Msg(room="@", seq=4, time=NOON + 1000, nick="root", text="psst", to="bob"))
    classic.shared(msg("one"))
    assert classic.feed(b"REF,,") == [
        native.History(id=3, room="#lobby", before=9, limit=50),
        native.History(id=4, room="@", before=5, limit=50),
    ]
    lobby = [msg("one"), native.Msg(room="#lobby", seq=9, time=NOON + 2000, nick="bob", text="two")]
    assert classic.receive(native.HistoryPage(id=3, room="#lobby", messages=lobby, gaps=[(3, 4)])) == b""
    inbox = [native.Msg(room="@", seq=4, time=NOON + 1000, nick="root", text="psst", to="bob")]
    assert told(classic.receive(native.HistoryPage(id=4, room="@", messages=inbox))) == [
        "CONFIRM,T;reason=REF,Resending messages...",
        "INFO,T;sender=moot,some of the earlier messages are no longer kept",
        "CHATR,T;sender=root;rec=-ALL;color=#0000FF,one",
        "CHATR,time=2023-11-15 13:00:01;sender=root;rec=bob;color=#0000FF,psst",
        "CHATR,time=2023-11-15 13:00:02;sender=bob;rec=-ALL;color=#D333FF,two",
    ]


def test_ref_is_answered_whatever_becomes_of_it() -> None:
    classic = inside()
    classic.feed(b"REF,,")
    no = native.Error(id=3, code="storage", text="the disk is full")
    assert told(classic.receive(no)) == ["CONFIRM,T;reason=REF,Resending messages..."]


def test_update_takes_a_nick_then_a_color_and_is_confirmed_once() -> None:
    classic = inside()
    assert classic.feed(b"UPDATE,nickname=ann;color=#0F0,CHAT,rec=-ALL,it is me") == [native.Nick(id=3, nick="ann")]
    assert classic.receive(native.Ok(id=3, nick="ann")) == b""
    assert classic.follow_up() == [
        native.Color(id=4, color="#00FF00"),
        native.Send(cmid="c1", to="#lobby", text="it is me"),
    ]
    assert told(classic.receive(native.Ok(id=4))) == ["CONFIRM,T;reason=UPDATE,OK"]


def test_update_of_one_thing_changes_that_alone() -> None:
    classic = inside()
    assert classic.feed(b"UPDATE,nickname=ann,") == [native.Nick(id=3, nick="ann")]
    assert told(classic.receive(native.Ok(id=3, nick="ann"))) == ["CONFIRM,T;reason=UPDATE,OK"]
    assert classic.feed(b"UPDATE,color=#0F0,") == [native.Color(id=4, color="#00FF00")]
    assert told(classic.receive(native.Ok(id=4))) == ["CONFIRM,T;reason=UPDATE,OK"]


@pytest.mark.parametrize(
    ("update", "why"),
    [
        (b"UPDATE,,", "give a nickname, a color or both: UPDATE,nickname=NICK;color=#0F0,"),
        (b"UPDATE,password=secret,", "give a nickname, a color or both"),
        (b"UPDATE,color=red,", "a color is written #RRGGBB, such as #D333FF"),
        (b"UPDATE,nickname=ann;color=red,", "a color is written #RRGGBB"),
        (b"UPDATE,nickname=x;color=#0F0,", "x cannot be a nick here."),
    ],
)
def test_an_update_that_cannot_be_changes_nothing(update: bytes, why: str) -> None:
    (answer,) = told(inside().feed(update))
    assert answer.startswith(f"CONFIRM,T;reason=UPDATE,Error: {why}")


def test_a_nick_that_is_taken_leaves_the_color_too() -> None:
    classic = inside()
    classic.feed(b"UPDATE,nickname=root;color=#0F0,USER,,")
    taken = native.Error(id=3, code="nick-taken", text="root is taken; root2 is free")
    assert told(classic.receive(taken)) == ["CONFIRM,T;reason=UPDATE,Error: root is taken; root2 is free"]
    assert classic.follow_up() == [native.Who(id=4, room="#lobby")]


# --- accounts, roles


LOGIN = b"CON,nickname=bob;password=secret;color=,"


def proving() -> Classic:
    classic = new()
    (asked,) = classic.feed(LOGIN)
    assert asked == accounts.Sasl(id=1, mech="PLAIN", data="\0bob\0secret")
    return classic


def test_a_password_is_checked_before_anybody_comes_in() -> None:
    classic = proving()
    assert classic.receive(accounts.LoggedIn(id=1, account="bob")) == b""
    assert classic.follow_up() == [native.Hello(id=2, nick="bob")]
    assert told(classic.receive(msgspec.structs.replace(WELCOME, id=2))) == ["CONVER,T,OK"]


def test_a_wrong_password_of_an_account_is_refused_and_one_may_try_again() -> None:
    classic = proving()
    assert classic.receive(native.Error(id=1, code="login-failed", text="it is wrong")) == b""
    assert classic.follow_up() == [native.Hello(id=2, nick="bob")]  # maybe the nick is nobody's
    reserved = native.Error(id=2, code="nick-reserved", text="bob is an account's", free="bob2")
    assert told(classic.receive(reserved)) == ["CONVER,T,Error: it is wrong"]
    assert classic.feed(LOGIN) == [accounts.Sasl(id=3, mech="PLAIN", data="\0bob\0secret")]


def test_a_password_for_a_nick_that_is_nobodys_does_no_harm() -> None:
    classic = proving()
    classic.receive(native.Error(id=1, code="login-failed", text="it is wrong"))
    classic.follow_up()
    assert told(classic.receive(msgspec.structs.replace(WELCOME, id=2))) == ["CONVER,T,OK"]


def test_a_password_in_clear_text_from_elsewhere_is_refused() -> None:
    classic = proving()
    assert told(classic.receive(native.Error(id=1, code="insecure", text="use TLS"))) == ["CONVER,T,Error: use TLS"]
    assert classic.follow_up() == ()
    assert classic.feed(CON) == [native.Hello(id=2, nick="bob", color="#D333FF")]


def test_an_accounts_nick_without_a_password_says_where_it_goes() -> None:
    classic = new()
    classic.feed(CON)
    reserved = native.Error(id=1, code="nick-reserved", text="bob is an account's", free="bob2")
    assert told(classic.receive(reserved)) == [
        "CONVER,T,Error: bob is an account's; to log in, give its password: CON,nickname=NICK;password=;color=#RRGGBB,"
    ]


def test_those_in_charge_are_listed_again_as_admins() -> None:
    lobby = Lobby("#lobby", lambda: NOON, HOUR_S)
    lobby.take([Person("root", admin=True), Person("bob"), Person("ann", roles=["op"]), Person("eve", roles=["voice"])])
    assert told(lobby.users()) == ["USER,T;num=4;admin=2;0=root;1=bob;2=ann;3=eve;admin0=root;admin1=ann,"]


def test_a_role_that_is_given_is_told_and_listed() -> None:
    lobby = Lobby("#lobby", lambda: NOON, HOUR_S)
    lobby.take([ROOT, BOB])
    event = moderation.Modes(room="#lobby", by="root", changes=[moderation.Change("op", True, "bob")])
    assert told(lobby.hear(event)) == [
        "INFO,T;sender=root,root made bob an op of #lobby",
        "USER,T;num=2;admin=1;0=root;1=bob;admin0=bob,",
    ]
    quiet = moderation.Modes(room="#lobby", by="root", changes=[moderation.Change("moderated")])
    assert told(lobby.hear(quiet)) == ["INFO,T;sender=root,root let only those with a voice speak in #lobby"]


def test_kick_puts_somebody_out_of_the_lobby() -> None:
    bob = inside()
    assert bob.feed(b"KICK,user=root,he, he") == [moderation.Kick(id=3, nick="root", room="#lobby", reason="he, he")]
    assert bob.receive(native.Ok(id=3)) == b""
    bob.feed(b"KICK,user=x,why")
    assert told(bob.receive(native.Error(id=4, code="no-such-nick", text="nobody is called x"))) == [
        "ERR,T,Error: nobody is called x"
    ]
    assert told(bob.feed(b"KICK,user=,why")) == ["ERR,T,Error: whom? KICK,user=NICK,why puts somebody out"]


def test_who_is_kicked_is_told_why_and_is_gone() -> None:
    bob = inside()
    left = native.Left(room="#lobby", nick="bob", by="root", reason="enough")
    assert told(bob.receive(left)) == ["WARN,T,You have been kicked for reason: enough"]
    assert bob.follow_up() == [native.Quit()]
    assert bob.receive(native.Bye(reason="")) == b""
    assert bob.feed(b"CHAT,rec=-ALL,hi") == []


def test_others_see_who_kicked_whom() -> None:
    lobby = Lobby("#lobby", lambda: NOON, HOUR_S)
    lobby.take([ROOT, BOB])
    assert told(lobby.hear(native.Left(room="#lobby", nick="bob", by="root", reason="enough"))) == [
        "INFO,T;sender=bob,bob was put out of #lobby by root: enough",
        "USER,T;num=1;admin=0;0=root,",
    ]


def test_commands_about_accounts_work_as_everywhere() -> None:
    bob = inside()
    assert bob.feed(b"CHAT,rec=-ALL,/register secret pass") == [accounts.Register(id=3, password="secret pass")]
    assert told(bob.receive(accounts.LoggedIn(id=3, account="bob", nick="bob"))) == [
        "INFO,T;sender=moot,You are logged in as bob."
    ]
    assert bob.feed(b"CHAT,rec=-ALL,/logout") == [accounts.Logout(id=4)]
    assert told(bob.receive(native.Ok(id=4, nick="bob"))) == ["INFO,T;sender=moot,You are logged out. You are bob now."]


# --- going


def test_discon_is_confirmed_and_nothing_after_it_is_read() -> None:
    classic = inside()
    assert classic.feed(b"DISCON,,CHAT,rec=-ALL,hi") == [native.Quit()]
    assert told(classic.receive(native.Bye(reason="goodbye"))) == ["CONFIRM,T;reason=DISCON,Disconnected Successfully."]


def test_a_server_that_goes_warns() -> None:
    assert told(inside().receive(native.Bye(reason="the server restarts", retry=2.0))) == [
        "WARN,T,the server restarts; come back in 2 seconds"
    ]
    assert told(inside().receive(native.Notice(text="cake, at five"))) == ["WARN,T,cake, at five"]


def test_the_end_of_the_input_is_a_quit_after_the_last_message() -> None:
    classic = inside()
    assert classic.feed(b"CHAT,rec=-ALL,last") == [native.Send(cmid="c1", to="#lobby", text="last")]
    assert classic.end() == [native.Quit()]
    knocking = new()
    knocking.feed(CON + b"CHAT,rec=-ALL,last")
    assert knocking.end() == []
    knocking.receive(WELCOME)
    assert knocking.follow_up() == [native.Join(id=2, room="#lobby")]
    knocking.receive(LOBBY)
    assert knocking.follow_up() == [native.Send(cmid="c1", to="#lobby", text="last"), native.Quit()]
    refused = new()
    refused.feed(CON)
    refused.end()
    refused.receive(native.Error(id=1, code="nick-taken", text="taken"))
    assert refused.follow_up() == [native.Quit()]


def first_client_reads(message: str) -> tuple[str, dict[str, str], str]:
    """Read a message as the first client does: it fails without a parameter, or with one that has no value."""
    reason, _, rest = message.partition(",")
    params, _, content = rest.partition(",")  # no value that is sent to it has an escaped comma
    read = {}
    for pair in params.split(";"):
        key, value = pair.split("=")
        read[key] = value
    return reason, read, content


FRAGMENTS = [
    *(
        CON,
        b"CHAT,rec=",
        b"-ALL,",
        b"root,",
        b"hi, there",
        b"USER,,",
        b"REF,,",
        b"KICK,user=x,",
        b"DISCON,,",
        b"UPDATE,",
    ),
    *(b"nickname=ann", b"color=#0F0", b";", b",", b"/", b"\n", b"\r\n", b"\xe2\x98", b"/cowsay?x/", b"/help", b"CHAT"),
]
PIECES = st.binary(max_size=40) | st.sampled_from(FRAGMENTS)


@given(st.lists(PIECES, max_size=20))
def test_no_bytes_make_it_raise_or_write_what_a_first_client_cannot_read(pieces: list[bytes]) -> None:
    for classic in (new(), inside()):
        for piece in pieces:
            for item in classic.feed(piece):
                if isinstance(item, bytes):
                    for message in item.decode().removesuffix("\n").split("\n"):
                        assert len(message.encode()) <= MAX_SENT
                        reason, params, _content = first_client_reads(message)
                        assert reason in ("CONVER", "ERR", "CONFIRM", "INFO")
                        assert params["time"] == "2023-11-15 13:00:00"
        classic.end()


@pytest.mark.parametrize("to", ["-ALL", "root"])
def test_what_is_about_the_last_messages_looks_for_them_first(to: str) -> None:
    bob = inside()
    (look,) = bob.feed(f"CHAT,rec={to},/react 👍".encode())
    assert isinstance(look, native.History)
    room = "#lobby" if to == "-ALL" else "@"
    assert look.room == room
    said = msgspec.structs.replace(msg("hello", room=room, seq=8), to=None if to == "-ALL" else "bob")
    assert bob.receive(native.HistoryPage(id=look.id, room=room, messages=[said], more=False)) == b""
    (react,) = bob.follow_up()
    assert isinstance(react, native.Send)
    assert (react.to, react.text, react.kind, react.reply) == ("#lobby" if to == "-ALL" else "@root", "👍", "react", 8)


def test_there_may_be_nothing_to_take_back() -> None:
    bob = inside()
    (look,) = bob.feed(b"CHAT,rec=-ALL,/redact")
    assert isinstance(look, native.History)
    page = native.HistoryPage(id=look.id, room="#lobby", messages=[msg("hello")], more=False)
    assert "There is no such message" in told(bob.receive(page))[0]
    assert not bob.follow_up()


def test_a_logout_is_told_once() -> None:
    bob = inside()
    (logout,) = bob.feed(b"CHAT,rec=-ALL,/logout")
    assert isinstance(logout, accounts.Logout)
    assert bob.receive(accounts.LoggedOut(reason="", nick="bob2", inbox=0)) == b""
    (said,) = told(bob.receive(native.Ok(id=logout.id, nick="bob2")))
    assert said.endswith("You are logged out. You are bob2 now.")


def test_a_password_is_compared_as_it_is_however_long() -> None:
    password = "p" * 301
    (login,) = new().feed(f"CON,nickname=bob;password={password};color=#D333FF,".encode())
    assert isinstance(login, accounts.Sasl)
    assert login.data == f"\0bob\0{password}"
