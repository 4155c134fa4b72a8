"""Addresses as people write them."""

import pytest

from client.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.org", Address("example.org", 6668)),
        ("example.org:7000", Address("example.org", 7000)),
        ("  10.0.0.1 ", Address("10.0.0.1", 6668)),
        ("::1", Address("::1", 6668)),
        ("[::1]", Address("::1", 6668)),
        ("[fe80::1%eth0]:7000", Address("fe80::1%eth0", 7000)),
    ],
)
def test_addresses_that_are_understood(text: str, address: Address) -> None:
    assert parse_address(text) == address


def test_a_port_beside_the_host_is_for_a_host_without_one() -> None:
    assert parse_address("example.org", 7000) == Address("example.org", 7000)
    assert parse_address("example.org:1", 7000) == Address("example.org", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no address; write HOST or HOST:PORT, such as example.org:6668"),
        (":6668", "':6668' is no address; write HOST or HOST:PORT, such as example.org:6668"),
        ("http://x", "'//x' in 'http://x' is no port; a port is a number from 1 to 65535"),
        ("x:0", "'0' in 'x:0' is no port; a port is a number from 1 to 65535"),
        ("x:65536", "'65536' in 'x:65536' is no port; a port is a number from 1 to 65535"),
        ("x:", "'' in 'x:' is no port; a port is a number from 1 to 65535"),
        ("[::1", "'[::1' is no address; an IPv6 one with a port is written [::1]:6668"),
        ("[::1]7", "'[::1]7' is no address; an IPv6 one with a port is written [::1]:6668"),
        ("a..b", "'a..b' is no address; write HOST or HOST:PORT, such as example.org:6668"),
        ("x\udcff", "'x\\udcff' is no address; write HOST or HOST:PORT, such as example.org:6668"),
        ("a" * 64, f"'{'a' * 64}' is no address; write HOST or HOST:PORT, such as example.org:6668"),
        ("a:b:c?d", "'a:b:c?d' is no address; write HOST or HOST:PORT, such as example.org:6668"),
        ("a b", "'a b' is no address; write HOST or HOST:PORT, such as example.org:6668"),
    ],
)
def test_addresses_that_are_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_address(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(("address", "text"), [(Address("::1", 1), "[::1]:1"), (Address("h", 2), "h:2")])
def test_an_address_is_written_as_it_is_read(address: Address, text: str) -> None:
    assert str(address) == text
    assert parse_address(text) == address
