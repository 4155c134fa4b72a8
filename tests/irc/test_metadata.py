"""METADATA: IRCv3, "Metadata" (draft/metadata-2), and as it is to become (draft/metadata-3, pull request 613)."""

from collections.abc import Callable

import pytest

from tests.irc.client import Client, Message

Make = Callable[..., Client]
SECOND, THIRD = "draft/metadata-2", "draft/metadata-3"


def batch(told: list[Message], *params: str) -> list[Message]:
    """Return what stands in the one batch that was told."""
    begin, *inside, end = told
    assert (begin.command, begin.params[1:]) == ("BATCH", ["metadata", *params])
    assert (end.command, end.params) == ("BATCH", ["-" + begin.params[0][1:]])
    assert {m.tags.get("batch") for m in inside} <= {begin.params[0][1:]}
    return inside


@pytest.mark.parametrize("cap", [SECOND, THIRD])
def test_a_value_is_set_and_read_again(client: Make, cap: str) -> None:
    """If the request is successful, the server carries out the requested change and responds with one RPL_KEYVALUE
    event, representing the new value"""
    ann, bob = client("ann", "batch", cap), client("bob", "batch", cap)
    told = ann.ask("METADATA * SET url :http://www.example.com/\N{PURPLE HEART}")
    assert [(m.command, m.params[1:]) for m in told] == [
        ("761", ["ann", "url", "*", "http://www.example.com/\N{PURPLE HEART}"])
    ]
    found = batch(bob.ask("METADATA ann GET nothing URL"), "ann")
    assert [(m.command, m.params[1:3]) for m in found] == [("766", ["ann", "nothing"]), ("761", ["ann", "url"])]
    assert [m.params[2] for m in batch(ann.ask("METADATA * LIST"), "ann")] == ["url"]
    assert ann.numbers("METADATA ann SET url") == ["766"]
    assert batch(ann.ask("METADATA ann LIST"), "ann") == []


@pytest.mark.parametrize(
    ("line", "second", "third"),
    [
        ("METADATA nobody LIST", ["INVALID_TARGET", "nobody"], ["INVALID_TARGET", "nobody"]),
        ("METADATA $a:user LIST", ["INVALID_TARGET", "$a:user"], ["INVALID_TARGET", "$a:user"]),
        ("METADATA * SET $url$ :x", ["KEY_INVALID", "$url$"], ["INVALID_KEY", "$url$"]),
        ("METADATA * SET url :" + "x" * 301, ["VALUE_INVALID"], ["INVALID_VALUE", "url"]),
        ("METADATA bob SET url :x", ["KEY_NO_PERMISSION", "bob", "url"], ["KEY_NO_PERMISSION", "bob", "url"]),
        ("METADATA bob CLEAR", ["KEY_NO_PERMISSION", "bob", "*"], ["KEY_NO_PERMISSION", "bob", "*"]),
        ("METADATA #nowhere LIST", ["INVALID_TARGET", "#nowhere"], ["INVALID_TARGET", "#nowhere"]),
        ("METADATA bob SUB url", ["INVALID_TARGET", "bob"], ["INVALID_TARGET", "bob"]),
        ("METADATA * SNEEZE", ["SUBCOMMAND_INVALID", "SNEEZE"], ["INVALID_PARAMS", "SNEEZE"]),
        ("METADATA * GET", ["SUBCOMMAND_INVALID", "GET"], ["INVALID_PARAMS", "GET"]),
        ("METADATA", ["SUBCOMMAND_INVALID", "*"], ["INVALID_PARAMS", "*"]),
    ],
)
def test_what_cannot_be_has_its_failure(client: Make, line: str, second: list[str], third: list[str]) -> None:
    """Servers MUST reply to erroneous requests using Standard Replies"""
    client("bob")
    for nick, cap, params in (("ann", SECOND, second), ("eve", THIRD, third)):
        told = client(nick, "batch", cap).ask(line)
        assert [(m.command, m.params[:-1]) for m in told] == [("FAIL", ["METADATA", *params])]


def test_there_is_a_limit_of_keys(client: Make) -> None:
    """max-keys: the maximum number of keys a client is allowed to set on its own nickname. ... LIMIT_REACHED"""
    ann = client("ann", "batch", SECOND)
    assert set(ann.numbers(*(f"METADATA * SET k{number} :x" for number in range(20)))) == {"761"}
    assert [m.params[:3] for m in ann.ask("METADATA * SET k20 :x")] == [["METADATA", "LIMIT_REACHED", "*"]]
    cleared = batch(ann.ask("METADATA * CLEAR"), "ann")
    assert len(cleared) == 20
    assert {m.command for m in cleared} == {"766"}


