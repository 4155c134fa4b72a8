"""What proves an account: passwords (argon2id), SCRAM-SHA-256, Ed25519 signatures. Costly; for the vault's threads.

Knows no accounts and no connections. What it needs is imported when it is first called, which is in those threads: the
broker's own never waits for it. Parameters for argon2id are OWASP's (Password Storage Cheat Sheet): 19 MiB, 2, 1.
"""

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from broker.accounts import PublicKey, Scram

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD: Final = 8  # characters: NIST SP 800-63B §5.1.1.2
MIN_ITERATIONS: Final = 4096  # of SCRAM: RFC 7677 §4
_KEY_BLOB: Final = b"\0\0\0\x0bssh-ed25519\0\0\0 "  # before the 32 bytes of a public key (RFC 8709 §4)


class BadCredential(ValueError):
    """A password or a key that cannot be taken; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Costs:
    """How much work passwords are."""

    memory: int  # KiB, argon2id's
    passes: int  # over that
    lanes: int
    scram: int  # iterations of PBKDF2 for SCRAM; 0: nothing is kept for it


@dataclass(frozen=True, slots=True)
class Verifiers:
    """What is kept of a password."""

    password: str  # argon2id
    scram: Scram | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right; `renewed` if it is, and was kept with other parameters than today's."""

    right: bool
    renewed: Verifiers | None = None


_lock: Final = threading.Lock()
_decoys: dict[Costs, str] = {}  # what passwords of nobody are compared with


def made(password: str, costs: Costs) -> Verifiers:
    """Return what is to be kept of a new password. Raises `BadCredential`."""
    try:
        prepared = _prepared(password)
    except ValueError as error:
        raise BadCredential("a password may not have control characters, nor letters of no known script") from error
    if len(prepared) < MIN_PASSWORD:
        text = f"a password has at least {MIN_PASSWORD} characters, and this has {len(prepared)}; a sentence is fine"
        raise BadCredential(text)
    return Verifiers(_hasher(costs).hash(prepared), _scram(prepared, costs))


def verify(password: str, kept: str, scram: Scram | None, costs: Costs) -> Verdict:
    """Compare a password with what was kept of it; ``kept`` is empty for nobody's, which takes as long.

    A decoy is made first in either case, so that the first who asks for somebody unknown learns nothing either.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    decoy = _decoy(costs)
    hasher = _hasher(costs)
    try:
        prepared, possible = _prepared(password), True
    except ValueError:
        prepared, possible = "", False
    try:
        hasher.verify(kept or decoy, prepared)
    except (VerificationError, InvalidHashError):
        return Verdict(right=False)
    if not kept or not possible:
        return Verdict(right=False)
    iterations = max(costs.scram, MIN_ITERATIONS) if costs.scram else 0
    if hasher.check_needs_rehash(kept) or (scram.iterations if scram else 0) != iterations:
        return Verdict(True, Verifiers(hasher.hash(prepared), _scram(prepared, costs)))
    return Verdict(right=True)


def _prepared(password: str) -> str:
    """Return a password as SASLprep (RFC 4013) writes it. Raises `ValueError` when it cannot be one."""
    if password.isascii() and password.isprintable():
        return password
    from scramp.utils import saslprep

    try:
        return str(saslprep(password))
    except Exception as error:  # of a class of its own that says no more
        raise ValueError("not a password") from error


def _hasher(costs: Costs) -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(costs.passes, costs.memory, costs.lanes)


def _decoy(costs: Costs) -> str:
    with _lock:
        if costs not in _decoys:
            _decoys.clear()
            _decoys[costs] = _hasher(costs).hash("a password of nobody")
        return _decoys[costs]


def _scram(prepared: str, costs: Costs) -> Scram | None:
    if not costs.scram:
        return None
    from scramp import ScramMechanism

    salt, stored, server, iterations = ScramMechanism().make_auth_info(prepared, max(costs.scram, MIN_ITERATIONS))
    return Scram(_base64(salt), iterations, _base64(stored), _base64(server))


def decoy_scram(name: str, secret: bytes, costs: Costs) -> Scram:
    """Return what SCRAM is begun with for a name nobody has: always the same salt, and no password is right."""
    salt, stored, server = (
        _base64(hashlib.blake2b(name.encode(), key=secret, digest_size=32, salt=bytes([part])).digest())
        for part in range(3)
    )
    return Scram(salt, max(costs.scram, MIN_ITERATIONS), stored, server)


# --- SCRAM, one exchange


class ScramServer:
    """One exchange of SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side."""

    def __init__(self, kept: Scram) -> None:
        self._kept = kept
        self._server: Any = None

    def first(self, message: str) -> str:
        """Take the client's first message, return the server's. Raises `BadCredential`."""
        from scramp import ScramMechanism

        kept = self._kept
        known = tuple(base64.b64decode(text) for text in (kept.salt, kept.stored_key, kept.server_key))
        self._server = ScramMechanism().make_server(lambda _name: (*known, kept.iterations))
        return self._step(lambda: self._server.set_client_first(message), lambda: self._server.get_server_first())

    def final(self, message: str) -> str:
        """Take the client's final message, return the server's; the password was right. Raises `BadCredential`."""
        return self._step(lambda: self._server.set_client_final(message), lambda: self._server.get_server_final())

    def _step(self, take: Callable[[], Any], give: Callable[[], Any]) -> str:
        from scramp import ScramException

        try:
            take()
            return str(give())
        except ScramException as error:
            raise BadCredential(f"SCRAM: {error}") from error


# --- keys


def public_key(line: str) -> PublicKey:
    """Return the key of a line as in `~/.ssh/id_ed25519.pub`. Raises `BadCredential`."""
    kind, _, rest = line.strip().partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    expected = "a key is one line, as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA… comment"
    if kind != "ssh-ed25519":
        raise BadCredential(f"only keys of the kind ssh-ed25519 can be used; {expected}")
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCredential(f"this key is not whole; {expected}") from error
    if not raw.startswith(_KEY_BLOB) or len(raw) != len(_KEY_BLOB) + 32:
        raise BadCredential(f"this key is not whole; {expected}")
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    return PublicKey(_base64(raw[len(_KEY_BLOB) :]), f"SHA256:{digest}", " ".join(comment.split())[:64])


def signed(challenge: str, signature: str, keys: list[PublicKey]) -> bool:
    """Tell whether ``signature`` (Base64) is one of ``challenge`` by one of ``keys``."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(key.key)).verify(raw, challenge.encode())
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
