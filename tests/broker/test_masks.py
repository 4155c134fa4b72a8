"""Masks: one way to write each, and whom they are about."""

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import masks
from broker.masks import BadMask, Who, matches, normalized

ANN = Who("Ann", "Ann", ("192.0.2.7", "2001:db8:1:2:3::4"), ("ann.user.moot",))
GUEST = Who("bob", None, ("198.51.100.9",), ("moot",))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ann", "ann!*@*"),
        ("ann!*@*", "ann!*@*"),
        (" ANN!*@* ", "ann!*@*"),
        ("ann!", "ann!*@*"),
        ("an**n!***@**", "an*n!*@*"),
        ("*@host.example", "*!*@host.example"),
        ("u@Host.Example", "*!u@host.example"),
        ("a?n", "a?n!*@*"),
        ("account:Ann", "account:ann"),
        ("ACCOUNT:ann", "account:ann"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("*!*@192.0.2.9/24", "192.0.2.0/24"),
        ("*@192.0.2.7", "192.0.2.7"),
        ("bob!*@192.0.2.9/24", "bob!*@192.0.2.0/24"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("*!*@::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("Straße", "strasse!*@*"),
        ("*", "*!*@*"),
    ],
)
def test_what_means_the_same_is_written_one_way(written: str, kept: str) -> None:
    assert normalized(written) == kept
    assert normalized(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "a!b!c",
        "a@b@c",
        "!!",
        "a!b@c!d",
        "192.0.2.0/33",
        "1.2.3/x",
        "account:",
        "account:a b",
        "a\x07",
        "-x",
        "x" * 301,
    ],
)
def test_what_is_no_mask_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(BadMask, match=r"write|nick"):
        normalized(text)


@pytest.mark.parametrize(
    ("mask", "who"),
    [
        ("ann", ANN),
        ("a?n", ANN),
        ("*n!~u@*", ANN),
        ("a*!u@*", ANN),
        ("account:ann", ANN),
        ("*!*@ann.user.*", ANN),
        ("192.0.2.0/24", ANN),
        ("2001:db8::/32", ANN),
        ("*!*@2001:db8:1::/48", ANN),
        ("ann!*@192.0.2.*", ANN),
        ("*!*@moot", GUEST),
        ("198.51.100.9", GUEST),
    ],
)
def test_whom_a_mask_is_about(mask: str, who: Who) -> None:
    assert matches(normalized(mask), who)
    assert not matches(normalized(mask), GUEST if who is ANN else ANN)


@pytest.mark.parametrize("mask", ["*!root@*", "ann!*@10.0.0.0/8", "account:bob", "an", "?ann", "not normalized", ""])
def test_whom_it_is_not_about(mask: str) -> None:
    assert not matches(mask, ANN)


def test_a_nick_in_a_mask_is_found_again() -> None:
    assert masks.nick_in(masks.of_nick("Ann")) == "ann"
    assert [masks.nick_in(mask) for mask in ("a*!*@*", "ann!*@host", "account:ann", "192.0.2.7")] == [None] * 4


def test_addresses_are_counted_as_limits_count_them() -> None:
    assert ANN.counted == {"192.0.2.7", "2001:db8:1:2::/64"}


_letters = st.text("ab", max_size=12)


@given(pattern=st.text("ab*?", min_size=1, max_size=12), nick=_letters)
def test_globs_match_as_those_of_the_shell(pattern: str, nick: str) -> None:
    expected = re.fullmatch(fnmatch.translate(pattern), nick) is not None
    assert matches(normalized(f"{pattern}!*@*"), Who(nick)) == expected


@given(st.text(max_size=80))
def test_any_text_is_a_mask_or_refused_and_a_mask_stays_as_it_is(text: str) -> None:
    try:
        mask = normalized(text)
    except BadMask:
        return
    assert normalized(mask) == mask
    assert matches(mask, ANN) in (True, False)


def test_no_mask_is_slow() -> None:
    mask = normalized("*" + "a*?" * 90 + "b!*@*")
    begin = time.process_time()
    for _ in range(100):
        assert not matches(mask, Who("a" * 150))
    assert time.process_time() - begin < 1.0
