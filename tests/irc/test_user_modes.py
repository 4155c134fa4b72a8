"""Modes of users: Modern IRC, "User mode"; IRCv3 bot mode."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_modes_are_set_told_and_shown(client: Make) -> None:
    """If <modestring> is not given, the RPL_UMODEIS numeric is sent back containing the current modes of the target
    user. If <modestring> is given, the supplied modes will be applied, and a MODE message will be sent to the user
    containing the changed modes."""
    ann = client("ann")
    assert [m.params for m in ann.ask("MODE ann")] == [["ann", "+"]]
    (told,) = ann.ask("MODE ann +wi")
    assert (told.command, told.nick, told.params[0], set(told.last)) == ("MODE", "ann", "ann", {*"+iw"})
    (shown,) = ann.ask("MODE ann")
    assert (shown.params[0], set(shown.last)) == ("ann", {*"+iw"})
    assert [m.params for m in ann.ask("MODE ann -w")] == [["ann", "-w"]]
    assert ann.ask("MODE ann +i") == []


def test_what_is_changed_and_changed_back_is_not_told(client: Make) -> None:
    """a MODE message will be sent to the user containing the changed modes"""
    assert [m.params for m in client("ann").ask("MODE ann -i+i-o+w")] == [["ann", "+iw"]]


def test_modes_of_others_and_of_nobody_are_refused(client: Make) -> None:
    """If <target> is a nickname that does not exist on the network, the ERR_NOSUCHNICK numeric is returned. If <target>
    is a different nick than the user who sent the command, the ERR_USERSDONTMATCH numeric is returned."""
    ann, _bob = client("ann"), client("bob")
    assert ann.numbers("MODE bob", "MODE bob +i", "MODE nobody") == ["502", "502", "401"]


def test_unknown_modes_are_said_so_and_the_others_applied(client: Make) -> None:
    """If one or more modes sent are not implemented on the server, the server MUST apply the modes that are
    implemented, and then send the ERR_UMODEUNKNOWNFLAG in reply along with the MODE message."""
    ann = client("ann")
    assert {m.command: m.last for m in ann.ask("MODE ann +Zi")}["MODE"] == "+i"
    assert ann.numbers("MODE ann +Z") == ["501"]


def test_nobody_makes_oneself_operator_or_registered(client: Make) -> None:
    """If a user attempts to make themselves an operator using the "+o" or "+O" flag, the attempt SHOULD be ignored."""
    ann = client("ann")
    assert ann.ask("MODE ann +o", "MODE ann +r", "MODE ann -r") == []
    assert [m.last for m in ann.ask("MODE ann")] == ["+"]


def test_a_bot_is_known_as_one(client: Make, channel: str) -> None:
    """When a client is marked as a bot, they are given a special numeric as part of their WHOIS response, it is
    indicated in their WHO flags. The value of the BOT token is the mode character which is used to enable bot mode and
    is also the flag used in WHO responses of bots"""
    ann, robo = client("ann"), client()
    told = [word for m in robo.register("robo") if m.command == "005" for word in m.params]
    assert "BOT=B" in told
    robo.join(channel)
    ann.join(channel)
    robo.told()
    assert [(m.command, m.params) for m in robo.ask("MODE robo +B")] == [("MODE", ["robo", "+B"])]
    assert "335" in [m.command for m in ann.ask("WHOIS robo")]
    flags = next(m.params[6] for m in ann.ask(f"WHO {channel}") if m.command == "352" and m.params[5] == "robo")
    assert flags[0] + flags[-1] == "HB"
    robo.ask("MODE robo -B")
    assert "335" not in [m.command for m in ann.ask("WHOIS robo")]
