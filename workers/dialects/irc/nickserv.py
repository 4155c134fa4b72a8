"""NickServ: accounts, in the words that IRC has had for them for twenty years."""

from datetime import UTC, datetime
from typing import Final

from protocol import accounts, native
from protocol.accounts import MAX_PASSWORD
from protocol.native import Event
from workers.dialects.irc.accounts import logged_in, logged_out, plain, prove
from workers.dialects.irc.mapping import same_nick
from workers.dialects.irc.service import Asked, Order, Service

_HEX: Final = frozenset("0123456789abcdef")


def _register(asked: Asked, words: list[str]) -> None:
    irc = asked.irc
    password = words[0]
    if irc.account is not None:
        asked.say(f"You are logged in as {irc.account}; LOGOUT first, and take another nick.")
        return
    if len(password) > MAX_PASSWORD:
        asked.say(f"A password has at most {MAX_PASSWORD} characters.")
        return

    def answered(event: Event) -> None:
        match event:
            case accounts.LoggedIn():
                logged_in(irc, asked.turn, event)
                asked.say(f"{event.account} is yours from now on, and you are logged in.")
            case native.Error(text=text):
                asked.say(f"Not registered: {text}")

    prove(irc, asked.turn, accounts.Register(password=password), answered)


def _identify(asked: Asked, words: list[str]) -> None:
    """`IDENTIFY password` or `IDENTIFY account password`."""
    irc = asked.irc
    account, password = (irc.nick, words[0]) if len(words) == 1 else (words[0], words[1])

    def answered(event: Event) -> None:
        match event:
            case accounts.LoggedIn():
                logged_in(irc, asked.turn, event)
                asked.say(f"You are logged in as {event.account}.")
            case native.Error(text=text):
                asked.say(f"Not logged in: {text}")

    prove(irc, asked.turn, plain(account, password), answered)


def _logout(asked: Asked, words: list[str]) -> None:
    irc = asked.irc
    if irc.account is None:
        asked.say("You are not logged in.")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            logged_out(irc, asked.turn, event.nick)
            asked.say("You are logged out.")
        elif isinstance(event, native.Error):
            asked.say(f"Not logged out: {event.text}")

    irc.ask(asked.turn, accounts.Logout(), answered)


def _info(asked: Asked, words: list[str]) -> None:
    irc = asked.irc
    name = words[0] if words else (irc.account or irc.nick)

    def answered(event: Event) -> None:
        match event:
            case accounts.AccountInfo():
                since = datetime.fromtimestamp(event.since // 1000, UTC)
                asked.say(f"{event.account} was registered on {since:%Y-%m-%d}.")
                if event.rooms:
                    asked.say(f"Channels: {' '.join(event.rooms)}")
                if event.admin:
                    asked.say("An admin of this server.")
                for key in event.keys:
                    asked.say(f"Key: {key}")
            case native.Error(text=text):
                asked.say(text)

    own = irc.account is not None and same_nick(name, irc.account)
    irc.ask(asked.turn, accounts.Account(account=None if own else name), answered)


def _drop(asked: Asked, words: list[str]) -> None:
    irc = asked.irc
    account = irc.account
    if account is None:
        asked.say("Log in first: IDENTIFY account password")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            if irc.account is not None:
                logged_out(irc, asked.turn, event.nick)
            asked.say(f"The account {account} is deleted, and its nick is anybody's.")
        elif isinstance(event, native.Error):
            asked.say(f"Not deleted: {event.text}")

    prove(irc, asked.turn, accounts.Drop(password=words[-1]), answered)


def _set(asked: Asked, words: list[str]) -> None:
    if words[0].upper() != "PASSWORD" or len(words) != 3:
        asked.say("What can be set is the password: SET PASSWORD old new")
        return
    if len(words[2]) > MAX_PASSWORD:
        asked.say(f"A password has at most {MAX_PASSWORD} characters.")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Ok):
            asked.say("The password is another one from now on.")
        elif isinstance(event, native.Error):
            asked.say(f"The password stays: {event.text}")

    prove(asked.irc, asked.turn, accounts.Password(old=words[1], new=words[2]), answered)


def _ghost(asked: Asked, words: list[str]) -> None:
    """There are no ghosts: whoever logs in has the nick, together with their other connections."""
    if len(words) > 1:
        _identify(asked, words)
    elif asked.irc.account is not None and same_nick(words[0], asked.irc.account):
        asked.say(f"{asked.irc.account} is yours; all your connections share it, and a dead one goes by itself.")
    else:
        asked.say(f"Whoever logs in to {words[0]} has the nick: IDENTIFY {words[0]} password")


def _cert(asked: Asked, words: list[str]) -> None:
    word, *rest = words
    match word.upper():
        case "ADD":
            _cert_add(asked, rest)
        case "DEL" if rest:
            _key(asked, accounts.Key(remove=f"certfp:{_fingerprint(rest[0])}"), "The certificate is removed.")
        case "LIST":
            _info(asked, [])
        case _:
            asked.say("CERT ADD [fingerprint], CERT DEL fingerprint, CERT LIST")


def _fingerprint(typed: str) -> str:
    return typed.replace(":", "").lower()


def _cert_add(asked: Asked, rest: list[str]) -> None:
    irc = asked.irc
    if rest:
        found = _fingerprint(rest[0])
        if len(found) != 64 or set(found) - _HEX:
            asked.say("A fingerprint is the SHA-256 of a certificate, 64 hex digits.")
            return
        _key(asked, accounts.Key(add=f"certfp:{found}"), "The certificate is added: log in with it by SASL EXTERNAL.")
        return

    def answered(event: Event) -> None:
        if isinstance(event, native.Profile) and event.certfp is not None:
            _cert_add(asked, [event.certfp])
        else:
            asked.say(
                "You showed no certificate when you connected; connect with one, through TLS, or name its SHA-256."
            )

    irc.ask(asked.turn, native.Whois(nick=irc.nick), answered)


def _key(asked: Asked, request: accounts.Key, done: str) -> None:
    def answered(event: Event) -> None:
        if isinstance(event, accounts.AccountInfo):
            asked.say(done)
        elif isinstance(event, native.Error):
            asked.say(event.text)

    asked.irc.ask(asked.turn, request, answered)


NICKSERV: Final = Service(
    "NickServ",
    "An account makes your nick yours. This server has accounts built in; SASL and REGISTER reach the same ones.",
    (
        Order("REGISTER", "password", "Make an account for the nick you have, and be logged in.", _register, 1),
        Order("IDENTIFY", "[account] password", "Log in.", _identify, 1, ("LOGIN", "ID", "AUTH")),
        Order("LOGOUT", "", "Be a guest again.", _logout),
        Order("INFO", "[account]", "Show what is known about an account.", _info),
        Order("SET", "PASSWORD old new", "Take another password.", _set, 1),
        Order("CERT", "ADD [fingerprint] | DEL fingerprint | LIST", "Certificates to log in with.", _cert, 1),
        Order("GHOST", "nick [password]", "Have your nick.", _ghost, 1, ("REGAIN", "RECOVER", "RELEASE")),
        Order("DROP", "password", "Delete your account.", _drop, 1),
    ),
)
