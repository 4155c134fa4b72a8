"""Roles, modes, kicks, bans, invitations, whose a room is: what each request does, and to whom it is refused."""

import pytest
from msgspec.structs import replace

from broker.log import Log
from protocol import moderation, native
from protocol.ipc import Announced, Closed, Parted, Told
from protocol.moderation import Change
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, settings, token

TEA = "#tea"
ADA = conn(3, 1)  # a server admin
DAN = conn(2, 2)
ADDRESSES = {ANN: "192.0.2.1", BOB: "192.0.2.2", EVE: "192.0.2.3", DAN: "192.0.2.4", ADA: "198.51.100.1"}


def enter(desk: Desk, who: int, nick: str, *rooms: str) -> None:
    """Come in from an address of one's own."""
    desk.post(who, native.Hello(nick=nick, token=token(nick)), addr=ADDRESSES[who])
    desk.commit()
    for room in rooms:
        desk.ask(who, native.Join(room=room), native.Room)


@pytest.fixture
def tea() -> Desk:
    """Ann made #tea and is its op; bob and eve are in it."""
    desk = Desk()
    enter(desk, ANN, "ann", TEA)
    enter(desk, BOB, "bob", TEA)
    enter(desk, EVE, "eve", TEA)
    return desk


def register(desk: Desk, who: int, nick: str) -> None:
    """Log somebody in to an account of their own, made for it."""
    from broker.accounts import Account

    account = Account(name=nick, uid=nick.encode().hex().ljust(32, "0"), since=NOON)
    desk.state.gate.accounts.create(account)
    desk.state.seating.log_in(desk.state.people.by_conn[who], account)
    desk.commit()


def server_admin(desk: Desk, who: int = ADA, nick: str = "ada") -> None:
    enter(desk, who, nick)
    desk.state.people.by_conn[who].person.admin = True


def mode(*changes: Change, room: str = TEA) -> moderation.Mode:
    return moderation.Mode(room=room, changes=list(changes))


def change(desk: Desk, who: int, *changes: Change, room: str = TEA) -> None:
    desk.ask(who, mode(*changes, room=room), native.Ok)


def policy(desk: Desk, who: int = ANN, room: str = TEA) -> moderation.RoomPolicy:
    return desk.ask(who, moderation.Policy(room=room), moderation.RoomPolicy)


def heard(desk: Desk, worker: int) -> list[native.Event]:
    return [event.event for event in desk.told.get(worker, []) if isinstance(event, Announced)]


def roles(desk: Desk, nick: str, room: str = TEA) -> list[str]:
    people = desk.state.rooms.by_name[room].members
    return [
        role
        for person in people
        if person.nick == nick
        for role in person.card_in(desk.state.rooms.by_name[room]).roles
    ]


# --- roles


def test_who_makes_a_room_is_its_op_and_who_comes_later_is_not(tea: Desk) -> None:
    people = tea.ask(EVE, native.Who(room=TEA), native.People).people
    assert people == [native.Person("ann", roles=["op"]), native.Person("bob"), native.Person("eve")]


def test_nobody_is_op_of_the_lobby_but_server_admins_rule_it() -> None:
    desk = Desk()
    enter(desk, ANN, "ann", "#lobby")
    assert roles(desk, "ann", "#lobby") == []
    assert desk.refused(ANN, mode(Change("moderated"), room="#lobby")) == "not-allowed"
    server_admin(desk)
    change(desk, ADA, Change("moderated"), room="#lobby")
    assert desk.refused(ANN, native.Send(cmid="1", to="#lobby", text="hi")) == "not-allowed"
    assert desk.refused(ADA, moderation.Claim(room="#lobby")) == "not-allowed"


def test_all_changes_are_made_or_none_and_those_that_change_something_are_told(tea: Desk) -> None:
    change(tea, ANN, Change("op", arg="bob"), Change("moderated"), Change("moderated"), Change("secret", False))
    told = moderation.Modes(room=TEA, by="ann", changes=[Change("op", arg="bob"), Change("moderated")])
    assert heard(tea, 2) == [told]
    assert tea.refused(BOB, mode(Change("secret"), Change("op", arg="nobody"))) == "no-such-nick"
    assert heard(tea, 2) == []
    assert policy(tea, BOB).flags == ["moderated"]


