"""The log against a dictionary of lists, and what it does when the disk does not do as told."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from broker.log import CACHED, Extra, Log, LogError, inbox_name
from protocol.native import Anim, Msg

ANN, BOB = b"a" * 16, b"b" * 16
ROOMS = st.sampled_from(["#tea", "#cake", inbox_name(ANN)])
SEQS = st.integers(min_value=0, max_value=12)
TEXTS = st.text(max_size=8)


@pytest.fixture
def log() -> Iterator[Log]:
    opened = Log(":memory:")
    yield opened
    opened.close()


def add(log: Log, text: str, room: str = "#tea", cmid: str | None = None) -> Msg:
    return log.append(room, ANN, cmid or text, 1000, "ann", "text", text)


def texts(messages: list[Msg]) -> list[str]:
    return [msg.text for msg in messages]


class AgainstAModel(RuleBasedStateMachine):
    """Whatever is done to the log, it answers like lists in memory, also after it was closed and opened again."""

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.mkdtemp()
        self.log = Log(Path(self.directory, "moot.db"))
        self.epoch = self.log.epoch
        self.stored: dict[str, list[Msg]] = {}
        self.cmids: dict[str, tuple[str, Msg]] = {}
        self.topics: dict[str, str] = {}
        self.begin()
        self.counter = 0

    def begin(self) -> None:
        self.now = {room: list(messages) for room, messages in self.stored.items()}
        self.now_cmids, self.now_topics = dict(self.cmids), dict(self.topics)

    @rule(room=ROOMS, time=st.integers(0, 50), kind=st.sampled_from(["text", "topic"]), text=TEXTS, reply=st.booleans())
    def append(self, room: str, time: int, kind: str, text: str, reply: bool) -> None:
        self.counter += 1
        cmid = f"c{self.counter}"
        extra = Extra(to="bob", reply=3, cmd="/x", anim=Anim("train", 1, 2.5)) if reply else None
        msg = self.log.append(room, ANN, cmid, time, "ann", kind, text, extra)  # type: ignore[arg-type]
        messages = self.now.setdefault(room, [])
        assert msg.seq == len(messages) + 1
        messages.append(msg)
        self.now_cmids[cmid] = (room, msg)
        if kind == "topic":
            self.now_topics[room] = text

    @rule()
    def commit(self) -> None:
        self.log.commit()
        self.stored, self.cmids, self.topics = self.now, self.now_cmids, self.now_topics
        self.begin()

    @rule()
    def rollback(self) -> None:
        self.log.rollback()
        self.begin()

    @rule()
    def reopen(self) -> None:
        self.log.rollback()
        self.log.close()
        self.log = Log(Path(self.directory, "moot.db"))
        assert self.log.epoch == self.epoch
        self.begin()

    @rule(room=ROOMS)
    def release(self, room: str) -> None:
        self.log.release(room)

    @rule(number=st.integers(1, 20))
    def find(self, number: int) -> None:
        found = self.log.find(ANN, f"c{number}")
        assert (None if found is None else (found.room, found.msg)) == self.now_cmids.get(f"c{number}")
        assert self.log.find(BOB, f"c{number}") is None

    @rule(room=ROOMS, limit=st.sampled_from([0, 1, 3, CACHED, CACHED + 1]))
    def newest(self, room: str, limit: int) -> None:
        messages = self.now.get(room, [])
        assert self.log.newest(room, limit).messages == (messages[-limit:] if limit else [])

    @rule(room=ROOMS, seq=SEQS, limit=st.integers(1, 5))
    def pages(self, room: str, seq: int, limit: int) -> None:
        messages = self.now.get(room, [])
        assert self.log.after(room, seq, limit).messages == messages[seq:][:limit]
        assert self.log.before(room, seq, limit).messages == messages[: max(0, seq - 1)][-limit:]

    @rule(room=ROOMS)
    def summary(self, room: str) -> None:
        assert self.log.last(room) == len(self.now.get(room, []))
        assert self.log.topic(room) == self.now_topics.get(room, "")
        expected = {(name, self.now_topics.get(name, "")) for name in self.now if name[0] == "#"}
        assert set(self.log.names()) == expected

    @rule(room=ROOMS, time=st.integers(0, 51))
    def seq_since(self, room: str, time: int) -> None:
        messages = self.now.get(room, [])
        seq = self.log.seq_since(room, time)
        assert 0 <= seq <= len(messages)
        if [msg.time for msg in messages] == sorted(msg.time for msg in messages):
            assert seq == sum(msg.time < time for msg in messages)

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.directory)


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_more_than_memory_holds_is_read_from_disk(log: Log) -> None:
    for number in range(1, 251):
        add(log, str(number))
    log.commit()
    assert [msg.seq for msg in log.newest("#tea", 250).messages] == list(range(1, 251))
    assert [msg.seq for msg in log.after("#tea", 3, 5).messages] == [4, 5, 6, 7, 8]
    assert [msg.seq for msg in log.after("#tea", 200, 500).messages] == list(range(201, 251))
    assert [msg.seq for msg in log.newest("#tea", 2).messages] == [249, 250]


def test_the_same_cmid_twice_is_refused_by_the_disk_itself(log: Log) -> None:
    add(log, "one", cmid="same")
    add(log, "two", cmid="same")
    with pytest.raises(LogError, match="UNIQUE"):
        log.commit()
    assert log.last("#tea") == 0
    assert add(log, "three").seq == 1
    log.commit()


def test_a_full_disk_gives_the_numbers_back_and_the_next_commit_goes_on_densely(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    add(log, "kept")
    log.commit()
    pages = log._db.pragma("page_count")
    log._db.pragma("max_page_count", pages)
    big = "x" * 20_000
    assert add(log, big).seq == 2
    log.append("#new", ANN, "n", 1000, "ann", "topic", big)
    with pytest.raises(LogError, match="full"):
        log.commit()
    assert (log.last("#tea"), log.last("#new"), log.topic("#new")) == (1, 0, "")
    assert log.names() == [("#tea", "")]
    assert texts(log.newest("#tea", 10).messages) == ["kept"]
    assert log.find(ANN, big) is None
    log._db.pragma("max_page_count", 1_000_000)
    assert add(log, "next").seq == 2
    assert add(log, "there", "#new").seq == 1
    log.commit()
    log.close()
    again = Log(tmp_path / "moot.db")
    assert texts(again.newest("#tea", 10).messages) == ["kept", "next"]
    assert texts(again.newest("#new", 10).messages) == ["there"]
    again.close()


def test_a_full_disk_found_while_reading_is_the_same(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    add(log, "kept")
    log.commit()
    log._db.pragma("max_page_count", log._db.pragma("page_count"))
    add(log, "x" * 20_000)
    with pytest.raises(LogError, match="full"):
        log.before("#tea", 99, 10)
    log.rollback()
    assert texts(log.before("#tea", 99, 10).messages) == ["kept"]
    log.close()


def test_a_transaction_read_in_the_middle_is_still_rolled_back_whole(log: Log) -> None:
    add(log, "kept")
    log.commit()
    add(log, "lost")
    assert texts(log.before("#tea", 99, 10).messages) == ["kept", "lost"]
    log.rollback()
    assert texts(log.newest("#tea", 10).messages) == texts(log.before("#tea", 99, 10).messages) == ["kept"]


def test_a_room_released_in_the_transaction_that_wrote_it_is_not_kept_in_memory(log: Log) -> None:
    add(log, "one")
    log.release("#tea")
    log.commit()
    assert log._rooms["#tea"].recent is None
    assert texts(log.newest("#tea", 5).messages) == ["one"]


def test_acknowledged_messages_are_in_the_file_at_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    add(log, "one")
    other = apsw.Connection(str(tmp_path / "moot.db"))
    assert other.execute("SELECT count(*) FROM messages").get == 0
    log.commit()
    assert other.execute("SELECT count(*) FROM messages").get == 1
    assert log._db.pragma("synchronous") == 2  # FULL
    assert log._db.pragma("journal_mode") == "wal"
    other.close()
    log.close()


def test_a_log_of_a_newer_moot_is_not_touched(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "moot.db"))
    db.pragma("user_version", 99)
    db.close()
    with pytest.raises(LogError, match="newer than this moot knows"):
        Log(tmp_path / "moot.db")


def test_what_is_no_log_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "moot.db").write_bytes(b"these are not the bytes you look for" * 100)
    with pytest.raises(LogError, match=r"cannot open the log .*moot\.db"):
        Log(tmp_path / "moot.db")


def test_two_logs_have_two_epochs() -> None:
    assert Log(":memory:").epoch != Log(":memory:").epoch
