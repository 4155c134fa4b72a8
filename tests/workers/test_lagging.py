"""Clients that read too slowly and can resume: their output is freed, and they are replayed from the log."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import psutil
import pytest

from protocol import native
from tests.server import Peer, Server, serving, until

SMALL: Final = ("--workers", "1", "--no-limits", "--sendq-soft", "16384", "--sendq-hard", "65536")
ROOMS: Final = ("#one", "#two")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A server whose send queues are small, so that little output makes a client lag."""
    with serving(tmp_path / "data", *SMALL) as running:
        yield running


@pytest.fixture
def ann(small: Server) -> Iterator[Peer]:
    """Somebody who reads."""
    peer = Peer(small.port)
    yield peer
    peer.close()


@contextlib.contextmanager
def slow_peer(server: Server, nick: str, *rooms: str) -> Iterator[Peer]:
    """Be in these rooms until the block ends, and read only when the test does."""
    peer = Peer(server.port)
    peer.enter(nick, *rooms)
    try:
        yield peer
    finally:
        peer.close()


@dataclass
class Seen:
    """What one client was sent, in the order it came."""

    seqs: dict[str, list[int]] = field(default_factory=dict)
    replayed: int = 0  # messages that came in pages
    people: list[native.People] = field(default_factory=list)
    others: list[native.Event] = field(default_factory=list)

    def take(self, event: native.Event) -> None:
        if isinstance(event, native.Msg):
            self.seqs.setdefault(event.room, []).append(event.seq)
        elif isinstance(event, native.HistoryPage) and event.id is None:
            self.seqs.setdefault(event.room, []).extend(msg.seq for msg in event.messages)
            self.replayed += len(event.messages)
        elif isinstance(event, native.People) and event.id is None:
            self.people.append(event)
        else:
            self.others.append(event)

    def last(self, room: str) -> int:
        return self.seqs.get(room, [0])[-1]


def read_until(peer: Peer, seen: Seen, room: str, seq: int) -> None:
    for event in peer.events:
        seen.take(event)
    peer.events.clear()
    while seen.last(room) < seq:
        seen.take(peer._read())


def say(peer: Peer, to: str, count: int, text: str = "x" * 1000) -> int:
    """Say something ``count`` times; return the seq of the last."""
    for _ in range(count):
        peer.ids += 1
        peer.write(native.Send(id=peer.ids, cmid=f"c{peer.ids}-{id(peer)}", to=to, text=text))
    seqs = [peer.next(native.Ok).seq for _ in range(count)]
    peer.events.clear()
    return int(seqs[-1])


def lagged(server: Server) -> int:
    return server.log.count("lags behind")


def say_until_lagging(server: Server, peer: Peer, to: str) -> int:
    """Talk until somebody lags, and some more that only the log has; return the last seq."""
    before, last = lagged(server), 0
    while lagged(server) == before:
        last = say(peer, to, 20)
        assert last < 20_000
    return max(last, say(peer, to, 100))


def test_who_read_nothing_is_replayed_and_then_hears_what_is_live(small: Server, ann: Peer) -> None:
    ann.enter("ann", "#one")
    with slow_peer(small, "slow", "#one") as slow:
        last = say_until_lagging(small, ann, "#one")
        seen = Seen()
        read_until(slow, seen, "#one", last)
        assert seen.replayed > 90
        until(lambda: "has caught up" in small.log, "the replay to end")
        last = say(ann, "#one", 1)
        read_until(slow, seen, "#one", last)
        assert seen.seqs["#one"] == list(range(1, last + 1))
        assert [[person.nick for person in people.people] for people in seen.people] == [["ann", "slow"]]
        assert slow.ask(native.Send(cmid="own", to="#one", text="mine"), native.Ok).seq == last + 1