def test_a_change_that_changes_nothing_is_ok_and_told_to_nobody(tea: Desk) -> None:
    change(tea, ANN, Change("voice", False, "bob"))
    assert heard(tea, 1) == heard(tea, 2) == []


def test_a_guests_role_ends_with_leaving_an_accounts_is_kept() -> None:
    desk = Desk()
    enter(desk, ANN, "ann", TEA)
    register(desk, ANN, "ann")
    desk.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    enter(desk, BOB, "bob", TEA)
    enter(desk, EVE, "eve", TEA)
    register(desk, EVE, "eve")
    change(desk, ANN, Change("voice", arg="bob"), Change("halfop", arg="eve"), Change("voice", arg="eve"))
    assert (roles(desk, "bob"), roles(desk, "eve")) == (["voice"], ["halfop", "voice"])
    for who in (BOB, EVE):
        desk.ask(who, native.Leave(room=TEA), native.Ok)
        desk.ask(who, native.Join(room=TEA), native.Room)
    assert (roles(desk, "bob"), roles(desk, "eve")) == ([], ["halfop", "voice"])
    assert policy(desk).roles == {"eve": ["halfop", "voice"]}


def test_only_accounts_can_be_admins_and_owners(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    assert tea.refused(ANN, mode(Change("admin", arg="bob"))) == "account-needed"
    register(tea, BOB, "bob")
    change(tea, ANN, Change("admin", arg="bob"))
    assert roles(tea, "bob") == ["admin"]
    assert tea.refused(BOB, mode(Change("admin", arg="eve"))) == "not-allowed"
    assert tea.refused(BOB, mode(Change("owner", False, "ann"))) == "not-allowed"


def test_a_role_can_be_given_to_an_account_that_is_away_and_not_to_a_guest_elsewhere(tea: Desk) -> None:
    enter(tea, DAN, "dan")
    assert tea.refused(ANN, mode(Change("voice", arg="dan"))) == "not-in-room"
    register(tea, DAN, "dan")
    tea.gone(DAN)
    change(tea, ANN, Change("voice", arg="DAN"))
    assert heard(tea, 2) == [moderation.Modes(room=TEA, by="ann", changes=[Change("voice", arg="dan")])]
    assert policy(tea).roles == {"dan": ["voice"]}


def test_one_gives_up_ones_own_role_without_a_right_to(tea: Desk) -> None:
    change(tea, ANN, Change("voice", arg="bob"))
    change(tea, BOB, Change("voice", False, "bob"))
    assert roles(tea, "bob") == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Change("colour"), "bad-mode"),
        (Change("op"), "bad-mode"),
        (Change("limit", arg="many"), "bad-mode"),
        (Change("limit", arg="0"), "bad-mode"),
        (Change("limit", arg="٣"), "bad-mode"),
        (Change("slow", arg="10000000"), "bad-mode"),
        (Change("throttle", arg="5"), "bad-mode"),
        (Change("throttle", arg="5:0"), "bad-mode"),
        (Change("key", arg="two words"), "bad-mode"),
        (Change("key", arg="a,b"), "bad-mode"),
        (Change("key"), "bad-mode"),
        (Change("filter", arg="two words"), "bad-mode"),
        (Change("filter", arg="!!"), "bad-mode"),
        (Change("ban", arg="a!b!c"), "bad-mask"),
        (Change("ban", arg="300.1.1.1/40"), "bad-mask"),
        (Change("ban", arg="*!*@moot"), "bad-mask"),
        (Change("ban", False, "nobody"), "no-such-entry"),
        (Change("op", arg="who is that"), "no-such-nick"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(tea: Desk, wrong: Change, code: str) -> None:
    assert tea.refused(ANN, mode(wrong)) == code


def test_the_values_of_limits_are_written_one_way(tea: Desk) -> None:
    change(tea, ANN, Change("limit", arg="007"), Change("throttle", arg="05:010"), Change("slow", arg="3"))
    change(tea, ANN, Change("key", arg="s3cret"))
    assert policy(tea).limits == {"limit": "7", "throttle": "5:10", "slow": "3", "key": "s3cret"}
    assert policy(tea, BOB).limits["key"] == "*"


# --- coming in


def test_bans_keep_out_and_exceptions_let_in(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="*!*@192.0.2.0/24", room=TEA, reason="noise"), native.Ok)
    enter(tea, DAN, "dan")
    answer = tea.ask(DAN, native.Join(room=TEA), native.Error)
    assert (answer.code, answer.text) == ("banned", "you are banned from #tea: noise")
    tea.ask(ANN, moderation.Ban(mask="dan", room=TEA, kind="except"), native.Ok)
    tea.ask(DAN, native.Join(room=TEA), native.Room)


