"""Where a server listens, and by which addresses others reach it. Sends no packet."""

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from protocol.addresses import show
from protocol.native import DEFAULT_PORT

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
EVERYWHERE: Final = {"0.0.0.0": 4, "::": 6}  # the addresses that mean all of this machine's, by version


def listen_address(text: str) -> str:
    """Return ``text`` as HOST:PORT, an IPv6 host in brackets.

    The port may be left out, and so may the host (``:7000`` or ``*:7000``: every IPv4 address). Raises ValueError
    with a sentence.
    """
    host, port = text.strip(), ""
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'got "{text}", expected an IPv6 address like [::1]:{DEFAULT_PORT}')
        port = rest[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f'got port "{port}" in "{text}", expected a number from 0 to 65535')
    if host and not host.strip("0123456789"):
        raise ValueError(f'got "{text}", expected HOST:PORT; a port alone is written :{host}')
    if any(char.isspace() or char in "/@[]" for char in host) or (":" in host and _ip(host) is None):
        raise ValueError(f'got "{text}", expected HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT} or [::]:{DEFAULT_PORT}')
    return show("0.0.0.0" if host in ("", "*") else host, int(port) if port else DEFAULT_PORT)


def split(address: str) -> tuple[str, int]:
    """Return host and port of what `listen_address` returned."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def dialable(host: str) -> str:
    """Return an address at which this machine reaches its own server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def join_target(host: str, port: int) -> str:
    """Return what follows `moot join`: the port is left out when it is the default one."""
    return host if port == DEFAULT_PORT else show(host, port)


def local_addresses() -> list[IpAddress]:
    """Return this machine's own addresses that others may reach it by, the likeliest first."""
    found: list[str] = []
    # Connecting a UDP socket only looks up the route: it names our address on it and sends nothing.
    routes = [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET, "10.255.255.255"), (socket.AF_INET6, "2001:db8::1")]
    for family, far in routes:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            found.append(str(probe.getsockname()[0]))
    with suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    return reachable(found)


def reachable(found: Iterable[str]) -> list[IpAddress]:
    """Return those of ``found`` that another machine may use, each once, IPv4 first, otherwise in their order."""
    kept: dict[IpAddress, None] = {}
    for text in found:
        ip = _ip(text)
        if ip and not (ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast):
            kept[ip] = None
    return sorted(kept, key=lambda ip: ip.version)


def invitations(bound: Iterable[tuple[str, int]], own: Iterable[IpAddress]) -> list[tuple[str, int]]:
    """Return where others reach a server that is ``bound`` so, on a machine that has the addresses ``own``."""
    places: dict[tuple[str, int], None] = {}
    for host, port in bound:
        ip = _ip(host)
        if host in EVERYWHERE:
            places.update({(str(one), port): None for one in own if one.version == EVERYWHERE[host]})
        elif host != "localhost" and not (ip and ip.is_loopback):
            places[host, port] = None
    return list(places)


def _ip(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
