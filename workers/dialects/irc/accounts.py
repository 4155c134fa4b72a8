"""Logging in and out: AUTHENTICATE, PASS, REGISTER, VERIFY, and what is told when an account is another one.

Sources: IRCv3, "SASL Authentication" 3.1 and 3.2, "account-registration", "account-notify"; Modern IRC, "PASS message".
Whoever is asked how, it is `protocol.accounts.Sasl` that proves who somebody is, and the broker that checks it. IRC
sends SASL's messages in Base64 and in pieces; both are taken off and put on here. Secrets are kept for no longer than
it takes to hand them on.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from protocol import accounts, names, native
from protocol.accounts import MAX_PASSWORD
from protocol.native import Event
from workers.dialects import Peer
from workers.dialects.irc import changes, presence
from workers.dialects.irc.lines import body
from workers.dialects.irc.mapping import NOBODY

if TYPE_CHECKING:
    from workers.dialects.irc.session import Irc
    from workers.dialects.irc.turns import Turn

CHUNK: Final = 400  # bytes of Base64 in one AUTHENTICATE; "split to 400-byte chunks"
MAX_RESPONSE: Final = 6000  # of it in all: more than 4,096 bytes are nobody's credentials


def mechanisms(peer: Peer) -> list[str]:
    """Return the mechanisms that this client may use: none that shows a password to those between."""
    found = ["PLAIN"] if peer.trusted else []
    return [*found, "SCRAM-SHA-256", *(["EXTERNAL"] if peer.certified else [])]


class Login:
    """What AUTHENTICATE has come to on one connection."""

    __slots__ = ("asked", "begun", "chunks", "mech", "password")

    def __init__(self) -> None:
        self.mech = ""  # it is the client's turn with this; empty: nothing is under way
        self.begun = False  # the broker knows of it
        self.chunks = ""  # of a response that is not whole
        self.asked = 0  # requests that are not answered; registration waits for them
        self.password = ""  # of PASS, until it is used

    def reset(self) -> None:
        """Nothing is under way."""
        self.mech, self.begun, self.chunks = "", False, ""


# --- AUTHENTICATE


def authenticate(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    login, words = irc.login, params[0]
    if "sasl" not in irc.caps:
        _failed(irc, turn, "the capability sasl was not requested")
    elif words == "*":
        login.reset()
        irc.reply(turn, "906")
    elif len(words.encode("utf-8", "replace")) > CHUNK or len(login.chunks) + len(words) > MAX_RESPONSE:
        login.reset()
        irc.reply(turn, "905")
    elif login.asked:
        _failed(irc, turn, "the last message is not answered yet")
    elif not login.mech:
        _begin(irc, turn, words.upper())
    else:
        login.chunks += words if words != "+" else ""
        if len(words) < CHUNK:
            response, login.chunks = login.chunks, ""
            _respond(irc, turn, response)


def _begin(irc: "Irc", turn: "Turn", mech: str) -> None:
    available = mechanisms(irc.peer)
    if mech not in available:
        irc.reply(turn, "908", ",".join(available))
        _failed(irc, turn, "there is no such mechanism")
        return
    irc.login.mech = mech
    irc.say(turn, "AUTHENTICATE", "+")  # all of them begin with the client


def _respond(irc: "Irc", turn: "Turn", response: str) -> None:
    login = irc.login
    try:
        message = b64decode(response, validate=True).decode()
    except (binascii.Error, ValueError):
        login.reset()
        _failed(irc, turn, "this is not Base64 of UTF-8")
        return
    mech = None if login.begun else cast("accounts.Mechanism", login.mech)

    def answered(event: Event) -> None:
        match event:
            case accounts.Challenge() if not login.mech:
                pass  # the client gave up meanwhile, and was told so
            case accounts.Challenge(data=data):
                login.begun = True
                for piece in _pieces(data):
                    irc.say(turn, "AUTHENTICATE", piece)
            case accounts.LoggedIn():
                login.reset()
                logged_in(irc, turn, event)
                irc.reply(turn, "903")
            case native.Error(text=text):
                login.reset()
                _failed(irc, turn, text)

    prove(irc, turn, accounts.Sasl(mech=mech, data=message), answered)


def prove(irc: "Irc", turn: "Turn", request: accounts.Request, then: Callable[[Event], None]) -> None:
    """Ask for something that takes its time; registration goes on when it is answered."""
    login = irc.login
    login.asked += 1

    def answered(event: Event) -> None:
        login.asked -= 1
        then(event)
        irc.go_on()

    irc.ask(turn, request, answered)


def _failed(irc: "Irc", turn: "Turn", why: str) -> None:
    irc.say(turn, "904", irc.me, f"SASL authentication failed: {why}")


def _pieces(message: str) -> list[str]:
    text = b64encode(message.encode()).decode()
    pieces = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    return pieces if pieces and len(pieces[-1]) < CHUNK else [*pieces, "+"]


def interrupted(irc: "Irc", turn: "Turn") -> None:
    """Registration is completed while it is the client's turn: "the server SHOULD abort it and send a 906 numeric"."""
    if irc.login.mech:
        irc.login.reset()
        irc.reply(turn, "906")


# --- PASS


