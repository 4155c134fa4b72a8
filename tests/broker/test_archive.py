"""Exports, imports and repairs against logs written by the program's own `Log`."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from bench.bitflips import fill
from broker.archive import Importer, ImportFailed, exported, rewrite
from broker.audit import Audit
from broker.log import Extra, Log, inbox_name
from broker.newlog import NewLogError, Writer, copy, placed, verified
from protocol.native import Anim

ANN, BOB = b"a" * 16, b"b" * 16


def lines_of(path: Path) -> list[dict[str, Any]]:
    with Audit(path, live=False) as audit:
        found = [json.loads(line) for line in exported(audit, lambda room: True)]
        assert audit.damage == []
        return found


def brought_in(lines: list[Any], path: Path) -> None:
    with contextlib.closing(Writer(path)) as writer:
        Importer(writer).read(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        writer.commit(alone=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    log = Log(tmp_path / "log.db")
    fill(log, 300, random.Random(1))
    log.append("#tea", ANN, "topic-1", 5, "ann", "topic", "all about tea")
    anim = Extra(to="bob", reply=3, cmd="/train", anim=Anim("train", 7, 2.5))
    log.append(inbox_name(BOB), ANN, None, 6, "ann", "fun", "🚂\n  choo\t!", anim)
    log.commit()
    log.close()
    return tmp_path / "log.db"


def test_a_round_trip_keeps_everything_but_the_epoch(path: Path, tmp_path: Path) -> None:
    first = lines_of(path)
    brought_in(first, tmp_path / "again.db")
    second = lines_of(tmp_path / "again.db")
    assert first[0] != second[0]
    assert first[0].keys() == second[0].keys() == {"line", "format", "epoch"}
    assert first[1:] == second[1:]
    assert verified(tmp_path / "again.db", "it") == 302


def test_the_program_reads_an_imported_log_as_the_first_one(path: Path, tmp_path: Path) -> None:
    brought_in(lines_of(path), tmp_path / "again.db")
    logs = Log(path), Log(tmp_path / "again.db")
    for room in ("#tea", "#cake", inbox_name(BOB)):
        one, other = (log.after(room, 0, 1000) for log in logs)
        assert one == other
        assert one.messages
        assert one.gaps == []
        assert logs[0].topic(room) == logs[1].topic(room)
    assert logs[0].epoch != logs[1].epoch
    assert logs[1].find(ANN, "topic-1") == logs[0].find(ANN, "topic-1")
    assert logs[1].append("#tea", ANN, "new", 9, "ann", "text", "on it goes").seq == logs[0].last("#tea") + 1
    logs[1].commit()
    for log in logs:
        log.close()
    assert verified(tmp_path / "again.db", "it") == 303


def test_chosen_rooms_come_alone(path: Path) -> None:
    with Audit(path, live=False) as audit:
        lines = [json.loads(line) for line in exported(audit, lambda room: room == "#tea")]
    assert {line["room"] for line in lines[1:-1]} == {"#tea"}
    assert lines[-1] == {"line": "end", "rooms": 1, "messages": len(lines) - 3}


def test_rooms_are_added_beside_others_but_never_mixed(path: Path, tmp_path: Path) -> None:
    lines = lines_of(path)
    log = Log(tmp_path / "other.db")
    log.append("#elsewhere", BOB, "x", 1, "bob", "text", "hello")
    log.commit()
    log.close()
    brought_in(lines, tmp_path / "other.db")
    assert verified(tmp_path / "other.db", "it") == 303
    with pytest.raises(ImportFailed, match=r"line 2: the room #\S+ is in the log already; nothing was imported"):
        brought_in(lines, tmp_path / "other.db")
    assert verified(tmp_path / "other.db", "it") == 303


HEAD = {"line": "moot", "format": 1}
TEA = {"line": "room", "room": "#tea"}
HI = {"line": "message", "room": "#tea", "seq": 1, "time": 1, "nick": "ann", "sender": "61" * 16, "text": "hi"}
END = {"line": "end", "rooms": 1, "messages": 1}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "ends after line 0"),
        ([b"hello\n"], "line 1: expected the first line of an export"),
        ([TEA], 'line 1: expected {"line":"moot"'),
        ([{**HEAD, "format": 9}], "line 1: the export has format 9; this moot reads 1"),
        ([HEAD, HEAD], "line 2: expected .* first, and only there"),
        ([HEAD, HI], "line 2: expected the line of its room before it"),
        ([HEAD, TEA, TEA], "line 3: the room #tea is in the log already"),
        ([HEAD, {**TEA, "room": "#Tea"}], "line 2: expected a room as the server keeps it, such as #tea"),
        ([HEAD, {**TEA, "room": "tea"}], "line 2: .*not a room"),
        ([HEAD, TEA, {**HI, "seq": 0}], r"line 3: expected a line of an export: Expected `int` >= 1 - at `\$.seq`"),
        ([HEAD, TEA, {**HI, "time": "now"}], r"line 3: .*\$.time"),
        ([HEAD, TEA, {**HI, "sender": "ann"}], r"line 3: .*\$.sender"),
        ([HEAD, TEA, {**HI, "kind": "shout"}], r"line 3: .*\$.kind"),
        ([HEAD, TEA, {**HI, "text": "\x1b[2J"}], "line 3: expected a nick and a text without control characters"),
        ([HEAD, TEA, {**HI, "nick": "a b"}], "line 3: expected a nick and a text without control characters"),
        ([HEAD, TEA, HI, HI, END], "line 4: expected a seq above 1"),
        (
            [HEAD, TEA, {**HI, "cmid": "c"}, {**HI, "seq": 2, "cmid": "c"}],
            "line 4: a message of the same sender and cmid is in the log already",
        ),
        ([HEAD, TEA, HI], "ends after line 3 without its last line"),
        (
            [HEAD, TEA, HI, {**END, "messages": 2}],
            "line 4: expected 1 rooms and 2 messages, 1 rooms and 1 messages came",
        ),
        ([HEAD, TEA, HI, END, HI], "line 5: expected nothing after the end"),
        ([HEAD, b'{"line":"room","room":"#\xff"}'], "line 2: expected a line of an export"),
        ([HEAD, b" " * (5 << 20)], "line 2: expected at most 4194304 bytes"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_imported(lines: list[Any], says: str, tmp_path: Path) -> None:
    brought_in([HEAD, {**TEA, "room": "#old"}, {**HI, "room": "#old", "cmid": "o"}, END], tmp_path / "log.db")
    with pytest.raises(ImportFailed, match=says) as caught:
        brought_in(lines, tmp_path / "log.db")
    assert "nothing was imported" in str(caught.value)
    assert [line.get("room") for line in lines_of(tmp_path / "log.db")] == [None, "#old", "#old", None]


def test_a_room_whose_oldest_messages_were_pruned_keeps_its_numbers(tmp_path: Path) -> None:
    lines = [HEAD, {**TEA, "pruned": 41, "topic": "old"}, {**HI, "seq": 42}, END]
    brought_in(lines, tmp_path / "log.db")
    log = Log(tmp_path / "log.db")
    assert log.after("#tea", 0, 100).gaps == [(1, 41)]
    assert (log.last("#tea"), log.topic("#tea")) == (42, "old")
    log.close()
    assert lines_of(tmp_path / "log.db")[1] == {"line": "room", "room": "#tea", "pruned": 41, "topic": "old"}


def damage(path: Path, *where: tuple[str, int]) -> None:
    connection = apsw.Connection(str(path))
    for room, seq in where:
        id_ = connection.execute("SELECT id FROM rooms WHERE name = ?", (room,)).get
        connection.execute("UPDATE messages SET text = 'forged' WHERE room = ? AND seq = ?", (id_, seq)).fetchall()
    connection.close()


@pytest.mark.parametrize("cut", [False, True])
def test_a_repair_keeps_what_is_sound(path: Path, tmp_path: Path, cut: bool) -> None:
    log = Log(path)
    last, before = log.last("#tea"), log.after("#tea", 0, 1000).messages
    log.close()
    damage(path, ("#tea", 7), ("#tea", 8), ("#tea", 20))
    raw = path.read_bytes()
    new = tmp_path / "new.db"
    with Audit(path, live=False) as audit:
        with contextlib.closing(Writer(new)) as writer:
            rewrite(audit, writer, cut=cut)
            writer.commit(alone=True)
        assert [str(each) for each in audit.damage] == [
            "#tea 7 to 8: not as they were written",
            "#tea 20: not as it was written",
        ]
        epoch = audit.epoch
    assert path.read_bytes() == raw
    verified(new, "it")
    log = Log(new)
    assert log.epoch != epoch
    page = log.after("#tea", 0, 1000)
    if cut:
        assert (page.messages, page.gaps) == (before[:6], [])
    else:
        assert page.messages == [msg for msg in before if msg.seq not in (7, 8, 20)]
        assert page.gaps == [(7, 8), (20, 20)]
        assert (log.last("#tea"), log.topic("#tea")) == (last, "all about tea")
    log.append("#tea", ANN, "more", 1, "ann", "text", "on it goes")
    log.commit()
    log.close()
    verified(new, "it")


def test_what_another_version_wrote_is_named_and_not_halved(path: Path) -> None:
    log = Log(path)

    class Richer(Extra, frozen=True):
        colour: str = "red"

    log.append("#new", ANN, "n", 1, "ann", "text", "hi", Richer(colour="blue"))
    log.commit()
    log.close()
    with Audit(path, live=False) as audit:
        lines = [json.loads(line) for line in exported(audit, lambda room: room == "#new")]
        assert [line["line"] for line in lines] == ["moot", "room", "end"]
        assert [str(each) for each in audit.damage] == [
            "#new 1: it was written by another version, which knew more parts"
        ]


def test_a_copy_of_a_log_in_use_is_whole(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db")
    fill(log, 200, random.Random(1))
    (tmp_path / "copy.db").touch()
    assert copy(tmp_path / "log.db", tmp_path / "copy.db", live=True, verify=True) == 200
    log.append("#tea", ANN, "later", 1, "ann", "text", "later")
    log.commit()
    again = Log(tmp_path / "copy.db")
    assert again.epoch != log.epoch
    assert again.last("#tea") == log.last("#tea") - 1
    for each in (log, again):
        each.close()


def test_a_copy_of_a_damaged_log_is_refused(path: Path, tmp_path: Path) -> None:
    damage(path, ("#tea", 7))
    with pytest.raises(
        NewLogError, match=r"is damaged \(#tea 7: not as it was written\); `moot check` names all of it"
    ):
        copy(path, tmp_path / "copy.db", live=False, verify=True)
    (tmp_path / "copy.db").unlink()
    assert copy(path, tmp_path / "copy.db", live=False, verify=False) is None


def test_a_file_takes_its_place_only_when_it_is_whole(tmp_path: Path) -> None:
    there = tmp_path / "there"

    def half() -> None:
        with placed(there, replace=False) as made:
            made.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert list(tmp_path.iterdir()) == []
    with placed(there, replace=False) as made:
        made.write_text("whole")
    assert there.read_text() == "whole"
    assert there.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NewLogError, match="is there already"), placed(there, replace=False):
        raise AssertionError
    with pytest.raises(NewLogError, match="is a directory"), placed(tmp_path, replace=True):
        raise AssertionError
    with pytest.raises(NewLogError, match="No such file or directory"), placed(tmp_path / "no" / "x", replace=True):
        raise AssertionError


def test_rooms_are_added_to_a_log_whose_index_of_names_is_damaged(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    at = content.index(b"#cake", content.index(b"#cake") + 1)  # the table comes before the index
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    brought_in([HEAD, {**TEA, "room": "#new"}, {**HI, "room": "#new"}, END], path)
    log = Log(path)
    assert log.last("#new") == 1
    log.close()
    with pytest.raises(ImportFailed, match="#cake is in the log already"):
        brought_in([HEAD, {**TEA, "room": "#cake"}], path)
