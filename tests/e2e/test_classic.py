"""The classic protocol over real sockets: clients that take what they read for one message, and ones with newlines."""

import contextlib
import itertools
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from protocol import accounts, native
from tests.server import LIMIT_S, Peer, Server, serving, until

MakePeer = Callable[..., Peer]
PACING_MS = 100  # more than usual: on a busy machine a client may read late, and then it would read two as one


class Told(NamedTuple):
    """A message from the server."""

    reason: str
    params: dict[str, str]
    content: str


def read(text: str) -> Told:
    reason, params, content = text.split(",", 2)
    return Told(reason, dict(pair.split("=", 1) for pair in params.split(";")), content)


class FirstClient:
    """As the first client is: it reads 2,048 bytes at most, and what it read is one message."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.read: list[bytes] = []
        self.at: list[float] = []
        self.ended = False
        self._seen = 0
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        try:
            while got := self.sock.recv(2048):
                self.at.append(time.monotonic())
                self.read.append(got)
        except OSError:
            pass
        self.ended = True

    @property
    def told(self) -> list[Told]:
        return [read(got.decode()) for got in self.read]

    def send(self, text: str) -> None:
        self.sock.sendall(text.encode())

    def enter(self, nick: str, color: str = "#D333FF") -> "FirstClient":
        self.send(f"CON,nickname={nick};password=;color={color},")
        assert self.next("CONVER").content == "OK"
        self.next("USER")
        return self

    def next(self, reason: str, content: str | None = None) -> Told:
        """Return the next message of this kind; those before it are passed over."""

        def found() -> Told | None:
            for index, told in enumerate(self.told[self._seen :], self._seen):
                if told.reason == reason and content in (None, told.content):
                    self._seen = index + 1
                    return told
            return None

        told: Told = until(found, f"{reason} {content or ''}")
        return told

    def said(self) -> list[tuple[str, str]]:
        return [
            (told.params["sender"], told.content.removeprefix("\n")) for told in self.told if told.reason == "CHATR"
        ]

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the server was first
            self.sock.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self.sock.close()


class LineClient(FirstClient):
    """One that ends its messages with newlines, and reads them."""

    @property
    def told(self) -> list[Told]:
        *lines, _rest = b"".join(self.read).decode("utf-8", "replace").split("\n")
        return [read(line) for line in lines]

    def send(self, text: str) -> None:
        super().send(text + "\n")

    def said(self) -> list[tuple[str, str]]:
        said: list[tuple[str, str]] = []
        for told in self.told:
            if "line" in told.params:
                said[-1] = (said[-1][0], f"{said[-1][1]}\n{told.content}")
            elif told.reason == "CHATR":
                said.append((told.params["sender"], told.content))
        return said


class Netcat(FirstClient):
    """A person with nc."""

    @property
    def screen(self) -> str:
        return b"".join(self.read).decode()

    def enter(self, nick: str, color: str = "") -> "Netcat":
        self.send(f"{nick}\n")
        until(lambda: "You are in #lobby" in self.screen, "the lobby")
        return self


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these; each test has it for itself."""
    options = ("--workers", "2", "--classic-pacing", str(PACING_MS))
    with serving(tmp_path_factory.mktemp("classic") / "data", *options) as running:
        yield running


def nobody_is_here(server: Server) -> bool:
    watcher = Peer(server.port)
    watcher.enter("watcher")
    alone: bool = watcher.ask(native.Who(), native.People).count == 1
    watcher.close()
    return alone


@pytest.fixture
def first(server: Server) -> Iterator[Callable[..., FirstClient]]:
    """Make introduced first clients, or with ``kind`` others; without a nick bare connections."""
    until(lambda: nobody_is_here(server), "those of the last test to leave")
    made: list[FirstClient] = []

    def make(nick: str = "", kind: type[FirstClient] = FirstClient, color: str = "#D333FF") -> FirstClient:
        made.append(kind(server.port))
        return made[-1].enter(nick, color) if nick else made[-1]

    yield make
    for one in made:
        one.close()
    assert "Traceback" not in server.log


