"""One person with several terminals: the same rooms, and what was read on one is read on all."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import accounts, native
from protocol.account_commands import plain_login
from tests.server import Peer, Server
from tests.tmux import MOOT, Terminal

MakePeer = Callable[..., Peer]
Sit = Callable[..., Terminal]
PASSWORD = "correct horse battery"


@pytest.fixture
def sit(server: Server, tmp_path: Path) -> Iterator[Sit]:
    """Open terminals of one person, each on a machine of its own, logged in."""
    with contextlib.ExitStack() as stack:

        def one(machine: str, *options: str) -> Terminal:
            first = not (tmp_path / machine).exists()
            command = [*MOOT, "join", f"127.0.0.1:{server.port}", *options]
            terminal = stack.enter_context(Terminal(command, tmp_path / machine, 100, 24))
            if first:
                terminal.wait_for("its password")  # the login name is hers
                terminal.say(PASSWORD)
            terminal.wait_for("● ann ✓")
            return terminal

        yield one


@pytest.fixture
def ann(peer: MakePeer) -> None:
    owner = peer("ann")
    owner.ask(accounts.Register(password=PASSWORD), accounts.LoggedIn)
    owner.close()


def say(peer: Peer, room: str, text: str) -> None:
    peer.ask(native.Send(cmid=re.sub(r"\W", "_", text), to=room, text=text), native.Ok)


@pytest.mark.usefixtures("ann")
def test_a_room_entered_on_one_device_is_heard_on_the_other(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#lobby", "#tea")
    laptop, phone = sit("laptop"), sit("phone")
    laptop.say("/join #tea")
    laptop.wait_for("≡ #tea")
    phone.wait_for(lambda screen: re.search(r"2 #tea", screen) and "≡ #lobby" in screen, "#tea in the list, not shown")
    say(bob, "#tea", "for both of you")
    laptop.wait_for("bob │ for both of you")
    phone.keys("M-2")
    phone.wait_for("bob │ for both of you")
    who = bob.ask(native.Who(room="#tea"), native.People)
    assert sorted(person.nick for person in who.people) == ["ann", "bob"]
    phone.say("said on the phone")
    laptop.wait_for("ann │ said on the phone")
    laptop.say("/leave #tea")
    phone.wait_for(lambda screen: "#tea" not in screen.replace("left #tea", ""), "gone here too")


@pytest.mark.usefixtures("ann")
def test_what_was_read_on_one_device_is_read_on_the_other_and_after_a_restart(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#lobby", "#tea")
    laptop, phone = sit("laptop"), sit("phone")
    laptop.say("/join #tea")
    laptop.wait_for("≡ #tea")
    say(bob, "#tea", "one")
    laptop.wait_for("bob │ one")
    phone.wait_for(
        lambda screen: re.search(r"2 #tea +1\b", screen) is None and "2 #tea" in screen, "read on the laptop"
    )
    laptop.keys("C-q")
    laptop.wait_for("exit status 0")
    for text in ("two", "three"):
        say(bob, "#tea", text)
    phone.wait_for(lambda screen: re.search(r"2 #tea +2\b", screen), "two unread on the phone")
    back = sit("laptop")
    back.wait_for(lambda screen: re.search(r"2 #tea +2\b", screen), "two unread on the laptop that comes back")
    back.keys("M-2")
    screen = back.wait_for("new messages")
    assert re.search(r"one\n.*new messages.*\n(.*\n)*?.*two", screen)
    phone.wait_for(lambda screen: "2 #tea" in screen and re.search(r"2 #tea +2\b", screen) is None, "read meanwhile")


@pytest.mark.usefixtures("ann")
def test_direct_messages_not_read_yet_are_counted_after_a_restart(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#lobby")
    laptop = sit("laptop")
    say(bob, "@ann", "first")
    laptop.wait_for(lambda screen: re.search(r"2 bob +1\b", screen), "unread")
    laptop.keys("M-2")
    laptop.wait_for("bob ┃ first")
    laptop.keys("C-q")
    laptop.wait_for("exit status 0")
    asleep = peer()
    asleep.ask(plain_login("ann", PASSWORD), accounts.LoggedIn)  # the account is here, and nobody looks
    asleep.enter("ann")
    say(bob, "@ann", "second")
    again = sit("laptop")
    again.wait_for(lambda screen: re.search(r"2 bob +1\b", screen), "one unread")
    again.keys("M-2")
    screen = again.wait_for("bob ┃ second")
    assert re.search(r"first\n.*new messages.*\n(.*\n)*?.*second", screen)
