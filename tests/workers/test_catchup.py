"""From which seq a lagging client goes on, page by page. The worker and the connection are as small as they can be."""

from typing import Any, cast

import pytest

from protocol import native
from protocol.ipc import Do
from protocol.settings import DEFAULTS
from workers.catchup import AT_ONCE, CatchUp
from workers.conn import Conn
from workers.fanout import LocalRoom
from workers.sendq import Logged, SendQueue


class FakeLoop:
    def __init__(self) -> None:
        self.later: list[tuple[float, Any, tuple[Any, ...]]] = []

    def call_later(self, delay: float, call: Any, *args: Any) -> None:
        self.later.append((delay, call, args))


class FakeWorker:
    def __init__(self) -> None:
        self.rooms: dict[str, LocalRoom] = {}
        self.settings, self.loop = DEFAULTS, FakeLoop()
        self.pending: dict[int, Do] = {}
        self.asked: list[Do] = []  # what the broker was asked

    def ask(self, conn: Conn, request: native.Request) -> int:
        rid = len(self.asked) + 1
        self.pending[rid] = Do(conn.id, rid, request)
        self.asked.append(self.pending[rid])
        return rid

    def hears_again(self, conn: Conn, name: str) -> None:
        del self.rooms[name].lagging[conn.id]
        self.rooms[name].members[conn.id] = conn


class FakeConn:
    def __init__(self, id_: int, *rooms: str) -> None:
        self.id, self.peer, self.rooms, self.inbox = id_, "here", set(rooms), 3
        self.queue = SendQueue()
        self.lag = self.transport = None
        self.full, self.deaf, self.closing = True, False, False
        self.told: list[tuple[native.Event, Logged | None]] = []
        self.dropped = ""

    def reply(self, event: native.Event, logged: Logged | None = None) -> None:
        self.told.append((event, logged))
        if self.full:
            self.queue.add(b"its bytes\n", logged)

    def drop(self, reason: str) -> None:
        self.dropped = reason


class Scene:
    """A worker with a room #tea, told up to 5, and one lagging member."""

    def __init__(self) -> None:
        self.worker = FakeWorker()
        self.catchup = CatchUp(cast("Any", self.worker))
        self.tea = self.worker.rooms["#tea"] = LocalRoom("#tea")
        self.fake = FakeConn(7, "#tea")
        self.conn = cast("Conn", self.fake)
        self.tea.enter(self.conn, 5)

    def lag(self) -> dict[str, int]:
        self.catchup.free(self.conn, "for this test")
        assert self.conn.lag is not None
        return self.conn.lag.after

    def drain(self) -> None:
        self.fake.full = False
        self.catchup.drained(self.conn)

    def begin(self) -> None:
        """It lags and can be written to: its first page is asked for."""
        self.lag()
        self.drain()

    def answer(self, event: native.Event, rid: int = 0) -> None:
        do = self.worker.pending.pop(rid or len(self.worker.asked))
        self.catchup.answered(do, event)

    def requests(self) -> list[native.Request]:
        return [do.request for do in self.worker.asked]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def page(first: int, last: int, *, more: bool = False, room: str = "#tea") -> native.HistoryPage:
    messages = [native.Msg(room=room, seq=seq, time=1, nick="x", text="x") for seq in range(first, last + 1)]
    return native.HistoryPage(room=room, messages=messages, more=more)


def after(room: str, seq: int) -> native.History:
    return native.History(room=room, after=seq, limit=500)


def test_it_goes_on_after_what_it_was_given_and_not_after_what_the_room_has_heard(scene: Scene) -> None:
    scene.tea.last = 9  # the worker holds four messages back for some milliseconds
    assert scene.lag() == {"#tea": 5, "@": 3}
    assert scene.tea.members == {}


def test_it_goes_on_after_the_first_that_was_freed(scene: Scene) -> None:
    scene.tea.told = scene.tea.last = 9
    scene.fake.queue.add(b"eight\n", Logged("#tea", 7))
    scene.fake.queue.add(b"nine\n", Logged("#tea", 8))
    scene.fake.queue.add(b"psst\n", Logged("@", 1))
    assert scene.lag() == {"#tea": 7, "@": 1}


