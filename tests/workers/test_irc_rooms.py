"""Roles, modes, kicks, invitations and names of channels in one IRC client's connection, sans-IO."""

import msgspec
import pytest

from protocol import moderation, native
from protocol.moderation import Ban, Change, Claim, Entry, Invite, Kick, Mode, Policy, Unban
from tests.workers.test_irc_session import NOON, inside
from workers.dialects.irc import Irc

HOSTED = b"bob!~u@bob.user.moot"


def in_tea(*caps: str, flags: list[str] | None = None) -> Irc:
    """Ann, in #tea with bob. What she asks next has id 3."""
    irc = inside(*caps)
    irc.feed(b"JOIN #tea\r\n")
    people = [native.Person("ann", roles=["op", "voice"]), native.Person("bob", account="Bob", roles=["halfop"])]
    irc.receive(native.Room(id=2, room="#tea", seq=0, people=people, count=2, flags=flags or []))
    irc.follow_up()
    return irc


def names(irc: Irc, people: list[native.Person], flags: list[str]) -> list[bytes]:
    irc.feed(b"NAMES #tea\r\n")
    irc.receive(moderation.RoomPolicy(id=3, room="#tea", flags=flags))
    assert irc.follow_up() == [native.Who(id=4, room="#tea")]
    return irc.receive(native.People(id=4, people=people, count=len(people), room="#tea")).split(b"\r\n")


def test_names_have_signs_and_hosts_of_accounts() -> None:
    people = [native.Person("ann", roles=["op", "voice"]), native.Person("bob", account="Bob", roles=["halfop"])]
    assert names(in_tea(), people, ["secret"])[0] == b":moot 353 ann @ #tea :@ann %bob"
    assert names(in_tea("multi-prefix", "userhost-in-names"), people, [])[0] == (
        b":moot 353 ann = #tea :@+ann!~u@moot %" + HOSTED
    )


def test_a_key_is_told_with_its_channel() -> None:
    assert inside().feed(b"JOIN #a,#b,#c x,,z\r\n") == [
        native.Join(id=2, room="#a", key="x"),
        native.Join(id=3, room="#b"),
        native.Join(id=4, room="#c", key="z"),
    ]


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("bad-key", b"475"),
        ("banned", b"474"),
        ("invite-only", b"473"),
        ("room-full", b"471"),
        ("accounts-only", b"477"),
        ("throttled", b"437"),
        ("bad-room", b"403"),
        ("too-many-rooms", b"405"),
    ],
)
def test_what_keeps_one_out_has_its_numeric_and_the_servers_words(code: str, number: bytes) -> None:
    irc = inside()
    irc.feed(b"JOIN #tea\r\n")
    out = irc.receive(native.Error(id=2, code=code, text="why"))
    words = b"No such channel" if code == "bad-room" else b"why"
    assert out == b":moot " + number + b" ann #tea :" + words + b"\r\n"


def test_several_changes_are_one_request() -> None:
    irc = in_tea()
    changes = [Change("secret"), Change("key", arg="x"), Change("op", False, "bob"), Change("ban", arg="account:eve")]
    assert irc.feed(b"MODE #tea +sk-o+b x bob *!*@eve.user.moot\r\n") == [Mode(id=3, room="#tea", changes=changes)]


def test_a_change_of_ones_own_is_told_with_the_answer() -> None:
    irc = in_tea("batch", "labeled-response")
    irc.feed(b"@label=x MODE #tea +m\r\n")
    done = moderation.Modes(room="#tea", by="ann", changes=[Change("moderated")])
    assert not irc.hears(done)
    assert irc.receive(native.Ok(id=3, room="#tea")) == b"@label=x :ann!~u@moot MODE #tea +m\r\n"
    assert irc.hears(done)  # from another connection of hers


def test_a_change_of_somebody_else_is_heard_meanwhile() -> None:
    irc = in_tea()
    irc.feed(b"MODE #tea +m\r\n")
    theirs = moderation.Modes(room="#tea", by="bob", by_account="Bob", changes=[Change("voice", arg="ann")])
    assert irc.hears(theirs)
    assert irc.shared(theirs) == b":" + HOSTED + b" MODE #tea +v ann\r\n"


def test_of_several_changes_the_one_at_fault_is_found() -> None:
    irc = in_tea()
    irc.feed(b"MODE #tea +vv nobody bob\r\n")
    assert irc.receive(native.Error(id=3, code="no-such-nick", text="…")) == b""
    alone = [
        Mode(id=4, room="#tea", changes=[Change("voice", arg="nobody")]),
        Mode(id=5, room="#tea", changes=[Change("voice", arg="bob")]),
    ]
    assert irc.follow_up() == alone
    assert irc.receive(native.Error(id=4, code="no-such-nick", text="…")) == (
        b":moot 401 ann nobody :No such nick/channel\r\n"
    )
    irc.hears(moderation.Modes(room="#tea", by="ann", changes=[Change("voice", arg="bob")]))
    assert irc.receive(native.Ok(id=5)) == b":ann!~u@moot MODE #tea +v bob\r\n"


