"""Ways around bans, mutes, filters and ranks, which are none; and what holds when the disk fails in the middle."""

import pytest

from broker.accounts import Account
from broker.log import LogError
from broker.process import UNSTORED
from protocol import accounts, moderation, native
from protocol.metadata import MetaGet, MetaSet
from protocol.moderation import Change
from tests.broker.desk import ANN, BOB, EVE, Desk, token
from tests.broker.test_moderation import (
    ADA,
    DAN,
    TEA,
    FullDisk,
    change,
    enter,
    heard,
    policy,
    register,
    roles,
    say,
    server_admin,
)

MUTE = moderation.Ban(mask="bob", room=TEA, kind="mute")


@pytest.fixture
def tea() -> Desk:
    """Ann made #tea and is its op; bob and eve are in it."""
    desk = Desk()
    for who, nick in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):
        enter(desk, who, nick, TEA)
    return desk


# --- bans and mutes


def test_an_invitation_lets_nobody_past_a_later_ban(tea: Desk) -> None:
    enter(tea, DAN, "dan")
    invite = moderation.Invite(nick="dan", room=TEA)
    tea.ask(ANN, invite, native.Ok)
    tea.ask(ANN, moderation.Ban(mask="dan", room=TEA), native.Ok)
    assert tea.refused(DAN, native.Join(room=TEA)) == "banned"
    tea.ask(ANN, invite, native.Ok)
    tea.ask(DAN, native.Join(room=TEA), native.Room)


def test_a_guest_stays_muted_under_another_nick_also_from_the_servers_own_machine() -> None:
    desk = Desk()
    enter(desk, ANN, "ann", TEA)
    desk.post(BOB, native.Hello(nick="bob", token=token("bob")), addr="127.0.0.1")
    desk.ask(BOB, native.Join(room=TEA), native.Room)
    desk.ask(ANN, MUTE, native.Ok)
    desk.ask(BOB, native.Nick(nick="robert"), native.Ok)
    assert say(desk, BOB, "hello") == "muted"


@pytest.mark.parametrize("kind", ["ban", "mute"])
def test_who_is_listed_by_account_does_not_get_around_it_by_logging_out(tea: Desk, kind: moderation.Listed) -> None:
    register(tea, BOB, "bob")
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA, kind=kind), native.Ok)
    tea.ask(BOB, accounts.Logout(), native.Ok)
    answer = tea.refused(BOB, native.Join(room=TEA)) if kind == "ban" else say(tea, BOB, "hello")
    assert answer in ("banned", "muted")


def test_a_ban_is_taken_back_by_the_nick_that_somebody_has_now(tea: Desk) -> None:
    register(tea, EVE, "eva")
    for nick in ("bob", "eva"):
        tea.ask(ANN, moderation.Ban(mask=nick, room=TEA), native.Ok)
    tea.ask(BOB, native.Nick(nick="robert"), native.Ok)
    tea.ask(EVE, native.Nick(nick="yves"), native.Ok)
    assert [entry.mask for entry in policy(tea).entries] == ["bob!*@*", "account:eva"]
    tea.ask(ANN, moderation.Unban(mask="robert", room=TEA), native.Ok)
    tea.ask(ANN, moderation.Unban(mask="yves", room=TEA), native.Ok)
    assert policy(tea).entries == []


def test_who_is_let_in_by_nick_is_not_all_who_share_an_address(tea: Desk) -> None:
    change(tea, ANN, Change("invite-only"), Change("invited", arg="bob"), Change("except", arg="bob"))
    tea.post(DAN, native.Hello(nick="dan", token=token("dan")), addr="192.0.2.2")
    tea.commit()
    assert tea.refused(DAN, native.Join(room=TEA)) == "invite-only"
    change(tea, ANN, Change("ban", arg="d*!*@*"))
    assert tea.refused(DAN, native.Join(room=TEA)) == "banned"


