"""The capabilities that clients may ask for, and what each changes. A table; `CAP` itself is in `registration`."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cap:
    """One capability."""

    name: str
    help: str  # what it changes here
    value: str = ""  # shown to clients of version 302
    letter: str = ""  # in the variant: it changes the bytes of what a room hears


CAPS: Final[tuple[Cap, ...]] = (
    Cap("away-notify", "who shares a channel hears who goes away and comes back", letter="a"),
    Cap("batch", "messages that belong together say so"),
    Cap("cap-notify", "implied by version 302; the list does not change while one is connected"),
    Cap("draft/chathistory", "CHATHISTORY; nothing earlier is sent on joining"),
    Cap("draft/no-implicit-names", "no list of names on joining"),
    Cap("echo-message", "one's own messages come back, as they were stored"),
    Cap("extended-join", "JOIN tells account (none yet: *) and real name", letter="j"),
    Cap("labeled-response", "answers carry the label of the question"),
    Cap("message-tags", "messages carry their msgid; tags of clients are not passed on (CLIENTTAGDENY=*)", letter="m"),
    Cap("multi-prefix", "all signs of a member are shown, not only the highest"),
    Cap("server-time", "messages carry the time at which they were stored", letter="t"),
    Cap("standard-replies", "errors that no numeric has come as FAIL"),
    Cap("userhost-in-names", "lists of names have nick!user@host"),
)
BY_NAME: Final = {cap.name: cap for cap in CAPS}


def variant(host: str, enabled: frozenset[str]) -> str:
    """Return the name of the bytes that clients with these capabilities get of what a room hears."""
    return f"irc {host} " + "".join(cap.letter for cap in CAPS if cap.name in enabled)
