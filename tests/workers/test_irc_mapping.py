"""Rooms, roles and modes as IRC has them."""

import pytest

from protocol import native
from protocol.moderation import FLAGS, LIMITS, LISTED, ROLES, Change, RoomPolicy
from workers.dialects.irc import mapping
from workers.dialects.irc.mapping import Guests, Host, Step

MOOT = Host("moot")


def test_every_mode_has_a_letter() -> None:
    assert set(mapping.ROLE_LETTERS) == set(mapping.ROLE_SIGNS) == set(ROLES)
    assert set(mapping.FLAG_LETTERS) == set(FLAGS)
    assert set(mapping.LIMIT_LETTERS) == set(LIMITS)
    assert set(mapping.LIST_LETTERS) == {*LISTED, "filter"}


def test_what_005_says_of_modes() -> None:
    assert mapping.PREFIX == "(qaohv)~&@%+"
    assert mapping.CHANMODES == "Ibeg,k,Wjl,CMRimnst"
    assert len(set(mapping.CHANNEL_MODES)) == len(mapping.CHANNEL_MODES)


def test_a_host_tells_the_account_and_no_address() -> None:
    assert MOOT.mask("ann") == "ann!~u@moot"
    assert MOOT.mask("ann", "Ann") == "ann!~u@ann.user.moot"
    assert Host("Ann's tea").mask("bob") == "bob!~u@Ann-s-tea"


def test_the_highest_role_is_shown_or_all() -> None:
    person = native.Person("ann", roles=["voice", "op"])
    assert mapping.prefix(person) == "@"
    assert mapping.prefix(person, every=True) == "@+"
    assert mapping.prefix(native.Person("bob")) == ""


@pytest.mark.parametrize(
    ("step", "change"),
    [
        (Step(True, "o", "bob"), Change("op", True, "bob")),
        (Step(False, "v", "bob"), Change("voice", False, "bob")),
        (Step(True, "i"), Change("invite-only")),
        (Step(True, "k", "tea"), Change("key", True, "tea")),
        (Step(False, "k", "tea"), Change("key", False)),
        (Step(True, "j", "5:10"), Change("throttle", True, "5:10")),
        (Step(True, "b", "bob"), Change("ban", True, "bob")),
        (Step(True, "b", "m:bob"), Change("mute", True, "bob")),
        (Step(True, "b", "R:ann"), Change("ban", True, "account:ann")),
        (Step(True, "b", "m:R:ann"), Change("mute", True, "account:ann")),
        (Step(True, "b", "*!*@ann.user.moot"), Change("ban", True, "account:ann")),
        (Step(True, "b", "*!~u@ann.user.moot"), Change("ban", True, "account:ann")),
        (Step(True, "b", "ann!*@ann.user.moot"), Change("ban", True, "ann!*@ann.user.moot")),
        (Step(True, "b", "*@192.0.2.0/24"), Change("ban", True, "*@192.0.2.0/24")),
        (Step(True, "e", "bob!*@*"), Change("except", True, "bob!*@*")),
        (Step(True, "I", "account:ann"), Change("invited", True, "account:ann")),
        (Step(True, "g", "m:word"), Change("filter", True, "m:word")),
        (Step(True, "Z"), None),
    ],
)
def test_a_letter_is_a_change(step: Step, change: Change | None) -> None:
    assert mapping.change(step, MOOT) == change


@pytest.mark.parametrize("mask", ["*!*@moot", "*@MOOT", "*!~u@moot", "m:*!*@moot"])
def test_the_host_of_all_guests_is_nobodys_mask(mask: str) -> None:
    with pytest.raises(Guests):
        mapping.change(Step(True, "b", mask), MOOT)


def test_changes_are_told_as_letters_and_back() -> None:
    changes = [
        Change("owner", arg="ann"),
        Change("mute", arg="account:bob"),
        Change("key", False),
        Change("slow", False),
        Change("secret"),
        Change("a mode of another time"),
    ]
    assert mapping.steps(changes) == [
        Step(True, "q", "ann"),
        Step(True, "b", "m:account:bob"),
        Step(False, "k", "*"),
        Step(False, "W"),
        Step(True, "s"),
    ]


def test_many_changes_are_several_messages() -> None:
    many = [Step(number % 2 == 0, "v", f"n{number}") for number in range(5)]
    assert mapping.modestrings(many, 400, 3) == [["+v-v+v", "n0", "n1", "n2"], ["-v+v", "n3", "n4"]]
    assert mapping.modestrings(many, 12, 9) == [["+v-v", "n0", "n1"], ["+v-v", "n2", "n3"], ["+v", "n4"]]
    assert mapping.modestrings([], 400, 3) == []


def test_the_modes_of_a_room_are_in_order() -> None:
    policy = RoomPolicy(room="#tea", flags=["secret", "no-ctcp"], limits={"limit": "5", "key": ""})
    assert mapping.current(policy) == [Step(True, "C"), Step(True, "k", "*"), Step(True, "l", "5"), Step(True, "n"),
                                       Step(True, "s")]  # fmt: skip
