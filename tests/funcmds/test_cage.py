"""The cage: layers are reported as they are, and a child that cannot be locked in does not draw."""

import gc
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest

if sys.platform == "win32":
    pytest.skip("the server runs on Unix", allow_module_level=True)

from funcmds import cage as cage_module
from funcmds import cells, render, sandbox
from funcmds.cage import Cage
from funcmds.registry import Registry, funcmd
from protocol.ipc import Render, Rendered
from protocol.settings import Settings

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these layers are Linux's")


@funcmd("read")
def read(args: str, rng: Random) -> str:
    """Reads a file."""
    return Path(args).read_text()


@funcmd("limits")
def limits(args: str, rng: Random) -> str:
    """Tells what the child is."""
    return f"group {os.getpid() > 0}, print {print('x')}"


def rendered(cage: Cage, line: str) -> Rendered:
    """Render in a child of this process, without zygote."""
    registry = Registry()
    registry.add(read)
    registry.add(limits)
    cells.clean("load the tables")
    running = render.start(cage, registry, Render(1, line, 1, "ann"), 200)
    while not running.take():
        select.select([running.fd], [], [], 5)
    running.close()
    _, status = os.waitpid(running.pid, 0)
    return render.read_answer(running) or render.died(running.request, status)


def made() -> Cage:
    cage = Cage(64 << 20, 0.25)
    cage.probe()
    return cage


def test_what_was_seen_to_work_is_named_in_order() -> None:
    cage = made()
    assert cage.layers[:2] == ["descriptors", "session"]
    assert cage.describe().startswith("sandbox layers: descriptors, session, ")
    assert set(cage.layers) | {name.split(" ")[0] for name in cage.missing} >= {"rlimits", "seccomp", "landlock"}


@linux_only
def test_a_layer_that_is_not_there_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    cage = made()
    assert "seccomp" not in cage.layers
    assert "; not here: " in cage.describe()
    assert "seccomp (import of pyseccomp halted; None in sys.modules; install libseccomp2" in cage.describe()


@linux_only
def test_without_seccomp_files_are_still_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    answer = rendered(made(), "/read /etc/passwd")
    assert answer.art is None
    assert answer.error.startswith("that fun command ")


def _die(cage: Cage, keep: int, parent_bytes: int) -> NoReturn:
    os._exit(1)


def test_when_the_probe_dies_plugins_are_not_loaded_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cage, "_try_all", _die)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "plugins"))
    monkeypatch.setattr(sandbox, "guard_parent", lambda readable: [])  # it would be for good
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    registry, cage = sandbox.prepare(Settings())
    said = "sandbox layers: none, so plugins are not loaded; not here: all (the probe died)"
    assert cage.describe() == said
    assert "cowsay" in registry.commands
    assert "forge" not in registry.commands
    monkeypatch.undo()


def test_what_a_dead_child_left_is_read_without_waiting_for_others_that_hold_its_pipe() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    running = render.Running(0, reader, Render(1, "/x", 1, "ann"))
    os.write(writer, b"last words")
    running.drain()  # the writing end is still open
    assert running.answer == b"last words"
    os.close(writer)
    running.drain()
    running.close()


def _refuse(option: int, value: int) -> None:
    raise OSError(1, "no")


@linux_only
def test_a_child_that_cannot_be_locked_in_does_not_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    cage = made()
    monkeypatch.setattr(cage_module, "_prctl", _refuse)
    answer = rendered(cage, "/limits")
    assert answer == Rendered(1, error="the sandbox could not be closed (die-with-parent: [Errno 1] no)")


def test_in_the_cage_a_command_computes_and_prints_nowhere() -> None:
    answer = rendered(made(), "/limits")
    assert answer.art is not None
    assert answer.art.text == "group True, print None"


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (b"", None),
        (b"\xc1", None),
        (b"\x93\x01\x02\x03", None),
        (b"x" * 30_000, Rendered(5, error="that fun command answered with more than 20,480 bytes")),
        (b"\x92\xc0\xa0", Rendered(5, error="that fun command failed without a word")),
        (b"\x92\xc0\xa6\x1b[31mx", Rendered(5, error="[31mx")),
        (b"\x92\xc0\xa2\xff\xfe", None),
    ],
)
def test_what_a_child_writes_is_not_believed(written: bytes, answer: Rendered | None) -> None:
    running = render.Running(0, -1, Render(5, "/x", 1, "ann"), bytearray(written))
    assert render.read_answer(running) == answer


def exit_with(code: int) -> Callable[[], None]:
    return lambda: os._exit(code)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (exit_with(3), "that fun command ended without an answer"),
        (lambda: os.kill(os.getpid(), 9), "that fun command crashed (SIGKILL)"),
    ],
)
def test_how_a_child_died_is_said(end: Callable[[], None], error: str) -> None:
    if (pid := os.fork()) == 0:
        end()
    assert render.died(Render(1, "/x", 1, "ann"), os.waitpid(pid, 0)[1]) == Rendered(1, error=error)