@pytest.mark.parametrize(
    ("line", "code", "answer"),
    [
        (b"MODE #tea +m", "not-allowed", b"482 ann #tea :why"),
        (b"MODE #tea +v eve", "not-in-room", b"441 ann eve #tea :They aren't on that channel"),
        (b"MODE #tea +b x", "full-list", b"478 ann #tea b :why"),
        (b"MODE #tea -b x", "no-such-entry", b"698 ann #tea x b :why"),
        (b"MODE #tea +b [", "bad-mask", b"696 ann #tea b [ :why"),
        (b"MODE #tea +l x", "bad-mode", b"696 ann #tea l x :why"),
        (b"MODE #tea +q eve", "account-needed", b"696 ann #tea q eve :why"),
        (b"MODE #tea +m", "storage", b"400 ann MODE :why"),
        (b"MODE #tea +m", "no-such-room", b"403 ann #tea :No such channel"),
        (b"KICK #tea eve", "not-in-room", b"441 ann eve #tea :They aren't on that channel"),
        (b"KICK #tea eve", "no-such-nick", b"401 ann eve :No such nick/channel"),
        (b"KICK #tea bob", "not-allowed", b"482 ann #tea :why"),
        (b"INVITE bob #tea", "already-there", b"443 ann bob #tea :is already on channel"),
        (b"INVITE eve #tea", "not-allowed", b"482 ann #tea :why"),
        (b"TOPIC #tea :x", "not-allowed", b"482 ann #tea :why"),
        (b"RENAME #tea #chai", "room-exists", b"FAIL RENAME CHANNEL_NAME_IN_USE #tea #chai :why"),
        (b"RENAME #tea #chai", "storage", b"400 ann RENAME :why"),
        (b"RENAME #tea #chai", "not-allowed", b"482 ann #tea :why"),
    ],
)
def test_a_refusal_has_its_numeric(line: bytes, code: str, answer: bytes) -> None:
    irc = in_tea()
    irc.feed(line + b"\r\n")
    assert irc.receive(native.Error(id=3, code=code, text="why")) == b":moot " + answer + b"\r\n"


def test_who_is_not_there_is_told_whether_the_channel_is() -> None:
    irc = inside()
    irc.feed(b"KICK #tea bob\r\n")
    assert irc.receive(native.Error(id=2, code="not-allowed", text="…")) == b""
    assert irc.follow_up() == [native.Rooms(id=3)]
    rooms = native.RoomList(id=3, rooms=[native.RoomLine("#tea", 1)], count=1)
    assert irc.receive(rooms) == b":moot 442 ann #tea :You're not on that channel\r\n"


def test_letters_without_what_they_need_are_refused_one_by_one() -> None:
    irc = in_tea()
    (out,) = irc.feed(b"MODE #tea +kol\r\n")
    assert isinstance(out, bytes)
    assert [line.split(b" ")[1:5] for line in out.split(b"\r\n")[:-1]] == [
        [b"696", b"ann", b"#tea", b"k"],
        [b"696", b"ann", b"#tea", b"o"],
        [b"696", b"ann", b"#tea", b"l"],
    ]
    assert irc.feed(b"MODE #tea -k\r\n") == [Mode(id=3, room="#tea", changes=[Change("key", False)])]


def test_a_list_shows_mutes_among_the_bans() -> None:
    irc = in_tea()
    assert irc.feed(b"MODE #tea b\r\n") == [Policy(id=3, room="#tea")]
    entries = [
        Entry("ban", "eve!*@*", "bob", NOON),
        Entry("mute", "account:joe", "", NOON),
        Entry("except", "x", "b", 0),
    ]
    assert irc.receive(moderation.RoomPolicy(id=3, room="#tea", entries=entries)) == (
        b":moot 367 ann #tea eve!*@* bob :1700049600\r\n:moot 367 ann #tea m:account:joe * :1700049600\r\n"
        b":moot 368 ann #tea :End of channel ban list\r\n"
    )


def test_modes_are_shown_with_their_parameters() -> None:
    irc = in_tea()
    irc.feed(b"MODE #tea\r\n")
    policy = moderation.RoomPolicy(id=3, room="#tea", since=NOON, flags=["secret"], limits={"slow": "5", "key": "x"})
    assert irc.receive(policy) == b":moot 324 ann #tea +knsW x 5\r\n:moot 329 ann #tea :1700049600\r\n"


def test_who_is_put_out_is_in_the_channel_no_more() -> None:
    irc = in_tea()
    left = native.Left(room="#tea", nick="ann", by="bob", by_account="Bob", reason="loud")
    assert irc.receive(left) == b":" + HOSTED + b" KICK #tea ann :loud\r\n"
    assert irc.rooms == {}


def test_several_are_kicked_from_one_channel_or_each_from_its_own() -> None:
    kicks = [Kick(id=3, nick="a", room="#tea", reason="r"), Kick(id=4, nick="b", room="#tea", reason="r")]
    assert in_tea().feed(b"KICK #tea a,b :r\r\n") == kicks
    assert in_tea().feed(b"KICK #tea,#two a,b\r\n") == [
        Kick(id=3, nick="a", room="#tea"),
        Kick(id=4, nick="b", room="#two"),
    ]
    (out,) = in_tea().feed(b"KICK #tea,#two a\r\n")
    assert out == b":moot 461 ann KICK :Not enough parameters\r\n"


