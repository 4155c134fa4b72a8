"""Whom an entry of a room's lists, or of the server's, is about: masks, brought into one form and matched. Pure.

A mask is one of

- `account:NAME`: whoever is logged in to it, under whatever nick;
- an address or a CIDR range, of IPv4 or IPv6: `192.0.2.7`, `2001:db8::/48`;
- `nick!user@host`, case folded, where * stands for any text and ? for one character; the host may be an address or a
  range too, and `*!*@192.0.2.0/24` is the range alone.

Globs are matched by a machine that keeps all its states as
the bits of one number, so the time grows with the text alone, whatever stars are in the mask.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from protocol import addresses, names

ACCOUNT: Final = "account:"
EVERYBODY: Final = "*!*@*"
MAX_MASK: Final = 300  # characters
_USERS: Final = ("~u", "u")  # the user in `nick!user@host` is the same for everybody
_HINT: Final = (
    "write a nick, nick!user@host with * and ?, account:NAME, an address such as 192.0.2.7, or a range: 192.0.2.0/24"
)

Network = IPv4Network | IPv6Network


class BadMask(ValueError):
    """What is no mask; the text is a sentence for people that says what is one."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody, as masks see them."""

    nick: str
    account: str | None = None
    addresses: tuple[str, ...] = ()  # of all devices
    hosts: tuple[str, ...] = ()  # that others are shown
    guest: str = ""  # uid of a guest, hex

    @property
    def counted(self) -> frozenset[str]:
        """The addresses as connection limits count them: an IPv6 address stands for its /64."""
        return frozenset(map(addresses.counted, self.addresses))


def normalized(text: str) -> str:
    """Return the one way to write a mask: what means the same is not listed twice. Raises `BadMask`."""
    text = unicodedata.normalize("NFC", text.strip())
    if not 0 < len(text) <= MAX_MASK or not text.isprintable() or " " in text:
        raise BadMask(f"a mask has 1 to {MAX_MASK} characters and no spaces; {_HINT}")
    if text.lower().startswith(ACCOUNT):
        try:
            return ACCOUNT + names.fold_nick(names.nick(text[len(ACCOUNT) :]))
        except names.BadName as no:
            raise BadMask(str(no)) from no
    network = _network(text)
    if network is not None:
        return _shown(network)
    mask = _spelled(text)
    if len(mask) > MAX_MASK:  # folding case makes some letters several
        raise BadMask(f"a mask has at most {MAX_MASK} characters, written in small letters; {_HINT}")
    return mask


def _spelled(text: str) -> str:
    if text[0].isdigit() and "/" in text:
        raise BadMask(f"{text[:60]} is no range of addresses; {_HINT}")
    if not any(sign in text for sign in "!@*?"):
        return of_nick(text)
    return _glob(text)


def of_nick(nick: str) -> str:
    """Return the mask of whoever is called ``nick``. Raises `BadMask`."""
    try:
        return f"{names.fold_nick(names.nick(nick))}!*@*"
    except names.BadName as no:
        raise BadMask(f"{no} As a mask: {_HINT}") from no


def of_account(account: str) -> str:
    """Return the mask of an account."""
    return ACCOUNT + names.fold_nick(account)


def nick_in(mask: str) -> str | None:
    """Return the nick, case folded, that a mask as `of_nick` makes it is about; None: it is another one."""
    nick, sign, rest = mask.partition("!")
    return nick if sign and rest == "*@*" and "*" not in nick and "?" not in nick else None


def matches(mask: str, who: Who) -> bool:
    """Tell whether ``mask``, as `normalized` returns it, is about ``who``. What is none matches nobody."""
    return _compiled(mask).matches(who)


def any_matches(masks: Iterable[str], who: Who) -> bool:
    return any(_compiled(mask).matches(who) for mask in masks)


def _glob(text: str) -> str:
    nick, bang, rest = text.partition("!")
    if not bang:
        nick, rest = ("*", text) if "@" in text else (text, "*@*")
    user, at, host = rest.partition("@")
    if not at:
        host = "*"
    if any(sign in part for part in (nick, user, host) for sign in "!@"):
        raise BadMask(f"{text[:60]} has more than one ! or @; {_HINT}")
    nick, user, host = (_collapsed(part) or "*" for part in (nick, user, host))
    network = _network(host)
    if network is not None:
        host = _shown(network)
        if (nick, user) == ("*", "*"):
            return host
    return f"{nick}!{user}@{host}"


def _collapsed(part: str) -> str:
    part = names.fold_nick(part)
    while "**" in part:
        part = part.replace("**", "*")
    return part


def _network(text: str) -> Network | None:
    """Return the range that ``text`` is, one address being a range of one; None: it is none."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        return ip_network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def _shown(network: Network) -> str:
    return str(network) if network.num_addresses > 1 else str(network.network_address)


class _Glob:
    """A pattern with * and ?, as a machine with a state for each of its characters, all in one number."""

    __slots__ = ("_any", "_chars", "_end", "_loops")

    def __init__(self, pattern: str) -> None:
        self._chars: dict[str, int] = {}  # character -> the states it leads on from
        self._any = 0  # the states that any character leads on from
        self._loops = 0  # the states that any character leaves as they are
        state = 1
        for char in pattern:
            if char == "*":
                self._loops |= state
                continue
            if char == "?":
                self._any |= state
            else:
                self._chars[char] = self._chars.get(char, 0) | state
            state <<= 1
        self._end = state

    def matches(self, text: str) -> bool:
        states, chars, loops, any_ = 1, self._chars, self._loops, self._any
        for char in text:
            states = (states & (chars.get(char, 0) | any_)) << 1 | states & loops
            if not states:
                return False
        return bool(states & self._end)


class _Mask:
    """One mask, ready to be matched again and again."""

    __slots__ = ("_account", "_host", "_network", "_nick")

    def __init__(self, mask: str) -> None:
        self._account: str | None = None
        self._network: Network | None = None
        self._nick: _Glob | None = None
        self._host: _Glob | None = None
        if mask.startswith(ACCOUNT):
            self._account = mask.removeprefix(ACCOUNT)
            return
        nick, bang, rest = mask.partition("!")
        self._network = _network(rest.partition("@")[2] if bang else mask)
        if not bang:
            return
        user, _at, host = rest.partition("@")
        # A user that nobody has is one that nobody matches: everybody's is the same.
        self._nick = _Glob(nick) if any(map(_Glob(user).matches, _USERS)) else _NOTHING
        if self._network is None and host != "*":
            self._host = _Glob(host)

    def matches(self, who: Who) -> bool:
        if self._account is not None:
            return who.account is not None and names.fold_nick(who.account) == self._account
        if self._nick is not None and not self._nick.matches(names.fold_nick(who.nick)):
            return False
        if self._network is not None:
            return any(_within(address, self._network) for address in who.addresses)
        if self._host is not None:
            return any(self._host.matches(host.lower()) for host in (*who.hosts, *who.addresses))
        return self._nick is not None


def _within(address: str, network: Network) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if found.version == 6 and network.version == 4 and found.ipv4_mapped:
        return found.ipv4_mapped in network
    return found in network


_NOTHING: Final = _Glob("\0")  # no name has that


@lru_cache(maxsize=4096)
def _compiled(mask: str) -> _Mask:
    return _Mask(mask)
