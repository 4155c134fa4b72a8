"""Servers known by their keys, as ssh has them: trusted on first use, and from then on no other key is taken.

Owns the file `known_servers` in the state directory, and what invitations say. Opens no connections.

A line is `HOST:PORT SHA256:…`, the pin of the server's key, or `HOST:PORT ca`: its certificate was valid for its
name. Of several lines for one server the last one counts, so that several programs may add to the file at once.
"""

import contextlib
import os
from functools import cache
from pathlib import Path
from typing import Final

from client.address import Address
from protocol.pins import parse_pin

CA: Final = "ca"  # known to have a certificate that is valid as usual, whatever its key
PLAIN: Final = "plain"  # has shown no key
NAME: Final = "known_servers"
_HEAD: Final = "# The keys of moot servers, one a line; `moot forget HOST:PORT` takes a server away.\n"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Untrusted(Exception):
    """The server is not, or may not be, who it was; the text is for people and says what to do."""


class Known:
    """The servers that one file names, and those that invitations of this run named."""

    def __init__(self, path: Path | None) -> None:
        """``path``: None keeps nothing beyond this program's end."""
        self.path = path
        self._invited: dict[str, str] = {}  # pins by server
        self._memory: dict[str, str] = {}  # what could not be written

    def expected(self, address: Address) -> str | None:
        """Return the pin that the server at ``address`` must have, or `CA`; None: it was never seen. Raises Untrusted.

        An invitation goes before what is known, but the two must not contradict each other: whoever sends invitations
        need not be who runs the server.
        """
        known, invited = self._known(address), self._invited.get(server_name(address))
        if invited is not None and known not in (None, CA, invited):
            raise Untrusted(
                f"The invitation to {address} names a key that it did not have before.\n"
                f"  in the invitation: {invited}\n"
                f"  known until now:   {known}\n" + _remedy(address)
            )
        return invited or known

    def is_loopback(self, address: Address) -> bool:
        """Whether the server is on this machine, or at the near end of a tunnel."""
        return server_name(address).startswith("localhost:")

    def identity(self, address: Address) -> str:
        """Return the name under which secrets for the server are kept: its address, and what it is known by.

        Raises Untrusted when that cannot be told.
        """
        return f"{server_name(address)} {self.expected(address) or PLAIN}"

    def is_invited(self, address: Address) -> bool:
        """Whether an invitation names its key."""
        return server_name(address) in self._invited

    def invite(self, address: Address, pin: str) -> None:
        """Take no other key there while this program runs; it is remembered when the server has shown it."""
        self._invited[server_name(address)] = pin

    def learn(self, address: Address, what: str) -> str:
        """Remember a pin, or `CA`. Return what people should know, mostly nothing."""
        server = server_name(address)
        with contextlib.suppress(Untrusted):  # what cannot be read may be added to
            if self._known(address) == what:
                return ""
        self._memory[server] = what
        if self.path is None:
            return ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
                file.write(("" if file.tell() else _HEAD) + f"{server} {what}\n")
        except OSError as error:
            return f"the key of {address} cannot be remembered in {self.path}: {error.strerror}"
        return ""

    def forget(self, address: Address) -> bool:
        """Know the server no more; return whether it was known. Raises OSError."""
        server = server_name(address)
        known = self._memory.pop(server, None) is not None
        lines = self._lines()
        kept = [line for line in lines if line.split()[:1] != [server]]
        if self.path is not None and len(kept) < len(lines):
            new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in kept)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            known = True
        return known

    def changed(self, address: Address, known: str, shown: str) -> Untrusted:
        """Return what to say of a server that showed another key than it should have."""
        return Untrusted(
            f"{address} IS NOT THE SERVER IT WAS, or somebody is between you and it: its key has changed.\n"
            f"  it showed:  {shown}\n"
            f"  expected:   {known}\n" + _remedy(address)
        )

    def invalid(self, address: Address, why: str) -> Untrusted:
        """Return what to say of a server whose certificate was valid before and is not now."""
        return Untrusted(
            f"The certificate of {address} is not valid ({why}), and it was before.\n"
            "Nothing was sent. Whoever runs the server can renew it; if it is to have none that others vouch for from "
            f"now on, run:  moot forget {address}\nand join again."
        )

    def _known(self, address: Address) -> str | None:
        """Raises Untrusted when that cannot be told."""
        server = server_name(address)
        try:
            lines = self._lines()
        except OSError as error:
            text = f"cannot read the keys of known servers in {self.path}: {error.strerror}; make it readable for you"
            raise Untrusted(text) from error
        found: str | None = None
        for number, line in enumerate(lines, 1):
            name, _, what = line.strip().partition(" ")
            if name == server:
                try:
                    found = what if what == CA else parse_pin(what)
                except ValueError as error:
                    text = f"line {number} of {self.path} is damaged, so the key of {address} cannot be checked"
                    raise Untrusted(f"{text}; mend it, or run: moot forget {address}") from error
        return self._memory.get(server, found)

    def _lines(self) -> list[str]:
        if self.path is None:
            return []
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []


def server_name(address: Address) -> str:
    """Return the name a server is known by; all of this machine's are one."""
    host = address.host.lower().rstrip(".")
    return str(Address("localhost" if host in _LOOPBACK else host, address.port))


def _remedy(address: Address) -> str:
    return (
        "Nothing was sent. Ask whoever runs the server, by another way than this chat, which key it has (its log says "
        f"so).\nIf it is the new one, run:  moot forget {address}\nand join again."
    )


@cache
def _known_in(path: Path) -> Known:
    return Known(path)


def default() -> Known:
    """Return the servers this person knows: `~/.local/state/moot/known_servers` on Linux."""
    from platformdirs import user_state_path

    return _known_in(user_state_path("moot", appauthor=False) / NAME)


def vouch(address: Address, pin: str) -> None:
    """The server there is our own, and this is its key."""
    known = default()
    known.learn(address, pin)
