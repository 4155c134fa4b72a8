"""Tags that programs give each other with messages: their names, how they are written, their limit. Pure.

Source: IRCv3 message-tags. Every dialect gives and takes them as name and value; they are bounded as they are written,
so that whoever hears a message can be sent all of them.
"""

import re
from collections.abc import Mapping
from typing import Final

from protocol.native import MAX_TAGS

# '+', then "[ <vendor> '/' ] <sequence of letters, digits, hyphens>", where a vendor is a host
_NAME: Final = re.compile(r"\+(?:[A-Za-z0-9.-]{1,100}/)?[A-Za-z0-9-]{1,100}")
_ESCAPED: Final = str.maketrans({";": "\\:", " ": "\\s", "\\": "\\\\", "\r": "\\r", "\n": "\\n", "\0": None})


def is_name(name: str) -> bool:
    """Whether a client may give a message a tag of this name: those without a plus are the server's."""
    return _NAME.fullmatch(name) is not None


def escape(value: str) -> str:
    """Return a tag's value as it is written."""
    return value.translate(_ESCAPED)


def written(tags: Mapping[str, str]) -> str:
    """Return tags as they stand before a message; those whose names cannot stand there are left out."""
    return ";".join(f"{name}={escape(value)}" if value else name for name, value in tags.items() if is_name(name))


def fault(tags: Mapping[str, str]) -> str | None:
    """Return what is wrong with the tags of a client, as the end of a sentence; None: nothing."""
    for name, value in tags.items():
        if not is_name(name):
            return "a tag's name is + and letters, digits and hyphens, maybe with a host and / before them"
        if "\0" in value:
            return "a tag's value has no zero bytes"
    if tags and len(written(tags).encode("utf-8", "replace")) > MAX_TAGS:
        return f"a message's tags have {MAX_TAGS:,} bytes at most"
    return None