def test_who_comes_with_roles_is_given_them_by_the_server() -> None:
    who = native.Person("bob", account="Bob", roles=["op", "voice"])
    out = in_tea().shared(native.Joined(room="#tea", who=who))
    assert out == b":" + HOSTED + b" JOIN #tea\r\n:moot MODE #tea +ov bob bob\r\n"


def test_invitations_are_remembered_until_one_is_in() -> None:
    irc = inside()
    event = moderation.Invited(room="#tea", by="bob", by_account="Bob", nick="ann")
    assert irc.receive(event) == b":" + HOSTED + b" INVITE ann :#tea\r\n"
    assert irc.feed(b"INVITE\r\n") == [b":moot 336 ann :#tea\r\n:moot 337 ann :End of /INVITE list\r\n"]
    irc.feed(b"JOIN #tea\r\n")
    irc.receive(native.Room(id=2, room="#tea", seq=0, people=[native.Person("ann")], count=1))
    assert irc.feed(b"INVITE\r\n") == [b":moot 337 ann :End of /INVITE list\r\n"]


def test_others_invitations_are_heard_by_who_wants_them() -> None:
    event = moderation.Invited(room="#tea", by="bob", nick="eve")
    assert in_tea().receive(event) == b""
    assert in_tea("invite-notify").receive(event) == b":bob!~u@moot INVITE eve :#tea\r\n"


def test_a_new_name_is_told_by_its_word_or_by_leaving_and_coming() -> None:
    event = moderation.Retitled(room="#tea", name="#chai", by="bob", reason="better")
    irc = in_tea("draft/channel-rename")
    assert irc.receive(event) == b":bob!~u@moot RENAME #tea #chai :better\r\n"
    assert list(irc.rooms) == ["#chai"]
    irc = in_tea()
    assert irc.receive(event) == b":ann!~u@moot PART #tea :better\r\n:ann!~u@moot JOIN #chai\r\n"
    assert irc.follow_up() == [native.Join(id=3, room="#chai", after=0, epoch="e", again=True)]
    room = native.Room(id=3, room="#chai", seq=4, topic="Tea", people=[native.Person("ann", roles=["op"])], count=1)
    assert irc.receive(room) == (
        b":moot 332 ann #chai :Tea\r\n:moot 353 ann = #chai :@ann\r\n:moot 366 ann #chai :End of /NAMES list\r\n"
    )


@pytest.mark.parametrize(
    ("order", "request_"),
    [
        ("REGISTER #tea", Claim(room="#tea")),
        ("DROP #tea", Claim(room="#tea", drop=True)),
        ("TRANSFER #tea bob", Claim(room="#tea", to="bob")),
        ("op #tea bob", Mode(room="#tea", changes=[Change("op", arg="bob")])),
        ("DEOP #tea", Mode(room="#tea", changes=[Change("op", False, "ann")])),
        ("PROTECT #tea bob", Mode(room="#tea", changes=[Change("admin", arg="bob")])),
        (
            "DEVOICE #tea bob eve",
            Mode(room="#tea", changes=[Change("voice", False, "bob"), Change("voice", False, "eve")]),
        ),
        ("KICK #tea bob too loud", Kick(nick="bob", room="#tea", reason="too loud")),
        ("BAN #tea bob 10m spam", Ban(mask="bob", room="#tea", seconds=600, reason="spam")),
        ("AKICK #tea ADD m:R:bob", Ban(mask="account:bob", room="#tea", kind="mute")),
        ("AKICK #tea DEL bob", Unban(mask="bob", room="#tea")),
        ("AKICK #tea LIST", Policy(room="#tea")),
        ("UNBAN #tea", Unban(mask="ann", room="#tea")),
        ("INVITE #tea", Invite(nick="ann", room="#tea")),
        ("ACCESS #tea", Policy(room="#tea")),
        ("INFO #tea", Policy(room="#tea")),
    ],
)
def test_chanserv_does_what_it_is_told(order: str, request_: native.Request) -> None:
    for line in (f"PRIVMSG ChanServ :{order}", f"CS {order}"):
        items = in_tea().feed(line.encode() + b"\r\n")
        asked = [item for item in items if not isinstance(item, native.Ping)]
        assert asked == [msgspec.structs.replace(request_, id=3)]


@pytest.mark.parametrize(
    "order",
    ["REGISTER tea", "BAN #tea *!*@moot", "BAN #tea bob 0s", "AKICK #tea PAINT", "AKICK #tea ADD", "DANCE", "BAN #tea"],
)
def test_chanserv_says_what_it_does_not_do(order: str) -> None:
    items = in_tea().feed(f"PRIVMSG ChanServ :{order}\r\n".encode())
    assert all(isinstance(item, bytes) and b" NOTICE ann :" in item for item in items)
    assert items
