"""Which capabilities are offered to whom."""

import msgspec
import pytest

from protocol.settings import DEFAULTS
from workers.dialects import Peer
from workers.dialects.irc.caps import CAPS, offered

FAR, NEAR, SAFE = Peer(local=False), Peer(local=True), Peer(secure=True, local=False)


@pytest.mark.parametrize(
    ("peer", "value"), [(FAR, "port=6697"), (NEAR, None), (SAFE, "duration=3600")], ids=["far", "near", "through TLS"]
)
def test_sts_sends_those_from_afar_to_tls_and_keeps_them_there(peer: Peer, value: str | None) -> None:
    """To enforce an STS upgrade policy, servers MUST send this key [port] to non-securely connected clients. ... To
    enforce an STS persistence policy, servers MUST send this key [duration] to securely connected clients."""
    settings = msgspec.structs.replace(DEFAULTS, sts_port=6697, sts_duration=3600)
    assert offered(settings, peer).get("sts") == value


def test_sts_is_off_unless_it_is_wanted() -> None:
    """this capability MUST be made available as an optional configuration setting"""
    assert [name for peer in (FAR, NEAR, SAFE) for name in offered(DEFAULTS, peer) if name == "sts"] == []


def test_the_table_is_in_order() -> None:
    assert [cap.name for cap in CAPS] == sorted({cap.name for cap in CAPS})


@pytest.mark.parametrize(
    ("peer", "mechanisms"),
    [
        (FAR, "SCRAM-SHA-256"),
        (NEAR, "PLAIN,SCRAM-SHA-256"),
        (SAFE, "PLAIN,SCRAM-SHA-256"),
        (Peer(secure=True, local=False, certified=True), "PLAIN,SCRAM-SHA-256,EXTERNAL"),
    ],
    ids=["far", "near", "through TLS", "with a certificate"],
)
def test_only_mechanisms_that_may_be_used_are_offered(peer: Peer, mechanisms: str) -> None:
    """Servers SHOULD advertise the available SASL authentication mechanisms in the value of the sasl capability"""
    assert offered(DEFAULTS, peer)["sasl"] == mechanisms


def test_no_password_is_asked_for_where_others_can_read_it() -> None:
    assert "draft/account-registration" not in offered(DEFAULTS, FAR)
    assert "draft/account-registration" in offered(DEFAULTS, SAFE)
