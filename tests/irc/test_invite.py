"""INVITE: Modern IRC, "INVITE message"; IRCv3 invite-notify."""

from collections.abc import Callable

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

Make = Callable[..., Client]


def test_an_invitation_is_answered_and_told_to_who_is_invited(client: Make, channel: str) -> None:
    """When the invite is successful, the server MUST send a RPL_INVITING numeric to the command issuer, and an INVITE
    message, with the issuer as <source>, to the target user. Other channel members SHOULD NOT be notified."""
    (ann, bob), eve = in_channel(client, channel, "ann", "bob"), client("eve")
    told = ann.ask(f"INVITE eve {channel}")
    assert [(m.command, m.params[1:]) for m in told if m.command == "341"] == [("341", ["eve", channel])]
    assert [(m.command, m.nick, m.params) for m in eve.told()] == [("INVITE", "ann", ["eve", channel])]
    assert [m for m in bob.told() if m.command != "NOTICE"] == []


def test_who_is_invited_comes_past_an_invite_only_mode(client: Make, channel: str) -> None:
    """If this mode is set on a channel, a user must have received an INVITE for this channel before being allowed to
    join it. If they have not received an invite, they will receive an ERR_INVITEONLYCHAN reply"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +i")
    assert eve.numbers(f"JOIN {channel}") == ["473"]
    ann.ask(f"INVITE eve {channel}")
    eve.told()
    assert eve.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_an_invitation_is_for_once(client: Make, channel: str) -> None:
    """(An INVITE lets somebody in; having left again, they need another.)"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +i", f"INVITE eve {channel}")
    eve.ask(f"JOIN {channel}", f"PART {channel}")
    assert eve.numbers(f"JOIN {channel}") == ["473"]


def test_only_members_invite_and_into_a_closed_channel_only_operators(client: Make, channel: str) -> None:
    """Only members of the channel are allowed to invite other users. Otherwise, the server MUST reject the command with
    the ERR_NOTONCHANNEL numeric. ... they SHOULD reject it when the channel has invite-only mode set, and the user is
    not a channel operator."""
    (ann, bob), eve = in_channel(client, channel, "ann", "bob"), client("eve")
    assert eve.numbers(f"INVITE bob {channel}")[0] in ("442", "443")
    ann.ask(f"MODE {channel} +i")
    bob.told()
    assert bob.numbers(f"INVITE eve {channel}") == ["482"]
    assert eve.told() == []


def test_who_is_there_already_is_not_invited(client: Make, channel: str) -> None:
    """If the user is already on the target channel, the server MUST reject the command with the ERR_USERONCHANNEL
    numeric."""
    ann, _bob = in_channel(client, channel, "ann", "bob")
    told = ann.ask(f"INVITE bob {channel}")
    assert [(m.command, m.params[1:3]) for m in told] == [("443", ["bob", channel])]


def test_an_invitation_needs_somebody_and_somewhere(client: Make, channel: str) -> None:
    """ERR_NEEDMOREPARAMS, ERR_NOSUCHCHANNEL: The target channel SHOULD exist (at least one user is on it). ...
    ERR_NOSUCHNICK"""
    (ann,) = in_channel(client, channel, "ann")
    assert ann.numbers("INVITE bob") == ["461"]
    assert ann.numbers(f"INVITE nobody {channel}") == ["401"]
    _bob = client("bob")
    assert ann.numbers(f"INVITE bob {channel}zzz")[0] in ("403", "341")


def test_one_may_ask_where_one_is_invited_to(client: Make, channel: str) -> None:
    """RPL_INVITELIST: Sent to a client as a reply to the INVITE command when used with no parameter, to indicate a
    channel the client was invited to. RPL_ENDOFINVITELIST"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    first = eve.numbers("INVITE")
    if first == ["461"]:
        eve.needs("x-invite-list")
    assert first == ["337"]
    ann.ask(f"MODE {channel} +i", f"INVITE eve {channel}")
    eve.told()
    told = eve.ask("INVITE")
    assert [(m.command, m.params[1]) for m in told[:-1]] == [("336", channel)]
    assert told[-1].command == "337"
    eve.join(channel)
    assert eve.numbers("INVITE") == ["337"]


def test_who_may_invite_hears_of_invitations(client: Make, channel: str) -> None:
    """The server is not required to send the INVITE message described in this document to all clients supporting this
    capability on a channel. For example, a server may choose to only send the message to clients having channel op"""
    ann, bob, eve = client("ann"), client("bob", "invite-notify"), client("eve")
    ann.join(channel)
    bob.join(channel)
    ann.ask(f"MODE {channel} +o bob", f"INVITE eve {channel}")
    told = [m for m in bob.told() if m.command == "INVITE"]
    assert [(m.nick, m.params) for m in told] == [("ann", ["eve", channel])]
    assert [m.command for m in eve.told()] == ["INVITE"]
