"""Programs that nobody here wrote log in: irssi, WeeChat through TLS and `irc` by SASL, `pydle` by PASS."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from protocol import accounts, native
from tests.outside.programs import Irssi, Person, WeeChat, need, script
from tests.server import Peer, Server, serving, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server runs on Unix")
ROOM = "#tea"
PASSWORD = "sesame-and-poppy"
CHEAP = ("--argon2-memory", "64", "--argon2-passes", "1")
PROGRAMS: dict[str, Callable[[str, int, Path], Person]] = {
    "irssi": lambda nick, port, home: Irssi(nick, port, ROOM, home, PASSWORD),
    "weechat": lambda nick, port, home: WeeChat(nick, port, ROOM, home, PASSWORD),
    "irc": lambda nick, port, home: script("irc", nick, port, ROOM, home, PASSWORD),
    "pydle": lambda nick, port, home: script("pydle", nick, port, ROOM, home, PASSWORD),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("accounts") / "data", "--workers", "2", "--no-limits", *CHEAP) as running:
        yield running


def registered(server: Server, nick: str) -> None:
    """Make an account."""
    owner = Peer(server.port)
    owner.enter(nick)
    owner.ask(accounts.Register(password=PASSWORD), accounts.LoggedIn)
    owner.ask(native.Quit(), native.Bye)
    owner.close()


def profile(peer: Peer, nick: str) -> native.Profile | None:
    peer.ids += 1
    peer.write(native.Whois(id=peer.ids, nick=nick))
    answer = peer.next(lambda event: getattr(event, "id", None) == peer.ids)
    return answer if isinstance(answer, native.Profile) else None


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_logs_in_and_owns_its_nick_and_outlives_the_broker(
    server: Server, peer: Callable[..., Peer], tmp_path: Path, program: str
) -> None:
    need(*{"irssi": ("tmux", "irssi"), "weechat": ("tmux", "weechat")}.get(program, ()))
    nick = f"of-{program}"
    registered(server, nick)
    ann = peer("ann", ROOM)
    assert peer().ask(native.Hello(nick=nick), native.Error).code == "nick-reserved"
    with ExitStack() as stack:
        person = PROGRAMS[program](nick, server.port, tmp_path / "home")
        stack.callback(person.close)
        joined = ann.next(lambda event: isinstance(event, native.Joined) and event.who.nick == nick)
        assert joined.who.account == nick
        ann.ask(native.Send(cmid="c1", to=ROOM, text="who are you?"), native.Ok)
        person.sees("who are you?")
        person.say("it is me")
        said = ann.next(lambda event: isinstance(event, native.Msg) and event.nick == nick)
        assert (said.text, said.account) == ("it is me", nick)
        known = profile(ann, nick)
        assert known is not None
        assert (known.account, known.secure) == (nick, program == "weechat")

        before = len(server.pids("broker"))
        server.kill("broker")
        until(lambda: len(server.pids("broker")) == before + 1, "another broker")
        person.say("still me")
        said = ann.next(lambda event: isinstance(event, native.Msg) and event.text == "still me")
        assert (said.nick, said.account) == (nick, nick)
        assert person.lives()


def test_weechat_asks_for_what_was_said_before_it_came(
    server: Server, peer: Callable[..., Peer], tmp_path: Path
) -> None:
    need("tmux", "weechat")
    registered(server, "late")
    ann = peer("ann", ROOM)
    for number in range(3):
        ann.ask(native.Send(cmid=f"e{number}", to=ROOM, text=f"earlier {number} ☕"), native.Ok)
    with ExitStack() as stack:
        late = WeeChat("late", server.port, ROOM, tmp_path / "home", PASSWORD)
        stack.callback(late.close)
        ann.next(lambda event: isinstance(event, native.Joined) and event.who.nick == "late")
        late.sees("has joined")
        assert "earlier 0" not in late.shown()
        late.say(f"/quote CHATHISTORY LATEST {ROOM} * 3")
        late.sees("earlier 0 ☕", "earlier 1 ☕", "earlier 2 ☕")
        shown = late.shown()
        assert shown.index("earlier 0") < shown.index("earlier 1") < shown.index("earlier 2")
