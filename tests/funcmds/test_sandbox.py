"""The real sandbox process over real pipes, with a plugin that tries everything."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the server runs on Unix", allow_module_level=True)

from funcmds import sandbox
from funcmds.trial import Trial
from protocol.ipc import Art, Beat, Catalogue, Link, Render, Rendered, Stop
from protocol.settings import Settings

PLUGINS = Path(__file__).parents[1] / "plugins"
SETTINGS = Settings(fun_time=0.6)  # more than the default, so that a busy machine fails no cow


@pytest.fixture(scope="module")
def box() -> Iterator[Trial]:
    """A sandbox with the hostile plugin, used by all tests here: each leaves it fit for the next."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(PLUGINS))
    patch.setenv("PYTHON_MOOT_HOSTILE_IMPORT", "1")
    patch.setenv("MOOT_TEST_SECRET", "sesame")
    with Trial(SETTINGS) as running:
        patch.undo()
        yield running
        assert running.process.is_alive()
    assert running.process.exitcode == 0


def cow_is_well(box: Trial) -> None:
    art = box.render("/cowsay moo").art
    assert art is not None
    assert art.text.startswith(" _____\n< moo >\n -----\n")


def test_ready_names_the_layers_and_the_plugins_left_out(box: Trial) -> None:
    assert box.ready.startswith("sandbox layers: descriptors, session, ")
    assert "rlimits" in box.ready
    assert "plugin broken-exit (broken_exit) is left out: SystemExit: goodbye" in box.ready
    assert "plugin broken-missing (no_such_module_anywhere) is left out: ModuleNotFoundError" in box.ready
    assert "plugin broken-object (broken_object:SOMETHING) is left out: it is neither a module nor" in box.ready


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these layers are Linux's")
def test_linux_has_no_new_privs_and_says_so_of_every_other_layer(box: Trial) -> None:
    for layer in ("die-with-parent", "non-dumpable", "no-new-privs", "landlock", "seccomp"):
        assert layer in box.ready
    assert "no-new-privs" in box.ready.partition("; not here: ")[0]


def test_the_catalogue_comes_first_and_has_built_in_and_foreign_commands(box: Trial) -> None:
    names = [command.name for command in box.catalogue]
    assert names == sorted(names)
    assert {"cowsay", "train", "xeyes", "roll", "loop"} <= set(names)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("/open /etc/passwd", "that fun command tried something that is not allowed in the sandbox"),
        ("/write /tmp/moot-hostile-was-here", "that fun command tried something that is not allowed in the sandbox"),
        ("/socket", "that fun command tried something that is not allowed in the sandbox"),
        ("/fork", "that fun command tried something that is not allowed in the sandbox"),
        ("/run", "that fun command tried something that is not allowed in the sandbox"),
        ("/parricide", "that fun command tried something that is not allowed in the sandbox"),
        ("/killall", "that fun command tried something that is not allowed in the sandbox"),
        ("/thread", "that fun command failed: RuntimeError: can't start new thread"),
        ("/system", "no shell here"),
        ("/loop", "that fun command took longer than 600 ms and was stopped"),
        ("/stubborn", "that fun command took longer than 600 ms and was stopped"),
        ("/print", "that fun command took longer than 600 ms and was stopped"),
        ("/allocate", "that fun command "),  # out of memory or out of time, whichever comes first
        ("/reserve", "that fun command ran out of memory"),
        ("/flood", "that came out as 20,000,000 bytes; at most 4,096 can be sent"),
        ("/tall", "that came out as 17,000 bytes; at most 16,384 can be sent"),
        ("/longplay", "its animation must last at most 30 seconds"),
        ("/pipeflood", "that fun command answered with more than 20,480 bytes"),
        ("/exit", "that fun command ended without an answer"),
        ("/systemexit", "that fun command failed: SystemExit: bye"),
        ("/segfault", "that fun command crashed (SIGSEGV)"),
        ("/recurse", "that fun command called itself too often"),
        ("/descriptors", "that fun command ended without an answer"),
        ("/wrongtype", "that fun command failed: "),
        ("/nosuch", "there is no fun command /nosuch"),
        ("/cowsay " + "x" * 200, "that is 208 characters; a fun command has at most 200"),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the refusals are those of Linux's layers")
def test_a_hostile_command_is_contained_and_told_and_the_next_one_works(box: Trial, line: str, error: str) -> None:
    answer = box.render(line)
    assert answer.art is None
    assert answer.error.startswith(error)
    cow_is_well(box)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS has no guard")
def test_a_plugins_import_can_neither_write_nor_connect_nor_run_nor_see_secrets(box: Trial) -> None:
    answer = box.render("/imported")
    assert answer.art == Art("import: nothing; secret: gone")
    assert not Path("/tmp/moot-hostile-was-here").exists()


