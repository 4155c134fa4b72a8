"""Requests about who may do what: modes, kicks, bans, invitations, whose a room is. Pure.

What they write is part of the log's transaction, and told only when that is stored; each is in the room's moderation
log (`broker.modlog`) too. Who may do what stands in `broker.rights`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from broker import masks, modes, modlog, policy, rights, serverbans
from broker.accounts import Account, Accounts
from broker.admission import Admission
from broker.log import Log, LogError
from broker.modes import Actor, Draft, Target
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.policy import Listing, Policies, Policy
from broker.rights import RANKS, Act, Rank
from broker.rooms import Room, Rooms
from broker.seating import Seating
from broker.serverbans import ServerBans
from protocol import addresses, moderation, names, native
from protocol.ipc import Answered, Closed, Do, Told, worker_of
from protocol.moderation import LISTED, Change, Listed
from protocol.settings import DEFAULTS

AGAIN_MS: Final = 1000  # after which what ends by itself is tried again when it could not be stored
MAX_NAMES: Final = 50  # that a room and its moderation log can have had
_SERVERWIDE: Final = ("ban", "except")  # kinds of entries that the server's lists have


class Moderation:
    """Carries them out."""

    def __init__(
        self,
        log: Log,
        outbox: Outbox,
        people: People,
        rooms: Rooms,
        seating: Seating,
        accounts: Accounts,
        admission: Admission,
        bans: ServerBans,
    ) -> None:
        self.settings = DEFAULTS
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self._log = log
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self._seating = seating
        self._accounts = accounts
        self._admission = admission
        self._bans = bans
        self.commit: Callable[[], None] = log.commit
        """Makes durable what was written, before somebody is put out for it, which nothing takes back."""
        self.on_retitled: Callable[[Iterable[Person], str, str], None] = lambda _members, _old, _new: None
        """Told of the members of a room that has another name from here on."""
        self.handlers: dict[type, Callable[[Device, Do], None]] = {
            moderation.Mode: self._mode,
            moderation.Policy: self._policy,
            moderation.Kick: self._kick,
            moderation.Ban: self._ban,
            moderation.Unban: self._unban,
            moderation.Invite: self._invite,
            moderation.Claim: self._claim,
            moderation.Retitle: self._retitle,
            moderation.Announce: self._announce,
        }

    @property
    def _policies(self) -> Policies:
        return self._rooms.policies

    # --- which room, and what one may do there

    def _place(self, person: Person, text: str) -> tuple[str, Room | None, Policy]:
        """Return name and policy of a room, and (None: nobody is there) who is in it.

        Raises `Refusal` when there is none that ``person`` may know of, `names.BadName`.
        """
        name = names.room(text)
        room = self._rooms.by_name.get(name)
        kept = room.policy if room is not None else self._policies.load(name)
        hidden = kept.has("secret") and name not in person.rooms and not self._admission.rank(person, room, kept)
        if room is None and kept.moved and kept.owner is None and not kept.closed:
            raise Refusal("no-such-room", self._policies.moved_text(name, kept))
        if hidden or (room is None and kept.since == 0 and not kept.closed and not self._log.last(name)):
            raise Refusal("no-such-room", f"there is no room {name}")
        return name, room, kept

    def _allow(self, act: Act, person: Person, room: Room | None, kept: Policy) -> Rank:
        """Return the rank of ``person`` in a room. Raises `Refusal` when it is too low."""
        rank = self._admission.rank(person, room, kept)
        rights.check(rank, act, owned=kept.owner is not None)
        return rank

    def _allow_server(self, person: Person) -> None:
        rights.check(rights.SERVER if person.admin else rights.NOBODY, "server")

    def rank_of(self, target: Target, room: Room | None, kept: Policy) -> Rank:
        if target.person is not None:
            return self._admission.rank(target.person, room, kept)
        held = kept.held_by(target.account) if target.account is not None else ()
        account = self._accounts.account(target.account) if target.account is not None else None
        if account is not None and account.name == kept.owner and not account.admin:
            return rights.FOUNDER
        return rights.rank_of(held, admin=account is not None and account.admin)

    def may_stay(self, person: Person, room: Room) -> bool:
        """Tell whether somebody who is in ``room``, or was as another, may be there having logged in or out."""
        kept = room.policy
        if self._admission.rank(person, room, kept) >= RANKS["op"]:
            return True
        who = self._admission.who(person)
        banned = (
            kept.listed("ban", who, self.now, beside=False) is not None and kept.listed("except", who, self.now) is None
        )
        return not banned and not (kept.has("registered-only") and person.account is None)

    def may_sit(self, person: Person, name: str) -> bool:
        """Tell whether somebody may be in a room because a worker says that they are."""
        room = self._rooms.by_name.get(name)
        kept = room.policy if room is not None else self._policies.loaded(name)
        if kept is policy.EMPTY or self._admission.rank(person, room, kept):
            return True
        return not kept.closed and kept.listed("ban", self._admission.who(person), self.now) is None

    def check_ban(self, nick: str, account: Account | None, addresses: list[str]) -> None:
        """Raises `Refusal` when somebody of whom this is known is banned from the server."""
        if self._bans.entries and not (account is not None and account.admin):
            name = account.name if account is not None else None
            self._bans.check(self._admission.whom(nick, name, addresses), self.now)

    # --- modes

    def _mode(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Mode)
        name, room, kept = self._place(person, request.room)
        rank = self._admission.rank(person, room, kept)
        draft = self._draft(person, rank, name, room, kept)
        for change in request.changes:
            draft.apply(change)
        self._carry_out(draft, name, room, person)
        self._answer(do, native.Ok(id=request.id, room=name))

    def _draft(self, person: Person | None, rank: Rank, name: str, room: Room | None, kept: Policy) -> Draft:
        return Draft(
            kept,
            room.granted if room is not None else {},
            Actor(person.nick if person is not None else "", rank, person),
            self.now,
            self.settings.max_entries,
            lambda nick: self._target(nick, name, room),
            lambda text, kind: self._listing(text, kind, person),
            lambda target: self.rank_of(target, room, kept),
        )

    def _carry_out(self, draft: Draft, name: str, room: Room | None, by: Person | None, ending: str = "") -> None:
        """Keep what ``draft`` has, note it and tell the room. ``ending``: of what is noted, `modlog.ending`."""
        for change in draft.done:
            modlog.write(self._log, name, by, self.now, modlog.said(change) + ending)
        self._policies.change(name, room, draft.policy)
        if room is None:
            return
        before = dict(room.granted)
        for uid in before.keys() | draft.granted.keys():
            if before.get(uid, []) != draft.granted.get(uid, []):
                self._policies.grant(room, uid, draft.granted.get(uid, []))
                if (member := self._people.by_uid.get(uid)) is not None:
                    self._people.touch(member)
        if draft.done:
            with self._out.bound():
                nick, account = (by.nick, by.account) if by is not None else ("", None)
                event = moderation.Modes(room=name, by=nick, by_account=account, changes=draft.done)
                self._rooms.announce(room, event)

    def _target(self, nick: str, name: str, room: Room | None) -> Target:
        """Return whom a change of roles is about: somebody in the room, or an account. Raises `Refusal`."""
        person = self._people.by_key.get(names.fold_nick(_nick(nick)))
        if person is not None and room is not None and person in room.members:
            return Target(person.nick, person, person.account)
        account = self._accounts.account(nick)
        if account is not None:
            return Target(account.name, None, account.name)
        if person is not None and person.account is not None:
            return Target(person.nick, None, person.account)
        if person is not None:
            raise Refusal("not-in-room", f"{person.nick} is not in {name}, and has no account that could be given it")
        raise Refusal("no-such-nick", f"nobody is called {nick}, and there is no such account")

    def _listing(self, text: str, kind: Listed, by: Person | None) -> Listing:
        """Return the entry for what somebody wrote as a mask. Raises `Refusal`."""
        nick = by.nick if by is not None else ""
        mask = modes.normalized(text)
        named = masks.nick_in(mask) if not any(sign in text for sign in "!@") else None
        if mask == f"*!*@{self._admission.host}":
            raise Refusal("bad-mask", "every guest is shown with that host; name a nick, an account or an address")
        if named is None:
            return Listing(kind, mask, nick, self.now)
        person = self._people.by_key.get(named)
        account = person.account if person is not None else self._accounts.owner_of(named)
        if account is not None:
            mask = masks.of_account(account)
        if person is None or kind not in ("ban", "mute"):  # the others let nobody in but whom they name
            return Listing(kind, mask, nick, self.now)
        addr, guest = person.newest.addr, person.newest.uid.hex()
        addr = "" if addresses.is_loopback(addr) else addresses.counted(addr)
        return Listing(kind, mask, nick, self.now, addr=addr, guest=guest)

    # --- what holds

    def _policy(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Policy)
        name, room, kept = self._place(person, request.room)
        rank = self._admission.rank(person, room, kept)
        inside = name in person.rooms
        limits = {name: value for name, value in kept.limits.items() if name != "key" or inside or rank}
        entries = [one.shown for one in kept.entries if not one.has_ended(self.now)]
        answer = moderation.RoomPolicy(
            id=request.id,
            room=name,
            owner=kept.owner,
            since=kept.since,
            flags=kept.flags,
            limits=limits if rank >= RANKS["op"] else {**limits, **({"key": "*"} if "key" in limits else {})},
            roles=dict(kept.roles),
            entries=entries if rank >= RANKS["op"] else [],
            filters=kept.filters if rights.may(rank, "filter", owned=kept.owner is not None) else [],
        )
        self._answer(do, answer)

    # --- putting out

    def _kick(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Kick)
        if request.room is None:
            self._allow_server(person)
            other = self._people.called(request.nick)
            why = _by("put off the server", person.nick, request.reason)
            self.put_off(other, native.Bye(reason=why, by=person.nick, by_account=person.account), why)
            self._answer(do, native.Ok(id=request.id))
            return
        name, room, kept = self._place(person, request.room)
        rank = self._allow("kick", person, room, kept)
        other = self._people.called(request.nick)
        if room is None or other not in room.members:
            raise Refusal("not-in-room", f"{other.nick} is not in {name}")
        rights.check_act_on(rank, self._admission.rank(other, room, kept), other.nick)
        why = f": {request.reason}" if request.reason else ""
        modlog.write(self._log, name, person, self.now, f"put {other.nick} out{why}")
        self._policies.change(name, room, policy.with_put_out(kept, other.uid, self.now, person.nick, request.reason))
        self.commit()
        self._put_out(other, room, request.reason, person)
        self._answer(do, native.Ok(id=request.id, room=name))

    def _put_out(self, person: Person, room: Room, reason: str, by: Person) -> None:
        self._rooms.leave(person, room, reason, by=by)
        self._people.touch(person)
        self._seating.note("was put out of", person.newest, f"{room.name} by {by.nick}: {reason}")

    def put_off(self, person: Person, last: native.Bye | native.Error, reason: str) -> None:
        """Put somebody off the server, who is told ``last``; the others are told ``reason``."""
        for device in list(person.devices):
            worker = worker_of(device.conn)
            if device.connected:
                self._out.tell(worker, Told(device.conn, last))
                self._out.tell(worker, Closed(device.conn))
            self._seating.remove(device, reason)

    # --- lists

    def _ban(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Ban)
        kind = request.kind
        until = None if request.seconds is None else self.now + int(request.seconds * 1000)
        if request.room is None:
            self._allow_server(person)
            self._ban_from_server(person, request, until)
            self._answer(do, native.Ok(id=request.id))
            return
        name, room, kept = self._place(person, request.room)
        rank = self._allow("mute" if kind == "mute" else "ban", person, room, kept)
        if kind in ("ban", "mute"):
            self._check_ban_on(request.mask, person, rank, room, kept)
        entry = replace(self._listing(request.mask, kind, person), until=until, reason=request.reason)
        draft = self._draft(person, rank, name, room, kept)
        before = draft.policy.entries
        draft.add(entry)
        if not draft.done and before != draft.policy.entries:
            self._note_again(name, person, entry)
        out = self._members_about(entry, room, rank, person) if kind == "ban" and room is not None else []
        for member in out:
            why = request.reason or "banned"
            draft.policy = policy.with_put_out(draft.policy, member.uid, self.now, person.nick, why)
        self._carry_out(draft, name, room, person, modlog.ending(until, request.reason))
        if out:
            self.commit()
        for member in out:
            assert room is not None
            self._put_out(member, room, request.reason or "banned", person)
        self._answer(do, native.Ok(id=request.id, room=name))

    def _note_again(self, name: str, by: Person, entry: Listing) -> None:
        text = modlog.said(Change(entry.kind, True, entry.mask)) + " anew" + modlog.ending(entry.until, entry.reason)
        modlog.write(self._log, name, by, self.now, text)

    def _check_ban_on(self, text: str, by: Person, rank: Rank, room: Room | None, kept: Policy) -> None:
        """Raises `Refusal` when ``text`` names somebody who is too high for it. Others whom a mask meets stay in."""
        nick = masks.nick_in(modes.normalized(text))
        if nick is None or any(sign in text for sign in "!@"):
            return
        person = self._people.by_key.get(nick)
        account = person.account if person is not None else self._accounts.owner_of(nick)
        if person is by:
            return
        target = Target(person.nick if person is not None else nick, person, account)
        rights.check_act_on(rank, self.rank_of(target, room, kept), target.nick)

    def _members_about(self, entry: Listing, room: Room, rank: Rank, by: Person) -> list[Person]:
        """Return whom a new ban puts out: not those who share an address with the guest who is banned."""
        return [
            member
            for member in room.members
            if member is not by
            and entry.is_about(who := self._admission.who(member), beside=False)
            and room.policy.listed("except", who, self.now) is None
            and rights.may_act_on(rank, self._admission.rank(member, room, room.policy))
        ]

    def _ban_from_server(self, by: Person, request: moderation.Ban, until: int | None) -> None:
        if request.kind not in _SERVERWIDE:
            raise Refusal("bad-mode", f"the server's lists are {' and '.join(_SERVERWIDE)}; mute in rooms")
        entry = replace(self._listing(request.mask, request.kind, by), until=until, reason=request.reason)
        if entry.kind == "ban" and entry.is_about(self._admission.who(by)):
            raise Refusal("bad-mask", "that is about yourself")
        self._bans.add(entry, self.now, self.settings.max_entries)
        if entry.kind != "ban":
            return
        self.commit()
        for person in list(self._people.by_uid.values()):
            who = self._admission.who(person)
            if person.admin or not entry.is_about(who, beside=False):
                continue
            if (ban := self._bans.ban_of(who, self.now)) is not None:
                told = native.Error(code="banned", text=serverbans.refusal_text(ban))
                self.put_off(person, told, "banned from the server" + modlog.ending(None, ban.reason))

    def _unban(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Unban)
        if request.room is None:
            self._allow_server(person)
            new = self._listing(request.mask, request.kind, person)
            self._bans.remove(modes.about(self._bans.entries, request.mask, new))
            self._answer(do, native.Ok(id=request.id))
            return
        name, room, kept = self._place(person, request.room)
        rank = self._allow("mute" if request.kind == "mute" else "ban", person, room, kept)
        draft = self._draft(person, rank, name, room, kept)
        draft.apply(Change(request.kind, False, request.mask))
        self._carry_out(draft, name, room, person)
        self._answer(do, native.Ok(id=request.id, room=name))

    def settle(self, now_ms: int) -> float:
        """End what ends by itself, tell the rooms, and forget what is kept of those that all have left.

        Return when the next entry ends, milliseconds since 1970; infinity: none does. Raises `LogError`.
        """
        policies = self._policies
        if now_ms >= policies.ends_first:
            policies.ends_first = now_ms + AGAIN_MS  # should it fail
            for name, room in self._rooms.by_name.items():
                if ended := [one for one in room.policy.entries if one.has_ended(now_ms)]:
                    self._end(name, room, ended)
            policies.ends_first = min(
                (one.until for room in self._rooms.by_name.values() for one in room.policy.entries if one.until),
                default=math.inf,
            )
        policies.settle()
        return policies.ends_first

    def _end(self, name: str, room: Room, ended: list[Listing]) -> None:
        draft = self._draft(None, rights.SERVER, name, room, room.policy)
        draft.policy = policy.without_entries(room.policy, ended)
        draft.done = [Change(one.kind, False, one.mask) for one in ended]
        self._carry_out(draft, name, room, None, ", for its time was over")

    # --- invitations

    def _invite(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Invite)
        name, room, kept = self._place(person, request.room)
        rank = self._admission.rank(person, room, kept)
        if name not in person.rooms and not rank:
            raise Refusal("not-in-room", f"you are not in {name}; join it first")
        passes = rights.may(rank, "invite", owned=kept.owner is not None)
        if kept.has("invite-only") and not passes:
            rights.check(rank, "invite", owned=kept.owner is not None)
        other = self._people.called(request.nick)
        if room is not None and other in room.members:
            raise Refusal("already-there", f"{other.nick} is in {name} already")
        if passes:
            modlog.write(self._log, name, person, self.now, f"invited {other.nick}")
            self._policies.change(name, room, policy.with_pass(kept, other.uid, self.now))
        event = moderation.Invited(room=name, by=person.nick, by_account=person.account, nick=other.nick)
        with self._out.bound():
            self._tell(other, event)
            for member in room.members if room is not None else ():
                if member is not person and self._admission.rank(member, room, kept) >= RANKS["op"]:
                    self._tell(member, event)
        self._answer(do, native.Ok(id=request.id, room=name))

    # --- whose a room is

    def _claim(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Claim)
        name, room, kept = self._place(person, request.room)
        if name == self._admission.lobby:
            raise Refusal("not-allowed", f"{name} is everybody's: it cannot be registered")
        if request.drop or request.to is not None:
            self._allow("drop" if request.drop else "give", person, room, kept)
            if kept.owner is None:
                raise Refusal("no-such-room", f"{name} is nobody's already")
            changed, said = self._given(kept, request)
        else:
            changed, said = self._claimed(kept, name, room, person)
        if changed == kept:
            self._answer(do, native.Ok(id=request.id, room=name))
            return
        modlog.write(self._log, name, person, self.now, said)
        self._policies.change(name, room, changed)
        if room is not None:
            before, after = kept.owner, changed.owner
            changes = [Change("owner", False, before)] if before is not None else []
            changes += [Change("owner", True, after)] if after is not None else []
            with self._out.bound():
                self._rooms.announce(room, moderation.Modes(room=name, by=person.nick, changes=changes))
        self._answer(do, native.Ok(id=request.id, room=name))

    def _claimed(self, kept: Policy, name: str, room: Room | None, person: Person) -> tuple[Policy, str]:
        if kept.owner is not None and kept.owner == person.account:
            return kept, ""  # an earlier broker may have ended before it could answer
        if kept.owner is not None:
            raise Refusal("not-allowed", f"{name} is {kept.owner}'s already")
        if person.account is None:
            raise Refusal("account-needed", "a room belongs to an account; register one first, or log in")
        if room is None or person not in room.members:
            raise Refusal("not-in-room", f"you are not in {name}; join it first")
        if self._admission.rank(person, room, kept) < RANKS["op"]:
            raise Refusal("not-allowed", f"only an op of {name} may register it; who makes a room is its op")
        self._check_claims(person.account)
        return replace(kept, owner=person.account, since=self.now), "registered the room"

    def _given(self, kept: Policy, request: moderation.Claim) -> tuple[Policy, str]:
        if request.to is None:
            return replace(kept, owner=None, since=0), f"gave the room up, which was {kept.owner}'s"
        account = self._accounts.account(_nick(request.to))
        if account is None:
            raise Refusal("no-such-account", f"there is no account {request.to}")
        self._check_claims(account.name)
        return replace(kept, owner=account.name), f"gave the room to {account.name}"

    def _check_claims(self, account: str) -> None:
        most = self.settings.max_claims
        if len(self._policies.owned_by(account)) >= most:
            raise Refusal("too-many-rooms", f"{account} has {most} rooms registered, the most allowed")

    def _retitle(self, device: Device, do: Do) -> None:
        """Commits: the name must be another's before anybody hears of it, or nobody's."""
        request, person = do.request, device.person
        assert isinstance(request, moderation.Retitle)
        new = names.room(request.name)
        if self._was_retitled(request.room, new, person):
            self._answer(do, native.Ok(id=request.id, room=new))
            return
        old, room, kept = self._place(person, request.room)
        self._allow("retitle", person, room, kept)
        if self._admission.lobby in (old, new):
            raise Refusal("not-allowed", f"{self._admission.lobby} keeps its name")
        if new == old:
            raise Refusal("bad-request", f"it is called {old} already")
        if self._is_taken(new):
            raise Refusal("room-exists", f"there is a room {new} already; choose another name")
        self._check_names(old, new)
        last = self._log.last(old)
        self.commit()  # what came before in this step is done, whatever comes of this
        try:
            self._policies.retitle(old, new, kept, person.nick, self.now, last)
            self._log.retitle([(old, new), (modlog.name_of(old), modlog.name_of(new))])
        except LogError:
            self._log.rollback()
            self._policies.rolled_back()
            raise
        self._policies.committed()
        why = f": {request.reason}" if request.reason else ""
        modlog.write(self._log, new, person, self.now, f"gave the room, which was {old}, the name {new}{why}")
        if room is not None:
            retitled = moderation.Retitled(
                room=old, name=new, by=person.nick, by_account=person.account, reason=request.reason
            )
            self._rooms.announce(room, retitled)
            self._rooms.retitle(room, new)
            self.on_retitled(room.members, old, new)
            room.take(self._policies.load(new))
            for member in room.members:
                self._people.touch(member)
        self._answer(do, native.Ok(id=request.id, room=new))

    def _check_names(self, old: str, new: str) -> None:
        """Raises `Refusal` when ``old`` may not leave another name behind, which the log keeps for ever."""
        names_had = (self._log.former_names(old), self._log.former_names(modlog.name_of(old)))
        if any(len(had) >= MAX_NAMES and not {new, modlog.name_of(new)}.intersection(had) for had in names_had):
            raise Refusal("too-many-rooms", f"{old} has had {MAX_NAMES} names, the most a room can have; keep this one")
        if self._log.room_count >= self.settings.max_rooms:
            raise Refusal("too-many-rooms", f"this server has {self.settings.max_rooms} rooms, the most allowed")

    def _was_retitled(self, text: str, new: str, by: Person) -> bool:
        """Whether ``by`` has done it already: an earlier broker may have ended before it could answer."""
        old = names.room(text)
        if old in self._rooms.by_name:
            return False
        kept = self._policies.load(old)
        return (kept.moved, kept.moved_by) == (new, by.nick) and new in by.rooms

    def _is_taken(self, name: str) -> bool:
        """Tell whether a room cannot have this name: another has it, or what one set there is kept."""
        kept = self._policies.load(name)
        has_messages = any(name == one for one, _topic in self._log.names())
        return name in self._rooms.by_name or has_messages or kept.owner is not None or kept.closed

    # --- the server

    def _announce(self, device: Device, do: Do) -> None:
        request, person = do.request, device.person
        assert isinstance(request, moderation.Announce)
        self._allow_server(person)
        event = native.Notice(text=request.text, by=person.nick, admins=request.admins, by_account=person.account)
        for other in self._people.by_uid.values():
            if other.admin or not request.admins:
                self._tell(other, event)
        self._seating.note("announced", device, request.text)
        self._answer(do, native.Ok(id=request.id))

    def _tell(self, person: Person, event: native.Event) -> None:
        for device in person.connected:
            self._out.tell(worker_of(device.conn), Told(device.conn, event))

    def _answer(self, do: Do, event: native.Event) -> None:
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, event))


def _nick(text: str) -> str:
    """Return ``text`` as a nick. Raises `Refusal`."""
    try:
        return names.nick(text)
    except names.BadName as no:
        raise Refusal("no-such-nick", str(no)) from no


def _by(what: str, nick: str, reason: str) -> str:
    return f"{what} by {nick}" + (f": {reason}" if reason else "")


assert set(_SERVERWIDE) <= set(LISTED)
