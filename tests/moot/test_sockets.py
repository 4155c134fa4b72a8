import socket
import sys

import pytest

from moot.sockets import ListenError, bind, split


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:6668", ("127.0.0.1", 6668)),
        ("[::1]:0", ("::1", 0)),
        (":6668", ("0.0.0.0", 6668)),
        ("example.org:65535", ("example.org", 65535)),
    ],
)
def test_an_address_is_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts


@pytest.mark.parametrize("address", ["", "127.0.0.1", "host:", "host:x", "host:65536", "host:-1", "host:６６６８"])
def test_what_is_no_address_is_said_with_an_example(address: str) -> None:
    with pytest.raises(ListenError, match=r"expected HOST:PORT, such as 127\.0\.0\.1:6668"):
        split(address)


def test_every_worker_listens_on_every_address_and_port_0_is_one_port_for_all() -> None:
    listeners = bind(["127.0.0.1:0", "127.0.0.2:0"], 3)
    try:
        assert [len(place) for place in listeners.places] == [2, 2, 2]
        (_, one), (_, two) = listeners.addresses
        assert [host for host, _port in listeners.addresses] == ["127.0.0.1", "127.0.0.2"]
        assert {place[0].getsockname()[1] for place in listeners.places} == {one}
        assert {place[1].getsockname()[1] for place in listeners.places} == {two}
        socket.create_connection(("127.0.0.1", one)).close()  # it waits in the backlog
    finally:
        listeners.close()


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    first = bind(["127.0.0.1:0"], 2)
    port = first.addresses[0][1]
    try:
        with pytest.raises(ListenError, match=rf"port {port} is in use .* choose another port with --listen"):
            bind([f"127.0.0.1:{port}"], 2)
    finally:
        first.close()
    bind([f"127.0.0.1:{port}"], 1).close()


def test_when_one_address_fails_the_others_are_let_go() -> None:
    holder = bind(["127.0.0.1:0", "127.0.0.1:0"], 1)
    (_, free), (_, used) = holder.addresses
    holder.places[0][0].close()
    with pytest.raises(ListenError):
        bind([f"127.0.0.1:{free}", f"127.0.0.1:{used}"], 1)
    bind([f"127.0.0.1:{free}"], 1).close()
    holder.close()


@pytest.mark.parametrize("address", ["192.0.2.1:6668", "no-such-host.invalid:6668"])
def test_an_address_that_is_not_ours_is_said(address: str) -> None:
    with pytest.raises(ListenError, match="give an address of this machine with --listen"):
        bind([address], 1)


def test_an_optional_address_may_be_missing() -> None:
    address = "192.0.2.1:0"
    listeners = bind([address, "127.0.0.1:0"], 1, optional=frozenset([address]))
    assert [host for host, _port in listeners.addresses] == ["127.0.0.1"]
    listeners.close()
    with pytest.raises(ListenError, match="no address to listen on"):
        bind([address], 1, optional=frozenset([address]))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers share one socket")
def test_on_linux_each_worker_has_a_socket_of_its_own() -> None:
    listeners = bind(["127.0.0.1:0"], 3)
    assert len({place[0].fileno() for place in listeners.places}) == 3
    listeners.close()
