"""AUTHENTICATE EXTERNAL, by the certificate of the connection: RFC 4422, appendix A; IRCv3, "SASL Authentication"."""

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from moot.certificate import make
from tests.irc.client import Client
from tests.irc.conftest import CHEAP
from tests.server import serving, until
from tests.tls import any_certificate


class TlsClient(Client):
    """One that shows a certificate, and minds none."""

    def __init__(self, address: tuple[str, int], pem: Path) -> None:
        super().__init__(address)
        context = any_certificate()
        context.load_cert_chain(pem)
        self.sock = context.wrap_socket(self.sock)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server that speaks TLS already."""
    with serving(tmp_path_factory.mktemp("external") / "data", "--workers", "1", "--no-limits", *CHEAP) as server:
        until(lambda: "key is SHA256" in server.log, "the certificate")
        yield "127.0.0.1", server.port


def identity(path: Path) -> tuple[Path, str]:
    """A certificate of one's own with its key in a file, and its fingerprint."""
    pem = make()
    path.write_text(pem)
    der = ssl.PEM_cert_to_DER_cert(pem.partition("-----BEGIN PRIVATE KEY-----")[0])
    return path, hashlib.sha256(der).hexdigest()


def test_a_certificate_logs_in(address: tuple[str, int], tmp_path: Path) -> None:
    """The EXTERNAL mechanism is 'client first'. ... The server uses information, external to SASL, to determine whether
    the client is authorized to authenticate as the authorization identity."""
    pem, fingerprint = identity(tmp_path / "ann.pem")
    ann = TlsClient(address, pem)
    told = ann.register("ann", "sasl")
    values = dict(word.partition("=")[::2] for m in told if m.command == "CAP" for word in m.last.split())
    assert values.get("sasl", "PLAIN,SCRAM-SHA-256,EXTERNAL") == "PLAIN,SCRAM-SHA-256,EXTERNAL"
    assert ann.ask("REGISTER * * sesame-poppy")[0].params[0] == "SUCCESS"
    assert ann.ask("NS CERT ADD")[-1].last.startswith("The certificate is added")
    whois = {m.command: m for m in ann.ask("WHOIS ann")}
    assert whois["276"].last == f"has client certificate fingerprint {fingerprint}"
    assert "671" in whois
    ann.leave()
    again = TlsClient(address, pem)
    again.send("CAP REQ :sasl", "NICK ann", "USER x 0 * :x", "AUTHENTICATE EXTERNAL", "AUTHENTICATE +", "CAP END")
    told = again.until("001")
    assert [m.command for m in told if m.command in ("900", "903", "904")] == ["900", "903"]
    assert told[-1].params[0] == "ann"
    again.leave()


def test_another_certificate_does_not(address: tuple[str, int], tmp_path: Path) -> None:
    """904: because of invalid credentials"""
    pem, _fingerprint = identity(tmp_path / "eve.pem")
    eve = TlsClient(address, pem)
    eve.register("eve", "sasl")
    assert eve.numbers("AUTHENTICATE EXTERNAL", "AUTHENTICATE +")[-1] == "904"
    assert "276" in eve.numbers("WHOIS eve")
    eve.leave()
