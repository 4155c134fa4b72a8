"""A worker on a real event loop with real connections; the test plays the broker."""

import asyncio
import gc
import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sized

import msgspec
import pytest

from protocol import native
from protocol.control import ControlSocket
from protocol.ipc import (
    Announced,
    Answered,
    Art,
    Attach,
    Closed,
    Do,
    Entered,
    Gone,
    Link,
    Posted,
    Relink,
    Rendered,
    Told,
    Up,
)
from protocol.pipes import PipeReader, PipeWriter
from protocol.settings import DEFAULTS
from tests.workers.bench import Bench, Client, become
from workers.process import Worker, _serve


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.start()
    assert await made.heard(1) == [Attach(1, [], {})]
    yield made
    await made.stop()


def msg(seq: int, text: str) -> native.Msg:
    return native.Msg(room="#tea", seq=seq, time=1, nick="x", text=text)


async def test_a_new_broker_hears_who_sits_here_and_what_was_not_answered(bench: Bench) -> None:
    ann, conn = await bench.introduced("ann")
    bench.tell(Posted(0, msg(5, "five")))
    assert await ann.next() == msg(5, "five")
    ann.write(native.Send(cmid="c1", to="#tea", text="lost?"))
    (do,) = await bench.heard(1)
    bench.new_broker()
    seats, end, again = await bench.heard(3)
    assert isinstance(seats, Attach)
    assert [(seat.conn, seat.hello.nick, seat.rooms) for seat in seats.seats] == [(conn, "ann", ["#tea"])]
    assert (seats.seqs, seats.epoch) == ({"#tea": 5}, "e")
    assert end == Attach(1, [], {}, "e")
    assert again == do


