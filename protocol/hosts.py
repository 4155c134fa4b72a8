"""The hosts that people are shown with where a protocol wants some: `nick!~u@host` on IRC. Pure.

Nobody's address is shown. A guest's host is the server's name; an account's is made of the account, so a mask for it is
about the account under whatever nick, and it stays the same on every device:

>>> of_account("Ann", "moot.example"), of_account("d'Ann", "moot.example"), of_account("Анна", "moot.example")
('ann.user.moot.example', 'x--dann-3k32b.user.moot.example', 'x--80aa0ab.user.moot.example')
>>> account_in("x--80aa0ab.user.moot.example", "moot.example")
'анна'
"""

import re
from typing import Final

from protocol import names

USERNAME: Final = "~u"  # the same for everybody: what a client says there is nobody's business, and proves nothing
_USER: Final = ".user."
_BAD: Final = re.compile(r"[^A-Za-z0-9.\-]+")
_PLAIN: Final = re.compile(r"(?!x--)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_CODED: Final = "x--"  # not "xn--": it is Punycode (RFC 3492), but of names that no domain may have
_SIGNS: Final = {code: 0xE000 + code for code in range(128) if not chr(code).isalnum() and chr(code) != "-"}
_SIGNS_BACK: Final = {to: code for code, to in _SIGNS.items()}  # private use: no name has these characters


def of_server(server_name: str) -> str:
    """Return the server's name as a host; a name may hold what no host may."""
    return _BAD.sub("-", server_name).strip("-.") or "moot"


def of_account(account: str, server: str) -> str:
    """Return the host of an account. ``server``: as `of_server` returns it.

    Two accounts have two hosts. A name that is not made of a-z, 0-9 and - is written in Punycode, the signs of ASCII
    as characters of the private use area, for Punycode would leave them as they are.
    """
    name = names.fold_nick(account)
    if not _PLAIN.fullmatch(name):
        name = _CODED + name.translate(_SIGNS).encode("punycode").decode("ascii")
    return f"{name}{_USER}{server}"


def account_in(host: str, server: str) -> str | None:
    """Return the account, case folded, that ``host`` is made of; None: it is made of none."""
    label, user, rest = host.lower().partition(_USER)
    if not user or rest != server.lower():
        return None
    if not label.startswith(_CODED):
        return label if _PLAIN.fullmatch(label) else None
    try:
        return label.removeprefix(_CODED).encode("ascii").decode("punycode").translate(_SIGNS_BACK)
    except ValueError:
        return None
