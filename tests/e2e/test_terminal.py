"""The terminal client as people use it: in a real terminal, on a real server."""

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.terminal.composer import HINT
from protocol import native
from tests.server import Peer, Server, serving, until
from tests.tmux import MOOT, Terminal

MakePeer = Callable[..., Peer]
MODES = ("alternate_on", "mouse_any_flag", "mouse_sgr_flag", "keypad_flag", "keypad_cursor_flag", "insert_flag")


class People:
    """Opens terminals with somebody in the chat on one server, and closes them."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server = server
        self.home = home
        self._stack = contextlib.ExitStack()

    def sit(self, nick: str, width: int = 80, height: int = 24, *options: str) -> Terminal:
        """Start ``nick``'s client; it may not be connected yet."""
        where = f"127.0.0.1:{self.server.port}"
        command = [*MOOT, "join", where, "--nick", nick, *options]
        terminal = Terminal(command, self.home / nick, width, height)
        return self._stack.enter_context(terminal)

    def __enter__(self) -> "People":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]


@pytest.fixture
def people(server: Server, tmp_path: Path) -> Iterator[People]:
    with People(server, tmp_path / "home") as made:
        yield made


def line(screen: str) -> str:
    """Return what stands in the input line of ``screen``, rows that it was wrapped to joined by a newline."""
    _above, mark, rest = screen.rpartition("❯")
    assert mark, f"no input line on\n{screen}"
    text = "\n".join(row[2:] if number else row[1:] for number, row in enumerate(rest.split("\n"))).strip()
    return "" if text and HINT.startswith(text) else text  # the hint for newcomers is not typed


def holds(text: str) -> Callable[[str], bool]:
    """Return a test whether the input line holds exactly ``text``; blanks at the end cannot be seen."""
    return lambda screen: line(screen) == text.strip()


def is_connected(screen: str) -> bool:
    return "● " in screen and "not connected" not in screen


def history(peer: Peer, room: str = "#lobby") -> list[tuple[int, str]]:
    page = peer.ask(native.History(room=room, limit=500), native.HistoryPage)
    return [(msg.seq, msg.text) for msg in page.messages]


# --- two people


def test_two_people_chat_and_each_sees_each_line_once(people: People) -> None:
    ann, bob = people.sit("ann"), people.sit("bob", 120, 40)
    ann.wait_for("2 ☺")
    bob.wait_for(is_connected)
    ann.say("is anybody here?")
    bob.wait_for("is anybody here?")
    bob.say("me, and a 火車 :tada:")
    for terminal in (ann, bob):
        screen = terminal.wait_for("me, and a 火車 🎉")
        assert screen.count("is anybody here?") == 1
        assert screen.count("me, and a 火車") == 1
        assert re.search(r"ann │ is anybody here\?", screen)
        assert line(screen) == ""


def test_a_train_crosses_the_screen_and_the_typed_line_stays(people: People, peer: MakePeer) -> None:
    ann, bob = people.sit("ann"), peer("bob", "#lobby")
    ann.wait_for(is_connected)
    ann.type("half a li")
    ann.wait_for("half a li")
    bob.ask(native.Fun(cmid="t", to="#lobby", line="/train"), native.Ok)
    seen: list[int] = []  # columns the funnel was seen at

    def moved(screen: str) -> bool:
        assert line(screen) == "half a li"
        funnel = re.search(r"^(.*)m  o  o  t", screen, re.MULTILINE)
        if funnel is not None and funnel.start(0) is not None:
            column = len(funnel[1])
            if not seen or seen[-1] != column:
                seen.append(column)
        return len(seen) >= 3

    ann.wait_for(moved, "a train at three places")
    assert seen == sorted(seen, reverse=True)  # from the right to the left
    ann.type("ne")
    ann.keys("Enter")
    assert bob.next(lambda event: isinstance(event, native.Msg) and event.kind == "text").text == "half a line"
    screen = ann.wait_for(lambda screen: "ann │ half a line" in screen and line(screen) == "")
    assert screen.count("half a line") == 1


# --- what comes in while one types