def test_who_is_banned_is_put_out_and_told_by_whom(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA, reason="noise"), native.Ok)
    left = native.Left(room=TEA, nick="bob", reason="noise", by="ann")
    assert heard(tea, 2) == [moderation.Modes(room=TEA, by="ann", changes=[Change("ban", arg="bob!*@*")]), left]
    assert tea.told[1].index(Told(BOB, left)) < tea.told[1].index(Parted(BOB, TEA))
    assert tea.refused(BOB, native.Join(room=TEA)) == "banned"
    assert tea.refused(BOB, native.Send(cmid="1", to=TEA, text="hi")) == "not-in-room"


def test_a_guest_is_banned_by_address_too_and_ops_do_not_learn_it(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA), native.Ok)
    (entry,) = policy(tea).entries
    assert (entry.kind, entry.mask, entry.by, entry.at) == ("ban", "bob!*@*", "ann", tea.now - 1000)
    tea.ask(BOB, native.Nick(nick="robert"), native.Ok)
    assert tea.refused(BOB, native.Join(room=TEA)) == "banned"
    assert policy(tea, EVE).entries == []


def test_who_shares_an_address_with_a_banned_guest_stays_but_no_guest_comes_in_from_there(tea: Desk) -> None:
    tea.post(DAN, native.Hello(nick="dan", token=token("dan")), addr=ADDRESSES[BOB])
    tea.commit()
    tea.ask(DAN, native.Join(room=TEA), native.Room)
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA), native.Ok)
    tea.say(DAN, TEA, "still here")
    tea.ask(DAN, native.Leave(room=TEA), native.Ok)
    assert tea.refused(DAN, native.Join(room=TEA)) == "banned"
    register(tea, DAN, "dan")
    tea.ask(DAN, native.Join(room=TEA), native.Room)


def test_somebody_logged_in_is_banned_by_account(tea: Desk) -> None:
    register(tea, BOB, "Bob")
    tea.ask(BOB, native.Nick(nick="robert"), native.Ok)
    tea.ask(ANN, moderation.Ban(mask="ROBERT", room=TEA), native.Ok)
    assert [entry.mask for entry in policy(tea).entries] == ["account:bob"]
    assert tea.refused(BOB, native.Join(room=TEA)) == "banned"
    tea.ask(ANN, moderation.Unban(mask="bob", room=TEA), native.Ok)
    tea.ask(BOB, native.Join(room=TEA), native.Room)


def test_the_same_entry_again_is_listed_once_with_its_new_end(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="dan!*@*", room=TEA), native.Ok)
    tea.ask(ANN, moderation.Ban(mask="Dan", room=TEA, seconds=60), native.Ok)
    (entry,) = policy(tea).entries
    assert entry.until == entry.at + 60_000


def test_lists_are_bounded() -> None:
    desk = Desk(settings(max_entries=2))
    enter(desk, ANN, "ann", TEA)
    change(desk, ANN, Change("ban", arg="a"), Change("mute", arg="b"))
    assert desk.refused(ANN, mode(Change("ban", arg="c"))) == "full-list"
    assert desk.refused(ANN, moderation.Ban(mask="c", room=TEA)) == "full-list"
    change(desk, ANN, Change("ban", False, "a"), Change("ban", arg="c"))


