"""What a worker did not send on is replayed when it attaches, as far as that is sensible; the others are sent away."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from broker.log import Log, inbox_name
from broker.seating import BEHIND, COME_BACK_S, REPLACED, REPLAY_EACH
from protocol import native
from protocol.ipc import Attach, Closed, Posted, Told
from tests.broker.desk import ANN, BOB, EVE, NOON, Desk, conn, restarted, seat
from tests.server import Peer, serving, until


def sent_away(who: int, reason: str) -> list[object]:
    return [Told(who, native.Bye(reason=reason, retry=COME_BACK_S)), Closed(who)]


def filled(count: int, room: str = "#tea", text: str = "x") -> Log:
    log = Log(":memory:")
    for number in range(count):
        log.append(room, b"a" * 16, f"c{number}", NOON, "ann", "text", text)
    log.commit()
    return log


def test_a_worker_that_heard_of_another_log_is_rid_of_its_people() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob")], {}, "another"))
    desk.state.seating.attach(Attach(1, [], {"#tea": 0}, "another"))
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", "#tea")], {}, desk.log.epoch))
    desk.commit()
    assert desk.told[1] == sent_away(ANN, REPLACED) + sent_away(BOB, REPLACED)
    assert 2 not in desk.told
    assert list(desk.state.people.by_conn) == [EVE]


def test_a_worker_that_heard_more_than_there_is_is_rid_of_its_people() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob")], {}, desk.log.epoch))
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", "#tea")], {}, desk.log.epoch))
    desk.state.seating.attach(Attach(1, [], {"#tea": 2}, desk.log.epoch), until=30.0)
    desk.commit()
    assert desk.told[1] == sent_away(ANN, REPLACED) + sent_away(BOB, REPLACED)
    assert 2 not in desk.told
    again = desk.ask(conn(2, 9), native.Hello(nick="ann", token="a token of ann, long"), native.Welcome)
    assert again.resumed  # and nobody heard that they were gone
    room = desk.ask(conn(2, 9), native.Join(room="#tea", after=2, epoch=desk.log.epoch), native.Room)
    assert room.reset


def test_an_inbox_that_heard_more_than_there_is_is_sent_away_alone() -> None:
    desk = restarted("one")
    seats = [seat(ANN, "ann", "#tea", inbox=5), seat(BOB, "bob", "#tea")]
    desk.state.seating.attach(Attach(1, seats, {}, desk.log.epoch))
    desk.commit()
    assert desk.told[1] == sent_away(ANN, BEHIND)


def test_a_worker_that_knows_no_log_yet_attaches_as_ever() -> None:
    desk = restarted("one")
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea")], {"#tea": 0}))
    desk.commit()
    assert [event.msg.text for event in desk.told[1] if isinstance(event, Posted)] == ["one"]


@pytest.mark.parametrize("behind", [REPLAY_EACH, REPLAY_EACH + 1])
def test_who_is_too_far_behind_in_a_room_resumes_page_by_page_and_the_others_go_on(behind: int) -> None:
    desk = Desk(log=filled(behind))
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann", "#tea"), seat(BOB, "bob", "#cake")], {}))
    desk.state.seating.attach(Attach(2, [seat(EVE, "eve", "#tea")], {}))
    desk.state.seating.attach(Attach(1, [], {"#tea": 0, "#cake": 0}), until=30.0)
    desk.state.seating.attach(Attach(2, [], {"#tea": behind}))
    desk.commit()
    assert 2 not in desk.told
    if behind > REPLAY_EACH:
        assert desk.told[1] == sent_away(ANN, BEHIND)
    else:
        seqs = [event.msg.seq for event in desk.told[1] if isinstance(event, Posted)]
        assert seqs == list(range(1, behind + 1))


def test_who_is_too_far_behind_in_the_inbox_is_sent_away() -> None:
    uid_of_ann = Desk()
    uid_of_ann.enter(ANN, "ann")
    inbox = inbox_name(uid_of_ann.state.people.by_conn[ANN].uid)
    desk = Desk(log=filled(REPLAY_EACH + 1, inbox))
    desk.state.seating.attach(Attach(1, [seat(ANN, "ann"), seat(BOB, "bob")], {}))
    desk.commit()
    assert desk.told[1] == sent_away(ANN, BEHIND)


def test_what_is_replayed_in_all_is_bounded() -> None:
    """A hostile worker claims that it heard nothing of anything."""
    log, rooms = Log(":memory:"), [f"#room{number}" for number in range(30)]
    for room in rooms:
        for number in range(100):
            log.append(room, b"a" * 16, f"{room[1:]}-{number}", NOON, "ann", "text", "x" * 4000)
    log.commit()
    desk = Desk(log=log)
    desk.state.seating.attach(Attach(1, [seat(conn(1, n), f"nick{n}", room) for n, room in enumerate(rooms)], {}))
    desk.state.seating.attach(Attach(1, [], dict.fromkeys(rooms, 0)))
    desk.commit()
    posted = [event for event in desk.told[1] if isinstance(event, Posted)]
    assert 800 < len(posted) < 1100  # 4 MiB
    closed = [event for event in desk.told[1] if isinstance(event, Closed)]
    assert len(closed) == 30 - len(posted) // 100


@pytest.mark.parametrize("older", [True, False])
def test_a_log_that_is_replaced_under_a_running_server_is_never_silently_gone_on_with(
    older: bool, tmp_path: Path
) -> None:
    with serving(tmp_path / "data", "--workers", "1", "--no-limits") as server:
        peer = Peer(server.port)
        epoch = peer.enter("ann", "#tea").epoch
        peer.ask(native.Send(cmid="c1", to="#tea", text="one"), native.Ok)
        assert server.stop() == 0
        peer.close()
        replacement = tmp_path / "replacement.db"
        if older:
            shutil.copy(server.data / "moot.db", replacement)
        else:
            Log(replacement).close()
        server.start()
        peer = Peer(server.port)
        peer.enter("ann", "#tea")
        peer.ask(native.Send(cmid="c2", to="#tea", text="two"), native.Ok)
        brokers = len(server.pids("broker"))
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGSTOP)
        server.kill("broker")
        for file in server.data.glob("moot.db*"):
            file.unlink()
        shutil.copy(replacement, server.data / "moot.db")
        os.kill(server.process.pid, signal.SIGCONT)
        until(lambda: len(server.pids("broker")) > brokers, "another broker")
        bye = peer.next(native.Bye)
        assert (bye.reason, bye.retry) == (REPLACED, COME_BACK_S)
        assert peer.ended()
        peer.close()
        peer = Peer(server.port)
        assert (peer.enter("ann").epoch == epoch) == older
        room = peer.ask(native.Join(room="#tea", after=2, epoch=epoch), native.Room)
        assert room.reset
        assert [msg.text for msg in room.messages] == (["one"] if older else [])
        peer.close()
