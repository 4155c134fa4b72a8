"""The listening sockets. The supervisor binds them once and hands them to every worker that takes a place."""

import errno
import socket
import sys
from dataclasses import dataclass


class ListenError(Exception):
    """An address cannot be listened on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """One list of sockets for each worker, and the addresses they listen on."""

    places: list[list[socket.socket]]
    addresses: list[tuple[str, int]]

    def close(self) -> None:
        for sock in {sock for place in self.places for sock in place}:
            sock.close()


def split(address: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[IPV6]:PORT``. Raises `ListenError`."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ListenError(f"cannot listen on {address!r}: expected HOST:PORT, such as 127.0.0.1:6668 or [::]:6668")
    return host or "0.0.0.0", int(port)


def bind(addresses: list[str], places: int, *, optional: frozenset[str] = frozenset()) -> Listeners:
    """Bind each address once for each of ``places`` workers. Raises `ListenError`.

    On Linux each worker has a socket of its own on the same port (SO_REUSEPORT), so that the kernel spreads
    connections evenly and those of a worker being restarted wait in its backlog. Elsewhere all share one socket.
    Addresses in ``optional`` are left out where this machine does not have their family.
    """
    own = sys.platform == "linux"
    made: list[list[socket.socket]] = [[] for _ in range(places)]
    bound: list[tuple[str, int]] = []
    for address in addresses:
        host, port = split(address)
        try:
            family, name = _resolve(host, port)
            if own and port:
                _bind_one(family, name, reuse_port=False).close()  # else a second server would share the port
            first = _bind_one(family, name, reuse_port=own)
            name = (name[0], first.getsockname()[1], *name[2:])
            made[0].append(first)
            for place in made[1:]:
                place.append(_bind_one(family, name, reuse_port=True) if own else first)
        except OSError as err:
            if address in optional and err.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT):
                continue
            for sock in {sock for place in made for sock in place}:
                sock.close()
            raise ListenError(_explain(address, port, err)) from err
        bound.append((host, name[1]))
    if not bound:
        raise ListenError("no address to listen on; give --listen HOST:PORT")
    return Listeners(made, bound)


def _resolve(host: str, port: int) -> tuple[int, tuple[str, int]]:
    flags = socket.AI_PASSIVE | socket.AI_NUMERICSERV
    found = socket.getaddrinfo(host, str(port), type=socket.SOCK_STREAM, flags=flags)
    family, _type, _proto, _canonical, name = found[0]
    return family, name  # type: ignore[return-value]  # four fields for IPv6


def _bind_one(family: int, name: tuple[str, int], *, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(name)
        if reuse_port or sys.platform != "linux":
            sock.listen(1024)  # from here on connections wait instead of being refused
    except OSError:
        sock.close()
        raise
    return sock


def _explain(address: str, port: int, err: OSError) -> str:
    if err.errno == errno.EADDRINUSE:
        return (
            f"port {port} is in use ({address}): another moot or program listens there; "
            f"stop it or choose another port with --listen"
        )
    if err.errno == errno.EACCES:
        return f"may not listen on {address}: ports below 1024 need privileges; choose a higher one with --listen"
    return f"cannot listen on {address}: {err.strerror or err}; give an address of this machine with --listen"
