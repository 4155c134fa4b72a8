"""Who may do what: the table."""

from pathlib import Path

import pytest

from broker import rights
from broker.people import Refusal
from broker.rights import Act, Rank, may, may_act_on

#             nobody voice halfop op admin owner founder server
TABLE = {
    "speak": "    .     x     x     x     x     x     x     x",
    "topic": "    .     .     x     x     x     x     x     x",
    "kick": "     .     .     x     x     x     x     x     x",
    "mute": "     .     .     x     x     x     x     x     x",
    "voice": "    .     .     x     x     x     x     x     x",
    "ban": "      .     .     .     x     x     x     x     x",
    "modes": "    .     .     .     x     x     x     x     x",
    "invite": "   .     .     .     x     x     x     x     x",
    "describe": " .     .     .     x     x     x     x     x",
    "redact": "   .     .     .     x     x     x     x     x",
    "halfop": "   .     .     .     x     x     x     x     x",
    "op": "       .     .     .     x     x     x     x     x",
    "slow": "     .     .     .     .     x     x     x     x",
    "filter": "   .     .     .     .     x     x     x     x",
    "modlog": "   .     .     .     .     x     x     x     x",
    "retitle": "  .     .     .     .     x     x     x     x",
    "admin": "    .     .     .     .     .     x     x     x",
    "owner": "    .     .     .     .     .     x     x     x",
    "give": "     .     .     .     .     .     .     x     x",
    "drop": "     .     .     .     .     .     .     x     x",
    "server": "   .     .     .     .     .     .     .     x",
}
RANKS: list[Rank] = [0, 1, 2, 3, 4, 5, 6, 7]


def test_the_table_has_every_act() -> None:
    assert list(TABLE) == list(rights.NEEDED)


@pytest.mark.parametrize("act", TABLE)
def test_who_may(act: Act) -> None:
    assert [may(rank, act) for rank in RANKS] == [mark == "x" for mark in TABLE[act].split()]


def test_in_a_room_that_is_nobodys_ops_may_what_admins_may() -> None:
    assert [may(3, act, owned=False) for act in rights.NEEDED] == [may(4, act) for act in rights.NEEDED]
    assert not may(2, "ban", owned=False)


def test_nobody_acts_on_somebody_above_and_only_ops_on_their_like() -> None:
    assert [[may_act_on(one, other) for other in RANKS] for one in RANKS] == [
        [False] * 8,
        [True, False, False, False, False, False, False, False],
        [True, True, False, False, False, False, False, False],
        [True, True, True, True, False, False, False, False],
        [True, True, True, True, False, False, False, False],
        [True, True, True, True, True, False, False, False],
        [True, True, True, True, True, True, False, False],
        [True] * 8,
    ]


def test_a_refusal_tells_what_is_needed() -> None:
    with pytest.raises(Refusal, match="only the room's ops or higher may ban somebody"):
        rights.check(2, "ban")
    with pytest.raises(Refusal, match="only server admins may ban, kick and announce on the whole server; ask"):
        rights.check(5, "server")


def test_the_table_in_the_documentation_is_this_one() -> None:
    page = Path("docs/rooms.md").read_text()
    for what, who in rights.table():
        assert f"| {what} | {who} |" in page
