"""Two devices of one account on the real server: one person, whatever process is killed in between."""

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol import native
from protocol.accounts import Inside, LoggedIn, LoggedOut, Logout, Read, ReadUpto, Register, Sasl
from tests.moot.program import MOOT
from tests.server import LIMIT_S, Peer, Server, meeting, serving, until

SECRET = "correct horse"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        yield server


@pytest.fixture
def meet(server: Server) -> Iterator[Callable[..., Peer]]:
    yield from meeting(server)


def token(device: str) -> str:
    return f"the token of ann's {device}"


def log_in(peer: Peer, name: str = "ann") -> LoggedIn:
    return peer.ask(Sasl(mech="PLAIN", data=f"\0{name}\0{SECRET}"), LoggedIn)


def come(peer: Peer, device: str, nick: str = "ann") -> native.Welcome:
    return peer.ask(native.Hello(nick=nick, token=token(device)), native.Welcome)


def two_devices(meet: Callable[..., Peer]) -> tuple[Peer, Peer, Peer]:
    """Return bob, and ann's laptop and phone, all in #tea."""
    bob, laptop, phone = meet("bob", "#tea"), meet(), meet()
    come(laptop, "laptop")
    laptop.ask(Register(password=SECRET), LoggedIn)
    laptop.ask(native.Join(room="#tea"), native.Room)
    log_in(phone)
    assert come(phone, "phone", "another").nick == "ann"
    assert phone.next(Inside).rooms == ["#tea"]
    phone.ask(native.Join(room="#tea"), native.Room)
    return bob, laptop, phone


def kill(server: Server, kind: str) -> None:
    started = len(server.pids(kind))
    server.kill(kind)
    until(lambda: len(server.pids(kind)) > started, f"another {kind}")


def people(asker: Peer) -> list[tuple[str, str | None]]:
    found = asker.ask(native.Who(room="#tea"), native.People).people
    return sorted((person.nick, person.account) for person in found)


def test_two_devices_are_one_person_who_hears_everything_on_both(meet: Callable[..., Peer]) -> None:
    bob, laptop, phone = two_devices(meet)
    assert people(bob) == [("ann", "ann"), ("bob", None)]
    assert len(bob.gather(native.Joined)) == 1
    laptop.ask(native.Send(cmid="1", to="#tea", text="from the laptop"), native.Ok)
    laptop.ask(native.Send(cmid="2", to="@bob", text="psst"), native.Ok)
    bob.ask(native.Send(cmid="3", to="@ann", text="yes?"), native.Ok)
    for device in (laptop, phone):
        said = [(msg.room, msg.nick, msg.text) for msg in device.gather(native.Msg)]
        assert sorted(said) == [
            ("#tea", "ann", "from the laptop"),
            ("@", "ann", "psst"),
            ("@", "bob", "yes?"),
        ]
    laptop.close()
    phone.ask(native.Send(cmid="4", to="#tea", text="still here"), native.Ok)
    bob.next(lambda event: isinstance(event, native.Msg) and event.text == "still here")
    assert bob.gather(native.Left) == []


def test_a_killed_broker_changes_nothing_of_who_they_are(server: Server, meet: Callable[..., Peer]) -> None:
    bob, laptop, phone = two_devices(meet)
    laptop.ask(native.Away(text="lunch"), native.Ok)
    laptop.ask(native.Watch(add=["bob"]), native.Watched)
    for number in range(3):
        kill(server, "broker")
        phone.ask(native.Send(cmid=f"p{number}", to="#tea", text=f"phone {number}"), native.Ok)
        laptop.ask(native.Send(cmid=f"l{number}", to="#tea", text=f"laptop {number}"), native.Ok)
        assert people(bob) == [("ann", "ann"), ("bob", None)]
    profile = bob.ask(native.Whois(nick="ann"), native.Profile)
    assert (profile.account, profile.away) == ("ann", "lunch")
    assert laptop.gather(native.Watched)[-1].here[0].nick == "bob"
    laptop.events.clear()
    bob.ask(native.Nick(nick="rob"), native.Ok)
    assert laptop.next(native.Watched).gone == ["bob"]
    texts = [f"{device} {number}" for number in range(3) for device in ("phone", "laptop")]
    assert [msg.text for msg in bob.gather(native.Msg)] == texts