def test_entries_with_a_time_end_by_themselves_and_the_room_hears_it(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA, seconds=60), native.Ok)
    until = tea.now + 60_000
    assert tea.state.moderation.settle(tea.now) == until
    assert tea.refused(BOB, native.Join(room=TEA)) == "banned"
    tea.state.moderation.settle(until)
    tea.commit()
    assert heard(tea, 2) == [moderation.Modes(room=TEA, by="", changes=[Change("ban", False, "bob!*@*")])]
    tea.ask(BOB, native.Join(room=TEA), native.Room)
    assert policy(tea).entries == []


def test_an_entry_that_has_ended_counts_no_more_before_it_is_removed(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA, seconds=0.5), native.Ok)
    tea.ask(BOB, native.Join(room=TEA), native.Room)


def test_invited_people_come_in_once_past_everything(tea: Desk) -> None:
    change(tea, ANN, Change("invite-only"), Change("key", arg="x"), Change("limit", arg="1"), Change("ban", arg="dan"))
    enter(tea, DAN, "dan")
    assert tea.refused(DAN, native.Join(room=TEA)) == "banned"
    assert tea.refused(BOB, moderation.Invite(nick="dan", room=TEA)) == "not-allowed"
    tea.ask(ANN, moderation.Invite(nick="dan", room=TEA), native.Ok)
    assert tea.told_to(DAN) == [moderation.Invited(room=TEA, by="ann", nick="dan")]
    tea.ask(DAN, native.Join(room=TEA), native.Room)
    tea.ask(DAN, native.Leave(room=TEA), native.Ok)
    assert tea.refused(DAN, native.Join(room=TEA)) == "banned"


def test_those_who_may_invite_hear_of_invitations(tea: Desk) -> None:
    change(tea, ANN, Change("op", arg="eve"))
    enter(tea, DAN, "dan")
    tea.ask(ANN, moderation.Invite(nick="dan", room=TEA), native.Ok)
    assert tea.told_to(EVE) == [moderation.Invited(room=TEA, by="ann", nick="dan")]
    assert tea.told_to(BOB) == []
    assert tea.refused(ANN, moderation.Invite(nick="bob", room=TEA)) == "already-there"


def test_members_ask_others_in_where_everybody_may_come_but_not_past_a_ban(tea: Desk) -> None:
    enter(tea, DAN, "dan")
    tea.ask(BOB, moderation.Invite(nick="dan", room=TEA), native.Ok)
    change(tea, ANN, Change("ban", arg="dan"))
    assert tea.refused(DAN, native.Join(room=TEA)) == "banned"


@pytest.mark.parametrize(
    ("modes", "code"),
    [
        ([Change("invite-only")], "invite-only"),
        ([Change("key", arg="open")], "bad-key"),
        ([Change("limit", arg="3")], "room-full"),
        ([Change("registered-only")], "accounts-only"),
    ],
)
def test_what_keeps_people_out(tea: Desk, modes: list[Change], code: str) -> None:
    change(tea, ANN, *modes)
    enter(tea, DAN, "dan")
    assert tea.refused(DAN, native.Join(room=TEA)) == code
    assert tea.state.rooms.by_name[TEA].members.keys() == {
        tea.state.people.by_key[one] for one in ("ann", "bob", "eve")
    }


def test_the_key_the_list_of_invited_and_an_account_open_the_door(tea: Desk) -> None:
    enter(tea, DAN, "dan")
    change(tea, ANN, Change("key", arg="open"))
    assert tea.refused(DAN, native.Join(room=TEA, key="shut")) == "bad-key"
    tea.ask(DAN, native.Join(room=TEA, key="open"), native.Room)
    tea.ask(DAN, native.Leave(room=TEA), native.Ok)
    change(tea, ANN, Change("key", False), Change("invite-only"), Change("invited", arg="dan"))
    tea.ask(DAN, native.Join(room=TEA), native.Room)
    tea.ask(DAN, native.Leave(room=TEA), native.Ok)
    change(tea, ANN, Change("invite-only", False), Change("registered-only"))
    assert tea.refused(DAN, native.Join(room=TEA)) == "accounts-only"
    register(tea, DAN, "dan")
    tea.ask(DAN, native.Join(room=TEA), native.Room)


