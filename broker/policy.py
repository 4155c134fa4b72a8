"""What holds in a room: whose it is, who has which role, its modes and lists; and how that is kept. Pure.

A policy is a value: it is replaced, never changed. It lies in the log under `room/<name>` once it says anything, so it
holds when the broker is killed. In memory it is while somebody is in the room. When all have gone, that of a room which
is nobody's goes too, but for one that keeps people out: what was said behind closed doors stays there.

Roles of accounts are in the policy. What guests were given, and what somebody has for having made the room, they have
while they are in it (`Room.granted`); the attendance sheet has that for the next broker.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from broker import masks
from broker.log import Log, LogError, Spoilt
from broker.masks import Who
from protocol.moderation import Entry, Listed, Role

if TYPE_CHECKING:
    from broker.rooms import Room

log = logging.getLogger("moot.broker")

PREFIX: Final = "room/"
_MOVED: Final = ("moved", "moved_by", "moved_at", "moved_seq")
PASS_MS: Final = 86_400_000  # an invitation lets in for a day
MAX_PASSES: Final = 100  # of one room; the oldest goes
OUT_MS: Final = 600_000  # so long a worker may not know yet that somebody was put out; kept for a new broker
MAX_OUT: Final = 100
CLOSED: Final = frozenset({"invite-only", "registered-only", "secret"})
STRICT: Final = frozenset({"moderated", "registered-speak", "topic-lock"})


class Listing(Struct, frozen=True, omit_defaults=True):
    """An entry of a list, as it is kept: what people see of it, and the address that they do not."""

    kind: Listed
    mask: str  # as `masks.normalized` writes it
    by: str  # nick
    at: int  # milliseconds since 1970, UTC
    until: int | None = None
    reason: str = ""
    addr: str = ""  # counted; of whoever had the nick that was listed: no guest comes in from there
    guest: str = ""  # hex; the uid that they have as a guest, whatever they are called

    @property
    def shown(self) -> Entry:
        return Entry(self.kind, self.mask, self.by, self.at, self.until, self.reason)

    def is_about(self, who: Who, *, beside: bool = True) -> bool:
        """Tell whether it is about ``who``. ``beside``: or about a guest who comes from where the one named did."""
        if masks.matches(self.mask, who) or (self.guest and self.guest == who.guest):
            return True
        return beside and self.addr != "" and who.account is None and self.addr in who.counted

    def has_ended(self, now_ms: int) -> bool:
        return self.until is not None and self.until <= now_ms


class Noted(Struct, frozen=True, omit_defaults=True):
    """Somebody was invited, and may come in once whatever keeps others out; or was put out."""

    uid: str  # hex, of the person
    at: int  # milliseconds since 1970, UTC
    by: str = ""  # nick
    reason: str = ""


class Policy(Struct, frozen=True, omit_defaults=True):
    """See the module. Lists are never changed in place."""

    owner: str | None = None  # account; None: the room is nobody's
    since: int = 0  # registered, milliseconds since 1970, UTC; 0: it is not
    flags: list[str] = []
    limits: dict[str, str] = {}
    roles: dict[str, list[Role]] = {}  # by account, highest first
    entries: list[Listing] = []
    filters: list[str] = []  # folded words
    metadata: dict[str, str] = {}  # see `broker.metadata`
    passes: list[Noted] = []  # who is invited, the first first
    out: list[Noted] = []  # who was put out lately and has not come back: a worker may not know it yet
    moved: str = ""  # what the room that had this name is called now
    moved_by: str = ""  # nick
    moved_at: int = 0
    moved_seq: int = 0  # the newest it had then

    @property
    def closed(self) -> bool:
        """Whether what was said there is not for everybody: it stays so when all are gone."""
        return "key" in self.limits or not CLOSED.isdisjoint(self.flags)

    @property
    def strict(self) -> bool:
        """Whether what is said must be looked at."""
        return (
            bool(self.filters)
            or "slow" in self.limits
            or not STRICT.isdisjoint(self.flags)
            or any(entry.kind in ("ban", "mute") for entry in self.entries)
        )

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def limit(self, name: str) -> int:
        """Return a limit that is a number; 0: there is none."""
        return int(self.limits.get(name, "0"))

    def listed(
        self, kind: Listed, who: Who, now_ms: int, *, beside: bool = True, since: int | None = None
    ) -> Listing | None:
        """Return the first entry of ``kind`` about ``who`` that has not ended. ``beside``: see `Listing.is_about`.

        ``since``: made after that, milliseconds since 1970.
        """
        for entry in self.entries:
            if entry.kind != kind or entry.has_ended(now_ms) or (since is not None and entry.at <= since):
                continue
            if entry.is_about(who, beside=beside):
                return entry
        return None

    def held_by(self, account: str) -> set[Role]:
        held: set[Role] = set(self.roles.get(account, ()))
        if account == self.owner:
            held.add("owner")
        return held

    def passed_at(self, uid: bytes, now_ms: int) -> int | None:
        """Return when somebody was invited, if that still lets them in; what came later keeps them out."""
        found = (one.at for one in self.passes if one.uid == uid.hex() and one.at + PASS_MS > now_ms)
        return next(found, None)

    def put_out(self, uid: bytes) -> Noted | None:
        """Return how somebody was put out lately, and has not come in since."""
        return next((one for one in self.out if one.uid == uid.hex()), None)


EMPTY: Final = Policy()
_PLAIN: Final = (None, False)  # whose, and whether it is secret

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Policy] = msgspec.json.Decoder(Policy)


def with_entry(policy: Policy, entry: Listing) -> Policy:
    """Return ``policy`` with ``entry`` in the place of the one of its kind and mask, or as its last."""
    others = [one for one in policy.entries if (one.kind, one.mask) != (entry.kind, entry.mask)]
    return replace(policy, entries=[*others, entry])


def without_entries(policy: Policy, gone: Iterable[Listing]) -> Policy:
    keys = {(one.kind, one.mask) for one in gone}
    return replace(policy, entries=[one for one in policy.entries if (one.kind, one.mask) not in keys])


def without_favours(entries: list[Listing], account: str) -> list[Listing]:
    """Return ``entries`` but for those by which an account comes in where others do not."""
    mask = masks.of_account(account)
    return [one for one in entries if one.mask != mask or one.kind not in ("except", "invited")]


def with_pass(policy: Policy, uid: bytes, now_ms: int) -> Policy:
    return replace(policy, passes=_noted(policy.passes, Noted(uid.hex(), now_ms), PASS_MS, MAX_PASSES))


def with_put_out(policy: Policy, uid: bytes, now_ms: int, by: str, reason: str) -> Policy:
    return replace(policy, out=_noted(policy.out, Noted(uid.hex(), now_ms, by, reason), OUT_MS, MAX_OUT))


def admitted(policy: Policy, uid: bytes) -> Policy:
    """Return ``policy`` as it is when somebody has come in: an invitation is used, and nobody was put out."""
    name = uid.hex()
    if any(one.uid == name for one in (*policy.passes, *policy.out)):
        passes, out = ([one for one in some if one.uid != name] for some in (policy.passes, policy.out))
        return replace(policy, passes=passes, out=out)
    return policy


def _noted(some: list[Noted], new: Noted, for_ms: int, most: int) -> list[Noted]:
    kept = [one for one in some if one.uid != new.uid and one.at + for_ms > new.at]
    return [*kept, new][-most:]


class Policies:
    """The policies of all rooms, in the log and in memory."""

    def __init__(self, messages: Log, lobby: Callable[[], str]) -> None:
        """``lobby`` tells the name of the room that is nobody's and stays so. Raises `LogError`."""
        self.rooms: dict[str, Room] = {}  # with somebody in them, by name; `Rooms` shares it
        self._log = messages
        self._lobby = lobby
        self._undo: list[Callable[[], None]] = []  # of this transaction, in order
        self._index = {name: (kept.owner, kept.has("secret")) for name, kept in self._all()}
        self.ends_first = math.inf
        """No entry of a room that somebody is in ends before, milliseconds since 1970, UTC."""
        self._left: dict[str, Policy] = {}  # rooms that all have left -> what is to stay of their policy

    def load(self, name: str) -> Policy:
        """Return what is kept of a room that nobody is in. Raises `Spoilt`, `LogError`."""
        if name in self._left:
            return self._left[name]
        kept = self._log.recall(PREFIX + name)
        if kept is None:
            return EMPTY
        try:
            return _decoder.decode(kept)
        except msgspec.DecodeError as err:  # of a moot that knew more, or knew it otherwise
            log.error("what is kept of room %s cannot be read: %s", name, err)
            raise Spoilt(PREFIX + name) from err

    def loaded(self, name: str) -> Policy:
        """Return the same for those who are in the room already: what cannot be read must not throw them out."""
        try:
            kept = self.load(name)
            self._note_ends(kept)
            return kept
        except (Spoilt, LogError) as err:
            log.error("room %s goes on without its modes and lists: %s", name, err)
            return EMPTY

    def change(self, name: str, room: Room | None, policy: Policy) -> None:
        """Keep ``policy`` for the room of that name, with this transaction. ``room``: None when nobody is in it.

        Raises `LogError`.
        """
        before = room.policy if room is not None else self.load(name)
        if policy == before:
            return
        self._store(name, policy)
        if room is not None:
            self._undo.append(lambda: room.take(before))
            room.take(policy)
            self._note_ends(policy)

    def admit(self, name: str, room: Room | None, kept: Policy, uid: bytes) -> bool:
        """Somebody comes in: an invitation is used up, and who was put out is not out any more.

        Return whether that is to be stored. Raises `LogError`.
        """
        after = admitted(kept, uid)
        self.change(name, room, after)
        return after is not kept

    def grant(self, room: Room, uid: bytes, roles: list[Role]) -> None:
        """Give somebody who is in ``room`` these roles for as long as that lasts."""
        before = room.granted.get(uid, [])
        self._undo.append(lambda: _grant(room, uid, before))
        _grant(room, uid, roles)

    def undoing(self, undo: Callable[[], None]) -> None:
        """Call ``undo`` if the transaction fails."""
        self._undo.append(undo)

    def retitle(self, old: str, new: str, policy: Policy, by: str, now_ms: int, last: int) -> None:
        """Keep ``policy`` under ``new``, and under ``old`` where it went. Raises `LogError`.

        ``last``: the newest seq that the room had under the old name.
        """
        self._store(new, replace(policy, moved="", moved_by="", moved_at=0, moved_seq=0))
        self._store(old, Policy(moved=new, moved_by=by, moved_at=now_ms, moved_seq=last))

    def emptied(self, name: str, policy: Policy) -> None:
        """Everybody has left the room of that name."""
        if policy.owner is None and not policy.closed and name != self._lobby():
            stays = EMPTY
            if policy.moved:
                stays = replace(EMPTY, **{name: getattr(policy, name) for name in _MOVED})
            if stays != policy:
                self._left[name] = stays

    def settle(self) -> None:
        """Remove what is kept of rooms that all have left, with this transaction. Raises `LogError`."""
        for name, stays in list(self._left.items()):
            self._store(name, stays)

    def owned_by(self, account: str) -> list[str]:
        """Return the rooms that are this account's."""
        return sorted(name for name, (owner, _secret) in self._index.items() if owner == account)

    def is_secret(self, name: str) -> bool:
        """Tell whether a room is shown to its members alone."""
        return self._index.get(name, _PLAIN)[1]

    def moved_text(self, name: str, kept: Policy) -> str:
        """Return what is told of a room that has another name now, which nobody learns of a secret one."""
        if self.is_secret(kept.moved):
            return f"the room {name} has another name now; ask somebody who is in it"
        return f"{name} is called {kept.moved} now; join that"

    def forget_account(self, account: str) -> None:
        """An account is no more: nothing of a room is its own, so that nobody who takes its name has that.

        What keeps it out stays. Reads all policies. Raises `LogError`.
        """
        for name, kept in self._all():
            roles = {one: held for one, held in kept.roles.items() if one != account}
            changed = replace(kept, roles=roles, entries=without_favours(kept.entries, account))
            if kept.owner == account:
                changed = replace(changed, owner=None, since=0)
            self.change(name, self.rooms.get(name), changed)

    def _note_ends(self, policy: Policy) -> None:
        if policy.entries:
            self.ends_first = min([self.ends_first, *(one.until for one in policy.entries if one.until is not None)])

    def _all(self) -> Iterator[tuple[str, Policy]]:
        for key, kept in self._log.recall_under(PREFIX):
            try:
                yield key.removeprefix(PREFIX), _decoder.decode(kept)
            except msgspec.DecodeError as err:
                log.error("what is kept of room %s cannot be read: %s", key, err)

    def committed(self) -> None:
        self._undo.clear()

    def rolled_back(self) -> None:
        """The transaction failed: all is as it was before."""
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def _store(self, name: str, policy: Policy) -> None:
        if policy == EMPTY:
            self._log.forget(PREFIX + name)
        else:
            self._log.remember(PREFIX + name, _encoder.encode(policy).decode())
        if name in self._left:
            stays = self._left.pop(name)
            self._undo.append(lambda: self._left.update({name: stays}))
        before = self._index.get(name, _PLAIN)
        self._undo.append(lambda: self._index.update({name: before}))
        self._index[name] = (policy.owner, policy.has("secret"))
        if self._index[name] == _PLAIN:
            del self._index[name]


def _grant(room: Room, uid: bytes, roles: list[Role]) -> None:
    if roles:
        room.granted[uid] = roles
    else:
        room.granted.pop(uid, None)