def test_nobody_takes_a_nick_here_with_which_they_could_not_have_come(tea: Desk) -> None:
    server_admin(tea)
    tea.ask(ADA, moderation.Ban(mask="spam*!*@*"), native.Ok)
    assert tea.refused(BOB, native.Nick(nick="spammer")) == "bad-nick"
    tea.ask(BOB, native.Nick(nick="robert"), native.Ok)


def test_who_may_not_speak_does_not_by_topics(tea: Desk) -> None:
    topic = native.Topic(cmid="1", room=TEA, text="hello")
    tea.ask(ANN, MUTE, native.Ok)
    assert tea.refused(BOB, topic) == "muted"
    change(tea, ANN, Change("moderated"))
    assert tea.refused(EVE, topic) == "not-allowed"


@pytest.mark.parametrize("request_", [native.Leave(room=TEA, reason="so darn"), native.Quit(reason="so darn")])
@pytest.mark.parametrize("how", [MUTE, moderation.Mode(room=TEA, changes=[Change("filter", arg="darn")])])
def test_who_may_not_say_something_does_not_by_leaving(
    tea: Desk, request_: native.Request, how: native.Request
) -> None:
    tea.ask(ANN, how, native.Ok)
    tea.do(BOB, request_)
    assert [(event.nick, event.reason) for event in heard(tea, 2) if isinstance(event, native.Left)] == [("bob", "")]