def test_an_oversized_picture_is_cut_where_one_can_see_it(box: Trial) -> None:
    art = box.render("/wide").art
    assert art is not None
    lines = art.text.split("\n")
    assert lines == ["漢" * 29 + "…"] * 19 + ["… (31 more lines)"]


def test_terminal_control_does_not_leave_the_sandbox(box: Trial) -> None:
    assert box.render("/escape").art == Art("[2J]52;c;aGk=redder\n31m")
    forged = box.render("/forge").art
    assert forged == Art("]0;owned" + "X" * 51 + "…")


def test_a_forged_answer_that_is_much_work_to_clean_does_not_hold_the_sandbox_up(box: Trial) -> None:
    started = time.monotonic()
    for _ in range(3):
        assert box.render("/forgework small").art is not None
        assert box.render("/forgework").error == "that came out as 20,003 bytes; at most 16,384 can be sent"
    assert time.monotonic() - started < 3  # 0.1 s; quadratic work takes 8 s for each
    cow_is_well(box)


def test_memory_within_the_limit_may_be_used(box: Trial) -> None:
    assert box.render("/memory").art == Art("33554432")


def test_the_same_seed_draws_the_same(box: Trial) -> None:
    first, again = box.render("/roll 20d999", seed=7), box.render("/roll 20d999", seed=7)
    assert first.art == again.art
    assert first.art != box.render("/roll 20d999", seed=8).art


def test_a_looping_command_does_not_delay_another_callers_cow(box: Trial) -> None:
    box.main.ask(Render(1, "/loop", 1, "mallory"), Render(2, "/loop", 1, "mallory"), Render(3, "/cowsay hi", 1, "ann"))
    first = box.main.next()
    assert isinstance(first, Rendered)
    assert first.rid == 3
    assert first.art is not None
    assert {box.main.next().rid, box.main.next().rid} == {1, 2}  # type: ignore[union-attr]


def test_one_workers_flood_does_not_starve_another_worker(box: Trial) -> None:
    other = box.link()
    assert isinstance(other.next(), Catalogue)
    box.main.ask(*(Render(n, "/loop", 1, f"mallory{n}") for n in range(40)))
    box.control.send(Beat(1))
    assert box.control.recv() == [(Beat(1), [])]  # the flood has been read or waits in front of us
    other.ask(Render(99, "/cowsay hi", 1, "ann"))
    answer = other.next()
    assert isinstance(answer, Rendered)
    assert (answer.rid, answer.art is not None) == (99, True)
    answers = [box.main.next() for _ in range(40)]
    assert sorted(answer.rid for answer in answers if isinstance(answer, Rendered)) == list(range(40))
    cow_is_well(box)


def test_a_caller_hears_of_the_deadline_and_not_long_after(box: Trial) -> None:
    started = time.monotonic()
    assert box.render("/loop").art is None
    assert time.monotonic() - started < 10  # 0.6 s; the machine may be busy


def test_more_requests_than_may_wait_are_refused_as_busy(box: Trial) -> None:
    box.main.ask(*(Render(n, "/loop", 1, "mallory") for n in range(200)))
    answers = [box.main.next() for _ in range(200)]
    errors = {answer.error for answer in answers if isinstance(answer, Rendered)}
    assert errors == {
        "the fun commands are busy; try again in a moment",
        "that fun command took longer than 600 ms and was stopped",
    }
    cow_is_well(box)


def test_a_worker_that_hangs_up_or_talks_nonsense_costs_only_itself(box: Trial) -> None:
    gone, mad = box.link(), box.link()
    gone.ask(Render(1, "/loop", 1, "ann"))
    gone.close()
    assert isinstance(mad.next(), Catalogue)
    mad.writer.put(b"\xc1 no msgpack")
    with pytest.raises(EOFError):
        mad.next()
    cow_is_well(box)


def test_a_beat_comes_back_and_links_of_others_are_closed(box: Trial) -> None:
    box.control.send(Beat(7))
    assert box.control.recv() == [(Beat(7), [])]
    reader, writer = os.pipe()
    box.control.send(Link("broker", 1), (reader, writer))
    os.close(writer)
    assert os.read(reader, 1) == b""  # the sandbox, which has no use for it, closed its end
    os.close(reader)
    cow_is_well(box)


def test_the_sandbox_ends_when_the_supervisor_says_stop_or_is_gone() -> None:
    for stop in (True, False):
        with Trial(Settings()) as running:
            if stop:
                running.control.send(Stop("bye"))
            else:
                running.control.close()
            running.process.join(5)
            assert running.process.exitcode == 0


def test_render_once_and_layers_serve_the_doctor() -> None:
    answer = sandbox.render_once("/cowsay hi", Settings())
    assert answer.art is not None
    assert sandbox.layers(Settings()).startswith("sandbox layers: descriptors, ")
