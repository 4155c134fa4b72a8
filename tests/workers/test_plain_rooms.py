"""A person with `nc`: roles, bans, invitations, new names of rooms, as sentences; messages that are meant by number."""

import msgspec
import pytest

from protocol import accounts, moderation, native
from protocol.moderation import Change, Entry
from tests.workers.test_plain import NOON, in_tea, inside, msg, printed, say
from workers.dialects.prose import encode


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            moderation.Modes(room="#tea", by="ann", changes=[Change("op", arg="bob"), Change("secret")]),
            "* ann made bob an op of #tea\n* ann hid #tea from those who are not in it\n",
        ),
        (
            moderation.Modes(room="#tea", by="", changes=[Change("ban", False, "eve!*@*")]),
            "* The server took back the ban of eve!*@* from #tea\n",
        ),
        (
            native.Left(room="#tea", nick="bob", by="ann", reason="too loud"),
            "* bob was put out of #tea by ann: too loud\n",
        ),
        (moderation.Retitled(room="#tea", name="#chai", by="ann"), "* ann renamed #tea to #chai\n"),
        (moderation.Invited(room="#tea", by="ann", nick="bob"), "* ann invited bob to #tea\n"),
        (msg("👍", kind="react"), "13:00 * bob answers with 👍\n"),
        (msg("took back a message: spam", kind="redact", reason="spam"), "13:00 * bob took back a message: spam\n"),
        (msgspec.structs.replace(msg("", kind="react"), redacted=True), "13:00 * a reaction of bob was taken back\n"),
        (
            native.Msg(room="#lobby", seq=1, time=NOON, nick="bob", text="", redacted=True),
            "13:00 * a message of bob was taken back\n",
        ),
        (
            native.Msg(room="#lobby", seq=1, time=NOON, nick="bob", text="psst", audience="op"),
            "13:00 bob (to each op and above): psst\n",
        ),
    ],
)
def test_what_happens_in_a_room_is_a_sentence_for_all(event: native.Event, text: str) -> None:
    assert encode(event, 3600).decode() == text


def test_who_is_put_out_reads_so_and_speaks_elsewhere() -> None:
    plain = in_tea()
    left = native.Left(room="#tea", nick="ann", by="bob", reason="too loud")
    assert plain.receive(left).decode() == (
        "* You were put out of #tea by bob: too loud. What you type is said in #lobby.\n"
    )
    assert plain.feed(b"hi\n") == [say("hi")]


def test_a_room_is_called_by_its_new_name() -> None:
    plain = in_tea()
    assert plain.receive(moderation.Retitled(room="#tea", name="#chai", by="bob", reason="better")).decode() == (
        "* bob renamed #tea to #chai: better\n"
    )
    assert plain.feed(b"hi\n") == [say("hi", "#chai")]


def test_an_invitation_says_how_to_follow_it() -> None:
    assert inside().receive(moderation.Invited(room="#tea", by="bob", nick="ann")).decode() == (
        "* bob invites you to #tea; /join #tea takes you there\n"
    )


def test_what_holds_in_a_room_is_shown() -> None:
    plain = inside()
    assert plain.feed(b"/mode\n") == [moderation.Policy(id=3, room="#lobby")]
    policy = moderation.RoomPolicy(
        id=3,
        room="#lobby",
        owner="Ann",
        flags=["secret"],
        roles={"bob": ["op"]},
        entries=[Entry("ban", "eve!*@*", "ann", NOON, until=NOON + 60_000, reason="spam")],
    )
    assert plain.receive(policy).decode() == (
        "#lobby is registered by Ann\n  hidden from those who are not in it\n  bob: op\n"
        "  banned: eve!*@* until 2023-11-15 13:01 (by ann, 2023-11-15 13:00): spam\n"
    )


