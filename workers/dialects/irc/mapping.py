"""What moot's people, rooms, roles and modes are called on IRC, and the other way round. The one place that knows.

Why a mute is a ban `m:mask` and has no letter: `q`, which some servers use for it, is the owner's prefix here, and a
letter cannot be both; Ergo and InspIRCd have `m:` as well. Masks of accounts are written as moot writes them,
`account:NAME`, which ACCOUNTEXTBAN allows; `R:NAME` is understood. `W` (slow), `j` (throttle) and `g` (words that may
not be said) have these letters in InspIRCd and its modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from protocol import hosts, moderation, names, native
from protocol.moderation import Change, Flag, Limit, Listed, Role

CHANNELLEN: Final = names.MAX_ROOM + 1  # characters, with the #
USERNAME: Final = hosts.USERNAME
NOBODY: Final = "*"  # in the place of a nick or an account that one has not

ROLE_LETTERS: Final[dict[Role, str]] = {"owner": "q", "admin": "a", "op": "o", "halfop": "h", "voice": "v"}
ROLE_SIGNS: Final[dict[Role, str]] = {"owner": "~", "admin": "&", "op": "@", "halfop": "%", "voice": "+"}
SIGN_ROLES: Final[dict[str, Role]] = {sign: role for role, sign in ROLE_SIGNS.items()}
SIGNS: Final = "".join(ROLE_SIGNS[role] for role in moderation.ROLES)  # highest first
PREFIX: Final = f"({''.join(ROLE_LETTERS[role] for role in moderation.ROLES)}){SIGNS}"
LIST_LETTERS: Final[dict[Listed | Literal["filter"], str]] = {
    "ban": "b",
    "except": "e",
    "filter": "g",
    "invited": "I",
    "mute": "b",  # with `MUTE` before the mask
}
LIMIT_LETTERS: Final[dict[Limit, str]] = {"key": "k", "limit": "l", "slow": "W", "throttle": "j"}
FLAG_LETTERS: Final[dict[Flag, str]] = {
    "invite-only": "i",
    "moderated": "m",
    "no-ctcp": "C",
    "registered-only": "R",
    "registered-speak": "M",
    "secret": "s",
    "topic-lock": "t",
}
ALWAYS: Final = "n"  # who is not in a room cannot speak there, and nobody can change that
MUTE: Final = "m:"  # an extended ban: may not speak
ACCOUNT: Final = "account:"
_ACCOUNT_SHORT: Final = "R:"


def _sorted(letters: Mapping[Any, str]) -> str:
    return "".join(sorted(set(letters.values())))


TYPE_A, TYPE_C, TYPE_D = (
    _sorted(LIST_LETTERS),
    "".join(sorted(set(LIMIT_LETTERS.values()) - {"k"})),
    _sorted(FLAG_LETTERS),
)
CHANMODES: Final = f"{TYPE_A},k,{TYPE_C},{''.join(sorted(TYPE_D + ALWAYS))}"
CHANNEL_MODES: Final = "".join(sorted(TYPE_A + "k" + TYPE_C + TYPE_D + ALWAYS + "".join(ROLE_LETTERS.values())))
WITH_PARAMETER: Final = "".join(sorted(TYPE_A + "k" + TYPE_C + "".join(ROLE_LETTERS.values())))
EXTBAN: Final = ",Rm"  # no sign before them

_ROLES: Final = {letter: role for role, letter in ROLE_LETTERS.items()}
_LIMITS: Final = {letter: limit for limit, letter in LIMIT_LETTERS.items()}
_FLAGS: Final = {letter: flag for flag, letter in FLAG_LETTERS.items()}
_LISTS: Final = {letter: kind for kind, letter in LIST_LETTERS.items() if kind != "mute"}
_TABLES: Final[tuple[Mapping[Any, str], ...]] = (ROLE_LETTERS, LIST_LETTERS, LIMIT_LETTERS, FLAG_LETTERS)
MODES: Final = [(letter, mode) for table in _TABLES for mode, letter in table.items()]  # as moot calls them
_LETTERS: Final[dict[str, str]] = {mode: letter for table in _TABLES for mode, letter in table.items()}


class Host:
    """The server as IRC names it, and the hosts of its people. ``server_name`` may hold what no source may."""

    def __init__(self, server_name: str) -> None:
        self.name = hosts.of_server(server_name)
        self.network = server_name

    def of(self, account: str | None) -> str:
        """Return somebody's host: it says who is logged in, and nothing of where somebody is."""
        return self.name if account is None else hosts.of_account(account, self.name)

    def mask(self, nick: str, account: str | None = None) -> str:
        """Return who says something: `nick!user@host`."""
        return f"{nick}!{USERNAME}@{self.of(account)}"


def is_channel(target: str) -> bool:
    return target.startswith("#")


def room(channel: str) -> str:
    """Return the room that a client calls ``channel``. Raises `names.BadName`."""
    return names.room(channel)


