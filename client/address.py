"""Where a server is, as people write it."""

from typing import Final, NamedTuple

from protocol.native import DEFAULT_PORT


class Address(NamedTuple):
    """A host (name or IP address, an IPv6 one without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, port: int | None = None) -> Address:
    """Return the address in ``text``: "host", "host:port", "::1" or "[::1]:port".

    ``port`` is for when ``text`` has none; without it that is 6668. Raises ValueError with a sentence for people.
    """
    text = text.strip()
    default = DEFAULT_PORT if port is None else _port(str(port), str(port))
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address; an IPv6 one with a port is written [::1]:{DEFAULT_PORT}")
        found = Address(host, _port(rest[1:], text) if rest else default)
    elif text.count(":") > 1:  # bare IPv6
        found = Address(text, default)
    else:
        host, colon, digits = text.partition(":")
        found = Address(host, _port(digits, text) if colon else default)
    if not _is_host(found.host):
        raise ValueError(f"{text!r} is no address; write HOST or HOST:PORT, such as example.org:{DEFAULT_PORT}")
    return found


_IPV6: Final = frozenset("0123456789abcdefABCDEF:.")


def _is_host(host: str) -> bool:
    try:
        host.encode("idna")  # what a look-up would raise: a part that is empty, too long, or no text
    except UnicodeError:
        return False
    if ":" in host and not set(host.partition("%")[0]) <= _IPV6:  # after the % comes the name of an interface
        return False
    return bool(host) and not any(c.isspace() or c in "/@[]" for c in host)


def _port(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
        raise ValueError(f"{digits!r} in {text!r} is no port; a port is a number from 1 to 65535")
    return int(digits)
