"""Passwords in the terminal client: asked for unseen, in order, on any screen."""

import pytest

from protocol import accounts, native
from tests.client.terminal.conftest import Fake, Start


@pytest.mark.parametrize("size", [(20, 5), (100, 30)])
async def test_a_password_is_typed_unseen_and_asked_for_twice(start: Start, fake: Fake, size: tuple[int, int]) -> None:
    async with start(size=size) as term:
        await term.type("/register")
        await term.press("enter")
        await term.sees("a password")
        await term.type("secret one")
        assert "secret" not in term.text
        await term.press("enter")
        await term.sees("the same again")
        await term.type("secret one")
        await term.press("enter")
        await term.until(lambda: any(isinstance(r, accounts.Register) for r in fake.got), "register")
        (asked,) = [r for r in fake.got if isinstance(r, accounts.Register)]
        assert (asked.password, asked.remember) == ("secret one", True)
        assert term.typed == ""


async def test_what_is_typed_ahead_goes_where_it_should(start: Start, fake: Fake) -> None:
    async with start() as term:
        await term.type("/password")
        await term.press("enter")
        await term.sees("old password")
        keys = [*"old", "enter", *"new", "enter", *"new", "enter"]
        await term.press(*keys)
        await term.until(lambda: any(isinstance(r, accounts.Password) for r in fake.got), "password")
        (asked,) = [r for r in fake.got if isinstance(r, accounts.Password)]
        assert (asked.old, asked.new) == ("old", "new")


async def test_two_that_differ_are_asked_for_anew_and_escape_leaves(start: Start, fake: Fake) -> None:
    async with start() as term:
        await term.type("/register")
        await term.press("enter")
        await term.sees("a password")
        await term.press(*"one", "enter", *"two", "enter")
        await term.sees("not the same")
        await term.press("escape")
        await term.until(lambda: "not the same" not in term.text, "the line is gone")
        await term.type("hello")
        await term.press("enter")
        await term.until(lambda: fake.sends() == [("#lobby", "hello")], "said")
        assert not any(isinstance(r, accounts.Register) for r in fake.got)


async def test_a_password_in_the_line_is_not_called_back(start: Start, fake: Fake) -> None:
    async with start() as term:
        await term.type("/login ann hunter2")
        await term.press("enter")
        await term.until(lambda: any(isinstance(r, accounts.Sasl) for r in fake.got), "login")
        await term.press("up")
        assert term.typed == "/login ann"


async def test_others_see_typing_but_not_of_commands(start: Start, fake: Fake) -> None:
    def typing() -> list[str]:
        return [r.state for r in fake.got if isinstance(r, native.Typing)]

    async with start() as term:
        await term.type("/join")
        await term.press("ctrl+u")
        await term.type("hello")
        await term.until(lambda: typing() == ["active"], "typing")
        await term.press("ctrl+u")
        await term.until(lambda: typing() == ["active", "done"], "no longer typing")
        await term.type("/typing off")
        await term.press("enter")
        await term.type("hello again")
        await term.press("enter")
        await term.until(lambda: fake.sends() == [("#lobby", "hello again")], "said")
        assert typing() == ["active", "done"]
