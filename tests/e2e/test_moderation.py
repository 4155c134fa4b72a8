"""Rooms are kept in order over the real server, by several workers, and a killed broker changes nothing of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from protocol import moderation, native
from protocol.accounts import LoggedIn, Register, Sasl
from protocol.moderation import Change
from tests.server import Peer, Server, meeting, serving

SECRET = "correct horse"
Meet = Callable[..., Peer]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        yield server


@pytest.fixture
def meet(server: Server) -> Iterator[Meet]:
    yield from meeting(server)


def mode(peer: Peer, room: str, *changes: Change) -> None:
    peer.ask(moderation.Mode(room=room, changes=list(changes)), native.Ok)


def policy(peer: Peer, room: str) -> moderation.RoomPolicy:
    return peer.ask(moderation.Policy(room=room), moderation.RoomPolicy)


def code(peer: Peer, request: native.Request) -> str:
    return peer.ask(request, native.Error).code


def answer(peer: Peer, id_: str) -> native.Event:
    """Return the answer to a request that was only written."""
    event: native.Event = peer.next(lambda event: getattr(event, "id", None) == id_)
    return event


def members(peer: Peer, room: str) -> dict[str, list[str]]:
    people = peer.ask(native.Who(room=room), native.People).people
    return {person.nick: list(person.roles) for person in people}


def say(peer: Peer, room: str, text: str) -> native.Ok:
    say.number += 1  # type: ignore[attr-defined]
    return peer.ask(native.Send(cmid=f"c{say.number}", to=room, text=text), native.Ok)  # type: ignore[attr-defined]


say.number = 0  # type: ignore[attr-defined]


def registered(meet: Meet, nick: str, *rooms: str) -> Peer:
    peer = meet(nick)
    peer.ask(Register(password=SECRET), LoggedIn)
    for room in rooms:
        peer.ask(native.Join(room=room), native.Room)
    return peer


def test_roles_modes_lists_and_invitations_outlive_a_killed_broker(server: Server, meet: Meet) -> None:
    ann = registered(meet, "anna", "#tea")
    bob, eve, dan = meet("bob", "#tea"), registered(meet, "evelyn", "#tea"), meet("dan")
    ann.ask(moderation.Claim(room="#tea"), native.Ok)
    mode(ann, "#tea", Change("voice", arg="bob"), Change("halfop", arg="evelyn"), Change("moderated"))
    mode(ann, "#tea", Change("invite-only"), Change("key", arg="x"), Change("filter", arg="darn"), Change("topic-lock"))
    ann.ask(moderation.Ban(mask="zoe", room="#tea", kind="mute", seconds=600, reason="caps"), native.Ok)
    ann.ask(moderation.Invite(nick="dan", room="#tea"), native.Ok)
    before = policy(ann, "#tea"), members(ann, "#tea")
    assert before[1] == {"anna": ["owner", "op"], "bob": ["voice"], "evelyn": ["halfop"]}
    server.kill("broker")
    after = policy(ann, "#tea"), members(ann, "#tea")
    assert (replace(after[0], id=0), after[1]) == (replace(before[0], id=0), before[1])
    assert code(meet("zoe"), native.Join(room="#tea")) == "invite-only"
    assert dan.ask(native.Join(room="#tea"), native.Room).count == 4  # as invited
    assert code(dan, native.Send(cmid="d", to="#tea", text="hi")) == "not-allowed"
    assert code(bob, native.Send(cmid="b", to="#tea", text="darn")) == "filtered"
    say(bob, "#tea", "with a voice")
    eve.ask(native.Topic(cmid="t", room="#tea", text="Earl Grey"), native.Ok)


def test_who_was_banned_does_not_slip_in_while_the_broker_is_dead(server: Server, meet: Meet) -> None:
    ann, bob, eve = meet("ann", "#tea"), meet("bob", "#tea"), meet("eve", "#tea")
    for _ in range(3):
        ann.write(moderation.Kick(id="kick", nick="eve", room="#tea"))
        ann.write(moderation.Ban(id="ban", mask="bob", room="#tea"))
        server.kill("broker")
        bob.write(native.Join(id="again", room="#tea"))
        answers = [answer(ann, "kick"), answer(ann, "ban")]
        assert isinstance(answers[1], native.Ok)
        refusal = answer(bob, "again")
        assert isinstance(refusal, native.Error)
        assert refusal.code == "banned"
        assert members(ann, "#tea") == {"ann": ["op"]}
        say(ann, "#tea", "only for me")
        for out in (bob, eve):
            heard = out.gather(native.Msg)
            assert heard == []
            [left] = [event for event in out.gather(native.Left) if event.nick in ("bob", "eve")][:1]
            assert left.room == "#tea"
        ann.ask(moderation.Unban(mask="bob", room="#tea"), native.Ok)
        for back in (bob, eve):
            back.ask(native.Join(room="#tea"), native.Room)
            back.gather(native.Msg)
            back.gather(native.Left)


def test_modes_are_told_to_the_members_alone_and_to_all_of_them(meet: Meet) -> None:
    ann, bob, dan = meet("ann", "#tea"), meet("bob", "#tea"), meet("dan", "#cake")
    mode(ann, "#tea", Change("secret"), Change("op", arg="bob"))
    told = moderation.Modes(room="#tea", by="ann", changes=[Change("secret"), Change("op", arg="bob")])
    assert bob.gather(moderation.Modes) == ann.gather(moderation.Modes) == [told]
    assert dan.gather(moderation.Modes) == []
    assert [line.room for line in dan.ask(native.Rooms(), native.RoomList).rooms] == ["#cake"]


def test_what_was_set_holds_when_the_server_was_stopped(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--no-limits") as server:
        for meet in meeting(server):
            ann = registered(meet, "anna", "#tea")
            ann.ask(moderation.Claim(room="#tea"), native.Ok)
            mode(ann, "#tea", Change("moderated"), Change("ban", arg="bob"))
        assert server.stop() == 0
    with serving(tmp_path / "data", "--no-limits") as server:
        for meet in meeting(server):
            assert code(meet("bob"), native.Join(room="#tea")) == "banned"
            eve = meet("eve", "#tea")
            assert members(eve, "#tea") == {"eve": []}
            assert code(eve, native.Send(cmid="e", to="#tea", text="hi")) == "not-allowed"
            ann = meet()
            ann.ask(Sasl(mech="PLAIN", data=f"\0anna\0{SECRET}"), LoggedIn)
            ann.ask(native.Hello(nick="anna"), native.Welcome)
            ann.ask(native.Join(room="#tea"), native.Room)
            assert members(eve, "#tea") == {"anna": ["owner"], "eve": []}


def test_a_timed_entry_ends_by_itself_and_the_room_hears_it(meet: Meet) -> None:
    ann, bob = meet("ann", "#tea"), meet("bob", "#tea")
    ann.ask(moderation.Ban(mask="bob", room="#tea", kind="mute", seconds=0.3), native.Ok)
    assert code(bob, native.Send(cmid="b", to="#tea", text="hi")) == "muted"
    ended = bob.next(lambda event: isinstance(event, moderation.Modes) and not event.by)
    assert ended.changes == [Change("mute", False, "bob!*@*")]
    say(bob, "#tea", "hi")


def test_a_room_gets_another_name_while_people_speak_and_a_broker_dies(server: Server, meet: Meet) -> None:
    ann, bob = meet("ann", "#tea"), meet("bob", "#tea")
    say(bob, "#tea", "one")
    ann.write(moderation.Retitle(id="new", room="#tea", name="#chai"))
    bob.write(native.Send(id="two", cmid="two", to="#tea", text="two"))
    server.kill("broker")
    ok = answer(bob, "two")
    assert isinstance(ok, native.Ok), ok
    assert ok.seq == 2
    done = answer(ann, "new")
    assert isinstance(done, native.Ok), done
    assert done.room == "#chai"
    retitled = bob.next(moderation.Retitled)
    assert (retitled.room, retitled.name, retitled.by) == ("#tea", "#chai", "ann")
    assert say(ann, "#chai", "three").seq == 3
    assert [(msg.seq, msg.text) for msg in bob.gather(native.Msg)] == [(1, "one"), (2, "two"), (3, "three")]
    fresh = meet("dan").ask(native.Join(room="#tea"), native.Room)
    assert (fresh.count, fresh.messages) == (1, [])


def test_an_admin_of_the_server_bans_and_the_banned_stays_out_over_a_kill(tmp_path: Path) -> None:
    login = Sasl(mech="PLAIN", data=f"\0bobby\0{SECRET}")
    with serving(tmp_path / "data", "--no-limits") as server:
        for meet in meeting(server):
            registered(meet, "adalind")
            registered(meet, "bobby")
        assert server.stop() == 0
    with serving(tmp_path / "data", "--no-limits", "--workers", "2", "--admin", "adalind") as server:
        for meet in meeting(server):
            ada, bob = meet(), meet()
            assert ada.ask(Sasl(mech="PLAIN", data=f"\0adalind\0{SECRET}"), LoggedIn).admin
            ada.enter("adalind", "#lobby")
            bob.ask(login, LoggedIn)
            bob.enter("bobby", "#lobby")
            mode(ada, "#lobby", Change("moderated"))
            assert code(bob, native.Send(cmid="b", to="#lobby", text="hi")) == "not-allowed"
            ada.ask(moderation.Ban(mask="bobby", reason="noise"), native.Ok)
            assert bob.next(native.Error).code == "banned"
            assert bob.ended()
            server.kill("broker")
            again = meet()
            again.ask(login, LoggedIn)
            assert code(again, native.Hello(nick="bobby")) == "banned"
            assert code(meet("robert"), login) == "banned"
            assert members(ada, "#lobby") == {"adalind": []}
            ada.ask(moderation.Unban(mask="bobby"), native.Ok)
            again.ask(native.Hello(nick="bobby"), native.Welcome)
