"""Making accounts and what one may do with one's own: its password, keys, sessions, leaving it, deleting it. Pure."""

import contextlib
import hmac
from collections import deque
from collections.abc import Callable

import msgspec

from broker import credentials
from broker.accounts import MAX_KEYS, Account, Accounts, PublicKey
from broker.credentials import BadCredential, Verdict, Verifiers
from broker.log import Log, LogError, Spoilt
from broker.logins import Logins
from broker.outbox import Outbox
from broker.people import Device, People, Refusal
from broker.proving import Proving, fold, spoken, tried
from broker.seating import Seating
from broker.tickets import Tickets
from protocol import addresses, names, native
from protocol.accounts import Account as AskAccount
from protocol.accounts import AccountInfo, Drop, Key, Logout, Password, Register
from protocol.ipc import ConnId, Do


class Registrar:
    """See the module. Shares people and seats with `State`."""

    def __init__(
        self,
        proving: Proving,
        accounts: Accounts,
        tickets: Tickets,
        logins: Logins,
        log: Log,
        outbox: Outbox,
        people: People,
        seating: Seating,
        entropy: Callable[[int], bytes],
    ) -> None:
        """``entropy(n)`` returns that many random bytes."""
        self._proving = proving
        self._accounts = accounts
        self._tickets = tickets
        self._logins = logins
        self._log = log
        self._out = outbox
        self._people = people
        self._seating = seating
        self._entropy = entropy
        self.commit: Callable[[], None] = log.commit
        """Makes durable what was written, before anybody hears of it; in steps of the vault's results alone."""
        self.on_drop: Callable[[Account], None] = lambda account: None
        """Called when an account is removed, in the same transaction."""
        self.rooms_of: Callable[[Account, Device], list[str]] = lambda account, asker: []
        """Tells which rooms are an account's, as far as the asker may know."""
        self._appointed: deque[str] = deque(maxlen=100)  # of late, in this transaction perhaps

    def register(self, do: Do) -> None:
        request = do.request
        assert isinstance(request, Register)
        if self._proving.is_under_way(do):
            return
        device = self._people.by_conn.get(do.conn)
        if not self._proving.settings.registration:
            raise Refusal("not-allowed", "accounts cannot be made on this server; ask its operator for one")
        if request.account is None and device is None:
            raise Refusal("bad-request", "say which account: this connection has no nick yet")
        name = names.nick(request.account or (device.person.nick if device is not None else ""))
        if device is not None and device.person.account is not None and fold(device.person.account) != fold(name):
            raise Refusal("bad-request", f"you are logged in to {device.person.account}; log out first")
        self._seating.check_ban(name, None, [do.addr])
        owner = self._accounts.owner_of(name)
        if owner is not None:
            self._register_again(do, name, owner)
            return
        self._check_name(name, device)
        most = self._proving.settings.max_accounts
        if most and self._accounts.count >= most:
            raise Refusal("full-list", f"this server has {most:,} accounts, the most allowed; ask its operator")
        limits, throttle = self._proving.settings.limits, self._proving.throttle
        wait = throttle.register_wait(do.addr, self._proving.now_s) if limits else 0.0
        if wait > 0:
            text = f"many accounts were made from your address; wait for {spoken(wait)}"
            raise Refusal("login-throttled", text, wait=round(wait, 1))
        costs = self._proving.costs

        def hashed(kept: Verifiers | BadCredential) -> None:
            try:
                made(kept)
            except (Refusal, names.BadName, LogError):
                throttle.unregistered(do.addr)
                raise

        def made(kept: Verifiers | BadCredential) -> None:
            if isinstance(kept, BadCredential):
                raise Refusal("weak-password", str(kept))
            owner = self._accounts.owner_of(name)
            if owner is not None:
                raise Refusal("account-exists", _taken(name, owner))
            self._check_name(name, self._people.by_conn.get(do.conn))
            uid, now = self._entropy(16).hex(), self._proving.now
            account = Account(name=name, uid=uid, since=now, password=kept.password, scram=kept.scram)
            self._accounts.create(account)
            token = None
            if request.remember and addresses.is_private(do.addr, secure=do.secure):
                account, token = self._logins.new_session(account)
            self._tickets.secret()
            self.commit()  # before anybody hears of it
            self._logins.log_in(do, account, token)

        throttle.registering(do.addr, self._proving.now_s)
        try:
            self._proving.prove(do, "", lambda: tried(lambda: credentials.made(request.password, costs)), hashed)
        except Refusal:
            throttle.unregistered(do.addr)
            raise

    def _register_again(self, do: Do, name: str, owner: str) -> None:
        """The answer to the first may have been lost: with the same password it is given again."""
        request = do.request
        assert isinstance(request, Register)
        if fold(owner) != fold(name):
            raise Refusal("account-exists", _taken(name, owner))
        self._proving.prove_password(
            do,
            owner,
            request.password,
            lambda account: self._logins.succeed(do, account, remember=request.remember),
            wrong=_taken(name, owner),
            code="account-exists",
        )

    def _check_name(self, name: str, device: Device | None) -> None:
        """Raises `Refusal` when ``name`` is somebody's who is here now, or looks like theirs."""
        mine = device.person if device is not None else None
        self._people.free_nick(name, mine)

    # --- one's own account

    def _mine(self, device: Device) -> Account:
        account = None if device.person.account is None else self._accounts.known(device.person.account)
        if account is None:
            raise Refusal("account-needed", "you are a guest; /register makes an account, /login uses the one you have")
        return account

    def password(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, Password)
        if self._proving.is_under_way(do):
            return
        account, costs, key = self._mine(device), self._proving.costs, ""
        key = self._proving.begin_try(account.name, do.addr)

        def work() -> tuple[Verdict, Verifiers | BadCredential | None]:
            verdict = credentials.verify(request.old, account.password, account.scram, costs)
            return verdict, tried(lambda: credentials.made(request.new, costs)) if verdict.right else None

        def done(result: tuple[Verdict, Verifiers | BadCredential | None]) -> None:
            kept = result[1]
            now = self._still_mine(account)
            if kept is None:
                wait = self._proving.wait(key, do.addr)
                raise Refusal("login-failed", "the old password is wrong; nothing was changed", wait=wait)
            self._proving.throttle.succeeded(key, do.addr)
            if isinstance(kept, BadCredential):
                raise Refusal("weak-password", str(kept))
            self.set_password(now, kept, do.conn)
            self._proving.answer(do, native.Ok(id=do.request.id))

        self._proving.prove(do, key, work, done)

    def set_password(self, account: Account, kept: Verifiers, but: ConnId = 0) -> None:
        """Give an account another password; who is logged in with the old one is a guest from then on, except ``but``.

        Commits: a step of its own. Raises `LogError`.
        """
        changed = self._with_password(account, kept)
        self.commit()
        self._send_off(account, but, "the password of the account was changed")
        if but:
            self._logins.vouch(but, changed)

    def reset(self, account: Account, kept: Verifiers) -> None:
        """Give an account another password, whoever asked for it; all are logged out. Raises `LogError`."""
        self._with_password(account, kept)
        self._send_off(account, 0, "the operator gave the account another password")

    def _with_password(self, account: Account, kept: Verifiers) -> Account:
        return self._accounts.change(
            account, password=kept.password, scram=kept.scram, sessions=[], generation=account.generation + 1
        )

    def _still_mine(self, account: Account) -> Account:
        """Return the account as it is by now; raises `Refusal` when it is another than when the vault began."""
        now = self._accounts.known(account.name)
        was = (account.uid, account.password, account.generation)
        if now is None or (now.uid, now.password, now.generation) != was:
            raise Refusal("login-failed", "the account was changed meanwhile; look again")
        return now

    def logout(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, Logout)
        account = self._mine(device)
        if request.everywhere:
            self._accounts.change(account, generation=account.generation + 1, sessions=[])
            self._send_off(account, do.conn, "you logged out everywhere")
        self._seating.log_out(device)
        self._proving.answer(do, native.Ok(id=request.id, nick=device.person.nick))

    def _send_off(self, account: Account, but: ConnId, reason: str) -> None:
        """All devices of an account are guests from here on, except ``but``, and are told why."""
        person = self._people.by_uid.get(account.person)
        for device in list(person.devices) if person is not None else ():
            if device.conn != but:
                self._seating.log_out(device, reason)

    def key(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, Key)
        account = self._mine(device)
        keys, certs = list(account.keys), list(account.certs)
        try:
            if request.add is not None:
                self._add_key(account, request.add.strip(), keys, certs)
            if request.remove is not None:
                _remove_key(request.remove.strip(), keys, certs)
        except BadCredential as error:
            raise Refusal("bad-key", str(error)) from error
        if (keys, certs) != (account.keys, account.certs):
            account = self._accounts.change(account, keys=keys, certs=certs)
        self._proving.answer(do, self._shown(account, device, do, own=True))

    def _add_key(self, account: Account, line: str, keys: list[PublicKey], certs: list[str]) -> None:
        if line.startswith("certfp:"):
            fingerprint = _fingerprint(line)
            if fingerprint in certs:
                return
            owner = self._accounts.of_cert(fingerprint)
            if owner is not None and owner.key != account.key:
                raise BadCredential("this certificate is another account's")
            certs.append(fingerprint)
        else:
            key = credentials.public_key(line)
            keys[:] = [each for each in keys if each.key != key.key] + [key]
        if len(keys) + len(certs) > MAX_KEYS:
            raise Refusal("full-list", f"an account has at most {MAX_KEYS} keys and certificates; remove one first")

    def account(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, AskAccount)
        if request.account is None:
            account = self._mine(device)
        else:
            found = self._accounts.known(request.account)
            if found is None:
                raise Refusal("no-such-account", f"nobody has registered {names.quoted(request.account)}")
            account = found
        own = device.person.account is not None and fold(device.person.account) == account.key
        self._proving.answer(do, self._shown(account, device, do, own=own or device.person.admin))

    def _shown(self, account: Account, asker: Device, do: Do, *, own: bool) -> AccountInfo:
        rooms = self.rooms_of(account, asker)
        info = AccountInfo(id=do.request.id, account=account.name, since=account.since, rooms=rooms)
        if not own:
            return info
        keys = [f"{key.fingerprint} {key.comment}".rstrip() for key in account.keys]
        keys += [f"certfp:{fingerprint}" for fingerprint in account.certs]
        person = self._people.by_uid.get(account.person)
        devices = len(person.connected) if person is not None else 0
        sessions = len(self._logins.sessions(account))
        return msgspec.structs.replace(info, admin=account.admin, keys=keys, sessions=sessions, devices=devices)

    def drop_mine(self, device: Device, do: Do) -> None:
        request = do.request
        assert isinstance(request, Drop)
        if self._proving.is_under_way(do):
            return
        mine = self._mine(device)

        def proven(account: Account) -> None:
            self.drop(account, do.conn)
            here = self._people.by_conn.get(do.conn)
            self._proving.answer(do, native.Ok(id=request.id, nick=here.person.nick if here is not None else None))

        wrong = "the password is wrong; the account stays"
        self._proving.prove_password(do, mine.name, request.password, proven, wrong)

    def appoint(self, account: Account, *, on: bool) -> None:
        """Make an account an admin of the server, or no longer; it is told. Raises `LogError`."""
        self._described(self._accounts.change(account, admin=on))
        self._appointed.append(account.name)

    def _described(self, account: Account) -> None:
        person = self._people.by_uid.get(account.person)
        for device in list(person.devices) if person is not None else ():
            self._seating.merging.log_in(device, account)
            self._seating.presence.tell(device, self._seating.merging.logged_in(device))

    def reload(self) -> None:
        """The transaction failed: who was made an admin in it is none."""
        for name in dict.fromkeys(self._appointed):
            with contextlib.suppress(LogError, Spoilt):
                account = self._accounts.account(name)
                if account is not None:
                    self._described(account)

    def remove(self, account: Account) -> None:
        """Remove an account, whoever asked for it; its people are guests from then on. Raises `LogError`."""
        self._accounts.drop(account)
        self.on_drop(account)
        self._send_off(account, 0, "the account was deleted")

    def drop(self, account: Account, by: ConnId = 0) -> None:
        """Remove an account; whoever is logged in to it is a guest from then on, ``by`` without being told so.

        Commits: a step of its own. Raises `LogError`.
        """
        self._accounts.drop(account)
        self.on_drop(account)
        self.commit()
        device = self._people.by_conn.get(by)
        self._send_off(account, by, "the account was deleted")
        if device is not None:
            self._seating.log_out(device)


