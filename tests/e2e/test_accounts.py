"""Accounts over the real server: TLS and loopback, brokers and workers that are killed, nobody who waits for a hash."""

import base64
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scramp import ScramClient

from protocol import native
from protocol.accounts import AccountInfo, Challenge, Key, LoggedIn, LoggedOut, Logout, Register, Sasl
from protocol.pins import pin_of
from tests.server import Peer, Server, meeting, serving, until
from tests.tls import TlsPeer, any_certificate, closing

SECRET = "correct horse"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("accounts") / "data", "--workers", "2", "--no-limits") as server:
        yield server


@pytest.fixture
def meet(shared: Server) -> Iterator[Callable[..., Peer]]:
    yield from meeting(shared)


def plain(name: str, password: str = SECRET, *, remember: bool = False) -> Sasl:
    return Sasl(mech="PLAIN", data=f"\0{name}\0{password}", remember=remember)


def test_an_account_is_made_through_tls_and_used_from_anywhere(shared: Server, meet: Callable[..., Peer]) -> None:
    with closing() as keep:
        ann = keep(TlsPeer(shared.port))
        ann.enter("anna")
        made = ann.ask(Register(password=SECRET, remember=True), LoggedIn)
        assert (made.account, made.nick) == ("anna", "anna")
        ann.close()
    other = meet()
    assert other.ask(plain("Anna"), LoggedIn).account == "anna"
    assert other.ask(native.Hello(nick="anna"), native.Welcome).nick == "anna"
    third = meet("cleo")
    assert third.ask(Sasl(mech="SESSION", data=made.session), LoggedIn).account == "anna"
    assert third.ask(native.Whois(nick="anna"), native.Profile).account == "anna"


def test_scram_and_keys_work_over_the_wire(meet: Callable[..., Peer]) -> None:
    bob = meet("bobby")
    bob.ask(Register(password=SECRET), LoggedIn)
    key = Ed25519PrivateKey.generate()
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert len(bob.ask(Key(add=line), AccountInfo).keys) == 1

    other, client = meet(), ScramClient(["SCRAM-SHA-256"], "bobby", SECRET)
    client.set_server_first(other.ask(Sasl(mech="SCRAM-SHA-256", data=client.get_client_first()), Challenge).data)
    client.set_server_final(other.ask(Sasl(data=client.get_client_final()), Challenge).data)
    assert other.ask(Sasl(data=""), LoggedIn).account == "bobby"

    third = meet()
    challenge = third.ask(Sasl(mech="ED25519", data="bobby"), Challenge).data
    assert challenge.startswith("moot login moot - bobby ")
    signature = base64.b64encode(key.sign(challenge.encode())).decode()
    assert third.ask(Sasl(data=signature), LoggedIn).account == "bobby"


def test_a_challenge_names_the_key_that_the_client_was_shown(shared: Server) -> None:
    with closing() as keep:
        peer = keep(TlsPeer(shared.port))
        challenge = peer.ask(Sasl(mech="ED25519", data="somebody"), Challenge).data
        assert challenge.startswith(f"moot login moot {pin_of(peer.shown())} somebody ")


def test_what_is_sent_behind_a_login_waits_for_it(meet: Callable[..., Peer]) -> None:
    dora = meet("dora")
    dora.ask(Register(password=SECRET), LoggedIn)
    dora.close()
    other = meet()
    other.write(plain("dora"))
    other.write(native.Hello(nick="dora", id="h"))
    other.write(native.Whois(nick="dora", id="w"))
    order = [other.next(kind) for kind in (LoggedIn, native.Welcome, native.Profile)]
    assert order[2].account == "dora"


def test_a_wrong_password_is_told_and_the_connection_goes_on(meet: Callable[..., Peer]) -> None:
    eve = meet("eve")
    assert eve.ask(plain("nobody"), native.Error).code == "login-failed"
    eve.ask(native.Ping(), native.Pong)


