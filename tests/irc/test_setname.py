"""SETNAME: IRCv3, "setname"."""

from collections.abc import Callable

from tests.irc.client import Client

Make = Callable[..., Client]


def test_a_new_real_name_is_told_to_oneself_and_to_those_who_share_channels(client: Make, channel: str) -> None:
    """If they accept the realname change, they MUST send the server-to-client version of the SETNAME message to all
    clients in common channels, as well as to the client from which it originated. The SETNAME message MUST NOT be sent
    to clients which do not have the setname capability negotiated."""
    ann, bob, eve = client("ann", "setname"), client("bob", "setname"), client("eve", "away-notify")
    for one in (ann, bob, eve):
        one.join(channel, channel + "b")
    ann.told()
    bob.told()
    eve.told()
    assert [(m.command, m.nick, m.last) for m in ann.ask("SETNAME :Bruce Wayne <b@w.example>")] == [
        ("SETNAME", "ann", "Bruce Wayne <b@w.example>")
    ]
    assert [(m.command, m.nick, m.last) for m in bob.told()] == [("SETNAME", "ann", "Bruce Wayne <b@w.example>")]
    assert eve.told() == []
    assert next(m for m in eve.ask("WHOIS ann") if m.command == "311").last == "Bruce Wayne <b@w.example>"


def test_who_has_not_the_capability_hears_nothing(client: Make) -> None:
    """If a client sends a SETNAME command without having negotiated the capability, the server SHOULD handle it
    silently"""
    ann = client("ann")
    assert ann.ask("SETNAME :Bruce") == []
    assert next(m for m in ann.ask("WHOIS ann") if m.command == "311").last == "Bruce"


def test_a_name_that_cannot_be_is_refused(client: Make) -> None:
    """If the server rejects the realname due to invalidity, it MUST send a FAIL message of the following format: FAIL
    SETNAME INVALID_REALNAME"""
    ann = client("ann", "setname")
    for name in ("", "x" * 151):
        told = ann.ask(f"SETNAME :{name}")
        assert [(m.command, m.params[:2]) for m in told] == [("FAIL", ["SETNAME", "INVALID_REALNAME"])]
    assert ann.numbers("SETNAME") == ["461"]
