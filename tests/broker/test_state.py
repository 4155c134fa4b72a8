"""Being introduced, going, and what people change and ask of themselves and others."""

import pytest

from protocol import native
from protocol.ipc import Announced, Answered, Closed
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, settings, token

# --- hello


def test_welcome_tells_what_a_client_must_know(desk: Desk) -> None:
    welcome = desk.enter(ANN, "Ann")
    assert welcome == native.Welcome(
        nick="Ann", server="moot", version=welcome.version, epoch=desk.log.epoch, max_text=4000, people=1
    )
    assert desk.notes == ["Ann introduced"]


def test_without_hello_nothing_is_done(desk: Desk) -> None:
    assert desk.refused(ANN, native.Ping(id=7)) == "not-introduced"
    assert desk.refused(ANN, native.Send(cmid="c", to="#tea", text="hi")) == "not-introduced"


def test_a_second_hello_is_refused(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, native.Hello(nick="other", token=token("x"))) == "bad-request"
    assert desk.ask(ANN, native.Who(), native.People).people == [native.Person("ann")]


def test_another_version_is_refused(desk: Desk) -> None:
    assert desk.refused(ANN, native.Hello(nick="ann", v=2, token=token("ann"))) == "unsupported-version"


@pytest.mark.parametrize("nick", ["", " ", "a b", "-ann", "a;b", "x" * 33, "\n", "\u202eann"])
def test_a_bad_nick_is_refused(desk: Desk, nick: str) -> None:
    assert desk.refused(ANN, native.Hello(nick=nick, token=token("ann"))) == "bad-nick"


@pytest.mark.parametrize(("first", "second", "free"), [("ann", "ANN", "ANN2"), ("paypal", "раураl", None)])
def test_a_nick_that_is_taken_or_looks_so_is_refused(desk: Desk, first: str, second: str, free: str | None) -> None:
    desk.enter(ANN, first)
    error = desk.ask(BOB, native.Hello(nick=second, token=token("bob")), native.Error)
    assert error.code == "nick-taken"
    assert error.free is not None
    assert free in (None, error.free)
    assert desk.ask(BOB, native.Hello(nick=error.free, token=token("bob")), native.Welcome).nick == error.free


def test_a_nick_is_free_again_when_its_holder_went(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.gone(ANN)
    assert desk.enter(BOB, "Ann").nick == "Ann"


def test_people_of_one_address_are_limited_but_not_on_loopback() -> None:
    desk = Desk(settings(max_per_address=1))
    desk.post(ANN, native.Hello(nick="ann", token=token("ann")), addr="192.0.2.1")
    desk.post(BOB, native.Hello(nick="bob", token=token("bob")), addr="192.0.2.1")
    desk.post(EVE, native.Hello(nick="eve", token=token("eve")), addr="127.0.0.1")
    desk.post(conn(2, 2), native.Hello(nick="joe", token=token("joe")), addr="127.0.0.1")
    desk.commit()
    answers = [event.event for worker in (1, 2) for event in desk.told[worker] if isinstance(event, Answered)]
    assert [getattr(answer, "code", "welcome") for answer in answers] == ["welcome", "too-many", "welcome", "welcome"]
    desk.gone(ANN)
    desk.post(BOB, native.Hello(nick="bob", token=token("bob")), addr="192.0.2.1")
    desk.commit()
    assert BOB in desk.state.people.by_conn


def test_quit_says_bye_and_tells_the_rooms(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    bye = desk.ask(ANN, native.Quit(id=3, reason="tea time"), native.Bye)
    assert bye == native.Bye(id=3, reason="tea time")
    assert desk.told[1][-1] == Closed(ANN)
    left = native.Left(room="#tea", nick="ann", reason="tea time", quit=True)
    assert desk.told[2] == [Announced("#tea", left)]


def test_quit_before_hello_says_bye_too(desk: Desk) -> None:
    assert desk.ask(ANN, native.Quit(), native.Bye).reason == "goodbye"
    assert desk.told[1][-1] == Closed(ANN)


def test_gone_is_confirmed_even_for_a_stranger(desk: Desk) -> None:
    desk.gone(ANN)
    assert desk.told == {1: [Closed(ANN)]}


# --- oneself and others


def test_a_new_nick_is_told_to_the_rooms_and_the_old_one_is_free(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    assert desk.ask(ANN, native.Nick(nick="anna"), native.Ok).nick == "anna"
    assert desk.told[2] == [Announced("#tea", native.Renamed(room="#tea", old="ann", nick="anna"))]
    assert desk.ask(ANN, native.Nick(nick="ANNA"), native.Ok).nick == "ANNA"
    assert desk.ask(EVE, native.Nick(nick="ann"), native.Ok).nick == "ann"
    assert desk.refused(EVE, native.Nick(nick="anna")) == "nick-taken"
    assert desk.refused(EVE, native.Nick(nick="no way")) == "bad-nick"
    assert desk.ask(ANN, native.Whois(nick="ann"), native.Profile).nick == "ann"


def test_away_and_colour_are_told_to_the_rooms_with_what_was_before(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(EVE, "eve", "#tea")
    plain, gone = native.Person("ann", roles=["op"]), native.Person("ann", None, "lunch", roles=["op"])
    desk.do(ANN, native.Away(text="lunch"))
    assert desk.told[2] == [Announced("#tea", native.Changed(room="#tea", who=gone, was=plain))]
    desk.do(ANN, native.Color(color="#123456"))
    desk.do(ANN, native.Away())
    away = native.Person("ann", "#123456", "lunch", roles=["op"])
    back = native.Person("ann", "#123456", roles=["op"])
    assert desk.told[2] == [Announced("#tea", native.Changed(room="#tea", who=back, was=away))]


def test_who_comes_may_be_away_from_the_first_moment_on(desk: Desk) -> None:
    desk.enter(EVE, "eve", "#tea")
    desk.ask(ANN, native.Hello(nick="ann", token=token("ann"), away="*"), native.Welcome)
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    joined = native.Joined(room="#tea", who=native.Person("ann", away="*"))
    assert desk.told[2] == [Announced("#tea", joined)]


def test_whois_shows_shared_rooms_only(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#secret")
    desk.enter(EVE, "eve", "#tea", "#other")
    profile = desk.ask(EVE, native.Whois(nick="ANN"), native.Profile)
    assert (profile.nick, profile.rooms, profile.dialect, profile.idle) == ("ann", ["#tea"], "native", 6)
    assert desk.refused(EVE, native.Whois(nick="nobody")) == "no-such-nick"
    assert desk.refused(EVE, native.Whois(nick="")) == "bad-nick"


def test_who_lists_by_nick(desk: Desk) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.enter(ANN, "Ann", "#tea")
    desk.enter(EVE, "eve")
    everyone = desk.ask(ANN, native.Who(id=1), native.People)
    assert ([person.nick for person in everyone.people], everyone.count) == (["Ann", "bob", "eve"], 3)
    assert desk.ask(ANN, native.Who(room="#Tea"), native.People).count == 2


def test_pong_comes_after_everything_before_it(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.post(ANN, native.Send(cmid="c", to="#tea", text="hi"))
    desk.post(ANN, native.Ping(id="p"))
    desk.commit()
    last = desk.told[1][-1]
    assert isinstance(last, Answered)
    assert last.event == native.Pong(id="p", time=desk.now)
