"""The outbox: in order, each once on the wire, nothing forgotten before it is answered."""

from client.outbox import Outbox
from protocol.native import Send


def box(count: int) -> Outbox:
    made = Outbox()
    for n in range(count):
        made.add(Send(cmid=f"c{n}", to="#tea", text=str(n)))
    return made


def sent(outbox: Outbox) -> list[str]:
    """Return what goes on the wire now."""
    found = []
    while (request := outbox.next()) is not None:
        found.append(request.cmid)
    return found


def test_sixteen_are_on_the_wire_and_each_answer_lets_one_more_go() -> None:
    outbox = box(18)
    assert sent(outbox) == [f"c{n}" for n in range(16)]
    outbox.answered("c3")
    assert sent(outbox) == ["c16"]


def test_what_is_refused_for_now_keeps_its_place() -> None:
    outbox = box(3)
    sent(outbox)
    for cmid in ("c2", "c0"):
        outbox.put_back(cmid)
    outbox.slow_down()
    outbox.answered("c1")
    assert sent(outbox) == ["c0"]
    outbox.answered("c0")
    assert sent(outbox) == ["c2"]


def test_after_a_pause_the_pace_comes_back_when_what_was_refused_is_answered() -> None:
    outbox = box(40)
    assert len(sent(outbox)) == 16
    for n in range(16):
        outbox.put_back(f"c{n}") if n > 12 else outbox.answered(f"c{n}")
    outbox.slow_down()
    for n in range(13, 16):
        assert sent(outbox) == [f"c{n}"]
        outbox.answered(f"c{n}")
    assert sent(outbox) == ["c16", "c17"]
    outbox.answered("c16")
    assert sent(outbox) == ["c18", "c19", "c20"]
    for n in range(17, 20):
        outbox.answered(f"c{n}")
    assert len(sent(outbox)) == 15  # with the one that was there


def test_a_pause_for_something_else_slows_down_until_the_next_answer() -> None:
    outbox = box(1)
    sent(outbox)
    outbox.slow_down()
    outbox.answered("c0")
    outbox.add(Send(cmid="x", to="#tea", text="x"))
    outbox.add(Send(cmid="y", to="#tea", text="y"))
    assert sent(outbox) == ["x", "y"]


def test_a_broken_connection_sends_all_again_and_remembers_which_may_have_arrived() -> None:
    outbox = box(3)
    sent(outbox)
    outbox.answered("c0")
    outbox.lost()
    assert outbox.unsure == {"c1", "c2"}
    assert sent(outbox) == ["c1", "c2"]
    outbox.answered("c1")
    assert outbox.unsure == {"c2"}
