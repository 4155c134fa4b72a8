"""What others do in a room, as the terminal client and the line-by-line client show it, on a real server."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import accounts, moderation, native
from tests.server import Peer, Server
from tests.tmux import MOOT, Terminal

MakePeer = Callable[..., Peer]
Sit = Callable[..., Terminal]


@pytest.fixture
def sit(server: Server, tmp_path: Path) -> Iterator[Sit]:
    """Open terminals with somebody in #tea."""
    with contextlib.ExitStack() as stack:

        def one(nick: str, *options: str, width: int = 100) -> Terminal:
            command = [*MOOT, "join", f"127.0.0.1:{server.port}", "--nick", nick, "--room", "#tea", *options]
            terminal = stack.enter_context(Terminal(command, tmp_path / nick, width, 24))
            terminal.wait_for("#tea>" if "--plain" in options else lambda screen: f"● {nick}" in screen)
            return terminal

        yield one


def say(peer: Peer, text: str, **more: object) -> int:
    """Say something in #tea; return its seq."""
    ok = peer.ask(native.Send(cmid=f"c{peer.ids}", to="#tea", text=text, **more), native.Ok)  # type: ignore[arg-type]
    assert ok.seq is not None
    return ok.seq


def test_reactions_answers_and_what_is_taken_back(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#tea")
    ann, plain = sit("ann"), sit("carl", "--plain")
    seq = say(bob, "shall we have tea?")
    ann.wait_for("bob │ shall we have tea?")
    say(bob, "👍", kind="react", reply=seq)
    ann.wait_for("👍 bob")
    ann.say("/react 🎉")
    ann.wait_for("👍 bob  🎉 ann")
    say(bob, "at five", reply=seq)
    ann.wait_for("↪ bob: shall we have tea?")
    ann.wait_for("at five")
    plain.wait_for("ann answers 🎉 to bob: shall we have tea?")
    plain.wait_for("bob (answering bob: shall we have tea?): at five")
    bob.ask(native.Redact(cmid="r", room="#tea", seq=seq), native.Ok)
    screen = ann.wait_for("(taken back)")
    assert "shall we have tea?" not in screen
    plain.wait_for("bob took back")
    late = sit("eve", "--plain")
    screen = late.wait_for("at five")
    assert "bob: (taken back)" in screen
    assert "shall we have" not in screen


def test_who_is_typing_is_shown_until_they_said_it(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#tea")
    ann = sit("ann")
    bob.write(native.Typing(to="#tea"))
    ann.wait_for("bob is typing…")
    say(bob, "done")
    ann.wait_for(lambda screen: "bob │ done" in screen and "typing" not in screen)
    ann.type("hello b")
    assert bob.next(native.IsTyping) == native.IsTyping(room="#tea", nick="ann", state="active")
    ann.keys("C-u")
    assert bob.next(native.IsTyping).state == "done"

    def seen(screen: str) -> bool:
        bob.write(native.Typing(to="#tea"))  # the server tells the same again only after a while
        return "bob is typing…" in screen

    ann.wait_for(seen)
    ann.wait_for(lambda screen: "typing" not in screen, "a sign runs out")


def test_roles_are_signs_and_changes_are_sentences(sit: Sit, peer: MakePeer) -> None:
    ann = sit("ann")  # who makes a room is its op
    ann.wait_for("▸@ ann")
    bob = peer("bob", "#tea")
    ann.wait_for(" ● bob")
    ann.say("/voice bob")
    screen = ann.wait_for("ann gave bob a voice in #tea")
    ann.wait_for(" + bob")
    ann.say("/mode +moderated")
    ann.wait_for("ann let only those with a voice speak in #tea")
    say(bob, "I have one")
    ann.wait_for("bob │ I have one")
    assert "ann gave" in screen


def test_who_is_put_out_reads_by_whom_and_why(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#tea")
    ann, plain = sit("ann"), sit("carl", "--plain")
    ann.say("/join #lobby")
    ann.wait_for("≡ #lobby")
    bob.ask(moderation.Kick(nick="ann", room="#tea", reason="enough"), native.Ok)
    ann.wait_for("You were put out of #tea by bob: enough")
    ann.wait_for(lambda screen: not re.search(r"\d #tea", screen), "the room is gone")
    plain.wait_for("ann was put out of #tea by bob: enough")
    bob.ask(moderation.Kick(nick="carl", room="#tea"), native.Ok)
    plain.wait_for("You were put out of #tea by bob")
    bob.ask(moderation.Invite(nick="ann", room="#tea"), native.Ok)
    ann.wait_for("bob invites you to #tea; /join #tea takes")
    bob.ask(moderation.Ban(mask="carl", room="#tea"), native.Ok)
    plain.say("/join #tea")
    plain.wait_for(lambda screen: "banned" in screen, "why they may not come in")


def test_a_room_goes_on_under_another_name(sit: Sit, peer: MakePeer) -> None:
    bob = peer("bob", "#tea")
    bob.ask(accounts.Register(password="correct horse"), accounts.LoggedIn)
    bob.ask(moderation.Claim(room="#tea"), native.Ok)
    ann, plain = sit("ann"), sit("carl", "--plain")
    say(bob, "before")
    ann.wait_for("bob │ before")
    bob.ask(moderation.Retitle(room="#tea", name="#coffee"), native.Ok)
    ann.wait_for(lambda screen: "≡ #coffee" in screen and "bob │ before" in screen)
    plain.wait_for("bob renamed #tea to #coffee")
    plain.wait_for("#coffee>")
    ann.say("after")
    plain.wait_for("ann: after")
    plain.say("and here")
    ann.wait_for("carl │ and here")
