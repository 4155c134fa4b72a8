"""Where to listen, and what to tell others."""

from ipaddress import ip_address

import pytest

from moot.addresses import dialable, invitations, join_target, listen_address, local_addresses, reachable, split


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("127.0.0.1", "127.0.0.1:6668"),
        (":7000", "0.0.0.0:7000"),
        ("*:0", "0.0.0.0:0"),
        ("::", "[::]:6668"),
        ("[::1]:7000", "[::1]:7000"),
        ("[::1]", "[::1]:6668"),
        (" example.org:80 ", "example.org:80"),
    ],
)
def test_an_address_is_brought_into_one_form(text: str, address: str) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("7000", 'got "7000", expected HOST:PORT; a port alone is written :7000'),
        ("host:70000", 'got port "70000" in "host:70000", expected a number from 0 to 65535'),
        ("host:x", 'got port "x" in "host:x", expected a number from 0 to 65535'),
        ("[::1", 'got "[::1", expected an IPv6 address like [::1]:6668'),
        ("a b:1", 'got "a b:1", expected HOST:PORT, such as 127.0.0.1:6668 or [::]:6668'),
        ("1:2:3", 'got "1:2:3", expected HOST:PORT, such as 127.0.0.1:6668 or [::]:6668'),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^got") as caught:
        listen_address(text)
    assert str(caught.value) == says


def test_an_address_splits_into_host_and_port() -> None:
    assert split("[::1]:7000") == ("::1", 7000)
    assert split("0.0.0.0:6668") == ("0.0.0.0", 6668)


def test_a_server_on_all_addresses_is_reached_on_loopback() -> None:
    assert [dialable(host) for host in ("0.0.0.0", "::", "192.0.2.7")] == ["127.0.0.1", "::1", "192.0.2.7"]


def test_the_default_port_is_not_said() -> None:
    assert join_target("192.0.2.7", 6668) == "192.0.2.7"
    assert join_target("192.0.2.7", 7000) == "192.0.2.7:7000"
    assert join_target("2001:db8::7", 7000) == "[2001:db8::7]:7000"


def test_only_addresses_that_others_can_use_are_told_each_once_and_ipv4_first() -> None:
    found = ["fd00::2", "127.0.1.1", "192.168.1.5", "fe80::1%eth0", "::1", "192.168.1.5", "0.0.0.0", "not one"]
    assert [str(ip) for ip in reachable(found)] == ["192.168.1.5", "fd00::2"]


def test_invitations_follow_what_the_server_is_bound_to() -> None:
    own = [ip_address("192.168.1.5"), ip_address("fd00::2")]
    everywhere = [("0.0.0.0", 6668), ("::", 6668)]
    assert invitations(everywhere, own) == [("192.168.1.5", 6668), ("fd00::2", 6668)]
    assert invitations([("0.0.0.0", 7000)], own) == [("192.168.1.5", 7000)]
    assert invitations([("127.0.0.1", 6668), ("::1", 6668)], own) == []
    assert invitations([("10.0.0.3", 6668)], own) == [("10.0.0.3", 6668)]


def test_no_loopback_address_is_ever_told() -> None:
    assert not any(ip.is_loopback for ip in local_addresses())
