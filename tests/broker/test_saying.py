"""Messages, topics, fun commands and direct messages: numbered, acknowledged, told, and said once."""

import msgspec
import pytest

from protocol import moderation, msgids, native
from protocol.ipc import Answered, Art, Posted
from tests.broker.desk import ANN, BOB, EVE, Desk, conn, settings, texts, token
from tests.broker.members import log_in, register


def test_a_message_is_numbered_acknowledged_and_posted_to_each_worker_once(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    desk.enter(EVE, "eve", "#tea")
    rid = desk.post(ANN, native.Send(id="m", cmid="c1", to="#tea", text="hi", reply=9))
    desk.commit()
    msg = native.Msg(room="#tea", seq=1, time=desk.now, nick="ann", text="hi", reply=9)
    ok = native.Ok(id="m", room="#tea", seq=1, time=desk.now)
    assert desk.told[1] == [Answered(ANN, rid, ok), Posted(ANN, msg)]
    assert desk.told[2] == [Posted(ANN, msg)]


def test_seqs_are_dense_in_each_room(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea", "#cake")
    assert [desk.say(ANN, room, "x").seq for room in ("#tea", "#tea", "#cake", "#tea")] == [1, 2, 1, 3]


def test_a_retry_gets_the_first_answer_and_is_said_once(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    first = desk.say(ANN, "#tea", "hi", "same")
    again = desk.say(ANN, "#tea", "hi", "same")
    assert again == first
    assert [event for event in desk.told[1] if isinstance(event, Posted)] == []
    assert desk.refused(ANN, native.Send(cmid="same", to="#tea", text="other")) == "cmid-reused"
    assert desk.refused(ANN, native.Send(cmid="same", to="#tea", text="hi", kind="me")) == "cmid-reused"
    assert desk.log.last("#tea") == 1


def test_a_retry_within_one_step_is_said_once_too(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    for _ in range(2):
        desk.post(ANN, native.Send(cmid="same", to="#tea", text="hi"))
    desk.commit()
    answers = [event.event for event in desk.told[1] if isinstance(event, Answered)]
    assert [ok.seq for ok in answers if isinstance(ok, native.Ok)] == [1, 1]
    assert len([event for event in desk.told[1] if isinstance(event, Posted)]) == 1


def test_the_cmid_of_one_is_no_cmid_of_another(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    assert desk.say(ANN, "#tea", "mine", "same").seq == 1
    assert desk.say(BOB, "#tea", "mine too", "same").seq == 2


def test_a_retry_after_leaving_the_room_is_still_answered(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    first = desk.say(ANN, "#tea", "hi", "same")
    desk.do(ANN, native.Leave(room="#tea"))
    assert desk.say(ANN, "#tea", "hi", "same") == first


def test_a_topic_is_a_message_and_is_kept(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    assert desk.ask(ANN, native.Topic(cmid="t", room="#tea", text="Assam"), native.Ok).seq == 1
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    assert (posted.msg.kind, posted.msg.text) == ("topic", "Assam")
    assert desk.log.topic("#tea") == "Assam"


@pytest.mark.parametrize("kind", ["fun", "text", "me"])
def test_a_fun_command_is_said_as_what_it_made(desk: Desk, kind: str) -> None:
    desk.enter(ANN, "ann", "#tea")
    anim = native.Anim("train", 7, 3.0)
    rid = desk.post(ANN, native.Fun(cmid="f", to="#tea", line="/train"), Art("choo", kind, anim=anim))
    desk.commit()
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    assert (posted.msg.kind, posted.msg.text, posted.msg.cmd, posted.msg.anim) == (kind, "choo", "/train", anim)
    assert rid == desk.rid


def test_a_fun_retry_is_known_by_its_line_for_the_drawing_differs(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    roll = native.Fun(cmid="f", to="#tea", line="/roll 2d6")
    first = desk.do(ANN, roll, Art("2 + 3", "text"))
    assert desk.do(ANN, roll, Art("6 + 6", "text")) == first
    other = desk.do(ANN, native.Fun(cmid="f", to="#tea", line="/flip"), Art("heads", "text"))
    assert isinstance(other, native.Error)
    assert other.code == "cmid-reused"


def test_a_fun_command_that_nobody_rendered_fails(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    assert desk.refused(ANN, native.Fun(cmid="f", to="#tea", line="/train")) == "fun-failed"


def test_texts_are_noted_only_when_asked_for() -> None:
    for asked, noted in ((False, []), (True, ["ann said in #tea: hush"])):
        desk = Desk(settings(log_texts=asked))
        desk.enter(ANN, "ann", "#tea")
        desk.say(ANN, "#tea", "hush")
        assert [note for note in desk.notes if "hush" in note] == noted


# --- direct messages


def test_a_direct_message_lies_in_both_inboxes_with_seqs_of_their_own(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.enter(EVE, "eve")
    desk.say(ANN, "@bob", "first")
    ok = desk.say(EVE, "@Ann", "second")
    assert (ok.room, ok.seq) == ("@", 1)
    (mine,) = desk.told_to(EVE)
    (theirs,) = desk.told_to(ANN)
    uids = [desk.state.people.by_conn[who].person.uid for who in (EVE, ANN)]
    name = msgids.of_direct(desk.log.epoch, 1, desk.now, *uids)
    said = native.Msg(room="@", seq=1, time=desk.now, nick="eve", text="second", to="ann", msgid=name, own=True)
    assert mine == said
    assert theirs == msgspec.structs.replace(said, seq=2, own=False)
    assert desk.told_to(BOB) == []
    assert texts(desk.ask(ANN, native.History(room="@"), native.HistoryPage).messages) == ["first", "second"]
    assert texts(desk.ask(BOB, native.History(room="@"), native.HistoryPage).messages) == ["first"]


def test_a_message_to_oneself_is_there_once(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    assert desk.say(ANN, "@ann", "note").seq == 1
    assert len(desk.told_to(ANN)) == 1


def test_a_direct_message_to_one_whose_worker_died_waits_in_the_inbox(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(EVE, "eve")
    desk.state.seating.worker_lost(2, until=100.0)
    desk.say(ANN, "@eve", "psst")
    assert 2 not in desk.told
    again = conn(3, 1)
    assert desk.ask(again, native.Hello(nick="eve", token=token("eve")), native.Welcome).inbox == 1
    page = desk.ask(again, native.History(room="@", after=0), native.HistoryPage)
    assert texts(page.messages) == ["psst"]


@pytest.mark.parametrize(("to", "code"), [("@nobody", "no-such-nick"), ("@a b", "bad-nick"), ("@", "bad-nick")])
def test_a_direct_message_to_nobody_is_refused(desk: Desk, to: str, code: str) -> None:
    desk.enter(ANN, "ann")
    assert desk.refused(ANN, native.Send(cmid="c", to=to, text="x")) == code


def test_nobody_reads_the_inbox_of_another(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.say(ANN, "@ann", "secret")
    uid = desk.state.people.by_conn[ANN].uid
    assert desk.refused(BOB, native.History(room="~" + uid.hex())) == "bad-room"
    assert desk.refused(BOB, native.Join(room="~" + uid.hex())) == "bad-room"
    assert desk.ask(BOB, native.History(room="@"), native.HistoryPage).messages == []


def test_a_reaction_is_a_message_about_another(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.say(ANN, "#tea", "hi")
    desk.ask(ANN, native.Send(cmid="r", to="#tea", text="👍", kind="react", reply=1), native.Ok)
    (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
    assert (posted.msg.kind, posted.msg.text, posted.msg.reply, posted.msg.seq) == ("react", "👍", 1, 2)


@pytest.mark.parametrize(
    ("reply", "to", "code"),
    [(None, "#tea", "bad-request"), (7, "#tea", "no-such-message"), ("x-1-2", "#tea", "no-such-message"),
     (7, "@ann", "no-such-message")],
)  # fmt: skip
def test_a_reaction_needs_its_message(desk: Desk, reply: native.Ref | None, to: str, code: str) -> None:
    desk.enter(ANN, "ann", "#tea")
    assert desk.refused(ANN, native.Send(cmid="r", to=to, text="👍", kind="react", reply=reply)) == code


def test_a_message_is_answered_by_its_seq_or_its_name(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.say(ANN, "#tea", "hi")
    name = msgids.of_room(desk.log.epoch, "#tea", 1)
    refs: list[tuple[native.Ref, int | None]] = [(1, 1), (name, 1), (9, 9), ("nonsense", None)]
    for number, (ref, reply) in enumerate(refs):
        desk.ask(ANN, native.Send(cmid=f"a{number}", to="#tea", text="yes", reply=ref), native.Ok)
        (posted,) = (event for event in desk.told[1] if isinstance(event, Posted))
        assert posted.msg.reply == reply


def test_tags_come_with_the_message_and_stay_with_it(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    tags = {"+example.org/foo": "a b;c", "+bar": ""}
    desk.ask(ANN, native.Send(cmid="t", to="#tea", text="hi", tags=tags), native.Ok)
    page = desk.ask(ANN, native.History(room="#tea"), native.HistoryPage)
    assert page.messages[0].tags == tags
    desk.log.release("#tea")
    page = desk.ask(ANN, native.History(room="#tea"), native.HistoryPage)
    assert page.messages[0].tags == tags


def direct(desk: Desk, who: int) -> native.Msg:
    """Return the direct message that the last step told ``who``."""
    (msg,) = desk.told_to(who)
    assert isinstance(msg, native.Msg)
    return msg


def test_both_copies_of_a_direct_message_have_one_name(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.enter(EVE, "eve")
    desk.say(EVE, "@bob", "first")
    desk.say(ANN, "@bob", "hi")
    mine, theirs = direct(desk, ANN), direct(desk, BOB)
    assert (mine.seq, theirs.seq) == (1, 2)
    assert mine.msgid == theirs.msgid
    assert mine.msgid is not None
    assert (mine.own, theirs.own) == (True, False)
    desk.say(BOB, "@ann", "hi")
    assert direct(desk, ANN).msgid not in (None, mine.msgid)


def test_the_answer_to_a_direct_message_names_it_by_the_seq_that_each_has(desk: Desk) -> None:
    desk.enter(ANN, "ann")
    desk.enter(BOB, "bob")
    desk.enter(EVE, "eve")
    desk.say(EVE, "@bob", "first")
    desk.say(ANN, "@bob", "tea?")
    asked = direct(desk, BOB)
    refs: list[native.Ref | None] = [asked.seq, asked.msgid]
    for number, ref in enumerate(refs):
        desk.ask(BOB, native.Send(cmid=f"y{number}", to="@ann", text="yes", reply=ref), native.Ok)
        mine, theirs = direct(desk, BOB), direct(desk, ANN)
        assert (mine.reply, theirs.reply) == (2, 1)
        assert mine.reply_id == theirs.reply_id == asked.msgid
    react = native.Send(cmid="r", to="@bob", text="👍", kind="react", reply=asked.msgid)
    desk.ask(ANN, react, native.Ok)
    assert (direct(desk, ANN).reply, direct(desk, BOB).reply) == (1, 2)


def test_what_is_said_for_some_lies_in_inboxes_and_leaves_the_rooms_seqs_dense(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    desk.enter(BOB, "bob", "#tea")
    ok = desk.ask(ANN, native.Send(cmid="s", to="#tea", text="ops?", audience="op"), native.Ok)
    assert (ok.room, ok.seq) == ("@", 1)
    mine = direct(desk, ANN)
    assert (mine.room, mine.to, mine.audience, mine.text) == ("@", "#tea", "op", "ops?")
    assert desk.told_to(BOB) == []
    assert desk.say(ANN, "#tea", "all").seq == 1
    assert desk.refused(ANN, native.Send(cmid="d", to="@bob", text="x", audience="op")) == "bad-request"


def test_who_is_logged_in_or_a_program_says_so_with_each_message(desk: Desk) -> None:
    desk.enter(ANN, "ann", "#tea")
    log_in(desk, ANN, register(desk, "ann"))
    desk.ask(ANN, native.Bot(), native.Ok)
    desk.say(ANN, "#tea", "hi")
    page = desk.ask(ANN, native.History(room="#tea"), native.HistoryPage)
    assert (page.messages[0].account, page.messages[0].bot) == ("ann", True)
    desk.ask(ANN, native.Topic(cmid="t", room="#tea", text="Assam"), native.Ok)
    assert desk.log.topic("#tea") == "Assam"


def test_those_with_the_role_or_a_higher_one_hear_what_is_said_for_them(desk: Desk) -> None:
    for who, nick in ((ANN, "ann"), (BOB, "bob"), (EVE, "eve")):  # ann makes the room and is its op
        desk.enter(who, nick, "#tea")
    desk.ask(ANN, moderation.Mode(room="#tea", changes=[moderation.Change("voice", arg="bob")]), native.Ok)
    desk.ask(EVE, native.Send(cmid="s", to="#tea", text="voices?", audience="voice"), native.Ok)
    mine, ann, bob = direct(desk, EVE), direct(desk, ANN), direct(desk, BOB)
    assert mine.msgid == ann.msgid == bob.msgid is not None
    assert (mine.own, ann.own, ann.to, ann.audience) == (True, False, "#tea", "voice")
    desk.ask(BOB, native.Send(cmid="t", to="#tea", text="ops?", audience="op"), native.Ok)
    assert direct(desk, ANN).text == "ops?"
    assert desk.told_to(EVE) == []
    assert desk.refused(EVE, native.Redact(cmid="r", room="@", seq=1)) == "not-supported"


def test_words_that_may_not_be_said_may_not_be_in_tags(desk: Desk) -> None:
    desk.enter(BOB, "bob", "#tea")
    desk.enter(ANN, "ann", "#tea")
    desk.ask(BOB, moderation.Mode(room="#tea", changes=[moderation.Change("filter", arg="coffee")]), native.Ok)
    tags = {"+draft/react": "coffee"}
    assert desk.refused(ANN, native.Send(cmid="c", to="#tea", text="hi", tags=tags)) == "filtered"
    assert desk.refused(ANN, native.Tag(to="#tea", tags=tags)) == "filtered"
