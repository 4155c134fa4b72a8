"""Damage in the log: what is damaged is never served, everything else is, and no seq is used twice."""

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker import chain, meta
from broker.audit import Audit
from broker.chain import Columns, Walk
from broker.log import Damaged, Extra, Log, LogError, inbox_name
from broker.pages import Page
from protocol.native import Msg

ANN: Final = b"a" * 16
INBOX: Final = inbox_name(ANN)
PER_ROOM: Final = 60
COLUMNS: Final = ("time", "sender", "cmid", "nick", "kind", "text", "extra", "sum")


def columns(seq: int, text: str = "hi") -> Columns:
    return seq, 1000, ANN, f"c{seq}", "ann", "text", text, None


def chained(count: int) -> list[tuple[Columns, bytes]]:
    before, rows = chain.start("#tea"), []
    for seq in range(1, count + 1):
        before = chain.link(before, columns(seq))
        rows.append((columns(seq), before))
    return rows


def verdicts(rows: list[tuple[Columns, Any]]) -> list[int]:
    walk = Walk("#tea", 0, chain.start("#tea"))
    return [row[0] for row, stored in rows if walk.sound(row[0], row, stored)]


def test_the_sums_are_the_same_in_every_version() -> None:
    assert chain.start("#tea").hex() == "cdbb6617ed016bf23094b6e6f5a26b26"
    assert chain.link(chain.start("#tea"), columns(1)).hex() == "8515ca83657063350a408da2437c5f28"
    assert chain.of_room("#tea", "Oolong", 0, b"b" * 16, 3, b"h" * 16).hex() == "2b23a9611d39d5275e07ba6a3777a40f"


def test_a_changed_row_condemns_itself_only() -> None:
    rows = chained(4)
    rows[1] = (columns(2, "changed"), rows[1][1])
    assert verdicts(rows) == [1, 3, 4]


def test_a_changed_sum_condemns_its_own_row_only() -> None:
    rows = chained(5)
    rows[1] = (rows[1][0], b"?" * 16)
    rows[2] = (rows[2][0], "of another type")  # type: ignore[assignment]
    assert verdicts(rows) == [1, 4, 5]


def test_a_lost_row_condemns_the_one_behind_it_unless_the_chain_starts_anew_there() -> None:
    rows = chained(5)
    del rows[2]
    assert verdicts(rows) == [1, 2, 5]
    rows = chained(2)
    anew = chain.link(chain.start("#tea"), columns(4))
    rows += [(columns(4), anew), (columns(5), chain.link(anew, columns(5)))]
    assert verdicts(rows) == [1, 2, 4, 5]


def test_a_row_from_another_place_is_not_sound_and_takes_the_next_one_along() -> None:
    rows = chained(5)
    moved = (columns(3, "said elsewhere"), rows[1][1])
    assert verdicts([*rows[:2], moved, *rows[3:]]) == [1, 2, 5]


# --- in a real file


def cmid(number: int) -> str:
    return hashlib.blake2b(b"%d" % number, digest_size=8).hexdigest()  # far apart: one flipped bit gives no other


def filled(path: Path) -> dict[str, list[Msg]]:
    rng, log = Random(1), Log(path)
    said: dict[str, list[Msg]] = {}
    for number in range(3 * PER_ROOM):
        room = ("#tea", "#cake", INBOX)[number % 3]
        kind = "topic" if number % 30 == 6 else "text"
        extra = Extra(to="bob", cmd="/x") if number % 5 == 0 else None
        text = f"said {number} ☕ " * rng.randint(1, 20)
        msg = log.append(room, ANN, cmid(number), 1000 + number, "ann", kind, text, extra)  # type: ignore[arg-type]
        said.setdefault(room, []).append(msg)
    log.commit()
    log.close()
    return said


