"""The moderation log: what stands there, who may read it, that it is kept, checked, pruned and exported like a room."""

import contextlib
from pathlib import Path

import pytest

from broker import modlog
from broker.archive import Importer, exported
from broker.audit import Audit
from broker.log import Log
from broker.newlog import Writer
from broker.retention import Retention
from protocol import moderation, native
from protocol.moderation import Change
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, settings, texts
from tests.broker.test_moderation import ADA, TEA, change, enter, register, server_admin


def read(desk: Desk, who: int, room: str = "!#tea") -> list[str]:
    return texts(desk.ask(who, native.History(room=room), native.HistoryPage).messages)


@pytest.fixture
def tea() -> Desk:
    desk = Desk()
    enter(desk, ANN, "ann", TEA)
    enter(desk, BOB, "bob", TEA)
    enter(desk, EVE, "eve", TEA)
    return desk


def test_every_act_is_noted_with_whom_until_when_and_why(tea: Desk) -> None:
    change(tea, ANN, Change("op", arg="bob"), Change("slow", arg="5"), Change("key", arg="s3cret"))
    tea.ask(BOB, moderation.Kick(nick="eve", room=TEA, reason="shh"), native.Ok)
    tea.ask(BOB, moderation.Ban(mask="eve", room=TEA, seconds=60, reason="noise"), native.Ok)
    tea.ask(BOB, moderation.Ban(mask="eve", room=TEA, seconds=90), native.Ok)
    tea.ask(BOB, moderation.Ban(mask="*!*@203.0.113.0/24", room=TEA, kind="mute"), native.Ok)
    tea.ask(BOB, moderation.Unban(mask="eve", room=TEA), native.Ok)
    tea.ask(BOB, moderation.Invite(nick="eve", room=TEA), native.Ok)
    messages = tea.ask(ANN, native.History(room="!#tea"), native.HistoryPage).messages
    assert [(msg.room, msg.nick, msg.text) for msg in messages] == [
        ("!#tea", "ann", "gave op to bob"),
        ("!#tea", "ann", "set slow 5"),
        ("!#tea", "ann", "set a key"),
        ("!#tea", "bob", "put eve out: shh"),
        ("!#tea", "bob", "banned eve!*@* until 2023-11-14 22:14:29 UTC: noise"),
        ("!#tea", "bob", "banned eve!*@* anew until 2023-11-14 22:15:00 UTC"),
        ("!#tea", "bob", "muted 203.0.113.0/24"),
        ("!#tea", "bob", "took back the ban of eve!*@*"),
        ("!#tea", "bob", "invited eve"),
    ]


def test_what_ends_by_itself_and_whose_a_room_is_are_noted_too(tea: Desk) -> None:
    register(tea, ANN, "ann")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    tea.ask(ANN, moderation.Ban(mask="zoe", room=TEA, seconds=60), native.Ok)
    tea.state.moderation.settle(tea.now + 60_000)
    tea.commit()
    tea.ask(ANN, moderation.Claim(room=TEA, drop=True), native.Ok)
    assert [text for text in read(tea, ANN) if "until" not in text] == [
        "registered the room",
        "took back the ban of zoe!*@*, for its time was over",
        "gave the room up, which was ann's",
    ]


def test_admins_of_the_room_and_of_the_server_read_it_and_nobody_else(tea: Desk) -> None:
    register(tea, ANN, "ann")
    register(tea, BOB, "bob")
    tea.ask(ANN, moderation.Claim(room=TEA), native.Ok)
    change(tea, ANN, Change("op", arg="bob"))
    assert tea.refused(BOB, native.History(room="!#tea")) == "not-allowed"
    assert tea.refused(EVE, native.History(room="!#tea")) == "not-allowed"
    change(tea, ANN, Change("admin", arg="bob"))
    server_admin(tea)
    assert (
        read(tea, BOB)
        == read(tea, ADA)
        == read(tea, ANN)
        == ["registered the room", "gave op to bob", "gave admin to bob"]
    )
    tea.ask(BOB, native.Leave(room=TEA), native.Ok)
    assert len(read(tea, BOB)) == 3  # from outside too


def test_it_is_listed_nowhere_and_nobody_is_in_it(tea: Desk) -> None:
    change(tea, ANN, Change("moderated"))
    server_admin(tea)
    assert tea.ask(ADA, native.Rooms(), native.RoomList).rooms == [native.RoomLine(TEA, 3)]
    assert tea.refused(ANN, native.Join(room="!#tea")) == "bad-room"
    assert tea.refused(ANN, native.Send(cmid="1", to="!#tea", text="I was it not")) == "bad-room"
    assert tea.log.room_count == 0


def test_retention_prunes_it_like_a_room() -> None:
    log = Log(":memory:")
    for number in range(5):
        modlog.write(log, TEA, None, NOON + number, f"act {number}")
    log.commit()
    Retention(log).step(settings(retain_messages=2), 0.0, NOON)
    assert texts(log.newest("!#tea", 10).messages) == ["act 3", "act 4"]


def test_it_is_checked_exported_and_imported_with_the_log(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    modlog.write(log, TEA, None, NOON, "act")
    log.remember("room/#tea", '{"owner":"ann","since":1}')
    log.commit()
    log.close()
    with Audit(tmp_path / "moot.db", live=False) as audit:
        lines = list(exported(audit, lambda _room: True, values=True))
        assert audit.damage == []
    with contextlib.closing(Writer(tmp_path / "again.db")) as writer:
        Importer(writer).read(lines)
        writer.commit(alone=True)
    again = Desk(log=Log(tmp_path / "again.db"))
    server_admin(again)
    assert read(again, ADA) == ["act"]
    assert again.state.policies.owned_by("ann") == [TEA]
