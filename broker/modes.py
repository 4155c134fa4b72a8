"""Changes of a room's modes, on a draft of what holds there: all of them, or none. Pure; tells and keeps nothing.

The words are those of `protocol.moderation`. Each change is checked against the rank of who makes it; what changes
nothing is left out of `Draft.done`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast, get_args

from msgspec.structs import replace

from broker import masks, policy, rights
from broker.admission import folded_word
from broker.people import Person, Refusal
from broker.policy import Listing, Policy
from broker.rights import Act, Rank
from protocol.moderation import FLAGS, LISTED, ROLES, Change, Flag, Limit, Listed, Role

MAX_NUMBER: Final = 1_000_000  # of a limit; as seconds 11 days
_KEY: Final = re.compile(r"[!-+\--~]{1,50}")  # what an IRC client can say as a key: no space, no comma
_NUMBER: Final = re.compile(r"[0-9]{1,7}")
_THROTTLE: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")
_ROLES: Final = frozenset(get_args(Role))
_LIMITED: Final[dict[Limit, Act]] = {"key": "modes", "limit": "modes", "slow": "slow", "throttle": "slow"}
_LISTED: Final[dict[Listed, Act]] = {"ban": "ban", "mute": "mute", "except": "ban", "invited": "ban"}
MODES: Final = (*get_args(Role), *FLAGS, *_LIMITED, *LISTED, "filter")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a role is given to or taken from: somebody in the room, an account, or both."""

    nick: str  # as it is announced
    person: Person | None
    account: str | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something."""

    nick: str
    rank: Rank
    person: Person | None = None


class Draft:
    """What holds in a room, with changes."""

    def __init__(
        self,
        kept: Policy,
        granted: dict[bytes, list[Role]],
        by: Actor,
        now_ms: int,
        max_entries: int,
        target: Callable[[str], Target],
        listing: Callable[[str, Listed], Listing],
        rank: Callable[[Target], Rank],
    ) -> None:
        """``target`` finds whom a role is about, ``listing`` makes the entry of a mask; both raise `Refusal`."""
        self.policy = kept
        self.granted = dict(granted)
        self.done: list[Change] = []
        self._by = by
        self._now = now_ms
        self._max_entries = max_entries
        self._target = target
        self._listing = listing
        self._rank = rank

    def apply(self, change: Change) -> None:
        """Make one change. Raises `Refusal` when it may not be, or makes no sense; then none is to be."""
        mode = change.mode
        if mode in _ROLES:
            self._role(cast("Role", mode), change)
        elif mode in FLAGS:
            self._flag(mode, change)
        elif mode in _LIMITED:
            self._limit(mode, change)
        elif mode in LISTED:
            self._list(mode, change)
        elif mode == "filter":
            self._filter(change)
        else:
            raise Refusal("bad-mode", f"{mode[:32]} is no mode; there are {', '.join(MODES)}")

    def allow(self, act: Act) -> None:
        """Raises `Refusal` when who changes something may not do that."""
        rights.check(self._by.rank, act, owned=self.policy.owner is not None)

    # --- roles

    def _role(self, role: Role, change: Change) -> None:
        target = self._target(_needed(change, "a nick"))
        itself = target.person is not None and target.person is self._by.person
        if change.on or not itself:  # who gives up a role needs no right to
            self.allow(role)
        if not change.on and not itself:
            rights.check_act_on(self._by.rank, self._rank(target), target.nick)
        if self._give(role, target) if change.on else self._take(role, target):
            self.done.append(Change(role, change.on, target.nick))

    def _give(self, role: Role, target: Target) -> bool:
        if target.account is not None:
            held = self.policy.roles.get(target.account, [])
            if role in held or (role == "owner" and target.account == self.policy.owner):
                return False
            if target.account not in self.policy.roles and len(self.policy.roles) >= self._max_entries:
                raise Refusal("full-list", f"{self._max_entries} accounts have a role here, the most allowed")
            roles = {**self.policy.roles, target.account: _sorted([*held, role])}
            self.policy = replace(self.policy, roles=roles)
            already = target.person is not None and role in self.granted.get(target.person.uid, ())
            return not already
        assert target.person is not None
        if role in ("owner", "admin"):
            raise Refusal(
                "account-needed", f"{target.nick} is a guest; only accounts can be {role}, so that it stays so"
            )
        held = self.granted.get(target.person.uid, [])
        self.granted[target.person.uid] = _sorted([*held, role])
        return role not in held

    def _take(self, role: Role, target: Target) -> bool:
        taken = False
        if role == "owner" and target.account is not None and target.account == self.policy.owner:
            raise Refusal("not-allowed", f"the room is {target.nick}'s; an owner gives it to another, or gives it up")
        if target.account is not None and role in self.policy.roles.get(target.account, ()):
            left = [one for one in self.policy.roles[target.account] if one != role]
            roles = {**self.policy.roles, target.account: left}
            if not left:
                del roles[target.account]
            self.policy = replace(self.policy, roles=roles)
            taken = True
        if target.person is not None and role in self.granted.get(target.person.uid, ()):
            self.granted[target.person.uid] = [one for one in self.granted[target.person.uid] if one != role]
            taken = True
        return taken

    # --- modes

    def _flag(self, flag: Flag, change: Change) -> None:
        self.allow("modes")
        if change.on == (flag in self.policy.flags):
            return
        flags = [one for one in FLAGS if (change.on if one == flag else one in self.policy.flags)]
        self.policy = replace(self.policy, flags=list(flags))
        self.done.append(Change(flag, change.on))

    def _limit(self, limit: Limit, change: Change) -> None:
        self.allow(_LIMITED[limit])
        before = self.policy.limits.get(limit)
        limits = {name: value for name, value in self.policy.limits.items() if name != limit}
        if not change.on:
            if before is not None:
                self.policy = replace(self.policy, limits=limits)
                self.done.append(Change(limit, False))
            return
        value = _value(limit, _needed(change, _EXPECTED[limit]))
        if value != before:
            self.policy = replace(self.policy, limits={**limits, limit: value})
            self.done.append(Change(limit, True, value))

    def _list(self, kind: Listed, change: Change) -> None:
        self.allow(_LISTED[kind])
        text = _needed(change, "a mask")
        if change.on:
            entry = self._listing(text, kind)
            if not self._has(entry):
                self.add(entry)
        else:
            found = self.entries_about(text, kind)
            self.policy = policy.without_entries(self.policy, found)
            self.done += [Change(kind, False, one.mask) for one in found]

    def add(self, entry: Listing) -> None:
        """Add an entry, or put it in the place of the one of its kind and mask. Raises `Refusal`."""
        is_new = not self._has(entry)
        others = [one for one in self.policy.entries if (one.kind, one.mask) != (entry.kind, entry.mask)]
        others = [one for one in others if not one.has_ended(self._now)]
        if len(others) >= self._max_entries:
            text = f"the room has {len(others)} entries, the most allowed; remove one first"
            raise Refusal("full-list", text)
        if is_new:
            self.done.append(Change(entry.kind, True, entry.mask))
        self.policy = replace(self.policy, entries=[*others, entry])

    def _has(self, entry: Listing) -> bool:
        same = (one for one in self.policy.entries if (one.kind, one.mask) == (entry.kind, entry.mask))
        return any(not one.has_ended(self._now) for one in same)

    def entries_about(self, text: str, kind: Listed) -> list[Listing]:
        """Return the entries of ``kind`` that are listed under a mask, or about a nick. Raises `Refusal`."""
        return about(self.policy.entries, text, self._listing(text, kind))

    def _filter(self, change: Change) -> None:
        self.allow("filter")
        word = folded_word(_needed(change, "a word"))
        if word is None:
            raise Refusal("bad-mode", "a filter is one word, of letters and digits; add them one by one")
        if change.on == (word in self.policy.filters):
            return
        if change.on and len(self.policy.filters) >= self._max_entries:
            raise Refusal("full-list", f"the room has {len(self.policy.filters)} filters, the most allowed")
        others = [one for one in self.policy.filters if one != word]
        self.policy = replace(self.policy, filters=sorted([*others, word]) if change.on else others)
        self.done.append(Change("filter", change.on, word))


def about(entries: list[Listing], text: str, new: Listing) -> list[Listing]:
    """Return the entries that are listed under the mask ``text``, or about the nick. Raises `Refusal`.

    ``new``: what would be listed for it now.
    """
    kind, wanted = new.kind, {normalized(text), new.mask}
    if (nick := masks.nick_in(normalized(text))) is not None and not any(sign in text for sign in "!@"):
        wanted.add(masks.ACCOUNT + nick)
    same = [entry for entry in entries if entry.kind == kind]
    found = [entry for entry in same if entry.mask in wanted or (new.guest and entry.guest == new.guest)]
    if not found:
        raise Refusal("no-such-entry", f"there is no {kind} for {text[:60]}; ask for the list to see what there is")
    return found


def normalized(text: str) -> str:
    """Return `masks.normalized` of ``text``. Raises `Refusal`."""
    try:
        return masks.normalized(text)
    except masks.BadMask as no:
        raise Refusal("bad-mask", str(no)) from no


_EXPECTED: Final[dict[Limit, str]] = {
    "key": "a word of up to 50 characters, without spaces and commas",
    "limit": "how many people may be there",
    "slow": "how many seconds must be between two messages of one person",
    "throttle": "so many joins in so many seconds, such as 5:10",
}


def _sorted(roles: list[Role]) -> list[Role]:
    return [role for role in ROLES if role in roles]


def _needed(change: Change, what: str) -> str:
    if not change.arg:
        raise Refusal("bad-mode", f"{change.mode} needs {what}")
    return change.arg


def _value(limit: Limit, text: str) -> str:
    """Return the value of a limit, in one form. Raises `Refusal`."""
    if limit == "key" and _KEY.fullmatch(text):
        return text
    if limit in ("limit", "slow") and _NUMBER.fullmatch(text) and 0 < int(text) <= MAX_NUMBER:
        return str(int(text))
    parts = _THROTTLE.fullmatch(text) if limit == "throttle" else None
    if parts is not None and 0 < int(parts[1]) <= 1000 and 0 < int(parts[2]) <= 3600:
        return f"{int(parts[1])}:{int(parts[2])}"
    most = "; at most 1000 joins in 3600 seconds" if limit == "throttle" else ""
    raise Refusal("bad-mode", f"{text[:40]} cannot be the {limit} of a room: it is {_EXPECTED[limit]}{most}")
