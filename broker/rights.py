"""Who may do what: the one table of it. Pure; `docs/rooms.md` is made from it.

Roles stand above each other, whose room it is above other owners, server admins above all. Nobody acts on somebody of a
higher role, or of the same, but ops on ops, as on IRC. In a room that is nobody's, ops may do what admins may.
"""

from collections.abc import Iterable
from typing import Final, Literal

from broker.people import Refusal
from protocol.moderation import FLAGS, Role

Rank = Literal[0, 1, 2, 3, 4, 5, 6, 7]
NOBODY: Final[Rank] = 0
FOUNDER: Final[Rank] = 6  # whose room it is
SERVER: Final[Rank] = 7  # a server admin
RANKS: Final[dict[Role, Rank]] = {"voice": 1, "halfop": 2, "op": 3, "admin": 4, "owner": 5}

Act = Literal[
    "speak",
    "topic",
    "kick",
    "mute",
    "voice",
    "ban",
    "modes",
    "invite",
    "describe",
    "redact",
    "halfop",
    "op",
    "slow",
    "filter",
    "modlog",
    "retitle",
    "admin",
    "owner",
    "give",
    "drop",
    "server",
]
NEEDED: Final[dict[Act, tuple[Role | Literal["founder"] | None, str]]] = {
    "speak": ("voice", "speak in a moderated room"),
    "topic": ("halfop", "set the topic of a room with topic-lock"),
    "kick": ("halfop", "put somebody out"),
    "mute": ("halfop", "mute somebody, or let them speak again"),
    "voice": ("halfop", "give or take voice"),
    "ban": ("op", "ban somebody, list exceptions and who is always invited, or see these lists"),
    "modes": ("op", "change " + ", ".join(FLAGS) + ", key and limit"),
    "invite": ("op", "invite past whatever keeps somebody out, or into a room that is invite-only"),
    "describe": ("op", "say what the room says of itself (`metaset`)"),
    "redact": ("op", "take back what others said"),
    "halfop": ("op", "give or take halfop"),
    "op": ("op", "give or take op"),
    "slow": ("admin", "change slow and throttle"),
    "filter": ("admin", "choose words that may not be said"),
    "modlog": ("admin", "read the moderation log"),
    "retitle": ("admin", "give the room another name"),
    "admin": ("owner", "give or take admin"),
    "owner": ("owner", "give or take owner, the right beside the one whose room it is"),
    "give": ("founder", "give the room to another account"),
    "drop": ("founder", "give the room up, so that it is nobody's"),
    "server": (None, "ban, kick and announce on the whole server"),
}
"""What each act needs at least; founder: to be the account whose room it is; None: only server admins."""
_LEAST: Final[dict[str | None, Rank]] = {**dict(RANKS.items()), "founder": FOUNDER, None: SERVER}
_WHO: Final[dict[str | None, str]] = {"founder": "whose room it is", None: "server admin"}


def rank_of(roles: Iterable[Role], *, admin: bool = False) -> Rank:
    """Return the highest rank among ``roles``; ``admin``: of a server admin."""
    return SERVER if admin else max((RANKS[role] for role in roles), default=NOBODY)


def may(rank: Rank, act: Act, *, owned: bool = True) -> bool:
    """Tell whether somebody of this rank may do it. ``owned``: the room is somebody's."""
    if not owned and rank == RANKS["op"]:
        rank = RANKS["admin"]
    return rank >= _LEAST[NEEDED[act][0]]


def check(rank: Rank, act: Act, *, owned: bool = True) -> None:
    """Raises `Refusal` when somebody of this rank may not do it."""
    if may(rank, act, owned=owned):
        return
    needed, what = NEEDED[act]
    whom = "server admins" if needed is None else f"the room's {needed}s" + " or higher" * (needed != "owner")
    if needed == "founder":
        whom = "the one whose room it is"
    raise Refusal("not-allowed", f"only {whom} may {what}; ask one of them")


def may_act_on(rank: Rank, other: Rank) -> bool:
    """Tell whether somebody of ``rank`` may put out, ban, mute, or take roles of somebody of rank ``other``."""
    return rank > other or rank == SERVER or rank == other == RANKS["op"]


def check_act_on(rank: Rank, other: Rank, nick: str) -> None:
    """Raises `Refusal` when `may_act_on` is false."""
    if not may_act_on(rank, other):
        of = "a server admin" if other == SERVER else "as high as you, or higher"
        raise Refusal("not-allowed", f"{nick} is {of} here; ask somebody above")


def table() -> list[tuple[str, str]]:
    """Return for each act what it is and who may do it at least, for people."""
    return [(what, _WHO.get(needed) or str(needed)) for needed, what in NEEDED.values()]
