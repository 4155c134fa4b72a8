"""Two and more people on a real server."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from protocol import native
from tests.server import LIMIT_S, Peer, Server, meeting, serving, until

MakePeer = Callable[..., Peer]


def texts(messages: list[native.Msg]) -> list[str]:
    return [msg.text for msg in messages]


def test_everyone_in_the_room_sees_a_message_once_and_in_order(peer: MakePeer) -> None:
    ann, bob, eve = peer("ann", "#tea"), peer("bob", "#tea"), peer("eve", "#coffee")
    for number in range(5):
        ann.ask(native.Send(cmid=f"a{number}", to="#tea", text=f"cup {number}"), native.Ok)
    expected = [f"cup {number}" for number in range(5)]
    got = bob.gather(native.Msg)
    assert texts(got) == expected
    assert [msg.seq for msg in got] == [1, 2, 3, 4, 5]
    assert texts(ann.gather(native.Msg)) == expected
    assert eve.gather(native.Msg) == []


def test_an_acknowledgement_comes_before_the_echo(peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    ann.write(native.Send(id="s", cmid="a1", to="#tea", text="hi"))
    first, second = ann.next(lambda event: True), ann.next(lambda event: True)
    assert isinstance(first, native.Ok)
    assert isinstance(second, native.Msg)
    assert first.seq == second.seq == 1


def test_a_retry_is_answered_again_and_said_once(peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    first = ann.ask(native.Send(cmid="same", to="#tea", text="once"), native.Ok)
    again = ann.ask(native.Send(cmid="same", to="#tea", text="once"), native.Ok)
    assert (first.seq, first.time) == (again.seq, again.time)
    other = ann.ask(native.Send(cmid="same", to="#tea", text="something else"), native.Error)
    assert other.code == "cmid-reused"
    assert texts(bob.gather(native.Msg)) == ["once"]


def test_a_taken_nick_is_said_at_once_and_a_free_one_offered(peer: MakePeer) -> None:
    peer("Ann", "#tea")
    error = peer().ask(native.Hello(nick="aNN"), native.Error)
    assert error.code == "nick-taken"
    assert error.free == "aNN2"


def test_direct_messages_reach_the_two_alone(peer: MakePeer) -> None:
    ann, bob, eve = peer("ann", "#tea"), peer("bob", "#tea"), peer("eve", "#tea")
    ok = ann.ask(native.Send(cmid="d1", to="@bob", text="psst"), native.Ok)
    assert ok.room == "@"
    for one in (ann, bob):
        [msg] = one.gather(native.Msg)
        assert (msg.room, msg.seq, msg.nick, msg.to, msg.text) == ("@", 1, "ann", "bob", "psst")
    assert eve.gather(native.Msg) == []
    missing = ann.ask(native.Send(cmid="d2", to="@zoe", text="psst"), native.Error)
    assert missing.code == "no-such-nick"


def test_a_cow_is_seen_once_by_everyone_and_is_kept(peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    ann.ask(native.Fun(cmid="f1", to="#tea", line="/cowsay -f tux hello: you"), native.Ok)
    [seen] = bob.gather(native.Msg)
    assert seen.kind == "fun"
    assert seen.cmd == "/cowsay -f tux hello: you"
    assert "hello: you" in seen.text
    page = bob.ask(native.History(room="#tea"), native.HistoryPage)
    assert page.messages == [seen]


def test_a_train_is_one_small_message(peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    ann.ask(native.Fun(cmid="f1", to="#tea", line="/train"), native.Ok)
    [seen] = bob.gather(native.Msg)
    assert seen.anim is not None
    assert seen.anim.name == "train"
    assert len(native.encode(seen)) < 4096 + 512


def test_an_unknown_animal_is_the_callers_error_alone(peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    error = ann.ask(native.Fun(cmid="f1", to="#tea", line="/cowsay -f unicorn99 hi"), native.Error)
    assert error.code == "fun-failed"
    assert "tux" in error.text
    assert bob.gather(native.Msg) == []


def test_emoji_names_become_emoji(peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    ann.ask(native.Send(cmid="e1", to="#tea", text=":thumbs_up: :+1: $grinning face$ at 12:30:45"), native.Ok)
    assert texts(ann.gather(native.Msg)) == ["👍 👍 😀 at 12:30:45"]


def test_history_survives_a_restart(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    before = ann.ask(native.Send(cmid="h1", to="#tea", text="remember me"), native.Ok)
    ann.ask(native.Topic(cmid="t1", room="#tea", text="green"), native.Ok)
    epoch = peer("eve").ask(native.Join(room="#tea"), native.Room)
    assert epoch.topic == "green"
    assert server.stop() == 0
    server.start()
    bob = Peer(server.port)
    bob.ask(native.Hello(nick="bob"), native.Welcome)
    room = bob.ask(native.Join(room="#tea"), native.Room)
    assert [(msg.seq, msg.text, msg.kind) for msg in room.messages] == [
        (1, "remember me", "text"),
        (2, "green", "topic"),
    ]
    assert room.messages[0].time == before.time
    assert room.topic == "green"
    bob.close()


def test_joining_shows_the_last_fifty_and_history_pages_back(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "data", "--workers", "2", "--no-limits") as server,
        contextlib.contextmanager(meeting)(server) as peer,
    ):
        ann, bob = peer("ann", "#tea"), peer("bob")
        for number in range(1, 61):
            ann.ask(native.Send(cmid=f"m{number}", to="#tea", text=str(number)), native.Ok)
        room = bob.ask(native.Join(room="#tea"), native.Room)
        assert texts(room.messages) == [str(number) for number in range(11, 61)]
        assert room.more
        page = bob.ask(native.History(room="#tea", before=6, limit=3), native.HistoryPage)
        assert texts(page.messages) == ["3", "4", "5"]
        assert page.more


def test_resuming_gives_what_was_missed_and_another_epoch_a_reset(peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    for number in range(1, 6):
        ann.ask(native.Send(cmid=f"m{number}", to="#tea", text=str(number)), native.Ok)
    bob = peer()
    welcome = bob.ask(native.Hello(nick="bob"), native.Welcome)
    room = bob.ask(native.Join(room="#tea", after=2, epoch=welcome.epoch), native.Room)
    assert texts(room.messages) == ["3", "4", "5"]
    assert not room.reset
    assert bob.ask(native.Join(room="#tea", after=2, epoch="other"), native.Room).reset
    assert bob.ask(native.Join(room="#tea", after=99, epoch=welcome.epoch), native.Room).reset


def test_the_same_token_takes_over_and_nobody_hears_of_it(peer: MakePeer) -> None:
    watcher = peer("watcher", "#tea")
    old = peer()
    old.ask(native.Hello(nick="ann", token="a-secret-of-anns-own"), native.Welcome)
    old.ask(native.Join(room="#tea"), native.Room)
    watcher.gather(native.Joined)
    new = peer()
    welcome = new.ask(native.Hello(nick="ann", token="a-secret-of-anns-own"), native.Welcome)
    assert welcome.resumed
    new.ask(native.Join(room="#tea"), native.Room)
    assert old.ended()
    assert any(isinstance(event, native.Error) and event.code == "replaced" for event in old.events)
    watcher.write(native.Send(id="x", cmid="w", to="#tea", text="still here?"))
    assert new.next(native.Msg).text == "still here?"
    assert watcher.gather(native.Joined) == []
    assert watcher.gather(native.Left) == []


def test_people_and_rooms_can_be_asked_for(peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea", "#coffee"), peer("bob", "#tea")
    assert [person.nick for person in ann.ask(native.Who(), native.People).people] == ["ann", "bob"]
    assert [person.nick for person in ann.ask(native.Who(room="#coffee"), native.People).people] == ["ann"]
    profile = ann.ask(native.Whois(nick="BOB"), native.Profile)
    assert (profile.nick, profile.rooms, profile.dialect) == ("bob", ["#tea"], "native")
    rooms = bob.ask(native.Rooms(), native.RoomList)
    assert [(line.room, line.people) for line in rooms.rooms] == [("#tea", 2), ("#coffee", 1)]


def test_away_and_colour_and_nick_are_told_to_the_room(peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    ann.ask(native.Away(text="tea time"), native.Ok)
    ann.ask(native.Color(color="#D333FF"), native.Ok)
    ann.ask(native.Nick(nick="anna"), native.Ok)
    changes = [event.who for event in bob.gather(native.Changed)]
    away = native.Person("ann", None, "tea time", roles=["op"])  # who made the room
    assert changes == [away, msgspec.structs.replace(away, color="#D333FF")]
    [renamed] = bob.gather(native.Renamed)
    assert (renamed.old, renamed.nick) == ("ann", "anna")
    refused = ann.ask(native.Color(color="red; DROP"), native.Error)
    assert refused.code == "bad-request"


def test_a_hello_that_comes_late_does_not_disturb_the_newer_connection(peer: MakePeer, server: Server) -> None:
    ann, late, eve = peer(), peer(), peer("eve", "#tea")
    hello = native.Hello(nick="ann", token="a token of ann, long", attempt=1000)
    ann.ask(hello, native.Welcome)
    ann.ask(native.Join(room="#tea"), native.Room)
    refused = late.ask(hello, native.Error)
    assert (refused.code, refused.attempt) == ("replaced", 1000)
    server.kill("broker")
    assert ann.ask(native.Send(cmid="c1", to="#tea", text="still here"), native.Ok).seq == 1
    assert eve.next(native.Msg).text == "still here"
    assert late.ask(hello, native.Error).code == "replaced"
    newer = msgspec.structs.replace(hello, attempt=1001)
    assert late.ask(newer, native.Welcome).resumed
    assert ann.ended()


def test_too_fast_is_delayed_then_refused_with_the_time_to_wait(peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    for number in range(40):
        ann.write(native.Send(id=f"s{number}", cmid=f"c{number}", to="#tea", text="fast"))
    refused = ann.next(native.Error)
    assert refused.code == "flood"
    assert refused.wait is not None
    assert refused.wait > 10


def test_a_plain_person_with_nc_chats(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#lobby")
    done = subprocess.run(
        ["nc", "-q", "2", "127.0.0.1", str(server.port)],
        input=b"bob\nhello from nc\n/cowsay moo\n/quit\n",
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    screen = done.stdout.decode()
    assert "moo" in screen
    assert not set(screen) & set(map(chr, [*range(9), *range(11, 13), *range(14, 32), 127]))
    seen = ann.gather(native.Msg)
    assert [(msg.nick, msg.kind) for msg in seen] == [("bob", "text"), ("bob", "fun")]
    assert seen[0].text == "hello from nc"
    assert [event.nick for event in ann.gather(native.Left)] == ["bob"]


def test_a_silent_connection_is_asked_for_a_nick(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as sock:
        assert b"nick" in sock.recv(4096)


def test_the_log_says_who_came_and_went_but_not_what_was_said(server: Server, peer: MakePeer) -> None:
    ann = peer("ann", "#tea")
    ann.ask(native.Send(cmid="a", to="#tea", text="a private thought"), native.Ok)
    ann.ask(native.Quit(reason="dinner"), native.Bye)
    assert ann.ended()
    assert "ann introduced (127.0.0.1, native)" in server.log
    assert "ann joined (127.0.0.1, native) #tea" in server.log
    assert "ann left (127.0.0.1, native) dinner" in server.log
    assert "private thought" not in server.log


def test_the_data_directory_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        server = Server(tmp_path / "data").start()
    finally:
        os.umask(before)
    try:
        peer = Peer(server.port)
        peer.enter("ann", "#tea")
        peer.ask(native.Send(cmid="a", to="#tea", text="x"), native.Ok)
        peer.close()
        backup = [sys.executable, "-m", "moot", "backup", str(server.data / "copy.db"), "--data", str(server.data)]
        subprocess.run(backup, check=True, capture_output=True, umask=0)
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in server.data.iterdir()}
    finally:
        server.destroy()
    assert {"moot.db", "moot.db-wal", "moot.db-shm", "copy.db", "lock", "moot.sock"} <= modes.keys()
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize("kind", ["broker", "worker", "sandbox"])
def test_a_killed_process_is_replaced_and_the_chat_goes_on(server: Server, peer: MakePeer, kind: str) -> None:
    ann = peer("ann", "#tea")
    ann.ask(native.Send(cmid="before", to="#tea", text="before"), native.Ok)
    count = len(server.pids(kind))
    server.kill(kind)
    until(lambda: len(server.pids(kind)) > count, f"a new {kind}")
    eve = peer("eve")
    room = eve.ask(native.Join(room="#tea"), native.Room)
    assert texts(room.messages) == ["before"]
    eve.ask(native.Send(cmid="after", to="#tea", text="after"), native.Ok)
    eve.ask(native.Fun(cmid="cow", to="#tea", line="/cowsay still here"), native.Ok)
    if kind != "worker":  # ann's connection was never touched
        assert texts(ann.gather(native.Msg))[:2] == ["before", "after"]


def test_a_message_sent_while_the_broker_is_dead_is_acknowledged_by_the_next(server: Server, peer: MakePeer) -> None:
    ann, bob = peer("ann", "#tea"), peer("bob", "#tea")
    server.kill("broker")
    ok = ann.ask(native.Send(cmid="x", to="#tea", text="patience"), native.Ok)
    assert ok.seq == 1
    assert texts(bob.gather(native.Msg)) == ["patience"]
