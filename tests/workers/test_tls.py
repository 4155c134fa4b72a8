"""The TLS layer alone: two ends in one process, no sockets."""

import contextlib
import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moot.certificate import make
from workers.tls import RECORD, BadCertificate, Tls, make_context

CONTEXT = make_context(make())


class Client:
    """The other end."""

    def __init__(
        self,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        ciphers: str = "",
        certificate: Path | None = None,
        protocols: Sequence[str] = (),
        earlier: "Client | None" = None,
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = context.minimum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        if certificate is not None:
            context.load_cert_chain(certificate)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.context: ssl.SSLContext = context if earlier is None else earlier.context
        session = None if earlier is None else earlier.tls.session
        self.tls: ssl.SSLObject = self.context.wrap_bio(self.incoming, self.outgoing, session=session)

    def step(self) -> bytes:
        """Go on with the handshake as far as that is possible; return what is to be sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def say(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def hear(self, data: bytes) -> bytes:
        self.incoming.write(data)
        found = b""
        try:
            while chunk := self.tls.read(1 << 16):
                found += chunk
        except ssl.SSLWantReadError:
            pass
        return found


def joined(client: Client, size: int = 1 << 20) -> Tls:
    """Return the server's end of a connection that stands; the client's bytes came in pieces of ``size``."""
    server = Tls(CONTEXT)
    for _ in range(4):
        said = client.step()
        for start in range(0, len(said), size):
            assert server.feed(said[start : start + size]) == b""
        client.incoming.write(server.replies())
    assert server.established
    return server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_what_one_end_says_the_other_hears_however_it_is_cut(version: ssl.TLSVersion, size: int) -> None:
    client = Client(version)
    server = joined(client, size)
    said = client.say(b"hello\n") + client.say(b"again\n")
    assert b"".join(server.feed(said[at : at + size]) for at in range(0, len(said), size)) == b"hello\nagain\n"
    assert client.hear(server.seal(b"hi\n")) == b"hi\n"


def test_many_records_are_one_piece_of_bytes_and_little_longer() -> None:
    client = Client()
    server = joined(client)
    lines = b"0123456789abcdef" * (5 * RECORD // 16) + b"end\n"
    sealed = server.seal(lines)
    assert len(sealed) == len(lines) + 6 * 22  # a head of 5, a type, a tag of 16: RFC 8446 §5.2
    assert client.hear(sealed) == lines


def test_only_ciphers_that_also_authenticate_are_taken() -> None:
    client = Client(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0")
    server = Tls(CONTEXT)
    server.feed(client.step())
    assert server.failure == "no TLS handshake: no shared cipher"
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        client.hear(server.replies())


def test_older_versions_are_refused() -> None:
    server = Tls(CONTEXT)
    # TLS 1.0, one cipher, from the days of it
    hello = bytes.fromhex("160301002d" + "01000029" + "0301" + "11" * 32 + "00" + "0002c009" + "0100")
    server.feed(hello)
    assert server.failure == "no TLS handshake: unsupported protocol"
    assert server.replies()[:1] == b"\x15"  # an alert


def test_a_goodbye_is_not_an_error_and_what_came_before_it_counts() -> None:
    client = Client()
    server = joined(client)
    said = client.say(b"bye\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert server.feed(said + client.outgoing.read()) == b"bye\n"
    assert (server.ended, server.failure) == (True, "")
    assert client.hear(server.seal(b"you too\n")) == b"you too\n"  # one half is closed, not the other
    client.incoming.write(server.close())
    client.tls.unwrap()
    assert server.seal(b"more") == b""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A client's own, which nobody vouches for."""
    path = tmp_path / "ann.pem"
    path.write_text(make())
    return path


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_that_nobody_vouches_for_proves_its_key(version: ssl.TLSVersion, certificate: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----BEGIN PRIVATE")[0])
    assert joined(Client(version, certificate=certificate)).certfp == hashlib.sha256(der).hexdigest()
    assert joined(Client(version)).certfp == ""


def test_a_certificate_that_is_odd_is_one_all_the_same(certificate: Path, tmp_path: Path) -> None:
    shown, begin, private = certificate.read_text().partition("-----BEGIN PRIVATE")
    der = ssl.PEM_cert_to_DER_cert(shown)
    version = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)  # 6 instead of 3
    assert version != der
    odd = tmp_path / "odd.pem"
    odd.write_text(ssl.DER_cert_to_PEM_cert(version) + begin + private)
    assert joined(Client(certificate=odd)).certfp == hashlib.sha256(version).hexdigest()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_would_resume_a_session_begins_a_new_one(version: ssl.TLSVersion, certificate: Path) -> None:
    first = Client(version, certificate=certificate)
    server = joined(first)
    assert first.hear(server.seal(b"hi\n")) == b"hi\n"
    again = Client(earlier=first)
    assert joined(again).certfp == server.certfp
    assert not again.tls.session_reused


def test_a_browser_is_not_asked_for_a_certificate(certificate: Path) -> None:
    for protocols, shows in ((["h2", "http/1.1"], False), (["http/1.1"], False), (["irc"], True)):
        assert bool(joined(Client(certificate=certificate, protocols=protocols)).certfp) is shows


def test_certificate_and_key_must_belong_together(certificate: Path) -> None:
    theirs, mine = certificate.read_text(), make()
    both = theirs.partition("-----BEGIN PRIVATE")[0] + "-----BEGIN PRIVATE" + mine.partition("-----BEGIN PRIVATE")[2]
    with pytest.raises(BadCertificate, match="key values mismatch"):
        make_context(both)


def test_nothing_is_said_before_the_handshake_nor_after_a_failure() -> None:
    server = Tls(CONTEXT)
    assert server.seal(b"secret") == b""
    server.feed(b"\x16garbage that is no handshake")
    assert server.failure.startswith("no TLS handshake: ")
    server.replies()
    assert (server.seal(b"secret"), server.close(), server.feed(b"more")) == (b"", b"", b"")


def test_a_changed_byte_ends_it() -> None:
    client = Client()
    server = joined(client)
    said = bytearray(client.say(b"pay bob 1\n"))
    said[-1] ^= 1
    assert server.feed(bytes(said)) == b""
    assert server.failure == "broken TLS: decryption failed or bad record mac"


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_any_bytes_are_taken_without_an_exception(data: bytes, size: int, begun: bool) -> None:
    client = Client()
    server = joined(client) if begun else Tls(CONTEXT)
    for start in range(0, len(data), size):
        assert server.feed(data[start : start + size]) == b""
        server.replies()
    server.seal(b"hi")
    server.close()


@settings(max_examples=100)
@given(st.integers(0, 1000), st.integers(0, 255))
def test_a_hello_with_a_changed_byte_fails_or_goes_on_but_says_nothing(at: int, value: int) -> None:
    hello = bytearray(Client().step())
    hello[at % len(hello)] = value
    server = Tls(CONTEXT)
    assert server.feed(bytes(hello)) == b""
    assert not server.established
