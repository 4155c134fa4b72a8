"""What keeps people out of a channel: Modern IRC, "JOIN message", "Channel Modes"."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

Make = Callable[..., Client]


def test_a_key_must_be_told(client: Make, channel: str) -> None:
    """they must supply <key> in order for the command to succeed. If they do not supply a <key>, or the key they supply
    does not match the value of this mode, they will receive an ERR_BADCHANNELKEY reply and the command will fail."""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +k milk")
    assert [(m.command, m.params[1]) for m in eve.ask(f"JOIN {channel}")] == [("475", channel)]
    assert eve.numbers(f"JOIN {channel} tea") == ["475"]
    assert eve.ask(f"JOIN {channel} milk")[0].command == "JOIN"


def test_the_first_key_is_for_the_first_channel(client: Make, channel: str) -> None:
    """with the first <key> being used for the first <channel>, the second <key> being used for the second <channel>"""
    ann, eve = client("ann"), client("eve")
    ann.join(channel + "a", channel + "b")
    ann.ask(f"MODE {channel}a +k milk", f"MODE {channel}b +k tea")
    assert sorted(eve.numbers(f"JOIN {channel}a,{channel}b tea,milk")) == ["475", "475"]
    joined = [m.params[0] for m in eve.ask(f"JOIN {channel}a,{channel}b milk,tea") if m.command == "JOIN"]
    assert joined == [channel + "a", channel + "b"]


def test_a_key_is_gone_when_it_is_removed(client: Make, channel: str) -> None:
    """Type B: Modes that change a setting on a channel. These modes MUST always have a parameter."""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +k milk")
    (told,) = (m for m in ann.ask(f"MODE {channel} -k milk") if m.command == "MODE")
    assert told.params[1] == "-k"
    assert len(told.params) == 3
    assert eve.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_a_key_is_shown_to_members_at_most(client: Make, channel: str) -> None:
    """Servers MAY choose to hide sensitive information such as channel keys when sending the current modes."""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +k milk")
    assert "milk" in ann.ask(f"MODE {channel}")[0].params
    assert "milk" not in eve.ask(f"MODE {channel}")[0].params


def test_a_full_channel_takes_nobody(client: Make, channel: str) -> None:
    """If this mode is set on a channel, and the number of users joined to that channel matches or exceeds the value of
    this mode, new users cannot join that channel. ... ERR_CHANNELISFULL"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +l 1")
    assert [(m.command, m.params[1]) for m in eve.ask(f"JOIN {channel}")] == [("471", channel)]
    ann.ask(f"MODE {channel} -l")
    assert eve.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_who_is_banned_stays_out_but_for_an_exception(client: Make, channel: str) -> None:
    """their nickmask (the combination of nick!user@host) is compared with each banned client mask set with this mode.
    If they match one of these banned masks, they will receive an ERR_BANNEDFROMCHAN reply and the JOIN command will
    fail. ... if their nickmask matches any one of the masks set by this [exception] mode ... they will not be
    blocked"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +b EVE!*@*")
    assert [(m.command, m.params[1]) for m in eve.ask(f"JOIN {channel}")] == [("474", channel)]
    ann.needs("CHANMODES", "e")
    ann.ask(f"MODE {channel} +e e?e!*@*")
    assert eve.ask(f"JOIN {channel}")[0].command == "JOIN"


@pytest.mark.parametrize("mask", ["ev*!*@*", "?ve!*@*", "*!*@*", "eve!*@*"])
def test_masks_have_stars_and_question_marks(client: Make, channel: str, mask: str) -> None:
    """matches zero or more characters: '*'; matches exactly one: '?' (Wildcard expressions)"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.ask(f"MODE {channel} +b {mask}")
    assert eve.numbers(f"JOIN {channel}") == ["474"]
    ann.ask(f"MODE {channel} -b {mask}")
    assert eve.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_who_is_on_the_invite_list_needs_no_invitation(client: Make, channel: str) -> None:
    """If their nickmask matches any one of the masks set by this mode, and the channel is in invite-only mode, they do
    not need to require an INVITE in order to join the channel."""
    (ann,), bob, eve = in_channel(client, channel, "ann"), client("bob"), client("eve")
    ann.needs("CHANMODES", "I")
    ann.ask(f"MODE {channel} +iI bob!*@*")
    assert eve.numbers(f"JOIN {channel}") == ["473"]
    assert bob.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_a_channel_for_accounts_takes_no_guest(client: Make, channel: str) -> None:
    """ERR_NEEDREGGEDNICK (477): Cannot join channel (+r/+R): you need to be identified to a registered account"""
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    ann.needs("CHANMODES", "R")
    ann.ask(f"MODE {channel} +R")
    told = eve.ask(f"JOIN {channel}")
    assert [(m.command, m.params[1]) for m in told] == [("477", channel)]


def test_too_many_at_once_are_put_off(client: Make, channel: str) -> None:
    """(+j joins:seconds, as InspIRCd and Solanum have it; 437 ERR_UNAVAILRESOURCE of RFC 2812)"""
    (ann,) = in_channel(client, channel, "ann")
    ann.needs("CHANMODES", "W")
    ann.ask(f"MODE {channel} +j 2:600")
    assert client("bob").ask(f"JOIN {channel}")[0].command == "JOIN"
    assert client("eve").ask(f"JOIN {channel}")[0].command == "JOIN"
    assert [(m.command, m.params[1]) for m in client("zoe").ask(f"JOIN {channel}")] == [("437", channel)]
