"""Being told of people wherever they are, and asking who was here."""

import pytest
from msgspec.structs import replace

from broker.past import REMEMBERED
from broker.watching import MAX_WATCHED
from protocol import native
from protocol.ipc import Announced, Attach, Seat
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, seat, token
from tests.broker.test_attendance import successor


def watch(desk: Desk, *nicks: str) -> native.Watched:
    return desk.ask(ANN, native.Watch(add=list(nicks)), native.Watched)


def test_who_watches_is_told_of_comings_goings_new_nicks_and_changes_and_nobody_else_is(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(EVE, "eve")
    assert watch(desk, "Bob", "eve") == native.Watched(here=[native.Person("eve")], gone=["Bob"])
    desk.enter(BOB, "bob", "#tea")
    assert desk.told_to(ANN) == []  # by the join
    desk.gone(BOB)
    assert desk.told_to(ANN) == [native.Watched(gone=["bob"])]
    desk.enter(BOB, "bob")
    assert desk.told_to(ANN) == [native.Watched(here=[native.Person("bob")])]
    assert desk.told_to(EVE) == []
    desk.ask(BOB, native.Away(text="lunch"), native.Ok)
    assert desk.told_to(ANN) == [native.Watched(here=[native.Person("bob", away="lunch")])]
    desk.ask(BOB, native.Nick(nick="BOB"), native.Ok)
    assert desk.told_to(ANN) == [native.Watched(here=[native.Person("BOB", away="lunch")])]
    desk.ask(BOB, native.Nick(nick="rob"), native.Ok)
    assert desk.told_to(ANN) == [native.Watched(gone=["BOB"])]


def test_who_is_watched_no_more_is_not_told_of(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    watch(desk, "bob", "eve")
    assert desk.ask(ANN, native.Watch(remove=["BOB"]), native.Watched) == native.Watched(gone=["eve"])
    desk.enter(BOB, "bob")
    assert desk.told_to(ANN) == []
    assert desk.ask(ANN, native.Watch(clear=True, add=["bob"]), native.Watched).here == [native.Person("bob")]
    desk.gone(ANN)
    desk.gone(BOB)
    assert desk.state.seating.presence.watching._by_key == {}


def test_more_than_fit_and_what_is_no_nick_are_refused_and_nothing_is_changed(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    watch(desk, *(f"bob{n}" for n in range(MAX_WATCHED)))
    assert desk.refused(ANN, native.Watch(add=["one-more"])) == "full-list"
    assert desk.refused(ANN, native.Watch(add=["a b"], clear=True)) == "bad-nick"
    assert len(desk.ask(ANN, native.Watch(add=["BOB1"]), native.Watched).gone) == MAX_WATCHED


def test_a_take_over_goes_on_watching(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    watch(desk, "bob")
    desk.ask(EVE, native.Hello(nick="ann", token=token("ann")), native.Welcome)
    desk.enter(BOB, "bob")
    assert desk.told_to(ANN) == []
    assert desk.told_to(EVE) == [native.Watched(here=[native.Person("bob")])]


def test_the_next_broker_knows_who_watches_and_tells_them_how_it_is() -> None:
    before = Desk()
    before.enter(ANN, "ann")
    before.enter(EVE, "eve")
    watch(before, "eve", "bob")
    desk = successor(before, Attach(1, [seat(ANN, "ann")], {}), Attach(2, [seat(EVE, "eve")], {}))
    desk.state.seating.tell_who_is_here()
    desk.commit()
    here = [native.Person("eve", color="#123456", away="lunch")]
    assert desk.told_to(ANN) == [native.Watched(here=here, gone=["bob"])]
    desk.enter(BOB, "bob")
    assert desk.told_to(ANN) == [native.Watched(here=[native.Person("bob")])]


def test_was_has_those_who_left_or_took_another_nick_the_last_first(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.ask(BOB, native.Hello(nick="bob", token=token("bob"), name="Bob B"), native.Welcome)
    desk.ask(BOB, native.Nick(nick="rob"), native.Ok)
    desk.enter(EVE, "Bob")
    desk.gone(EVE)
    found = desk.ask(ANN, native.Was(nick="bob"), native.People)
    assert found.people == [
        native.Person("Bob", until=NOON + 4000),
        native.Person("bob", name="Bob B", until=NOON + 3000),
    ]
    assert found.count == 2
    assert len(desk.ask(ANN, native.Was(nick="bob", limit=1), native.People).people) == 1
    assert desk.ask(ANN, native.Was(nick="ann"), native.People).people == []
    assert desk.refused(ANN, native.Was(nick="a b")) == "bad-nick"


def test_was_remembers_so_many_and_no_more(desk: Desk) -> None:
    desk.enter(ANN, "ann0")
    for number in range(REMEMBERED + 1):
        desk.ask(ANN, native.Nick(nick=f"ann{number + 1}"), native.Ok)
    assert desk.ask(ANN, native.Was(nick="ann0"), native.People).people == []
    assert len(desk.ask(ANN, native.Was(nick="ann1"), native.People).people) == 1


# --- what people say of themselves


def test_a_name_and_being_a_program_are_told_to_rooms_and_kept_over_a_restart() -> None:
    before = Desk()
    before.enter(ANN, "ann", "#tea")
    before.ask(ANN, native.Rename(name="Ann A"), native.Ok)
    before.ask(ANN, native.Bot(), native.Ok)
    (announced,) = (event for event in before.told[1] if isinstance(event, Announced))
    who, was = native.Person("ann", name="Ann A", bot=True), native.Person("ann", name="Ann A")
    in_tea = native.Changed(room="#tea", who=replace(who, roles=["op"]), was=replace(was, roles=["op"]))
    assert announced.event == in_tea
    hello = native.Hello(nick="ann", token=token("ann"), name="Ann A")
    desk = successor(before, Attach(1, [Seat(ANN, hello, ["#tea"], "192.0.2.7", "native", NOON)], {}))
    assert desk.ask(ANN, native.Who(), native.People).people == [who]
    desk.ask(ANN, native.Bot(on=False), native.Ok)
    assert desk.ask(ANN, native.Who(), native.People).people == [native.Person("ann", name="Ann A")]


@pytest.mark.parametrize("admin", [False, True])
def test_whois_tells_address_and_certificate_to_those_who_may_know(desk: Desk, admin: bool) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    bob, ann = desk.state.people.by_conn[BOB], desk.state.people.by_conn[ANN]
    bob.secure, bob.certfp, ann.person.admin = True, "ab" * 32, admin
    profile = desk.ask(ANN, native.Whois(nick="bob"), native.Profile)
    assert (profile.secure, profile.certfp, profile.address) == (
        True,
        "ab" * 32 if admin else None,
        "192.0.2.7" if admin else None,
    )
    assert desk.ask(BOB, native.Whois(nick="bob"), native.Profile).certfp == "ab" * 32
