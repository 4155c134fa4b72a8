"""What the server remembers beside messages: by key, in the log's transaction, verified, and taken back with it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from broker import chain, meta
from broker.accounts import Account, Accounts
from broker.archive import Importer, ImportFailed, exported, rewrite
from broker.audit import Audit
from broker.log import Log, LogError, LogLost, Spoilt
from broker.newlog import Writer, copy, placed, restored
from broker.outbox import UNDONE
from broker.people import Device
from broker.retention import Retention
from broker.values import RECENT
from broker.verify import Row
from protocol import native
from protocol.ipc import Announced, Answered, Do, worker_of
from tests.broker.desk import ANN, BOB, Desk, settings
from tests.broker.shell import Bench
from tests.broker.test_iofaults import Faulty

UNSTORED = native.Error(code="storage", text="not said", wait=1.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = Log(tmp_path / "moot.db")
    yield opened
    opened.close()


def change(path: Path, statement: str, *args: object) -> None:
    other = apsw.Connection(str(path))
    other.execute(statement, args)
    other.close()


def test_what_is_remembered_is_recalled_by_its_key_also_after_a_restart(log: Log, tmp_path: Path) -> None:
    log.remember("account/ann", '{"since":1}')
    log.remember("account/ann", '{"since":2}')
    assert log.recall("account/ann") == '{"since":2}'  # before the commit too
    log.commit()
    assert log.recall("account/bob") is None
    again = Log(tmp_path / "moot.db")
    assert again.recall("account/ann") == '{"since":2}'
    again.close()


def test_all_under_a_prefix_come_by_key_and_nothing_else_does(log: Log) -> None:
    for key in ("room/#b", "room/#a", "room", "room0", "rooms/#c", "ban/1", "room/ü", "room/\U0010ffff"):
        log.remember(key, key.upper())
    log.commit()
    found = [
        ("room/#a", "ROOM/#A"),
        ("room/#b", "ROOM/#B"),
        ("room/ü", "ROOM/Ü"),
        ("room/\U0010ffff", "ROOM/\U0010ffff"),
    ]
    assert log.recall_under("room/") == found
    assert log.recall_under("none/") == []


def test_what_is_forgotten_is_gone_and_forgetting_what_is_not_there_is_no_error(log: Log) -> None:
    log.remember("ban/1", "x")
    log.commit()
    log.forget("ban/1")
    log.forget("ban/2")
    assert log.recall("ban/1") is None
    log.commit()
    assert log.recall_under("ban/") == []


def test_a_rolled_back_transaction_leaves_values_as_they_were(log: Log) -> None:
    log.remember("room/#tea", "before")
    log.commit()
    log.remember("room/#tea", "after")
    log.remember("room/#new", "new")
    log.append("#tea", b"a" * 16, "c1", 1000, "ann", "text", "hi")
    assert log.pending
    log.rollback()
    assert (log.recall("room/#tea"), log.recall("room/#new"), log.last("#tea")) == ("before", None, 0)


def test_a_value_alone_makes_a_transaction_that_is_pending(log: Log) -> None:
    written, pending = log.written, [log.pending]
    log.forget("room/#tea")
    pending.append(log.pending)
    log.commit()
    pending.append(log.pending)
    assert pending == [False, True, False]
    assert log.written == written + 1


@pytest.mark.parametrize("part", ["value", "sum"])
def test_one_flipped_bit_costs_nothing_and_is_mended_with_the_next_transaction(
    log: Log, tmp_path: Path, part: str
) -> None:
    path = tmp_path / "moot.db"
    log.remember("account/ann", '{"since":1700000000000}')
    log.commit()
    if part == "value":
        change(path, "UPDATE meta SET value = ? WHERE key = 'account/ann'", '{"since":1700000000001}')
    else:
        sum_ = bytearray(chain.of_value("account/ann", b'{"since":1700000000000}'))
        sum_[3] ^= 16
        change(path, "UPDATE meta SET sum = ? WHERE key = 'account/ann'", bytes(sum_))
    assert log.recall("account/ann") == '{"since":1700000000000}'
    assert log.recall_under("account/") == [("account/ann", '{"since":1700000000000}')]
    log.remember("account/bob", "{}")
    log.commit()
    rows = apsw.Connection(str(path)).execute("SELECT value, sum FROM meta WHERE key = 'account/ann'").fetchall()
    assert rows == [('{"since":1700000000000}', chain.of_value("account/ann", b'{"since":1700000000000}'))]


def test_what_cannot_be_told_any_more_is_said_to_be_so_and_left_out_of_lists(log: Log, tmp_path: Path) -> None:
    log.remember("account/ann", "something")
    log.remember("account/bob", "else")
    log.commit()
    change(tmp_path / "moot.db", "UPDATE meta SET value = 'anything' WHERE key = 'account/ann'")
    with pytest.raises(Spoilt, match="account/ann"):
        log.recall("account/ann")
    assert log.recall_under("account/") == [("account/bob", "else")]
    log.remember("account/ann", "anew")
    log.commit()
    assert log.recall("account/ann") == "anew"


def test_recall_by_key_does_not_read_the_others(log: Log) -> None:
    for number in range(2000):
        log.remember(f"read/{number:05}", "1")
    log.commit()
    plan = log._db.execute(
        "EXPLAIN QUERY PLAN SELECT CAST(value AS BLOB), CAST(sum AS BLOB) FROM meta WHERE key = ?", ("read/00001",)
    ).fetchall()
    assert [row[-1] for row in plan] == ["SEARCH meta USING PRIMARY KEY (key=?)"]


@pytest.fixture
def disk() -> Iterator[Faulty]:
    made = Faulty()
    yield made
    made.unregister()


def test_after_an_io_error_values_are_as_they_were_and_can_be_written_again(disk: Faulty, tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db", vfs="faulty")
    log.remember("room/#tea", "one")
    log.commit()
    disk.failing.add(("sync", "db-wal"))
    log.remember("room/#tea", "two")
    with pytest.raises(LogError):
        log.commit()
    assert log.recall("room/#tea") == "one"
    with pytest.raises(LogError):
        log.remember("room/#tea", "three")
    disk.failing.clear()
    log.recover()
    assert log.recall("room/#tea") == "one"
    log.remember("room/#tea", "four")
    log.commit()
    assert log.recall("room/#tea") == "four"
    log.close()


def test_a_value_that_is_not_there_any_more_after_an_io_error_ends_all_writing(disk: Faulty, tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db", vfs="faulty")
    for number in range(RECENT + 5):
        log.remember(f"room/#{number}", "policy")
    log.commit()
    disk.failing.add(("sync", "db-wal"))
    log.remember("room/#tea", "two")
    with pytest.raises(LogError):
        log.commit()
    disk.failing.clear()
    other = apsw.Connection(str(tmp_path / "moot.db"), vfs="unix")
    other.execute("DELETE FROM meta WHERE key = 'room/#100'")
    other.close()
    with pytest.raises(LogLost, match="room/#100"):
        log.recover()
    log.close()


# --- what is told of them


class Unwilling(Desk):
    """Away texts are kept in the log, as a stand-in for what writes values; commits fail when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reloaded = 0
        self.state.on_rollback(self._reload)
        self.state._handlers[native.Away] = self._away

    def _reload(self) -> None:
        self.reloaded += 1

    def _away(self, device: Device, do: Do) -> None:
        assert isinstance(do.request, native.Away)
        self.log.remember("away/" + device.person.nick, do.request.text or "")
        with self.out.bound():
            room = self.state.rooms.by_name["#tea"]
            self.state.rooms.announce(room, native.Changed(room="#tea", who=device.person.card))
        self.out.tell(worker_of(do.conn), Answered(do.conn, do.rid, native.Ok(id=do.request.id)))

    def fail(self) -> None:
        """The transaction fails."""
        self.log.rollback()
        self.state.rolled_back()
        self.out.refuse_unstored(self.state.last, self.log.topic, UNSTORED)
        self.gather()