class Whole:
    """A sound log, closed, and what was said in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said = filled(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole") / "moot.db")


@pytest.fixture
def copy(whole: Whole, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole.path, tmp_path / "moot.db"))


def change(path: Path, statement: str, *args: Any) -> None:
    db = apsw.Connection(str(path))
    db.execute(statement, args)
    assert db.changes() == 1
    db.close()


def flip(path: Path, room: str, seq: int, column: str, bit: int) -> None:
    """Change one bit of one column, as a disk would: text may become what is no UTF-8, and no sum follows."""
    db = apsw.Connection(str(path))
    where = "WHERE room = (SELECT id FROM rooms WHERE name = ?) AND seq = ?"
    query = f"SELECT typeof({column}), CAST({column} AS BLOB) FROM messages {where}"
    found: list[Any] = db.execute(query, (room, seq)).fetchall()
    of_type, raw = found[0]
    if of_type == "integer":
        db.execute(f"UPDATE messages SET {column} = ? {where}", (int(raw) ^ 1 << bit % 62, room, seq))
    elif of_type == "null":
        db.execute(f"UPDATE messages SET {column} = '{{}}' {where}", (room, seq))
    else:
        damaged = bytearray(raw)
        damaged[bit // 8 % len(raw)] ^= 1 << bit % 8
        value = "?" if of_type == "blob" else "CAST(? AS TEXT)"
        db.execute(f"UPDATE messages SET {column} = {value} {where}", (bytes(damaged), room, seq))
    assert db.changes() == 1
    db.close()


def spread(page: Page) -> list[int]:
    """Return the seqs of a page, those of gaps negative."""
    absent = [-seq for first, last in page.gaps for seq in range(first, last + 1)]
    return sorted([msg.seq for msg in page.messages] + absent, key=abs)


def in_pages(log: Log, room: str, size: int) -> tuple[list[Msg], list[int]]:
    """Read a room as a client does, from the oldest; every page goes on where the one before ended."""
    messages, seqs, seq = [], [], 0
    while (page := log.after(room, seq, size)).end:
        assert page.begin == seq + 1
        messages += page.messages
        seqs += spread(page)
        seq = page.end
    return messages, seqs


flips = st.dictionaries(
    st.tuples(st.sampled_from(["#tea", "#cake", INBOX]), st.integers(1, PER_ROOM)),
    st.tuples(st.sampled_from(COLUMNS), st.integers(0, 400)),
    min_size=1,
    max_size=25,
)


@given(damage=flips, size=st.integers(1, 70))
@settings(max_examples=60)
def test_what_is_damaged_is_never_served_and_everything_else_is(
    whole: Whole,
    tmp_path_factory: pytest.TempPathFactory,
    damage: dict[tuple[str, int], tuple[str, int]],
    size: int,
) -> None:
    source, said = whole.path, whole.said
    path = Path(shutil.copy(source, tmp_path_factory.mktemp("flips") / "moot.db"))
    for (room, seq), (column, bit) in damage.items():
        flip(path, room, seq, column, bit)
    log = Log(path)
    for room, messages in said.items():
        sound = [msg for msg in messages if (room, msg.seq) not in damage]
        seqs = [-msg.seq if (room, msg.seq) in damage else msg.seq for msg in messages]
        assert in_pages(log, room, size) == (sound, seqs)
        assert spread(log.before(room, PER_ROOM + 1, size)) == seqs[-size:]
        newest = log.newest(room, size)
        assert newest.messages == [msg for msg in messages[-size:] if msg in sound]
        assert spread(newest) == seqs[-size:]
        assert log.append(room, ANN, f"new {room}", 1, "ann", "text", "new").seq == PER_ROOM + 1
        log.commit()
    log.close()
    again = Log(path)
    for room in said:
        assert [msg.text for msg in again.newest(room, 1).messages] == ["new"]
    again.close()


@pytest.mark.parametrize("seed", range(200))
def test_no_bit_of_the_file_makes_it_serve_what_was_not_said(seed: int, whole: Whole, tmp_path: Path) -> None:
    source, said = whole.path, whole.said
    rng, content = Random(seed), bytearray(source.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path = tmp_path / "moot.db"
    path.write_bytes(content)
    try:
        log = Log(path)
    except LogError:
        return  # it said so instead
    for room, messages in said.items():
        try:
            served, seqs = in_pages(log, room, 50)
        except LogError:
            continue
        assert [abs(seq) for seq in seqs] == list(range(1, log.last(room) + 1))
        assert all(msg == messages[msg.seq - 1] for msg in served)
        assert log.last(room) >= PER_ROOM
        assert log.topic(room) in ("", *(msg.text for msg in messages if msg.kind == "topic"))
    log.close()


def test_damage_is_logged_once_with_room_and_seq(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    flip(copy, "#tea", 5, "text", 3)
    log = Log(copy)
    for _ in range(3):
        log.after("#tea", 0, 50)
    assert [record.message for record in caplog.records if "damaged" in record.message] == [
        "message 5 of room #tea is damaged or missing; nobody is sent it. See moot check"
    ]
    log.close()


@pytest.mark.parametrize("column", ["text", "cmid", "sum"])
def test_a_retry_of_a_damaged_message_is_never_a_second_one(copy: Path, column: str) -> None:
    """The index that finds it has a copy of the cmid of its own, so that a damaged one is still found."""
    if column == "cmid":  # in the row only, not in the index
        content = copy.read_bytes()
        at = next(at for at in positions(content, cmid(30).encode()) if content[at + 16 : at + 19] == b"ann")
        copy.write_bytes(content[:at] + b"x" + content[at + 1 :])
    else:
        flip(copy, "#tea", 11, column, 3)
    log = Log(copy)
    with pytest.raises(Damaged) as caught:
        log.find(ANN, cmid(30))
    assert (caught.value.room, caught.value.seq) == ("#tea", 11)
    assert log.find(ANN, cmid(33)) is not None
    log.close()


def positions(content: bytes, wanted: bytes) -> Iterator[int]:
    at = -1
    while (at := content.find(wanted, at + 1)) >= 0:
        yield at


def test_no_bit_of_a_row_ends_the_broker_or_has_other_messages_removed(copy: Path) -> None:
    """Numbers may become texts, bytes or NULL: where SQLite keeps a row's types is no column's."""
    content = copy.read_bytes()
    seq, time = 11, 1030  # of cmid(30) in #tea
    # What lies around it in its row and in the index: types, room, seq, time; 16 bytes of the sender in between.
    found = positions(content, cmid(30).encode())
    for at in [near for place in found for near in (*range(place - 34, place - 16), place + 16)]:
        for bit in range(8):
            copy.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            log = opened(copy)
            if log is None:
                continue
            with contextlib.suppress(Damaged, LogError):
                log.find(ANN, cmid(30))
            for room in ("#tea", "#cake"):
                with contextlib.suppress(LogError):
                    log.seq_since(room, time)
                with contextlib.suppress(LogError):
                    log.prune(room, 0, time + 1, 50)
                assert log.pruned(room) <= seq
                log.rollback()
            log.close()


def opened(path: Path) -> Log | None:
    with contextlib.suppress(LogError):
        return Log(path)
    return None


def test_lost_messages_at_the_end_are_a_gap_and_their_numbers_are_not_used_again(copy: Path) -> None:
    db = apsw.Connection(str(copy))
    db.execute("DELETE FROM messages WHERE room = (SELECT id FROM rooms WHERE name = '#tea') AND seq > 50")
    db.close()
    log = Log(copy)
    assert log.last("#tea") == PER_ROOM
    assert log.append("#tea", ANN, "new", 1, "ann", "text", "new").seq == PER_ROOM + 1
    log.commit()
    log.close()
    again = Log(copy)
    page = again.after("#tea", 45, 100)
    assert [msg.seq for msg in page.messages] == [46, 47, 48, 49, 50, PER_ROOM + 1]
    assert page.gaps == [(51, PER_ROOM)]
    assert spread(again.newest("#tea", 5)) == [-57, -58, -59, -60, 61]
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        "topic = 'Coffee'",
        "last = last - 20",
        "last = last + 1",
        "last = -1",
        "head = x'00'",
        "base = x'00'",
        "pruned = 7",
        "sum = x'00'",
    ],
)
def test_a_damaged_entry_of_a_room_is_mended_from_its_messages(
    damage: str,
    copy: Path,
    whole: Whole,
    caplog: pytest.LogCaptureFixture,
) -> None:
    change(copy, f"UPDATE rooms SET {damage} WHERE name = '#tea'")
    said = whole.said["#tea"]
    topic = [msg.text for msg in said if msg.kind == "topic"][-1]
    for _ in range(2):
        log = Log(copy)
        last = log.last("#tea")
        assert PER_ROOM <= last <= PER_ROOM + 2
        assert log.topic("#tea") == topic
        served, _seqs = in_pages(log, "#tea", 50)
        assert served[:PER_ROOM] == said
        assert log.append("#tea", ANN, f"new {last}", 1, "ann", "text", "new").seq == last + 1
        log.commit()
        log.close()
    assert [record.message for record in caplog.records if "entry" in record.message] == [
        "the log's entry of room #tea is damaged"  # and mended by the first commit
    ]


def test_a_damaged_name_is_read_from_its_index(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = copy.read_bytes()
    at = content.find(b"#tea")  # the table comes before the index
    copy.write_bytes(content[: at + 1] + b"\xff" + content[at + 2 :])
    log = Log(copy)
    assert {name for name, _topic in log.names()} == {"#tea", "#cake"}
    assert log.last("#tea") == PER_ROOM
    assert log.append("#tea", ANN, "new", 1, "ann", "text", "new").seq == PER_ROOM + 1
    log.commit()
    log.close()
    assert "damaged in its name" in caplog.text


def test_a_number_far_beyond_the_end_is_not_gone_on_from(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    tea = "room = (SELECT id FROM rooms WHERE name = '#tea')"
    change(copy, f"UPDATE messages SET seq = seq + (1 << 40) WHERE {tea} AND seq = 30")
    log = Log(copy)
    assert log.last("#tea") == PER_ROOM
    assert "that is ignored" in caplog.text
    assert spread(log.after("#tea", 28, 4)) == [29, -30, -31, 32]
    log.close()


@pytest.mark.parametrize("part", ["key", "value", "sum"])
def test_one_flipped_bit_in_what_the_log_knows_of_itself_costs_nothing_and_is_found(copy: Path, part: str) -> None:
    log = Log(copy)
    epoch = log.epoch
    log.remember("clock", "1795000000000")
    log.commit()
    log.close()
    content = copy.read_bytes()
    begin = content.index(b"epoch" + epoch.encode() + chain.of_value("epoch", epoch.encode()))
    where = {"key": range(5), "value": range(5, 21), "sum": range(21, 37)}[part]
    for at in where:
        bit = 1 << at % 8
        copy.write_bytes(content[: begin + at] + bytes([content[begin + at] ^ bit]) + content[begin + at + 1 :])
        with Audit(copy, live=False) as audit:
            assert len(list(audit.rows())) == 3 * PER_ROOM
            assert [str(each) for each in audit.damage] == ["an entry of what the log knows of itself is damaged"]
        log = Log(copy)
        assert (log.epoch, log.recall("clock")) == (epoch, "1795000000000")
        log.close()


def test_what_is_written_anew_counts_whatever_is_left_under_a_damaged_key(copy: Path) -> None:
    change(copy, "UPDATE meta SET key = 'dpoch' WHERE key = 'epoch'")
    db = apsw.Connection(str(copy))
    epoch = meta.renew_epoch(db)
    db.close()
    log = Log(copy)
    assert log.epoch == epoch
    log.close()


def test_a_damaged_epoch_is_another_epoch(copy: Path) -> None:
    change(copy, "UPDATE meta SET value = CAST(x'ff00' AS TEXT) WHERE key = 'epoch'")
    log = Log(copy)
    assert len(log.epoch) == 16
    log.close()
    again = Log(copy)
    assert again.epoch == log.epoch
    again.close()


@pytest.fixture(autouse=True)
def _all_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_looking_through_a_damaged_log_gives_signs_of_life(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    for number in range(20_000):
        log.append("#tea", ANN, None, number, "ann", "text", f"message {number}")
    log.commit()
    log.close()
    signs: list[int] = []
    Log(tmp_path / "moot.db", alive=lambda: signs.append(1)).close()
    assert len(signs) < 3
    change = apsw.Connection(str(tmp_path / "moot.db"))
    change.execute("UPDATE rooms SET last = last - 1").fetchall()
    change.close()
    signs.clear()
    log = Log(tmp_path / "moot.db", alive=lambda: signs.append(1))
    assert len(signs) >= 3
    signs.clear()
    log.after("#tea", 0, 20_000)
    assert signs == []  # a broker that hangs later is to be found out
    log.close()
