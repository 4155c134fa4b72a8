"""WHOWAS: Modern IRC, "WHOWAS message"."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_who_is_gone_is_known_for_a_while(client: Make) -> None:
    """The server SHOULD answer this command with RPL_WHOWASUSER ... and end with RPL_ENDOFWHOWAS. The history is
    searched backward, returning the most recent entry first."""
    ann, bob = client("ann"), client("wasbob")
    bob.leave()
    again = client()
    again.send("NICK WasBob", "USER x 0 * :The other one")
    again.until("001")
    again.leave()
    told = ann.ask("WHOWAS wasbob")
    assert [m.command for m in told] == ["314", "312", "314", "312", "369"]
    assert [(m.params[1], m.last) for m in told if m.command == "314"] == [
        ("WasBob", "The other one"),
        ("wasbob", "Wasbob Example"),
    ]
    assert told[-1].params[1] == "wasbob"


def test_a_count_limits_the_answer(client: Make) -> None:
    """If given, <count> SHOULD be a positive number. Otherwise, a full search is done."""
    ann = client("ann")
    for _ in range(3):
        client("wascount").leave()
    assert ann.numbers("WHOWAS wascount 2").count("314") == 2
    assert ann.numbers("WHOWAS wascount 0").count("314") == 3
    assert ann.numbers("WHOWAS wascount -1").count("314") == 3


def test_who_was_never_here_is_said_so(client: Make) -> None:
    """ERR_WASNOSUCHNICK; servers MUST reply with either RPL_ENDOFWHOWAS or ERR_NONICKNAMEGIVEN"""
    ann = client("ann")
    assert ann.numbers("WHOWAS neverhere") == ["406", "369"]
    assert ann.numbers("WHOWAS neverhere,noteither") == ["406", "406", "369"]
    assert ann.numbers("WHOWAS") == ["431"]
