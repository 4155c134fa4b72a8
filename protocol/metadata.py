"""Requests and events about what people and rooms say of themselves beside nick and topic: values by key.

Part of the native wire format (`protocol.native`); IRC has it as METADATA. A key is small letters, digits and `_./-`,
such as `avatar`, `pronouns`, `example.org/mood`; a value is text. What they mean is for programs to agree on.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.wire import Answers, Asks, Tells

MAX_KEYS: Final = 20  # of one person or room
MAX_KEY: Final = 64  # characters, each a byte
MAX_VALUE: Final = 300  # bytes of UTF-8
MAX_ASKED: Final = 50  # keys in one request
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY)]
Value = Annotated[str, Meta(min_length=1, max_length=MAX_VALUE)]
Keys = Annotated[list[Key], Meta(max_length=MAX_ASKED)]

_KEY: Final = re.compile(rf"[a-z0-9_./-]{{1,{MAX_KEY}}}")


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Whether ``text``, which is clean, is a value and not too long for one."""
    return bool(text) and len(text.encode("utf-8", "replace")) <= MAX_VALUE


class MetaGet(Asks, frozen=True):
    """Ask what somebody (a nick) or a room one is in has said; no keys: all of it. Answer: `metadata`.

    With `members`, what the people in the room have said too.
    """

    target: str
    keys: Keys = []
    members: bool = False


class MetaSet(Asks, frozen=True):
    """Say something of oneself, or as an op of a room; no value: say it no more. Answer: `ok`."""

    target: str
    key: Key
    value: Value | None = None


class MetaClear(Asks, frozen=True):
    """Say nothing any more, of oneself or as an op of a room. Answer: `metadata` with what there was."""

    target: str


Request = MetaGet | MetaSet | MetaClear


class Datum(Struct, frozen=True, omit_defaults=True):
    """One value."""

    target: str  # a nick, or a room
    key: str
    value: str


class Metadata(Answers, frozen=True):
    """Answer to `metaget` and `metaclear`."""

    target: str  # as it is written
    values: list[Datum] = []
    wait: float | None = None  # seconds after which to ask again: it was too much for now


class Metadatum(Tells, frozen=True):
    """Somebody in a room, or the room, says something new of itself; without a value: says it no more."""

    room: str  # `@`: one's own other connection, or somebody one watches
    target: str  # a nick, or a room
    key: str
    value: str | None = None


Event = Metadata | Metadatum
