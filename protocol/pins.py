"""The pin of a server's key, by which clients know it again: SHA-256 of the key as its certificate has it (RFC 7469).

Written `SHA256:` and base64url without padding, 43 characters. Reads no files and trusts nobody.
"""

import base64
import binascii
import hashlib
from typing import Final, NamedTuple

PREFIX: Final = "SHA256:"
_SEQUENCE: Final = 0x30
_EXPLICIT_0: Final = 0xA0


class Parts(NamedTuple):
    """What is looked at of a certificate: DER, tag and length included."""

    issuer: bytes
    validity: bytes
    subject: bytes
    key: bytes  # SubjectPublicKeyInfo


def pin_of(certificate: bytes) -> str:
    """Return the pin of the key in ``certificate`` (DER). Raises ValueError."""
    return shown(hashlib.sha256(parts(certificate).key).digest())


def shown(digest: bytes) -> str:
    """Return a pin as people see it."""
    return PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def parse_pin(text: str) -> str:
    """Return ``text`` as `pin_of` would write it; both alphabets of base64 are taken. Raises ValueError."""
    name, _colon, digits = text.strip().partition(":")
    try:
        digest = base64.b64decode(digits.rstrip("=").replace("-", "+").replace("_", "/") + "=", validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if name.upper() != "SHA256" or len(digest) != 32:
        raise ValueError(f"{text!r} is no key; expected {PREFIX} and 43 letters and digits, as the server prints it")
    return shown(digest)


def parts(certificate: bytes) -> Parts:
    """Return the parts of a certificate (RFC 5280 §4.1). Raises ValueError.

    `ssl` has the bytes and no way into them; a package that has takes longer to import than a client to connect.
    """
    (to_be_signed, *_signature), _ = _members(certificate, 0)
    fields, _ = _members(to_be_signed, 0)
    if fields and fields[0][0] == _EXPLICIT_0:  # the version, which the first one leaves out
        del fields[0]
    if len(fields) < 6:
        raise ValueError("no certificate")
    _serial, _algorithm, issuer, validity, subject, key = fields[:6]
    return Parts(issuer, validity, subject, key)


def _members(der: bytes, start: int) -> tuple[list[bytes], int]:
    """Return the members of the sequence at ``start``, each with its tag and length, and where the sequence ends."""
    if der[start : start + 1] != bytes([_SEQUENCE]):
        raise ValueError("no certificate")
    at, end = _content(der, start)
    found = []
    while at < end:
        _begin, after = _content(der, at)
        if after > end:
            raise ValueError("no certificate")
        found.append(der[at:after])
        at = after
    if not found:
        raise ValueError("no certificate")
    return found, end


def _content(der: bytes, start: int) -> tuple[int, int]:
    """Return where the content of the value at ``start`` begins and ends (X.690 §8.1)."""
    length = der[start + 1] if start + 1 < len(der) else 0xFF
    at = start + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("no certificate")
        length = int.from_bytes(der[at : at + count], "big")
        at += count
    if at + length > len(der):
        raise ValueError("no certificate")
    return at, at + length