def test_others_are_heard_while_passwords_are_hashed(tmp_path: Path) -> None:
    costs = ("--argon2-memory", "262144", "--argon2-passes", "8")
    with serving(tmp_path / "data", "--workers", "1", "--no-limits", *costs) as server, closing() as keep:
        ann, bob = keep(Peer(server.port)), keep(Peer(server.port))
        bob.enter("bob")
        began = time.monotonic()
        ann.write(Register(password=SECRET, account="ann"))
        pings = 0
        while not ann_answered(ann):
            bob.ask(native.Ping(), native.Pong)
            pings += 1
        whole = time.monotonic() - began
        assert isinstance(ann.events[0], LoggedIn)
        # A hash of this cost takes a second or more; a broker that waited for it would answer one ping in it.
        assert pings > 20, f"{pings} pings in {whole:.2f} s"


def ann_answered(peer: Peer) -> bool:
    peer.sock.setblocking(False)
    try:
        peer.events.append(peer._read())
    except BlockingIOError:
        return False
    finally:
        peer.sock.settimeout(20)
    return True


def test_a_broker_killed_in_mid_login_costs_nobody_anything(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server, closing() as keep:
        bob = keep(Peer(server.port))
        bob.enter("bob", "#tea")
        bob.ask(Register(password=SECRET), LoggedIn)
        for number in range(5):
            newcomer, known = keep(Peer(server.port)), keep(Peer(server.port))
            newcomer.write(Register(id=1, password=SECRET, account=f"ann{number}"))
            known.write(plain("bob"))
            server.kill("broker")
            made = newcomer.next(LoggedIn)
            assert made.account == f"ann{number}"
            assert known.next(LoggedIn).account == "bob"
            until(lambda: server.pids("broker"), "another broker")
        again = keep(Peer(server.port))
        for number in range(5):
            assert again.ask(plain(f"ann{number}"), LoggedIn).account == f"ann{number}"
        assert bob.ask(native.Whois(nick="bob"), native.Profile).account == "bob"  # by their ticket
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server, closing() as keep:
        assert keep(Peer(server.port)).ask(plain("ann4"), LoggedIn).account == "ann4"


def test_who_logged_out_everywhere_is_a_guest_for_the_next_broker_too(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server, closing() as keep:
        ann, phone = keep(Peer(server.port)), keep(Peer(server.port))
        ann.enter("ann")
        token = ann.ask(Register(password=SECRET, remember=True), LoggedIn).session
        phone.enter("phone")
        phone.ask(plain("ann"), LoggedIn)
        ann.ask(Logout(everywhere=True), native.Ok)
        assert phone.next(LoggedOut).reason
        server.kill("broker", signal.SIGKILL)
        for peer in (ann, phone):
            who = peer.ask(native.Who(), native.People).people
            assert [person.account for person in who] == [None, None]
        assert ann.ask(Sasl(mech="SESSION", data=token), native.Error).code == "login-failed"


def address_of_this_machine() -> str:
    found = [
        each.address for every in psutil.net_if_addrs().values() for each in every if each.family == socket.AF_INET
    ]
    others = [address for address in found if not address.startswith("127.")]
    if not others:
        pytest.skip("this machine has no address but its loopback")
    return others[0]


def test_passwords_are_not_taken_in_clear_text_from_elsewhere_and_what_tells_nothing_is(tmp_path: Path) -> None:
    address = address_of_this_machine()
    with serving(tmp_path / "data", "--workers", "1", "--listen", f"{address}:0") as server, closing() as keep:
        port = int(re.findall(rf"{re.escape(address)}:(\d+)", server.log)[0])
        peer = keep(Peer(server.port))
        peer.sock.close()
        peer.sock = socket.create_connection((address, port), timeout=20)
        for request in (plain("ann"), Register(password=SECRET, account="ann"), Sasl(mech="SESSION", data="x" * 43)):
            assert peer.ask(request, native.Error).code == "insecure"
        assert peer.ask(Sasl(mech="ED25519", data="ann"), Challenge).data
        peer.enter("ann")  # whoever was refused goes on
        secure = keep(TlsPeer(server.port))
        secure.sock.close()
        secure.sock = any_certificate().wrap_socket(socket.create_connection((address, port), timeout=20))
        assert secure.ask(Register(password=SECRET, account="bob"), LoggedIn).account == "bob"
