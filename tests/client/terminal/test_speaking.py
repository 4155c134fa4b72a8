"""What becomes of a line."""

import pytest

from client.session import Session
from client.terminal.speaking import Set, decide, help_text, offers
from client.terminal.tracker import Tracker
from protocol import native
from protocol.commands import Local, Problem

THEMES = ("nord", "moot-dark")


def tracker() -> Tracker:
    session = Session("kim", ["#lobby"])
    fun = [native.FunCommand("cowsay", "/cowsay TEXT", "A cow says it.")]
    session.welcome = native.Welcome(nick="kim", server="s", version="1", epoch="e", fun=fun)
    return Tracker(session)


@pytest.mark.parametrize(
    ("line", "decision"),
    [
        ("hello", [native.Send(cmid="c", to="#lobby", text="hello")]),
        ("//shrug", [native.Send(cmid="c", to="#lobby", text="/shrug")]),
        ("/me waves", [native.Send(cmid="c", to="#lobby", text="waves", kind="me")]),
        ("/cowsay hi", [native.Fun(cmid="c", to="#lobby", line="/cowsay hi")]),
        ("/theme nord", Set("theme", "nord")),
        ("/notify all", Set("notify", "all")),
        ("/clear", Local("clear")),
        ("/theme pink", Problem("/theme takes one of: nord, moot-dark")),
        ("/clock", Problem("/clock takes one of: 24, 12, off")),
    ],
)
def test_lines(line: str, decision: object) -> None:
    assert decide(line, tracker(), THEMES, lambda: "c") == decision


def test_a_line_in_a_conversation_goes_to_the_person() -> None:
    track = tracker()
    track.select("@bob")
    assert decide("hi", track, THEMES, lambda: "c") == [native.Send(cmid="c", to="@bob", text="hi")]


def test_every_command_is_offered_once_the_servers_and_our_own_too() -> None:
    names = [item.insert for item in offers(tracker())]
    assert {"/join", "/cowsay", "/theme"} <= set(names)
    assert len(names) == len(set(names))


def test_help_knows_our_own_commands() -> None:
    assert help_text(tracker(), "clock") == "/clock 24|12|off\nChoose how times are shown."
    assert "/notify" in help_text(tracker(), "")
    assert help_text(tracker(), "me").startswith("/me TEXT")
