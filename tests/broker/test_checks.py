"""What the broker lets through of what workers send: all that sound ones do."""

import pytest

from broker.checks import Offence, checked, is_sound
from protocol import moderation, native
from protocol.accounts import Account, Drop, Key, Read, Register, Sasl
from protocol.ipc import Art, Attach, Do, Gone, Seat
from protocol.moderation import Change
from protocol.native import Anim
from protocol.settings import DEFAULTS
from tests.broker.desk import ANN, BOB, token

HELLO = native.Hello(nick="ann", token=token("ann"), color="#D333FF", client="moot 1")
SOUND: list[Do] = [
    Do(ANN, 1, HELLO, None, "fe80::1%eth0", "native"),
    Do(ANN, 1, native.Hello(nick="Ännchen"), None, "", "plain"),
    Do(ANN, 2, native.Join(room="#tea", after=5, epoch="e")),
    Do(ANN, 3, native.Send(cmid="c", to="#tea", text="x" * DEFAULTS.max_text)),
    Do(ANN, 4, native.Send(cmid="c", to="@bob", text="two\nlines\tand 👩‍👩‍👧, é, ا\u200cب")),
    Do(ANN, 5, native.Fun(cmid="c", to="#tea", line="/train"), Art("x\n" * 19, anim=Anim("train", 1 << 48, 12.0))),
    Do(ANN, 6, native.Topic(cmid="c", room="#tea", text="")),
    Do(ANN, 7, native.Away(text=None)),
    Do(ANN, 8, native.Color(color=None)),
    Do(ANN, 9, native.Leave(room="#tea", reason="tea is cold")),
    Do(ANN, 10, native.Who()),
    Do(ANN, 11, native.Ping(id="mine")),
    Do(ANN, 12, native.Rooms()),
    Do(ANN, 13, Sasl(mech="PLAIN", data="\0ann\0\x01"), None, "192.0.2.7", "irc", secure=True, certfp="c1" * 32),
    Do(ANN, 14, Register(password="two\nlines", account="ann"), None, "192.0.2.7", "native", ticket="1 00 ann"),
    Do(ANN, 15, Key(add="ssh-ed25519 AAAA ann at home")),
    Do(ANN, 16, Account(account="x" * 256)),
    Do(ANN, 17, native.Rename(name="Ann Arbor")),
    Do(ANN, 18, native.Rename()),
    Do(ANN, 19, native.Watch(add=["bob"] * 100, remove=["x" * 256])),
    Do(ANN, 20, native.Was(nick="bob")),
    Do(ANN, 21, Read(room="@", seq=5)),
]


@pytest.mark.parametrize(
    "request_",
    [
        native.Rename(name="x" * 151),
        native.Rename(name="a\nb"),
        native.Watch(add=["x" * 257]),
        native.Watch(remove=["x" * 257]),
        native.Was(nick="x" * 257),
        Read(room="#" + "x" * 256),
    ],
    ids=repr,
)
def test_names_that_no_sound_worker_sends_are_offences(request_: native.Request) -> None:
    assert isinstance(checked(Do(ANN, 1, request_), DEFAULTS), Offence)


@pytest.mark.parametrize("do", SOUND, ids=lambda do: type(do.request).__name__)
def test_what_sound_workers_send_is_let_through_as_it_is(do: Do) -> None:
    assert checked(do, DEFAULTS) is do


def test_an_offence_says_what_it_is() -> None:
    long = Do(ANN, 1, native.Topic(cmid="c", room="#tea", text="x" * 401))
    assert checked(long, DEFAULTS) == Offence("a topic of 401 characters; at most 400 are taken")


def test_a_reason_is_cleaned_rather_than_refused_for_the_connection_is_gone() -> None:
    assert checked(Gone(ANN, "quite\x1b\nso", returns=True), DEFAULTS) == Gone(ANN, "quite so", returns=True)


def test_too_many_seats_at_once_are_none() -> None:
    one = Seat(ANN, HELLO, [], "", "", 0)
    assert checked(attach := Attach(1, [one] * 1000, {}), DEFAULTS) is attach
    assert checked(Attach(1, [one] * 1001, {}), DEFAULTS) == Offence("1,001 seats at once; at most 1,000 are taken")


def test_a_seat_is_its_own_workers_and_has_names_as_the_broker_would_give_them() -> None:
    assert is_sound(Seat(ANN, HELLO, ["#tea"], "192.0.2.7", "native", 5, "out", 7), 1, DEFAULTS)
    assert not is_sound(Seat(BOB, HELLO, ["#Tea"], "", "", 0), 1, DEFAULTS)
    assert not is_sound(Seat(BOB, HELLO, [], "", "", 0), 2, DEFAULTS)


@pytest.mark.parametrize(
    "do",
    [
        Do(ANN, 1, Sasl(mech="PLAIN"), None, "192.0.2.7\n", "native"),
        Do(ANN, 1, Drop(password="x"), None, "", "NATIVE"),
        Do(ANN, 1, Sasl(mech="EXTERNAL"), certfp="C1" * 32),
        Do(ANN, 1, HELLO, ticket="x" * 401),
        Do(ANN, 1, Register(password="x", account="x" * 257)),
        Do(ANN, 1, Account(account="x" * 257)),
        Do(ANN, 1, Key(add="ssh-ed25519 AAAA \x1b[2J")),
    ],
)
def test_what_no_sound_worker_says_of_accounts_is_an_offence(do: Do) -> None:
    assert isinstance(checked(do, DEFAULTS), Offence)


def test_a_seat_has_a_ticket_and_a_fingerprint_of_their_sizes() -> None:
    assert is_sound(Seat(ANN, HELLO, [], "", "", 0, ticket="1 00 ann", certfp="c1" * 32), 1, DEFAULTS)
    assert not is_sound(Seat(ANN, HELLO, [], "", "", 0, ticket="x" * 401), 1, DEFAULTS)
    assert not is_sound(Seat(ANN, HELLO, [], "", "", 0, certfp="x"), 1, DEFAULTS)


@pytest.mark.parametrize(
    "request_",
    [
        moderation.Mode(room="#tea", changes=[Change("x" * 33)]),
        moderation.Mode(room="#tea", changes=[Change("key", arg="a\x1b[2J")]),
        moderation.Mode(room="#" + "x" * 256, changes=[]),
        moderation.Policy(room="#" + "x" * 256),
        moderation.Kick(nick="x" * 257),
        moderation.Kick(nick="bob", reason="two\nlines"),
        moderation.Ban(mask="x" * 301),
        moderation.Unban(mask="a\x07"),
        moderation.Invite(nick="bob", room="#" + "x" * 256),
        moderation.Claim(room="#tea", to="x" * 257),
        moderation.Retitle(room="#tea", name="#" + "x" * 256),
        moderation.Announce(text="x" * 2001),
        moderation.Announce(text="\x1b[2J"),
    ],
    ids=repr,
)
def test_what_no_sound_worker_says_of_rooms_is_an_offence(request_: native.Request) -> None:
    assert isinstance(checked(Do(ANN, 1, request_), DEFAULTS), Offence)
