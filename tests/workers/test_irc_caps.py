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
