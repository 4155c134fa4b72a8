"""The certificate of a server: made once, read again, and what is wrong with the operator's files."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from moot.certificate import CertificateError, complaint, load, load_or_make, make
from protocol.pins import pin_of
from protocol.settings import Settings


def split(pem: str) -> tuple[str, str]:
    """Return certificate and key."""
    certificate, begin, key = pem.partition("-----BEGIN PRIVATE KEY-----")
    return certificate, begin + key


def configured(tmp_path: Path, cert: str, key: str | None) -> Settings:
    (tmp_path / "cert.pem").write_text(cert)
    if key is None:
        return Settings(cert=str(tmp_path / "cert.pem"))
    (tmp_path / "key.pem").write_text(key)
    return Settings(cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))


def test_it_is_made_once_for_the_servers_user_alone(tmp_path: Path) -> None:
    assert load(Settings(), tmp_path) is None
    made = load_or_make(Settings(), tmp_path)
    assert load_or_make(Settings(), tmp_path) == load(Settings(), tmp_path) == made
    assert made.own
    assert (tmp_path / "tls.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["tls.pem"]
    assert made.pin == pin_of(ssl.PEM_cert_to_DER_cert(split(made.pem)[0]))
    assert "PRIVATE" not in repr(made)


def test_it_is_p256_ends_never_and_names_this_machine() -> None:
    certificate = x509.load_pem_x509_certificate(make().encode())
    assert certificate.signature_algorithm_oid == x509.oid.SignatureAlgorithmOID.ECDSA_WITH_SHA256
    assert certificate.not_valid_after_utc == datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (datetime.datetime(9999, 12, 1, tzinfo=datetime.UTC), ""),
        (datetime.datetime(9999, 12, 20, tzinfo=datetime.UTC), "the certificate ends on 9999-12-31; renew it and run"),
    ],
)
def test_a_certificate_that_ends_soon_is_complained_of(tmp_path: Path, now: datetime.datetime, said: str) -> None:
    text = complaint(load_or_make(Settings(), tmp_path), now)
    assert text.startswith(said)
    assert bool(text) == bool(said)


def test_the_end_of_an_operators_certificate_is_read(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moot.example")])
    start, end = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = builder.serial_number(1).not_valid_before(start).not_valid_after(end).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    cert = made.public_bytes(serialization.Encoding.PEM)
    found = load(configured(tmp_path, cert.decode(), private.decode()), tmp_path)
    assert found is not None
    assert found.ends == end
    text = "the certificate ended on 2026-04-01; renew it and run `moot reload`"
    assert complaint(found, end) == text


def test_a_start_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "tls.pem.new").write_text("half a k")
    assert load_or_make(Settings(), tmp_path).pin.startswith("SHA256:")


def test_a_damaged_file_of_ones_own_is_not_replaced_by_itself(tmp_path: Path) -> None:
    (tmp_path / "tls.pem").write_text("-----BEGIN CERT")
    with pytest.raises(CertificateError, match=r"tls\.pem: it is damaged; bring it back from a backup, or move it"):
        load_or_make(Settings(), tmp_path)


@pytest.mark.parametrize("apart", [True, False])
def test_the_operators_files_may_be_one_or_two(tmp_path: Path, apart: bool) -> None:
    pem = make()
    cert, key = split(pem)
    settings = configured(tmp_path, cert, key) if apart else configured(tmp_path, key + cert, None)
    found = load(settings, tmp_path)
    assert found is not None
    assert found.pin == pin_of(ssl.PEM_cert_to_DER_cert(cert))
    assert not (tmp_path / "tls.pem").exists()


def test_what_is_wrong_with_the_operators_files_is_said(tmp_path: Path) -> None:
    cert, key = split(make())
    _, other = split(make())
    loaded = serialization.load_pem_private_key(key.encode(), None)
    locked = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    ).decode()
    damaged = cert.replace("MII", "AAA", 1)
    for wrong, why in (
        ((cert, other), r"the private key in .*key\.pem is not that of the first certificate in .*cert\.pem"),
        ((key, cert), r"cert: there is no certificate in .*cert\.pem"),
        ((cert, cert), r"key: there is no private key in .*key\.pem"),
        ((cert, None), r"key: there is no private key in .*cert\.pem.*name the file that has it with --key"),
        ((cert, locked), r"is encrypted.*openssl pkey -in"),
        (("hello", key), r"cert: .*cert\.pem is no PEM file"),
        ((cert, "x" * 40_000), r"key: .*key\.pem is no PEM file"),
        ((damaged, key), r"cannot use the certificate in .*cert\.pem"),
    ):
        with pytest.raises(CertificateError, match=why):
            load(configured(tmp_path, *wrong), tmp_path)
    with pytest.raises(CertificateError, match=r"cert: cannot read /nowhere/cert: No such file or directory"):
        load(Settings(cert="/nowhere/cert"), tmp_path)
