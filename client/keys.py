"""Ed25519 keys that log in: made for one server, or the person's own of ssh. Files as OpenSSH writes them.

What signs is loaded when something is to be signed: `cryptography` takes 70 ms that most starts do not need.
"""

import base64
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from client.address import Address

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_BYTES: Final = 64 * 1024  # of a file with a key
_CHALLENGE: Final = re.compile(r"moot login [^\x00-\x1f\x7f]{1,400} [0-9a-f]{32,128}")
_PUBLIC: Final = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{40,200}={0,2}(?: [^\r\n]{0,200})?")

Ask = Callable[[str], str | None]
"""Asks the person for a passphrase, with this prompt; None: they would not say."""


class BadKey(Exception):
    """The key cannot be used. The text says why and what to do."""


class NeedsPassphrase(BadKey):
    """The private key is encrypted, and nobody said with what."""


def own_path(address: Address) -> Path:
    """Return where the key made for the server at ``address`` is: `~/.local/state/moot/keys/HOST_PORT` on Linux.

    One for each server: so no server can have another's challenges signed.
    """
    from platformdirs import user_state_path

    host = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in address.host.lower())[:100]
    return user_state_path("moot", appauthor=False) / "keys" / f"{host}_{address.port}"


def make(path: Path, comment: str) -> str:
    """Make a key, the private one in ``path`` for its owner alone to read; return the line of the public one.

    Raises BadKey when there is a file of that name, or it cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption())
    public = private.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH).decode()
    line = f"{public} {' '.join(comment.split())[:100]}".strip()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.with_name(path.name + ".pub").write_text(line + "\n", encoding="utf-8")
    except OSError as error:
        raise BadKey(f"a key cannot be made in {path}: {error.strerror or error}") from error
    return line


def private_path(path: Path) -> Path:
    """Return the file of the private key that belongs to ``path``, which may be the public one's."""
    return path.with_suffix("") if path.suffix == ".pub" else path


def public_line(path: Path) -> str:
    """Return the public key beside a private one (or in ``path`` itself), as one line. Raises BadKey."""
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        line = _read(public).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        raise BadKey(
            f"there is no {public}; ssh-keygen -t ed25519 makes a key, and so does key add without a FILE"
        ) from None
    except OSError as error:
        raise BadKey(f"{public} cannot be read: {error.strerror or error}") from error
    if _PUBLIC.fullmatch(line) is None:
        raise BadKey(f"{public} is no public key of the kind ssh-ed25519; others cannot be used")
    return line


def choose(file: str, address: Address, comment: str) -> tuple[Path, str]:
    """Return the private key that ``file`` names and the line of its public half. Raises BadKey.

    Without ``file`` it is the key for the server at ``address``, which is made if there is none yet.
    """
    if file:
        path = private_path(Path(file).expanduser())
        return path, public_line(path)
    path = own_path(address)
    try:
        return path, public_line(path) if path.exists() else make(path, comment)
    except OSError as error:
        raise BadKey(f"{path} cannot be used: {error.strerror or error}") from error


def signer(path: Path, ask: Ask | None = None) -> Callable[[str], str]:
    """Return what signs a server's challenge with the private key in ``path``, in base64.

    Raises BadKey; NeedsPassphrase when the key is encrypted and ``ask`` is missing or got nothing. What it returns
    raises ValueError for what is no challenge of a moot server: a key signs nothing else.
    """
    private = _load(private_path(path), ask)

    def sign(challenge: str) -> str:
        if _CHALLENGE.fullmatch(challenge) is None:
            raise ValueError("the server wants something signed that is no login")
        return base64.b64encode(private.sign(challenge.encode())).decode()

    return sign


def _load(path: Path, ask: Ask | None) -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        text = _read(path)
    except OSError as error:
        raise BadKey(f"the private key {path} cannot be read: {error.strerror or error}") from error
    try:
        private = load_ssh_private_key(text, None)
    except TypeError:  # so it says that a passphrase is needed
        passphrase = ask(f"Passphrase of {path}: ") if ask is not None else None
        if not passphrase:
            raise NeedsPassphrase(f"the key {path} has a passphrase, and nobody said it") from None
        try:
            private = load_ssh_private_key(text, passphrase.encode())
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKey(f"the key {path} cannot be opened; is the passphrase right?") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(f"{path} is no private key as OpenSSH writes them: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise BadKey(f"{path} is no Ed25519 key; ssh-keygen -t ed25519 makes one")
    return private


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_BYTES)
