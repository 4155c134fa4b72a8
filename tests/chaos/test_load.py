"""What the load takes for a message, and for whose: literal texts and lines."""

import random

import pytest

from chaos.history import History, RoomLog, check
from chaos.load import Load, Plain, name_in, words
from client.address import Address

ROOM = "#r1"


def test_a_message_is_known_by_what_its_sender_said() -> None:
    assert name_in("n7", words("m7-3"), "text") == "m7-3"
    assert name_in("p7", words("m7-3"), "text") == "m7-3"
    assert name_in("n7", " _____\n< m7-3 >\n -----", "fun") == "m7-3"


@pytest.mark.parametrize(
    ("nick", "text"),
    [("n8", words("m7-3")), ("n7", words("m7-3") + "x"), ("n7", words("m7-3")[:-1]), ("n7", "moo"), ("n7", "")],
)
def test_what_its_sender_did_not_say_is_no_message(nick: str, text: str) -> None:
    assert name_in(nick, text, "text") == f"text of {nick}: {text}"


def heard(*lines: str) -> History:
    """Let somebody with `nc` be shown ``lines`` after m7-1 was said in their room, and m8-1 in another."""
    load = Load(History(), random.Random(1))
    for client, room, cmid in (("n7", ROOM, "m7-1"), ("n8", "#r2", "m8-1")):
        load.history.invoke(client, room, cmid)
    nc = Plain(load, Address("127.0.0.1", 1), ROOM)
    nc.name = "p9"
    for line in lines:
        nc._hear(line + "\n")
    nc.stays()
    return load.history


COMES = f"* You are in {ROOM}, 1 person: p9"
SAID = f"10:00 {ROOM} n7: {words('m7-1')}"
LOGS = {ROOM: RoomLog([(1, "m7-1")]), "#r2": RoomLog([(1, "m8-1")])}


@pytest.mark.parametrize("lines", [(COMES, SAID), (SAID, COMES), (COMES, f"10:00 {ROOM} n7:", "    < m7-1 >")])
def test_who_has_nc_and_is_shown_everything_misses_nothing(lines: tuple[str, ...]) -> None:
    assert check(heard(*lines), LOGS) == []


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ((COMES,), "missed"),
        ((COMES, SAID, SAID), "seen-again"),
        ((COMES, SAID, f"10:00 #r2 n8: {words('m8-1')}"), "vanished"),
        ((COMES, SAID, f"10:00 {ROOM} n8: {words('m8-1')}"), "vanished"),
        ((COMES, SAID, f"10:00 {ROOM} n7: m7-1 and more"), "vanished"),
        ((COMES, SAID, f"10:00 {ROOM} n8: {words('m7-1')}"), "vanished"),
        ((COMES, SAID, f"10:00 {ROOM} n7: moo"), "vanished"),
    ],
)
def test_who_has_nc_and_is_shown_something_wrong_says_so(lines: tuple[str, ...], kind: str) -> None:
    assert {violation.kind for violation in check(heard(*lines), LOGS)} == {kind}
