"""A room's policy as a value, and how it is kept: in the log, with the transaction, for as long as it counts."""

import msgspec
import pytest

from broker import policy
from broker.log import Log, Spoilt
from broker.masks import Who
from broker.policy import EMPTY, Listing, Policies, Policy
from broker.rooms import Room

NOW = 1_700_000_000_000
BAN = Listing("ban", "bob!*@*", "ann", NOW, addr="192.0.2.7")
BOB, ROBERT = Who("bob", None, ("198.51.100.1",)), Who("robert", None, ("192.0.2.7",))


@pytest.fixture
def log() -> Log:
    return Log(":memory:")


def policies(log: Log) -> Policies:
    return Policies(log, lambda: "#lobby")


def test_a_policy_is_kept_as_json_and_read_by_another_broker(log: Log) -> None:
    kept = Policy("ann", NOW, ["secret"], {"key": "x"}, {"bob": ["op"]}, [BAN], ["darn"])
    policies(log).change("#tea", None, kept)
    log.commit()
    assert policies(log).load("#tea") == kept
    assert msgspec.json.decode(log.recall("room/#tea") or "")["entries"] == [
        {"kind": "ban", "mask": "bob!*@*", "by": "ann", "at": NOW, "addr": "192.0.2.7"}
    ]


def test_what_says_nothing_is_not_kept(log: Log) -> None:
    some = policies(log)
    some.change("#tea", None, Policy(flags=["secret"]))
    some.change("#tea", None, EMPTY)
    log.commit()
    assert log.recall("room/#tea") is None


def test_what_a_later_moot_adds_is_ignored_and_nonsense_is_not_taken_for_nothing(log: Log) -> None:
    log.remember("room/#tea", '{"owner":"ann","later":[1]}')
    log.remember("room/#cake", '{"owner":7}')
    log.commit()
    assert policies(log).load("#tea") == Policy("ann")
    with pytest.raises(Spoilt):
        policies(log).load("#cake")
    assert policies(log).loaded("#cake") == EMPTY  # for those who are there already


def test_a_rolled_back_transaction_leaves_all_as_it_was(log: Log) -> None:
    some, room = policies(log), Room("#tea")
    some.change("#tea", room, Policy("ann", NOW))
    log.commit()
    some.committed()
    some.change("#tea", room, Policy("ann", NOW, ["moderated", "secret"]))
    some.grant(room, b"bob", ["op"])
    assert (room.strict, some.is_secret("#tea")) == (True, True)
    log.rollback()
    some.rolled_back()
    assert (room.policy, room.strict, room.granted) == (Policy("ann", NOW), False, {})
    assert (some.owned_by("ann"), some.is_secret("#tea")) == (["#tea"], False)


def test_the_policy_of_a_room_that_all_left_goes_with_the_next_transaction(log: Log) -> None:
    some, room = policies(log), Room("#tea")
    some.change("#tea", room, Policy(flags=["topic-lock"]))
    some.emptied("#tea", room.policy)
    assert some.load("#tea") == EMPTY  # at once, whoever comes
    some.settle()
    log.commit()
    assert log.recall("room/#tea") is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("#tea", Policy("ann", NOW)),
        ("#tea", Policy(limits={"key": "x"})),
        ("#tea", Policy(flags=["invite-only"])),
        ("#tea", Policy(flags=["secret"])),
        ("#lobby", Policy(flags=["secret"])),
    ],
)
def test_what_stays_when_all_have_left(log: Log, name: str, kept: Policy) -> None:
    some = policies(log)
    some.change(name, None, kept)
    some.emptied(name, kept)
    some.settle()
    assert some.load(name) == kept


def test_strict_is_what_must_be_looked_at_before_something_is_said() -> None:
    assert not Policy(flags=["secret", "invite-only", "registered-only"], limits={"key": "x", "limit": "3"}).strict
    for flag in ("moderated", "registered-speak", "topic-lock"):
        assert Policy(flags=[flag]).strict
    assert Policy(limits={"slow": "3"}).strict
    assert Policy(filters=["darn"]).strict
    assert Policy(entries=[BAN]).strict
    assert not Policy(entries=[Listing("invited", "bob!*@*", "ann", NOW)]).strict


def test_an_entry_is_about_whom_its_mask_means_and_guests_from_the_same_address() -> None:
    kept = Policy(entries=[BAN])
    assert kept.listed("ban", BOB, NOW) is kept.listed("ban", ROBERT, NOW) is BAN
    assert kept.listed("ban", ROBERT, NOW, beside=False) is None
    assert kept.listed("ban", Who("robert", "robert", ("192.0.2.7",)), NOW) is None
    assert kept.listed("mute", BOB, NOW) is None


def test_an_entry_ends_at_its_time() -> None:
    timed = msgspec.structs.replace(BAN, until=NOW + 10)
    assert Policy(entries=[timed]).listed("ban", BOB, NOW + 9) is timed
    assert Policy(entries=[timed]).listed("ban", BOB, NOW + 10) is None


def test_invitations_are_used_up_end_after_a_day_and_are_bounded() -> None:
    invited = policy.with_pass(EMPTY, b"bob", NOW)
    assert invited.passed_at(b"bob", NOW + policy.PASS_MS - 1) == NOW
    assert invited.passed_at(b"bob", NOW + policy.PASS_MS) is None
    assert policy.admitted(invited, b"bob") == EMPTY
    many = EMPTY
    for number in range(policy.MAX_PASSES + 1):
        many = policy.with_pass(many, number.to_bytes(2, "big"), NOW)
    assert len(many.passes) == policy.MAX_PASSES
    assert many.passed_at(b"\0\0", NOW) is None
