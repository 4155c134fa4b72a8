"""Emoji by name."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protocol.text
from funcmds.emojilist import emoji
from funcmds.emojis import complete, emojize, names, search
from funcmds.registry import FunError


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("well done :thumbs_up:", "well done 👍"),
        (":+1::smile:", "👍😄"),
        ("nice:+1:", "nice👍"),
        ("$grinning face$ hi $Grinning Face$", "😀 hi 😀"),
        (":THUMBS_UP:", "👍"),
        (":red_heart:", "❤️"),
        ("a :100: and :b:", "a 💯 and 🅱️"),
        (":nosuch:smile:", ":nosuch😄"),
    ],
)
def test_names_become_emoji(text: str, result: str) -> None:
    assert emojize(text) == result


@pytest.mark.parametrize(
    "text",
    [
        *("12:30:45", "12:100:45", "http://a:80/", "http://[::1]:80/:x", "$5 and $6", "costs $5, not $7$"),
        *("a::b::c", "std::map::x", "a:b:c", "::smile::", ": smile :", "no names", ":", "$$", ":::", "key:value:"),
    ],
)
def test_what_only_looks_like_a_name_is_left_alone(text: str) -> None:
    assert emojize(text) == text


SHREDS = st.lists(st.sampled_from([*":$ ab5", ":+1:", ":b:", ":100:", "smile", "$grinning face$", "map", "::"]))


@settings(deadline=None)
@given(st.text() | SHREDS.map("".join))
def test_emojize_never_raises_and_done_again_changes_nothing(text: str) -> None:
    once = emojize(text)
    assert emojize(once) == once


@settings(deadline=None)
@given(st.sampled_from(sorted(names())))
def test_every_name_works_alone_in_both_spellings(name: str) -> None:
    assert emojize(f":{name}:") == names()[name]
    spelled = name[0] + name[1:].replace("_", " ")  # `$ 1$` is a price, so `_1` keeps its sign
    assert emojize(f"${spelled}$") == names()[name]


def test_every_emoji_with_a_name_may_be_sent() -> None:
    changed = {name for name, symbol in names().items() if protocol.text.clean(symbol) != symbol}
    assert changed == set()


def test_completion_gives_the_shortest_names_first() -> None:
    assert complete("thumbs_u", 1) == [("thumbs_up", "👍")]
    assert complete(":gri", 2) == [("grin", "😁"), ("grinning", "😀")]
    assert complete("$grinning fa", 1) == [("grinning_face", "😀")]
    assert complete("nosuchname") == []
    assert len(complete("", 8)) == 8


def test_search_finds_each_emoji_once_the_exact_one_first() -> None:
    found = search("cow")
    assert found[:2] == [("cow", "🐄"), ("cow_face", "🐮")]
    assert len({symbol for _, symbol in found}) == len(found)
    assert search("zzzz") == []


def test_the_list_is_private_and_bounded() -> None:
    art = emoji("", Random(0))
    assert art.private
    assert "😀  :grinning_face:  $grinning face$" in art.text
    assert len(art.text.split("\n")) >= 51
    assert "🐄  :cow:  $cow$" in emoji("cow", Random(0)).text
    assert emoji("face", Random(0)).text.startswith("the best 100; a longer word finds fewer\n")
    with pytest.raises(FunError, match="no emoji is called anything like 'xyzzy'"):
        emoji("xyzzy", Random(0))
