"""The server's certificate: the operator's, or one that moot makes on its first start. Says what is wrong with a file.

Owns `tls.pem` in the data directory. The supervisor reads and hands it to the workers, so all of them have the same.
"""

import base64
import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from moot.datadir import StartError
from protocol.pins import parts, pin_of
from protocol.settings import Settings

if TYPE_CHECKING:
    import ssl

NAME: Final = "tls.pem"  # in the data directory: key and certificate that moot made
MAX_BYTES: Final = 32 * 1024  # of certificates and key; a chain has some 5 KB
SOON: Final = timedelta(days=14)  # before a certificate's end somebody should look after it
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)


class CertificateError(StartError):
    """There is no certificate that can be used; the text says why and what to do."""


class Identity(NamedTuple):
    """What the server shows to clients."""

    pem: str  # certificates and private key
    pin: str  # of the key, see `protocol.pins`
    own: bool  # nobody vouches for it, so an invitation should name the pin
    ends: datetime  # of the certificate

    def __repr__(self) -> str:
        return f"Identity({self.pin})"  # the key must not get into a log


def load(settings: Settings, directory: Path) -> Identity | None:
    """Return the certificate of a server with these settings and data directory; None: it is to be made.

    Raises CertificateError.
    """
    if settings.cert:
        return _configured(Path(settings.cert), Path(settings.key) if settings.key else None)
    path = directory / NAME
    try:
        return _identity(_read(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        text = f"cannot use the server's own key and certificate in {path}: {why}; bring it back from a backup, or move"
        more = "it away to have a new key made, which everybody who joined before will be warned of"
        raise CertificateError(f"{text} {more}") from error


def complaint(identity: Identity, now: datetime) -> str:
    """Return what people should know of a certificate that ends soon, or has ended."""
    if identity.ends - now > SOON:
        return ""
    verb = "ended" if identity.ends <= now else "ends"
    return f"the certificate {verb} on {identity.ends:%Y-%m-%d}; renew it and run `moot reload`"


def load_or_make(settings: Settings, directory: Path) -> Identity:
    """Return the certificate of a server with these settings and data directory, made if need be.

    Raises CertificateError.
    """
    found = load(settings, directory)
    if found is not None:
        return found
    path = directory / NAME
    try:
        _keep(path, make())
        return _identity(_read(path))
    except (OSError, ValueError) as error:
        raise CertificateError(
            f"cannot keep the server's key in {path}: {getattr(error, 'strerror', error)}"
        ) from error


def make() -> str:
    """Return a new key and a certificate that it signs itself, as PEM.

    ECDSA with P-256: every TLS client takes it, which is not so of Ed25519. Clients know the key again and mind no name
    and no date, so it ends never (RFC 5280 §4.1.2.5 has a date for that).
    """
    import ipaddress
    import socket

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:63].strip(".-") or "moot"
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    names: list[x509.GeneralName] = [x509.DNSName(one) for one in dict.fromkeys((host, "localhost"))]
    names += [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # for clocks that are slow
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (certificate.public_bytes(serialization.Encoding.PEM) + private).decode()


def _keep(path: Path, pem: str) -> None:
    """Write ``path`` for its owner alone, whole or not at all."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()  # of a start that was killed
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _configured(cert: Path, key: Path | None) -> Identity:
    """Return what the operator's files have, tried out: a worker finds no mistake in them. Raises CertificateError."""
    texts = []
    for flag, path in (("cert", cert), ("key", key)):
        if path is None:
            continue
        try:
            texts.append(_read(path))
        except OSError as error:
            why = error.strerror or "it cannot be read"
            raise CertificateError(f"{flag}: cannot read {path}: {why}; name a PEM file that moot may read") from error
        except ValueError as error:
            raise CertificateError(
                f"{flag}: {path} is no PEM file; expected text that has -----BEGIN … in it"
            ) from error
    pem = "\n".join(texts)
    kinds = [kind for kind, _body in _BLOCK.findall(pem)]
    where = key or cert
    if "CERTIFICATE" not in [kind for kind, _body in _BLOCK.findall(texts[0])]:
        raise CertificateError(f"cert: there is no certificate in {cert}; expected -----BEGIN CERTIFICATE-----")
    if not any(kind.endswith("PRIVATE KEY") for kind in kinds):
        hint = "" if key else "; name the file that has it with --key"
        raise CertificateError(f"key: there is no private key in {where}; expected -----BEGIN PRIVATE KEY-----{hint}")
    if "ENCRYPTED" in pem:
        text = f"key: the private key in {where} is encrypted, and nobody is there to type its password"
        raise CertificateError(f"{text}; write a copy without: openssl pkey -in {where} -out NEW")
    _try(pem, cert, where)
    return _identity(pem)


def _try(pem: str, cert: Path, key: Path) -> None:
    import ssl

    try:
        make_context(pem)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"the private key in {key} is not that of the first certificate in {cert}; they must belong together"
            raise CertificateError(f"{text}, and the server's own certificate comes first") from error
        why = (error.reason or str(error)).replace("_", " ").lower()
        raise CertificateError(f"cannot use the certificate in {cert} with the key in {key}: {why}") from error


def make_context(pem: str) -> "ssl.SSLContext":
    """Return what Python makes of certificates and key: `workers.tls` takes what it takes, and needs far more memory.

    Raises `ssl.SSLError` when they make no sense, or do not belong together.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _as_file(pem) as path:
        # With a password given, OpenSSL does not ask for one at the terminal.
        context.load_cert_chain(path, password="")
    return context


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give ``text`` a name for as long as the block runs: Python's `ssl` reads keys from files alone."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("moot-certificate", os.MFD_CLOEXEC)
        with os.fdopen(fd, "wb") as memory:
            memory.write(text.encode())
            memory.flush()
            yield f"/proc/self/fd/{fd}"
        return
    with tempfile.NamedTemporaryFile("w") as file:  # readable for us alone
        file.write(text)
        file.flush()
        yield file.name


def _read(path: Path) -> str:
    """Return a file's text. Raises OSError; ValueError when it is none, or too long."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES // 1024} KiB")
    text = content.decode("utf-8", "replace")  # comments may be anything
    if "-----BEGIN " not in text:
        raise ValueError("no PEM")
    return text


def _identity(pem: str) -> Identity:
    """Raises ValueError."""
    ders = [base64.b64decode(body) for kind, body in _BLOCK.findall(pem) if kind == "CERTIFICATE"]
    if not ders:
        raise ValueError("no certificate")
    found = parts(ders[0])
    return Identity(pem, pin_of(ders[0]), found.issuer == found.subject, _end(found.validity))


def _end(validity: bytes) -> datetime:
    """Return the later of the two times in a certificate's validity (RFC 5280 §4.1.2.5). Raises ValueError."""
    head, length = 2, 2  # bytes of a tag and a length, of the sequence and of each time
    at = head + length + validity[head + 1]
    text = validity[at + length :].decode("ascii")
    form = "%y%m%d%H%M%SZ" if len(text) == 13 else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=UTC)