def prefix(person: native.Person, *, every: bool = False) -> str:
    """Return what stands before a member's nick: the sign of the highest role, or (``every``) of all, highest first."""
    return signs(person.roles, every=every)


def signs(roles: list[Role], *, every: bool = False) -> str:
    """Return the signs of ``roles``, highest first; only the first but for ``every``."""
    found = "".join(ROLE_SIGNS[role] for role in moderation.ROLES if role in roles) if roles else ""
    return found if every else found[:1]


def same_nick(one: str, other: str) -> bool:
    return names.fold_nick(one) == names.fold_nick(other)


# --- modes of channels


@dataclass(frozen=True, slots=True)
class Step:
    """One letter of a MODE message."""

    on: bool
    letter: str
    arg: str | None = None

    @property
    def sign(self) -> str:
        return "+" if self.on else "-"


class Guests(ValueError):
    """A mask that would be about all guests at once, for they have one host."""


def change(step: Step, host: Host) -> Change | None:
    """Return what a letter with its parameter asks for; None: there is no such letter. Raises `Guests`.

    A letter that must have a parameter and has none: `takes_parameter` tells.
    """
    letter, on, arg = step.letter, step.on, step.arg
    if role := _ROLES.get(letter):
        return Change(role, on, arg)
    if flag := _FLAGS.get(letter):
        return Change(flag, on)
    if limit := _LIMITS.get(letter):
        return Change(limit, on, arg if on else None)
    kind = _LISTS.get(letter)
    if kind is None or kind == "filter" or arg is None:
        return None if kind is None else Change(kind, on, arg)
    if kind == "ban" and arg.startswith(MUTE):
        return Change("mute", on, mask(arg.removeprefix(MUTE), host))
    return Change(kind, on, mask(arg, host))


def takes_parameter(letter: str, *, on: bool) -> bool:
    """Whether a client gives ``letter`` a parameter: types A, B and prefixes always, type C when it is set."""
    return letter in WITH_PARAMETER and (on or letter not in TYPE_C)


def is_list(letter: str) -> bool:
    return letter in TYPE_A


def mask(written: str, host: Host) -> str:
    """Return the mask that a client means. Raises `Guests`.

    A client that bans somebody by the host it sees means the account that the host is made of.
    """
    if written.startswith(_ACCOUNT_SHORT):
        return ACCOUNT + written.removeprefix(_ACCOUNT_SHORT)
    who, at, where = written.rpartition("@")
    nick, _, user = who.partition("!")
    if not at or nick.strip("*") or (user or "*").strip("*") not in ("", USERNAME, USERNAME[1:]):
        return written
    if where.lower() == host.name.lower():
        raise Guests
    account = hosts.account_in(where, host.name)
    return written if account is None else ACCOUNT + account


def steps(changes: list[Change]) -> list[Step]:
    """Return changes of a room's modes as letters; what IRC has no letter for is left out."""
    found: list[Step] = []
    for one in changes:
        letter = _LETTERS.get(one.mode)
        if letter is None:
            continue
        arg = one.arg
        if one.mode == "mute" and arg is not None:
            arg = MUTE + arg
        if arg is None and letter == "k":
            arg = "*"  # type B: "These modes MUST always have a parameter"
        if letter in TYPE_D or (letter in TYPE_C and not one.on):
            arg = None
        if arg is not None or not takes_parameter(letter, on=one.on):
            found.append(Step(one.on, letter, None if arg is None else arg.replace(" ", "_")))
    return found


def modestrings(found: list[Step], limit: int, each: int) -> list[list[str]]:
    """Return the parameters of MODE messages, "+o-v", "ann", "bob": ``each`` steps and ``limit`` bytes at most."""
    messages: list[list[str]] = []
    letters, args, size, count, sign = "", list[str](), 0, 0, ""
    for step in found:
        more = len(step.arg.encode("utf-8", "replace")) + 1 if step.arg is not None else 0
        if letters and (count >= each or size + more + 2 > limit):
            messages.append([letters, *args])
            letters, args, size, count, sign = "", [], 0, 0, ""
        piece = step.letter if step.sign == sign else step.sign + step.letter
        letters, sign = letters + piece, step.sign
        args += [] if step.arg is None else [step.arg]
        size += len(piece) + more
        count += 1
    return [*messages, [letters, *args]] if letters else messages


def current(policy: moderation.RoomPolicy) -> list[Step]:
    """Return the modes that a channel has, beside lists and prefixes, in the order of their letters."""
    found = [Step(True, ALWAYS)]
    found += [Step(True, FLAG_LETTERS[flag]) for flag in moderation.FLAGS if flag in policy.flags]
    found += [
        Step(True, LIMIT_LETTERS[limit], policy.limits[limit].replace(" ", "_") or "*")
        for limit in moderation.LIMITS
        if limit in policy.limits
    ]
    return sorted(found, key=lambda step: (step.letter.lower(), step.letter))
