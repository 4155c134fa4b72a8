"""ChanServ: not of any specification, but what people of other networks know."""

import itertools
from collections.abc import Callable

from tests.irc.client import Client
from tests.irc.test_mode import in_channel

_numbers = itertools.count(1)
Make = Callable[..., Client]


def cs(client: Client, text: str) -> list[str]:
    """Say something to ChanServ; return what it answers."""
    return [m.last for m in client.ask(f"PRIVMSG ChanServ :{text}") if m.command == "NOTICE" and m.nick == "ChanServ"]


def registered(client: Make, *caps: str) -> Client:
    """Return somebody with an account nobody had before."""
    one = client(f"acc{next(_numbers)}", *caps)
    assert any(m.command == "900" for m in one.ask(f"PRIVMSG NickServ :REGISTER secret-{one.nick}"))
    return one


def test_it_explains_itself(client: Make) -> None:
    ann = client("ann")
    lines = cs(ann, "HELP")
    assert "REGISTER #channel" in lines
    assert cs(ann, "HELP akick")[0].startswith("AKICK #channel ADD")
    assert cs(ann, "DANCE") == ["There is no DANCE here. Say HELP for what there is."]
    assert cs(ann, "OP") == ["This takes more: OP #channel [nick ...]"]
    assert next(m.last for m in ann.ask("CS INFO nochannel")).startswith("“nochannel” is not")


def test_a_guest_registers_nothing(client: Make, channel: str) -> None:
    (ann,) = in_channel(client, channel, "ann")
    (line,) = cs(ann, f"REGISTER {channel}")
    assert "account" in line


def test_a_channel_is_registered_kept_and_dropped(client: Make, channel: str) -> None:
    owner = registered(client)
    owner.join(channel)
    assert cs(owner, f"REGISTER {channel}") == [f"{channel} is yours: roles and modes are kept when all are gone."]
    owner.ask(f"MODE {channel} +s")
    assert cs(owner, f"INFO {channel}")[0].startswith(f"{channel} belongs to {owner.nick}, since ")
    owner.ask(f"PART {channel}")
    names = next(m for m in owner.ask(f"JOIN {channel}") if m.command == "353")
    assert (names.params[1], names.last) == ("@", f"~{owner.nick}")
    assert cs(owner, f"DROP {channel}") == [f"{channel} is nobody's from now on."]
    assert cs(owner, f"INFO {channel}")[0] == f"{channel} is nobody's."


def test_roles_are_given_for_good_and_shown(client: Make, channel: str) -> None:
    owner, mate = registered(client), registered(client)
    owner.join(channel)
    mate.join(channel)
    cs(owner, f"REGISTER {channel}")
    mate.told()
    assert cs(owner, f"OP {channel} {mate.nick}") == [f"{mate.nick}: op in {channel}"]
    wanted = [(owner.nick, [channel, "+o", mate.nick])]
    assert [(m.nick, m.params) for m in mate.told() if m.command == "MODE"] == wanted
    assert cs(owner, f"ACCESS {channel}")[0] == f"@{mate.nick}: op"
    mate.ask(f"PART {channel}")
    owner.told()
    names = next(m for m in mate.ask(f"JOIN {channel}") if m.command == "353").last.split()
    assert "@" + mate.nick in names
    told = [(m.command, m.source.partition("!")[1], m.params) for m in owner.told()]
    assert told == [("JOIN", "!", [channel]), ("MODE", "", [channel, "+o", mate.nick])]
    assert cs(owner, f"DEOP {channel} {mate.nick}") == [f"{mate.nick}: no longer op in {channel}"]


def test_who_is_kept_out_is_on_a_list(client: Make, channel: str) -> None:
    (ann,), eve = in_channel(client, channel, "ann"), client("eve")
    assert cs(ann, f"AKICK {channel} ADD eve!*@* 10m too loud") == [f"eve!*@* is banned in {channel}."]
    assert eve.numbers(f"JOIN {channel}") == ["474"]
    lines = cs(ann, f"AKICK {channel} LIST")
    assert lines[0].startswith("eve!*@* by ann on ")
    assert lines[0].endswith(": too loud")
    assert "until" in lines[0]
    assert lines[1] == f"1 masks are banned or muted in {channel}."
    assert cs(ann, f"UNBAN {channel} eve!*@*") == [f"eve!*@* may come back to {channel}."]
    assert eve.ask(f"JOIN {channel}")[0].command == "JOIN"


def test_an_account_is_banned_by_the_host_one_sees(client: Make, channel: str) -> None:
    """ACCOUNTEXTBAN: allow clients to construct ban masks matching account names."""
    mate, ann = registered(client), client("ann")
    ann.join(channel)
    mate.join(channel)
    host = next(m for m in ann.told() if m.command == "JOIN").source.partition("@")[2]
    assert host.startswith(f"{mate.nick}.user.")
    (change,) = (m.params for m in ann.ask(f"MODE {channel} +b *!*@{host}") if m.command == "MODE")
    assert change == [channel, "+b", f"account:{mate.nick}"]
    mate.ask("NICK other", f"PART {channel}")
    assert mate.numbers(f"JOIN {channel}") == ["474"]
    guests = next(m.params[3] for m in ann.ask("WHOIS ann") if m.command == "311")
    (told,) = ann.ask(f"MODE {channel} +b *!*@{guests}")
    assert told.command == "696"
    assert "all guests" in told.last
    back = ann.ask(f"MODE {channel} -b R:{mate.nick}")
    assert [m.params[1:] for m in back if m.command == "MODE"] == [["-b", f"account:{mate.nick}"]]
