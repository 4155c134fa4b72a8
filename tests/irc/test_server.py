"""Asking about the server: Modern IRC, "Server Queries and Commands", "Numerics"; RFC 2812, sections 3.4 and 4."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]


def test_links_lists_the_one_server(client: Make) -> None:
    """RPL_LINKS, RPL_ENDOFLINKS: In replying to the LINKS message, a server MUST send replies back using the RPL_LINKS
    numeric and mark the end of the list using an RPL_ENDOFLINKS reply."""
    ann = client("ann")
    told = ann.ask("LINKS")
    assert [m.command for m in told] == ["364", "365"]
    assert told[0].params[1] == told[0].source
    assert told[0].last.startswith("0 ")
    assert ann.numbers("LINKS nosuch.*") == ["365"]


def test_stats_ends_whatever_was_asked(client: Make) -> None:
    """`u` - returns a string showing how long the server has been up. ... RPL_ENDOFSTATS"""
    ann = client("ann")
    told = ann.ask("STATS u")
    assert [m.command for m in told] == ["242", "219"]
    assert told[0].last.startswith("Server Up 0 days 0:")
    assert told[1].params[1] == "u"
    assert ann.numbers("STATS z") == ["219"]
    assert ann.numbers("STATS") == ["461"]
    assert ann.numbers("STATS o") == ["481", "219"]


def test_lusers_counts(client: Make, channel: str) -> None:
    """When processing a LUSERS message, servers MUST return RPL_LUSERCLIENT and RPL_LUSERME. ... RPL_LUSERCHANNELS:
    Returned when there are channels formed"""
    ann = client("ann")
    ann.join(channel)
    told = {m.command: m for m in ann.ask("LUSERS")}
    assert set(told) >= {"251", "254", "255"}
    assert told["254"].params[1] == "1"
    assert told["251"].last == "There are 1 users and 0 invisible on 1 servers"


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("SUMMON ann", "445"),
        ("USERS", "446"),
        ("REHASH", "481"),
        ("DIE", "481"),
        ("RESTART", "481"),
        ("CONNECT a.example", "481"),
        ("SQUIT a.example :why", "481"),
        ("CONNECT", "461 481"),  # the text does not say what comes first
        ("SQUIT", "461 481"),
        ("TRACE nosuch.example", "402"),
        ("STATS u nosuch.example", "402"),
        ("ADMIN nosuch.example", "402"),
    ],
)
def test_what_is_not_for_everybody_has_its_numeric(client: Make, line: str, number: str) -> None:
    """ERR_SUMMONDISABLED; ERR_USERSDISABLED; ERR_NOPRIVILEGES: Any command requiring operator privileges to operate
    MUST return this error to indicate the attempt was unsuccessful. ERR_NOSUCHSERVER"""
    assert client("ann").numbers(line)[0] in number.split()


def test_trace_ends(client: Make) -> None:
    """RPL_TRACEEND is sent to indicate the end of the list."""
    told = client("ann").ask("TRACE")
    assert [m.command for m in told] == ["205", "262"]
    assert told[0].params[-1] == "ann"
