"""How a client connects: TLS wherever it is offered, and only to the server it was before."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from client import dial as dialling
from client.address import Address
from client.dial import dial
from client.trust import CA, Known, Untrusted
from moot.certificate import make, make_context
from protocol.pins import pin_of

HOST = "127.0.0.2"  # on this machine too, but not by one of the names that are known to be


class Far:
    """A server that keeps what it hears; with ``pem`` in TLS."""

    def __init__(self) -> None:
        self.pem = ""
        self.answer = b"what?\n"  # of one without TLS
        self.heard: list[bytes] = []  # by connection that stood
        self.connections = 0
        self.address = Address(HOST, 0)

    @property
    def pin(self) -> str:
        return pin_of(ssl.PEM_cert_to_DER_cert(self.pem.partition("-----BEGIN PRIVATE")[0]))

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            if self.pem:
                await writer.start_tls(make_context(self.pem))
                self.heard.append(await reader.read())
            else:
                self.heard.append(await reader.read(100))
                writer.write(self.answer)
        writer.close()


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    far = Far()
    server = await asyncio.start_server(far.meet, HOST, 0)
    far.address = Address(HOST, server.sockets[0].getsockname()[1])
    async with server:
        yield far


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "known_servers")


async def met(far: Far, known: Known) -> str:
    """Connect, and leave at once; return what people are told."""
    line = await dial(far.address, known)
    line.writer.close()
    with contextlib.suppress(OSError):
        await line.writer.wait_closed()
    return line.said


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Authority"]:
    """A certificate authority that this machine trusts."""
    found = Authority()
    (tmp_path / "ca.pem").write_bytes(found.certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    dialling._strict.cache_clear()
    yield found
    dialling._strict.cache_clear()


class Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a CA")])
        builder = self._builder(self._name, self._key.public_key(), days=90)
        use = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.add_extension(use, critical=True).sign(self._key, hashes.SHA256())

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - datetime.timedelta(100)).not_valid_after(now + datetime.timedelta(days))

    def vouch(self, host: str = HOST, days: int = 90) -> str:
        """Return a new key and a certificate for ``host``."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key.public_key(), days)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        made = builder.add_extension(names, critical=True).sign(self._key, hashes.SHA256())
        form = serialization.PrivateFormat.PKCS8
        private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return (made.public_bytes(serialization.Encoding.PEM) + private).decode()


async def test_a_key_is_remembered_the_first_time_and_nothing_is_said_of_it_again(far: Far, known: Known) -> None:
    far.pem = make()
    assert await met(far, known) == (
        f"the first time at {far.address}: its key {far.pin} is remembered, and no other will be taken from now on"
    )
    assert known.expected(far.address) == far.pin
    assert await met(far, known) == ""


async def test_another_key_stops_with_both_and_what_to_do_before_anything_is_sent(far: Far, known: Known) -> None:
    far.pem = make()
    await met(far, known)
    before, far.pem = far.pin, make()
    heard = len(far.heard)
    with pytest.raises(Untrusted) as no:
        await dial(far.address, known)
    for part in (before, far.pin, f"moot forget {far.address}"):
        assert part in str(no.value)
    assert known.expected(far.address) == before
    assert not any(far.heard[heard:])
    known.forget(far.address)
    assert far.pin in await met(far, known)


async def test_a_server_without_tls_is_talked_to_in_plain_text_and_that_is_said(far: Far, known: Known) -> None:
    assert "has no encryption" in await met(far, known)
    assert known.expected(far.address) is None


async def test_a_server_that_had_tls_is_never_talked_to_without(far: Far, known: Known) -> None:
    known.learn(far.address, "SHA256:LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ")
    for answer in (b"what?\n", b'{"ev":"error"}\n', b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        far.answer = answer
        with pytest.raises(ConnectionError, match="it answers without encryption, which it did not before"):
            await dial(far.address, known)
    assert all(heard.startswith(b"\x16") for heard in far.heard)


@pytest.mark.parametrize("answer", [b"", b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\x00\x05hello"])
async def test_a_broken_handshake_is_no_reason_to_go_without(far: Far, known: Known, answer: bytes) -> None:
    far.answer = answer
    with pytest.raises(OSError):  # noqa: PT011
        await dial(far.address, known)
    assert far.connections == 1
    assert far.heard[0].startswith(b"\x16")


async def test_an_invitations_key_is_the_only_one_taken(far: Far, known: Known, authority: Authority) -> None:
    far.pem = make()
    invited = far.pin
    known.invite(far.address, invited)
    assert await met(far, known) == ""
    assert known.expected(far.address) == invited
    far.pem = authority.vouch()
    with pytest.raises(Untrusted, match="its key has changed"):
        await dial(far.address, known)


async def test_a_valid_certificate_is_taken_whatever_its_key(far: Far, known: Known, authority: Authority) -> None:
    for _ in range(2):
        far.pem = authority.vouch()
        assert await met(far, known) == ""
        assert known.expected(far.address) == CA


@pytest.mark.parametrize(("host", "days"), [("127.0.0.3", 90), (HOST, -1)])
async def test_a_certificate_for_another_name_or_time_is_only_a_key(
    far: Far, known: Known, authority: Authority, host: str, days: int
) -> None:
    far.pem = authority.vouch(host, days)
    assert "the first time" in await met(far, known)
    known.learn(far.address, CA)
    with pytest.raises(Untrusted, match="is not valid") as no:
        await dial(far.address, known)
    assert f"moot forget {far.address}" in str(no.value)


async def test_a_known_key_may_give_way_to_a_valid_certificate(far: Far, known: Known, authority: Authority) -> None:
    far.pem = make()
    await met(far, known)
    far.pem = authority.vouch()
    assert await met(far, known) == ""
    assert known.expected(far.address) == CA