def test_a_request_that_wrote_values_is_answered_with_an_error_when_they_cannot_be_stored() -> None:
    desk = Unwilling()
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    away = desk.post(ANN, native.Away(id="a", text="lunch"))
    color = desk.post(BOB, native.Color(id="b", color="#123456"))
    desk.fail()
    answers = {event.rid: event.event for event in desk.events(ANN) if isinstance(event, Answered)}
    assert answers == {
        away: native.Error(id="a", code="storage", text=UNDONE, wait=1.0),
        color: native.Ok(id="b"),
    }
    told = [event.event for event in desk.events(ANN) if isinstance(event, Announced)]
    assert [event.who.nick for event in told if isinstance(event, native.Changed)] == ["bob"]
    assert desk.reloaded == 1


def test_what_was_told_of_values_goes_out_when_they_are_stored_and_binds_nothing_after_that() -> None:
    desk = Unwilling()
    desk.enter(ANN, "ann", "#tea")
    desk.ask(ANN, native.Away(text="lunch"), native.Ok)
    assert [type(event) for event in desk.events(ANN)] == [Announced, Answered]
    rid = desk.post(ANN, native.Ping())
    desk.fail()
    assert [event for event in desk.events(ANN) if isinstance(event, Answered)] == [
        Answered(ANN, rid, native.Pong(time=desk.now))
    ]


