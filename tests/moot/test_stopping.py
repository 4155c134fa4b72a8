"""SIGTERM while two thousand people of every kind are talking, and some of them read nothing."""

import json
import resource
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from moot.openfiles import raise_limit
from protocol import native
from tests.moot.program import moot
from tests.server import LIMIT_S, Server, serving

PEOPLE: Final = 2000
ROOM_SIZE: Final = 50
EACH_SAYS: Final = 3
KINDS: Final = (*["native"] * 5, *["with a token"] * 2, "deaf, with a token", "nc", "deaf nc")


class Person:
    """One connection, which says a few things at once and reads what comes, or nothing."""

    def __init__(self, port: int, number: int) -> None:
        kind = KINDS[number % len(KINDS)]
        self.nc, self.deaf = "nc" in kind, "deaf" in kind
        self.nick, self.room = f"n{number}", f"#r{number // ROOM_SIZE}"
        self.texts = [f"{self.nick}-{turn} {'x' * 600}" for turn in range(EACH_SAYS)]
        self.acknowledged: dict[int, str] = {}  # by seq
        self.bye: native.Bye | None = None
        self.rest = b""
        self.sock = socket.socket()
        self.sock.settimeout(LIMIT_S)
        if self.deaf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(("127.0.0.1", port))
        if self.nc:
            self.sock.sendall(f"{self.nick}\n/join {self.room}\n".encode())
        else:
            token = f"a token of {self.nick}, long enough" if "token" in kind else None
            requests = native.Hello(nick=self.nick, token=token), native.Join(room=self.room), native.Ping()
            self.sock.sendall(b"".join(native.encode(request) for request in requests))

    def come_in(self) -> None:
        inside = f"You are in {self.room}".encode() if self.nc else b'{"ev":"pong"'
        while inside not in self.rest:
            chunk = self.sock.recv(1 << 16)
            assert chunk
            self.rest += chunk
        self.rest = b""
        self.sock.setblocking(False)

    def talk(self) -> None:
        for turn, text in enumerate(self.texts):
            send = native.Send(id=turn, cmid=f"{self.nick}-{turn}", to=self.room, text=text)
            self.sock.sendall(text.encode() + b"\n" if self.nc else native.encode(send))

    def read(self) -> bool:
        """Read what there is; return whether more may come."""
        chunk = self.sock.recv(1 << 18)
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b'{"ev":"ok"'):
                ok = native.decode_event(line)
                assert isinstance(ok, native.Ok)
                assert isinstance(ok.id, int)
                assert ok.seq is not None
                self.acknowledged[ok.seq] = self.texts[ok.id]
            elif line.startswith(b'{"ev":"bye"'):
                bye = native.decode_event(line)
                assert isinstance(bye, native.Bye)
                self.bye = bye
            elif line.startswith(b"* Goodbye: "):
                reason, _, retry = line.decode().removeprefix("* Goodbye: ").partition(". Come back in ")
                self.bye = native.Bye(reason=reason, retry=float(retry.removesuffix(" seconds.")))
        return bool(chunk) and self.bye is None


@pytest.fixture
def people_count() -> Iterator[int]:
    """How many people fit the limit of open files, which is raised meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield min(PEOPLE, raise_limit() - 256)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def exported(server: Server) -> list[tuple[str, int, str]]:
    lines = map(json.loads, moot("export", "--data", server.data).stdout.splitlines())
    return [(line["room"], line["seq"], line["text"]) for line in lines if line["line"] == "message"]


def test_told_to_stop_by_thousands_it_drains_and_tells_everybody_to_come_back(
    tmp_path: Path, people_count: int
) -> None:
    with serving(tmp_path / "data", "--workers", "2") as server, selectors.DefaultSelector() as selector:
        assert server.process is not None
        people = [Person(server.port, number) for number in range(people_count)]
        for person in people:
            person.come_in()
            if not person.deaf:
                selector.register(person.sock, selectors.EVENT_READ, person)
        readers = [person for person in people if not person.deaf]
        for person in people:
            person.talk()
        answered, expected, told = 0, EACH_SAYS * sum(not person.nc for person in readers), 0.0
        while selector.get_map():
            ready = selector.select(LIMIT_S)
            assert ready, "nobody is told anything any more"
            for key, _ in ready:
                person, before = key.data, len(key.data.acknowledged)
                if not person.read():
                    selector.unregister(person.sock)
                    person.sock.close()
                answered += len(person.acknowledged) - before
                if not told and answered > 0.4 * expected:  # the rest is under way
                    told = time.monotonic()
                    server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(LIMIT_S) == 0
        assert time.monotonic() - told < 10
        assert "is killed" not in server.log
        for person in readers:
            assert person.bye is not None, person.nick
            assert person.bye.reason == "the server is stopping"
            assert person.bye.retry is not None
            assert 2.0 <= person.bye.retry <= 4.0
        kept = exported(server)
        assert {(person.room, *said) for person in readers for said in person.acknowledged.items()} <= set(kept)
        assert len({text for _, _, text in kept}) == len(kept)
        for person in people:
            person.sock.close()
