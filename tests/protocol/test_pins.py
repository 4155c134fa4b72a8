"""The pin of a server's key, and the way into a certificate to it."""

import base64
import contextlib
import datetime
import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from protocol.pins import parse_pin, parts, pin_of

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moot.example")])
ISSUER = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a CA " + "x" * 40)])
PIN = "SHA256:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"


def certificate(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    day = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
    hash_ = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(ISSUER).public_key(key.public_key())
    builder = builder.serial_number(2**100).not_valid_before(day).not_valid_after(day + datetime.timedelta(90))
    return builder.sign(key, hash_)


@pytest.mark.parametrize("kind", ["P-256", "Ed25519", "RSA"])
def test_the_key_in_a_certificate_is_found_as_a_library_finds_it(kind: str) -> None:
    keys: dict[str, Any] = {
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
    }
    key = keys[kind]()
    made = certificate(key)
    der = made.public_bytes(serialization.Encoding.DER)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    found = parts(der)
    assert found.key == public
    assert found.subject == NAME.public_bytes()
    assert found.issuer == ISSUER.public_bytes()
    expected = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")
    assert pin_of(der) == f"SHA256:{expected}"


def test_a_pin_may_be_written_as_other_programs_write_it() -> None:
    assert parse_pin("SHA256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=") == PIN
    assert parse_pin(f" sha256:{PIN[7:]} ") == PIN


@pytest.mark.parametrize("text", ["", "SHA256:", "SHA256:abc", "MD5:" + PIN[7:], PIN + "A", PIN[:-1] + "!", "SHA256:ü"])
def test_what_is_no_pin_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no key; expected SHA256: and 43 letters"):
        parse_pin(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_said_to_be_none(der: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert pin_of(der).startswith("SHA256:")


@given(st.integers(0, 700), st.integers(0, 255))
def test_a_damaged_certificate_does_no_harm(at: int, value: int) -> None:
    der = bytearray(CERTIFICATE)
    der[at % len(der)] = value
    with contextlib.suppress(ValueError):
        assert pin_of(bytes(der)).startswith("SHA256:")


CERTIFICATE = certificate(ec.generate_private_key(ec.SECP256R1())).public_bytes(serialization.Encoding.DER)