def test_a_throttle_tells_how_long_to_wait(tea: Desk) -> None:
    change(tea, ANN, Change("throttle", arg="1:10"))
    enter(tea, DAN, "dan", TEA)
    tea.ask(DAN, native.Leave(room=TEA), native.Ok)
    answer = tea.ask(DAN, native.Join(room=TEA), native.Error)
    assert (answer.code, answer.wait) == ("throttled", 8.0)
    tea.now += 8000
    tea.ask(DAN, native.Join(room=TEA), native.Room)


# --- speaking


def say(desk: Desk, who: int, text: str = "hi", kind: str = "text") -> str:
    """Return the code of what comes of it; empty: it was said."""
    answer = desk.do(who, native.Send(cmid=f"s{desk.rid}", to=TEA, text=text, kind=kind))  # type: ignore[arg-type]
    return answer.code if isinstance(answer, native.Error) else ""


def test_a_room_without_such_modes_does_not_look_at_what_is_said(tea: Desk) -> None:
    assert not tea.state.rooms.by_name[TEA].strict
    change(tea, ANN, Change("secret"), Change("key", arg="x"), Change("op", arg="bob"), Change("invited", arg="dan"))
    assert not tea.state.rooms.by_name[TEA].strict


def test_only_those_with_a_voice_speak_in_a_moderated_room(tea: Desk) -> None:
    change(tea, ANN, Change("moderated"), Change("voice", arg="bob"))
    assert (say(tea, ANN), say(tea, BOB), say(tea, EVE)) == ("", "", "not-allowed")
    change(tea, ANN, Change("moderated", False))
    assert say(tea, EVE) == ""


def test_the_muted_do_not_speak_until_they_may_again(tea: Desk) -> None:
    tea.ask(ANN, moderation.Ban(mask="bob", room=TEA, kind="mute", seconds=600, reason="caps"), native.Ok)
    answer = tea.ask(BOB, native.Send(cmid="1", to=TEA, text="HI"), native.Error)
    assert (answer.code, answer.text) == ("muted", "you are muted in #tea until 2023-11-14 22:23:27 UTC: caps")
    tea.ask(ANN, moderation.Unban(mask="bob", room=TEA, kind="mute"), native.Ok)
    assert say(tea, BOB) == ""


def test_only_accounts_speak_where_that_is_so(tea: Desk) -> None:
    change(tea, ANN, Change("registered-speak"))
    assert say(tea, BOB) == "accounts-only"
    register(tea, BOB, "bob")
    assert say(tea, BOB) == ""


def test_a_slow_room_tells_how_long_to_wait_and_ops_do_not(tea: Desk) -> None:
    change(tea, ANN, Change("slow", arg="30"))
    assert say(tea, BOB) == ""
    answer = tea.ask(BOB, native.Send(cmid="1", to=TEA, text="again"), native.Error)
    assert (answer.code, answer.wait) == ("slow", 29.0)
    assert (say(tea, ANN), say(tea, ANN), say(tea, EVE)) == ("", "", "")
    tea.now += 30_000
    assert say(tea, BOB) == ""


def test_a_retry_of_what_was_said_is_no_second_message_in_a_slow_room(tea: Desk) -> None:
    change(tea, ANN, Change("slow", arg="30"))
    first = tea.say(BOB, TEA, "hi", "once")
    assert tea.say(BOB, TEA, "hi", "once").seq == first.seq


@pytest.mark.parametrize("text", ["darn", "Well, DARN!", "dárn it", "so (darn) much", "dаrn"])
def test_words_of_the_filter_are_refused_to_their_sender_alone(tea: Desk, text: str) -> None:
    change(tea, ANN, Change("filter", arg="Darn"))
    assert say(tea, BOB, text) == "filtered"
    assert heard(tea, 2) == []
    assert say(tea, BOB, "darning is fine") == ""


