"""How fun commands may be typed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcmds.spelling import is_fun, parse


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("/cowsay -f tux hi", ("cowsay", "-f tux hi")),
        ("/COWSAY Hi", ("cowsay", "Hi")),
        ("/cowsay two\nlines", ("cowsay", "two\nlines")),
        ("/train", ("train", "")),
        ("  /train  ", ("train", "")),
        ("/8ball will it?", ("8ball", "will it?")),
        ("/cowsay?Hello/", ("cowsay", "Hello")),
        ("/cowsay?Is a/b a path?/", ("cowsay", "Is a/b a path?")),
        ("/cowsay!-f!bunny?text/", ("cowsay", "-f bunny text")),
        ("/cowsay!-f!bunny?text", ("cowsay", "-f bunny text")),
        ("/xcowsay?12:30/", ("xcowsay", "12:30")),
        ("/train/", ("train", "")),
        ("/xeyes/", ("xeyes", "")),
        ("cowsay -help", ("cows", "")),
        ("Cowsay  -HELP", ("cows", "")),
        ("emogi -help", ("emoji", "")),
        ("//cowsay hi", None),
        ("/usr/bin/cowsay", None),
        ("/", None),
        ("/ cowsay", None),
        ("cowsay hi", None),
        ("hello", None),
        ("", None),
    ],
)
def test_every_spelling_means_a_name_and_arguments(line: str, call: tuple[str, str] | None) -> None:
    assert parse(line) == call


def test_is_fun_asks_for_a_known_name_in_any_spelling() -> None:
    names = {"cowsay", "cows", "emoji"}
    for line in ("/cowsay hi", "/cowsay?hi/", "/COWSAY hi", "cowsay -help", "emogi -help"):
        assert is_fun(line, names)
    for line in ("/quit", "//cowsay hi", "cowsay", "emoji", "hello /cowsay hi", ""):
        assert not is_fun(line, names)


@settings(deadline=None)
@given(st.text(alphabet="/?! \n-abcowsay", max_size=30) | st.text(max_size=30))
def test_no_line_breaks_the_parser_and_names_are_clean(line: str) -> None:
    call = parse(line)
    if call is not None:
        name, args = call
        assert name.replace("-", "").replace("_", "").isalnum()
        assert args == args.strip()
        assert is_fun(line, {name})


@settings(deadline=None)
@given(st.text(alphabet="abc 123.,:", min_size=1, max_size=30).map(str.strip).filter(bool))
def test_both_ages_spell_the_same(text: str) -> None:
    assert parse(f"/cowsay?{text}/") == parse(f"/cowsay {text}") == ("cowsay", text)
