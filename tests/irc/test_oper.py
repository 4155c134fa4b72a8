"""What the server's admins do: Modern IRC, "OPER message", "KILL message", "WALLOPS message"."""

from collections.abc import Callable, Iterator

import pytest

from broker.accounts import Accounts
from broker.log import Log
from tests.irc.client import Client
from tests.irc.conftest import CHEAP
from tests.server import serving

Make = Callable[..., Client]
PASSWORD = "sesame-poppy"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server of its own, on which `boss` is an admin."""
    data = tmp_path_factory.mktemp("oper") / "data"
    with serving(data, "--workers", "2", "--no-limits", *CHEAP) as server:
        one = Client(("127.0.0.1", server.port))
        one.register("boss")
        assert one.ask(f"REGISTER * * {PASSWORD}")[0].params[0] == "SUCCESS"
        one.leave()
        assert server.stop() == 0
        log = Log(data / "moot.db")
        accounts = Accounts(log)
        boss = accounts.account("boss")
        assert boss is not None
        accounts.change(boss, admin=True)
        log.commit()
        log.close()
        server.start()
        yield "127.0.0.1", server.port


@pytest.fixture
def boss(client: Make) -> Client:
    """An admin, by OPER."""
    one = client("chief")
    assert "381" in one.numbers(f"OPER boss {PASSWORD}")
    return one


def test_oper_makes_one_an_operator(client: Make, channel: str) -> None:
    """If the client ... matches, the server sends RPL_YOUREOPER ... the user will also be set the +o mode"""
    one, bob = client("chief"), client("bob")
    told = one.ask(f"OPER boss {PASSWORD}")
    assert "381" in [m.command for m in told]
    assert [m.last for m in told if m.command == "MODE"] == ["+orw"]
    assert "313" in bob.numbers("WHOIS boss")
    one.join(channel)
    bob.join(channel)
    flags = {m.params[5]: m.params[6] for m in bob.ask(f"WHO {channel}") if m.command == "352"}
    assert "*" in flags["boss"]
    assert "*" not in flags["bob"]
    assert [m.params[5] for m in bob.ask(f"WHO {channel} o") if m.command == "352"] == ["boss"]
    assert "252" in bob.numbers("LUSERS")


def test_a_wrong_password_and_an_account_that_is_no_admins_are_refused(client: Make, name: str) -> None:
    """ERR_PASSWDMISMATCH; ERR_NOOPERHOST"""
    one = client(name)
    assert one.numbers("OPER boss wrong", "OPER nobody wrong", "OPER x") == ["464", "464", "461"]
    one.ask(f"REGISTER * * {PASSWORD}")
    assert one.numbers(f"OPER {name} {PASSWORD}")[-1] == "491"
    assert one.numbers("KILL boss", "WALLOPS :x", "REHASH") == ["481", "481", "481"]


def test_an_operator_kills(client: Make, boss: Client, channel: str) -> None:
    """the client being killed receives the KILL message, and the <source> of the message SHOULD be the operator who
    performed the command. The user being killed and every user sharing a channel with them receives a QUIT message ...
    The user being killed then receives the ERROR message ... After this, their connection is closed."""
    bob, eve = client("bob"), client("eve")
    bob.join(channel)
    eve.join(channel)
    bob.told()
    assert boss.numbers("KILL nobody :x", "KILL") == ["401", "461"]
    assert boss.ask("KILL eve :enough") == []
    kill, error = eve.until("ERROR")[-2:]
    mask = boss.ask("USERHOST boss")[0].last.replace("*=+", "!")
    assert (kill.command, kill.source, kill.params[0]) == ("KILL", mask, "eve")
    assert "enough" in error.last
    with pytest.raises(EOFError):
        eve.read()
    left = bob.until("QUIT")[-1]
    assert left.nick == "eve"
    assert "enough" in left.last


def test_operators_hear_what_they_say_to_each_other(client: Make, boss: Client) -> None:
    """The WALLOPS command is used to send a message to all currently connected users who have set the 'w' user mode for
    themselves. ... Servers MAY send WALLOPS only to operators."""
    bob = client("bob")
    bob.ask("MODE bob +w")
    told = boss.ask("WALLOPS :the cows are loose")
    mask = boss.ask("USERHOST boss")[0].last.replace("*=+", "!")
    assert [(m.command, m.source, m.last) for m in told] == [("WALLOPS", mask, "the cows are loose")]
    assert bob.told() == []
    boss.ask("MODE boss -w")
    assert boss.ask("WALLOPS :again") == []
    assert boss.numbers("WALLOPS", "WALLOPS :") == ["461", "461"]


def test_what_is_done_on_the_servers_machine_is_not_done_from_afar(boss: Client) -> None:
    """(It is said where.)"""
    told = boss.ask("REHASH", "RESTART", "DIE")
    assert [m.command for m in told] == ["400", "400", "400"]
    assert all("moot " in m.last for m in told)
    assert boss.numbers("CONNECT a.example", "SQUIT a.example") == ["402", "402"]
    assert "243" in boss.numbers("STATS o")


def test_an_operator_may_step_down(boss: Client) -> None:
    """(MODE -o)"""
    assert [m.params for m in boss.ask("MODE boss -o")] == [["boss", "-o"]]
    assert boss.numbers("REHASH") == ["481"]