def test_an_error_stays_the_error_it_is_when_the_transaction_fails() -> None:
    desk = Unwilling()
    desk.enter(ANN, "ann", "#tea")
    away = desk.post(ANN, native.Away(text="lunch"))
    refused = desk.post(ANN, native.Join(id=1, room="tea"))
    desk.fail()
    answers = {event.rid: event.event for event in desk.events(ANN) if isinstance(event, Answered)}
    assert msgspec.structs.asdict(answers[away])["code"] == "storage"
    assert msgspec.structs.asdict(answers[refused])["code"] == "bad-room"


def test_a_spoilt_value_is_told_to_who_needs_it_and_nobody_else_is_disturbed(tmp_path: Path) -> None:
    desk = Desk(log=Log(tmp_path / "moot.db"))
    desk.enter(ANN, "ann", "#tea")
    desk.log.remember("room/#tea", "policy")
    desk.commit()
    change(tmp_path / "moot.db", "UPDATE meta SET value = 'anything' WHERE key = 'room/#tea'")

    def recall(device: Device, do: Do) -> None:
        desk.log.recall("room/#tea")

    desk.state._handlers[native.Away] = recall
    assert desk.refused(ANN, native.Away(text="x")) == "damaged"
    desk.ask(ANN, native.Ping(), native.Pong)
    desk.log.close()


# --- a file that is damaged, copied, repaired, moved