def pass_(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if irc.nick:
        irc.reply(turn, "462")
    else:
        irc.login.password = params[0]


def use_password(irc: "Irc", turn: "Turn") -> bool:
    """Log in with what PASS said, `account:password`; return whether that is under way."""
    account, colon, password = irc.login.password.partition(":")
    irc.login.password = ""
    if not (colon and account and password):  # a password for the server, which has none
        return False

    def answered(event: Event) -> None:
        if isinstance(event, accounts.LoggedIn):
            logged_in(irc, turn, event)
        elif isinstance(event, native.Error):
            irc.say(turn, "464", irc.me, f"Password incorrect: {event.text}")
            irc.intro.nick = ""  # whoever goes on as a guest says so with another NICK

    prove(irc, turn, plain(account, password), answered)
    return True


def plain(account: str, password: str) -> accounts.Sasl:
    """Return what logs in with a password (RFC 4616)."""
    return accounts.Sasl(mech="PLAIN", data=f"\0{account}\0{password}")


# --- what is told of it


def logged_in(irc: "Irc", turn: "Turn", event: accounts.LoggedIn) -> None:
    """One is logged in, by whatever way."""
    was = irc.account
    renamed(irc, turn, event.nick)
    irc.reply(
        turn,
        "900",
        irc.host.mask(irc.nick or irc.intro.nick or NOBODY, event.account),
        event.account,
        f"You are now logged in as {event.account}",
    )
    _take(irc, turn, was, event.account, admin=event.admin)


def logged_out(irc: "Irc", turn: "Turn", nick: str | None) -> None:
    """One is a guest, called ``nick`` (None: as before); said once, though it may be told twice."""
    was = irc.account
    renamed(irc, turn, nick)
    if was is None:
        return
    irc.reply(turn, "901", irc.host.mask(irc.nick or irc.intro.nick or NOBODY))
    _take(irc, turn, was, None, admin=False)


def _take(irc: "Irc", turn: "Turn", was: str | None, account: str | None, *, admin: bool) -> None:
    before = set(presence.shown(irc))
    irc.account, irc.admin = account, admin
    if admin:
        irc.modes |= {presence.OPERATOR, presence.WALLOPS}
    else:
        irc.modes -= {presence.OPERATOR}
    if not irc.nick:
        return
    who, before_who = native.Person(irc.nick, account=account), native.Person(irc.nick, account=was)
    if was != account:
        turn.lines += changes.account(who, before_who, irc.host, irc.flags)
    if told := presence.difference(before, set(presence.shown(irc))):
        turn.lines.append(("", body(irc.mask, "MODE", irc.nick, told)))


def renamed(irc: "Irc", turn: "Turn", nick: str | None) -> None:
    """The server gave one another nick, maybe."""
    if nick is not None and irc.nick and nick != irc.nick:  # who is not in yet has none to lose
        turn.lines.append(("", body(irc.mask, "NICK", nick)))
        irc.nick = nick


# --- REGISTER, VERIFY


_REFUSALS: Final = {  # by code; the others may be other ones later: TEMPORARILY_UNAVAILABLE
    "account-exists": "ACCOUNT_EXISTS",
    "bad-nick": "BAD_ACCOUNT_NAME",
    "nick-taken": "BAD_ACCOUNT_NAME",
    "nick-reserved": "ACCOUNT_EXISTS",
    "weak-password": "WEAK_PASSWORD",
    "bad-password": "UNACCEPTABLE_PASSWORD",
}


def register(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    wanted, _email, password = params[:3]
    name = (irc.nick or irc.intro.nick) if wanted == "*" else wanted
    if not (irc.nick or irc.intro.nick):
        irc.fail(turn, "NEED_NICK", "*", "Say first who you are, with NICK")
    elif irc.account is not None:
        irc.fail(turn, "ALREADY_AUTHENTICATED", irc.account, f"You are logged in as {irc.account}")
    elif not 0 < len(password) <= MAX_PASSWORD:
        irc.fail(turn, "UNACCEPTABLE_PASSWORD", name, f"A password has 1 to {MAX_PASSWORD} characters")
    else:
        _register(irc, turn, name, password)


def _register(irc: "Irc", turn: "Turn", wanted: str, password: str) -> None:
    try:
        name = names.nick(wanted)
    except names.BadName as no:
        irc.fail(turn, "BAD_ACCOUNT_NAME", wanted, str(no))
        return

    def answered(event: Event) -> None:
        if isinstance(event, accounts.LoggedIn):
            irc.say(turn, "REGISTER", "SUCCESS", event.account, "Account created: the nick is yours")
            logged_in(irc, turn, event)
        elif isinstance(event, native.Error):
            irc.fail(turn, _REFUSALS.get(event.code, "TEMPORARILY_UNAVAILABLE"), name, event.text)

    prove(irc, turn, accounts.Register(account=name, password=password), answered)


def verify(irc: "Irc", turn: "Turn", params: tuple[str, ...]) -> None:
    if irc.account is not None:
        irc.fail(turn, "ALREADY_AUTHENTICATED", irc.account, f"You are logged in as {irc.account}")
    else:
        irc.fail(turn, "INVALID_CODE", params[0], "Accounts here need no verification: REGISTER is all it takes")
