"""Secret channels: Modern IRC, "Secret Channel Mode"; the symbol of 353."""

from collections.abc import Callable

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

Make = Callable[..., Client]


def test_a_secret_channel_is_not_listed_but_to_its_members(client: Make, channel: str) -> None:
    """A channel that is set to secret will not show up in responses to the LIST or NAMES command unless the client
    sending the command is joined to the channel."""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +s")
    assert [m for m in eve.ask(f"LIST {channel}") if m.command == "322"] == []
    assert channel not in [m.params[1] for m in eve.ask("LIST") if m.command == "322"]
    assert channel in [m.params[1] for m in ann.ask("LIST") if m.command == "322"]
    assert eve.numbers(f"NAMES {channel}") == ["366"]


def test_a_secret_channel_is_not_in_whois_but_for_its_members(client: Make, channel: str) -> None:
    """Likewise, secret channels will not show up in the RPL_WHOISCHANNELS numeric unless the user the numeric is being
    sent to is joined to that channel."""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +s")
    assert [m for m in eve.ask("WHOIS ann") if m.command == "319" and channel in m.last] == []
    assert [m for m in ann.ask("WHOIS ann") if m.command == "319" and channel in m.last] != []


def test_names_tell_that_a_channel_is_secret(client: Make, channel: str) -> None:
    """<symbol> notes the status of the channel. It can be one of the following: ("=", 0x3D) - Public channel. ("@",
    0x40) - Secret channel"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    assert [m.params[1] for m in ann.ask(f"NAMES {channel}") if m.command == "353"] == ["="]
    ann.ask(f"MODE {channel} +s")
    assert [m.params[1] for m in ann.ask(f"NAMES {channel}") if m.command == "353"] == ["@"]
    assert [m.params[1] for m in eve.ask(f"JOIN {channel}") if m.command == "353"] == ["@"]


def test_who_is_outside_is_not_told_that_it_is_there(client: Make, channel: str) -> None:
    """(That a secret channel exists is not told by MODE, PART or TOPIC either, as far as the server can.)"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.needs("CHANMODES", "W")
    ann.ask(f"MODE {channel} +s")
    assert eve.numbers(f"MODE {channel}") == ["403"]
    assert eve.numbers(f"PART {channel}") == ["403"]
    assert eve.numbers(f"TOPIC {channel}") == ["403"]
    assert eve.numbers(f"KICK {channel} ann") == ["403"]
