"""Answers of the server in words."""

from datetime import datetime

import pytest

from client.terminal.reports import Report, report
from protocol import native

NOON = int(datetime(2026, 11, 21, 12, 0, 5).timestamp() * 1000)


@pytest.mark.parametrize(
    ("request_", "event", "said"),
    [
        (native.Who(), native.Error(code="x", text="No."), Report("No.", "error")),
        (native.Fun(cmid="c", to="#a", line="/cows"), native.Shown(text="cow"), Report("cow", "art")),
        (native.Ping(), native.Pong(time=NOON), Report("The server's clock says 12:00:05.")),
        (native.Away(text="tea"), native.Ok(), Report("You are away: tea")),
        (native.Away(), native.Ok(), Report("You are back.")),
        (native.Nick(nick="kim"), native.Ok(nick="Kim"), Report("You are Kim now.")),
        (native.Color(color="#FF0000"), native.Ok(), Report("Your colour is #FF0000.")),
        (native.Leave(room="#a"), native.Ok(), None),
        (native.Rooms(), native.RoomList(rooms=[], count=0), Report("There are no rooms yet; /join #name makes one.")),
    ],
)
def test_reports(request_: native.Request, event: native.Event, said: Report | None) -> None:
    assert report(request_, event) == said


def test_rooms_stand_in_columns() -> None:
    rooms = [native.RoomLine("#lobby", 12, "tea"), native.RoomLine("#a", 1)]
    assert report(native.Rooms(), native.RoomList(rooms=rooms, count=3)) == Report(
        "#lobby    12  tea\n#a         1\nand 1 other"
    )


def test_a_person() -> None:
    profile = native.Profile(
        nick="ann", rooms=["#a"], since=NOON, idle=130, client="moot", dialect="native", away="tea"
    )
    assert report(native.Whois(nick="ann"), profile) == Report(
        "ann is away: tea\n  here since 21.11.2026 12:00, silent for 2 min\n  rooms: #a\n  with moot over native"
    )


@pytest.mark.parametrize("time", [-(1 << 60), 1 << 60])
def test_a_time_that_no_clock_shows_does_no_harm(time: int) -> None:
    assert report(native.Ping(), native.Pong(time=time)) is not None
    assert report(native.Whois(nick="ann"), native.Profile(nick="ann", rooms=[], since=time, idle=0)) is not None