def _fingerprint(line: str) -> str:
    """Return the fingerprint of a `certfp:` line, as it is kept. Raises `BadCredential`."""
    fingerprint = line.removeprefix("certfp:").strip().replace(":", "").lower()
    if len(fingerprint) != 64 or not all(char in "0123456789abcdef" for char in fingerprint):
        raise BadCredential("a certificate is named certfp: and the 64 hex digits of its SHA-256")
    return fingerprint


def _remove_key(line: str, keys: list[PublicKey], certs: list[str]) -> None:
    if line.startswith("certfp:"):
        fingerprint = _fingerprint(line)
        kept = [each for each in certs if not hmac.compare_digest(each, fingerprint)]
        if len(kept) == len(certs):
            raise Refusal("no-such-entry", "the account has no such certificate; /account lists what it has")
        certs[:] = kept
        return
    shown = line.partition(" ")[0]
    fingerprint = credentials.public_key(line).fingerprint if shown == "ssh-ed25519" else shown
    left = [each for each in keys if each.fingerprint != fingerprint]
    if len(left) == len(keys):
        raise Refusal("no-such-entry", "the account has no such key; /account lists what it has")
    keys[:] = left


def _taken(name: str, owner: str) -> str:
    if fold(name) == fold(owner):
        return f"{name} is registered already; if it is yours, log in"
    return f"{name} looks like {owner}, which is registered; choose another"
