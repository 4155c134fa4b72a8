"""Connections of a real worker: limits, hostile bytes, odd moments to go."""

import contextlib
import json
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from protocol import native
from tests.server import LIMIT_S, Peer, Server, meeting, serving, until

MakePeer = Callable[..., Peer]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole module; every test has rooms and nicks of its own."""
    with serving(tmp_path_factory.mktemp("conn") / "data", "--workers", "1") as running:
        yield running


@pytest.fixture
def meet(shared: Server) -> Iterator[MakePeer]:
    yield from meeting(shared)


def who(peer: Peer) -> list[str]:
    return [person.nick for person in peer.ask(native.Who(), native.People).people]


def alone(peer: Peer, nick: str) -> None:
    """Wait until nobody but ``nick`` is here."""
    until(lambda: who(peer) == [nick], f"only {nick} to be here")


def test_numbers_too_great_are_refused_and_the_server_goes_on(meet: MakePeer) -> None:
    ann, eve = meet("ann1", "#n"), meet("eve1", "#n")
    for line in (
        b'{"op":"ping","id":99999999999999999999999}\n',
        b'{"op":"history","room":"#n","before":9223372036854775808}\n',
        b'{"op":"send","cmid":"c","to":"#n","text":"x","reply":-99999999999999999999999}\n',
    ):
        eve.sock.sendall(line)
        assert eve.next(native.Error).code == "bad-request"
    assert ann.ask(native.Send(cmid="c", to="#n", text="fine"), native.Ok).seq == 1


def test_a_second_hello_sent_before_the_first_is_answered_is_refused(meet: MakePeer) -> None:
    ann = meet()
    ann.write(native.Hello(id=1, nick="ann2"))
    ann.write(native.Hello(id=2, nick="other2"))
    ann.write(native.Hello(id=3, nick="third2"))
    assert ann.next(native.Welcome).id == 1
    assert [ann.next(native.Error).code for _ in range(2)] == ["bad-request", "bad-request"]
    assert "other2" not in who(ann)


def test_saying_hello_again_is_refused_and_costs_as_much_as_talking(meet: MakePeer) -> None:
    ann = meet("ann12")
    again = ann.ask(native.Hello(nick="other12"), native.Error)
    assert (again.code, again.text) == ("bad-request", "already introduced; use nick to take another one")
    for number in range(60):
        ann.write(native.Hello(id=f"h{number}", nick="other12"))
    codes = [ann.next(native.Error).code for _ in range(40)]
    assert codes.count("bad-request") >= 10
    assert codes.count("flood") >= 25


def test_a_nick_that_is_taken_may_be_changed_twice_and_more_at_the_pace_of_talking(meet: MakePeer) -> None:
    meet("ann13")
    eve = meet()
    for number in range(60):
        eve.write(native.Hello(id=f"h{number}", nick="ann13"))
    codes = [eve.next(native.Error).code for _ in range(40)]
    assert codes.count("nick-taken") >= 12
    assert codes.count("flood") >= 25


def test_requests_sent_with_the_hello_are_carried_out_after_it_fun_ones_too(meet: MakePeer) -> None:
    ann = meet()
    ann.write(native.Hello(id=1, nick="ann3"))
    ann.write(native.Join(id=2, room="#three"))
    ann.write(native.Fun(id=3, cmid="f", to="#three", line="/slap bob"))
    ann.write(native.Send(id=4, cmid="s", to="#three", text="after"))
    said = [ann.next(native.Msg).text for _ in range(2)]
    assert said[0].startswith("slaps") or "ann3" in said[0]
    assert said[1] == "after"


def test_fun_without_a_hello_is_refused(meet: MakePeer) -> None:
    assert meet().ask(native.Fun(cmid="f", to="#x", line="/train"), native.Error).code == "not-introduced"


def test_a_hello_behind_a_quit_leaves_no_ghost(meet: MakePeer) -> None:
    ann, ghost = meet("ann4", "#four"), meet()
    both = native.encode(native.Quit()) + native.encode(native.Hello(nick="ghost4"))
    ghost.sock.sendall(both + native.encode(native.Join(room="#four")))
    assert ghost.ended()
    alone(ann, "ann4")


@pytest.mark.parametrize("reset", [True, False])
def test_who_goes_right_after_the_hello_leaves_no_ghost(meet: MakePeer, reset: bool) -> None:
    ann = meet("ann5", "#five")
    for number in range(20):
        peer = meet()
        if reset:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.write(native.Hello(nick=f"ghost5-{number}"))
        peer.write(native.Join(room="#five"))
        peer.close()
    alone(ann, "ann5")


def test_who_goes_while_a_fun_command_is_drawn_leaves_no_ghost(meet: MakePeer) -> None:
    ann, eve = meet("ann6", "#six"), meet("eve6", "#six")
    for number in range(5):
        eve.write(native.Fun(cmid=f"f{number}", to="#six", line="/cowsay hi"))
    eve.close()
    alone(ann, "ann6")
    assert ann.ask(native.Fun(cmid="f", to="#six", line="/cowsay hi"), native.Ok).room == "#six"


def test_who_goes_with_much_still_waiting_leaves_no_ghost(meet: MakePeer) -> None:
    ann, eve = meet("ann7", "#seven"), meet("eve7", "#seven")
    for number in range(40):  # held back by the flood limit
        eve.write(native.Send(cmid=f"c{number}", to="#seven", text="x"))
    eve.close()
    alone(ann, "ann7")


def test_half_closing_before_the_hello_ends_the_connection(meet: MakePeer) -> None:
    for first in (b"", b"{\n", native.encode(native.Ping(id=1))):
        peer = meet()
        peer.sock.sendall(first)
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.ended()


def test_half_closing_answers_what_was_asked(meet: MakePeer) -> None:
    peer = meet("ann8", "#eight")
    peer.write(native.Send(id="last", cmid="c", to="#eight", text="x"))
    peer.sock.shutdown(socket.SHUT_WR)
    assert peer.ended()
    kinds = [type(event).__name__ for event in peer.events if getattr(event, "id", None) in ("last", None)]
    assert "Ok" in kinds
    assert "Bye" in kinds


def test_a_flood_is_delayed_then_refused_and_the_connection_stays(meet: MakePeer) -> None:
    ann = meet("ann9")
    for number in range(60):
        ann.write(native.Away(id=f"n{number}", text="x"))
    refused = [ann.next(native.Error) for _ in range(60 - 30)]
    assert {error.code for error in refused} == {"flood"}
    assert all(error.wait is not None and 10 < error.wait < 12 for error in refused)
    assert refused[0].id in ("n29", "n30", "n31")


def test_who_is_refused_for_flooding_keeps_the_order_of_what_was_said(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--flood-rate", "20", "--flood-delay", "0.5") as server:
        ann = Peer(server.port)
        ann.write(native.Hello(id="hello", nick="ann", token="a token of ann, long"))
        ann.next(native.Welcome)
        ann.ask(native.Join(room="#f"), native.Room)
        sends = [native.Send(id=f"s{n}", cmid=f"c{n}", to="#f", text="x") for n in range(40)]
        for send in sends:
            ann.write(send)
        first = ann.next(native.Error)
        number = int(str(first.id)[1:])
        rest = [ann.next(native.Error) for _ in range(39 - number)]
        assert [error.id for error in rest] == [f"s{n}" for n in range(number + 1, 40)]
        assert {error.code for error in (first, *rest)} == {"flood"}

        def comes_again() -> bool:
            """There is more and more room, but a later message does not take it."""
            late = ann.ask(native.Send(cmid=f"late{ann.ids}", to="#f", text="x"), native.Error)
            assert (late.code, late.wait is not None) == ("flood", True)
            again = ann.ask(sends[number], object)
            return isinstance(again, native.Ok) and again.seq == number + 1

        until(comes_again, "what was refused first to be taken first")
        ann.close()


def test_a_hello_that_comes_after_the_greeting_is_a_program_s(meet: MakePeer) -> None:
    ann = meet()
    words = b""
    while words.count(b"\n") < 2:
        words += ann.sock.recv(1 << 16)
    assert words.startswith(b"Welcome to moot")
    assert ann.enter("late1", "#late").nick == "late1"
    assert ann.ask(native.Whois(nick="late1"), native.Profile).dialect == "native"


def test_a_flood_of_nonsense_is_cut_off_and_others_do_not_wait(meet: MakePeer) -> None:
    ann, eve = meet("ann10"), meet("eve10")
    eve.sock.sendall(b"{\n" * 2000)
    assert eve.ended()
    errors = [event.code for event in eve.events if isinstance(event, native.Error)]
    assert errors[-1] == "flood"
    assert 20 <= errors.count("bad-request") <= 40
    alone(ann, "ann10")


def test_a_page_of_long_messages_reaches_a_client_that_reads(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#long")
        for number in range(300):
            ann.write(native.Send(id=number, cmid=f"c{number}", to="#long", text="x" * 3990))
        for _ in range(300):
            ann.next(native.Ok)
        for number in range(8):
            ann.write(native.History(id=f"h{number}", room="#long", limit=500))
        pages = [ann.next(native.HistoryPage) for _ in range(8)]
        assert all(page.more and page.messages[-1].seq == 300 for page in pages)
        eve = Peer(server.port)
        eve.enter("eve")
        seqs: list[int] = []
        eve.ask(native.Join(room="#long"), native.Room)
        while len(seqs) < 300:
            page = eve.ask(native.History(room="#long", after=len(seqs), limit=500), native.HistoryPage)
            seqs += [msg.seq for msg in page.messages]
        assert seqs == list(range(1, 301))
        ann.close()
        eve.close()


KINDS: Final = get_args(native.Request)
OPS: Final = [*(kind.__name__.lower() for kind in KINDS), "dance"]
FIELDS: Final = sorted({field for kind in KINDS for field in kind.__struct_fields__})
VALUES: Final[list[Any]] = [
    *("", "#tea", "@", "@ann", "#", "\x00", "\u202e", "/cowsay moo", "раураl", "é", "~00", "0123456789abcdef"),
    *("x" * 5000, "\U0001f469\u200d" * 50, None, True, 0, -1, 1 << 53, 1 << 70, 0.5, [], {}),
]


def _hostile_line(rng: random.Random) -> bytes:
    """Return a request with something wrong in it, mostly."""
    request = {"op": rng.choice(OPS), "cmid": str(rng.random())[2:]}
    request |= {field: rng.choice(VALUES) for field in rng.sample(FIELDS, rng.randint(0, 5))}
    request |= {"room": "#tea", "to": "#tea", "text": "x"} if rng.random() < 0.5 else {}
    line = json.dumps(request).encode() + b"\n"
    if rng.random() < 0.2:
        at = rng.randrange(len(line))
        line = line[:at] + rng.randbytes(rng.randint(1, 9)) + line[at + 1 :]
    return line


@pytest.mark.parametrize("seed", range(3))
def test_whatever_clients_send_no_process_stumbles(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        ann = Peer(server.port)
        ann.enter("ann", "#tea")
        socks = []
        for number in range(30):
            sock = socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)
            socks.append(sock)
            first = native.encode(native.Hello(nick=f"n{number}")) + native.encode(native.Join(room="#tea"))
            lines = [_hostile_line(rng) for _ in range(60)]
            stream = (first if rng.random() < 0.8 else b"") + b"".join(lines)
            cut = rng.randrange(len(stream))
            with contextlib.suppress(ConnectionError):  # it may have said quit in between
                sock.sendall(stream[:cut])
                ann.ask(native.Ping(), native.Pong)
                sock.sendall(stream[cut:])
        assert ann.ask(native.Send(cmid="c", to="#tea", text="still here"), native.Ok).room == "#tea"
        for sock in socks:
            sock.close()
        alone(ann, "ann")
        page = ann.ask(native.History(room="#tea", after=0, limit=500), native.HistoryPage)
        assert [msg.seq for msg in page.messages] == list(range(1, len(page.messages) + 1))
        assert "Traceback" not in server.log
        assert " ended (" not in server.log
        ann.close()


def test_who_sends_on_and_on_is_read_more_slowly_and_still_answered_each_time(meet: MakePeer) -> None:
    ann, eve = meet("ann11"), meet("eve11")
    eve.sock.sendall(b"".join(native.encode(native.Away(id=number, text="x")) for number in range(1500)))
    ann.ask(native.Ping(), native.Pong)
    eve.sock.sendall(native.encode(native.Away(id=1500, text="x")))
    refused = [eve.next(native.Error).id for _ in range(1500 - 30)]
    assert len(set(refused)) == 1500 - 30
    eve.next(lambda event: getattr(event, "id", None) == 1500)
    assert "eve11" in who(ann)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has no patience with who reads nothing, with a room #big of 1 MiB."""
    data = tmp_path_factory.mktemp("impatient") / "data"
    with serving(data, "--workers", "1", "--no-limits", "--sendq-stall", "1", "--lag-limit", "3") as running:
        ann = Peer(running.port)
        ann.enter("ann", "#big")
        for number in range(260):
            ann.ask(native.Send(cmid=f"c{number}", to="#big", text="x" * 3990), native.Ok)
        ann.close()
        yield running


