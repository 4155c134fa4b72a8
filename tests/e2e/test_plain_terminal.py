"""`moot join --plain` in a real terminal, and by itself where there is none."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import native
from tests.server import LIMIT_S, Peer, Server, until
from tests.tmux import MOOT, Terminal, environment

MakePeer = Callable[..., Peer]
Sit = Callable[..., Terminal]


@pytest.fixture
def sit(server: Server, tmp_path: Path) -> Iterator[Sit]:
    """Open terminals with somebody in the chat."""
    with contextlib.ExitStack() as stack:

        def one(nick: str, width: int = 80, height: int = 24) -> Terminal:
            command = [*MOOT, "join", f"127.0.0.1:{server.port}", "--plain", "--nick", nick]
            terminal = stack.enter_context(Terminal(command, tmp_path / nick, width, height))
            terminal.wait_for("#lobby>")
            return terminal

        yield one


def prompt(screen: str) -> str:
    """Return the last line of ``screen``: the one that is being typed."""
    return screen.rstrip().rpartition("\n")[2].rstrip()


def test_what_comes_in_stands_above_the_typed_line(sit: Sit, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), sit("ann")
    ann.type("half a li")
    ann.wait_for("#lobby> half a li")
    for number in range(8):
        bob.ask(native.Send(cmid=f"n{number}", to="#lobby", text=f"noise {number} " + "long " * 5 * number), native.Ok)
        ann.wait_for(f"bob: noise {number}")
        assert prompt(ann.wait_for(lambda screen: prompt(screen).startswith("#lobby>"))) == "#lobby> half a li"
    ann.type("ne")
    ann.keys("Enter")
    assert bob.next(lambda event: isinstance(event, native.Msg) and event.nick == "ann").text == "half a line"
    screen = ann.wait_for(lambda screen: prompt(screen) == "#lobby>")
    assert screen.count("half a line") == 1  # what one said oneself stands there as typed
    assert re.search(r"^\d\d:\d\d bob: noise 0$", screen, re.MULTILINE)


def test_lines_typed_ahead_stay_apart(sit: Sit, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), sit("ann")
    said = [f"line {number}" for number in range(9)]
    for text in said:
        ann.say(text)
    assert [bob.next(native.Msg).text for _ in said] == said


def test_pictures_and_answers_are_lines(sit: Sit, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), sit("ann")
    bob.ask(native.Fun(cmid="cow", to="#lobby", line="/cowsay moo"), native.Ok)
    ann.wait_for("< moo >")
    ann.wait_for("(oo)")
    bob.ask(native.Fun(cmid="party", to="#lobby", line="/cowsay :tada: 火"), native.Ok)
    ann.wait_for("< 🎉 火 >")
    bob.ask(native.Fun(cmid="train", to="#lobby", line="/train"), native.Ok)
    ann.wait_for("m  o  o  t")
    ann.say("/helo")
    ann.wait_for("Did you mean /help?")
    ann.say("/online")
    ann.wait_for("2 people: ann, bob")
    assert ann.state("alternate_on") == "0"


def test_a_server_restart_keeps_the_typed_line_and_sends_once(server: Server, sit: Sit, peer: MakePeer) -> None:
    ann = sit("ann")
    ann.type("typed before,")
    ann.wait_for("typed before,")
    server.crash()
    ann.wait_for("Connection lost")
    ann.type(" and after")
    assert prompt(ann.wait_for("typed before, and after")) == "#lobby> typed before, and after"
    ann.keys("Enter")
    ann.wait_for("it will be said when the connection is back")
    server.start()
    ann.wait_for("Connected again.")
    ann.say("once more")
    bob = peer("bob", "#lobby")

    def said() -> list[tuple[int, str]]:
        page = bob.ask(native.History(room="#lobby"), native.HistoryPage)
        return [(msg.seq, msg.text) for msg in page.messages]

    ann.say("/online")
    ann.wait_for("2 people: ann, bob")
    assert said() == [(1, "typed before, and after"), (2, "once more")]
    ann.say("/roll 1d1")  # the server's fun commands are still known
    ann.wait_for("1d1: 1")


def test_what_was_sent_before_the_client_was_killed_is_said_once(server: Server, sit: Sit, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), sit("ann")
    with server.stopped():
        ann.say("typed to the wind")
        ann.say("and again")
        journal = ann.home / ".local/state/moot/outbox"
        until(lambda: any(b"and again" in path.read_bytes() for path in journal.rglob("*-wal")), "the lines on disk")
        os.kill(ann.foreground(), signal.SIGKILL)
        ann.ended()
    ann = sit("ann")
    assert [bob.next(native.Msg).text for _ in range(2)] == ["typed to the wind", "and again"]
    ann.wait_for("Still waits from last time, for #lobby: typed to the wind")
    screen = ann.wait_for(lambda screen: "ann: and again" in screen)
    assert screen.count("ann: typed to the wind") == 1
    assert bob.gather(native.Msg) == []
    ann.say("/quit")
    assert ann.ended() == 0


@pytest.mark.parametrize("keys", ["C-c", "C-d", "/quit"])
def test_leaving_leaves_a_clean_terminal(sit: Sit, peer: MakePeer, keys: str) -> None:
    bob, ann = peer("bob", "#lobby"), sit("ann", 20, 5)
    if keys == "C-c":
        ann.type("never mind")
        ann.wait_for("never mind")
        ann.keys("C-c")  # the first one empties the line
        ann.wait_for(lambda screen: "never mind" not in screen)
    ann.keys(*([keys] if keys.startswith("C-") else [keys, "Enter"]))
    assert ann.ended() == 0
    assert bob.next(native.Left).nick == "ann"
    ann.say("echo he$((1))lo")
    ann.wait_for("he1lo")
    assert (ann.state("alternate_on"), ann.state("cursor_flag"), ann.state("keypad_cursor_flag")) == ("0", "1", "0")


@pytest.mark.parametrize("options", [(), ("--plain",)])
def test_without_a_terminal_it_is_a_filter_without_control_characters(
    server: Server, peer: MakePeer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    bob = peer("bob", "#lobby")
    bob.ask(native.Send(cmid="1", to="#lobby", text="earlier"), native.Ok)
    done = subprocess.run(
        [*MOOT, "join", f"127.0.0.1:{server.port}", "--nick", "ann", *options],
        input=b"hello\n/cowsay moo\n/nosuch\n/who\nbye\n",
        env=environment(tmp_path / "home"),
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    out = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)
    assert "bob: earlier\n" in out
    assert "ann: hello\n" in out
    assert "< moo >" in out
    assert "There is no command /nosuch" in out
    assert "2 people: ann, bob\n" in out
    kinds = [(msg.kind, msg.text) for msg in bob.gather(native.Msg) if msg.nick == "ann" and msg.kind == "text"]
    assert kinds == [("text", "hello"), ("text", "bye")]
