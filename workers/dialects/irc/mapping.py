"""What moot's people and rooms are called on IRC, and the other way round. The one place that knows.

Nobody has an account yet: when they do, the host of `Host.mask` becomes theirs.
"""

import re
from typing import Final

from protocol import names, native

CHANNELLEN: Final = names.MAX_ROOM + 1  # characters, with the #
USERNAME: Final = "~u"  # the same for everybody: what a client says there is nobody's business, and proves nothing
NOBODY: Final = "*"  # in the place of a nick or an account that one has not

_BAD_HOST: Final = re.compile(r"[^A-Za-z0-9.\-]+")


class Host:
    """The server as IRC names it. ``server_name`` may hold what no message's source may."""

    def __init__(self, server_name: str) -> None:
        self.name = _BAD_HOST.sub("-", server_name).strip("-.") or "moot"
        self.network = server_name

    def mask(self, nick: str) -> str:
        """Return who says something: `nick!user@host`."""
        return f"{nick}!{USERNAME}@{self.name}"


def is_channel(target: str) -> bool:
    return target.startswith("#")


def room(channel: str) -> str:
    """Return the room that a client calls ``channel``. Raises `names.BadName`."""
    return names.room(channel)


def prefix(_person: native.Person) -> str:
    """Return what stands before a member's nick: the signs of its roles, highest first. Nobody has one yet."""
    return ""


def same_nick(one: str, other: str) -> bool:
    return names.fold_nick(one) == names.fold_nick(other)
