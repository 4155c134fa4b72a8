"""Messages that were taken back: by whom, that others hear of it, and that nothing gives them out again."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broker.archive import Importer, exported
from broker.audit import Audit
from broker.log import Extra, Log
from broker.newlog import Writer
from protocol import moderation, native
from protocol.ipc import Attach, Posted
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, seat, token
from tests.broker.members import come, register


def tea(desk: Desk) -> native.Ok:
    """Ann says something in #tea, where bob is too."""
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    return desk.say(ANN, "#tea", "oops", "c1")


def redact(desk: Desk, seq: native.Ref = 1, cmid: str = "r1", reason: str = "") -> native.Ok:
    return desk.ask(ANN, native.Redact(cmid=cmid, room="#tea", seq=seq, reason=reason), native.Ok)


def shown(desk: Desk, **asked: int) -> list[tuple[int, str, bool]]:
    page = desk.ask(BOB, native.History(room="#tea", **asked), native.HistoryPage)
    return [(msg.seq, msg.text, msg.redacted) for msg in page.messages]


def test_what_one_said_is_taken_back_and_the_room_hears_of_it(desk: Desk) -> None:
    tea(desk)
    assert redact(desk, reason="wrong room").seq == 2
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    msg = posted.msg
    assert (msg.kind, msg.reply, msg.reason, msg.nick) == ("redact", 1, "wrong room", "ann")
    assert msg.text == "took back a message: wrong room"
    assert shown(desk) == [(1, "", True), (2, "took back a message: wrong room", False)]


@pytest.mark.parametrize("asked", [{}, {"after": 0}, {"before": 2}, {"since": 0}])
@pytest.mark.parametrize("released", [False, True])
def test_no_page_has_it_from_memory_or_from_disk(desk: Desk, asked: dict[str, int], released: bool) -> None:
    tea(desk)
    redact(desk)
    if released:
        desk.log.release("#tea")
    assert (1, "", True) in shown(desk, **asked)
    room = desk.ask(BOB, native.Join(room="#tea", after=0, epoch=desk.log.epoch), native.Room)
    assert [msg.text for msg in room.messages] == ["", "took back a message"]


def test_a_drawing_loses_all_that_could_draw_it_again(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.ask(ANN, native.Send(cmid="c", to="#tea", text="x", tags={"+a": "b"}), native.Ok)
    redact(desk)
    page = desk.ask(BOB, native.History(room="#tea"), native.HistoryPage)
    assert (page.messages[0].tags, page.messages[0].anim, page.messages[0].cmd) == ({}, None, None)


def test_it_is_gone_for_a_later_broker_too() -> None:
    before = Desk()
    tea(before)
    redact(before)
    after = Desk(log=before.log)
    after.enter(BOB, "bob", "#tea")
    assert shown(after) == [(1, "", True), (2, "took back a message", False)]


def test_a_replay_to_a_worker_does_not_have_it() -> None:
    before = Desk()
    tea(before)
    redact(before)
    after = Desk(log=before.log)
    after.state.seating.attach(Attach(1, [seat(BOB, "bob", "#tea")], {"#tea": 0}, after.log.epoch))
    after.commit()
    assert [event.msg.text for event in after.told[1] if isinstance(event, Posted)] == ["", "took back a message"]


def test_a_retry_of_what_was_taken_back_is_answered_and_not_said_again(desk: Desk) -> None:
    first = tea(desk)
    redact(desk)
    assert desk.say(ANN, "#tea", "oops", "c1") == first
    assert [event for event in desk.told[1] if isinstance(event, Posted)] == []


def test_a_retry_of_taking_back_gets_the_first_answer(desk: Desk) -> None:
    tea(desk)
    assert redact(desk) == redact(desk)
    assert desk.log.last("#tea") == 2
    other = native.Redact(cmid="r1", room="#tea", seq=1, reason="another")
    assert desk.refused(ANN, other) == "cmid-reused"
    assert desk.refused(ANN, native.Send(cmid="r1", to="#tea", text="took back a message")) == "cmid-reused"


def test_said_and_taken_back_in_one_step(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.post(ANN, native.Send(cmid="c1", to="#tea", text="oops"))
    desk.post(ANN, native.Redact(cmid="r1", room="#tea", seq=1))
    desk.commit()
    assert [event.msg.kind for event in desk.told[1] if isinstance(event, Posted)] == ["text", "redact"]
    assert shown(desk)[0] == (1, "", True)


def test_what_the_disk_refused_was_not_taken_back(desk: Desk) -> None:
    tea(desk)
    desk.post(ANN, native.Redact(cmid="r1", room="#tea", seq=1))
    desk.log.rollback()
    desk.gather()
    assert shown(desk) == [(1, "oops", False)]
    redact(desk)
    assert shown(desk)[0] == (1, "", True)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (native.Redact(cmid="r", room="#tea", seq=7), "no-such-message"),
        (native.Redact(cmid="r", room="#tea", seq="nonsense"), "no-such-message"),
        (native.Redact(cmid="r", room="#cake", seq=1), "not-in-room"),
        (native.Redact(cmid="r", room="@", seq=1), "no-such-message"),
        (native.Redact(cmid="r", room="not a room", seq=1), "bad-room"),
    ],
)
def test_what_is_not_there_cannot_be_taken_back(desk: Desk, request_: native.Redact, code: str) -> None:
    tea(desk)
    assert desk.refused(ANN, request_) == code