def test_what_was_taken_back_meanwhile_is_not_replayed(small: Server, ann: Peer) -> None:
    ann.enter("ann", "#one")
    with slow_peer(small, "slow", "#one") as slow:
        last = say_until_lagging(small, ann, "#one")
        first, end = last + 1, say(ann, "#one", 20, "secret")
        for seq in range(first, end + 1):
            ann.ask(native.Redact(cmid=f"r{seq}", room="#one", seq=seq), native.Ok)
        page: list[native.Msg] = []
        while not page or page[-1].seq < end + 20:
            event = slow.events.pop(0) if slow.events else slow._read()
            page += event.messages if isinstance(event, native.HistoryPage) else []
            page += [event] if isinstance(event, native.Msg) else []
        assert [msg.seq for msg in page] == list(range(1, end + 21))
        taken = [msg for msg in page if first <= msg.seq <= end]
        assert [(msg.text, msg.redacted) for msg in taken] == [("", True)] * 20
        assert [msg.reply for msg in page if msg.kind == "redact"] == list(range(first, end + 1))


def test_it_lags_again_and_again_under_load_and_misses_nothing_and_gets_nothing_twice(small: Server) -> None:
    stop, lasts = threading.Event(), dict.fromkeys(("#one", "#two", "@slow"), 0)

    def talk(nick: str, to: str) -> None:
        peer = Peer(small.port)
        peer.enter(nick, *ROOMS)
        while not stop.is_set():
            lasts[to] = say(peer, to, 10, "y" * 300)
        peer.close()

    with slow_peer(small, "slow", *ROOMS) as slow:
        threads = [threading.Thread(target=talk, args=(f"n{number}", to)) for number, to in enumerate(lasts)]
        for thread in threads:
            thread.start()
        seen = Seen()
        try:
            for turn in range(6):
                until(partial(_lagged_more, small, turn), "it to lag")
                until(partial(_reads_on, slow, seen, small, turn + 1), "it to catch up", 60)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        slow.write(native.Ping(id="end"))
        for room, to in (("#one", "#one"), ("#two", "#two"), ("@", "@slow")):
            read_until(slow, seen, room, lasts[to])
        assert [seen.last(room) for room in (*ROOMS, "@")] == list(lasts.values())
    assert seen.replayed > 200
    assert {people.room for people in seen.people} == set(ROOMS)
    for room, seqs in seen.seqs.items():
        assert seqs == list(range(1, len(seqs) + 1)), room


def _reads_on(peer: Peer, seen: Seen, server: Server, times: int) -> bool:
    """Read for a while; whether it has caught up so many times."""
    for _ in range(500):
        seen.take(peer._read())
    return server.log.count("has caught up") >= times


def _lagged_more(server: Server, times: int) -> bool:
    return lagged(server) > times


def test_answers_are_kept_while_it_lags_and_a_new_broker_goes_on_with_the_replay(small: Server, ann: Peer) -> None:
    ann.enter("ann", "#one")
    with slow_peer(small, "slow", "#one") as slow:
        before = lagged(small)
        say(ann, "#one", 40)
        for number in range(20):
            slow.write(native.Ping(id=f"p{number}"))
        last = say_until_lagging(small, ann, "#one")
        assert lagged(small) == before + 1
        seen = Seen()
        while not seen.replayed:
            seen.take(slow._read())
        small.kill("broker")
        last = max(last, say(ann, "#one", 5))
        read_until(slow, seen, "#one", last)
        assert seen.seqs["#one"] == list(range(1, last + 1))
        while sum(isinstance(event, native.Pong) for event in seen.others) < 20:
            seen.take(slow._read())