def test_a_fun_command_is_filtered_by_what_was_typed(tea: Desk) -> None:
    from protocol.ipc import Art

    change(tea, ANN, Change("filter", arg="darn"))
    request = native.Fun(cmid="1", to=TEA, line="/cowsay darn")
    answer = tea.do(BOB, request, Art("< darn >"))
    assert isinstance(answer, native.Error)
    assert answer.code == "filtered"


def test_ops_set_the_topic_where_it_is_locked(tea: Desk) -> None:
    topic = native.Topic(cmid="t", room=TEA, text="Earl Grey")
    tea.ask(BOB, topic, native.Ok)
    change(tea, ANN, Change("topic-lock"))
    assert tea.refused(BOB, replace(topic, cmid="u")) == "not-allowed"
    tea.ask(ANN, replace(topic, cmid="v"), native.Ok)


# --- kicks


def test_a_kick_puts_out_and_lets_come_back(tea: Desk) -> None:
    tea.ask(ANN, moderation.Kick(nick="bob", room=TEA, reason="shh"), native.Ok)
    left = native.Left(room=TEA, nick="bob", reason="shh", by="ann")
    assert heard(tea, 2) == [left]
    assert tea.told_to(BOB) == [left]
    tea.ask(BOB, native.Join(room=TEA), native.Room)


def test_halfops_kick_nobody_of_their_own_rank(tea: Desk) -> None:
    change(tea, ANN, Change("halfop", arg="bob"), Change("halfop", arg="eve"))
    assert tea.refused(BOB, moderation.Kick(nick="eve", room=TEA)) == "not-allowed"
    assert tea.refused(BOB, moderation.Kick(nick="ann", room=TEA)) == "not-allowed"
    change(tea, ANN, Change("halfop", False, "eve"))
    tea.ask(BOB, moderation.Kick(nick="eve", room=TEA), native.Ok)


def test_who_is_not_there_cannot_be_kicked(tea: Desk) -> None:
    enter(tea, DAN, "dan")
    assert tea.refused(ANN, moderation.Kick(nick="dan", room=TEA)) == "not-in-room"
    assert tea.refused(ANN, moderation.Kick(nick="zoe", room=TEA)) == "no-such-nick"
    assert tea.refused(DAN, moderation.Kick(nick="bob", room=TEA)) == "not-allowed"
    assert tea.refused(ANN, moderation.Kick(nick="bob", room="#nowhere")) == "no-such-room"


# --- whose a room is


