"""A raw IRC client for tests, with a parser of its own: it does what it is told to, and nothing by itself."""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import pytest

LIMIT_S: Final = 20.0


@dataclass(frozen=True)
class Message:
    """What the server sent."""

    command: str
    params: list[str]
    source: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    raw: str = ""

    @property
    def nick(self) -> str:
        return self.source.partition("!")[0]

    @property
    def last(self) -> str:
        return self.params[-1]


def parse(line: str) -> Message:
    raw, tags, source = line, {}, ""
    if line.startswith("@"):
        head, _, line = line[1:].partition(" ")
        tags = dict(tag.partition("=")[::2] for tag in head.split(";"))
    if line.startswith(":"):
        source, _, line = line[1:].partition(" ")
    head, colon, trailing = line.partition(" :")
    command, *params = head.split()
    return Message(command, [*params, trailing] if colon else params, source, tags, raw)


class Client:
    """One connection. `seen` is what came and was not asked for yet."""

    def __init__(self, address: tuple[str, int], *, utf8: bool = True) -> None:
        """``utf8``: the server says that nothing else comes from it (UTF8ONLY)."""
        self.errors = "strict" if utf8 else "replace"
        self.sock = socket.create_connection(address, timeout=LIMIT_S)
        self.rest = b""
        self.tokens = 0
        self.nick = ""
        self.claims: dict[str, str] = {}  # tokens of 005
        self.ours = False  # it is moot
        self.ours = False  # it is moot

    def send(self, *lines: str) -> None:
        self.raw("".join(f"{line}\r\n" for line in lines).encode())

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self) -> Message:
        while b"\r\n" not in self.rest:
            chunk = self.sock.recv(1 << 16)
            if not chunk:
                raise EOFError("the server closed the connection")
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\r\n")
        assert len(line.partition(b" ")[2] if line.startswith(b"@") else line) <= 510, "a message is too long"
        return parse(line.decode(errors=self.errors))

    def until(self, wanted: Callable[[Message], bool] | str) -> list[Message]:
        """Return what comes up to the first message that is ``wanted`` (a command's name will do), that included."""
        found: list[Message] = []
        while not found or not (found[-1].command == wanted if isinstance(wanted, str) else wanted(found[-1])):
            found.append(self.read())
        return found

    def told(self) -> list[Message]:
        """Return all that came before an answered ping: the barrier instead of a sleep."""
        self.tokens += 1
        token = f"barrier{self.tokens}"
        self.send(f"PING {token}")
        return self.until(lambda message: message.command == "PONG" and message.last == token)[:-1]

    def ask(self, *lines: str) -> list[Message]:
        """Say something and return what that brings."""
        self.send(*lines)
        return self.told()

    def numbers(self, *lines: str) -> list[str]:
        return [message.command for message in self.ask(*lines)]

    def register(self, nick: str, *caps: str) -> list[Message]:
        """Come in as ``nick`` with capabilities; return all that was said."""
        self.nick = nick
        if caps:
            self.send("CAP LS 302", f"CAP REQ :{' '.join(caps)}")
        self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick.title()} Example")
        if caps:
            answer = self.until(lambda message: message.command == "CAP" and message.params[1] in ("ACK", "NAK"))[-1]
            assert answer.params[1] == "ACK"
            self.send("CAP END")
        told = self.until(lambda message: message.command in ("376", "422"))
        for line in told:
            if line.command == "005":
                self.claims.update(word.partition("=")[::2] for word in line.params[1:-1])
            elif line.command == "004":
                self.ours = line.params[2].startswith("moot-")
        return told

    def needs(self, token: str, part: str = "") -> None:
        """Leave the test out against another server that does not claim in 005 what it is about; ours must."""
        if part not in self.claims.get(token, "") or token not in self.claims:
            assert not self.ours, f"005 has no {token} with {part!r}"
            pytest.skip(f"this server has no {token} with {part!r} in 005")

    def join(self, *channels: str) -> None:
        for channel in channels:
            self.send(f"JOIN {channel}")
        self.told()

    def leave(self) -> None:
        """Be gone, for certain, so that the nick is free."""
        with contextlib.suppress(OSError, EOFError):
            self.send("QUIT")
            self.until("ERROR")
        self.sock.close()
