"""The queue between the network and a reader."""

import pytest

from client.feed import UNREAD, Feed


def feed() -> Feed[int]:
    return Feed(lambda: None)


async def test_items_come_in_order_then_the_end() -> None:
    items = feed()
    items.put(1)
    items.put(2)
    items.close()
    assert [item async for item in items] == [1, 2]


async def test_all_that_waits_comes_at_once() -> None:
    items = feed()
    for n in range(3):
        items.put(n)
    items.close()
    assert await items.batch() == [0, 1, 2]
    assert await items.batch() == []


async def test_an_error_comes_after_what_was_there() -> None:
    items = feed()
    items.put(1)
    items.close(ValueError("gone"))
    assert await anext(items) == 1
    with pytest.raises(ValueError, match="gone"):
        await anext(items)


async def test_without_a_reader_only_the_newest_are_kept() -> None:
    items = feed()
    for n in range(UNREAD + 5):
        items.put(n)
    assert len(items) == 1000
    assert await anext(items.claim()) == 5
    for n in range(UNREAD + 5):
        items.put(n)
    assert len(items) == 2004