def test_people_on_every_dialect_see_the_same(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    bob, lin, net = first("bob"), first("lin", LineClient), first("net", Netcat)
    ann = peer("ann", "#lobby")

    def heard() -> str:
        msg: native.Msg = ann.next(native.Msg)
        return msg.text

    bob.send("CHAT,rec=-ALL,hi, there; a=b/c")
    assert heard() == "hi, there; a=b/c"
    lin.send("CHAT,rec=-ALL,☕, please")
    assert heard() == "☕, please"
    net.send("from nc, too\n")
    assert heard() == "from nc, too"
    ann.ask(native.Send(cmid="a1", to="#lobby", text="two\nlines"), native.Ok)
    bob.send("CHAT,rec=-ALL,/cowsay?moo/")
    assert heard() == "two\nlines"
    cow = heard()
    assert "moo" in cow
    assert "^__^" in cow
    lin.send("CHAT,rec=-ALL,/train")
    train = heard()
    said = [("bob", "hi, there; a=b/c"), ("lin", "☕, please"), ("net", "from nc, too"), ("ann", "two\nlines")]
    said += [("bob", cow), ("lin", train)]
    until(lambda: len(bob.said()) == len(lin.said()) == 6, "all six")
    assert bob.said() == lin.said() == said
    assert isinstance(net, Netcat)
    shown = [f"{nick}: {text}" for nick, text in said[:2]] + [
        "ann: two\n    lines",
        *cow.split("\n"),
        *train.split("\n"),
    ]
    until(lambda: train.split("\n")[-1] in net.screen, "the train")
    at = 0
    for text in shown:
        at = net.screen.index(text, at)


def test_a_first_client_is_told_in_segments_of_their_own(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    bob, ann = first("bob"), peer("ann", "#lobby")
    texts = ["x" * 1900, "☕" * 1500, "0", "1", "2"]
    for number, text in enumerate(texts):
        ann.ask(native.Send(cmid=f"a{number}", to="#lobby", text=text), native.Ok)
    bob.next("CHATR", "2")
    said = [content for _sender, content in bob.said()]
    assert said[0] == texts[0]
    assert said[-3:] == texts[-3:]
    assert "".join(said[1:-3]) == texts[1]
    assert len(said[1:-3]) == 3
    assert all(len(got) < 2048 and not got.endswith(b"\n") for got in bob.read)
    gaps = [b - a for a, b in itertools.pairwise(bob.at)]
    assert sum(gaps) > 0.9 * len(gaps) * PACING_MS / 1000


def test_one_comes_in_and_the_others_are_told(first: Callable[..., FirstClient]) -> None:
    rita = first("rita", color="#0000FF")
    bob = first("bob")
    assert [(told.reason, told.content) for told in bob.told] == [
        ("CONVER", "OK"),
        ("INFO", "bob has joined the chat!"),
        ("USER", ""),
    ]
    assert rita.next("INFO", "bob has joined the chat!").params["sender"] == "bob"
    users = rita.next("USER").params
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", users.pop("time"))
    assert users == {"num": "2", "admin": "0", "0": "rita", "1": "bob"}
    bob.send("UPDATE,nickname=bobby;color=#0F0,")
    assert bob.next("CONFIRM").content == "OK"
    assert rita.next("INFO").content == "bob's name changed to bobby"
    assert rita.next("INFO").content == "bobby's color changed to #00FF00"
    bob.send("CHAT,rec=-ALL,hi")
    assert rita.next("CHATR").params["color"] == "#00FF00"
    bob.send("DISCON,,")
    assert bob.next("CONFIRM").params["reason"] == "DISCON"
    until(lambda: bob.ended, "the end of the connection")
    assert rita.next("INFO").content == "bobby has disconnected"
    assert rita.next("USER").params["num"] == "1"


def test_a_message_to_one_is_heard_by_both_and_nobody_else(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    bob, eve, ann = first("bob"), first("eve", LineClient), peer("ann", "#lobby")
    bob.send("CHAT,rec=ann,psst")
    assert bob.next("CHATR").params["rec"] == "ann"
    assert ann.next(native.Msg).text == "psst"
    ann.ask(native.Send(cmid="a", to="@bob", text="yes"), native.Ok)
    assert bob.next("CHATR", "yes").params["sender"] == "ann"
    bob.send("CHAT,rec=nobody,psst")
    assert bob.next("ERR").content.startswith("Error: nobody here is called nobody")
    bob.send("CHAT,rec=-ALL,done")
    eve.next("CHATR", "done")
    assert eve.said() == [("bob", "done")]


def test_earlier_messages_come_again(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    ann = peer("ann", "#lobby")
    for number in range(3):
        ann.ask(native.Send(cmid=f"a{number}", to="#lobby", text=f"before {number}"), native.Ok)
    bob, lin = first("bob"), first("lin", LineClient)
    bob.send("CHAT,rec=lin,psst")
    for one in (bob, lin):
        one.next("CHATR", "psst")
    for one in (bob, lin):
        assert one.said() == [("bob", "psst")]
        one.send("REF,,")
        assert one.next("CONFIRM").params["reason"] == "REF"
        one.next("CHATR", "psst")
        assert one.said()[-4:] == [*(("ann", f"before {number}") for number in range(3)), ("bob", "psst")]


def test_who_is_refused_may_try_again_on_the_same_connection(first: Callable[..., FirstClient]) -> None:
    first("bob")
    other = first()
    other.send("CON,nickname=bob;password=;color=,")
    assert other.next("CONVER").content.startswith("Error: bob is taken")
    other.send("CON,nickname=-ALL;password=;color=,")
    assert other.next("CONVER").content.startswith("Error: “-ALL” cannot be a nick")
    other.enter("bob2")


def test_run_together_and_in_pieces(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    ann = peer("ann", "#lobby")
    bob = first()
    bob.send("CON,nickname=bob;password=;color=#D333FF,USER,,CHAT,rec=-ALL,one, twoCHAT,rec=-ALL,three")
    assert [ann.next(native.Msg).text for _ in range(2)] == ["one, two", "three"]
    lin = first("lin", LineClient)
    for byte in "CHAT,rec=-ALL,☕, byte by byte\n".encode():
        lin.sock.sendall(bytes([byte]))
        ann.ask(native.Ping(), native.Pong)
    assert ann.next(native.Msg).text == "☕, byte by byte"


def test_nonsense_is_answered_and_hurts_nobody(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    ann, bob, lin = peer("ann", "#lobby"), first("bob"), first("lin", LineClient)
    for one in (bob, lin):
        for nonsense in ("hello", "FOO,,", "KICK,user=ann,why", "CHAT,rec=-ALL," + "x" * 301):
            one.send(nonsense)
            assert one.next("ERR").content.startswith("Error: ")
    rng = random.Random(7)
    for _ in range(5):
        noise = first()
        noise.sock.sendall(b"CON,nickname=noise" + rng.randbytes(3000) + b",CHAT,rec=" + rng.randbytes(3000))
        noise.sock.shutdown(socket.SHUT_WR)
        until(lambda noise=noise: noise.ended, "the end of the noise")  # type: ignore[misc]
    for one in (bob, lin):
        one.send("CHAT,rec=-ALL,still here")
        assert ann.next(native.Msg).text == "still here"


def test_the_broker_is_killed_and_nothing_is_lost(server: Server, first: Callable[..., FirstClient]) -> None:
    bob, lin = first("bob"), first("lin", LineClient)
    brokers = {1: 1, 4: 2}  # how many there have been when one is killed
    for number in range(6):
        if wanted := brokers.get(number):
            until(lambda wanted=wanted: len(server.pids("broker")) == wanted, "the next broker")  # type: ignore[misc]
            server.kill("broker")
        bob.send(f"CHAT,rec=-ALL,{number}")
    for one in (bob, lin):
        one.next("CHATR", "5")
        assert [content for _sender, content in one.said()] == ["0", "1", "2", "3", "4", "5"]
    lin.send("CHAT,rec=bob,still here")
    bob.next("CHATR", "still here")


def test_without_pacing_every_message_ends_with_a_newline(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--classic-pacing", "0") as server:
        bob = LineClient(server.port)
        bob.sock.sendall(b"CON,nickname=bob;password=;color=,")
        bob.next("USER")
        bob.sock.sendall(b"CHAT,rec=-ALL,hi")
        assert bob.next("CHATR").content == "hi"
        bob.close()


def test_who_is_told_more_than_pacing_lets_through_is_cut_off_and_told_why(tmp_path: Path) -> None:
    options = (
        "--workers",
        "1",
        "--no-limits",
        "--classic-pacing",
        "100",
        "--sendq-soft",
        "4096",
        "--sendq-hard",
        "16384",
    )
    with serving(tmp_path / "data", *options) as server:
        bob, ann = FirstClient(server.port).enter("bob"), Peer(server.port)
        ann.enter("ann", "#lobby")
        for number in range(12):
            ann.ask(native.Send(cmid=f"a{number}", to="#lobby", text=f"{number} " + "x" * 1900), native.Ok)
        assert "you read too slowly" in bob.next("ERR").content
        until(lambda: bob.ended, "the end of the connection")
        assert 1 <= len(bob.said()) < 12
        assert [msg.text.split()[0] for msg in ann.gather(native.Msg)] == [str(number) for number in range(12)]
        for one in (bob, ann):
            one.close()


def test_a_rush_of_newcomers_leaves_a_first_client_one_list(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    bob = first("bob")
    for number in range(20):
        peer(f"ann{number}", "#lobby")
    bob.next("INFO", "ann19 has joined the chat!")
    assert bob.next("USER").params["num"] == "21"
    assert sum(told.reason == "USER" for told in bob.told) < 20


def test_a_server_that_stops_warns(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1") as server:
        bob, lin = FirstClient(server.port).enter("bob"), LineClient(server.port).enter("lin")
        assert server.stop() == 0
        for one in (bob, lin):
            assert one.next("WARN").content
            until(lambda one=one: one.ended, "the end of the connection")  # type: ignore[misc]
            one.close()


# --- accounts


PASSWORD = "correct horse battery"


def claimed(peer: MakePeer, nick: str) -> None:
    """Have an account of that name."""
    owner = peer(nick)
    owner.ask(accounts.Register(password=PASSWORD), accounts.LoggedIn)
    owner.close()


def test_a_registered_nick_needs_its_password(first: Callable[..., FirstClient], peer: MakePeer) -> None:
    claimed(peer, "zoe")
    bob = first()
    bob.send("CON,nickname=zoe;password=;color=,")
    assert "belongs to an account" in bob.next("CONVER").content
    bob.send("CON,nickname=zoe;password=wrong horse;color=,")
    assert bob.next("CONVER").content.startswith("Error: the account or the password is wrong")
    bob.send(f"CON,nickname=zoe;password={PASSWORD};color=,")
    assert bob.next("CONVER").content == "OK"
    ear = peer("ear", "#lobby")
    assert ear.ask(native.Whois(nick="zoe"), native.Profile).account == "zoe"


def test_a_password_for_a_free_nick_makes_a_guest(first: Callable[..., FirstClient]) -> None:
    bob = first()
    bob.send("CON,nickname=bob;password=whatever;color=,")
    assert bob.next("CONVER").content == "OK"


def test_an_op_of_the_lobby_kicks_and_others_may_not(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--admin", "carl", "--classic-pacing", str(PACING_MS)) as server:
        shown = re.search(r"shown only now: (\S+)", server.log)
        assert shown is not None
        root, bob = FirstClient(server.port), FirstClient(server.port)
        root.send(f"CON,nickname=carl;password={shown[1]};color=,")
        assert root.next("CONVER").content == "OK"
        bob.enter("bob")
        root.send("USER,,")
        users = until(
            lambda: next((told for told in root.told if told.reason == "USER" and told.params["num"] == "2"), None),
            "both of them",
        )
        assert (users.params["admin"], users.params["admin0"]) == ("1", "carl")
        bob.send("KICK,user=carl,why")
        assert "Error" in bob.next("ERR").content
        root.send("KICK,user=nobody,why")
        assert "nobody" in root.next("ERR").content
        root.send("KICK,user=bob,too loud")
        assert bob.next("WARN").content == "You have been kicked for reason: too loud"
        until(lambda: bob.ended, "the end of the connection")
        assert root.next("INFO", "bob was put out of #lobby by carl: too loud")
        root.send("CHAT,rec=-ALL,quiet now")
        assert root.next("CHATR").content == "quiet now"
        root.close()
        bob.close()