def test_a_room_it_leaves_meanwhile_is_not_replayed(small: Server, ann: Peer) -> None:
    ann.enter("ann", "#one", "#two")
    with slow_peer(small, "slow", "#one", "#two") as slow:
        say_until_lagging(small, ann, "#one")
        other = say(ann, "#two", 1)
        slow.write(native.Leave(id="leave", room="#one"))
        seen = Seen()
        while not any(getattr(event, "id", None) == "leave" for event in seen.others):
            seen.take(slow._read())
        left_at = seen.last("#one")
        read_until(slow, seen, "#two", other)
        until(lambda: "has caught up" in small.log, "the rest to be replayed")
        say(ann, "#one", 3)
        other = say(ann, "#two", 1)
        read_until(slow, seen, "#two", other)
        assert seen.last("#one") == left_at
        assert seen.seqs["#two"] == [1, 2]


def test_who_cannot_resume_is_told_why_after_whole_lines_and_closed(small: Server, ann: Peer) -> None:
    ann.enter("ann", "#lobby")
    with socket.create_connection(("127.0.0.1", small.port), timeout=20) as plain, plain.makefile("rb") as output:
        plain.sendall(b"nellie\n")
        ann.next(native.Joined)
        sent = 0
        while "cut off: more than 64 KiB were waiting" not in small.log:
            sent = say(ann, "#lobby", 20)
            assert sent < 20_000
        lines = output.read().decode().splitlines()
    said = [line for line in lines if line.endswith("x" * 1000)]
    assert 0 < len(said) < sent
    assert all(re.fullmatch(r"\d\d:\d\d <?ann>?:? ?x{1000}", line) for line in said)
    assert lines[-1] == "! you read too slowly: more than 64 KiB were waiting; come back when you can read on"
    assert [person.nick for person in ann.ask(native.Who(), native.People).people] == ["ann"]


def test_all_slow_readers_together_take_no_more_than_the_total_and_the_largest_goes_first(tmp_path: Path) -> None:
    options = ("--workers", "1", "--no-limits", "--sendq-total", str(1 << 20), "--sendq-soft", "16384")
    with serving(tmp_path / "data", *options) as server, contextlib.ExitStack() as stack:
        ann = stack.enter_context(slow_peer(server, "ann", "#one", "#two"))
        peers = [stack.enter_context(slow_peer(server, f"s{number}", "#one")) for number in range(8)]
        most = stack.enter_context(slow_peer(server, "most", "#one", "#two"))
        worker = psutil.Process(server.pids("worker")[-1])
        before = worker.memory_info().rss
        say(ann, "#two", 300)
        assert "lags" not in server.log
        last = 0
        while "lags behind: 1 MiB were waiting for slow readers in all" not in server.log:
            last = say(ann, "#one", 10)
            assert last < 2000
        port = most.sock.getsockname()[1]
        assert re.search(r"127\.0\.0\.1:(\d+) lags behind", server.log)[1] == str(port)  # type: ignore[index]
        last = say(ann, "#one", 1000)
        assert worker.memory_info().rss - before < 16 << 20
        for peer in peers:
            seen = Seen()
            read_until(peer, seen, "#one", last)
            assert seen.seqs["#one"] == list(range(1, last + 1))


def test_a_client_that_was_stopped_for_a_while_prints_everything_once(small: Server, ann: Peer, tmp_path: Path) -> None:
    ann.enter("ann", "#one")
    command = [sys.executable, "-m", "moot", "tail", f"127.0.0.1:{small.port}", "#one", "--json", "--since", "all"]
    output = tmp_path / "output"
    with output.open("wb") as stdout, subprocess.Popen(command, stdout=stdout, stdin=subprocess.DEVNULL) as tail:
        try:
            ann.next(native.Joined)
            os.kill(tail.pid, signal.SIGSTOP)
            last = say_until_lagging(small, ann, "#one")
            os.kill(tail.pid, signal.SIGCONT)
            until(lambda: "has caught up" in small.log, "it to be replayed")
            last = say(ann, "#one", 1)
            until(lambda: f'"seq":{last},' in output.read_text(), "the last line")
        finally:
            tail.kill()
    seqs = [json.loads(line)["seq"] for line in output.read_text().splitlines()]
    assert seqs == list(range(1, last + 1))