def test_a_registered_room_keeps_modes_lists_and_roles_when_all_have_gone(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    assert heard(tea, 2) == [moderation.Modes(room=TEA, by="ann", changes=[Change("owner", arg="ann")])]
    change(tea, ANN, Change("topic-lock"), Change("ban", arg="dan"))
    for who in (ANN, BOB, EVE):
        tea.ask(who, native.Leave(room=TEA), native.Ok)
    tea.state.moderation.settle(tea.now)
    tea.commit()
    tea.ask(BOB, native.Join(room=TEA), native.Room)
    assert roles(tea, "bob") == []
    kept = policy(tea)
    assert (kept.owner, kept.flags, [entry.mask for entry in kept.entries]) == ("ann", ["topic-lock"], ["dan!*@*"])
    assert tea.state.policies.owned_by("ann") == [TEA]


def test_what_was_set_in_a_room_that_is_nobodys_goes_with_the_last(tea: Desk) -> None:
    change(tea, ANN, Change("topic-lock"), Change("ban", arg="dan"))
    for who in (ANN, BOB, EVE):
        tea.ask(who, native.Leave(room=TEA), native.Ok)
    tea.ask(BOB, native.Join(room=TEA), native.Room)
    assert (policy(tea, BOB).flags, policy(tea, BOB).entries, roles(tea, "bob")) == ([], [], ["op"])
    tea.state.moderation.settle(tea.now)
    tea.commit()
    assert tea.log.recall("room/#tea") is None


def test_behind_closed_doors_stays_what_was_said_there(tea: Desk) -> None:
    tea.say(ANN, TEA, "a secret")
    change(tea, ANN, Change("key", arg="x"))
    for who in (ANN, BOB, EVE):
        tea.ask(who, native.Leave(room=TEA), native.Ok)
    tea.state.moderation.settle(tea.now)
    tea.commit()
    assert tea.refused(BOB, native.Join(room=TEA)) == "bad-key"


def test_a_hidden_room_stays_hidden_when_all_have_left(tea: Desk) -> None:
    tea.say(ANN, TEA, "a secret")
    change(tea, ANN, Change("secret"))
    for who in (ANN, BOB, EVE):
        tea.ask(who, native.Leave(room=TEA), native.Ok)
    tea.state.moderation.settle(tea.now)
    tea.commit()
    assert tea.ask(BOB, native.Rooms(), native.RoomList).rooms == []
    tea.ask(BOB, native.Join(room=TEA), native.Room)
    assert policy(tea, BOB).flags == ["secret"]


def test_a_closed_room_with_ops_of_its_own_makes_nobody_op_who_comes_first(tea: Desk) -> None:
    register(tea, BOB, "bob")
    change(tea, ANN, Change("op", arg="bob"), Change("key", arg="x"))
    for who in (ANN, BOB, EVE):
        tea.ask(who, native.Leave(room=TEA), native.Ok)
    tea.ask(EVE, native.Join(room=TEA, key="x"), native.Room)
    tea.ask(BOB, native.Join(room=TEA), native.Room)
    assert (roles(tea, "eve"), roles(tea, "bob")) == ([], ["op"])


def test_exceptions_can_be_made_for_those_who_are_higher(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    change(tea, ANN, Change("op", arg="bob"))
    tea.ask(BOB, moderation.Ban(mask="ann", room=TEA, kind="except"), native.Ok)
    assert tea.refused(BOB, moderation.Ban(mask="ann", room=TEA)) == "not-allowed"


def test_a_room_is_registered_by_an_op_with_an_account_given_and_given_up() -> None:
    desk = Desk(settings(max_claims=1))
    enter(desk, ANN, "ann", TEA, "#b")
    enter(desk, BOB, "bob", TEA)
    assert desk.refused(ANN, moderation.Claim(room=TEA)) == "account-needed"
    register(desk, ANN, "ann")
    register(desk, BOB, "bob")
    assert desk.refused(BOB, moderation.Claim(room=TEA)) == "not-allowed"
    desk.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    assert desk.refused(ANN, moderation.Claim(room="#b")) == "too-many-rooms"
    assert desk.refused(ANN, moderation.Claim(room=TEA, to="zoe")) == "no-such-account"
    desk.ask(ANN, moderation.Claim(room=TEA, to="BOB"), native.Ok)
    assert policy(desk).owner == "bob"
    assert desk.refused(ANN, moderation.Claim(room=TEA, drop=True)) == "not-allowed"
    desk.ask(BOB, moderation.Claim(room=TEA, drop=True), native.Ok)
    assert policy(desk).owner is None


def test_an_account_that_is_no_more_leaves_nothing_to_who_takes_its_name(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    register(tea, BOB, "bob")
    change(tea, ANN, Change("admin", arg="bob"))
    tea.state.policies.forget_account("ann")
    tea.state.policies.forget_account("bob")
    tea.commit()
    kept = policy(tea)
    assert (kept.owner, kept.roles) == (None, {})


def test_secret_rooms_are_shown_to_their_members_alone(tea: Desk) -> None:
    tea.say(ANN, TEA, "hi")
    change(tea, ANN, Change("secret"))
    enter(tea, DAN, "dan")
    assert tea.ask(DAN, native.Rooms(), native.RoomList).rooms == []
    assert [line.room for line in tea.ask(BOB, native.Rooms(), native.RoomList).rooms] == [TEA]
    assert tea.refused(DAN, moderation.Policy(room=TEA)) == "no-such-room"
    assert tea.refused(DAN, moderation.Kick(nick="bob", room=TEA)) == "no-such-room"


# --- the server


def test_server_admins_ban_from_the_server_and_who_is_banned_is_put_off(tea: Desk) -> None:
    assert tea.refused(ANN, moderation.Ban(mask="bob")) == "not-allowed"
    server_admin(tea)
    tea.ask(ADA, moderation.Ban(mask="bob", seconds=60, reason="noise"), native.Ok)
    text = "you are banned from this server until 2023-11-14 22:14:29 UTC: noise"
    assert tea.told_to(BOB) == [native.Error(code="banned", text=text)]
    assert Closed(BOB) in tea.told[1]
    assert tea.state.people.by_key.keys() == {"ada", "ann", "eve"}
    hello = native.Hello(nick="bob", token=token("bob"))
    assert tea.refused(BOB, hello) == "banned"
    tea.post(DAN, native.Hello(nick="robert", token=token("robert")), addr=ADDRESSES[BOB])
    tea.commit()
    assert "robert" not in tea.state.people.by_key  # from the same address
    tea.ask(ADA, moderation.Unban(mask="bob"), native.Ok)
    tea.ask(BOB, hello, native.Welcome)


def test_a_ban_of_the_server_holds_for_a_new_broker_and_ends_in_time(tea: Desk) -> None:
    server_admin(tea)
    tea.ask(ADA, moderation.Ban(mask="zoe!*@*", seconds=60), native.Ok)
    again = Desk(log=tea.log)
    zoe = native.Hello(nick="Zoe", token=token("zoe"))
    assert again.refused(DAN, zoe) == "banned"
    again.now += 120_000
    again.ask(DAN, zoe, native.Welcome)


def test_server_admins_put_off_the_server_and_announce(tea: Desk) -> None:
    assert tea.refused(ANN, moderation.Kick(nick="bob")) == "not-allowed"
    assert tea.refused(ANN, moderation.Announce(text="hi")) == "not-allowed"
    server_admin(tea)
    tea.ask(ADA, moderation.Announce(text="Tea at four"), native.Ok)
    assert tea.told_to(BOB) == [native.Notice(text="Tea at four", by="ada")]
    tea.ask(ADA, moderation.Announce(text="for admins", admins=True), native.Ok)
    assert (tea.told_to(BOB), tea.told_to(ADA)) == ([], [native.Notice(text="for admins", by="ada", admins=True)])
    tea.ask(ADA, moderation.Kick(nick="bob", reason="bye"), native.Ok)
    assert tea.told_to(BOB) == [native.Bye(reason="put off the server by ada: bye", by="ada")]
    assert heard(tea, 2) == [native.Left(room=TEA, nick="bob", reason="put off the server by ada: bye", quit=True)]


# --- what is not stored is not done


class FullDisk(Log):
    """A log that can be told to fail its commits."""

    full = False

    def commit(self) -> None:
        from broker.log import LogError

        if self.full:
            self.rollback()
            raise LogError("disk full")
        super().commit()


def test_what_could_not_be_stored_is_not_done_and_told_to_nobody() -> None:
    from broker.log import LogError
    from broker.process import UNSTORED

    log = FullDisk(":memory:")
    desk = Desk(log=log)
    enter(desk, ANN, "ann", TEA)
    enter(desk, EVE, "eve", TEA)
    desk.state.policies.committed()
    log.full = True
    rid = desk.post(ANN, mode(Change("moderated"), Change("voice", arg="eve"), Change("ban", arg="bob")))
    with pytest.raises(LogError):
        desk.log.commit()
    desk.state.rolled_back()
    desk.out.refuse_unstored(desk.state.last, desk.log.topic, UNSTORED)
    desk.gather()
    (answer,) = desk.told[1]
    assert (answer.rid, answer.event.code) == (rid, "storage")  # type: ignore[union-attr]
    assert 2 not in desk.told
    log.full = False
    assert (policy(desk).flags, policy(desk).entries, roles(desk, "eve")) == ([], [], [])
