"""AWAY: Modern IRC, "AWAY message"; IRCv3 away-notify, pre-away."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_away_is_acknowledged(client: Make) -> None:
    """The server acknowledges the change in away status by returning the RPL_NOWAWAY and RPL_UNAWAY numerics."""
    ann = client("ann")
    assert ann.numbers("AWAY :lunch", "AWAY", "AWAY :") == ["306", "305", "305"]


def test_who_shares_a_channel_hears_of_each_change_once(client: Make, channel: str) -> None:
    """clients will be sent an AWAY message when a user sharing a channel with them sets, changes or removes their away
    state"""
    ann, bob, eve = client("ann"), client("bob", "away-notify"), client("eve")
    for one in (ann, bob, eve):
        one.join(channel, channel + "b")
    ann.told()
    bob.told()
    eve.told()
    ann.ask("AWAY :lunch", "AWAY :tea", "AWAY")
    heard = [(m.command, m.nick, m.params) for m in bob.told()]
    assert heard == [("AWAY", "ann", ["lunch"]), ("AWAY", "ann", ["tea"]), ("AWAY", "ann", [])]
    assert eve.told() == []


def test_who_joins_away_is_told_of_as_away(client: Make, channel: str) -> None:
    """as well as when a user joins and has an away message set. (Note that AWAY will not be sent for joining users with
    no away message set.)"""
    bob = client("bob", "away-notify")
    bob.join(channel)
    ann = client("ann")
    ann.ask("AWAY :lunch", f"JOIN {channel}")
    assert [(m.command, m.nick) for m in bob.told()] == [("JOIN", "ann"), ("AWAY", "ann")]
    eve = client("eve")
    eve.join(channel)
    assert [(m.command, m.nick) for m in bob.told()] == [("JOIN", "eve")]


def test_who_is_away_may_say_so_before_being_registered(client: Make, channel: str) -> None:
    """If the capability has been negotiated, servers MUST accept the AWAY command before connection registration has
    completed."""
    bob = client("bob")
    ann = client()
    ann.send("CAP LS 302", "CAP REQ :draft/pre-away", "AWAY :Gone to lunch", "NICK ann", "USER ann 0 * :Ann", "CAP END")
    told = ann.until("001")
    assert "306" in [m.command for m in told]
    ann.told()
    whois = {m.command: m for m in bob.ask("WHOIS ann")}
    assert whois["301"].last == "Gone to lunch"


def test_away_before_being_registered_needs_the_capability(client: Make) -> None:
    """Clients wishing to make use of this specification MUST negotiate the capability"""
    one = client()
    one.send("CAP LS 302", "AWAY :lunch")
    assert one.until("451")


def test_a_message_to_somebody_away_is_answered_so(client: Make) -> None:
    """RPL_AWAY, with the away message, when a PRIVMSG command is directed at the away user"""
    ann, bob = client("ann"), client("bob")
    bob.ask("AWAY :lunch")
    assert [(m.command, m.last) for m in ann.ask("PRIVMSG bob :hi")] == [("301", "lunch")]