def test_an_entry_that_has_ended_is_not_taken_for_one_that_is_there(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    tea.ask(ANN, moderation.Ban(mask="dan!*@*", room=TEA, seconds=5), native.Ok)
    tea.now += 10_000
    change(tea, ANN, Change("ban", arg="dan!*@*"))
    assert [(entry.mask, entry.until) for entry in policy(tea).entries] == [("dan!*@*", None)]


@pytest.mark.parametrize("mask", ["x" * 299 + "*", "ŉ" * 290 + "*"])
def test_no_mask_is_kept_that_would_be_too_long_to_be_taken_back(tea: Desk, mask: str) -> None:
    server_admin(tea)
    assert tea.refused(ANN, moderation.Ban(mask=mask, room=TEA)) == "bad-mask"
    assert tea.refused(ADA, moderation.Ban(mask=mask)) == "bad-mask"


# --- words


@pytest.mark.parametrize("text", ["da\u20ddrn", "d\u0941arn", "da\u0600rn", "__darn__", "ⓓⓐⓡⓝ"])
def test_nothing_drawn_over_a_word_hides_it(tea: Desk, text: str) -> None:
    change(tea, ANN, Change("filter", arg="darn"))
    assert say(tea, BOB, text) == "filtered"


def test_words_whose_vowels_are_marks_can_be_filtered_and_are_told_from_others(tea: Desk) -> None:
    change(tea, ANN, Change("filter", arg="हिन्दी"))
    assert say(tea, BOB, "यह हिन्दी!") == "filtered"
    assert say(tea, BOB, "हन्दि") == ""


# --- ranks


def test_who_is_owner_beside_the_one_whose_room_it_is_cannot_take_it(tea: Desk) -> None:
    register(tea, ANN, "ann")
    register(tea, BOB, "bob")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    change(tea, ANN, Change("owner", arg="bob"))
    assert tea.refused(BOB, moderation.Claim(room=TEA, to="bob")) == "not-allowed"
    assert tea.refused(BOB, moderation.Claim(room=TEA, drop=True)) == "not-allowed"
    assert tea.refused(BOB, moderation.Mode(room=TEA, changes=[Change("owner", False, "ann")])) == "not-allowed"
    assert tea.refused(BOB, moderation.Kick(nick="ann", room=TEA)) == "not-allowed"
    change(tea, ANN, Change("owner", False, "bob"))
    change(tea, ANN, Change("owner", arg="bob"))
    tea.ask(ANN, moderation.Claim(room=TEA, to="bob"), native.Ok)


def test_what_somebody_said_who_had_the_name_before_is_not_ones_own(tea: Desk) -> None:
    register(tea, BOB, "bob")
    said = tea.say(BOB, TEA, "mine")
    tea.state.gate.registrar.remove(tea.state.accounts.known("bob") or pytest.fail("no account"))
    account = Account(name="bob", uid="ee" * 16, since=tea.now + 1000)
    tea.state.accounts.create(account)
    tea.state.seating.log_in(tea.state.people.by_conn[EVE], account)
    tea.commit()
    assert tea.refused(EVE, native.Redact(cmid="r", room=TEA, seq=said.seq or 0)) == "not-allowed"


@pytest.mark.parametrize("name", ["!#tea", "!!#tea", "! #tea", "!#TEA", "!", "!@", "!~" + "0" * 32, "~" + "0" * 32])
def test_nothing_but_history_takes_the_name_of_a_moderation_log_and_that_only_for_admins(tea: Desk, name: str) -> None:
    tea.ask(ANN, moderation.Ban(mask="dan", room=TEA), native.Ok)
    asked: list[native.Request] = [
        native.Join(room=name),
        native.History(room=name),
        native.Send(cmid="1", to=name, text="x"),
        native.Topic(cmid="2", room=name, text="x"),
        native.Redact(cmid="3", room=name, seq=1),
        native.Typing(to=name, state="active"),
        native.Tag(to=name, tags={"+draft/x": "1"}),
        native.Leave(room=name),
        native.Who(room=name),
        accounts.Read(room=name, seq=1),
        moderation.Policy(room=name),
        moderation.Claim(room=name),
        moderation.Retitle(room=name, name="#x"),
        moderation.Retitle(room=TEA, name=name),
        MetaGet(target=name),
        MetaSet(target=name, key="a", value="b"),
    ]
    assert [type(request) for request in asked if not isinstance(tea.do(EVE, request), native.Error)] == []


# --- the disk


@pytest.mark.parametrize(
    "request_",
    [
        moderation.Kick(nick="eve", room=TEA),
        moderation.Ban(mask="eve", room=TEA),
        moderation.Ban(mask="eve"),
    ],
)
def test_nobody_is_put_out_when_that_cannot_be_stored(request_: native.Request) -> None:
    log = FullDisk(":memory:")
    desk = Desk(log=log)
    enter(desk, ANN, "ann", TEA)
    enter(desk, EVE, "eve", TEA)
    desk.state.people.by_conn[ANN].person.admin = True
    log.full = True
    with pytest.raises(LogError):
        desk.post(ANN, request_)
    desk.state.rolled_back()
    desk.out.refuse_unstored(desk.state.last, desk.log.topic, UNSTORED)
    desk.gather()
    assert desk.told == {}
    assert [person.nick for person in desk.state.rooms.by_name[TEA].members] == ["ann", "eve"]
    log.full = False
    assert (policy(desk).entries, desk.state.bans.entries) == ([], [])


def test_who_made_a_room_is_its_op_though_the_transaction_failed() -> None:
    log = FullDisk(":memory:")
    desk = Desk(log=log)
    enter(desk, ANN, "ann")
    log.full = True
    desk.post(ANN, native.Join(room=TEA))
    desk.post(ANN, native.Send(cmid="1", to=TEA, text="hi"))
    with pytest.raises(LogError):
        desk.log.commit()
    desk.state.rolled_back()
    log.full = False
    assert roles(desk, "ann") == ["op"]


def test_who_could_not_be_let_in_for_good_is_not_in(tea: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invitation that is used up is stored before anybody hears who has come."""
    enter(tea, DAN, "dan")
    change(tea, ANN, Change("invite-only"))
    tea.ask(ANN, moderation.Invite(nick="dan", room=TEA), native.Ok)

    def full() -> None:
        tea.log.rollback()
        raise LogError("disk full")

    monkeypatch.setattr(tea.log, "commit", full)
    with pytest.raises(LogError):
        tea.post(DAN, native.Join(room=TEA))
    monkeypatch.undo()
    tea.state.rolled_back()
    assert "dan" not in [person.nick for person in tea.state.rooms.by_name[TEA].members]
    tea.ask(DAN, native.Join(room=TEA), native.Room)
