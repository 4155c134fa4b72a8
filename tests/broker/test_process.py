"""The broker's loop: what is one transaction, what comes of a failed one, and who is cut off."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.log import LogError
from protocol import moderation, native
from protocol.ipc import (
    Announced,
    Answered,
    Art,
    Attach,
    Beat,
    Closed,
    Do,
    Gone,
    Hush,
    Seat,
    Stop,
    Stuck,
    Told,
    Up,
    worker_of,
)
from tests.broker.desk import ANN, BOB, EVE, conn, seat, token
from tests.broker.shell import Bench, FakeWorker, answers, code, hello, join, posts, say


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def successor(tmp_path: Path) -> Iterator[Bench]:
    """A new broker, which waits for workers 1 and 2 to tell their seats."""
    made = Bench(tmp_path, 1, 2)
    made.broker.serve_at = math.inf  # however slow the machine
    yield made
    made.close()


def test_all_batches_that_wait_are_one_transaction_and_one_batch_down(bench: Bench) -> None:
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    two.put(hello(EVE, "eve"), join(EVE, "#tea"))
    bench.turn()
    one.told()
    two.told()
    one.put(say(ANN, "a", 3))
    one.put(say(ANN, "b", 4))
    two.put(say(EVE, "c", 3))
    bench.turn()
    (batch,) = two.batches()
    assert sorted(posts(batch)) == [(1, "a"), (2, "b"), (3, "c")]
    assert posts(one.told()) == posts(batch)


def test_a_worker_speaks_for_its_own_connections_only(bench: Bench) -> None:
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    bench.turn()
    one.told()
    seat = Seat(conn(1, 9), native.Hello(nick="fake", token=token("fake")), [], "", "", 0)
    two.put(Gone(ANN, "hijacked"), say(ANN, "not me", 9), hello(conn(1, 7), "ghost"), Attach(1, [seat], {}))
    bench.turn()
    assert one.told() == two.told() == []
    assert list(bench.broker.state.people.by_conn) == [ANN]


def test_a_worker_that_asks_for_nobody_keeps_no_other_from_attaching(bench: Bench) -> None:
    two, one = bench.worker(2), bench.worker(1)
    two.put(Do(0, 1, native.History(room="#tea")))
    one.put(Attach(1, [seat(ANN, "ann")], {}), Do(ANN, 3, native.Ping()))
    bench.turn()
    assert two.told() == []
    assert isinstance(answers(one.told())[3], native.Pong)


def test_a_failed_commit_acknowledges_nothing_and_the_next_one_goes_on_densely(bench: Bench) -> None:
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"), hello(BOB, "bob", 10))
    two.put(hello(EVE, "eve"), join(EVE, "#tea"))
    bench.turn()
    one.put(say(ANN, "kept", 3))
    bench.turn()
    one.told()
    two.told()
    db = bench.broker.log._db
    db.pragma("max_page_count", db.pragma("page_count"))
    big = "x" * 60_000
    one.put(say(ANN, big, 4), say(BOB, big, 11, "@ann"), Do(ANN, 5, native.Ping(id=5)), say(ANN, "kept", 3))
    two.put(Do(EVE, 6, native.History(id=6, room="#tea")), join(EVE, "#tea", 7))
    bench.turn()
    told = one.told()
    assert posts(told) == []
    assert [event for event in told if isinstance(event, Told)] == []
    got = answers(told)
    assert [code(got[rid]) for rid in (4, 11)] == ["storage", "storage"]
    assert isinstance(got[5], native.Pong)
    db.pragma("max_page_count", 1_000_000)
    one.put(say(ANN, "next", 4), say(BOB, "psst", 11, "@ann"))
    two.told()
    bench.turn()
    assert posts(two.told()) == [(2, "next")]
    told = one.told()
    told_of = [event.event for event in told if isinstance(event, Told)]
    assert [msg.seq for msg in told_of if isinstance(msg, native.Msg)] == [1, 1]


def test_a_topic_that_could_not_be_stored_is_told_to_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.process.PAGES_S", 10.0)  # both in one transaction, however slow the machine
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"), Do(ANN, 3, native.Topic(cmid="c3", room="#tea", text="Assam")))
    two.put(hello(EVE, "eve"))
    bench.turn()
    one.told()
    two.told()
    full(bench)
    topic = native.Topic(id=5, cmid="c5", room="#tea", text="Darjeeling")
    one.put(Do(ANN, 4, native.Who(room="#tea")), Do(ANN, 5, topic), say(ANN, "x" * 60_000, 6))
    two.put(join(EVE, "#tea"))
    bench.turn()
    assert code(answers(one.told())[5]) == "storage"
    room = answers(two.told())[2]
    assert isinstance(room, native.Room)
    assert (room.seq, room.topic, [msg.text for msg in room.messages]) == (1, "Assam", ["Assam"])


def test_the_list_of_rooms_has_no_topic_that_could_not_be_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.process.PAGES_S", 10.0)  # both in one transaction, however slow the machine
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"), say(ANN, "kept", 3))
    two.put(hello(EVE, "eve"))
    bench.turn()
    one.told()
    two.told()
    full(bench)
    topic = native.Topic(id=5, cmid="c5", room="#tea", text="Darjeeling")
    one.put(Do(ANN, 4, native.Who(room="#tea")), Do(ANN, 5, topic), say(ANN, "x" * 60_000, 6))
    two.put(Do(EVE, 2, native.Rooms()))
    bench.turn()
    assert code(answers(one.told())[5]) == "storage"
    assert code(answers(two.told())[2]) == "storage"


def full(bench: Bench) -> None:
    """Let the disk be full for anything of more than a few bytes."""
    db = bench.broker.log._db
    db.pragma("max_page_count", db.pragma("page_count"))


def roomy(bench: Bench) -> None:
    bench.broker.log._db.pragma("max_page_count", 1_000_000)


def turn(bench: Bench, worker: FakeWorker, *commands: Up) -> dict[int, str]:
    """Have ``commands`` applied in one step; return what each was answered with: "ok" or the code of an error."""
    worker.put(*commands)
    bench.turn()
    got = answers(worker.told())
    return {rid: event.code if isinstance(event, native.Error) else "ok" for rid, event in got.items()}


def retry(who: int, rid: int, of: int, text: str) -> Do:
    return Do(who, rid, native.Send(id=rid, cmid=f"c{of}", to="#tea", text=text))


def test_what_was_said_behind_a_message_that_could_not_be_stored_waits_until_it_comes_again(bench: Bench) -> None:
    one = bench.worker(1)
    turn(bench, one, hello(ANN, "ann"), join(ANN, "#tea"), hello(BOB, "bob", 10), join(BOB, "#tea", 11))
    turn(bench, one, say(ANN, "kept", 3), say(BOB, "kept", 12))
    full(bench)
    big = "x" * 60_000
    assert turn(bench, one, say(ANN, big, 4), say(ANN, "b", 5)) == {4: "storage", 5: "storage"}
    roomy(bench)
    assert turn(bench, one, say(ANN, "c", 6), say(BOB, "other", 13)) == {6: "storage", 13: "ok"}
    assert turn(bench, one, Do(ANN, 7, native.Ping(id=7))) == {7: "ok"}
    again = [retry(ANN, 8, 4, big), retry(ANN, 9, 5, "b"), retry(ANN, 20, 6, "c")]
    assert turn(bench, one, *again) == {8: "ok", 9: "ok", 20: "ok"}
    assert [msg.text for msg in bench.broker.log.after("#tea", 3, 9).messages] == [big, "b", "c"]


def test_who_cannot_say_it_again_is_not_held_up_nor_is_a_new_connection(bench: Bench) -> None:
    one = bench.worker(1)
    bob = Do(BOB, 10, native.Hello(nick="bob", token=token("bob")), None, "127.0.0.1", "plain", False)
    turn(bench, one, hello(ANN, "ann"), join(ANN, "#tea"), bob, join(BOB, "#tea", 11), say(ANN, "kept", 3))
    full(bench)
    big = "x" * 60_000
    assert turn(bench, one, say(ANN, big, 4), say(BOB, big, 12)) == {4: "storage", 12: "storage"}
    roomy(bench)
    elsewhere = conn(1, 7)
    came = [hello(elsewhere, "ann", 20), join(elsewhere, "#tea", 21), say(elsewhere, "anew", 22)]
    assert turn(bench, one, *came, say(BOB, "on", 13)) == {20: "ok", 21: "ok", 22: "ok", 13: "ok"}


def test_a_message_that_never_comes_again_is_not_waited_for(bench: Bench) -> None:
    one = bench.worker(1)
    turn(bench, one, hello(ANN, "ann"), join(ANN, "#tea"), say(ANN, "kept", 3))
    full(bench)
    assert turn(bench, one, say(ANN, "x" * 60_000, 4)) == {4: "storage"}
    roomy(bench)
    assert turn(bench, one, say(ANN, "on", 5)) == {5: "storage"}
    assert turn(bench, one, retry(ANN, 6, 5, "on"), say(ANN, "and on", 7)) == {6: "ok", 7: "ok"}
    full(bench)
    assert turn(bench, one, say(ANN, "x" * 60_000, 8), say(ANN, "more", 9)) == {8: "storage", 9: "storage"}
    roomy(bench)
    assert turn(bench, one, retry(ANN, 10, 9, "more")) == {10: "ok"}


def test_requests_behind_one_that_found_the_disk_full_are_carried_out(bench: Bench) -> None:
    one = bench.worker(1)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"), say(ANN, "kept", 3))
    bench.turn()
    one.told()
    db = bench.broker.log._db
    db.pragma("max_page_count", db.pragma("page_count"))
    history = Do(ANN, 5, native.History(id=5, room="#tea", before=50))
    one.put(say(ANN, "x" * 60_000, 4), history, Do(ANN, 6, native.Ping()), Gone(ANN, "closed"))
    bench.turn()
    told = one.told()
    got = answers(told)
    assert code(got[4]) == "storage"
    assert isinstance(got[5], native.HistoryPage)
    assert [msg.text for msg in got[5].messages] == ["kept"]
    assert isinstance(got[6], native.Pong)
    assert told[-1] == Closed(ANN)
    assert bench.broker.state.people.by_conn == {}


def test_a_request_that_breaks_the_broker_is_answered_and_harms_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    one = bench.worker(1)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    bench.turn()
    one.told()
    poison = Do(ANN, 3, native.History(id="h", room="#tea", before=3))
    bench.broker.state._handlers[native.History] = lambda person, do: 1 / 0  # type: ignore[assignment]
    one.put(poison, say(ANN, "still here", 4))
    bench.turn()
    told = one.told()
    assert code(answers(told)[3]) == "internal"
    assert posts(told) == [(1, "still here")]
    assert "ZeroDivisionError" in caplog.text


def test_a_dead_worker_with_output_waiting_takes_nobody_along(bench: Bench) -> None:
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    two.put(hello(EVE, "eve"), join(EVE, "#tea"))
    bench.turn()
    one.told()
    rid = 10
    while not bench.broker.workers[2].writer.pending:  # until its pipe is full
        one.put(*(say(ANN, "x" * 4000, rid + number) for number in range(100)))
        rid += 100
        bench.turn()
        one.told()
    two.put(say(EVE, "last words", 5), hello(conn(2, 9), "ghost"))
    two.die()
    bench.turn()
    bench.turn()
    assert list(bench.broker.workers) == [1]
    assert [device.person.nick for device in bench.broker.state.people.by_conn.values() if device.connected] == ["ann"]
    one.put(say(ANN, "goes on", 5))
    bench.turn()
    assert [text for _seq, text in posts(one.told())][-1:] == ["goes on"]


def test_a_worker_that_does_not_drain_its_queue_is_cut_off(bench: Bench) -> None:
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    two.put(hello(EVE, "eve"), join(EVE, "#tea"))
    bench.turn()
    bench.broker.workers[2].writer._max_pending = 1 << 20
    rid = 10
    while 2 in bench.broker.workers:
        one.put(*(say(ANN, "x" * 4000, rid + number) for number in range(100)))
        rid += 100
        bench.turn()
        one.told()
    assert bench.supervisor.recv() == [(Stuck(2), [])]
    eve = bench.broker.state.people.by_conn[EVE]
    assert not eve.connected


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x03abc"])
def test_a_worker_that_sends_garbage_is_cut_off(bench: Bench, garbage: bytes) -> None:
    bench.worker(1)
    two = bench.worker(2)
    os.write(two.writer.fileno(), garbage)
    bench.turn()
    assert list(bench.broker.workers) == [1]
    assert bench.supervisor.recv() == [(Stuck(2), [])]


def test_a_new_broker_serves_nobody_before_all_workers_told_their_seats(successor: Bench) -> None:
    one, two = successor.worker(1), successor.worker(2)
    one.put(Attach(1, [], {}), Do(ANN, 1, native.Hello(nick="eve", token=token("newcomer"))))
    successor.turn()
    assert one.told() == []
    assert successor.broker.awaited == {2}
    two.put(Attach(2, [seat(EVE, "eve")], {}))
    successor.turn()
    assert code(answers(one.told())[1]) == "nick-taken"


def test_a_new_broker_tells_everybody_who_is_in_their_rooms(successor: Bench) -> None:
    one, two = successor.worker(1), successor.worker(2)
    for worker, who, nick in ((one, ANN, "ann"), (two, EVE, "eve")):
        parts = Attach(worker_of(who), [seat(who, nick, "#tea")], {"#tea": 0}), Attach(worker_of(who), [], {})
        worker.put(*parts)
    successor.turn()
    cards = [native.Person(nick, "#123456", "lunch") for nick in ("ann", "eve")]
    both = native.People(room="#tea", people=cards, count=2)
    assert one.told() == two.told() == [Announced("#tea", both)]


def test_pages_are_put_off_in_order_and_hold_up_nobody_else(bench: Bench) -> None:
    one = bench.worker(1)
    one.put(hello(ANN, "ann"), hello(BOB, "bob"), join(ANN, "#tea", 2), join(BOB, "#tea", 2))
    bench.turn()
    one.told()
    one.put(
        Do(ANN, 3, native.History(room="#tea")), Do(ANN, 4, native.Ping()), Do(ANN, 5, native.Who()), say(BOB, "b", 3)
    )
    bench.broker.waiting += bench.broker._wait(0.0)
    bench.broker.step()
    (answer,) = [event for event in one.told() if isinstance(event, Answered)]
    assert (answer.conn, answer.rid) == (BOB, 3)
    while bench.broker.pages:
        bench.broker.step()
    told = [event for event in one.told() if isinstance(event, Answered)]
    assert [answer.rid for answer in told] == [3, 4, 5]
    assert isinstance(told[0].event, native.HistoryPage)
    assert [msg.text for msg in told[0].event.messages] == ["b"]


def test_however_many_resume_at_once_what_others_say_waits_for_no_more_than_one_turn_of_pages(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, many = bench.worker(1), [conn(1, number) for number in range(1, 12)]
    for who in many:
        one.put(hello(who, f"n{who}"), join(who, "#tea"))
    bench.turn()
    one.told()
    monkeypatch.setattr("broker.process.PAGES_S", 0.0)  # a turn is over with the page that it began with
    one.put(*(Do(who, 3, native.History(room="#tea", after=0)) for who in many[1:]))
    for number in range(10):
        one.put(say(many[0], "x", 3 + number))
        bench.broker.waiting += bench.broker._wait(0.0)
        bench.broker.step()
        bench.broker.step()
        got = [type(event.event) for event in one.told() if isinstance(event, Answered)]
        assert got == [native.Ok, native.HistoryPage]
    assert not bench.broker.pages


def test_people_of_a_worker_that_died_before_it_was_served_linger(successor: Bench) -> None:
    one, two = successor.worker(1), successor.worker(2)
    one.put(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 0}))
    successor.turn()
    one.die()
    two.put(Attach(2, [], {}))
    successor.turn()
    (ann,) = successor.broker.state.people.by_conn.values()
    assert not ann.connected
    assert successor.broker.state.rooms.by_name["#tea"].workers == {}


def test_once_the_server_ends_nobody_is_told_who_leaves(bench: Bench) -> None:
    one, two = bench.worker(1), bench.worker(2)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    two.put(hello(EVE, "eve"), join(EVE, "#tea"))
    bench.turn()
    two.told()
    bench.supervisor.send(Hush())
    one.put(Gone(ANN, "connection closed"))
    bench.turn()
    assert bench.broker.state.people.by_conn.keys() == {EVE}
    two.put(Do(EVE, 3, native.Ping()))
    bench.turn()
    assert [type(event) for event in two.told()] == [Answered]


def test_it_answers_beats_and_stops_when_told_or_when_the_supervisor_is_gone(bench: Bench) -> None:
    bench.supervisor.send(Beat(7))
    bench.turn()
    assert bench.supervisor.recv() == [(Beat(7), [])]
    bench.supervisor.send(Stop("bye"))
    bench.turn()
    assert bench.broker.stopping
    bench.broker.stopping = False
    bench.supervisor.close()
    bench.turn()
    assert bench.broker.stopping


REQUESTS: list[Callable[[int], native.Request]] = [
    lambda n: native.History(room="#tea", before=n),
    lambda n: native.History(room="@", after=n),
    lambda n: native.History(room="#tea", since=n),
    lambda n: native.Join(room="#tea", after=n, epoch="x"),
    lambda n: native.Send(cmid="c", to="#tea", text="x", reply=n),
]


@pytest.mark.parametrize("number", [0, 1 << 53, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("make", REQUESTS)
def test_no_number_breaks_the_broker(bench: Bench, make: Callable[[int], native.Request], number: int) -> None:
    one = bench.worker(1)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"))
    bench.turn()
    one.told()
    one.put(Do(ANN, 3, make(number), Art("x")))
    bench.turn()
    if 1 in bench.broker.workers:  # a number no client could have sent makes the whole batch one of a broken worker
        assert set(answers(one.told())) == {3}
    else:
        assert number > 1 << 53


def test_a_step_ends_in_time_and_the_rest_is_done_in_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    one = bench.worker(1)
    one.put(Do(ANN, 1, native.Hello(nick="ann", token=token("ann"))))
    bench.turn()
    one.told()
    monkeypatch.setattr("broker.process.STEP_S", 0.0)
    one.put(*(Do(ANN, rid, native.Ping()) for rid in range(2, 42)))
    bench.turn()
    assert len(answers(one.told())) == 16
    while bench.broker.waiting:
        bench.turn()
    assert [event.rid for event in one.told() if isinstance(event, Answered)] == list(range(18, 42))


@pytest.mark.parametrize(
    "request_",
    [
        moderation.Retitle(room="#tea", name="#chai"),
        moderation.Kick(nick="bob", room="#tea"),
        moderation.Ban(mask="bob", room="#tea"),
    ],
)
def test_what_was_said_before_in_a_step_is_refused_with_what_has_to_be_stored_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, request_: native.Request
) -> None:
    one = bench.worker(1)
    one.put(hello(ANN, "ann"), join(ANN, "#tea"), hello(BOB, "bob", 10), join(BOB, "#tea", 11))
    bench.turn()
    one.told()
    log = bench.broker.log

    def full() -> None:
        monkeypatch.undo()  # once
        log.rollback()
        raise LogError("disk full")

    monkeypatch.setattr(log, "commit", full)
    one.put(say(BOB, "hi", 12), Do(ANN, 5, request_))
    bench.turn()
    told = one.told()
    assert {rid: code(answer) for rid, answer in answers(told).items()} == {12: "storage", 5: "storage"}
    assert (posts(told), log.last("#tea")) == ([], 0)
    members = bench.broker.state.rooms.by_name["#tea"].members
    assert [person.nick for person in members] == ["ann", "bob"]