def test_people_are_shown_with_their_roles_and_accounts() -> None:
    plain = inside()
    people = native.People(people=[native.Person("ann", roles=["op", "voice"]), native.Person("bob")], count=2)
    assert plain.receive(people).decode() == "2 people here: @ann, bob\n"
    profile = native.Profile(nick="bob", rooms=["#tea"], since=NOON, idle=5, account="Bob", roles={"#tea": ["halfop"]})
    assert plain.receive(profile).decode() == (
        "bob is here since 2023-11-15 13:00, silent for 5 seconds\nYou both are in #tea (halfop)\nLogged in as Bob\n"
    )


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"/invite bob\n", "* bob is invited to #lobby.\n"),
        (b"/room register\n", "* #lobby is yours: roles and modes are kept when all are gone.\n"),
        (b"/announce hi\n", "* It is announced.\n"),
        (b"/op bob\n", ""),  # the room hears of it
        (b"/kick bob\n", ""),
    ],
)
def test_what_is_done_is_said_where_it_does_not_show(line: bytes, text: str) -> None:
    plain = inside()
    plain.feed(line)
    assert plain.receive(native.Ok(id=3)).decode() == text


def test_logging_in_may_bring_another_nick() -> None:
    plain = inside()
    assert plain.receive(accounts.LoggedIn(account="Ann", nick="Ann")).decode() == "* You are logged in as Ann.\n"
    plain.feed(b"/kick bob\n")
    left = native.Left(room="#lobby", nick="Ann", by="bob")
    assert plain.receive(left).decode().startswith("* You were put out of #lobby by bob")


def test_the_words_of_an_admin_are_told_as_such() -> None:
    plain = inside()
    assert plain.receive(native.Notice(text="Tea", by="eve")).decode() == "* eve tells everybody: Tea\n"
    assert plain.receive(native.Notice(text="Tea", by="eve", admins=True)).decode() == "* eve tells the admins: Tea\n"


def test_a_reaction_is_about_the_message_one_sees_last() -> None:
    plain = inside()
    assert plain.feed(b"/react :tea:\n") == [native.History(id=3, room="#lobby", limit=200)]
    messages = [native.Msg(room="#lobby", seq=4, time=NOON, nick="bob", text="hi")]
    assert plain.receive(native.HistoryPage(id=3, room="#lobby", messages=messages)) == b""
    assert plain.follow_up() == [native.Send(cmid="c1", to="#lobby", text=":tea:", kind="react", reply=4)]


def test_in_direct_messages_only_those_with_this_person_count() -> None:
    plain = inside()
    plain.feed(b"/msg bob\n")
    assert plain.feed(b"/redact\n") == [native.History(id=3, room="@", limit=200)]
    messages = [
        native.Msg(room="@", seq=4, time=NOON, nick="ann", text="hi", to="bob"),
        native.Msg(room="@", seq=5, time=NOON, nick="ann", text="hi", to="eve"),
    ]
    plain.receive(native.HistoryPage(id=3, room="@", messages=messages))
    assert plain.follow_up() == [native.Redact(id=4, cmid="c1", room="@", seq=4)]


def test_where_there_is_no_such_message_it_says_so() -> None:
    plain = inside()
    assert printed(plain.feed(b"/react ^9\n")) == "! With what? Type /react [^N] EMOJI\n"
    plain.feed(b"/react ^9 x\n")
    page = native.HistoryPage(id=3, room="#lobby", messages=[])
    assert plain.receive(page).decode() == "! There is no such message among the last ones here.\n"
    assert plain.follow_up() == ()


def test_who_takes_something_back_reads_that_it_is_done() -> None:
    plain = inside()
    (look,) = plain.feed(b"/redact\n")
    assert isinstance(look, native.History)
    plain.receive(native.HistoryPage(id=look.id, room="#lobby", messages=[msg("oops", nick="ann")], more=False))
    (redact,) = plain.follow_up()
    assert isinstance(redact, native.Redact)
    assert plain.receive(native.Ok(id=redact.id, room="#lobby", seq=9)) == b"* It is taken back.\n"
