"""Hellos: who is new, who takes an earlier connection's seat, who is another device of somebody. Pure."""

from typing import Final

from broker.accounts import Account
from broker.log import inbox_name
from broker.people import Device, Person, Refusal, person_of
from broker.seating import MAX_PEOPLE, TOO_LATE, Seating, uid_of
from protocol import __version__, addresses, native
from protocol.ipc import Answered, Closed, Do, Told, Vouched, worker_of

IN_CLEAR: Final = "you came back without TLS, or had been without, so you must log in again"


class Introducing:
    """See the module. What it changes is `Seating`'s."""

    def __init__(self, seating: Seating) -> None:
        self._seating = seating

    def hello(self, do: Do, hello: native.Hello, now_ms: int) -> None:
        """Introduce a connection and answer it. Raises `Refusal`, `names.BadName`, `LogError`."""
        uid = uid_of(hello.token or "")
        known = self._seating.people.by_conn.get(do.conn)
        if known is not None and (known.connected or known.uid != uid):  # else an earlier broker's answer was lost
            raise Refusal("bad-request", "already introduced; use nick to take another one")
        if hello.v != native.VERSION:
            raise Refusal("unsupported-version", f"this server speaks version {native.VERSION}, not {hello.v}")
        earlier = self._seating.people.by_device.get(uid)
        if earlier is not None and earlier.connected and earlier.overtook(hello.attempt):
            text = "this hello comes late: you connected again since; that connection stays"
            raise Refusal("replaced", text, attempt=earlier.attempt)
        account = self._account_of(do, earlier)
        self._seating.check_ban(hello.nick, account, [do.addr])
        person = None if account is None else self._seating.people.by_uid.get(account.person)
        was_logged_in = earlier is not None and earlier.person.account is not None
        nick = None  # that of the person, whose other devices are here
        if person is None or person.devices == [earlier]:
            alone = earlier is not None and earlier.person.devices == [earlier]
            mine = earlier.person if earlier is not None and alone else None
            nick = self._seating.people.free_nick(hello.nick, mine, None if account is None else account.name)
        device = earlier
        if device is None:
            device = self._new_device(do, hello, uid, person or person_of(uid, nick or "", account), now_ms)
        else:
            self._take_over(device, do, hello, account, nick)
        device.attempt = hello.attempt
        device.secure, device.certfp = do.secure, do.certfp
        device.exposed |= not addresses.is_private(do.addr, secure=do.secure)
        self._seating.note("introduced", device, "again" if earlier else "")
        self._welcome(do, hello, device, resumed=earlier is not None)
        if account is not None and not do.ticket:
            self._seating.out.tell(worker_of(do.conn), Vouched(do.conn, self._seating.tickets.issue(do.conn, account)))
            self._seating.presence.tell(device, self._seating.merging.logged_in(device))
        elif account is None and (do.ticket or was_logged_in):
            self._seating.out.tell(worker_of(do.conn), Vouched(do.conn, ""))
            reason = TOO_LATE if do.ticket else IN_CLEAR
            self._seating.presence.tell(device, self._seating.merging.logged_out(device, reason))
        self._seating.presence.tell_inside_one(device)

    def _account_of(self, do: Do, earlier: Device | None) -> Account | None:
        """Return what a newcomer is logged in to: by its ticket, or as the seat is that it takes over.

        The token of a seat is as good as a password, and like one it must never have come in clear text from afar.
        """
        if do.ticket:
            return self._seating.tickets.holder(do.conn, do.ticket)
        if earlier is None or earlier.person.account is None:
            return None
        if earlier.exposed or not addresses.is_private(do.addr, secure=do.secure):
            return None
        account = self._seating.accounts.account(earlier.person.account)
        return account if account is not None and account.person == earlier.person.uid else None

    def _welcome(self, do: Do, hello: native.Hello, device: Device, *, resumed: bool) -> None:
        person = device.person
        welcome = native.Welcome(
            id=hello.id,
            nick=person.nick,
            server=self._seating.settings.server_name,
            version=__version__,
            epoch=self._seating.log.epoch,
            inbox=self._seating.log.last(inbox_name(person.uid)),
            motd=self._seating.settings.motd,
            max_text=self._seating.settings.max_text,
            resumed=resumed,
            color=person.color,
            away=person.away,
            people=len(self._seating.people.by_uid),
            rooms=len(self._seating.rooms.by_name),
        )
        self._seating.out.tell(worker_of(do.conn), Answered(do.conn, do.rid, welcome))

    def _new_device(self, do: Do, hello: native.Hello, uid: bytes, person: Person, now_ms: int) -> Device:
        if self._seating.settings.limits:
            self._seating.people.check_crowd(do.addr, self._seating.settings.max_per_address)
        if len(self._seating.people.by_device) >= MAX_PEOPLE:
            raise Refusal("too-many", f"{MAX_PEOPLE:,} people are here, the most this server can have")
        device = Device(do.conn, uid, person, do.addr, do.dialect, hello.client, now_ms, do.returns)
        if not person.devices:
            person.color, person.away, person.name = hello.color, hello.away, hello.name
        self._seating.people.add(device)
        if person.devices == [device]:
            self._seating.presence.came(person)
        return device

    def _take_over(
        self, device: Device, do: Do, hello: native.Hello, account: Account | None, nick: str | None
    ) -> None:
        """The same device on a new connection: rooms stay, and nobody hears of it if it is the same person's."""
        old = device.conn
        if device.connected:
            replaced = native.Error(code="replaced", text="you connected from elsewhere; this connection ends")
            self._seating.out.tell(worker_of(old), Told(old, replaced))
            self._seating.out.tell(worker_of(old), Closed(old))
        self._seating.move(device, do.conn, do.addr, do.dialect)
        device.client = hello.client
        self._seating.presence.unwelcomed = device
        try:
            if account is not None:
                self._seating.merging.log_in(device, account, nick)
            else:
                self._seating.merging.log_out(device, nick=nick)
        finally:
            self._seating.presence.unwelcomed = None
        person = device.person
        if nick not in (None, person.nick):
            self._seating.rename(device, nick or "")
        if hello.color not in (None, person.color) and nick is not None:
            was, person.color = person.card, hello.color
            self._seating.presence.announce_change(person, was, device)
