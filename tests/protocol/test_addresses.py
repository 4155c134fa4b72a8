import pytest

from protocol.addresses import counted, is_loopback, show


@pytest.mark.parametrize(
    ("host", "shown"),
    [("192.0.2.1", "192.0.2.1:6668"), ("2001:db8::1", "[2001:db8::1]:6668"), ("?", "?:6668")],
)
def test_an_ipv6_address_is_shown_in_brackets(host: str, shown: str) -> None:
    assert show(host, 6668) == shown


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_one_household_counts_as_one(host: str, network: str) -> None:
    assert counted(host) == network


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "localhost", "", "128.0.0.1"])
def test_others_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