def test_devices_of_a_killed_worker_come_back_as_the_same_person(server: Server, meet: Callable[..., Peer]) -> None:
    _bob, laptop, phone = two_devices(meet)
    survivors = []
    kill(server, "worker")
    for device, peer in (("laptop", laptop), ("phone", phone)):
        try:
            peer.ask(native.Ping(), native.Pong)
            survivors.append(peer)
        except (EOFError, ConnectionError):
            again = meet()
            assert come(again, device).resumed
            assert again.next(LoggedIn).account == "ann"
            again.ask(native.Join(room="#tea"), native.Room)
            survivors.append(again)
    asker = meet("cyd", "#tea")
    found = people(asker)
    assert ("ann", "ann") in found
    assert len([nick for nick, _account in found if nick.startswith("ann")]) == 1
    asker.ask(native.Send(cmid="1", to="@ann", text="both?"), native.Ok)
    for peer in survivors:
        assert peer.next(native.Msg).text == "both?"
    kill(server, "broker")
    asker.ask(native.Send(cmid="2", to="@ann", text="and now?"), native.Ok)
    for peer in survivors:
        assert peer.next(native.Msg).text == "and now?"


def test_a_rolling_restart_leaves_both_logged_in_and_nobody_hears_of_it(
    server: Server, meet: Callable[..., Peer]
) -> None:
    bob, laptop, phone = two_devices(meet)
    bob.gather(native.Joined)
    words = [*MOOT, "restart", "--data", str(server.data), "--spread", "0"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as restart:
        again = []
        for device, peer in (("laptop", laptop), ("phone", phone)):
            assert peer.next(native.Bye).retry == 0
            peer.close()
            again.append(meet())
            assert come(again[-1], device).resumed
            assert again[-1].next(LoggedIn).nick == "ann"
            again[-1].ask(native.Join(room="#tea"), native.Room)
        bob.close()
        assert restart.wait(LIMIT_S) == 0
    for number, peer in enumerate(again):
        peer.ask(native.Send(cmid=f"r{number}", to="#tea", text=f"again {number}"), native.Ok)
    for peer in again:
        assert [msg.text for msg in peer.gather(native.Msg)] == ["again 0", "again 1"]
        assert [event.nick for event in peer.gather(native.Left)] in ([], ["bob"])
        assert peer.gather(native.Joined) == []


def test_what_was_read_is_shared_and_outlives_the_broker(server: Server, meet: Callable[..., Peer]) -> None:
    bob, laptop, phone = two_devices(meet)
    last = [bob.ask(native.Send(cmid=f"c{n}", to="#tea", text=str(n)), native.Ok).seq for n in range(3)][-1]
    laptop.ask(Read(room="#tea", seq=last), native.Ok)
    assert phone.next(ReadUpto).seq == last
    until(lambda: _is_written(server, last), "the position to be written")
    kill(server, "broker")
    assert phone.ask(Read(room="#tea"), ReadUpto).seq == last


def _is_written(server: Server, seq: int | None) -> bool:
    with sqlite3.connect(f"file:{server.data / 'moot.db'}?mode=ro", uri=True) as db:
        values = [value for (value,) in db.execute("SELECT value FROM meta WHERE key LIKE 'read/%'")]
    return str(seq) in values


def test_logging_out_on_one_device_leaves_the_other(server: Server, meet: Callable[..., Peer]) -> None:
    bob, laptop, phone = two_devices(meet)
    nick = phone.ask(Logout(), native.Ok).nick
    assert nick is not None
    assert people(bob) == sorted([("ann", "ann"), ("bob", None), (nick, None)])
    kill(server, "broker")
    assert people(bob) == sorted([("ann", "ann"), ("bob", None), (nick, None)])
    assert phone.ask(native.Nick(nick="Ann"), native.Error).code in ("nick-taken", "nick-reserved")
    log_in(phone)
    assert people(bob) == [("ann", "ann"), ("bob", None)]
    laptop.ask(Logout(everywhere=True), native.Ok)
    assert phone.next(lambda event: isinstance(event, LoggedOut) and bool(event.reason)).nick != "ann"
    assert "ann" not in [account for _nick, account in people(bob)]
