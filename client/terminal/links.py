"""Find the links in a message. Only web and mail addresses: a click must never open a file or run something."""

import re
from typing import NamedTuple

_LINK = re.compile(r"(?:https?://|mailto:|www\.)[^\s<>\"'`{}|\\^\x00-\x20]+", re.IGNORECASE)
_TRAILING = ".,;:!?*_~…"
_CLOSERS = {")": "(", "]": "[", "}": "{"}


class Link(NamedTuple):
    """`text[start:end]` points to `url`."""

    start: int
    end: int
    url: str


def find_links(text: str) -> list[Link]:
    """Return the links in ``text``, in order. Punctuation after a link is not part of it, nor a bracket around it."""
    links: list[Link] = []
    if "://" not in text and "." not in text and ":" not in text:
        return links
    for match in _LINK.finditer(text):
        found = _trim(match.group())
        url = f"https://{found}" if found.lower().startswith("www.") else found
        if len(found) > len("https://"):
            links.append(Link(match.start(), match.start() + len(found), url))
    return links


def _trim(found: str) -> str:
    while found:
        last = found[-1]
        opener = _CLOSERS.get(last)
        if last not in _TRAILING and (opener is None or found.count(last) <= found.count(opener)):
            break
        found = found[:-1]
    return found
