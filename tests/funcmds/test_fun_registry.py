"""The registry: what it takes, what it reports, what it lets out."""

import signal
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from funcmds import registry as registry_module
from funcmds.registry import Command, FunError, Registry, bounded, funcmd, load
from protocol.ipc import Art
from protocol.native import Anim, FunCommand

BUILT_IN = load(plugins=False)


@funcmd("greet", aliases=["hello"], usage="/greet [whom]")
def greet(args: str, rng: Random, nick: str) -> str:
    """Greets."""
    return f"{nick} greets {args or 'everybody'}"


def test_the_built_in_commands_are_these() -> None:
    assert sorted(BUILT_IN.commands) == [
        *("8ball", "banner", "cows", "cowsay", "cowthink", "emoji", "flip", "roll"),
        *("shrug", "slap", "train", "xcowsay", "xeyes"),
    ]
    assert BUILT_IN.problems == []


def test_every_built_in_command_has_usage_and_a_sentence() -> None:
    for command in BUILT_IN.catalogue():
        assert command.usage.startswith(f"/{command.name}")
        assert command.help.endswith(".")


def test_a_command_describes_itself_and_knows_its_caller() -> None:
    assert greet.described() == FunCommand("greet", "/greet [whom]", "Greets.", ["hello"])
    registry = Registry()
    registry.add(greet)
    assert registry.names() == {"greet", "hello"}
    assert registry.render("/hello bob", Random(0), "ann") == Art("ann greets bob")


@pytest.mark.parametrize("name", ["", "Big", "two words", "/x", "é", "x" * 33])
def test_a_name_people_cannot_type_is_refused_when_written(name: str) -> None:
    with pytest.raises(ValueError, match="name is 1-32 of"):
        funcmd(name)


def test_a_taken_name_stays_with_the_first_and_is_reported() -> None:
    registry = Registry()
    registry.add(greet)
    registry.add(Command("hello", greet.draw, "/hello", "Other."), "plugin x")
    assert list(registry.commands) == ["greet"]
    assert registry.problems == ["/hello of plugin x is left out: there is a command of that name already"]


def test_broken_plugins_are_reported_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "plugins"))
    registry = load()
    assert registry.render("/memory", Random(0)) == Art("33554432")
    assert [problem.split(" (")[0] for problem in registry.problems] == [
        *("plugin broken-exit", "plugin broken-missing", "plugin broken-object"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="plugins are imported on Unix only; Windows has no timers")
def test_a_plugin_whose_import_never_ends_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "endless_plugin.py").write_text(
        "while True:\n    try:\n        pass\n    except Exception:\n        pass\n"
    )
    folder = tmp_path / "endless-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: endless\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[moot.funcmds]\nendless = endless_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry_module, "MAX_IMPORT_S", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    registry = load()
    assert "plugin endless (endless_plugin) is left out: its import took longer than 0.2 seconds" in registry.problems
    assert signal.getsignal(signal.SIGALRM) is before
    assert "cowsay" in registry.commands


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/nosuch thing", "there is no fun command /nosuch"),
        ("hello", "a fun command begins with a slash, like /cowsay hello"),
        ("/cowsay " + "x" * 193, "that is 201 characters; a fun command has at most 200"),
        ("/cowsay", "say what? Try /cowsay moo"),
    ],
)
def test_what_cannot_be_run_is_said(line: str, sentence: str) -> None:
    with pytest.raises(FunError) as refused:
        BUILT_IN.render(line, Random(0))
    assert str(refused.value) == sentence


def test_a_picture_is_cut_to_60_by_20_cells_visibly() -> None:
    art = bounded(Art("\n".join("x" * 70 for _ in range(25))))
    assert art.text.split("\n") == ["x" * 59 + "…"] * 19 + ["… (6 more lines)"]


def test_what_the_caller_alone_sees_may_be_longer() -> None:
    text = "\n".join("y" * 100 for _ in range(100))
    assert bounded(Art(text, private=True)).text == text


@pytest.mark.parametrize(
    ("art", "sentence"),
    [
        (Art("x" * 20_000), "that came out as 20,000 bytes; at most 4,096 can be sent"),
        (Art("\u064b" * 8193), "that came out as 16,386 bytes; at most 4,096 can be sent"),
        (Art("\ud800" * 6000), "that came out as 18,000 bytes; at most 4,096 can be sent"),
        (Art("é" * 2049, kind="text"), "that came out as 4,098 bytes; at most 4,096 can be sent"),
        (Art("x" * 16_385, private=True), "that came out as 16,385 bytes; at most 16,384 can be sent"),
        (Art(" \n \x07"), "that came out empty"),
        (Art("x", kind="topic"), "it answered with art of the unknown kind 'topic'"),
        (Art("x", anim=Anim("train", 1, float("nan"))), "its animation must last at most 30 seconds"),
    ],
)
def test_what_may_not_be_sent_is_refused(art: Art, sentence: str) -> None:
    with pytest.raises(FunError) as refused:
        bounded(art)
    assert str(refused.value) == sentence


@given(st.sampled_from(sorted(BUILT_IN.names())), st.text(max_size=190), st.integers(0, 2**48))
@settings(max_examples=400, deadline=None)
def test_any_command_with_any_text_keeps_the_bounds_or_says_no(name: str, text: str, seed: int) -> None:
    try:
        art = BUILT_IN.render(f"/{name} {text}", Random(seed), "ann")
    except FunError:
        return
    assert len(art.text.encode()) <= (16 * 1024 if art.private else 4 * 1024)
    if not art.private:
        lines = art.text.split("\n")
        assert len(lines) <= 20
        if art.kind == "fun":
            assert max(wcswidth(line) for line in lines) <= 60
    assert BUILT_IN.render(f"/{name} {text}", Random(seed), "ann") == art
