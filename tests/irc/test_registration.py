"""Coming in: Modern IRC, "Connection Registration" and "Connection Messages"."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client

Make = Callable[..., Client]


def test_the_welcome_comes_in_its_order(client: Make) -> None:
    """the server MUST send, in this order, the RPL_WELCOME, RPL_YOURHOST, RPL_CREATED, RPL_MYINFO, and at least one
    RPL_ISUPPORT numeric to the client. The server SHOULD then respond as though the client sent the LUSERS command"""
    told = client().register("ann")
    numbers = [message.command for message in told]
    assert numbers[:5] == ["001", "002", "003", "004", "005"]
    assert numbers.index("251") > numbers.index("005")
    assert numbers[-1] in ("376", "422")
    assert all(message.params[0] == "ann" for message in told)


def test_everything_may_come_in_one_piece(client: Make, channel: str) -> None:
    """clients may issue additional IRC commands while previous commands are being processed"""
    ann = client()
    ann.send("NICK ann", "USER ann 0 * :Ann", f"JOIN {channel}")
    assert ann.until("366")[-1].params[:2] == ["ann", channel]


@pytest.mark.parametrize("line", ["JOIN #tea", "PRIVMSG ann :hi", "WHO ann", "LIST", "NONSENSE"])
def test_who_is_not_registered_may_do_little(client: Make, line: str) -> None:
    """Until registration is complete, only a limited subset of commands SHOULD be accepted by the server."""
    one = client()
    one.send("CAP LS 302", line)
    assert one.until("451")[-1].params[0] == "*"


def test_a_nick_that_cannot_be_is_refused(client: Make) -> None:
    """If the server does not accept the new nickname supplied by the client as valid ... it should issue an
    ERR_ERRONEUSNICKNAME numeric and ignore the NICK command."""
    one = client()
    one.send("NICK #ann")
    assert one.until("432")[-1].params[:2] == ["*", "#ann"]
    one.register("ann")
    assert one.numbers("NICK :two words") == ["432"]


def test_a_nick_is_needed(client: Make) -> None:
    """If the server does not receive the <nickname> parameter with the NICK command, it should issue an
    ERR_NONICKNAMEGIVEN numeric"""
    assert client("ann").numbers("NICK") == ["431"]


def test_a_taken_nick_is_refused_and_another_may_be_tried(client: Make) -> None:
    """If the server receives a NICK command from a client where the desired nickname is already in use on the
    network, it should issue an ERR_NICKNAMEINUSE numeric and ignore the NICK command."""
    client("ann")
    other = client()
    other.send("NICK Ann", "USER x 0 * :x")
    assert other.until("433")[-1].params[:2] == ["*", "Ann"]
    other.send("NICK bob")
    assert other.until("001")[-1].params[0] == "bob"
    other.told()
    assert [(m.command, m.params[:2]) for m in other.ask("NICK ANN")] == [("433", ["bob", "ANN"])]


def test_a_new_nick_is_told_to_oneself_and_to_those_who_share_channels_once(client: Make, channel: str) -> None:
    """The NICK message may be sent from the server to clients to acknowledge their NICK command was successful, and to
    inform other clients about the change of nickname."""
    ann, bob = client("ann"), client("bob")
    ann.join(channel, channel + "b")
    bob.join(channel, channel + "b")
    ann.told()
    own = [message for message in ann.ask("NICK anna") if message.command == "NICK"]
    heard = [message for message in bob.told() if message.command == "NICK"]
    assert [(m.nick, m.params) for m in own] == [(m.nick, m.params) for m in heard] == [("ann", ["anna"])]


def test_user_is_said_once(client: Make) -> None:
    """If a client tries to send the USER command after they have already completed registration with the server, the
    ERR_ALREADYREGISTERED reply should be sent and the attempt should fail."""
    assert client("ann").numbers("USER x 0 * :x", "PASS x") == ["462", "462"]


@pytest.mark.parametrize("line", ["USER x", "USER x 0 *", "USER :"])
def test_user_needs_all_of_it(client: Make, line: str) -> None:
    """If a command is sent from a client to a server with less parameters than the command requires to be processed,
    the server will reply with an ERR_NEEDMOREPARAMS numeric"""
    one = client()
    one.send("NICK ann", line)
    assert one.until("461")[-1].params[1] == "USER"


def test_ping_is_answered_with_its_token(client: Make) -> None:
    """When receiving a PING message, clients or servers must reply to it with a PONG message with the same <token>
    value. ... Servers MUST send a <server> parameter"""
    ann = client("ann")
    ann.send("PING :two words")
    pong = ann.until("PONG")[-1]
    assert (len(pong.params), pong.last) == (2, "two words")
    assert ann.numbers("PING")[0] in ("409", "461")


def test_quit_is_acknowledged_and_heard_once_with_its_reason(client: Make, channel: str) -> None:
    """The server acknowledges this by replying with an ERROR message and closing the connection to the client. ...
    servers SHOULD prepend <reason> with the ASCII string "Quit: " """
    ann, bob = client("ann"), client("bob")
    ann.join(channel, channel + "b")
    bob.join(channel, channel + "b")
    ann.send("QUIT :lunch")
    assert ann.until("ERROR")
    with pytest.raises(EOFError):
        ann.read()
    assert [(m.nick, m.last) for m in bob.told() if m.command == "QUIT"] == [("ann", "Quit: lunch")]


def test_a_lost_connection_is_a_quit(client: Make, channel: str) -> None:
    """If a client connection is closed without the client issuing a QUIT command to the server, the server MUST
    distribute a QUIT message to other clients informing them of this"""
    ann, bob = client("ann"), client("bob")
    ann.join(channel)
    bob.join(channel)
    ann.sock.close()
    assert bob.until("QUIT")[-1].nick == "ann"


def test_an_unknown_command_is_said_so(client: Make) -> None:
    """If a command is not implemented, it MUST return the ERR_UNKNOWNCOMMAND numeric."""
    assert [(m.command, m.params[1]) for m in client("ann").ask("FROBNICATE x")] == [("421", "FROBNICATE")]