async def test_each_part_of_many_seats_says_what_was_heard_last_in_its_rooms(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.attachment.ATTACH_SEATS", 1)
    _ann, one = await bench.introduced("ann")
    _bob, two = await bench.introduced("bob")
    bench.tell(Entered(two, "#tee", 7))
    await become(lambda: "#tee" in bench.worker.rooms)
    bench.new_broker()
    parts = [part for part in await bench.heard(3) if isinstance(part, Attach)]
    assert [[seat.conn for seat in part.seats] for part in parts] == [[one], [two], []]
    assert [part.seqs.keys() for part in parts] == [{"#tea"}, {"#tea", "#tee"}, set()]


async def test_what_a_broker_wrote_before_it_was_killed_is_heard(bench: Bench) -> None:
    ann, _conn = await bench.introduced("ann")
    joined = native.Joined(room="#tea", who=native.Person("eve"))
    ann.write(native.Send(cmid="c1", to="#tea", text="said"))
    (do,) = await bench.heard(1)
    assert isinstance(do, Do)
    bench.tell(Announced("#tea", joined), Answered(do.conn, do.rid, native.Ok(room="#tea", seq=5)))
    os.write(bench.writer.fileno(), struct.pack("!I", 100) + b"torn")
    bench.new_broker()
    assert [await ann.next(), await ann.next()] == [native.Ok(room="#tea", seq=5), joined]
    assert bench.worker.pending == {}
    bench.tell(Posted(0, msg(5, "five")))
    assert await ann.next() == msg(5, "five")


async def test_a_connection_that_closed_while_no_broker_was_there_is_told_to_the_next(bench: Bench) -> None:
    ann, conn = await bench.introduced("ann")
    bench.writer.close()
    await become(lambda: bench.worker.attachment.link is None)
    ann.reset()
    await become(lambda: not bench.worker.conns)
    bench.new_broker()
    seats, _seqs, gone = await bench.heard(3)
    assert isinstance(seats, Attach)
    assert [seat.conn for seat in seats.seats] == [conn]
    assert isinstance(gone, Gone)
    assert (gone.conn, gone.reason) == (conn, "connection lost")
    bench.tell(Closed(conn))
    await become(lambda: not bench.worker.leaving)


async def test_a_welcome_for_one_who_is_gone_is_taken_back(bench: Bench) -> None:
    client = await bench.client()
    client.write(native.Quit(), native.Hello(nick="ghost"))
    quit_, hello = await bench.heard(2)
    assert isinstance(quit_, Do)
    assert isinstance(hello, Do)
    welcome = native.Welcome(nick="ghost", server="moot", version="0", epoch="e")
    bye = native.Bye(reason="bye")
    conn = hello.conn
    bench.tell(Answered(conn, quit_.rid, bye), Closed(conn), Answered(conn, hello.rid, welcome))
    assert await bench.heard(1) == [Gone(conn, "connection closed")]
    assert await client.next() == bye


async def test_an_event_that_cannot_be_handed_out_costs_nobody_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    ann, conn = await bench.introduced("ann")
    local = bench.worker.conns[conn]
    assert local.dialect is not None
    receive = local.dialect.receive

    def broken(event: native.Event) -> bytes:
        if isinstance(event, native.Notice):
            raise RuntimeError("a bug")
        return receive(event)

    local.dialect.receive = broken  # type: ignore[method-assign]
    bench.tell(Posted(0, msg(5, "five")), Told(conn, native.Notice(text="boom")), Posted(0, msg(6, "six")))
    assert [await ann.next(), await ann.next()] == [msg(5, "five"), msg(6, "six")]
    assert "RuntimeError: a bug" in caplog.text


async def test_events_for_unknown_connections_and_rooms_are_nobodys(bench: Bench) -> None:
    ann, _conn = await bench.introduced("ann")
    nobody = 1 << 32 | 999
    bench.tell(
        Answered(nobody, 77, native.Ok()),
        Told(nobody, native.Notice(text="x")),
        Entered(nobody, "#tea"),
        Closed(nobody),
        Announced("#other", native.Left(room="#other", nick="x")),
        Posted(0, native.Msg(room="#other", seq=1, time=1, nick="x", text="x")),
        Posted(0, msg(5, "five")),
    )
    assert await ann.next() == msg(5, "five")


async def test_one_page_at_a_time_is_asked_of_the_broker(bench: Bench) -> None:
    ann, conn = await bench.introduced("ann")
    ann.write(native.History(id=1, room="#tea"), native.History(id=2, room="#tea"), native.Ping(id=3))
    (first,) = await bench.heard(1)
    assert isinstance(first, Do)
    assert bench.worker.conns[conn].unanswered == 1
    bench.tell(Answered(conn, first.rid, native.HistoryPage(id=1, room="#tea", messages=[])))
    second, ping = await bench.heard(2)
    assert [item.request.id for item in (second, ping) if isinstance(item, Do)] == [2, 3]


async def test_reading_stops_while_too_much_is_unanswered_and_goes_on_after(bench: Bench) -> None:
    ann, conn = await bench.introduced("ann")
    local = bench.worker.conns[conn]
    ann.write(*(native.Ping(id=number) for number in range(150)))
    first = await bench.heard(32)
    await become(lambda: local._paused)
    assert bench.worker.pending.keys() == {item.rid for item in first if isinstance(item, Do)}
    answered = 0
    waiting = first
    while answered < 150:
        for item in waiting:
            assert isinstance(item, Do)
            assert item.request.id == answered
            bench.tell(Answered(conn, item.rid, native.Pong(id=item.request.id, time=1)))
            answered += 1
        waiting = await bench.heard(1) if answered < 150 else []
    assert [getattr(await ann.next(), "id", None) for _ in range(150)] == list(range(150))
    assert not local._paused


async def test_a_worker_without_a_broker_asks_for_a_new_link(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.attachment.RELINK_S", 0.01)
    bench.supervisor.setblocking(False)
    bench.writer.close()
    bench.reader.close()
    heard: list[object] = []

    def asked() -> bool:
        heard.extend(message for message, _fds in bench.supervisor.recv())
        return Relink("broker") in heard

    await become(asked)


async def test_a_worker_that_was_given_no_broker_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.attachment.RELINK_S", 0.01)
    ours, theirs = (ControlSocket(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
    ours.setblocking(False)
    serving = asyncio.create_task(_serve(theirs, [], DEFAULTS, 1))
    await become(lambda: Relink("broker") in [message for message, _fds in ours.recv()])
    serving.cancel()
    await asyncio.wait([serving])
    asyncio.get_running_loop().remove_reader(theirs.fileno())
    ours.close()
    theirs.close()


async def test_however_often_the_link_is_lost_it_is_asked_for_at_the_same_pace(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.attachment.RELINK_S", 0.1)
    bench.supervisor.setblocking(False)
    begun = bench.worker.now()
    for _ in range(5):
        bench.worker.attachment._lost()
    heard: list[object] = []

    def asked() -> bool:
        heard.extend(message for message, _fds in bench.supervisor.recv())
        return heard.count(Relink("broker")) >= 3

    await become(asked)
    assert bench.worker.now() - begun >= 0.3


async def test_questions_of_one_who_is_gone_are_not_asked_again_but_what_was_said_is(bench: Bench) -> None:
    ann, _conn = await bench.introduced("ann")
    ann.write(native.Rooms(id="q"), native.Send(id="s", cmid="c", to="#tea", text="hi"))
    await become(lambda: len(bench.worker.pending) >= 2)
    ann.reset()
    await become(lambda: not bench.worker.conns)
    kept = [type(do.request) for do in bench.worker.pending.values()]
    assert native.Rooms not in kept
    assert native.Send in kept


async def come_and_go(bench: Bench, number: int) -> None:
    """One says goodbye, one vanishes, with something unanswered, and one never says who it is."""
    ann, conn = await bench.introduced(f"ann{number}")
    ann.write(native.Quit())
    (quit_,) = await bench.heard(1)
    assert isinstance(quit_, Do)
    bench.tell(Answered(conn, quit_.rid, native.Bye(reason="bye")), Closed(conn))
    assert isinstance(await ann.next(), native.Bye)
    ann.writer.close()
    eve, conn = await bench.introduced(f"eve{number}")
    eve.write(native.History(room="#tea"))
    await bench.heard(1)
    eve.reset()
    silent = await bench.client()
    silent.reset()
    assert await bench.heard(1) == [Gone(conn, "connection lost")]
    bench.tell(Closed(conn))
    await become(lambda: not bench.worker.conns and not bench.worker.leaving)
    bench.clients.clear()


def kept(worker: Worker) -> tuple[dict[str, int], Counter[str]]:
    """Return how much the worker's own collections hold, and how many objects of each type there are in all."""
    parts = (worker, worker.catchup, worker.easel, worker.farewell, worker.output, worker._door)
    held = {f"{type(part).__name__}.{key}": len(value)
            for part in parts for key, value in vars(part).items() if isinstance(value, Sized)}  # fmt: skip
    gc.collect()
    return held, Counter(type(thing).__name__ for thing in gc.get_objects())


async def test_nothing_is_kept_of_those_who_came_and_went(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)  # it would keep a record of each
    count = 20
    await come_and_go(bench, 0)
    held, objects = kept(bench.worker)
    for number in range(1, count + 1):
        await come_and_go(bench, number)
    held_after, objects_after = kept(bench.worker)
    assert held_after == held
    cancelled = {"TimerHandle", "Context"}  # asyncio forgets these in its own time
    assert {name for name, now in objects_after.items() if now - objects[name] >= count} - cancelled == set()


async def test_what_waited_for_one_who_is_gone_is_not_counted_any_more(bench: Bench) -> None:
    _ann, conn = await bench.introduced("ann")
    local = bench.worker.conns[conn]
    while bench.worker.queued <= DEFAULTS.sendq_soft:
        bench.tell(Told(conn, native.Notice(text="x" * 10_000)))
        await asyncio.sleep(0)
    assert local.transport is not None
    local.transport.abort()  # it is gone in the turn in which too much waits for it
    bench.worker.output.swell(local)
    await become(lambda: not bench.worker.conns and not bench.worker.output._swollen)
    assert bench.worker.queued == 0


# --- the order of what somebody says


def full(do: Up) -> Answered:
    """The broker could not store what ``do`` says."""
    assert isinstance(do, Do)
    return Answered(do.conn, do.rid, native.Error(id=do.request.id, code="storage", text="The disk is full.", wait=1.0))


def said(number: int) -> native.Send:
    return native.Send(id=number, cmid=f"c{number}", to="#tea", text="x")


async def refusals(client: Client, count: int) -> list[tuple[native.Id, str]]:
    errors = [await client.next() for _ in range(count)]
    return [(error.id, error.code) for error in errors if isinstance(error, native.Error) and error.wait is not None]


async def test_what_is_said_after_a_refusal_goes_up_only_after_what_was_refused(bench: Bench) -> None:
    ann, _conn = await bench.introduced("ann")
    ann.write(said(1), said(2))
    one, two = await bench.heard(2)
    bench.tell(full(one))
    assert await refusals(ann, 1) == [(1, "storage")]
    ann.write(said(3), native.Ping(id="p"))
    (ping,) = await bench.heard(1)
    assert isinstance(ping, Do)
    assert isinstance(ping.request, native.Ping)
    assert await refusals(ann, 1) == [(3, "storage")]
    bench.tell(full(two))
    assert await refusals(ann, 1) == [(2, "storage")]
    ann.write(said(1), said(2), said(3))
    again = await bench.heard(3)
    assert [do.request.id for do in again if isinstance(do, Do)] == [1, 2, 3]


async def test_a_new_broker_does_not_hear_what_was_said_after_a_refusal(bench: Bench) -> None:
    ann, _conn = await bench.introduced("ann")
    ann.write(said(1), said(2), native.Ping(id=3))
    one, _two, ping = await bench.heard(3)
    bench.tell(full(one))
    assert await refusals(ann, 1) == [(1, "storage")]
    bench.new_broker()
    _seats, _seqs, again = await bench.heard(3)
    assert again == ping
    assert await refusals(ann, 1) == [(2, "storage")]
    ann.write(said(1))
    (again,) = await bench.heard(1)
    assert isinstance(again, Do)
    assert again.request == said(1)


async def test_a_fun_command_that_must_wait_for_the_sandbox_keeps_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _conn = await bench.introduced("ann")
    fun = native.Fun(id="fun", cmid="f", to="#tea", line="/cowsay moo")
    ann.write(fun, said(1))
    assert await refusals(ann, 2) == [("fun", "fun-busy"), (1, "fun-busy")]
    monkeypatch.setattr("workers.easel.GONE_S", -1.0)  # it does not come back
    ann.write(fun, said(1))
    refused = await ann.next()
    assert isinstance(refused, native.Error)
    assert (refused.id, refused.code, refused.wait) == ("fun", "fun-failed", None)
    (do,) = await bench.heard(1)
    assert isinstance(do, Do)
    assert do.request == said(1)


async def test_a_fun_command_is_not_said_when_something_before_it_was_refused_while_it_was_drawn(
    bench: Bench,
) -> None:
    to_sandbox, from_worker = os.pipe()
    from_sandbox, to_worker = os.pipe()
    sandbox = PipeWriter(to_worker)
    bench.ends += [PipeReader(to_sandbox), sandbox]
    bench.supervisor.send(Link("sandbox", 3), (from_sandbox, from_worker))
    os.close(from_sandbox)
    os.close(from_worker)
    bench.worker.obey()
    ann, _conn = await bench.introduced("ann")
    ann.write(said(1), native.Fun(id="fun", cmid="f", to="#tea", line="/cowsay moo"))
    (one,) = await bench.heard(1)
    await become(lambda: bench.worker.easel.busy)
    bench.tell(full(one))
    assert await refusals(ann, 1) == [(1, "storage")]
    sandbox.put(msgspec.msgpack.encode([Rendered(1, Art("moo"))]))
    assert await refusals(ann, 1) == [("fun", "storage")]
