"""Keeping a room in order, from `nc`, IRC and the native protocol alike: all see the same, each in its own words."""

import itertools
import socket
from collections.abc import Callable, Iterator

import pytest

from protocol import moderation, native
from protocol.moderation import Change
from tests.irc.client import Client
from tests.server import LIMIT_S, Peer, Server, meeting, serving

MakePeer = Callable[..., Peer]
_numbers = itertools.count(1)


class Typist:
    """Somebody with `nc`."""

    def __init__(self, port: int, nick: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.rest = b""
        self.type(nick)

    def type(self, *lines: str) -> list[str]:
        """Type lines and return what is shown until the server has done them."""
        self.sock.sendall("".join(f"{line}\n" for line in (*lines, "/time")).encode())
        shown: list[str] = []
        while not (shown and shown[-1].startswith("The server's time is")):
            while b"\n" not in self.rest:
                chunk = self.sock.recv(1 << 16)
                assert chunk, f"the server closed the connection after {shown}"
                self.rest += chunk
            line, _, self.rest = self.rest.partition(b"\n")
            shown.append(line.decode())
        return shown[:-1]

    def leave(self) -> None:
        """Be gone, for certain, so that the nick is free."""
        self.sock.sendall(b"/quit\n")
        while self.sock.recv(1 << 16):
            pass
        self.sock.close()


@pytest.fixture(scope="module", params=["1", "3"], ids=["one worker", "three workers"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("moderation")
    env = {"XDG_STATE_HOME": str(place / "state")}
    with serving(place / "data", "--workers", request.param, "--no-limits", env=env) as running:
        yield running


@pytest.fixture
def make(server: Server) -> Iterator[MakePeer]:
    yield from meeting(server)


@pytest.fixture
def people(server: Server, make: MakePeer) -> Iterator[tuple[Typist, Client, Peer, str]]:
    """Ann with `nc`, who made the room, bob with IRC, and eve with a native client."""
    room = f"#r{next(_numbers)}"
    ann, bob, eve = Typist(server.port, "ann"), Client(("127.0.0.1", server.port)), make()
    ann.type(f"/join {room}")
    bob.register("bob")
    bob.join(room)
    eve.enter("eve", room)
    ann.type()
    bob.told()
    eve.gather(native.Joined)
    yield ann, bob, eve, room
    bob.leave()
    ann.leave()
    eve.ask(native.Quit(), native.Bye)
    assert eve.ended()


def test_roles_and_modes_are_seen_by_all(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, eve, room = people
    assert ann.type("/op bob") == [f"* ann made bob an op of {room}"]
    assert [(m.nick, m.params) for m in bob.told()] == [("ann", [room, "+o", "bob"])]
    assert [event.changes for event in eve.gather(moderation.Modes)] == [[Change("op", arg="bob")]]
    bob.ask(f"MODE {room} +sm")
    assert ann.type() == [f"* bob hid {room} from those who are not in it",
                          f"* bob let only those with a voice speak in {room}"]  # fmt: skip
    assert eve.ask(native.Send(cmid="c1", to=room, text="hi"), native.Error).code == "not-allowed"
    assert ann.type("/voice eve") == [f"* ann gave eve a voice in {room}"]
    eve.ask(native.Send(cmid="c2", to=room, text="hi"), native.Ok)
    assert [(m.command, m.last) for m in bob.told()] == [("MODE", "eve"), ("PRIVMSG", "hi")]


def test_who_is_kicked_and_banned_stays_out(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, eve, room = people
    assert ann.type("/kick bob too loud") == [f"* bob was put out of {room} by ann: too loud"]
    assert [(m.command, m.nick, m.params) for m in bob.told()] == [("KICK", "ann", [room, "bob", "too loud"])]
    assert [(left.nick, left.by) for left in eve.gather(native.Left)] == [("bob", "ann")]
    assert bob.ask(f"JOIN {room}")[0].command == "JOIN"
    ann.type()
    shown = ann.type("/ban bob 10m again")
    assert shown[-1] == f"* bob was put out of {room} by ann: again"
    assert [m.command for m in bob.told()][-1] == "KICK"
    assert bob.numbers(f"JOIN {room}") == ["474"]
    shown = ann.type("/ban")
    assert any("banned: bob!*@*" in line and "again" in line and "until" in line for line in shown)
    ann.type("/unban bob")
    assert bob.ask(f"JOIN {room}")[0].command == "JOIN"


def test_who_is_put_out_with_nc_speaks_in_another_room(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, _eve, room = people
    ann.type("/op bob")
    bob.ask(f"KICK {room} ann :bye")
    (line,) = ann.type()
    assert line == f"* You were put out of {room} by bob: bye. What you type is said in #lobby."


def test_an_invitation_reaches_every_kind_of_client(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, eve, room = people
    ann.type("/mode +invite-only")
    bob.ask(f"PART {room}")
    eve.ask(native.Leave(room=room), native.Ok)
    assert bob.numbers(f"JOIN {room}") == ["473"]
    assert ann.type("/invite bob")[-1] == f"* bob is invited to {room}."
    assert [(m.command, m.nick, m.last) for m in bob.told()] == [("INVITE", "ann", room)]
    assert bob.ask(f"JOIN {room}")[0].command == "JOIN"
    ann.type("/invite eve")
    assert [(event.by, event.room) for event in eve.gather(moderation.Invited)] == [("ann", room)]
    eve.ask(native.Join(room=room), native.Room)
    eve.ask(moderation.Invite(nick="ann", room=room), native.Error)


def test_a_room_gets_another_name_while_people_talk(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, eve, room = people
    assert ann.type(f"/room rename {room}x better") == [f"* ann renamed {room} to {room}x: better"]
    told = bob.told()
    assert [(m.command, m.params[0]) for m in told[:2]] == [("PART", room), ("JOIN", room + "x")]
    assert [event.name for event in eve.gather(moderation.Retitled)] == [room + "x"]
    ann.type("still here")
    assert [m.params for m in bob.told()] == [[room + "x", "still here"]]
    bob.ask(f"PRIVMSG {room}x :me too")
    assert ann.type()[-1].endswith("bob: me too")


def test_slow_and_filtered_rooms_say_why(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, _eve, room = people
    ann.type("/slow 10m", "/filter add coffee")
    assert [m.params[1:] for m in bob.told() if m.command == "MODE"] == [["+W", "600"], ["+g", "coffee"]]
    (told,) = bob.ask(f"PRIVMSG {room} :coffee?")
    assert (told.command, "coffee" in told.last) == ("404", True)
    assert bob.ask(f"PRIVMSG {room} :tea?") == []
    assert bob.numbers(f"PRIVMSG {room} :tea!") == ["404"]
    shown = ann.type("/mode")
    assert "  everybody may speak once in 600 s" in shown
    assert "  may not be said: coffee" in shown


def test_the_moderation_log_is_read_by_who_may(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, eve, _room = people
    ann.type("/kick bob too loud")
    bob.told()
    shown = ann.type("/modlog")
    assert any("put bob out: too loud" in line for line in shown)
    assert eve.ask(native.History(room=f"!{_room}"), native.Error).code == "not-allowed"


def test_a_reaction_and_a_message_taken_back_with_nc(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, bob, eve, room = people
    bob.ask(f"PRIVMSG {room} :tea?")
    for line in ("/react 👍", "oops", "/redact"):
        ann.type(line)
        ann.type()  # what is about a message is asked for once that is known
    heard = [(msg.kind, msg.text, msg.reply) for msg in eve.gather(native.Msg)]
    assert heard == [
        ("text", "tea?", None),
        ("react", "👍", 1),
        ("text", "oops", None),
        ("redact", "took back a message", 3),
    ]


def test_mistakes_are_answered_with_a_sentence(people: tuple[Typist, Client, Peer, str]) -> None:
    ann, _bob, _eve, _room = people
    assert ann.type("/op nobody")[0].startswith("! nobody is called nobody")
    assert ann.type("/kick zoe")[0].startswith("! nobody here is called zoe")
    assert ann.type("/mode +red") != []
    assert ann.type("/unban zoe")[0].startswith("! there is no ban for zoe")
    assert ann.type("/modlog 0") == ["! “0” is not a number from 1 to 500. Type /modlog [N]"]
    assert ann.type("/room register")[0].startswith("! a room belongs to an account")
    assert ann.type("/kill bob")[0].startswith("! only server admins may")
    assert ann.type("/mode +limit many")[0].startswith("! ")
