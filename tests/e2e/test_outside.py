"""A person with each of the programs that people have, in one room: they see the same, and outlive the broker."""

import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest

from tests.outside.programs import Person, everybody, need
from tests.server import Server, serving, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server runs on Unix")
ROOM = "#lobby"  # where people with nc and classic clients are
TOKEN = re.compile(r"tok-([a-z]+)-\d+")


class Meeting(NamedTuple):
    server: Server
    people: dict[str, Person]  # by nick


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    """One person with each program, for all of these tests."""
    need("tmux", "irssi", "weechat", "nc", "openssl")
    place = tmp_path_factory.mktemp("outside")
    with (
        serving(place / "data", "--workers", "2", "--no-limits") as server,
        everybody(server, ROOM, place / "homes") as people,
    ):
        yield Meeting(server, {person.nick: person for person in people})


def seen_by(person: Person) -> list[str]:
    """Return the tokens that ``person`` sees, in their order, each once; one's own only if the server ordered them."""
    found = dict.fromkeys(match[0] for match in TOKEN.finditer(person.shown()))
    return heard_by(person, found)


def heard_by(person: Person, tokens: Iterable[str]) -> list[str]:
    """Return those of ``tokens`` whose place among the others ``person`` has from the server."""
    return [token for token in tokens if person.echoes or f"-{person.nick}-" not in token]


def assert_all_see(people: Iterable[Person], tokens: list[str]) -> None:
    """All see exactly these and those that came before them, in this order."""
    for person in people:
        heard = heard_by(person, tokens)
        person.sees(*heard)
        assert seen_by(person)[-len(heard) :] == heard, person.nick


def said_in_turn(people: Iterable[Person], number: int) -> list[str]:
    """Everybody says something when all have seen what the one before said; return what was said."""
    people, said = list(people), []
    for person in people:
        said.append(f"tok-{person.nick}-{number}")
        person.say(said[-1])
        for other in people:
            other.sees(*heard_by(other, said[-1:]))
    return said


def test_all_see_what_each_says_and_cows_and_emoji(meeting: Meeting) -> None:
    people = meeting.people.values()
    assert_all_see(people, said_in_turn(people, 1))
    meeting.people["irssi"].say("!cowsay tok-cow-1")
    meeting.people["classic"].sees("< tok-cow-1 >")
    meeting.people["netcat"].say("/cowsay tok-cow-2")
    meeting.people["classic"].sees("< tok-cow-2 >")
    meeting.people["ircpy"].say("now :tada: tok-tada-1")
    for person in people:
        cow = ("< tok-cow-1 >", "< tok-cow-2 >", "^__^", "(oo)\\_______", "||----w |")
        person.sees(*cow, *(["now 🎉 tok-tada-1"] if person.nick != "ircpy" else []))
        assert person.shown().count("(oo)\\_______") == 2
    others = [person for person in people if person.nick != "ircpy"]
    assert_all_see(others, ["tok-cow-1", "tok-cow-2", "tok-tada-1"])


def test_all_see_one_order_when_all_speak_at_once(meeting: Meeting) -> None:
    people = meeting.people.values()
    said = [f"tok-{person.nick}-{number}" for number in (11, 12, 13) for person in people]
    for token in said:
        meeting.people[TOKEN.fullmatch(token)[1]].say(token)  # type: ignore[index]  # each matches
    web = meeting.people["web"]
    web.sees(*said)
    order = seen_by(web)[-len(said) :]
    assert sorted(order) == sorted(said)
    assert_all_see(people, order)


def test_all_outlive_the_broker(meeting: Meeting) -> None:
    people = meeting.people.values()
    meeting.server.kill("broker")
    meeting.people["pydle"].say("tok-pydle-21")  # while there is none
    until(lambda: len(meeting.server.pids("broker")) == 2, "another broker")
    assert_all_see(people, ["tok-pydle-21", *said_in_turn(people, 22)])
    assert {person.nick: person.lives() for person in people} == dict.fromkeys(meeting.people, True)
