"""What happens, in words."""

import pytest

from protocol import accounts, moderation, native, sentences
from protocol.moderation import FLAGS, LIMITS, LISTED, ROLES, Change, Entry


def clock(ms: int) -> str:
    return f"t{ms}"


def test_every_mode_there_is_has_a_sentence_on_and_off() -> None:
    for mode in (*ROLES, *FLAGS, *LIMITS, *LISTED, "filter"):
        on = sentences.change("ann", "#tea", Change(mode, True, "bob"))
        off = sentences.change("ann", "#tea", Change(mode, False, "bob"))
        assert on != off
        assert on.startswith("ann ")
        assert "#tea" in on
        assert "{" not in on + off


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Change("op", True, "bob"), "ann made bob an op of #tea"),
        (Change("voice", False, "bob"), "ann took bob's voice in #tea"),
        (Change("moderated"), "ann let only those with a voice speak in #tea"),
        (Change("ban", True, "*!*@10.0.0.0/8"), "ann banned *!*@10.0.0.0/8 from #tea"),
        (Change("slow", True, "10"), "ann let everybody speak once in 10 s in #tea"),
        (Change("new-in-2030", True, "x"), "ann set new-in-2030 of #tea on (x)"),
        (Change("ban", True, "{0} {by}"), "ann banned {0} {by} from #tea"),
    ],
)
def test_a_change_says_who_did_what_to_whom(change: Change, says: str) -> None:
    assert sentences.change("ann", "#tea", change) == says


def test_nobody_did_it_is_the_server() -> None:
    event = moderation.Modes(room="#tea", by="", changes=[Change("op", True, "bob")])
    assert sentences.modes(event) == ["The server made bob an op of #tea"]


def test_who_was_put_out_hears_it_in_other_words() -> None:
    event = native.Left(room="#tea", nick="bob", by="ann", reason="enough")
    assert sentences.kicked(event) == "bob was put out of #tea by ann: enough"
    assert sentences.kicked(event, "bob") == "You were put out of #tea by ann: enough"


def test_an_invitation_says_how_to_follow_it() -> None:
    event = moderation.Invited(room="#tea", by="ann", nick="bob")
    assert sentences.invited(event, "bob") == "ann invites you to #tea; /join #tea takes you there"
    assert sentences.invited(event, "carl") == "ann invited bob to #tea"


def test_the_highest_role_has_the_sign() -> None:
    assert sentences.sign(native.Person("ann", roles=["voice", "op"])) == "@"
    assert sentences.sign(native.Person("bob")) == ""
    assert list(sentences.SIGNS) == list(ROLES)


def test_a_rooms_policy_is_told_in_full() -> None:
    found = moderation.RoomPolicy(
        room="#tea",
        owner="ann",
        since=5,
        flags=["moderated", "of-tomorrow"],
        limits={"slow": "10", "key": "a{b}"},
        roles={"ann": ["owner"], "bob": ["op", "voice"]},
        entries=[Entry("ban", "bad", "ann", 7, 9, "spam")],
        filters=["buy now"],
    )
    assert sentences.policy(found, clock) == [
        "#tea is registered by ann, made t5",
        "  only those with a voice may speak",
        "  of-tomorrow",
        "  everybody may speak once in 10 s",
        "  one needs the key a{b} to enter",
        "  ann: owner",
        "  bob: op, voice",
        "  banned: bad until t9 (by ann, t7): spam",
        "  may not be said: buy now",
    ]
    assert sentences.policy(moderation.RoomPolicy(room="#x"), clock) == [
        "#x is nobody's",
        "  nothing is set, and nobody banned",
    ]


def test_an_account_is_told_with_its_keys() -> None:
    found = accounts.AccountInfo(
        account="ann", since=3, rooms=["#tea"], admin=True, keys=["SHA256:x me"], sessions=2, devices=1
    )
    assert sentences.account(found, clock) == [
        "ann is registered since t3, an admin of the server",
        "  rooms: #tea",
        "  devices here: 1; logins remembered: 2",
        "  key SHA256:x me",
    ]


def test_what_others_wrote_cannot_harm_a_terminal() -> None:
    event = native.Left(room="#tea", nick="bob", by="ann", reason="\x1b\x07gone\nann: hi")
    assert sentences.kicked(event) == "bob was put out of #tea by ann: gone ann: hi"
