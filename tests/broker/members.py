"""Accounts for tests of the broker, without what proves them."""

import hashlib

from broker.accounts import Account
from protocol import native
from protocol.ipc import Answered, ConnId, Do
from tests.broker.desk import NOON, Desk, token


def register(desk: Desk, name: str, *, admin: bool = False) -> Account:
    """Return an account that is there from here on."""
    uid = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    account = Account(name=name, uid=uid, since=NOON, admin=admin)
    desk.state.accounts.create(account)
    desk.commit()
    return account


def log_in(desk: Desk, who: ConnId, account: Account) -> None:
    desk.state.seating.log_in(desk.state.people.by_conn[who], account)
    desk.commit()


def log_out(desk: Desk, who: ConnId, reason: str | None = None) -> None:
    desk.state.seating.log_out(desk.state.people.by_conn[who], reason)
    desk.commit()


def ticket(desk: Desk, who: ConnId, account: Account) -> str:
    return desk.state.seating.tickets.issue(who, account)


def come(
    desk: Desk,
    who: ConnId,
    nick: str,
    account: Account | None = None,
    *,
    of: str = "",
    proof: str = "",
    secure: bool = True,
    addr: str = "192.0.2.7",
) -> native.Event:
    """Say hello on a connection that is logged in already, or shows ``proof``; return the answer."""
    desk.rid += 1
    desk.now += 1000
    shown = proof or ("" if account is None else ticket(desk, who, account))
    hello = native.Hello(nick=nick, token=token(of or nick))
    do = Do(who, desk.rid, hello, None, addr, "native", True, ticket=shown, secure=secure)
    desk.state.do(do, desk.now)
    desk.commit()
    (answer,) = (event.event for event in desk.events(who) if isinstance(event, Answered) and event.rid == desk.rid)
    return answer