def test_page_by_page_and_room_by_room_until_it_hears_what_is_live(scene: Scene) -> None:
    scene.begin()
    scene.answer(page(6, 8, more=True))
    scene.answer(page(9, 9))
    assert list(scene.tea.members) == [7]
    scene.answer(native.HistoryPage(room="@", messages=[]))
    scene.answer(native.People(people=[native.Person("ann")], count=1, room="#tea"))
    assert scene.conn.lag is None
    assert scene.requests() == [after("#tea", 5), after("#tea", 8), after("@", 3), native.Who(room="#tea")]
    kinds = [(type(event).__name__, logged) for event, logged in scene.fake.told]
    assert kinds == [
        ("HistoryPage", Logged("#tea", 5)),
        ("HistoryPage", Logged("#tea", 8)),
        ("HistoryPage", Logged("@", 3)),
        ("People", None),
    ]


def test_nothing_is_asked_for_while_it_is_full_again(scene: Scene) -> None:
    scene.begin()
    scene.fake.full = True
    scene.answer(page(6, 8, more=True))
    assert len(scene.worker.asked) == 1
    scene.drain()
    assert scene.requests()[-1] == after("#tea", 8)


def test_a_page_that_is_freed_itself_is_asked_for_again(scene: Scene) -> None:
    scene.begin()
    scene.fake.full = True
    scene.answer(page(6, 8, more=True))
    assert scene.lag()["#tea"] == 5
    scene.drain()
    assert scene.requests()[-1] == after("#tea", 5)


def test_the_last_page_too_though_the_room_is_live_again(scene: Scene) -> None:
    scene.begin()
    scene.fake.full = True
    scene.answer(page(6, 8))
    scene.fake.queue.add(b"nine\n", Logged("#tea", 8))
    assert scene.lag()["#tea"] == 5
    assert scene.tea.members == {}


def test_who_enters_the_room_anew_gets_no_page_of_before(scene: Scene) -> None:
    scene.begin()
    scene.tea.enter(scene.conn, 9)
    scene.catchup.entered(scene.conn, "#tea")
    scene.answer(page(6, 9))
    assert scene.fake.told == []
    assert list(scene.tea.members) == [7]
    assert scene.tea.lagging == {}
    assert scene.requests()[-1] == after("@", 3)


@pytest.mark.parametrize("code", ["not-in-room", "not-introduced"])
def test_a_room_it_is_no_longer_in_is_forgotten(scene: Scene, code: str) -> None:
    scene.begin()
    scene.answer(native.Error(code=code, text="no"))
    assert scene.requests()[-1] == after("@", 3)
    assert scene.fake.told == []


def test_while_the_log_cannot_be_read_it_is_tried_again_later(scene: Scene) -> None:
    scene.begin()
    scene.answer(native.Error(code="storage", text="no", wait=2.0))
    assert len(scene.worker.asked) == 1
    [(delay, call, args)] = scene.worker.loop.later
    assert delay == 2.0
    call(*args)
    assert scene.requests() == [after("#tea", 5), after("#tea", 5)]


def test_a_hole_is_never_passed_over_in_silence(scene: Scene) -> None:
    scene.begin()
    scene.answer(native.Error(code="internal", text="internal error"))
    assert scene.fake.dropped == "what it missed could not be had: internal error"


def test_a_page_of_nothing_but_a_gap_goes_on_behind_it(scene: Scene) -> None:
    scene.begin()
    scene.answer(native.HistoryPage(room="#tea", messages=[], gaps=[(6, 90)], more=True))
    assert scene.requests()[-1] == after("#tea", 90)
    scene.answer(native.HistoryPage(room="#tea", messages=[], more=True))
    assert scene.fake.dropped == "what it missed of #tea could not be had: the page after 90 is empty"


def test_few_ask_at_once_and_who_goes_makes_way(scene: Scene) -> None:
    others = [FakeConn(100 + number) for number in range(AT_ONCE + 2)]
    for other in others:
        scene.catchup.free(cast("Conn", other), "for this test")
        other.full = False
        scene.catchup.drained(cast("Conn", other))
    assert [do.conn for do in scene.worker.asked] == [100 + number for number in range(AT_ONCE)]
    scene.catchup.lost(cast("Conn", others[-1]))
    scene.catchup.lost(cast("Conn", others[0]))
    assert [do.conn for do in scene.worker.asked[AT_ONCE:]] == [100 + AT_ONCE]
    assert 1 not in scene.worker.pending
