"""What IRC clients put into texts beside words."""

import pytest

from workers.dialects.irc.text import action, fun_line, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x02bold\x02 \x1ditalic\x0f", "bold italic"),
        ("\x0304red\x03", "red"),
        ("\x034,12red on blue\x0399", "red on blue"),
        ("\x03,5", ",5"),
        ("\x0312345", "345"),
        ("\x04ff0000,00ff00hex\x04", "hex"),
        ("tab\tstays", "tab\tstays"),
        ("café 🐮", "café 🐮"),
    ],
)
def test_codes_go_with_their_numbers(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("\1ACTION waves\1", "waves"),
        ("\1ACTION waves", "waves"),
        ("\1ACTION\1", ""),
        ("\1ACTIONS\1", None),
        ("hi", None),
    ],
)
def test_an_action_is_known(text: str, done: str | None) -> None:
    assert action(text) == done


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("!cowsay hi", "/cowsay hi"),
        ("//cowsay hi", "/cowsay hi"),
        ("/cowsay hi", "/cowsay hi"),
        ("!COWSAY hi", "/COWSAY hi"),
        ("!nosuch hi", None),
        ("cowsay hi", None),
        ("! cowsay", None),
        ("!!cowsay", None),
    ],
)
def test_a_fun_command_is_known_by_its_sign(text: str, line: str | None) -> None:
    assert fun_line(text, {"cowsay"}) == line
