"""What people say, in rooms and to each other: stored once whatever is retried, then told. Pure.

What is stored is answered with its seq, before its echo. A direct message lies in the inboxes of both people, one for
some of a room's members in those of all of them: each copy has a seq of its own, and all have one name
(`protocol.msgids`). What nobody keeps is `broker.hinting`'s.
"""

from typing import Final

import msgspec

from broker import finding, modlog
from broker.accounts import Accounts
from broker.admission import Admission
from broker.log import Damaged, Extra, Log, Said, Stored, inbox_name
from broker.outbox import Outbox
from broker.people import Device, People, Person, Refusal
from broker.rights import RANKS, may, rank_of
from broker.rooms import Room, Rooms
from broker.seating import Note
from protocol import msgids, native
from protocol.ipc import Answered, ConnId, Do, Posted, Told, worker_of
from protocol.moderation import Role

MAX_AUDIENCE: Final = 500  # members with a role who can be told something apart from the others; each has a copy
_FIXED: Final = frozenset({"topic", "redact"})  # kinds that cannot be taken back: another one changes what they did


class Saying:
    """Carries out what adds messages to the log."""

    def __init__(
        self,
        log: Log,
        outbox: Outbox,
        people: People,
        rooms: Rooms,
        admission: Admission,
        accounts: Accounts,
        note: Note,
    ) -> None:
        self._log = log
        self._accounts = accounts
        self._out = outbox
        self._people = people
        self._rooms = rooms
        self._admission = admission
        self._note = note
        self.now = 0  # the step's time, milliseconds since 1970, UTC
        self.log_texts = False  # note what is said, too

    # --- requests

    def send(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Send)
        kind, ref, extra = request.kind, request.reply, None
        if request.tags or request.audience is not None:
            extra = Extra(tags=request.tags, audience=request.audience)
        if kind == "react" and (ref is None or request.audience is not None):
            raise Refusal("bad-request", "a reaction is about a message: `reply` tells which, in a room or to somebody")
        self._say(device, do, request.cmid, request.to, kind, request.text, extra, ref)

    def fun(self, device: Device, do: Do) -> None:
        request, art = do.request, do.art
        assert isinstance(request, native.Fun)
        if art is None:
            raise Refusal("fun-failed", "this command was not rendered")
        kind: native.Kind = "me" if art.kind == "me" else "text" if art.kind == "text" else "fun"
        extra = Extra(cmd=request.line, anim=art.anim)
        self._say(device, do, request.cmid, request.to, kind, art.text, extra)

    def topic(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, native.Topic)
        self._say(device, do, request.cmid, request.room, "topic", request.text, None)

    def redact(self, device: Device, do: Do) -> None:
        """Take a message back. Raises `Refusal`, `names.BadName`."""
        request = do.request
        assert isinstance(request, native.Redact)
        if self._said_before(device, do, request.cmid, "redact", request.reason):
            return
        if request.room == native.INBOX:
            self._redact_direct(device, do, request)
            return
        person = device.person
        room = self._rooms.of(person, request.room)
        seq = finding.in_room(self._log, room.name, request.seq)
        said = self._takeable(room.name, seq)
        own = self._is_own(device, said)
        if not own and not may_redact(room, person):
            raise Refusal("not-allowed", "only who said it, or an op of the room, can take back a message")
        if room.strict and request.reason:
            self._admission.check_speech(person, room, "react", request.reason, self.now)
        if not own:
            why = f": {request.reason}" if request.reason else ""
            modlog.write(self._log, room.name, person, self.now, f"took back message {seq} of {said.msg.nick}{why}")
        extra = Extra(reply=seq, reason=request.reason or None, account=person.account, bot=person.bot)
        self._post(device, do, room, request.cmid, "redact", _sentence(said, request.reason, own=own), extra)

    # --- in a room

    def _say(
        self,
        device: Device,
        do: Do,
        cmid: str,
        to: str,
        kind: native.Kind,
        text: str,
        extra: Extra | None,
        ref: native.Ref | None = None,
    ) -> None:
        if self._said_before(device, do, cmid, kind, text):
            return
        person = device.person
        if person.account is not None or person.bot:
            extra = msgspec.structs.replace(extra or Extra(), account=person.account, bot=person.bot)
        if to[:1] == "@":
            self._say_to(device, do, cmid, to[1:], kind, text, extra, ref)
            return
        room = self._rooms.of(person, to)
        if room.strict:
            said = text
            if extra is not None:
                said = " ".join((extra.cmd or text, *extra.tags.values()))
            self._admission.check_speech(person, room, kind, said, self.now)
        if ref is not None:
            extra = self._answering(room.name, kind, extra or Extra(), ref)
        if extra is not None and extra.audience is not None:
            self._say_to_some(device, do, cmid, room, extra.audience, kind, text, extra)
            return
        self._post(device, do, room, cmid, kind, text, extra)

    def _answering(self, room: str, kind: native.Kind, extra: Extra, ref: native.Ref) -> Extra:
        """Add which message of ``room`` is answered. One that there never was matters to reactions alone."""
        seq = finding.in_room(self._log, room, ref)
        if seq is None and kind == "react":
            raise Refusal("no-such-message", f"there is no such message in {room}")
        if extra.audience is not None:  # it lies in inboxes, where the room's seqs mean nothing
            name = msgids.of_room(self._log.epoch, room, seq) if seq is not None else None
            return msgspec.structs.replace(extra, reply_id=name)
        return msgspec.structs.replace(extra, reply=ref if isinstance(ref, int) else seq)

    def _post(
        self, device: Device, do: Do, room: Room, cmid: str, kind: native.Kind, text: str, extra: Extra | None
    ) -> None:
        person = device.person
        msg = self._log.append(room.name, device.uid, cmid, self.now, person.nick, kind, text, extra)
        person.spoke = self.now
        if self.log_texts:
            self._note("said", device, f"in {room.name}: {text}")
        self._acknowledge(do, msg)  # before its echo
        posted = Posted(do.conn, msg)
        for worker in room.workers:
            self._out.tell(worker, posted)

    def _say_to_some(
        self, device: Device, do: Do, cmid: str, room: Room, role: Role, kind: native.Kind, text: str, extra: Extra
    ) -> None:
        """Say in a room what not all of it hear: it lies in their inboxes, so that the room's seqs have no hole."""
        person = device.person
        audience = [member for member in with_role(room, role) if member is not person]
        if len(audience) > MAX_AUDIENCE:
            text = f"{len(audience):,} members have that role, and at most {MAX_AUDIENCE} can be told so; tell the room"
            raise Refusal("too-many", text)
        name = self._name_direct(person, room.name.encode())
        extra = msgspec.structs.replace(extra, to=room.name, msgid=name, own=True)
        self._keep(device, do, cmid, kind, text, extra)
        extra = msgspec.structs.replace(extra, own=False)
        for member in audience:
            self._tell_devices(member, self._copy(device, member.uid, kind, text, extra))

    # --- to somebody

    def _say_to(
        self,
        device: Device,
        do: Do,
        cmid: str,
        nick: str,
        kind: native.Kind,
        text: str,
        extra: Extra | None,
        ref: native.Ref | None,
    ) -> None:
        person, other = device.person, self._people.called(nick)
        if extra is not None and extra.audience is not None:
            raise Refusal("bad-request", "only a room has an audience: send this to the person without it")
        found = finding.in_inbox(self._log, inbox_name(person.uid), ref) if ref is not None else None
        if found is None and kind == "react":
            raise Refusal("no-such-message", f"there is no such message between you and {other.nick}")
        seq, answered = found or (None, None)
        extra = msgspec.structs.replace(
            extra or Extra(),
            to=other.nick,
            reply=seq,
            reply_id=answered,
            msgid=self._name_direct(person, other.uid),
            own=True,
            peer=other.uid.hex() if other is not person else None,
        )
        self._keep(device, do, cmid, kind, text, extra)
        if other is not person:
            self._tell_devices(other, self._copy(device, other.uid, kind, text, extra))

    def _redact_direct(self, device: Device, do: Do, request: native.Redact) -> None:
        person = device.person
        inbox = inbox_name(person.uid)
        seq, name = finding.in_inbox(self._log, inbox, request.seq) or (None, None)
        said = self._takeable(inbox, seq)
        msg, peer = said.msg, said.peer
        if not (msg.own or said.sender == device.uid):
            raise Refusal("not-allowed", "only who said it can take back a direct message")
        if msg.audience is not None or (peer is None and not msg.own):
            raise Refusal("not-supported", "this message cannot be taken back from all who have it")
        text = _sentence(said, request.reason, own=True)
        extra = Extra(
            to=msg.to,
            reply=seq,
            reply_id=name,
            reason=request.reason or None,
            account=person.account,
            bot=person.bot,
            msgid=self._name_direct(person, peer or person.uid),
            own=True,
            peer=peer.hex() if peer is not None else None,
        )
        self._keep(device, do, request.cmid, "redact", text, extra)
        if peer is None or finding.in_inbox(self._log, inbox_name(peer), name or "") is None:
            return  # to oneself; or the other has not kept it
        copy = self._copy(device, peer, "redact", text, extra)
        if (other := self._people.by_uid.get(peer)) is not None:
            self._tell_devices(other, copy)
        else:
            self._log.release(inbox_name(peer))

    def _name_direct(self, person: Person, to: bytes) -> str:
        """Return what the next message in the inbox of ``person`` is called."""
        seq = self._log.last(inbox_name(person.uid)) + 1
        return msgids.of_direct(self._log.epoch, seq, self.now, person.uid, to)

    def _keep(self, device: Device, do: Do, cmid: str, kind: native.Kind, text: str, extra: Extra) -> None:
        """Store the sender's own copy, answer, and tell all their devices."""
        person = device.person
        said = (self.now, person.nick, kind, text, extra)
        mine = self._log.append(inbox_name(person.uid), device.uid, cmid, *said)
        person.spoke = self.now
        self._acknowledge(do, mine)
        self._tell_devices(person, mine, do.conn)

    def _copy(self, device: Device, uid: bytes, kind: native.Kind, text: str, extra: Extra) -> native.Msg:
        """Store the copy of the inbox of ``uid``, which names the answered message by the seq that it has there."""
        inbox, seq = inbox_name(uid), None
        if extra.reply_id is not None and extra.audience is None:
            seq, _name = finding.in_inbox(self._log, inbox, extra.reply_id) or (None, None)
        extra = msgspec.structs.replace(extra, reply=seq, own=False, peer=None)
        return self._log.append(inbox, device.uid, None, self.now, device.person.nick, kind, text, extra)

    def _tell_devices(self, person: Person, msg: native.Msg, by: ConnId = 0) -> None:
        for device in person.connected:
            self._out.tell(worker_of(device.conn), Told(device.conn, msg, by))

    # --- once

    def _said_before(self, device: Device, do: Do, cmid: str, kind: native.Kind, text: str) -> bool:
        """Answer what is a retry, and tell whether it was. Raises `Refusal`."""
        try:
            earlier = self._log.find(device.uid, cmid)
        except Damaged as damaged:
            where = f"seq {damaged.seq} of {native.INBOX if damaged.room[:1] == '~' else damaged.room}"
            text = f"you said this before, as {where}, but the server's disk has damaged it; it is not said again"
            raise Refusal("damaged", text) from damaged
        if earlier is None:
            return False
        self._say_again(do, earlier, kind, text)
        return True

    def _say_again(self, do: Do, earlier: Stored, kind: native.Kind, text: str) -> None:
        """A retry gets the first answer. What a fun command drew differs each time, so its line is compared."""
        msg, request = earlier.msg, do.request
        if isinstance(request, native.Fun):
            same = msg.cmd == request.line
        elif isinstance(request, native.Redact):
            same = (msg.kind, msg.reason or "") == (kind, text)
            same = same and (not isinstance(request.seq, int) or msg.reply == request.seq)
        else:
            same = (msg.kind, msg.text) == (kind, text)
        if not same:
            raise Refusal("cmid-reused", "another message of yours has this cmid; every message needs one of its own")
        self._acknowledge(do, msg)

    def _takeable(self, room: str, seq: int | None) -> Said:
        """Return the message that may be taken back, as far as it is one. Raises `Refusal`."""
        said = self._log.said(room, seq) if seq is not None else None
        if said is None or said.msg.redacted or said.msg.kind in _FIXED:
            why = "it was taken back already" if said is not None and said.msg.redacted else "there is no such message"
            if said is not None and said.msg.kind in _FIXED:
                why = "what changes a room or another message is not taken back"
            raise Refusal("no-such-message", why)
        return said

    def _is_own(self, device: Device, said: Said) -> bool:
        name = device.person.account
        if said.sender == device.uid or name is None or said.msg.account != name:
            return said.sender == device.uid
        account = self._accounts.account(name)  # whose name may have been another's before
        return account is not None and account.since <= said.msg.time

    def _acknowledge(self, do: Do, msg: native.Msg) -> None:
        ok = native.Ok(id=do.request.id, room=msg.room, seq=msg.seq, time=msg.time)
        self._out.tell(worker_of(do.conn), Answered(do.conn, do.rid, ok))


def with_role(room: Room, role: Role) -> list[Person]:
    """Return the members of ``room`` who have ``role`` or a higher one."""
    least = RANKS[role]
    return [member for member in room.members if rank_of(room.roles_of(member)) >= least]


def may_redact(room: Room, person: Person) -> bool:
    """Whether ``person`` may take back what others said in ``room``: its ops may."""
    return may(rank_of(room.roles_of(person), admin=person.admin), "redact")


def _sentence(said: Said, reason: str, *, own: bool) -> str:
    """Return what a reader is told who knows nothing of messages that are taken back."""
    of = "" if own else f" of {said.msg.nick}"
    return f"took back a message{of}" + (f": {reason}" if reason else "")