def test_others_cannot_take_it_back(desk: Desk) -> None:
    tea(desk)
    assert desk.refused(BOB, native.Redact(cmid="r", room="#tea", seq=1)) == "not-allowed"
    assert shown(desk) == [(1, "oops", False)]


def test_nothing_is_taken_back_twice_and_no_topic_and_no_taking_back(desk: Desk) -> None:
    tea(desk)
    redact(desk)
    desk.ask(ANN, native.Topic(cmid="t", room="#tea", text="Assam"), native.Ok)
    for number, seq in enumerate((1, 2, 3)):
        assert desk.refused(ANN, native.Redact(cmid=f"x{number}", room="#tea", seq=seq)) == "no-such-message"


def test_a_direct_message_is_taken_back_for_both(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.enter(EVE, "eve")
    desk.say(EVE, "@bob", "first")  # so that the seqs of the two copies differ
    desk.say(ANN, "@bob", "oops")
    desk.ask(ANN, native.Redact(cmid="r", room="@", seq=1, reason="typo"), native.Ok)
    (mine,) = desk.told_to(ANN)
    (theirs,) = desk.told_to(BOB)
    assert isinstance(mine, native.Msg)
    assert isinstance(theirs, native.Msg)
    assert (mine.reply, theirs.reply) == (1, 2)
    assert (mine.msgid, mine.reply_id) == (theirs.msgid, theirs.reply_id)
    page = desk.ask(BOB, native.History(room="@"), native.HistoryPage)
    assert [(msg.text, msg.redacted) for msg in page.messages] == [
        ("first", False),
        ("", True),
        ("took back a message: typo", False),
    ]
    assert page.messages[1].msgid == theirs.reply_id
    assert desk.refused(BOB, native.Redact(cmid="r", room="@", seq=1)) == "not-allowed"  # what eve said


def test_a_direct_message_is_taken_back_from_who_is_not_here(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.say(ANN, "@bob", "oops")
    desk.gone(BOB)
    desk.ask(ANN, native.Redact(cmid="r", room="@", seq=1), native.Ok)
    desk.ask(BOB, native.Hello(nick="robert", token=token("bob")), native.Welcome)
    page = desk.ask(BOB, native.History(room="@"), native.HistoryPage)
    assert [msg.text for msg in page.messages] == ["", "took back a message"]


def test_an_entry_that_is_damaged_hides_what_it_hid(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    log.append("#tea", b"a" * 16, "c1", 1, "ann", "text", "oops")
    log.append("#tea", b"a" * 16, "r1", 2, "ann", "redact", "took back a message", Extra(reply=1))
    log.commit()
    log._db.execute("UPDATE messages SET text = 'tock' WHERE seq = 2")
    log.close()
    again = Log(tmp_path / "moot.db")
    assert [msg.text for msg in again.newest("#tea", 10).messages] == [""]


def test_a_log_without_the_index_gets_it_and_one_whose_index_is_lost_is_read(tmp_path: Path) -> None:
    log = Log(tmp_path / "moot.db")
    desk = Desk(log=log)
    tea(desk)
    redact(desk)
    log._db.execute("DROP INDEX messages_redact")
    log.release("#tea")
    assert shown(desk)[0] == (1, "", True)
    log.close()
    again = Log(tmp_path / "moot.db")
    assert again._db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'messages_redact'").get == 1


def test_an_export_does_not_have_it_nor_has_what_is_made_of_that(tmp_path: Path) -> None:
    desk = Desk(log=Log(tmp_path / "moot.db"))
    tea(desk)
    desk.say(ANN, "@bob", "secret")
    redact(desk)
    desk.ask(ANN, native.Redact(cmid="r2", room="@", seq=1), native.Ok)
    desk.log.close()
    with Audit(tmp_path / "moot.db", live=False) as audit:
        lines = list(exported(audit, lambda _name: True))
        assert audit.damage == []
    assert b"oops" not in b"".join(lines)
    assert b"secret" not in b"".join(lines)
    writer = Writer(tmp_path / "new.db")
    Importer(writer).read(lines)
    writer.commit(alone=True)
    writer.close()
    made = Log(tmp_path / "new.db")
    kept = [(msg.kind, msg.text, msg.redacted) for msg in made.newest("#tea", 10).messages]
    assert kept == [("text", "", True), ("redact", "took back a message", False)]
    inboxes = [name for name in made.rooms() if name[0] == "~"]
    assert [len(made.newest(name, 10).messages) for name in inboxes] == [2, 2]
    with Audit(tmp_path / "new.db", live=False) as audit:
        assert [line for line in exported(audit, lambda _name: True) if b'"moot"' not in line] == lines[1:]


def test_an_op_takes_back_what_others_said_and_it_is_noted(desk: Desk) -> None:
    tea(desk)
    desk.say(BOB, "#tea", "spam")
    redact(desk, 2, reason="spam")  # ann made the room
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    assert posted.msg.text == "took back a message of bob: spam"
    assert shown(desk)[1] == (2, "", True)
    assert [msg.text for msg in desk.log.newest("!#tea", 10).messages] == ["took back message 2 of bob: spam"]
    redact(desk, 1, cmid="r2")
    assert desk.log.last("!#tea") == 1  # one's own is nobody's business


def test_who_is_muted_takes_back_without_a_word(desk: Desk) -> None:
    tea(desk)
    desk.say(BOB, "#tea", "oops")
    desk.ask(ANN, moderation.Ban(room="#tea", mask="bob", kind="mute"), native.Ok)
    assert desk.refused(BOB, native.Redact(cmid="r", room="#tea", seq=2, reason="so there")) == "muted"
    desk.ask(BOB, native.Redact(cmid="r", room="#tea", seq=2), native.Ok)


def test_another_device_of_the_account_takes_it_back_too(desk: Desk) -> None:
    account = register(desk, "ann")
    come(desk, ANN, "ann", account)
    desk.enter(BOB, "bob", "#tea")  # who is its op
    desk.ask(ANN, native.Join(room="#tea"), native.Room)
    desk.say(ANN, "#tea", "oops")
    desk.say(ANN, "@bob", "oops")
    phone = conn(2, 7)
    come(desk, phone, "ann", account, of="phone")
    desk.ask(phone, native.Join(room="#tea"), native.Room)
    desk.ask(phone, native.Redact(cmid="r", room="#tea", seq=1), native.Ok)
    desk.ask(phone, native.Redact(cmid="s", room="@", seq=1), native.Ok)


class Masking(RuleBasedStateMachine):
    """A log in a file against a list of texts, of which None was taken back."""

    @initialize()
    def begin(self) -> None:
        self.directory = TemporaryDirectory()
        self.path = Path(self.directory.name) / "moot.db"
        self.log = Log(self.path)
        self.kept: list[str | None] = []  # committed, by seq - 1
        self.texts = list(self.kept)
        self.pruned = 0

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            self.directory.cleanup()

    @rule()
    def say(self) -> None:
        text = f"said {len(self.texts) + 1}"
        self.log.append("#tea", b"a" * 16, None, 1, "ann", "text", text)
        self.texts.append(text)

    @rule(back=st.integers(1, 130))
    def take_back(self, back: int) -> None:
        seq = len(self.texts) - back + 1
        if self.pruned < seq:
            self.log.append("#tea", b"a" * 16, None, 1, "ann", "redact", "took back a message", Extra(reply=seq))
            self.texts[seq - 1] = None
            self.texts.append("took back a message")

    @rule(count=st.sampled_from([1, 60, 120]))
    def say_much(self, count: int) -> None:
        for _ in range(count):
            self.say()

    @rule()
    def commit(self) -> None:
        self.log.commit()
        self.kept = list(self.texts)

    @rule()
    def roll_back(self) -> None:
        self.log.rollback()
        self.texts = list(self.kept)

    @rule()
    def release(self) -> None:
        self.log.release("#tea")

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self.log = Log(self.path)
        self.texts = list(self.kept)

    @rule(keep=st.integers(1, 200))
    def prune(self, keep: int) -> None:
        self.commit()
        if self.texts:
            self.log.prune("#tea", keep, 0, 1000)
            self.log.commit()
            self.pruned = self.log.pruned("#tea")

    @invariant()
    def pages_show_what_was_not_taken_back(self) -> None:
        if not hasattr(self, "log"):
            return
        there = [(seq, text) for seq, text in enumerate(self.texts, 1) if seq > self.pruned]
        for page, expected in (
            (self.log.newest("#tea", 50), there[-50:]),
            (self.log.after("#tea", self.pruned, 70), there[:70]),
            (self.log.before("#tea", len(self.texts) + 1, 150), there[-150:]),
        ):
            assert [(msg.seq, None if msg.redacted else msg.text) for msg in page.messages] == expected
            assert all(msg.text == "" for msg in page.messages if msg.redacted)


TestMasking = Masking.TestCase
TestMasking.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
