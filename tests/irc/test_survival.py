"""What this server promises to IRC clients as to all others: they outlive the broker, and meet everybody."""

from pathlib import Path

from protocol import native
from tests.irc.client import Client
from tests.irc.conftest import CHEAP
from tests.server import Peer, serving, until


def test_a_killed_broker_costs_no_connection_and_no_message(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        ann, bob = Client(("127.0.0.1", server.port)), Client(("127.0.0.1", server.port))
        for one in (ann, bob):
            one.register("ann" if one is ann else "bob", "echo-message", "message-tags", "batch", "labeled-response")
            one.join("#tea")
        ann.told()
        server.kill("broker")
        ann.send("@label=a PRIVMSG #tea :one", "PRIVMSG #tea :two")
        until(lambda: len(server.pids("broker")) == 2, "another broker")
        assert [(m.last, m.tags.get("label")) for m in ann.told() if m.command == "PRIVMSG"] == [
            ("one", "a"),
            ("two", None),
        ]
        assert [m.last for m in bob.told() if m.command == "PRIVMSG"] == ["one", "two"]
        ann.leave()
        bob.leave()


def test_what_is_taken_back_while_the_broker_is_killed_is_taken_back_once(tmp_path: Path) -> None:
    caps = ("echo-message", "message-tags", "batch", "draft/message-redaction", "draft/chathistory", "draft/multiline")
    with serving(tmp_path / "data", "--workers", "2", "--no-limits") as server:
        ann, bob = Client(("127.0.0.1", server.port)), Client(("127.0.0.1", server.port))
        for one in (ann, bob):
            one.register("ann" if one is ann else "bob", *caps)
            one.join("#tea")
        ann.told()
        echoes = ann.ask("PRIVMSG #tea :oops", "PRIVMSG bob :psst", "PRIVMSG #tea :stays")
        bob.told()
        names = {m.last: m.tags["msgid"] for m in echoes}
        server.kill("broker")
        ann.send(f"REDACT #tea {names['oops']}", f"REDACT bob {names['psst']}")
        ann.send(
            "BATCH +1 draft/multiline #tea", "@batch=1 PRIVMSG #tea :two", "@batch=1 PRIVMSG #tea :lines", "BATCH -1"
        )
        until(lambda: len(server.pids("broker")) == 2, "another broker")
        for one in (ann, bob):
            told = one.told()
            assert sorted(m.params[1] for m in told if m.command == "REDACT") == sorted([names["oops"], names["psst"]])
            assert [m.last for m in told if m.command == "PRIVMSG"] == ["two", "lines"]
        server.kill("broker")
        until(lambda: len(server.pids("broker")) == 3, "another broker")
        assert [m.last for m in bob.ask("CHATHISTORY LATEST #tea * 9") if m.command == "PRIVMSG"] == [
            "stays",
            "two",
            "lines",
        ]
        assert [m.command for m in bob.ask("CHATHISTORY LATEST ann * 9")] == ["BATCH", "BATCH"]
        assert ann.ask(f"REDACT #tea {names['oops']}")[0].params[1] == "UNKNOWN_MSGID"
        ann.leave()
        bob.leave()


def test_who_is_logged_in_stays_so_when_the_broker_is_killed(tmp_path: Path) -> None:
    """And what one watches and says of oneself stays, too."""
    with serving(tmp_path / "data", "--workers", "2", "--no-limits", *CHEAP) as server:
        ann, bob = Client(("127.0.0.1", server.port)), Client(("127.0.0.1", server.port))
        ann.register("ann", "batch", "draft/metadata-2")
        assert ann.ask("REGISTER * * sesame-poppy")[0].params[0] == "SUCCESS"
        assert ann.numbers("METADATA * SET mood :happy", "MONITOR + bob") == ["761", "731"]
        server.kill("broker")
        until(lambda: len(server.pids("broker")) == 2, "another broker")
        assert {m.command: m.params for m in ann.ask("WHOIS ann")}["330"][2] == "ann"
        assert ann.numbers("NS LOGOUT", "NS IDENTIFY ann sesame-poppy").count("900") == 1
        assert [m.last for m in ann.ask("METADATA * GET mood") if m.command == "761"] == ["happy"]
        bob.register("bob")
        assert ann.until("730")
        assert bob.numbers("NICK ANN")[0] == "433"
        ann.leave()
        bob.leave()


def test_irc_and_native_clients_are_in_the_same_rooms(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--no-limits") as server:
        ann, bob = Client(("127.0.0.1", server.port)), Peer(server.port)
        ann.register("ann")
        ann.join("#tea")
        bob.enter("bob", "#tea")
        bob.ask(native.Send(cmid="c1", to="#tea", text="two\n  lines"), native.Ok)
        told = [m for m in ann.told() if m.command == "PRIVMSG"]
        assert [(m.nick, m.last) for m in told] == [("bob", "two"), ("bob", "  lines")]
        ann.ask("PRIVMSG #tea :\x01ACTION waves\x01", "PRIVMSG bob :psst")
        heard = [(m.room, m.kind, m.text) for m in bob.gather(native.Msg) if m.nick == "ann"]
        assert heard == [("#tea", "me", "waves"), ("@", "text", "psst")]
        bob.close()
        ann.leave()


def test_what_comes_too_fast_is_refused_and_never_lost_in_silence(tmp_path: Path) -> None:
    """263 RPL_TRYAGAIN: When a server drops a command without processing it, this numeric MUST be sent to inform the
    client."""
    with serving(tmp_path / "data", "--workers", "1", "--flood-rate", "1", "--flood-delay", "2") as server:
        ann = Client(("127.0.0.1", server.port))
        ann.register("ann", "echo-message")
        ann.send("JOIN #tea", *(f"PRIVMSG #tea :m{number}" for number in range(30)))
        ann.until("366")
        told = [ann.read() for _ in range(30)]
        assert {m.command for m in told} == {"PRIVMSG", "263"}
        said = [int(m.last[1:]) for m in told if m.command == "PRIVMSG"]
        assert said == list(range(len(said)))
        ann.leave()
