"""What the messages of the native wire format are made of: the bases of requests and events, the types of fields."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

MAX_NAME: Final = 256  # characters of a nick or a room as it comes; once normalized, far fewer (`protocol.names`)
MAX_PERSON: Final = 150  # characters of a person's name, shown beside the nick
MAX_REMARK: Final = 400  # characters of a topic, a reason, an away message
INBOX: Final = "@"  # the room that holds the direct messages from and to oneself

Whole = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]  # what every JSON library keeps exactly
Seq = Annotated[int, Meta(ge=0, le=1 << 53)]
Gap = tuple[Seq, Seq]  # seqs from the first to the second, both included
Id = Whole | str | None  # a client's own name for a request; comes back in the answer
MsgId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$")]  # as `protocol.msgids` makes them
Cmid = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]  # message id made by the client, 128 random bits
Reason = Annotated[str, Meta(max_length=MAX_REMARK)]


class Asks(Struct, frozen=True, tag_field="op", tag=str.lower, omit_defaults=True, kw_only=True):
    """Base of requests."""

    id: Id = None


class Tells(Struct, frozen=True, tag_field="ev", tag=str.lower, omit_defaults=True, kw_only=True):
    """Base of events."""


class Answers(Tells, frozen=True, kw_only=True):
    """Base of events that answer a request."""

    id: Id = None  # the request's