KEPT = {
    "account/ann": '{"name":"ann"}',
    "look/ann": "ann",
    "room/#tea": '{"roles":{}}',
    "session/5e": "{}",
    "read/00": "7",
}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A log with a message and all kinds of values."""
    log = Log(tmp_path / "moot.db")
    log.append("#tea", b"a" * 16, "c1", 1000, "ann", "text", "hi")
    for key, value in KEPT.items():
        log.remember(key, value)
    log.commit()
    log.close()
    return tmp_path / "moot.db"


def values_of(path: Path) -> dict[str, str]:
    log = Log(path)
    found = dict(
        pair for prefix in ("account/", "look/", "room/", "session/", "read/") for pair in log.recall_under(prefix)
    )
    log.close()
    return found


def flip(path: Path, where: bytes, at: int) -> None:
    """Flip one bit of the byte ``at`` behind the beginning of ``where``."""
    content = bytearray(path.read_bytes())
    content[content.index(where) + at] ^= 1 << at % 7
    path.write_bytes(bytes(content))


def repaired(path: Path, to: Path) -> list[str]:
    """Repair a log; return what was damaged in it."""
    with Audit(path, live=False) as audit, contextlib.closing(Writer(to)) as writer:
        rewrite(audit, writer, cut=False)
        writer.commit(alone=True)
        return [str(damage) for damage in audit.damage]


def test_a_backup_and_what_is_restored_of_it_have_all_values(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with placed(tmp_path / "copy.db", replace=False) as made:
        assert copy(kept, made, live=False, verify=True) == 1
    restored(tmp_path / "copy.db", tmp_path / "elsewhere" / "moot.db")
    assert values_of(tmp_path / "elsewhere" / "moot.db") == KEPT


def test_a_repair_keeps_what_is_sound_and_mends_one_bit_anywhere_in_a_row(kept: Path, tmp_path: Path) -> None:
    begin = b"account/ann" + KEPT["account/ann"].encode()
    for at in range(len(begin) + 16):
        damaged, new = tmp_path / "damaged.db", tmp_path / f"new{at}.db"
        damaged.write_bytes(kept.read_bytes())
        flip(damaged, begin, at)
        assert repaired(damaged, new) == ["one bit of what is kept under 'account/ann' is damaged; a repair mends it"]
        assert values_of(new) == KEPT


def test_a_repair_names_what_is_lost_and_keeps_the_rest(kept: Path, tmp_path: Path) -> None:
    change(kept, "UPDATE meta SET value = 'anything else' WHERE key = 'account/ann'")
    assert repaired(kept, tmp_path / "new.db") == ["an entry of what the log knows of itself is damaged"]
    assert values_of(tmp_path / "new.db") == {key: value for key, value in KEPT.items() if key != "account/ann"}


def test_a_repair_finds_values_without_a_schema(kept: Path, tmp_path: Path) -> None:
    change(kept, "PRAGMA writable_schema=ON; DELETE FROM sqlite_schema WHERE name = 'meta'")
    assert "the schema is damaged: it has no table of what the log knows of itself" in repaired(
        kept, tmp_path / "new.db"
    )
    assert values_of(tmp_path / "new.db") == KEPT


@pytest.mark.parametrize("at", range(len("account/ann")))
def test_a_key_with_a_flipped_bit_is_mended_when_the_log_is_opened(kept: Path, at: int) -> None:
    flip(kept, b"account/ann" + KEPT["account/ann"].encode(), at)
    assert values_of(kept) == KEPT
    with Audit(kept, live=False) as audit:
        assert len([row for row in audit.rows() if isinstance(row, Row)]) == 1
        assert audit.damage == []


def test_a_key_of_which_there_are_very_many_is_mended_where_it_would_hide_others(kept: Path) -> None:
    flip(kept, b"read/00" + b"7", 0)
    assert values_of(kept) == KEPT


def test_a_broker_in_the_place_of_another_keeps_nobody_waiting_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(meta, "mend", looked.append)
    for awaited, times in (((), 1), ((1,), 1), ((), 2)):
        bench = Bench(tmp_path, *awaited)
        bench.close()
        assert len(looked) == times


def test_a_sound_log_is_not_written_anew_when_it_is_opened(kept: Path) -> None:
    before = (
        apsw.Connection(str(kept)).execute("SELECT sql, rootpage FROM sqlite_schema WHERE name = 'meta'").fetchall()
    )
    Log(kept).close()
    assert (
        apsw.Connection(str(kept)).execute("SELECT sql, rootpage FROM sqlite_schema WHERE name = 'meta'").fetchall()
        == before
    )


def lines(path: Path, *, values: bool) -> list[bytes]:
    with Audit(path, live=False) as audit:
        return list(exported(audit, lambda _room: True, values=values))


def brought_in(exported_lines: list[bytes], path: Path) -> None:
    with contextlib.closing(Writer(path)) as writer:
        Importer(writer).read(exported_lines)
        writer.commit()


def test_an_export_has_values_only_when_it_is_asked_for_them_and_no_secrets_even_then(
    kept: Path, tmp_path: Path
) -> None:
    assert not [line for line in lines(kept, values=False) if b"account" in line]
    assert lines(kept, values=False)[0].startswith(b'{"line":"moot","format":1')
    brought_in(lines(kept, values=True), tmp_path / "new.db")
    assert values_of(tmp_path / "new.db") == {key: value for key, value in KEPT.items() if key != "session/5e"}


def test_accounts_are_exported_without_their_sessions(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    account = Account(name="ann", uid="ab" * 16, since=1, sessions=["5e" * 32])
    Accounts(log).create(account)
    log.commit()
    log.close()
    brought_in(lines(tmp_path / "moot.db", values=True), tmp_path / "new.db")
    new = Log(tmp_path / "new.db")
    assert Accounts(new).account("ann") == msgspec.structs.replace(account, sessions=[])
    new.close()


def test_an_import_never_replaces_what_the_log_has(kept: Path, tmp_path: Path) -> None:
    brought_in(lines(kept, values=True), tmp_path / "new.db")
    header, end = b'{"line":"moot","format":2}\n', b'{"line":"end","rooms":0,"messages":0,"values":1}\n'
    other = b'{"line":"value","key":"account/ann","value":"mine now"}\n'
    with pytest.raises(ImportFailed, match="line 2: the log has another value under 'account/ann' already"):
        brought_in([header, other, end], tmp_path / "new.db")
    same = b'{"line":"value","key":"look/ann","value":"ann"}\n'
    brought_in([header, same, end], tmp_path / "new.db")
    assert values_of(tmp_path / "new.db")["account/ann"] == KEPT["account/ann"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"line":"value","key":"epoch","value":"x"}\n', "regex"),
        (b'{"line":"value","key":"room/#tea"}\n', "value"),
        (b'{"line":"value","key":"room/' + b"x" * 400 + b'","value":""}\n', "length"),
    ],
)
def test_a_value_that_cannot_be_one_is_refused(line: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=f"line 2: .*{why}"):
        brought_in([b'{"line":"moot","format":2}\n', line], tmp_path / "new.db")


def test_retention_leaves_values_alone(kept: Path) -> None:
    log = Log(kept)
    retention = Retention(log)
    retention.step(settings(retain_messages=1, retain_days=0.001), 0.0, 4_000_000_000_000)
    log.close()
    assert values_of(kept) == KEPT