def test_a_line_typed_letter_by_letter_survives_100_messages_a_second(tmp_path: Path) -> None:
    typed = "the quick brown fox jumps over the lazy dog & 12 (häßliche) Füchse :-)"
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server, People(server, tmp_path) as people:
        ann, noise, ear = people.sit("ann"), Peer(server.port), Peer(server.port)
        noise.enter("noise", "#lobby")
        ear.enter("ear", "#lobby")
        ann.wait_for("3 ☺")
        enough = threading.Event()
        sent: list[int] = []

        def chatter() -> None:
            while not enough.wait(0.01):
                sent.append(len(sent))
                noise.write(native.Send(cmid=f"n{len(sent)}", to="#lobby", text=f"noise {len(sent)}"))

        thread = threading.Thread(target=chatter)
        thread.start()
        try:
            ann.wait_for("noise 1")
            for count, letter in enumerate(typed, 1):
                ann.type(letter)
                assert typed[:count].startswith(line(ann.screen()))
                if count % 7 == 0 or count == len(typed):
                    ann.wait_for(holds(typed[:count]), typed[:count])
            ann.keys("Enter")
            said = ear.next(lambda event: isinstance(event, native.Msg) and event.nick == "ann")
            assert said.text == typed
            assert len(sent) > 50
        finally:
            enough.set()
            thread.join()
        ann.wait_for(lambda screen: line(screen) == "")
        noise.ask(native.Ping(), native.Pong)
        noise.ask(native.Send(cmid="last", to="#lobby", text="that was all"), native.Ok)
        screen = ann.wait_for("that was all")
        numbers = [int(found) for found in re.findall(r"noise (\d+)", screen)]
        assert numbers == list(range(len(sent) - len(numbers) + 1, len(sent) + 1))
        noise.close()
        ear.close()


# --- sizes


