"""Typed commands about accounts: a nick of one's own, passwords, keys. Part of the table in `protocol.commands`.

Where a password is left out, whoever shows the chat asks for it without showing it (`Local`); where nobody can be
asked, as with `nc`, it stands in the line.
"""

from typing import Final

from protocol import accounts, typed
from protocol.accounts import MAX_PASSWORD
from protocol.typed import Command, Context, Local, NewCmid, Parsed, Problem

_LITERAL: Final = ("ssh-ed25519 ", "certfp:")


def plain_login(account: str, password: str, *, remember: bool = False) -> accounts.Sasl:
    """Return the request that logs in with a password (RFC 4616)."""
    return accounts.Sasl(mech="PLAIN", data=f"\0{account}\0{password}", remember=remember)


def in_one_line(local: Local, nick: str) -> str | None:
    """Return what to say where nobody can be asked for a secret, nor a file be read; None: ``local`` wants neither."""
    forms = {
        "register": "/register PASSWORD",
        "login": f"/login {local.args or nick or 'NICK'} PASSWORD",
        "password": "/password OLD NEW",
        "drop": "/drop PASSWORD",
        "key": "/key add ssh-ed25519 AAAA… with the key itself",
    }
    return f"Here it takes one line: {forms[local.name]}" if local.name in forms else None


def _secret(text: str) -> Problem | None:
    """Return what is wrong with ``text`` as a password; the server has rules of its own."""
    if len(text) > MAX_PASSWORD:
        return Problem(f"A password has at most {MAX_PASSWORD} characters; this has {len(text):,}.")
    if "\0" in text or "\n" in text:
        return Problem("A password is one line of text.")
    return None


def _register(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return Local("register")
    return _secret(args) or [accounts.Register(password=args)]


def _login(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    nick, _, password = typed.split(args)
    if nick:
        account = typed.person(nick.removeprefix("@"))
        if isinstance(account, Problem):
            return account
        nick = account
    if not password:
        return Local("login", nick)
    return _secret(password) or [plain_login(nick, password)]


def _password(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    old, _, new = typed.split(args)
    if not old:
        return Local("password")
    if not new:
        return Problem("The new password is missing. Type /password OLD NEW")
    return _secret(old) or _secret(new) or [accounts.Password(old=old, new=new)]


def _account(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return [accounts.Account()]
    name = typed.person(args.removeprefix("@"))
    return name if isinstance(name, Problem) else [accounts.Account(account=name)]


def _logout(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if args.lower() not in ("", "everywhere"):
        return Problem(f"{typed.quoted(args)} is nothing one can log out of. Type /logout or /logout everywhere")
    return [accounts.Logout(everywhere=bool(args))]


def _key(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    verb, _, rest = typed.split(args)
    match verb.lower():
        case "list" | "" if not rest:
            return [accounts.Account()]
        case "add" if rest.startswith(_LITERAL):
            return [accounts.Key(add=rest)] if len(rest) <= 1000 else Problem("That is too long for a public key.")
        case "add":
            return Local("key", rest)
        case "remove" if rest:
            return [accounts.Key(remove=rest[:1000])]
        case "remove":
            return Problem("Which key? /key list shows them. Type /key remove SHA256:…")
    return Problem(f"{typed.quoted(args)} is nothing one does with keys. Type /key add|remove|list")


def _drop(args: str, ctx: Context, new_cmid: NewCmid) -> Parsed:
    if not args:
        return Local("drop")
    return _secret(args) or [accounts.Drop(password=args)]


ACCOUNT_COMMANDS: Final[tuple[Command, ...]] = (
    Command("register", "[PASSWORD]", "Make your nick your own; without a password you are asked for one.", _register,
            open_words=0),
    Command("login", "[NICK] [PASSWORD]", "Be who you registered as.", _login, ("identify",), open_words=1),
    Command("logout", "[everywhere]", "Be a guest again, here or on all your devices.", _logout),
    Command("account", "[NICK]", "Show your account, or what is known of another.", _account),
    Command("password", "[OLD NEW]", "Take another password.", _password, open_words=0),
    Command("key", "add [FILE]|remove KEY|list", "Let a key log you in instead of a password.", _key),
    Command("drop", "[PASSWORD]", "Delete your account; the nick is free then.", _drop, open_words=0),
)  # fmt: skip
