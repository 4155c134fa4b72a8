"""What the operator's shell asks of the chat: who is here, what there is; and what it orders, as an admin would. Pure.

An order that people could give too is carried out as theirs is, for somebody called "the operator" who sits nowhere:
its answer goes into the outbox like all others, is taken back with the transaction, and is fetched from there.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from broker import checks
from broker.accounts import Account, Scram
from broker.credentials import Verifiers
from broker.log import Spoilt
from broker.outbox import Outbox
from broker.people import Device, Person
from broker.queries import clipped
from broker.state import State
from protocol import __version__, moderation, names, native, operator
from protocol.ipc import Answered, Asked, ConnId, Do
from protocol.operator import LISTED, Answer, Found, Order

NAME: Final = "the operator"
CONN: Final[ConnId] = 0  # no worker has it, for their incarnations begin with 1
TOPIC_LISTED: Final = 100  # characters of a topic in the list of rooms


class Operator:
    """``log_bytes``: tells the size of the log's files."""

    def __init__(self, state: State, log_bytes: Callable[[], int]) -> None:
        self._state = state
        self._accounts = state.accounts
        self._log_bytes = log_bytes
        self._rid = 0

    def find(self, asked: Asked, order: Order, now_ms: int) -> Found | None:
        """Return what ``order`` asks for; None: it is to be carried out. Raises `LogError`."""
        match order:
            case operator.Users():
                return self._users(now_ms)
            case operator.Rooms():
                return self._rooms()
            case operator.Stats():
                return self._stats(asked)
            case operator.Accounts():
                return self._account_list()
            case operator.Bans():
                bans = self._state.bans.entries
                return operator.BanList(bans=[ban.shown for ban in bans if not ban.has_ended(now_ms)])
            case _:
                return None

    def carry_out(self, order: Order, now_ms: int) -> int:
        """Carry ``order`` out, and return the number under which `answer` finds what came of it. Raises `LogError`."""
        self._rid += 1
        request: native.Request
        match order:
            case moderation.Kick() | moderation.Ban() | moderation.Unban() | moderation.Announce():
                request = order
            case operator.Admin(account=name, on=on):
                return self._of_account(name, lambda account: self._state.gate.registrar.appoint(account, on=on))
            case operator.Reset(account=name, password=password, scram=scram):
                kept = Verifiers(password, None if scram is None else Scram(*scram))
                return self._of_account(name, lambda account: self._state.gate.registrar.reset(account, kept))
            case operator.Drop(account=name):
                return self._of_account(name, self._state.gate.registrar.remove)
            case _:
                no = native.Error(code="not-supported", text="this server cannot do that")
                self._state.out.tell(0, Answered(CONN, self._rid, no))
                return self._rid
        here = self._state.people.by_conn
        here[CONN] = Device(
            CONN, b"\0" * 16, Person(b"\0" * 16, NAME, admin=True), "", "operator", "moot admin", now_ms
        )
        try:
            command = checks.checked(Do(CONN, self._rid, request, secure=True), self._state.settings)
            if isinstance(command, Do):
                self._state.do(command, now_ms)
            elif isinstance(command, checks.Offence):
                no = native.Error(code="bad-request", text=f"this cannot be done: {command.why}")
                self._state.out.tell(0, Answered(CONN, self._rid, no))
        finally:
            del here[CONN]
        return self._rid

    def _of_account(self, name: str, do: Callable[[Account], None]) -> int:
        """Have ``do`` done to an account; return the number of the answer. Raises `LogError`."""
        event: native.Event = native.Ok()
        try:
            account = self._accounts.known(name)
            if account is None:
                event = native.Error(code="no-such-account", text=f"there is no account {names.quoted(name)}")
            else:
                do(account)
        except Spoilt as spoilt:
            event = native.Error(code="damaged", text=f"{spoilt}; `moot check --repair` says more")
        self._state.out.bind_answer(CONN, self._rid)
        self._state.out.tell(0, Answered(CONN, self._rid, event))
        return self._rid

    # --- what is asked

    def _users(self, now_ms: int) -> operator.UserList:
        people = sorted(self._state.people.by_uid.values(), key=lambda person: person.nick.lower())
        return operator.UserList(users=[_user(person, now_ms) for person in people[:LISTED]], count=len(people))

    def _rooms(self) -> operator.RoomList:
        log, used = self._state.log, self._state.rooms.by_name
        topics = dict(log.names())
        people = {name: len(used[name].members) if name in used else 0 for name in used.keys() | topics.keys()}
        fullest = sorted(people, key=lambda name: (-people[name], name))
        lines = []
        for name in fullest[:LISTED]:
            kept = used[name].policy if name in used else self._state.policies.load(name)
            topic = clipped(topics.get(name, ""), TOPIC_LISTED)
            lines.append(operator.RoomLine(name, people[name], log.last(name), topic, kept.owner, kept.flags))
        return operator.RoomList(rooms=lines, count=len(fullest))

    def _stats(self, asked: Asked) -> operator.Statistics:
        state = self._state
        log = state.log
        here = Counter(device.dialect for device in state.people.by_conn.values() if device.connected)
        return operator.Statistics(
            people=len(state.people.by_uid),
            devices=dict(sorted(here.items())),
            rooms=len(state.rooms.by_name),
            rooms_kept=log.room_count,
            messages=sum(log.last(name) for name in log.rooms()),
            accounts=self._accounts.count,
            log_bytes=self._log_bytes(),
            uptime=asked.uptime,
            restarts=asked.restarts,
            version=__version__,
        )

    def _account_list(self) -> operator.AccountList:
        accounts = self._accounts.all(LISTED)
        lines = []
        for account in accounts:
            person = self._state.people.by_uid.get(account.person)
            devices = len(person.connected) if person is not None else 0
            lines.append(operator.AccountLine(account.name, account.since, account.admin, devices))
        return operator.AccountList(accounts=lines, count=self._accounts.count)


def _user(person: Person, now_ms: int) -> operator.User:
    devices = person.devices
    since = min(device.since for device in devices)
    return operator.User(
        nick=person.nick,
        since=since,
        idle=max(0, now_ms - (person.spoke or since)) // 1000,
        dialects=[device.dialect for device in devices],
        addresses=[device.addr for device in devices],
        rooms=sorted(person.rooms),
        account=person.account,
        away=person.away,
        admin=person.admin,
        lingers=not person.connected,
    )


def answers(outbox: Outbox) -> dict[int, native.Event]:
    """Fetch what came of the orders, by their numbers."""
    return {event.rid: event.event for event in outbox.take(0) if isinstance(event, Answered)}


def told(order: Order, event: native.Event) -> Answer:
    """Return what the operator is told of an order that has been carried out, or not."""
    if isinstance(event, native.Error):
        return Answer(event.text, 1)
    match order:
        case moderation.Kick(nick=nick):
            text = f"{nick} was put off the server"
        case moderation.Ban(mask=mask):
            text = f"{mask} is banned from the server"
        case moderation.Unban(mask=mask):
            text = f"{mask} is no longer banned"
        case moderation.Announce():
            text = "Everybody here was told"
        case operator.Admin(account=name, on=on):
            text = f"{name} is {'an admin of the server now' if on else 'no admin of the server any more'}"
        case operator.Reset(account=name):
            text = f"{name} has another password, and is logged out everywhere"
        case operator.Drop(account=name):
            text = f"The account {name} is deleted, and its nick is free"
        case _:
            text = "done"
    return Answer(text, 0)


def found(what: Found) -> Answer:
    """Return the answer that has what was asked for."""
    return Answer("", 0, msgspec.Raw(msgspec.json.encode(what)))