def test_in_20_by_5_one_can_start_type_send_and_quit(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann", 20, 5)
    ann.wait_for(is_connected)
    ann.say("a line longer than the terminal is wide")
    assert bob.next(native.Msg).text == "a line longer than the terminal is wide"
    ann.wait_for(lambda screen: "wide" in screen and line(screen) == "")
    bob.ask(native.Send(cmid="b", to="#lobby", text="you do not need more"), native.Ok)
    ann.wait_for("you do not need\nmore")
    ann.say("/cowsay moo")
    bob.next(lambda event: isinstance(event, native.Msg) and event.kind == "fun")
    ann.say("/quit")
    assert ann.ended() == 0


def test_the_screen_follows_the_size_of_the_terminal(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann", 100, 30)
    ann.wait_for(is_connected)
    bob.ask(native.Send(cmid="b", to="#lobby", text="stay here"), native.Ok)
    ann.wait_for("stay here")
    ann.type("typed already")
    ann.wait_for("typed already")
    for width, height, members in ((40, 10, False), (20, 5, False), (120, 40, True), (57, 12, False), (100, 30, True)):
        ann.resize(width, height)

        def fits(screen: str, shown: bool = members, columns: int = width) -> bool:
            rows = screen.split("\n")
            return "stay here" in screen and ("2 here" in screen) == shown and max(map(len, rows)) <= columns

        screen = ann.wait_for(fits, f"a screen of {width}x{height}")
        assert line(screen) == "typed already"
    ann.keys("Enter")
    assert bob.next(lambda event: isinstance(event, native.Msg) and event.nick == "ann").text == "typed already"


# --- pasting


def test_two_hundred_pasted_lines_are_one_message(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann")
    ann.wait_for(is_connected)
    text = "\n".join(f"pasted {number}" for number in range(1, 201))
    ann.paste(text + "\n")
    ann.wait_for("pasted 200")
    assert bob.gather(native.Msg) == []  # nothing goes out before Enter
    ann.keys("Enter")
    assert bob.next(native.Msg).text == text
    ann.wait_for(lambda screen: "│ pasted 200" in screen and line(screen) == "")
    assert bob.gather(native.Msg) == []


def test_a_text_over_the_limit_is_told_and_kept(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann")
    ann.wait_for(is_connected)
    ann.paste("x" * 3999 + "yz!")
    ann.wait_for("4,002 of 4,000: 2 too many")
    ann.keys("Enter")
    ann.wait_for(lambda screen: "4,002 characters, 2 more" in screen)
    assert bob.gather(native.Msg) == []
    ann.keys("BSpace", "BSpace")
    ann.wait_for("4,000 of 4,000")
    ann.keys("Enter")
    assert bob.next(native.Msg).text == "x" * 3999 + "y"


# --- trouble


def test_a_server_restart_under_a_typing_client_loses_and_doubles_nothing(people: People, peer: MakePeer) -> None:
    server = people.server
    bob, ann = peer("bob", "#lobby"), people.sit("ann", 100, 24)
    ann.wait_for(is_connected)
    ann.say("before")
    bob.next(native.Msg)
    ann.type("typed before,")
    ann.wait_for("typed before,")
    server.crash()
    screen = ann.wait_for("not connected")
    assert line(screen) == "typed before,"
    ann.type(" and during the pause")
    ann.wait_for("typed before, and during the pause")
    ann.keys("Enter")
    ann.say("and another")
    ann.wait_for("2 waiting")
    ann.type("half a li")
    ann.wait_for("half a li")
    server.start()
    bob = peer("bob", "#lobby")
    screen = ann.wait_for(lambda screen: is_connected(screen) and "waiting" not in screen)
    assert line(screen) == "half a li"
    ann.type("ne")
    ann.keys("Enter")
    bob.next(lambda event: isinstance(event, native.Msg) and event.text == "half a line")
    expected = ["before", "typed before, and during the pause", "and another", "half a line"]
    assert history(bob) == list(enumerate(expected, 1))
    screen = ann.wait_for(lambda screen: line(screen) == "" and "│ half a line" in screen)
    assert [screen.count(f"│ {text}") for text in expected] == [1, 1, 1, 1]


def kill(terminal: Terminal) -> None:
    """Kill the client as a machine does that has no memory left."""
    os.kill(terminal.foreground(), signal.SIGKILL)
    terminal.ended()


def test_what_was_sent_before_the_client_was_killed_is_said_once(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann")
    ann.wait_for(is_connected)
    ann.say("one")
    kill(ann)  # maybe acknowledged, maybe not even read
    ann = people.sit("ann")
    ann.wait_for(is_connected)
    with people.server.stopped():
        ann.say("two, to a server that stands still")
        ann.say("/me waits")
        ann.wait_for("waits")
        kill(ann)
        ann = people.sit("ann")
        ann.wait_for(lambda screen: "two, to a server" in screen and "waits" in screen, "what waits")
        kill(ann)  # and again, before it could say it
    people.server.crash()
    ann = people.sit("ann")
    ann.wait_for("2 waiting")
    ann.say("three, to nobody")
    ann.wait_for("3 waiting")
    kill(ann)
    people.server.start()
    ann = people.sit("ann")
    screen = ann.wait_for(lambda screen: is_connected(screen) and "⋯" not in screen and "to nobody" in screen)
    bob = peer("bob", "#lobby")
    texts = [text for _, text in history(bob)]
    assert [text for text in texts if text != "one"] == [
        "two, to a server that stands still",
        "waits",
        "three, to nobody",
    ]
    assert texts.count("one") <= 1
    assert [screen.count(text) for text in texts] == [1] * len(texts)
    ann.keys("C-q")
    assert ann.ended() == 0
    again = people.sit("ann")
    again.wait_for(is_connected)
    assert again.wait_for("to nobody").count("to nobody") == 1
    assert [text for _, text in history(bob)] == texts


def test_a_damaged_outbox_is_told_and_the_chat_goes_on(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann", 100, 24)
    ann.wait_for(is_connected)
    ann.keys("C-q")
    assert ann.ended() == 0
    [path] = (people.home / "ann/.local/state/moot/outbox").rglob("chat-*")
    path.write_bytes(b"no database" * 1000)
    ann = people.sit("ann", 100, 24)
    ann.wait_for("the file of unsent messages was damaged")
    ann.wait_for(is_connected)
    ann.say("still here")
    assert bob.next(native.Msg).text == "still here"
    assert Path(f"{path}-damaged-0").exists()


def test_what_another_nick_left_is_said_too(people: People, peer: MakePeer) -> None:
    bob = peer("bob", "#lobby")
    ann = people.sit("ann")
    ann.wait_for(is_connected)
    with people.server.stopped():
        ann.say("left behind")
        ann.wait_for("left behind")
        kill(ann)
    where = f"127.0.0.1:{people.server.port}"
    with Terminal([*MOOT, "join", where, "--nick", "zoe"], people.home / "ann", 100, 24) as zoe:
        assert bob.next(lambda event: isinstance(event, native.Msg)).nick == "ann"
        zoe.wait_for("1 message typed earlier as ann: all answered")
        zoe.wait_for("ann │ left behind")
    assert history(bob) == [(1, "left behind")]


@pytest.mark.parametrize("kind", ["broker", "worker"])
def test_a_process_killed_under_a_typing_client_loses_and_doubles_nothing(
    people: People, peer: MakePeer, kind: str
) -> None:
    server = people.server
    ann = people.sit("ann")
    ann.wait_for(is_connected)
    for number in range(1, 7):
        ann.type(f"line {number} ")
        if number in (2, 4):
            for pid in server.pids(kind)[-2 if kind == "worker" else -1 :]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        ann.say("typed")
        ann.wait_for(lambda screen: line(screen) == "")
    ann.wait_for(lambda screen: is_connected(screen) and "line 6 typed" in screen)

    def all_there() -> bool:
        bob = Peer(server.port)
        try:
            bob.enter(f"bob{os.urandom(3).hex()}", "#lobby")
            return history(bob) == [(number, f"line {number} typed") for number in range(1, 7)]
        except (OSError, EOFError):
            return False
        finally:
            bob.close()

    until(all_there, "six lines in the log")
    screen = ann.wait_for(lambda screen: "waiting" not in screen and is_connected(screen))
    assert [screen.count(f"│ line {number} typed") for number in range(1, 7)] == [1] * 6


def test_a_taken_nick_is_told_and_a_free_one_offered(people: People, peer: MakePeer) -> None:
    bob = peer("bob", "#lobby")
    second = people.sit("Bob")
    screen = second.wait_for("Bob2")
    assert re.search(r"taken|in use", screen)
    second.keys("Enter")
    second.wait_for(lambda screen: "● Bob2" in screen)
    second.say("I am the other one")
    assert bob.next(native.Msg).nick == "Bob2"
    third = people.sit("BOB")
    third.wait_for("BOB")
    third.wait_for("Your nick")
    third.keys("Escape")
    assert third.ended() == 1


def test_a_server_that_is_not_there_is_said_and_waited_for(people: People, tmp_path: Path) -> None:
    people.server.stop()
    ann = people.sit("ann")
    screen = ann.wait_for("not connected")
    assert "Traceback" not in screen
    ann.keys("C-q")
    assert ann.ended() in (0, 1)
    assert "Traceback" not in ann.scrollback()


# --- reading


def test_scrolling_up_loads_older_messages_and_new_ones_are_counted(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server, People(server, tmp_path) as people:
        bob = Peer(server.port)
        bob.enter("bob", "#lobby")
        for number in range(1, 301):
            bob.write(native.Send(cmid=f"m{number}", to="#lobby", text=f"message {number}."))
        bob.gather(native.Ok)
        ann = people.sit("ann")
        ann.wait_for("message 300.")

        def further(screen: str) -> bool:
            ann.keys("PPage")
            return "message 1." in screen

        screen = ann.wait_for(further, "the first message")
        numbers = [int(found) for found in re.findall(r"message (\d+)\.", screen)]
        assert numbers == list(range(1, len(numbers) + 1))
        for number in range(3):
            bob.ask(native.Send(cmid=f"new{number}", to="#lobby", text=f"new one {number}"), native.Ok)
        screen = ann.wait_for("3 new ↓")
        assert "message 1." in screen
        ann.keys("End")
        screen = ann.wait_for("new one 2")
        assert "new ↓" not in ann.wait_for(lambda screen: "new ↓" not in screen)
        bob.close()


def test_help_keys_and_search_open_and_close(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann", 100, 40)
    ann.wait_for(is_connected)
    bob.ask(native.Send(cmid="1", to="#lobby", text="the needle"), native.Ok)
    ann.wait_for("the needle")
    ann.say("/help")
    ann.wait_for("/quit [REASON]")
    ann.say("/help order")
    ann.wait_for("/unban MASK")
    ann.say("/helo")
    ann.wait_for("There is no command /helo. Did you mean")
    ann.keys("C-c")
    ann.keys("F1")
    ann.wait_for("Ctrl+Q")
    ann.keys("F1")
    ann.wait_for(lambda screen: "Ctrl+Q" not in screen)
    ann.keys("C-f")
    ann.wait_for("search")
    ann.type("needle")
    ann.wait_for("1 of 1")
    ann.keys("Escape")
    ann.wait_for(lambda screen: "1 of 1" not in screen)
    ann.say("and I type again")
    assert bob.next(lambda event: isinstance(event, native.Msg) and event.nick == "ann").text == "and I type again"


# --- leaving


def is_clean(terminal: Terminal) -> bool:
    """Say whether the terminal is as a shell expects it."""
    return terminal.state("cursor_flag") == "1" and all(terminal.state(mode) in ("0", "") for mode in MODES)


@pytest.mark.parametrize("way", ["/quit", "ctrl+q", "terminate"])
def test_leaving_gives_back_a_clean_terminal(people: People, way: str) -> None:
    ann = people.sit("ann")
    ann.wait_for(is_connected)
    assert not is_clean(ann)
    if way == "/quit":
        ann.say("/quit")
    elif way == "ctrl+q":
        ann.keys("C-q")
    else:
        os.kill(int(ann.foreground()), signal.SIGTERM)
    code = ann.ended()
    assert code == 0 or way == "terminate"
    ann.say("echo he$((1))lo")
    screen = ann.wait_for("he1lo")
    assert is_clean(ann)
    assert "❯" not in screen
    assert "Traceback" not in ann.scrollback()


def test_ctrl_c_empties_the_line_and_does_not_throw_one_out(people: People, peer: MakePeer) -> None:
    bob, ann = peer("bob", "#lobby"), people.sit("ann")
    ann.wait_for(is_connected)
    ann.type("never mind")
    ann.wait_for("never mind")
    ann.keys("C-c")
    ann.wait_for(lambda screen: line(screen) == "")
    ann.keys("C-c")
    ann.say("still here")
    assert bob.next(native.Msg).text == "still here"
