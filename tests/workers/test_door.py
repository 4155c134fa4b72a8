"""Who is let in, and for whom time runs out. Connections here are no more than an address and a time."""

import resource
from dataclasses import dataclass
from typing import cast

import pytest

from protocol.settings import Settings
from workers.conn import Conn
from workers.door import SPARE, Door, Due, open_files_allow


@dataclass(eq=False)
class FakeConn:
    host: str
    opened: float = 0.0


def come(door: Door, host: str, settings: Settings | None = None, *, opened: float = 0.0, departing: int = 0) -> str:
    """Connect; return why not, or nothing."""
    refusal = door.opened(cast("Conn", FakeConn(host, opened)), settings or Settings(), departing)
    return "" if refusal is None else refusal.text


@pytest.mark.parametrize(
    ("hosts", "refused"),
    [
        (["192.0.2.1", "192.0.2.1", "192.0.2.1"], [False, False, True]),
        (["192.0.2.1", "192.0.2.1", "192.0.2.2"], [False, False, False]),
        (["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"], [False, False, True]),
        (["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"], [False, False, False]),
        (["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"], [False, False, True]),
        (["127.0.0.1"] * 5, [False] * 5),
        (["::1"] * 5, [False] * 5),
    ],
)
def test_an_address_is_one_of_ipv4_or_a_64_of_ipv6(hosts: list[str], refused: list[bool]) -> None:
    door, settings = Door(), Settings(max_per_address=2)
    assert [bool(come(door, host, settings)) for host in hosts] == refused


def test_without_limits_an_address_may_have_any_number() -> None:
    door = Door()
    assert not any(come(door, "192.0.2.1", Settings(limits=False, max_per_address=1)) for _ in range(5))


def test_who_goes_makes_room() -> None:
    door, settings = Door(), Settings(max_per_address=1, max_conns=2)
    first = cast("Conn", FakeConn("192.0.2.1"))
    assert door.opened(first, settings, 0) is None
    assert "at most 1 are allowed" in come(door, "192.0.2.1", settings)
    door.closed(first)
    refused = cast("Conn", FakeConn("192.0.2.2"))
    assert door.opened(refused, settings, 0) is None
    door.closed(refused)
    assert "the server has 2 connections" in come(door, "192.0.2.3", settings, departing=1)


def test_as_many_as_files_may_be_open_less_a_reserve() -> None:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert open_files_allow() == soft - SPARE


def test_time_runs_out_for_the_oldest_first_and_once() -> None:
    door, settings = Door(), Settings(greet_after=1, intro_first=10, intro_whole=30)
    for second in range(3):
        come(door, f"192.0.2.{second}", settings, opened=float(second))

    def due(now: float) -> list[tuple[float, Due]]:
        return [(conn.opened, what) for conn, what in door.due(now, settings)]

    assert due(0.9) == []
    assert due(2.5) == [(0.0, Due.GREET), (1.0, Due.GREET)]
    assert due(2.5) == []
    assert due(11.0) == [(2.0, Due.GREET), (0.0, Due.FIRST), (1.0, Due.FIRST)]
    assert due(100.0) == [(2.0, Due.FIRST), (0.0, Due.WHOLE), (1.0, Due.WHOLE), (2.0, Due.WHOLE)]
    assert not door.waits


def test_nothing_is_due_for_who_is_introduced() -> None:
    door, settings = Door(), Settings()
    conn = cast("Conn", FakeConn("192.0.2.1"))
    door.opened(conn, settings, 0)
    door.introduced(conn)
    assert list(door.due(1000.0, settings)) == []
    assert not door.waits