def test_subscriptions_are_kept_in_order_up_to_their_limit(client: Make) -> None:
    """The server MUST process each key in order ... If the client has subscribed to too many keys, the server does not
    process any further keys ... that key MUST appear in a RPL_METADATASUBOK reply numeric"""
    ann = client("ann", "batch", SECOND)
    told = ann.ask("METADATA * SUB avatar $url url")
    assert [(m.command, m.params[1:]) for m in told if m.command == "770"] == [("770", ["avatar", "url"])]
    assert [m.params[1:3] for m in told if m.command == "FAIL"] == [["KEY_INVALID", "$url"]]
    assert [m.params[1:] for m in ann.ask("METADATA * UNSUB url other")] == [["url", "other"]]
    subs = ann.ask("METADATA * SUBS")
    assert [(m.command, m.params[1:]) for m in subs] == [
        ("BATCH", ["metadata-subs"]),
        ("772", ["avatar"]),
        ("BATCH", []),
    ]
    for start in range(1, 50, 10):
        ann.ask("METADATA * SUB " + " ".join(f"k{number}" for number in range(start, min(start + 10, 50))))
    full = ann.ask("METADATA * SUB one two avatar")
    assert [m.params[1:3] for m in full if m.command == "FAIL"] == [["TOO_MANY_SUBS", "one"]]


@pytest.mark.parametrize(
    ("cap", "set_", "unset"),
    [
        (SECOND, ("METADATA", ["ann", "mood", "*", "happy"]), ("METADATA", ["ann", "mood", "*"])),
        (THIRD, ("761", ["*", "ann", "mood", "*", "happy"]), ("766", ["*", "ann", "mood", "Key not set"])),
    ],
)
def test_who_shares_a_channel_and_wants_to_hears_of_changes_once(
    client: Make, channel: str, cap: str, set_: tuple[str, list[str]], unset: tuple[str, list[str]]
) -> None:
    """If a channel/user the client is receiving updates for changes one of the keys the client is subscribed to, they
    will receive a METADATA message. ... (excluding changes they make themselves)"""
    ann, bob, eve = client("ann", "batch", cap), client("bob", "batch", cap), client("eve", "batch", cap)
    plain = client("joe")
    for one in (ann, bob, eve, plain):
        one.join(channel, channel + "b")
    for one in (ann, bob):
        one.ask("METADATA * SUB mood")
    for one in (ann, bob, eve, plain):
        one.told()
    assert ann.numbers("METADATA * SET mood :happy", "METADATA * SET mood") == ["761", "766"]
    assert [(m.command, m.params) for m in bob.told()] == [set_, unset]
    assert eve.told() == []
    assert plain.told() == []
    assert ann.told() == []


def test_a_channels_values_are_its_ops(client: Make, channel: str) -> None:
    """Clients can set/delete metadata on themselves, and on channels they administer."""
    ann, bob = client("ann", "batch", SECOND), client("bob", "batch", SECOND)
    ann.join(channel)
    bob.join(channel)
    bob.ask("METADATA * SUB url")
    ann.told()
    assert bob.ask(f"METADATA {channel} SET url :x")[0].params[1] == "KEY_NO_PERMISSION"
    assert ann.numbers(f"METADATA {channel} SET url :http://tea.example") == ["761"]
    assert [m.params for m in bob.told() if m.command == "METADATA"] == [[channel, "url", "*", "http://tea.example"]]


@pytest.mark.parametrize("cap", [SECOND, THIRD])
def test_joining_and_subscribing_bring_what_is_there(client: Make, channel: str, cap: str) -> None:
    """On joining a channel, users will get the channel's current metadata sent to them with METADATA messages, and get
    the same information for all users who are in the channel. ... When subscribing to a key, clients SHOULD receive the
    current value of that key for channels/users they are receiving updates for."""
    ann, bob = client("ann", "batch", cap), client("bob", "batch", cap)
    ann.join(channel)
    ann.ask("METADATA * SET mood :happy")
    number = "METADATA" if cap == SECOND else "761"
    bob.ask("METADATA * SUB mood")
    joined = bob.ask(f"JOIN {channel}")
    assert [m.last for m in joined if m.command == number] == ["happy"]
    eve = client("eve", "batch", cap)
    eve.join(channel)
    assert [m.last for m in eve.ask("METADATA * SUB mood") if m.command == number] == ["happy"]
    assert [m.last for m in batch(eve.ask(f"METADATA {channel} SYNC"), channel)] == ["happy"]


def test_what_one_says_comes_with_the_capability_and_goes_with_it(client: Make) -> None:
    """Upon requesting the metadata capability, clients receive their non-transient metadata ... in a metadata batch
    with their own nick as target. If none exists, the server MUST send an empty batch instead."""
    one = client()
    told = one.register("ann", "batch", SECOND)
    begin = next(n for n, m in enumerate(told) if m.command == "BATCH")
    assert told[begin].params[1:] == ["metadata", "ann"]
    assert told[begin + 1].params == ["-" + told[begin].params[0][1:]]
    one.ask("METADATA * SUB mood", "METADATA * SET mood :happy", f"CAP REQ :-{SECOND}")
    again = one.ask(f"CAP REQ :{SECOND}")
    assert [m.last for m in batch(again[1:], "ann")] == ["happy"]
    assert "772" not in one.numbers("METADATA * SUBS")


def test_who_is_watched_is_heard_of(client: Make) -> None:
    """clients also receive metadata updates for the users they are currently monitoring"""
    bob = client("bob", "batch", SECOND, "extended-monitor")
    ann = client("ann", "batch", SECOND)
    bob.ask("MONITOR + ann", "METADATA * SUB mood")
    ann.ask("METADATA * SET mood :happy")
    assert [m.params for m in bob.told()] == [["ann", "mood", "*", "happy"]]
