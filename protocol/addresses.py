"""Peer addresses as moot counts and logs them."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def show(host: str, port: int) -> str:
    """Return ``host:port`` as people write it, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=4096)
def counted(host: str) -> str:
    """Return what connection limits count ``host`` as: the IPv4 address, or the /64 an IPv6 address lies in."""
    address = _parse(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return host if address is None else str(address)


@lru_cache(maxsize=4096)
def is_loopback(host: str) -> bool:
    address = _parse(host)
    return address is not None and address.is_loopback


def is_private(host: str, *, secure: bool) -> bool:
    """Tell whether nobody on the way from ``host`` can read what is said: through TLS, or on this machine."""
    return secure or is_loopback(host)


def _parse(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
