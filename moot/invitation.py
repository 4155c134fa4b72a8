"""Invitations: where a server is, which room to enter, and the key by which it is known from the first moment on.

`moot://192.168.1.5:6668/#tea?key=SHA256:…`; room and key may be left out. Prints and connects nothing.
"""

import io
import os
import re
import shutil
import sys
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from client.address import Address, parse_address
from protocol.pins import parse_pin

SCHEME: Final = "moot://"
MAX_LENGTH: Final = 1000
MIN_QR_COLUMNS: Final = 37  # of a code that has a host's name and a key
_QUERY: Final = re.compile(r"\?(?=[a-z]+=[^?]*$)")  # a room's name may have question marks too
_EXAMPLE: Final = f"{SCHEME}HOST:PORT/#room?key=SHA256:…"


class Invitation(NamedTuple):
    """`room` and `pin` are empty when the invitation has none."""

    address: Address
    room: str = ""  # "#tea"
    pin: str = ""

    def __str__(self) -> str:
        room = "#" + quote(self.room.removeprefix("#"), safe="") if self.room else ""
        return f"{SCHEME}{self.address}/{room}" + (f"?key={self.pin}" if self.pin else "")


def is_invitation(text: str) -> bool:
    return text.strip()[: len(SCHEME)].lower() == SCHEME


def parse_invitation(text: str) -> Invitation:
    """Return what ``text`` invites to. Raises ValueError with a sentence for people."""
    rest = text.strip()[len(SCHEME) :]
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an invitation has at most {MAX_LENGTH} characters, this one {len(text):,}")
    place, found, query = rest, _QUERY.search(rest), ""
    if found is not None:
        place, query = rest[: found.start()], rest[found.end() :]
    host, _, room = place.partition("#")
    if "#" in query and not room:  # as web addresses are built: the fragment last
        query, _, room = query.partition("#")
    name, _, value = query.partition("=")
    if query and name != "key":
        raise ValueError(f"{name!r} in the invitation means nothing here; expected {_EXAMPLE}")
    host, _, path = host.partition("/")
    if path.startswith("%23") and not room:
        path, room = "", path[3:]
    if path.strip("/"):
        raise ValueError(f"{path!r} in the invitation means nothing here; expected {_EXAMPLE}")
    room = unquote(room)
    if room and (len(room) > 64 or room.split() != [room]):
        raise ValueError(f"{room!r} in the invitation is no room; a name has 1 to 64 characters and no blanks")
    return Invitation(parse_address(host), "#" + room if room else "", parse_pin(value) if query else "")


def qr_code(text: str) -> str:
    """Return ``text`` as a QR code for the terminal; nothing when it cannot show one, or is too small."""
    size = shutil.get_terminal_size()
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb" or encoding != "utf8":
        return ""
    if size.columns < MIN_QR_COLUMNS or size.lines < MIN_QR_COLUMNS // 2:
        return ""
    import segno

    code, drawn = segno.make(text, error="l", micro=False), io.StringIO()
    width, height = code.symbol_size()
    if width > size.columns or (height + 1) // 2 >= size.lines:
        return ""
    code.terminal(drawn, compact=True)
    return drawn.getvalue().rstrip("\n")