@contextlib.contextmanager
def asking_for_much(server: Server, nick: str) -> Iterator[Peer]:
    """Be one who has asked for some 15 MB, far more than the kernel holds, and has not read any of it."""
    peer = Peer(server.port)
    peer.enter(nick, "#big")
    end = time.monotonic() + 0.3  # by then the worker has nothing to look at any more and does not tick
    until(lambda: peer.ask(native.Ping(), native.Pong) and time.monotonic() > end, "the worker to rest")
    for number in range(60):
        peer.write(native.History(id=f"h{number}", room="#big", limit=500))
    try:
        yield peer
    finally:
        peer.close()


def test_who_reads_nothing_lags_though_nobody_else_comes_and_is_closed_in_the_end(impatient: Server) -> None:
    with asking_for_much(impatient, "deaf"):
        until(lambda: "lags behind: nothing of what was sent was read for 1 seconds" in impatient.log, "it to lag")
        until(lambda: "cut off: it read nothing for 3 seconds" in impatient.log, "who does not read to go")


def test_who_reads_slowly_but_steadily_stays(impatient: Server) -> None:
    with asking_for_much(impatient, "slow") as slow:
        before, read = impatient.log.count("cut off"), bytearray()

        def reads_a_little() -> bool:
            read.extend(slow.sock.recv(4096))
            return time.monotonic() > end

        end = time.monotonic() + 4
        until(reads_a_little, "four seconds of reading 400 kB/s")
        assert impatient.log.count("cut off") == before
        slow.rest = bytes(read)
        pages = [slow.next(native.HistoryPage).id for _ in range(60)]
        assert pages == [f"h{number}" for number in range(60)]
