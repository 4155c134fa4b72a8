"""Who did it: IRCv3, "account-tag"; the `bot` tag of "bot mode"."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_all_that_somebody_does_says_the_account(client: Make, channel: str, name: str) -> None:
    """The tag MUST be added by the ircd to all commands sent by a user (e.g. PRIVMSG, MODE, NOTICE, and all others).
    (If the user is not identified to any services account, the tag MUST NOT be sent.)"""
    ann = client(name)
    bob, eve = client("bob", "account-tag", "account-notify", "away-notify"), client("eve")
    for one in (bob, eve):
        one.join(channel)
    ann.join(channel)
    for one in (bob, eve):
        one.told()
    ann.ask(f"PRIVMSG {channel} :hi", "REGISTER * * sesame-poppy", f"PRIVMSG {channel} :hi", "PRIVMSG bob :hi")
    ann.ask("AWAY :tea", f"TOPIC {channel} :t", f"PART {channel}", f"JOIN {channel}")
    told = [(m.command, m.tags) for m in bob.told() if m.nick == name]
    mine = {"account": name}
    assert told == [
        ("PRIVMSG", {}),
        ("ACCOUNT", {}),
        ("PRIVMSG", mine),
        ("PRIVMSG", mine),
        ("AWAY", mine),
        ("TOPIC", mine),
        ("PART", mine),
        ("JOIN", mine),
        ("AWAY", mine),
    ]
    assert {m.raw[0] for m in eve.told()} == {":"}


def test_an_invitation_and_another_name_of_a_channel_say_it_too(client: Make, channel: str, name: str) -> None:
    """The tag MUST be added by the ircd to all commands sent by a user"""
    ann, bob = client(name), client("bob", "account-tag", "draft/channel-rename")
    ann.ask("REGISTER * * sesame-poppy", f"JOIN {channel}", f"INVITE bob {channel}")
    assert bob.until("INVITE")[-1].tags == {"account": name}
    bob.join(channel)
    ann.ask(f"RENAME {channel} {channel}x")
    assert bob.until("RENAME")[-1].tags == {"account": name}


def test_what_a_bot_does_says_so(client: Make, channel: str) -> None:
    """This tag SHOULD be added by the server to all commands sent by a bot (e.g. PRIVMSG, JOIN, MODE, NOTICE, and all
    others). ... This tag MUST only be sent to users who have requested the message-tags capability. Servers MUST NOT
    send this tag with a value"""
    robo, bob, eve = client("robo"), client("bob", "message-tags"), client("eve")
    for one in (bob, eve):
        one.join(channel)
    bob.told()
    eve.told()
    robo.ask("MODE robo +B", f"JOIN {channel}", f"PRIVMSG {channel} :beep")
    told = [m for m in bob.told() if m.nick == "robo"]
    assert [(m.command, m.tags.get("bot")) for m in told] == [("JOIN", ""), ("PRIVMSG", "")]
    assert {m.raw[0] for m in eve.told()} == {":"}
